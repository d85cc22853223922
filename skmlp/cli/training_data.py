"""Data of `skmlp train`: training, validation and test sets."""

from dataclasses import dataclass
from typing import Any

from skmlp.cli.datasets import check_labels, describe_data, load_subset, resize_images
from skmlp.cli.errors import BAD_DATA, CommandError, format_error
from skmlp.formatting import format_count


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


def load_training_data(options, image_shape=None):
    """Load the dataset and hold out the validation set, if the options ask for one.

    The images are resized to `image_shape`, unless it is None.
    """
    import numpy as np

    training, test = (
        resize_images(load_subset(options.data, subset, options.seed), image_shape)
        for subset in ("train", "test")
    )
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
        X, X_val, y, y_val = hold_out(X, y, fraction, options.seed)
        validation = (X_val, y_val, "validation")
    return TrainingData(X, y, *validation, test.X, test.y, test.image_shape)


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
