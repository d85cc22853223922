"""The training history: a dict of lists with one value per epoch."""

import numpy as np

TRAINING_NAMES = ("loss", "accuracy", "learning_rate", "seconds")
VALIDATION_NAMES = ("val_loss", "val_accuracy")


def make_history():
    """Return a history without epochs. `extend_history` adds the lists for validation when needed."""
    return {name: [] for name in TRAINING_NAMES}


def extend_history(history, report):
    """Append the values of an epoch. Without a validation set, existing lists for validation get NaN.

    Parameters
    ----------
    history : dict of str to list of float
    report : EpochReport
    """
    n_previous = len(history["loss"])
    if report.val_loss is not None:
        for name in VALIDATION_NAMES:
            history.setdefault(name, [np.nan] * n_previous)
    for name, column in history.items():
        value = getattr(report, name)
        column.append(np.nan if value is None else float(value))
