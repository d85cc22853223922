"""Datasets that the commands train and evaluate on, and the scale of their pixels."""

from contextlib import contextmanager
from pathlib import Path

from skmlp.cli.console import print_warning
from skmlp.cli.errors import BAD_DATA, CANNOT_WRITE, USAGE, CommandError, translate_errors

DATA_HELP = (
    "{}: a directory with the four IDX files of MNIST or a compatible dataset, optionally "
    "compressed with gzip, or 'mnist' to download MNIST to scikit-learn's data directory, unless it "
    "is already there. [default: scikit-learn's bundled digits, 1,797 images of 8 x 8 pixels]"
)
SCALE_HELP = (
    "Multiply the pixels by FACTOR, a number or a fraction. Needed for a model trained in Python "
    "on scaled pixels, for example 1/255 for pixels from 0 to 1. [default: the factor that the "
    "model stores]"
)
PIXEL_SCALE = 1 / 255
BUNDLED_TEST_FRACTION = 0.2
MAX_LISTED_VALUES = 12


def load_subset(data, subset, seed):
    """Return the images, one per row, and the labels of the "train" or the "test" set."""
    if data is None:
        return load_bundled(subset, seed)
    X, y = load_idx_files(data, subset)
    if len(X) == 0:
        raise CommandError(BAD_DATA, f"{data}: the {subset} set must contain images, got none.")
    return (X if X.dtype == "uint8" else X.astype("float32")), y


def describe_data(data):
    """Return the name of a dataset for messages."""
    return "scikit-learn's bundled digits" if data is None else str(data)


def make_data_absolute(data):
    """Return a value of --data that is valid in every working directory."""
    return data if data in (None, "mnist") else str(Path(data).absolute())


def choose_input_scale(X):
    """Return the `input_scale` for training: uint8 pixels are scaled to [0, 1], others are not."""
    return PIXEL_SCALE if X.dtype == "uint8" else None


def prepare_pixels(X, model, source, *, scale, program):
    """Return the images in the form that the model expects, or raise an error."""
    import numpy as np

    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise CommandError(BAD_DATA, f"{source}: the pixels must be finite, got NaN or infinity.")
    if X.shape[1] != model.n_features_in_:
        raise CommandError(
            BAD_DATA,
            f"{source}: the images must have {model.n_features_in_} pixels for this model, "
            f"got {X.shape[1]}. Pass a dataset with this image size to --data, or another model.",
        )
    if model.input_scale is not None:
        check_scaled_by_model(X, model, source, scale)
    elif scale is not None:
        return X.astype("float32") * scale
    elif X.dtype == "uint8":
        print_warning(
            program,
            "the model stores no input_scale, so the pixels are used unscaled, from 0 to 255. "
            "If the model was trained on pixels from 0 to 1, pass --scale 1/255.",
        )
    return X


def check_labels(y, classes, source):
    """Raise an error for labels that are not among the given classes."""
    classes = classes.tolist()
    unknown = sorted(set(y.tolist()).difference(classes))
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
    """Return the first values in a comma-separated list."""
    listed = [str(value) for value in values[:MAX_LISTED_VALUES]]
    return ", ".join(listed) + (", ..." if len(values) > MAX_LISTED_VALUES else "")


def check_scaled_by_model(X, model, source, scale):
    """Raise an error for a redundant --scale, or for pixels in another range than the model's."""
    if scale is not None:
        raise CommandError(
            USAGE,
            f"--scale has no effect: the model scales the pixels by {model.input_scale:.6g}. "
            "Leave it out.",
        )
    if model.input_scale == PIXEL_SCALE and X.dtype != "uint8":
        raise CommandError(
            BAD_DATA,
            f"{source}: the pixels must be uint8 for this model, got {X.dtype}. "
            "Convert them to integers from 0 to 255.",
        )


def load_bundled(subset, seed):
    """Return the training or the test set of scikit-learn's bundled digits as uint8."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    pixels = np.rint(X * (255 / 16)).astype(np.uint8)
    X_train, X_test, y_train, y_test = train_test_split(
        pixels, y, test_size=BUNDLED_TEST_FRACTION, stratify=y, random_state=seed
    )
    return (X_train, y_train) if subset == "train" else (X_test, y_test)


def load_idx_files(data, subset):
    """Return the training or the test set of MNIST or of a directory of IDX files."""
    from skmlp import fetch_mnist, load_mnist

    if data == "mnist":
        with translate_download_errors():
            return fetch_mnist(subset=subset, return_X_y=True)
    if not Path(data).is_dir():
        found = "a file" if Path(data).exists() else "a path that does not exist"
        raise CommandError(
            BAD_DATA,
            f"{data}: expected a directory, got {found}. "
            "Pass the directory of the four IDX files, or 'mnist'.",
        )
    with translate_errors(BAD_DATA):
        return load_mnist(data, subset=subset, return_X_y=True)
