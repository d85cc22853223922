"""Comparison of the predictions of an exported model with those of the estimator."""

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


def predict_with_rounded_weights(mlp, X, weights):
    """Return the Predictions of a classifier with rounded weights, see `quantize_network`."""
    network = quantize_network(fold_network(mlp), weights).restore()
    return Predictions(predict_labels(network, X), compute_probabilities(network, X))


def compare_predictions(expected, exported):
    """Return the Comparison of the Predictions of the estimator and of an exported model."""
    is_different = np.asarray(expected.labels) != np.asarray(exported.labels)
    differences = np.abs(expected.probabilities - exported.probabilities.astype(np.float64))
    return Comparison(
        n_samples=len(expected.labels),
        n_different=int(is_different.reshape(len(is_different), -1).any(axis=1).sum()),
        largest_difference=float(differences.max(initial=0)),
    )


def check_predictions(expected, exported, tolerance):
    """Raise ExportError if probabilities differ by more than a tolerance.

    Labels may differ where their probabilities are equal up to the tolerance, so these are not checked.
    """
    comparison = compare_predictions(expected, exported)
    # NaN fails the check too.
    if not comparison.largest_difference <= tolerance:
        raise ExportError(
            f"The exported model must predict the probabilities of the estimator within {tolerance:.0e}, got a "
            f"difference of {comparison.largest_difference:.1e} on {comparison.n_samples} samples. Nothing was "
            "written. Report this as a bug, with the parameters of the estimator."
        )
