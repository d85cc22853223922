"""A multilayer perceptron for handwritten digits that lives in the scikit-learn world."""

from skmlp.classifier import MLPDigitClassifier, TrainingInterruptedWarning
from skmlp.digits.idx import IDXFormatError, IDXHeader, read_idx, read_idx_header, write_idx
from skmlp.digits.mnist import download_mnist, fetch_mnist, load_mnist
from skmlp.digits.reader import IDXReader
from skmlp.persistence import ModelFormatError, load_model, read_model_header, save_model

__all__ = [
    "IDXFormatError",
    "IDXHeader",
    "IDXReader",
    "MLPDigitClassifier",
    "ModelFormatError",
    "TrainingInterruptedWarning",
    "download_mnist",
    "fetch_mnist",
    "load_mnist",
    "load_model",
    "read_idx",
    "read_idx_header",
    "read_model_header",
    "save_model",
    "write_idx",
]

__version__ = "0.1.0.dev0"
