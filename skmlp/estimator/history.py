"""The training history: a dict of lists with one value per epoch."""

import numpy as np

TRAINING_NAMES = ("loss", "accuracy", "learning_rate", "seconds")
# Groups of names whose lists are present only if an epoch has a value for them.
OPTIONAL_NAMES = (
    ("val_loss", "val_accuracy"),
    ("compute_seconds", "transfer_seconds", "scheduler_seconds"),
)


def make_history():
    """Return a history without epochs. `extend_history` adds the optional lists when needed."""
    return {name: [] for name in TRAINING_NAMES}


def extend_history(history, report):
    """Append the values of an epoch. Existing lists for which the epoch has no value get NaN.

    Parameters
    ----------
    history : dict of str to list of float
    report : EpochReport
    """
    n_previous = len(history["loss"])
    for names in OPTIONAL_NAMES:
        if getattr(report, names[0]) is not None:
            for name in names:
                history.setdefault(name, [np.nan] * n_previous)
    for name, column in history.items():
        value = getattr(report, name)
        column.append(np.nan if value is None else float(value))
