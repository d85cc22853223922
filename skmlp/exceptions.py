"""Exceptions and warnings of skmlp, and a function that attributes warnings to the caller's line."""

import sys
import warnings

# Frames of these packages are skipped: scikit-learn wraps `fit` in decorators and calls it in pipelines and, through
# joblib, in parameter searches.
INTERNAL_PACKAGES = {"skmlp", "sklearn", "joblib"}


class ModelFormatError(ValueError):
    """Error raised if a file is not a model file, is damaged, or has an unsupported version."""


class CheckpointError(ModelFormatError):
    """Error raised if training cannot resume from a checkpoint.

    The checkpoint is damaged, was written by another version, or belongs to other data or parameters.
    """


class IDXFormatError(ValueError):
    """Error raised if data are not in the IDX format. The message names the source and the problem."""


class NoDigitError(ValueError):
    """Error raised if no digit is found in a picture."""


class NonFiniteLossError(ValueError):
    """Error raised if the loss or a weight becomes NaN or infinite during training.

    The estimator keeps the weights of the last complete epoch or, with ``solver='lbfgs'``, those from before training.
    """


class ClusterError(RuntimeError):
    """Error raised if training on a Dask cluster cannot continue.

    The connection to the scheduler is lost, too many workers have ended while they computed the same task, or no task
    has finished within the timeout. Training can be resumed from a checkpoint.
    """


class ExportError(RuntimeError):
    """Error raised if an exported model predicts other probabilities or labels than the classifier."""


class TrainingInterruptedWarning(UserWarning):
    """Warning issued if the user interrupts training (Ctrl-C).

    The estimator keeps the weights reached so far.
    """


def warn_caller(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning that is attributed to the line of the user's code.

    Parameters
    ----------
    message : str
        Text of the warning.
    category : type, default=UserWarning
        Subclass of Warning.
    """
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back is not None and is_internal(frame):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


def is_internal(frame):
    """Return whether a stack frame belongs to skmlp or to a package that calls it."""
    return frame.f_globals.get("__name__", "").partition(".")[0] in INTERNAL_PACKAGES
