"""Prediction: from fitted weights and samples to logits, in blocks."""

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from skmlp.engine.batches import Batches, Samples
from skmlp.engine.reference.losses import LOSSES
from skmlp.engine.reference.network import build_prediction_network
from skmlp.estimator import fitted
from skmlp.estimator.config import activation_names

BLOCK_SIZE = 2048


def check_samples(estimator, X):
    """Return samples to be predicted, checked; sparse X becomes CSR."""
    check_is_fitted(estimator)
    if not hasattr(estimator, "feature_names_in_") and is_valid(X, estimator.n_features_in_):
        return X
    return validate_data(estimator, X, accept_sparse="csr", reset=False)


def is_valid(X, n_features):
    """Return whether X is an array that scikit-learn's checks would return as it is.

    They test for a dozen kinds of data frames first, which takes longer than predicting one sample.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.shape[1] != n_features or not len(X):
        return False
    if X.dtype.kind in "iu":
        return True
    if X.dtype.char not in "fd":
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(X, axis=None)))


def prediction_network(estimator):
    """Return the network that predicts with the fitted attributes of an estimator."""
    activations = activation_names(estimator.activation, len(estimator.coefs_) - 1)
    return build_prediction_network(
        activations, fitted.parameters_of(estimator), fitted.statistics_of(estimator)
    )


def blocks(X, input_scale, dtype):
    """Return Batches of samples to be predicted."""
    return Batches(Samples(X, input_scale=input_scale), BLOCK_SIZE, dtype)


def predict_logits(network, batches, n_outputs):
    """Compute the logits of samples.

    Parameters
    ----------
    network : Network
    batches : Batches
    n_outputs : int

    Returns
    -------
    logits : ndarray of shape (n_samples, n_outputs)
    """
    logits = np.empty((len(batches.samples), n_outputs), batches.dtype)
    start = 0
    for batch in batches:
        logits[start : start + batch.size] = network.forward(batch.x).T
        start += batch.size
    return logits


def class_logits(logits, targets):
    """Return logits with a column per class, for one or two classes too."""
    if len(targets.classes) == 2 and targets.n_outputs == 1:
        return np.hstack([-logits, logits])
    return logits


def class_probabilities(logits, targets):
    """Return the probability of each class, (n_samples, n_classes), for logits of shape (n_samples, n_outputs)."""
    return loss_of(targets).probabilities(class_logits(logits, targets).T).T


def class_log_probabilities(logits, targets):
    """Return the logarithm of the probability of each class, (n_samples, n_classes)."""
    return loss_of(targets).log_probabilities(class_logits(logits, targets).T).T


def loss_of(targets):
    """Return the loss whose probabilities the classes have."""
    return LOSSES["single_class" if len(targets.classes) == 1 else targets.out_activation]
