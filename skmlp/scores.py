"""The log loss, which the report and the command `skmlp evaluate` compute from log-probabilities."""

import numpy as np
from scipy.special import logsumexp


def normalize_log_probabilities(log_probabilities):
    """Return log-probabilities of shape (n_samples, n_classes) in float64, whose exponentials add up to 1."""
    values = np.asarray(log_probabilities, dtype=np.float64)
    return values - logsumexp(values, axis=1, keepdims=True)


def compute_sample_losses(log_probabilities, truth):
    """Return -log(probability of the true class) of each sample.

    Log-probabilities are finite, so that small probabilities need no clipping, unlike in `sklearn.metrics.log_loss`.

    Parameters
    ----------
    log_probabilities : ndarray of shape (n_samples, n_classes)
    truth : ndarray of shape (n_samples,)
        Index of the true class.

    Returns
    -------
    losses : ndarray of shape (n_samples,)
        Their mean is the log loss.
    """
    normalized = normalize_log_probabilities(log_probabilities)
    return np.abs(normalized[np.arange(len(truth)), truth])  # not -0.0
