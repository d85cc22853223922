"""The sets of digits that the commands train on and judge by, and the scale of their pixels."""

import argparse
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

from skmlp.cli.arguments import LARGEST_SEED, whole_number
from skmlp.cli.console import warn
from skmlp.cli.failures import BAD_DATA, CANNOT_WRITE, USAGE, CommandError, failing_with

PIXEL_SCALE = 1 / 255
BUNDLED_TEST_SHARE = 0.2


def add_data_option(group, purpose):
    """Add `--data` to a group of options; `purpose` opens its help."""
    group.add_argument(
        "--data",
        metavar="DIR",
        help=f"{purpose}: a directory with the four IDX files of MNIST or of a relative with the "
        "same names, gzipped or not; 'mnist' downloads MNIST to your cache first "
        "(default: scikit-learn's bundled digits, 1,797 images of 8 x 8)",
    )


def add_seed_option(group, default, help_text):
    """Add `--seed` to a group of options."""
    group.add_argument(
        "--seed", type=whole_number(0, LARGEST_SEED), default=default, metavar="N", help=help_text
    )


def add_scale_option(group):
    """Add `--scale` to a group of options."""
    group.add_argument(
        "--scale",
        type=_scale,
        metavar="FACTOR",
        help="multiply the pixels by FACTOR, 1/255 say: for a model trained in Python on pixels "
        "that were scaled beforehand; 'skmlp train' stores the factor in its models "
        "(default: the model's own)",
    )


def load_subset(data, subset, seed):
    """Return the images, one a row, and the labels of the "train" or the "test" set."""
    if data is None:
        return _load_bundled(subset, seed)
    X, y = _load_mnist(data, subset)
    if len(X) == 0:
        raise CommandError(BAD_DATA, f"the {subset} set of {data} is empty; it must have images")
    return (X if X.dtype == "uint8" else X.astype("float32")), y


def name_of(data):
    """Return what the messages call a set of digits."""
    return "scikit-learn's bundled digits" if data is None else str(data)


def absolute_place(data):
    """Return a place of data that holds in every working directory."""
    return data if data in (None, "mnist") else str(Path(data).absolute())


def scale_of(X):
    """Return the `input_scale` for training: 8-bit pixels go to 0..1, others stay as they are."""
    return PIXEL_SCALE if X.dtype == "uint8" else None


def prepare_pixels(X, model, source, arguments):
    """Return the images as the model takes them, or say why it cannot."""
    import numpy as np

    if X.dtype.kind == "f" and not np.isfinite(X).all():
        raise CommandError(
            BAD_DATA, f"{source}: there are pixels that are not finite; they must be numbers"
        )
    if X.shape[1] != model.n_features_in_:
        raise CommandError(
            BAD_DATA,
            f"{source}: the images have {X.shape[1]} pixels, the model takes "
            f"{model.n_features_in_}; give the data that fits the model",
        )
    if model.input_scale is not None:
        _check_scaled_by_the_model(X, model, source, arguments)
    elif arguments.scale is not None:
        return X.astype("float32") * arguments.scale
    elif X.dtype == "uint8":
        warn(
            arguments,
            "the model stores no input_scale, so the pixels go in as they are, 0 to 255; "
            "if it was trained on pixels from 0 to 1, add --scale 1/255",
        )
    return X


def check_labels(y, classes, source):
    """Refuse labels that a model of these classes cannot have learned."""
    classes = classes.tolist()
    unknown = sorted(set(y.tolist()).difference(classes))
    if unknown:
        raise CommandError(
            BAD_DATA,
            f"{source}: the labels {_listed(unknown)} are none of the classes that were learned, "
            f"{_listed(classes)}; give data of the same classes",
        )


def _listed(values):
    shown = [str(value) for value in values[:12]]
    return ", ".join(shown) + (", ..." if len(values) > 12 else "")


def _check_scaled_by_the_model(X, model, source, arguments):
    if arguments.scale is not None:
        raise CommandError(
            USAGE, f"the model scales its pixels itself, by {model.input_scale:.6g}; drop --scale"
        )
    if model.input_scale == PIXEL_SCALE and X.dtype != "uint8":
        raise CommandError(
            BAD_DATA,
            f"{source}: the pixels are {X.dtype}, the model takes 8-bit pixels (uint8); "
            "convert them to 0..255",
        )


def _scale(text):
    try:
        scale = float(Fraction(text))
    except (ValueError, ZeroDivisionError, OverflowError):
        scale = 0.0
    if scale <= 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0 or such as 1/255, got {text!r}")
    return scale


def _load_bundled(subset, seed):
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    X, y = load_digits(return_X_y=True)
    pixels = np.rint(X * (255 / 16)).astype(np.uint8)
    X_train, X_test, y_train, y_test = train_test_split(
        pixels, y, test_size=BUNDLED_TEST_SHARE, stratify=y, random_state=seed
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
    with failing_with(BAD_DATA):
        return load_mnist(data, subset=subset, return_X_y=True)


@contextmanager
def downloading():
    """Tell a download that fails from a file that is there and is not MNIST's."""
    with (
        failing_with(CANNOT_WRITE, (OSError, ImportError)),
        failing_with(BAD_DATA, (FileExistsError, ValueError)),
    ):
        yield
