"""Predicted probabilities with the true labels, as the displays use them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

# Probabilities may exceed 1 by rounding errors, for example after averaging.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Predictions:
    """Predicted probabilities and true classes.

    Attributes
    ----------
    truth : ndarray of shape (n_samples,)
        Index of the true class.
    probabilities : ndarray of shape (n_samples, n_classes)
    classes : ndarray of shape (n_classes,)
        Labels of the classes.
    predicted : ndarray of shape (n_samples,)
        Index of the predicted class, which has the largest probability.
    """

    truth: np.ndarray
    probabilities: np.ndarray
    classes: np.ndarray
    predicted: np.ndarray

    @cached_property
    def confidence(self):
        """Probability of the predicted class."""
        return self.probabilities.max(axis=1)

    @cached_property
    def is_correct(self):
        """Whether the predicted class is the true one."""
        return self.predicted == self.truth

    @cached_property
    def true_probability(self):
        """Probability of the true class."""
        return self.probabilities[np.arange(len(self.truth)), self.truth]

    @property
    def log_loss(self):
        """Mean of -log(probability of the true class). A probability of zero counts as the smallest positive one."""
        smallest = np.finfo(self.probabilities.dtype).eps
        return abs(float(np.log(np.clip(self.true_probability, smallest, 1)).mean()))  # not -0.0

    @property
    def brier_score(self):
        """Mean of the sum of (probability - 1 for the true class)^2 over the classes."""
        squares = np.square(self.probabilities).sum(axis=1) - 2 * self.true_probability + 1
        return float(squares.mean())


def encode_predictions(y_true, y_proba, classes=None):
    """Return validated Predictions.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
    y_proba : array-like of shape (n_samples, n_classes)
    classes : array-like of shape (n_classes,), default=None
        Label of each column of `y_proba`; None for the sorted labels in `y_true`.

    Raises
    ------
    ValueError
        If shapes do not match, a probability is not in [0, 1], or a label is not one of the classes.
    """
    y_true, probabilities = np.asarray(y_true), np.asarray(y_proba)
    if probabilities.dtype.kind != "f":
        probabilities = probabilities.astype(float)
    if probabilities.ndim != 2 or y_true.shape != probabilities.shape[:1] or not len(y_true):
        raise ValueError(
            "y_true and y_proba must have the shapes (n_samples,) and (n_samples, n_classes), with at least one "
            f"sample, got {y_true.shape} and {probabilities.shape}."
        )
    if not (np.all(probabilities >= -TOLERANCE) and np.all(probabilities <= 1 + TOLERANCE)):
        raise ValueError(
            f"y_proba must be in the range [0, 1], got values from {probabilities.min():.4g} to "
            f"{probabilities.max():.4g}. Pass the result of predict_proba."
        )
    probabilities = np.clip(probabilities, 0, 1)
    classes = np.unique(y_true) if classes is None else np.asarray(classes)
    if len(classes) != probabilities.shape[1]:
        raise ValueError(
            f"y_proba must have one column for each of the {len(classes)} classes, got {probabilities.shape[1]}. Pass "
            "the labels of the columns as classes."
        )
    truth = find_classes(y_true, classes, "y_true")
    return Predictions(truth, probabilities, classes, probabilities.argmax(axis=1))


def find_classes(labels, classes, name):
    """Return the index of the class of each label.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
    classes : ndarray of shape (n_classes,)
        Distinct labels in any order.
    name : str
        Name of the argument that contains the labels, for error messages.

    Raises
    ------
    ValueError
        If a label is not one of the classes.
    """
    order = np.argsort(classes)
    positions = np.searchsorted(classes, labels, sorter=order)
    indices = order[np.minimum(positions, len(classes) - 1)]
    is_unknown = classes[indices] != labels
    if is_unknown.any():
        raise ValueError(
            f"{name} must contain labels of the classes only, got {labels[is_unknown].tolist()[0]!r}. The classes "
            f"are {classes.tolist()}."
        )
    return indices
