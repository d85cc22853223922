"""skmlp and scikit-learn: the same parameters, the same seed, and so the same weights and batches."""

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
        """Call the public fit with new parameters."""
        self._estimator = self.estimator_class(**self._parameters(X, epochs))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            self._estimator.fit(X, y)

    def predict_proba(self, X):
        """Give the probabilities, as a NumPy array."""
        return self._estimator.predict_proba(X)

    def predict(self, X):
        """Give the digits."""
        return self._estimator.predict(X)

    def _parameters(self, X, epochs):
        return {
            "hidden_layer_sizes": self.recipe.hidden,
            "solver": self.recipe.solver,
            "batch_size": self.recipe.batch_size,
            "learning_rate_init": self.recipe.LEARNING_RATE,
            "momentum": self.recipe.MOMENTUM,
            "max_iter": epochs,
            "n_iter_no_change": np.inf,
            "random_state": self.recipe.SEED,
        }


class Skmlp(ScikitLearn):
    """skmlp's MLPDigitClassifier, with the kernels that SKMLP_KERNELS names."""

    estimator_class = MLPDigitClassifier

    def as_input(self, X):
        """Leave pixels of 8 bits as they are: the estimator scales them, batch by batch."""
        return X if X.dtype == np.uint8 else super().as_input(X)

    def _parameters(self, X, epochs):
        own = {"dropout": self.recipe.dropout, "batch_norm": self.recipe.batch_norm}
        if X.dtype == np.uint8:
            own["input_scale"] = 1 / 255
        if self.recipe.has_one_cycle:
            own |= {"learning_rate": "one_cycle", "learning_rate_init": self.recipe.peak_rate}
        return super()._parameters(X, epochs) | own
