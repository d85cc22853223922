"""The history of a training: a dict of lists of equal length, with one entry per epoch."""

import numpy as np

TRAINING_NAMES = ("loss", "accuracy", "learning_rate", "seconds")
VALIDATION_NAMES = ("val_loss", "val_accuracy")


def empty_history():
    """Return a history without epochs; the lists of the validation set are added with the first epoch that has one."""
    return {name: [] for name in TRAINING_NAMES}


def extend_history(history, report):
    """Append an epoch; NaN stands for a validation set that is missing but was there in another epoch.

    Parameters
    ----------
    history : dict of str to list of float
    report : EpochReport
    """
    n_earlier = len(history["loss"])
    if report.val_loss is not None:
        for name in VALIDATION_NAMES:
            history.setdefault(name, [np.nan] * n_earlier)
    for name, column in history.items():
        value = getattr(report, name)
        column.append(np.nan if value is None else float(value))
