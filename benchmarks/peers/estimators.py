"""skmlp and scikit-learn: with the same parameters and seed, both have the same weights and batches."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from peers import Peer
from skmlp import MLPDigitClassifier


class ScikitLearn(Peer):
    """scikit-learn's MLPClassifier."""

    estimator_class = MLPClassifier

    def fit(self, X, y, epochs):
        """Fit a new estimator."""
        self._estimator = self.estimator_class(**self._parameters(X, epochs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._estimator.fit(X, y)

    def predict_proba(self, X):
        """Return the class probabilities as a NumPy array."""
        return self._estimator.predict_proba(X)

    def predict(self, X):
        """Return the predicted labels."""
        return self._estimator.predict(X)

    def _parameters(self, X, epochs):
        return {
            "hidden_layer_sizes": self.config.hidden,
            "solver": self.config.solver,
            "batch_size": self.config.batch_size,
            "learning_rate_init": self.config.LEARNING_RATE,
            "momentum": self.config.MOMENTUM,
            "max_iter": epochs,
            "n_iter_no_change": np.inf,
            "random_state": self.config.SEED,
        }


class Skmlp(ScikitLearn):
    """skmlp's MLPDigitClassifier, with the kernels that the environment variable SKMLP_KERNELS selects."""

    estimator_class = MLPDigitClassifier

    def as_input(self, X):
        """Return uint8 pixels unchanged, because the estimator scales them batch by batch."""
        return X if X.dtype == np.uint8 else super().as_input(X)

    def _parameters(self, X, epochs):
        parameters = super()._parameters(X, epochs)
        parameters |= {"dropout": self.config.dropout, "batch_norm": self.config.batch_norm}
        if X.dtype == np.uint8:
            parameters["input_scale"] = 1 / 255
        if self.config.has_one_cycle:
            parameters["learning_rate"] = "one_cycle"
            parameters["learning_rate_init"] = self.config.peak_rate
        return parameters
