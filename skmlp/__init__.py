"""A multilayer perceptron for handwritten digits that lives in the scikit-learn world."""

from importlib import import_module

__version__ = "0.1.0.dev0"

# Each name is imported when it is first used: the command line answers at once, and reading IDX files needs no
# scikit-learn.
_HOMES = {
    "CheckpointError": "exceptions",
    "DigitAugmenter": "digits.augmenter",
    "IDXFormatError": "exceptions",
    "IDXHeader": "digits.idx",
    "IDXReader": "digits.reader",
    "MLPDigitClassifier": "estimator.classifier",
    "ModelFormatError": "exceptions",
    "NoDigitError": "exceptions",
    "NonFiniteLossError": "exceptions",
    "TrainingCurveDisplay": "plots.curves",
    "TrainingInterruptedWarning": "exceptions",
    "download_mnist": "digits.mnist",
    "fetch_mnist": "digits.mnist",
    "get_kernels": "engine.backend_choice",
    "load_mnist": "digits.mnist",
    "load_model": "files.models",
    "normalize_digit": "digits.normalize",
    "read_idx": "digits.idx",
    "read_idx_header": "digits.idx",
    "read_model_header": "files.models",
    "save_model": "files.models",
    "set_kernels": "engine.backend_choice",
    "write_idx": "digits.idx",
}

__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted({*globals(), *_HOMES})
