"""The matrix products of training and prediction, computed by OpenBLAS.

Activations are feature-major, (n_units, n_samples); weights are (n_outputs, n_inputs).
"""

from itertools import pairwise

import numpy as np

from peers import N_CLASSES, PREDICTION_BATCH_SIZE, Peer


class Products(Peer):
    """Matrix products with the shapes of the network, into preallocated buffers."""

    trains = False

    def fit(self, X, y, epochs):
        """Compute the products of all training steps. The values of X and y are not used."""
        n_full_batches, n_remaining = divmod(len(X), self.config.batch_size)
        full_step = self._make_step(X.shape[1], self.config.batch_size)
        last_step = self._make_step(X.shape[1], n_remaining)
        for _ in range(epochs):
            for _ in range(n_full_batches):
                full_step()
            if n_remaining:
                last_step()

    def predict_proba(self, X):
        """Return the products of the output layer, computed block by block."""
        outputs = np.empty((len(X), N_CLASSES), X.dtype)
        sizes = self._layer_sizes(X.shape[1])
        buffers = [np.empty(size * PREDICTION_BATCH_SIZE, X.dtype) for size in sizes[1:]]
        for start in range(0, len(X), PREDICTION_BATCH_SIZE):
            a = X[start : start + PREDICTION_BATCH_SIZE].T
            n = a.shape[1]
            for weight, buffer in zip(self._weights, buffers, strict=True):
                a = np.dot(weight, a, out=buffer[: len(weight) * n].reshape(-1, n))
            outputs[start : start + n] = a.T
        return outputs

    def _layer_sizes(self, n_features):
        return n_features, *self.config.hidden, N_CLASSES

    def _make_step(self, n_features, batch_size):
        """Return a function that computes the products of one step: three per layer, two for the first."""
        rng = np.random.default_rng(0)

        def draw(*shape):
            return rng.standard_normal(shape).astype(self.config.dtype)

        sizes = self._layer_sizes(n_features)
        activations = [draw(batch_size, size).T for size in sizes[:1]]
        activations += [draw(size, batch_size) for size in sizes[1:]]
        deltas = [draw(size, batch_size) for size in sizes]
        self._weights = weights = [draw(fan_out, fan_in) for fan_in, fan_out in pairwise(sizes)]
        gradients = [np.empty_like(weight) for weight in weights]

        def step():
            for i, weight in enumerate(weights):
                np.dot(weight, activations[i], out=activations[i + 1])
            for i in reversed(range(len(weights))):
                np.dot(deltas[i + 1], activations[i].T, out=gradients[i])
                if i > 0:
                    np.dot(weights[i].T, deltas[i + 1], out=deltas[i])

        return step
