"""The floor: the matrix products of training and of prediction, and nothing else.

No implementation on the same BLAS can be faster. Activations are feature-major, (units, batch); weights (out, in).
"""

from itertools import pairwise

import numpy as np

from peers import Peer

N_CLASSES = 10
PREDICTION_BATCH_SIZE = 2048


class Products(Peer):
    """Multiplies matrices of the right shapes, into buffers; learns nothing."""

    trains = False

    def fit(self, X, y, epochs):
        """Multiply as often as training would, whatever X and y hold."""
        n_full, n_last = divmod(len(X), self.recipe.batch_size)
        full = self._step(X.shape[1], self.recipe.batch_size)
        last = self._step(X.shape[1], n_last)
        for _ in range(epochs):
            for _ in range(n_full):
                full()
            if n_last:
                last()

    def predict_proba(self, X):
        """Multiply block by block, and give the products of the last layer."""
        outputs = np.empty((len(X), N_CLASSES), X.dtype)
        sizes = self._sizes(X.shape[1])
        buffers = [np.empty(size * PREDICTION_BATCH_SIZE, X.dtype) for size in sizes[1:]]
        for start in range(0, len(X), PREDICTION_BATCH_SIZE):
            a = X[start : start + PREDICTION_BATCH_SIZE].T
            n = a.shape[1]
            for weight, buffer in zip(self._weights, buffers, strict=True):
                a = np.dot(weight, a, out=buffer[: len(weight) * n].reshape(-1, n))
            outputs[start : start + n] = a.T
        return outputs

    def _sizes(self, n_features):
        return n_features, *self.recipe.hidden, N_CLASSES

    def _step(self, n_features, batch_size):
        """Give a function that computes the products of one training step: three a layer, two in the first."""
        rng = np.random.default_rng(0)

        def matrix(*shape):
            return rng.standard_normal(shape).astype(self.recipe.dtype)

        sizes = self._sizes(n_features)
        activations = [matrix(batch_size, size).T for size in sizes[:1]]
        activations += [matrix(size, batch_size) for size in sizes[1:]]
        deltas = [matrix(size, batch_size) for size in sizes]
        self._weights = weights = [matrix(out, fan_in) for fan_in, out in pairwise(sizes)]
        gradients = [np.empty_like(weight) for weight in weights]

        def step():
            for i, weight in enumerate(weights):
                np.dot(weight, activations[i], out=activations[i + 1])
            for i in reversed(range(len(weights))):
                np.dot(deltas[i + 1], activations[i].T, out=gradients[i])
                if i > 0:
                    np.dot(weights[i].T, deltas[i + 1], out=deltas[i])

        return step
