"""A scikit-learn-compatible multilayer perceptron for handwritten digits, written from scratch on NumPy and SciPy."""

from importlib import import_module

__version__ = "0.1.0.dev0"

# Names are imported on first use: the command line starts quickly, and reading IDX files does not load
# scikit-learn. __init__.pyi lists the same names for editors and type checkers.
MODULE_OF_NAME = {
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
PUBLIC_MODULES = ["augment", "callbacks", "recipes", "schedules", "typing"]

__all__ = list(MODULE_OF_NAME)


def __getattr__(name):
    if name in PUBLIC_MODULES:
        return import_module(f"{__name__}.{name}")
    if name not in MODULE_OF_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{MODULE_OF_NAME[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return sorted([*__all__, *PUBLIC_MODULES, "__version__"])
