"""What lies between the classifier's predictions and the engine: checks of the samples, batches, the network."""

import numpy as np
from sklearn.utils.validation import check_is_fitted, validate_data

from skmlp.engine.batches import Batches, Samples
from skmlp.engine.losses import LOSSES
from skmlp.engine.network import build_prediction_network, folded
from skmlp.fitting import pack_statistics
from skmlp.plan import activation_names

BATCH_SIZE = 2048


class Predictive:
    """The private half of the classifier: how it predicts. Abstract: the classifier has the weights."""

    def _class_logits(self, X):
        """Compute the logits of samples, a column a class, and find the loss whose transforms suit them."""
        logits = self._logits(X)
        if len(self.classes_) == 1:
            return logits, LOSSES["softmax"]
        if self.n_outputs_ == 1:
            logits = np.hstack([-logits, logits])
        return logits, LOSSES[self.out_activation_]

    def _logits(self, X):
        """Compute the logits of samples, shape (n_samples, n_outputs), batch by batch."""
        batches, network = self._prediction(X)
        logits = np.empty((len(batches.samples), self.n_outputs_), batches.dtype)
        start = 0
        for batch in batches:
            logits[start : start + batch.size] = network.forward(batch.x).T
            start += batch.size
        return logits

    def _prediction(self, X):
        """Cut samples into batches, and make a network for them."""
        check_is_fitted(self)
        if hasattr(self, "feature_names_in_") or not is_ready(X, self.n_features_in_):
            X = validate_data(self, X, accept_sparse="csr", reset=False)
        dtype = self.coefs_[0].dtype
        statistics = pack_statistics(self.batch_norm_, dtype)
        weights, biases = folded(self._layout, self._parts, statistics)
        activations = activation_names(self.activation, self.n_layers_ - 2)
        network = build_prediction_network(weights, biases, activations)
        samples = Samples(X, input_scale=self.input_scale)
        return Batches(samples, BATCH_SIZE, dtype), network


def is_ready(X, n_features):
    """Tell whether X is an array that scikit-learn's checks would let pass as it is.

    They look for a dozen kinds of data frames first, which takes longer than to predict one sample.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or X.shape[1] != n_features or not len(X):
        return False
    if X.dtype.kind in "iu":
        return True
    if X.dtype.char not in "fd":
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(X, axis=None)))
