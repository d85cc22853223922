"""A multilayer perceptron for handwritten digits that lives in the scikit-learn world."""

from skmlp.classifier import MLPDigitClassifier, TrainingInterruptedWarning

__all__ = ["MLPDigitClassifier", "TrainingInterruptedWarning"]

__version__ = "0.1.0.dev0"
