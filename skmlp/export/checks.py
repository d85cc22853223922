"""Comparison of the predictions of an exported model with those of the estimator."""

import warnings
from typing import NamedTuple

import numpy as np

from skmlp.exceptions import ExportError
from skmlp.export.network import compute_probabilities, fold_network, predict_labels
from skmlp.export.quantize import quantize_network

N_GENERATED = 64
INK_FRACTION = 0.25


class Predictions(NamedTuple):
    """Labels and probabilities of samples.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
    probabilities : ndarray of shape (n_samples, n_classes)
    """

    labels: np.ndarray
    probabilities: np.ndarray


class Comparison(NamedTuple):
    """Differences between the predictions of an exported model and those of the estimator.

    Parameters
    ----------
    n_samples : int
        Number of samples.
    n_different : int
        Number of samples with different labels.
    largest_difference : float
        Largest absolute difference between two probabilities.
    """

    n_samples: int
    n_different: int
    largest_difference: float


def generate_samples(n_features, input_scale, n_samples=N_GENERATED):
    """Return random samples of shape (n_samples, n_features) and dtype float32.

    They are integers from 0 to ``1 / input_scale``, or numbers from 0 to 1 if `input_scale` is None. Most of them are
    0, like most pixels of a drawing.
    """
    rng = np.random.default_rng(0)
    values = rng.random((n_samples, n_features))
    if input_scale is not None:
        values = np.rint(values / input_scale)
    return (values * (rng.random(values.shape) < INK_FRACTION)).astype(np.float32)


def predict(estimator, X):
    """Return the Predictions of an estimator. Arrays without the names of features cause no warning."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        return Predictions(estimator.predict(X), estimator.predict_proba(X))


def predict_with_rounded_weights(mlp, X, weights):
    """Return the Predictions of a classifier with rounded weights, see `quantize_network`."""
    network = quantize_network(fold_network(mlp), weights).restore()
    return Predictions(predict_labels(network, X), compute_probabilities(network, X))


def compare_predictions(expected, exported):
    """Return the Comparison of the Predictions of the estimator and of an exported model."""
    is_different = find_different_labels(expected, exported)
    differences = np.abs(expected.probabilities - exported.probabilities.astype(np.float64))
    return Comparison(
        n_samples=len(expected.labels),
        n_different=int(is_different.reshape(len(is_different), -1).any(axis=1).sum()),
        largest_difference=float(differences.max(initial=0)),
    )


def find_different_labels(expected, exported):
    """Return whether each label differs. Labels that a format can only store as strings are compared as such."""
    labels, others = np.asarray(expected.labels), np.asarray(exported.labels)
    return labels.astype(str) != others if others.dtype.kind == "O" else labels != others


def is_certain(predictions, margin):
    """Return whether each label does not depend on rounding errors: two probabilities differ by a margin."""
    probabilities = predictions.probabilities
    if np.ndim(predictions.labels) == 2:
        return np.abs(2 * probabilities - 1) > margin
    if probabilities.shape[1] == 1:
        return np.full(len(probabilities), True)
    second, first = np.partition(probabilities, -2, axis=1)[:, -2:].T
    return first - second > margin


def check_predictions(expected, exported, tolerance):
    """Raise ExportError if probabilities differ by more than a tolerance, or labels that are certain differ."""
    comparison = compare_predictions(expected, exported)
    is_wrong = find_different_labels(expected, exported) & is_certain(expected, 2 * tolerance)
    if is_wrong.any():
        raise ExportError(
            "The exported model must predict the labels of the estimator, got other labels for some of "
            f"{comparison.n_samples} samples. Nothing was written. Report this as a bug, with the parameters of the "
            "estimator."
        )
    # NaN fails the check too.
    if not comparison.largest_difference <= tolerance:
        raise ExportError(
            f"The exported model must predict the probabilities of the estimator within {tolerance:.0e}, got a "
            f"difference of {comparison.largest_difference:.1e} on {comparison.n_samples} samples. Nothing was "
            "written. Report this as a bug, with the parameters of the estimator."
        )
