"""Datasets that the commands train and evaluate on, and the scale of their pixels."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from skmlp.cli.console import print_warning
from skmlp.cli.errors import (
    BAD_DATA,
    CANNOT_WRITE,
    USAGE,
    CommandError,
    format_error,
    translate_errors,
)
from skmlp.cli.model_files import (
    PIXEL_SCALE,
    CommitteeModel,
    describe_kind,
    is_classifier,
    lacks_scale,
    make_view,
    scale_pixels,
)
from skmlp.cli.values import OptionError

DATA_HELP = (
    "{}: a directory with the four IDX files of MNIST or a compatible dataset, optionally "
    "compressed with gzip, or 'mnist' to download MNIST to scikit-learn's data directory, unless it "
    "is already there. [default: scikit-learn's bundled digits, 1,797 images of 8 x 8 pixels]"
)
SEED_HELP = (
    "Seed of the train-test split of the bundled digits, from 0 to 4294967295. [default: the seed of "
    "the model, which gives the split of 'skmlp train']"
)
SCALE_HELP = (
    "Multiply the pixels by FACTOR, a number or a fraction. Needed for a model trained in Python "
    "on scaled pixels, for example 1/255 for pixels from 0 to 1. [default: the factor that the "
    "model stores]"
)
BUNDLED_TEST_FRACTION = 0.2
MAX_LISTED_VALUES = 12
IMAGES_PER_SLICE = 2**14
PASS_SCALE = "pass --scale 1/255"


@dataclass(frozen=True)
class LabeledImages:
    """Images, one per row, with their labels, and the height and width of the images."""

    X: Any
    y: Any
    image_shape: tuple[int, int]


def load_subset(data, subset, seed):
    """Return the LabeledImages of the "train" or the "test" set."""
    if data is None:
        return load_bundled(subset, seed)
    images = label_images(load_idx_files(data, subset), data, subset)
    X = images.X
    return images if X.dtype == "uint8" else replace(images, X=X.astype("float32"))


def map_subset(data, subset):
    """Return the LabeledImages of a subset in a directory of IDX files, with images that are mapped into memory."""
    from skmlp import IDXFormatError, load_mnist

    check_directory(data)
    try:
        dataset = load_mnist(data, subset=subset, mmap=True)
    except (OSError, IDXFormatError) as error:
        raise CommandError(BAD_DATA, format_error(error)) from error
    except ValueError as error:  # the file is compressed
        path = str(error).partition(": ")[0]
        raise CommandError(
            BAD_DATA,
            f"{path}: expected an uncompressed file for --stream, got gzip data. "
            f"Decompress it with 'gunzip {path}', or leave out --stream.",
        ) from error
    return label_images(dataset, data, subset)


def load_or_map_subset(data, subset, seed):
    """Return the LabeledImages of a subset, with images that are mapped into memory if that is possible."""
    if data in (None, "mnist") or not Path(data).is_dir():
        return load_subset(data, subset, seed)
    try:
        return map_subset(data, subset)
    except CommandError:  # the files are compressed or invalid
        return load_subset(data, subset, seed)


def label_images(dataset, data, subset):
    """Return the LabeledImages of a dataset as a Bunch, or raise an error if it is empty."""
    if len(dataset.data) == 0:
        raise CommandError(BAD_DATA, f"{data}: the {subset} set must contain images, got none.")
    return LabeledImages(dataset.data, dataset.target, dataset.images.shape[1:])


def load_subset_for_models(models, data, subset, seed, load=load_subset):
    """Return the LabeledImages of a subset, or raise an error if they do not fit the models.

    Images of another size are resized, if all models store the same image shape. `load` is `load_subset` or
    `load_or_map_subset`.
    """
    source = describe_data(data)
    images = load(data, subset, choose_seed(seed, models[0]))
    shapes = {model.image_shape for model in models}
    if len(shapes) == 1 and images.X.shape[1] != models[0].n_features_in_:
        images = resize_images(images, *shapes)
    for model in models:
        check_pixels(images.X, model, source)
        check_labels(images.y, model.classes_, f"the {subset} set of {source}")
    return images


def resize_images(images, shape):
    """Return LabeledImages with another height and width, or unchanged if `shape` is None."""
    from skmlp import ImageResizer

    if shape in (None, images.image_shape):
        return images
    X = ImageResizer(shape, image_shape=images.image_shape).fit_transform(images.X)
    return replace(images, X=X, image_shape=shape)


def choose_seed(given, model):
    """Return the seed of the split: the given one, or that of the model."""
    if given is not None:
        return given
    return model.random_state if isinstance(model.random_state, int) else 0


def check_seed(seed, data):
    """Raise an error for a --seed that has no effect."""
    if seed is not None and data is not None:
        raise OptionError("--seed has no effect with --data. Leave it out.")


def describe_data(data):
    """Return the name of a dataset for messages."""
    return "scikit-learn's bundled digits" if data is None else str(data)


def make_data_absolute(data):
    """Return a value of --data that is valid in every working directory."""
    return data if data in (None, "mnist") else str(Path(data).absolute())


def choose_input_scale(X):
    """Return the `input_scale` for training: uint8 pixels are scaled to [0, 1], others are not."""
    return PIXEL_SCALE if X.dtype == "uint8" else None


def check_pixels(X, model, source):
    """Raise an error for pixels that the model cannot predict from, or that it would scale wrongly."""
    import numpy as np

    if X.dtype.kind == "f" and not all(np.isfinite(X[part]).all() for part in iterate_slices(X)):
        raise CommandError(BAD_DATA, f"{source}: the pixels must be finite, got NaN or infinity.")
    if X.shape[1] != model.n_features_in_:
        raise CommandError(
            BAD_DATA,
            f"{source}: the images must have {model.n_features_in_} pixels for this model, "
            f"got {X.shape[1]}. Pass a dataset with this image size to --data, or another model.",
        )
    if model.input_scale == PIXEL_SCALE and X.dtype != "uint8":
        raise CommandError(
            BAD_DATA,
            f"{source}: the pixels must be uint8 for this model, got {X.dtype}. "
            "Convert them to integers from 0 to 255.",
        )


def iterate_slices(X):
    """Yield slices of images. Temporary arrays for a slice take little memory."""
    for start in range(0, len(X), IMAGES_PER_SLICE):
        yield slice(start, start + IMAGES_PER_SLICE)


def apply_scale(scale, models):
    """Return the models, where those that store no `input_scale` get the value of --scale."""
    if scale is None:
        return models
    if not any(map(lacks_scale, models)):
        scales = " and ".join(dict.fromkeys(f"{model.input_scale:.6g}" for model in models))
        subject = "the model scales" if len(models) == 1 else "the models scale"
        raise CommandError(
            USAGE, f"--scale has no effect: {subject} the pixels by {scales}. Leave it out."
        )
    return [scale_pixels(model, scale) if lacks_scale(model) else model for model in models]


def apply_scale_to_classifier(scale, model):
    """Return a model, where a classifier that stores no `input_scale` gets the value of --scale.

    The exports of pipelines and committees contain the scale that these store.
    """
    if is_classifier(model) or scale is None:
        return apply_scale(scale, [model])[0]
    apply_scale(scale, [make_view(model)])  # raises an error if the scale has no effect
    raise make_scale_error("a classifier", model)


def check_scale_of_committee(model):
    """Raise an error if --scale is given for a report on a committee, which describes the models as they are."""
    if isinstance(model, CommitteeModel):
        raise make_scale_error("a classifier or a pipeline", model.estimator)


def make_scale_error(requirement, model):
    """Return the error for --scale with a model whose networks cannot get a scale."""
    return CommandError(
        USAGE,
        f"--scale requires {requirement}, got {describe_kind(model)}. Set the input_scale of its networks in Python "
        "and save it again.",
    )


def warn_about_training_images(model, seed, program):
    """Print a warning if a split of the bundled digits is not that of all members of a committee."""
    members = model.members if isinstance(model, CommitteeModel) else ()
    others = {choose_seed(None, member) for member in members} - {seed}
    if others:
        print_warning(
            program,
            f"the test set of the split with seed {seed} may contain training images of members with the "
            f"{'seed' if len(others) == 1 else 'seeds'} {join_values(sorted(others))}. Train all models with the same "
            "--seed.",
        )


def warn_about_unscaled_pixels(X, models, program, remedy=PASS_SCALE):
    """Print a warning if a model, or a member of a committee, uses 8-bit pixels as they are."""
    # A pipeline of other transformers, such as scalers, takes pixels as they are.
    classifiers = [
        each
        for model in models
        for each in (model.members if isinstance(model, CommitteeModel) else [model])
        if getattr(each, "takes_images", True)
    ]
    if X.dtype == "uint8" and any(each.input_scale is None for each in classifiers):
        subject = "the model" if len(models) == 1 else "a model"
        print_warning(
            program,
            f"{subject} stores no input_scale, so the pixels are used unscaled, from 0 to 255. "
            f"If the model was trained on pixels from 0 to 1, {remedy}.",
        )


def check_labels(y, classes, source):
    """Raise an error for labels that are not among the given classes."""
    import numpy as np

    classes = classes.tolist()
    unknown = sorted(set(np.unique(y).tolist()).difference(classes))
    if unknown:
        raise CommandError(
            BAD_DATA,
            f"{source}: the labels must be among the classes of the model "
            f"({join_values(classes)}), got {join_values(unknown)}. "
            "Use a dataset with the same classes.",
        )


@contextmanager
def translate_download_errors():
    """Convert the errors of a download, and of existing files that are not those of MNIST."""
    with (
        translate_errors(CANNOT_WRITE, (OSError, ImportError)),
        translate_errors(BAD_DATA, (FileExistsError, ValueError)),
    ):
        yield


def join_values(values):
    """Return the first values in a comma-separated list, in which the label '0' differs from 0."""
    listed = [repr(value) for value in values[:MAX_LISTED_VALUES]]
    return ", ".join(listed) + (", ..." if len(values) > MAX_LISTED_VALUES else "")


def load_bundled(subset, seed):
    """Return the LabeledImages of a subset of scikit-learn's bundled digits, with pixels as uint8."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    pixels = np.rint(digits.data * (255 / 16)).astype(np.uint8)
    X_train, X_test, y_train, y_test = train_test_split(
        pixels,
        digits.target,
        test_size=BUNDLED_TEST_FRACTION,
        stratify=digits.target,
        random_state=seed,
    )
    X, y = (X_train, y_train) if subset == "train" else (X_test, y_test)
    return LabeledImages(X, y, digits.images.shape[1:])


def load_idx_files(data, subset):
    """Return a subset of MNIST or of a directory of IDX files as a Bunch."""
    from skmlp import fetch_mnist, load_mnist

    if data == "mnist":
        with translate_download_errors():
            return fetch_mnist(subset=subset)
    check_directory(data)
    with translate_errors(BAD_DATA):
        return load_mnist(data, subset=subset)


def check_directory(data):
    """Raise an error unless a value of --data is a directory."""
    if not Path(data).is_dir():
        found = "a file" if Path(data).exists() else "a path that does not exist"
        raise CommandError(
            BAD_DATA,
            f"{data}: expected a directory, got {found}. "
            "Pass the directory of the four IDX files, or 'mnist'.",
        )
