"""The exceptions and warnings of skmlp, and the function that issues warnings at the caller's line."""

import sys
import warnings

# Frames of these packages lie between a warning and the user's call: scikit-learn wraps `fit` in decorators and calls
# it from searches and pipelines, which run it through joblib.
_INNER_PACKAGES = {"skmlp", "sklearn", "joblib"}


class ModelFormatError(ValueError):
    """A file is not a model file, is damaged, or has an unsupported version."""


class CheckpointError(ModelFormatError):
    """A checkpoint cannot be resumed: it is damaged, of another version, or of another training run."""


class IDXFormatError(ValueError):
    """The bytes are not a well-formed IDX file; the message names the source and the fault."""


class NoDigitError(ValueError):
    """A picture shows nothing that could be a digit."""


class NonFiniteLossError(ValueError):
    """The loss or the weights became NaN or infinite; the weights of the last complete epoch are kept."""


class TrainingInterruptedWarning(UserWarning):
    """The user interrupted the training (Ctrl-C); the estimator keeps what it has learned."""


def warn_caller(message, category=UserWarning):
    """Issue a warning that points to the line of the user's code.

    Parameters
    ----------
    message : str
    category : type, default=UserWarning
        Subclass of Warning.
    """
    frame, stacklevel = sys._getframe(1), 2
    while frame.f_back is not None and _is_inner(frame):
        frame, stacklevel = frame.f_back, stacklevel + 1
    warnings.warn(message, category, stacklevel=stacklevel)


def _is_inner(frame):
    return frame.f_globals.get("__name__", "").partition(".")[0] in _INNER_PACKAGES
