"""The datasets that the commands train and evaluate on, and the scale of their pixels."""

from contextlib import contextmanager
from pathlib import Path

from skmlp.cli.console import warn
from skmlp.cli.errors import BAD_DATA, CANNOT_WRITE, USAGE, CommandError, command_errors

DATA_HELP = (
    "{}: a directory with the four IDX files of MNIST or of a compatible dataset, gzipped or not; "
    "'mnist' downloads MNIST to your cache first "
    "(default: scikit-learn's bundled digits, 1,797 images of 8 x 8)"
)
SCALE_HELP = (
    "multiply the pixels by FACTOR, such as 1/255: for a model that was trained in Python on pixels "
    "scaled beforehand; 'skmlp train' stores the factor in its models (default: the model's own)"
)
PIXEL_SCALE = 1 / 255
BUNDLED_TEST_FRACTION = 0.2
MOST_LISTED = 12


def load_subset(data, subset, seed):
    """Return the images, one per row, and the labels of the "train" or the "test" set."""
    if data is None:
        return _load_bundled(subset, seed)
    X, y = _load_mnist(data, subset)
    if len(X) == 0:
        raise CommandError(BAD_DATA, f"the {subset} set of {data} is empty; it must have images")
    return (X if X.dtype == "uint8" else X.astype("float32")), y


def name_of(data):
    """Return the name of a dataset for messages."""
    return "scikit-learn's bundled digits" if data is None else str(data)


def absolute_data(data):
    """Return the value of --data that means the same in every working directory."""
    return data if data in (None, "mnist") else str(Path(data).absolute())


def scale_of(X):
    """Return the `input_scale` for training: 8-bit pixels are scaled to 0..1, others are not."""
    return PIXEL_SCALE if X.dtype == "uint8" else None


def prepare_pixels(X, model, source, *, scale, command):
    """Return the images as the model takes them, or raise an error that says why it cannot."""
    import numpy as np

    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise CommandError(
            BAD_DATA, f"{source}: there are pixels that are not finite; they must be numbers"
        )
    if X.shape[1] != model.n_features_in_:
        raise CommandError(
            BAD_DATA,
            f"{source}: the images have {X.shape[1]} pixels, the model takes "
            f"{model.n_features_in_}; give data that fits the model",
        )
    if model.input_scale is not None:
        _check_scaled_by_model(X, model, source, scale)
    elif scale is not None:
        return X.astype("float32") * scale
    elif X.dtype == "uint8":
        warn(
            command,
            "the model stores no input_scale, so the pixels are used as they are, 0 to 255; "
            "if it was trained on pixels from 0 to 1, add --scale 1/255",
        )
    return X


def check_labels(y, classes, source):
    """Raise an error for labels that are not among the classes of a model."""
    classes = classes.tolist()
    unknown = sorted(set(y.tolist()).difference(classes))
    if unknown:
        raise CommandError(
            BAD_DATA,
            f"{source}: the labels {_listed(unknown)} are not among the classes of the model, "
            f"{_listed(classes)}; give data of the same classes",
        )


@contextmanager
def downloading():
    """Distinguish a failed download from an existing file that is not the one of MNIST."""
    with (
        command_errors(CANNOT_WRITE, (OSError, ImportError)),
        command_errors(BAD_DATA, (FileExistsError, ValueError)),
    ):
        yield


def _listed(values):
    listed = [str(value) for value in values[:MOST_LISTED]]
    return ", ".join(listed) + (", ..." if len(values) > MOST_LISTED else "")


def _check_scaled_by_model(X, model, source, scale):
    if scale is not None:
        raise CommandError(
            USAGE,
            f"the model scales the pixels itself, by {model.input_scale:.6g}; leave out --scale",
        )
    if model.input_scale == PIXEL_SCALE and X.dtype != "uint8":
        raise CommandError(
            BAD_DATA,
            f"{source}: the pixels are {X.dtype}, the model takes 8-bit pixels (uint8); "
            "convert them to 0..255",
        )


def _load_bundled(subset, seed):
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    pixels = np.rint(X * (255 / 16)).astype(np.uint8)
    X_train, X_test, y_train, y_test = train_test_split(
        pixels, y, test_size=BUNDLED_TEST_FRACTION, stratify=y, random_state=seed
    )
    return (X_train, y_train) if subset == "train" else (X_test, y_test)


def _load_mnist(data, subset):
    from skmlp import fetch_mnist, load_mnist

    if data == "mnist":
        with downloading():
            return fetch_mnist(subset=subset, return_X_y=True)
    if not Path(data).is_dir():
        problem = "is a file" if Path(data).exists() else "there is no such directory"
        raise CommandError(
            BAD_DATA, f"{data}: {problem}; give the directory of the four IDX files, or 'mnist'"
        )
    with command_errors(BAD_DATA):
        return load_mnist(data, subset=subset, return_X_y=True)
