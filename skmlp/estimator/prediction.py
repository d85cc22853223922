"""Computation of logits and probabilities with fitted weights, in batches."""

from dataclasses import replace

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from skmlp.engine.backend_choice import make_predictor
from skmlp.engine.batches import Batches, Samples
from skmlp.engine.reference.losses import LOSSES
from skmlp.engine.reference.network import build_prediction_network
from skmlp.engine.sources import RowSource
from skmlp.estimator import fitted
from skmlp.estimator.config import parse_activations
from skmlp.estimator.data import (
    DENSE_IN_PREDICTION,
    check_sparse_arrays,
    check_sparse_is_supported,
)
from skmlp.estimator.sources import is_read_on_demand, open_samples
from skmlp.estimator.targets import check_labels

PREDICTION_BATCH_SIZE = 2048


def check_samples(estimator, X):
    """Return validated samples for prediction: an ndarray, CSR matrix or RowSource."""
    check_is_fitted(estimator)
    if not hasattr(estimator, "feature_names_in_") and is_valid(X, estimator.n_features_in_):
        return X
    if is_read_on_demand(X):
        X = open_samples(X, lambda dtype: dtype)
        return validate_data(estimator, X, reset=False, skip_check_array=True)
    check_sparse_arrays(X)
    X = validate_data(estimator, X, accept_sparse="csr", reset=False)
    check_sparse_arrays(X)  # SciPy converts other formats without checking the indices.
    return X


def load_samples(estimator, X):
    """Return validated samples as an array or CSR matrix. Samples that are read on demand are loaded."""
    X = check_samples(estimator, X)
    return X[:] if isinstance(X, RowSource) else X


def is_valid(X, n_features):
    """Return whether X is an array that scikit-learn's validation would return unchanged.

    The validation takes longer than the prediction for a single sample, because it checks for many other types.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.shape[1] != n_features or not len(X):
        return False
    if X.dtype.kind in "iu":
        return True
    if X.dtype.char not in "fd":
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(X, axis=None)))


def predict_lazily(estimator, method, X):
    """Return the result of a method of prediction for a dask array or DataFrame, as a dask array."""
    check_is_fitted(estimator)
    # skmlp.dask depends on this package, and is imported when it is needed.
    from skmlp.dask.prediction import predict_blocks

    return predict_blocks(estimator, method, X)


def make_prediction_network(estimator):
    """Return a network for prediction with the fitted attributes of an estimator."""
    activations = parse_activations(estimator.activation, len(estimator.coefs_) - 1)
    return build_prediction_network(
        activations, fitted.get_parameters(estimator), fitted.get_statistics(estimator)
    )


def make_batches(estimator, X):
    """Return the Batches of validated samples for prediction."""
    if issparse(X):
        check_sparse_is_supported(estimator, DENSE_IN_PREDICTION)
    extraction = fitted.get_extraction(estimator)
    samples = Samples(X, input_scale=estimator.input_scale, extraction=extraction)
    return Batches(samples, PREDICTION_BATCH_SIZE, estimator.coefs_[0].dtype)


def compute_logits(estimator, batches, n_outputs):
    """Compute the logits of samples.

    Parameters
    ----------
    estimator : MLPDigitClassifier
    batches : Batches
    n_outputs : int

    Returns
    -------
    logits : ndarray of shape (n_samples, n_outputs)
    """
    predictor = make_predictor(
        parse_activations(estimator.activation, len(estimator.coefs_) - 1),
        fitted.get_parameters(estimator),
        fitted.get_statistics(estimator),
        batches.samples,
    )
    logits = np.empty((len(batches.samples), n_outputs), batches.dtype)
    start = 0
    for batch in batches:
        logits[start : start + batch.size] = predictor.logits(batch).T
        start += batch.size
    return logits


def convert_labels(y):
    """Return labels that a user passes as an array, see `check_labels`."""
    return check_labels(y if issparse(y) else np.asarray(y))


def compute_input_gradients(estimator, batches, labels):
    """Compute the gradient of the logit of a class with respect to the features.

    Parameters
    ----------
    estimator : MLPDigitClassifier
    batches : Batches
    labels : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Class of each sample, or indicators of labels whose logits are added.

    Returns
    -------
    gradients : ndarray of shape (n_samples, n_features)
    """
    check_consistent_length(batches.samples.X, labels)
    directions = make_directions(labels, fitted.get_targets(estimator)).astype(batches.dtype)
    network, extraction = make_prediction_network(estimator), batches.samples.extraction
    scale = batches.dtype.type(batches.samples.input_scale or 1)
    pixels = Batches(replace(batches.samples, extraction=None), batches.batch_size, batches.dtype)
    gradients = np.empty(batches.samples.X.shape, batches.dtype)
    start = 0
    for batch in pixels:
        rows = slice(start, start + batch.size)
        x = batch.x.T.toarray() if issparse(batch.x) else batch.x.T
        # A callable may work in place, but must not change the user's data.
        network.forward((x if extraction is None else extraction(x.copy())).T)
        derivatives = network.input_gradient(directions[rows].T.copy()).T
        if extraction is not None:
            derivatives = extraction.backpropagate(x.copy(), derivatives)
        # The network sees the samples multiplied by the scale.
        gradients[rows] = scale * derivatives
        start += batch.size
    return gradients


def make_directions(labels, targets):
    """Return the derivative of the chosen logit of each sample with respect to those of the output units."""
    encoded = targets.encode(labels)
    if targets.out_activation == "softmax":
        return np.eye(targets.n_outputs)[encoded]
    if targets.multilabel:
        return encoded.astype(float)
    # With two classes, the logit of the first one is the negative of that of the output unit.
    return np.where(encoded | (len(targets.classes) == 1), 1.0, -1.0)


def expand_logits(logits, targets):
    """Return logits with one column per class. The engine has a single output for two classes."""
    if len(targets.classes) == 2 and targets.n_outputs == 1:
        return np.hstack([-logits, logits])
    return logits


def compute_probabilities(logits, targets):
    """Return probabilities of shape (n_samples, n_classes) for logits of shape (n_samples, n_outputs)."""
    return get_loss(targets).probabilities(expand_logits(logits, targets).T).T


def compute_log_probabilities(logits, targets):
    """Return log-probabilities of shape (n_samples, n_classes) for logits of shape (n_samples, n_outputs)."""
    return get_loss(targets).log_probabilities(expand_logits(logits, targets).T).T


def get_loss(targets):
    """Return the loss that defines the probabilities of the classes."""
    return LOSSES[get_loss_name(targets)]


def get_loss_name(targets):
    """Return the name of the loss: the activation of the outputs, or 'single_class'."""
    return "single_class" if len(targets.classes) == 1 else targets.out_activation
