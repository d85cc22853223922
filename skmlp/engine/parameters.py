"""One flat vector that holds every parameter, and the views of each layer into it.

Shapes, here and in the whole engine: activations are feature-major, ``(units, batch)``; the weights of a layer
are ``(fan_out, fan_in)``; its biases are ``(fan_out,)``. The flat vector holds all weights first, then all biases,
so that a penalty on the weights alone is an operation on one slice. Nothing outside this module slices it.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np


@dataclass(frozen=True)
class Layout:
    """Where the weights and biases of each layer lie in the flat vector.

    Parameters
    ----------
    layer_sizes : tuple of int
        Number of features, of units of each hidden layer, and of outputs.
    """

    layer_sizes: tuple[int, ...]

    @property
    def shapes(self):
        """Shapes ``(fan_out, fan_in)`` of the weights, one a layer."""
        return [(fan_out, fan_in) for fan_in, fan_out in pairwise(self.layer_sizes)]

    @property
    def n_weights(self):
        """Number of weights of all layers."""
        return sum(fan_out * fan_in for fan_out, fan_in in self.shapes)

    @property
    def n_parameters(self):
        """Number of weights and biases of all layers."""
        return self.n_weights + sum(self.layer_sizes[1:])

    def views(self, flat):
        """Weights and biases of each layer as views into `flat`, two lists."""
        weights, biases, start = [], [], 0
        for shape in self.shapes:
            stop = start + shape[0] * shape[1]
            weights.append(flat[start:stop].reshape(shape))
            start = stop
        for fan_out, _ in self.shapes:
            biases.append(flat[start : start + fan_out])
            start += fan_out
        return weights, biases

    def pack(self, weights, biases, dtype):
        """Copy weights and biases of each layer into a new flat vector."""
        flat = np.empty(self.n_parameters, dtype)
        weight_views, bias_views = self.views(flat)
        for view, values in zip(weight_views + bias_views, weights + biases, strict=True):
            view[...] = values
        return flat


def draw_glorot_uniform(layout, factor, random_state, dtype):
    """Draw initial weights and biases from scikit-learn's uniform distribution, in its order.

    Weights and biases of a layer both come from U(-r, r) with ``r = sqrt(factor / (fan_in + fan_out))`` [1]_.

    References
    ----------
    .. [1] Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks",
       AISTATS 2010.
    """
    flat = np.empty(layout.n_parameters, dtype)
    for weights, biases in zip(*layout.views(flat), strict=True):
        fan_out, fan_in = weights.shape
        bound = np.sqrt(factor / (fan_in + fan_out))
        weights[...] = random_state.uniform(-bound, bound, (fan_in, fan_out)).T
        biases[...] = random_state.uniform(-bound, bound, fan_out)
    return flat
