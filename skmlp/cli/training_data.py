"""The data of `skmlp train`: training, validation and test sets."""

from dataclasses import dataclass
from typing import Any

from skmlp.cli.console import counted
from skmlp.cli.datasets import check_labels, load_subset, name_of
from skmlp.cli.errors import BAD_DATA, CommandError, one_line


@dataclass(frozen=True)
class TrainingData:
    """What a network is trained, monitored and tested on.

    The validation set is the test set if no images are held out for it; `validation_name` is "test" then, and
    "validation" otherwise.
    """

    X: Any
    y: Any
    X_val: Any
    y_val: Any
    validation_name: str
    X_test: Any
    y_test: Any


def load_training_data(options):
    """Load the dataset that the options name, and hold out the validation set that they ask for."""
    import numpy as np

    X, y = load_subset(options.data, "train", options.seed)
    X_test, y_test = load_subset(options.data, "test", options.seed)
    if X.shape[1] != X_test.shape[1]:
        raise CommandError(
            BAD_DATA,
            f"{name_of(options.data)}: the training images have {X.shape[1]} pixels, the test "
            f"images {X_test.shape[1]}; they must have the same size",
        )
    check_labels(y_test, np.unique(y), f"the test set of {name_of(options.data)}")
    fraction = options.validation_fraction
    if fraction is None:
        return TrainingData(X, y, X_test, y_test, "test", X_test, y_test)
    X, X_val, y, y_val = _hold_out(X, y, fraction, options.seed)
    return TrainingData(X, y, X_val, y_val, "validation", X_test, y_test)


def _hold_out(X, y, fraction, seed):
    from sklearn.model_selection import train_test_split

    try:
        return train_test_split(X, y, test_size=fraction, stratify=y, random_state=seed)
    except ValueError as error:
        raise CommandError(
            BAD_DATA,
            f"cannot hold out {fraction} of {counted(len(X), 'training image')} with every digit in "
            f"both sets ({one_line(error)}); choose another --validation",
        ) from error
