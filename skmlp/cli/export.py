"""`skmlp export`: write a model in formats that other programs read."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from skmlp.cli.console import print_line
from skmlp.cli.datasets import (
    SCALE_HELP,
    apply_scale_to_classifier,
    describe_data,
    load_subset_for_models,
)
from skmlp.cli.drawing_page import WEIGHTS, write_page
from skmlp.cli.errors import BAD_MODEL, CANNOT_WRITE, SUCCESS, USAGE, CommandError, translate_errors
from skmlp.cli.formats import check_format, name_model
from skmlp.cli.model_files import (
    PIXEL_SCALE,
    CommitteeModel,
    check_single_label,
    declare_model_argument,
    get_classifier,
    get_features,
    is_pipeline,
    make_view,
    read_any_model,
)
from skmlp.cli.options import Option, declare
from skmlp.cli.outputs import check_output_file
from skmlp.cli.parser import Command
from skmlp.cli.values import FACTOR, PATH, OptionError
from skmlp.exceptions import ExportError
from skmlp.formatting import format_count, format_percent, format_size

NAME = "export"
PROGRAM = f"skmlp {NAME}"

DESCRIPTION = """\
Export a model to other programs.

--html writes a page on which one can draw a digit and see the network read it.
--onnx writes a model for onnxruntime and other runtimes, --c writes source code
in C99 with 8-bit weights for microcontrollers, and --sklearn writes an
MLPClassifier of scikit-learn in the format of skops. Existing files are
replaced.

The predictions are compared with those of the model. For --html and --c, these
are the predictions of the rounded weights, computed by NumPy."""

EXAMPLES = """\
examples:
  skmlp export skmlp-run/model.safetensors --html draw.html
  skmlp export mnist-run/model.safetensors --onnx digits.onnx
  skmlp export mnist-run/model.safetensors --c digits.c --check mnist"""


def declare_output(text):
    """Return the dataclass field of an option that is a file to write."""
    return declare(Option(PATH, f"{text} [default: none]", "output", "FILE"), None)


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `skmlp export`."""

    model: str = declare_model_argument()
    html: str | None = declare_output(
        "Page to draw on, which works offline and on phones, also of pipelines of Deslant and a classifier, and of "
        "committees."
    )
    onnx: str | None = declare_output(
        "ONNX model, also of pipelines and committees, with the input X, float32 pixels, and the outputs label and "
        "probabilities. Requires the extra skmlp[onnx]."
    )
    c: str | None = declare_output(
        "C source code with the function skmlp_predict and 8-bit weights, also of pipelines of Deslant or ImageResizer "
        "and a classifier."
    )
    sklearn: str | None = declare_output("MLPClassifier of scikit-learn. Requires skops.")
    weights: str | None = declare(WEIGHTS, None)
    check: str | None = declare(
        Option(
            PATH,
            "Dataset whose test set the exports are compared on: a directory with the four IDX files of MNIST or a "
            "compatible dataset, or 'mnist' to download MNIST, unless it is already there. [default: random images]",
            "check",
            "DIR",
        ),
        None,
    )
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "pixel", "FACTOR"), None)

    def __post_init__(self):
        if not any(getattr(self, name) for name in FORMATS):
            options = ", ".join(f"--{name}" for name in FORMATS)
            raise OptionError(f"expected at least one of {options} with a file, got no format.")
        if self.weights is not None and self.html is None:
            raise OptionError("--weights has no effect without --html. Leave it out.")


class Samples(NamedTuple):
    """Samples that predictions are compared on, their labels if there are any, and a description."""

    X: Any
    y: Any
    name: str


class Exported(NamedTuple):
    """Written file.

    Parameters
    ----------
    announcement : str
        What to print about it.
    predict : callable
        Return its Predictions for samples.
    subject : str, default=""
        What it runs.
    convert : callable or None, default=None
        Convert samples to the type that it takes. Pipelines may round samples of different types differently.
    """

    announcement: str
    predict: Callable[[Any], Any]
    subject: str = ""
    convert: Callable[[Any], Any] | None = None


def run(options):
    """Run `skmlp export`."""
    paths = {name: getattr(options, name) for name in FORMATS if getattr(options, name)}
    check_outputs(paths, options)
    model = read_exported_model(options, paths)
    samples = load_samples(make_view(model), options)
    for name, path in paths.items():
        with name_model(options.model):
            exported = FORMATS[name](model, path, options)
        print_line(exported.announcement)
        print_line(f"  {describe_comparison(model, exported, samples)}")
    return SUCCESS


def read_exported_model(options, formats):
    """Return the model with the scale of --scale, or raise an error if a format cannot express it."""
    model = read_any_model(options.model)
    if options.check is not None:
        check_single_label(model, options.model)
    for name in formats:
        check_format(name, model, options.model)
        if name == "c" and is_pipeline(model):
            check_takes_pixels(model, options.model)
    return apply_scale_to_classifier(options.scale, model)


def check_takes_pixels(pipeline, path):
    """Raise an error unless the input_scale of the classifier of a pipeline is that of 8-bit pixels."""
    from skmlp.export.c_source import fits_uint8

    scale = get_classifier(make_view(pipeline)).input_scale
    if not fits_uint8(scale):
        raise CommandError(
            BAD_MODEL,
            f"{path}: the input_scale of the classifier must be the reciprocal of an integer up to 255 for --c, which "
            f"takes images of 8-bit pixels, got {scale!r}. Use --onnx, or train the pipeline on 8-bit pixels.",
        )


def check_outputs(paths, options):
    """Check that the files can be written, and differ from each other, from the model and from the dataset."""
    resolved = [Path(path).resolve() for path in paths.values()]
    if len(set(resolved)) < len(resolved):
        raise CommandError(
            USAGE,
            f"the output files must differ from each other, got {', '.join(paths.values())}. Choose other paths.",
        )
    for name, path in paths.items():
        if (
            options.check is not None
            and Path(options.check).resolve() in Path(path).resolve().parents
        ):
            raise CommandError(
                USAGE,
                f"{path}: --{name} must not be in the directory of --check, got {options.check}. Choose another path.",
            )
        check_output_file(path, inputs=(options.model,), option=f"--{name}")


def load_samples(model, options):
    """Return the Samples of --check, or random ones in the range of the page if there is one."""
    from skmlp.export.checks import generate_samples

    if options.check is None:
        scale = model.input_scale
        if scale is None and options.html is not None:
            scale = PIXEL_SCALE  # see write_page
        X = generate_samples(model.n_features_in_, scale)
        return Samples(X, None, f"{len(X)} random samples")
    images = load_subset_for_models([model], options.check, "test", None)
    name = f"{format_count(len(images.X), 'image')} of {describe_data(options.check)}"
    return Samples(images.X, images.y, name)


def describe_comparison(model, exported, samples):
    """Return a sentence on the differences between the predictions of a written file and of the model.

    Labels are compared on images only, because those of random samples are arbitrary.
    """
    from skmlp.export.checks import compare_predictions, predict

    X, y, name = samples
    if exported.convert is not None:
        X = exported.convert(X)
    expected = predict(model, X)
    predictions = exported.predict(X)
    comparison = compare_predictions(expected, predictions)
    difference = f"probabilities differ by at most {comparison.largest_difference:.0e}"
    compared = f"{exported.subject}compared with the model on {name}"
    if y is None:
        return f"{compared}: {difference}"
    n_different = comparison.n_different
    labels = f"{format_count(n_different, 'label')} {'differs' if n_different == 1 else 'differ'}"
    accuracy, original = (
        format_percent((predicted == y).mean())
        for predicted in (predictions.labels, expected.labels)
    )
    return f"{compared}: {labels}, {difference}, accuracy {accuracy} (model: {original})"


def export_to_html(model, path, options):
    """Write a page to draw on."""
    from skmlp.export.page_data import choose_weights
    from skmlp.image_shape import find_image_shape

    view = make_view(model)
    weights = options.weights or choose_weights(find_image_shape(None, view))
    announcement = write_page(model, path, weights, PROGRAM)
    return Exported(
        announcement, lambda X: predict_as_page(view, X, weights), f"weights in {weights} "
    )


def predict_as_page(view, X, weights):
    """Return the Predictions of the networks of a page, whose weights are rounded."""
    import numpy as np

    from skmlp.export.checks import Predictions, predict_with_rounded_weights
    from skmlp.model_parts import get_weights

    if not isinstance(view, CommitteeModel):
        return predict_with_rounded_weights(get_classifier(view), get_features(view, X), weights)
    each = [predict_as_page(member, X, weights).probabilities for member in view.members]
    probabilities = np.average(each, axis=0, weights=get_weights(view.estimator))
    return Predictions(view.classes_[probabilities.argmax(axis=1)], probabilities)


def export_to_onnx(model, path, options):
    """Write an ONNX model."""
    from skmlp.export.onnx_model import convert_input, predict_with_onnxruntime, to_onnx

    with translate_export_errors():
        exported = to_onnx(model, path)
    return Exported(
        f"Written to {path} ({measure_size(path)})",
        lambda X: predict_with_onnxruntime(exported, X),
        convert=lambda X: convert_input(exported, X),
    )


def export_to_c(model, path, options):
    """Write source code in C."""
    from skmlp.export.c_source import to_c
    from skmlp.export.checks import predict_with_rounded_weights

    with translate_export_errors():
        footprint = to_c(model, path)
    view = make_view(model)
    memory = f"{format_size(footprint.constants)} of flash, {format_size(footprint.stack)} of RAM"
    return Exported(
        f"Written to {path} ({measure_size(path)}; {memory})",
        lambda X: predict_with_rounded_weights(get_classifier(view), get_features(view, X), "int8"),
        "weights in int8 ",
        # The steps of a pipeline convert 8-bit pixels.
        convert=(lambda X: X.astype("uint8")) if is_pipeline(model) else None,
    )


def export_to_sklearn(model, path, options):
    """Write an MLPClassifier of scikit-learn."""
    from skmlp.export.checks import predict
    from skmlp.export.scikit_learn import to_sklearn

    with translate_export_errors():
        exported = to_sklearn(model, path)
    return Exported(
        f"Written to {path} ({measure_size(path)}). Load it with skops.io.load",
        lambda X: predict(exported, X),
    )


#: Functions that write a model, by the name of their option.
FORMATS = {
    "html": export_to_html,
    "onnx": export_to_onnx,
    "c": export_to_c,
    "sklearn": export_to_sklearn,
}


@contextmanager
def translate_export_errors():
    """Convert the errors of an export: models that it cannot express, missing packages, and files."""
    with (
        translate_errors(CANNOT_WRITE, (OSError, ImportError)),
        translate_errors(BAD_MODEL, (ValueError, TypeError, ExportError)),
    ):
        yield


def measure_size(path):
    """Return the size of a file as text."""
    return format_size(Path(path).stat().st_size)


COMMAND = Command(
    NAME,
    summary="Export a model to other programs.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=ExportOptions,
    run=run,
)
