"""Which models the formats of `skmlp export` and the page of `skmlp draw` can express."""

from contextlib import contextmanager

from skmlp.cli.errors import BAD_MODEL, CommandError
from skmlp.cli.model_files import describe_kind, is_pipeline

#: Formats that can express committees.
COMMITTEE_FORMATS = ("html", "onnx")
#: Largest number of transformers in a pipeline, by the format. Those that are left out have no limit.
MAX_TRANSFORMERS = {"html": 1}


@contextmanager
def name_model(path):
    """Add the path of the model to errors about it."""
    try:
        yield
    except CommandError as error:
        if error.exit_status != BAD_MODEL:
            raise
        raise CommandError(BAD_MODEL, f"{path}: {error}") from error


def check_format(name, model, path, purpose=None, onnx="--onnx"):
    """Raise an error if a format cannot express a pipeline or a committee.

    Parameters
    ----------
    name : str
    model : estimator
    path : str
        Path of the model.
    purpose : str, default=None
        What the model is for. None for the option of the format.
    onnx : str, default="--onnx"
        What to use for the export to ONNX.
    """
    obstacle = find_obstacle(name, model)
    if obstacle is not None:
        fix = (
            f"Use {onnx}, which also exports pipelines and committees."
            if find_obstacle("onnx", model) is None
            else "No other format can express it. Export a model with other steps, or convert this one in Python by "
            "skl2onnx.to_onnx."
        )
        raise CommandError(
            BAD_MODEL,
            f"{path}: the model must be {describe_expected(name)} for {purpose or f'--{name}'}, got {obstacle}. {fix}",
        )
    if name == "html":
        check_one_shape(model, path, purpose or "--html", onnx)


def check_one_shape(model, path, purpose, onnx):
    """Raise an error if the members of a committee store different shapes of images, see `check_format`."""
    from skmlp.model_parts import list_image_shapes

    shapes = list_image_shapes(model)
    if len(shapes) > 1:
        raise CommandError(
            BAD_MODEL,
            f"{path}: the models of the committee must store one image shape for {purpose}, got {join_shapes(shapes)}. "
            f"Combine models that were trained on images of one shape, use {onnx}, or pass image_shape to "
            "skmlp.export.to_html in Python.",
        )


def find_obstacle(name, model):
    """Return the description of a model, or of a member of a committee, if a format cannot express it, else None."""
    from skmlp.model_parts import is_committee, split_model

    if is_committee(model):
        return find_obstacle_of_committee(name, model)
    types = list_transformers(name)
    transformers = split_model(model).transformers
    is_expressed = all(type(each) in types for each in transformers)
    is_too_long = len(transformers) > MAX_TRANSFORMERS.get(name, len(transformers))
    is_refused_pipeline = is_pipeline(model) and not types
    if is_expressed and not (is_too_long or is_refused_pipeline):
        return None
    return describe_kind(model)


def find_obstacle_of_committee(name, committee):
    """Return the description of a committee if a format cannot express it, or one of its members, else None."""
    from skmlp.model_parts import get_names, list_members

    if name not in COMMITTEE_FORMATS:
        return describe_kind(committee)
    for member_name, member in zip(get_names(committee), list_members(committee), strict=True):
        obstacle = find_obstacle(name, member)
        if obstacle is not None:
            return f"a committee whose member {member_name!r} is {obstacle}"
    shapes = list_deslanted_shapes(committee) if name == "html" else []
    if len(shapes) > 1:
        return f"a committee whose Deslant steps take images of the shapes {join_shapes(shapes)}"
    return None


def list_deslanted_shapes(committee):
    """Return the different shapes of the images that the transformers of the members of a committee take."""
    from skmlp.model_parts import list_members, split_model

    transformers = (
        each for model in list_members(committee) for each in split_model(model).transformers
    )
    return sorted({tuple(each.image_shape_) for each in transformers})


def join_shapes(shapes):
    """Return shapes of images as text."""
    return ", ".join(map(str, shapes))


def list_transformers(name):
    """Return the types of the transformers in the pipelines that a format can express."""
    from skmlp import Deslant
    from skmlp.export.c_steps import CONVERTERS as C_CONVERTERS
    from skmlp.export.onnx_steps import CONVERTERS as ONNX_CONVERTERS

    types = {"html": [Deslant], "onnx": ONNX_CONVERTERS, "c": C_CONVERTERS}
    return tuple(types.get(name, ()))


def describe_expected(name):
    """Return the description of the models that a format can express."""
    names = [each.__name__ for each in list_transformers(name)]
    if not names:
        return "a classifier"
    steps = " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    committee = ", or a committee of these," if name in COMMITTEE_FORMATS else ""
    return f"a classifier or a pipeline of {steps} and a classifier{committee}"
