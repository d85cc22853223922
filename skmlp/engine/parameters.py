"""The flat vector that holds all parameters, and views of each layer's arrays into it.

Shapes, here and in the whole engine: activations are feature-major, ``(units, batch)``; the weights of a layer are
``(fan_out, fan_in)``; its biases are ``(fan_out,)``. The flat vector holds all weights first, then all biases, gains
and shifts, so that a penalty on the weights is an operation on one slice. No other module slices it.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

# Measured with Adam: its four arrays of this many float32 fit into a cache of 2 MB.
BLOCK_SIZE = 2**17


def cache_sized_blocks(size):
    """Return slices of a flat vector on which several operations in a row stay within the processor's cache."""
    return [slice(start, start + BLOCK_SIZE) for start in range(0, size, BLOCK_SIZE)]


class Views(NamedTuple):
    """The arrays of a flat vector of parameters, or of its gradient: each field is a list with one array per layer.

    Attributes
    ----------
    weights : list of ndarray of shape (fan_out, fan_in)
    biases : list of ndarray of shape (fan_out,)
        Of every layer; with batch normalization, whose shifts take their place in the hidden layers, of the output
        layer only.
    gains, shifts : list of ndarray of shape (units,)
        Of the batch normalization of each hidden layer; empty without batch normalization.
    """

    weights: list
    biases: list
    gains: list
    shifts: list


class StatisticsViews(NamedTuple):
    """The running statistics of the batch normalization, as lists with one array per hidden layer.

    Attributes
    ----------
    means, variances : list of ndarray of shape (units,)
    """

    means: list
    variances: list


@dataclass(frozen=True)
class Layout:
    """Where the parameters of each layer are in the flat vector.

    Parameters
    ----------
    layer_sizes : tuple of int
        Number of features, of units of each hidden layer, and of outputs.
    batch_norm : bool, default=False
        Whether the hidden layers have gains and shifts.
    """

    layer_sizes: tuple[int, ...]
    batch_norm: bool = False

    @property
    def hidden_sizes(self):
        """Number of units of each hidden layer."""
        return self.layer_sizes[1:-1]

    @property
    def shapes(self):
        """Shapes of all arrays in their order, as Views of lists."""
        weights = [(fan_out, fan_in) for fan_in, fan_out in pairwise(self.layer_sizes)]
        biases = [(fan_out,) for fan_out in self.layer_sizes[1:]]
        if not self.batch_norm:
            return Views(weights, biases, [], [])
        return Views(weights, biases[-1:], biases[:-1], biases[:-1])

    @cached_property
    def n_weights(self):
        """Number of weights of all layers, which are the first parameters."""
        return sum(fan_out * fan_in for fan_out, fan_in in self.shapes.weights)

    @cached_property
    def n_parameters(self):
        """Number of parameters of all layers."""
        return self.n_weights + sum(units for shapes in self.shapes[1:] for (units,) in shapes)

    @property
    def n_statistics(self):
        """Number of running means and variances."""
        return 2 * sum(self.hidden_sizes) if self.batch_norm else 0

    def views(self, flat):
        """Return the parameters of each layer as views into `flat`."""
        fields, start = [], 0
        for shapes in self.shapes:
            arrays = []
            for shape in shapes:
                stop = start + int(np.prod(shape))
                arrays.append(flat[start:stop].reshape(shape))
                start = stop
            fields.append(arrays)
        return Views(*fields)

    def pack(self, parameters, dtype):
        """Copy the parameters of each layer, given as Views, into a new flat vector."""
        flat = np.empty(self.n_parameters, dtype)
        for views, arrays in zip(self.views(flat), parameters, strict=True):
            for view, values in zip(views, arrays, strict=True):
                view[...] = values
        return flat

    def statistics_views(self, flat):
        """Return running means and variances as views into a flat vector of them."""
        if not self.batch_norm or not self.hidden_sizes:
            return StatisticsViews([], [])
        ends = np.cumsum(self.hidden_sizes)[:-1]
        return StatisticsViews(*(np.split(half, ends) for half in np.split(flat, 2)))

    def pack_statistics(self, statistics, dtype):
        """Copy running means and variances, given as StatisticsViews, into a new flat vector."""
        return np.concatenate([np.empty(0), *statistics.means, *statistics.variances]).astype(dtype)

    def initial_statistics(self, dtype):
        """Return means of zero and variances of one; an empty vector without batch normalization."""
        return np.repeat(np.array([0, 1], dtype), self.n_statistics // 2)
