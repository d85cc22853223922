"""A scikit-learn-compatible multilayer perceptron for handwritten digits, written from scratch on NumPy and SciPy."""

from skmlp.lazy_imports import attach_stub

__version__ = "0.1.0.dev0"

# __init__.pyi lists the public names. They are imported on first use, so that the command line starts quickly and
# reading IDX files does not import scikit-learn.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
