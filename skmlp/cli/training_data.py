"""Data of `skmlp train`: training, validation and test sets."""

import math
from dataclasses import dataclass, replace
from typing import Any

from skmlp.cli.datasets import (
    check_labels,
    describe_data,
    load_subset,
    map_subset,
)
from skmlp.cli.errors import BAD_DATA, CommandError, format_error
from skmlp.formatting import format_count

# With --stream, the report uses at most so many images of each set.
MAX_REPORTED_IMAGES = 60_000


@dataclass(frozen=True)
class TrainingData:
    """Training, validation and test sets of a run, and the height and width of the images.

    If no validation set is held out, the test set takes its place and `validation_name` is "test" instead of
    "validation".
    """

    X: Any
    y: Any
    X_val: Any
    y_val: Any
    validation_name: str
    X_test: Any
    y_test: Any
    image_shape: tuple[int, int]

    def transform(self, transformer):
        """Return the data with images that a fitted transformer has transformed."""
        names = ("X", "X_val", "X_test")
        return replace(self, **{name: transformer.transform(getattr(self, name)) for name in names})


def load_training_data(options):
    """Load the dataset and hold out the validation set, if the options ask for one."""
    import numpy as np

    training, test = (load_or_stream_subset(options, subset) for subset in ("train", "test"))
    X, y = training.X, training.y
    if X.shape[1] != test.X.shape[1]:
        raise CommandError(
            BAD_DATA,
            f"{describe_data(options.data)}: the test images must have {X.shape[1]} pixels, as "
            f"the training images have, got {test.X.shape[1]}.",
        )
    check_labels(test.y, np.unique(y), f"the test set of {describe_data(options.data)}")
    fraction = options.validation_fraction
    if fraction is None:
        validation = (test.X, test.y, "test")
    else:
        split = hold_out_last if options.stream else hold_out
        X, X_val, y, y_val = split(X, y, fraction, options.seed)
        validation = (X_val, y_val, "validation")
    return TrainingData(X, y, *validation, test.X, test.y, test.image_shape)


def load_or_stream_subset(options, subset):
    """Return the LabeledImages of a subset, with --stream without loading the images."""
    if options.stream:
        return map_subset(options.data, subset)
    return load_subset(options.data, subset, options.seed)


def hold_out(X, y, fraction, seed):
    """Split the training set, stratified by class."""
    from sklearn.model_selection import train_test_split

    try:
        return train_test_split(X, y, test_size=fraction, stratify=y, random_state=seed)
    except ValueError as error:
        raise CommandError(
            BAD_DATA,
            f"cannot hold out {fraction} of {format_count(len(X), 'training image')} with every "
            f"class in both sets: {format_error(error)} Pass another fraction to --validation.",
        ) from error


def hold_out_last(X, y, fraction, _seed):
    """Split the training set without copying it: the last images are held out."""
    import numpy as np

    n_training = len(X) - math.ceil(fraction * len(X))
    for part in (y[:n_training], y[n_training:]):
        missing = np.setdiff1d(y, part)
        if len(missing):
            raise CommandError(
                BAD_DATA,
                f"cannot hold out the last {fraction} of {format_count(len(X), 'training image')} "
                f"with every class in both sets: class {missing[0]} is missing in one of them. "
                "Shuffle the file, or leave out --stream.",
            )
    return X[:n_training], X[n_training:], y[:n_training], y[n_training:]


def select_for_report(X, y):
    """Return the images and labels that the report uses: evenly spaced ones, in memory, if there are many."""
    import numpy as np

    step = -(-len(X) // MAX_REPORTED_IMAGES)
    return np.ascontiguousarray(X[::step]), y[::step]
