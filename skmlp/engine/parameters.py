"""The flat vector of all parameters, and views of each layer's arrays into it.

Throughout the engine, activations have the shape ``(units, batch)``, the weights of a layer ``(fan_out, fan_in)`` and
its biases ``(fan_out,)``. The flat vector contains all weights, then all biases, gains and shifts, so that a penalty on
the weights is an operation on one slice. Apart from this slice, only this module depends on the order.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

# The four arrays of Adam with this many float32 elements fit into a cache of 2 MB.
BLOCK_SIZE = 2**17


def split_into_blocks(size):
    """Return slices of a flat vector, small enough for several operations to stay in the cache."""
    return [slice(start, start + BLOCK_SIZE) for start in range(0, size, BLOCK_SIZE)]


class Views(NamedTuple):
    """Views of the arrays of each layer into a flat vector of parameters or into its gradient.

    Attributes
    ----------
    weights : list of ndarray of shape (fan_out, fan_in)
        Weights of each layer.
    biases : list of ndarray of shape (fan_out,)
        Biases of each layer. With batch normalization, those of the output layer only, because the shifts replace the
        biases of the hidden layers.
    gains : list of ndarray of shape (units,)
        Gains of the batch normalization of each hidden layer; empty without batch normalization.
    shifts : list of ndarray of shape (units,)
        Shifts of the batch normalization of each hidden layer; empty without batch normalization.
    """

    weights: list
    biases: list
    gains: list
    shifts: list


class StatisticsViews(NamedTuple):
    """Views of the running statistics of each hidden layer into a flat vector.

    Attributes
    ----------
    means : list of ndarray of shape (units,)
    variances : list of ndarray of shape (units,)
    """

    means: list
    variances: list


@dataclass(frozen=True)
class Layout:
    """Positions of the parameters of each layer in the flat vector.

    Parameters
    ----------
    layer_sizes : tuple of int
        Number of features, number of units of each hidden layer, and number of outputs.
    batch_norm : bool, default=False
        Whether the hidden layers use batch normalization.
    """

    layer_sizes: tuple[int, ...]
    batch_norm: bool = False

    @property
    def hidden_sizes(self):
        """Number of units of each hidden layer."""
        return self.layer_sizes[1:-1]

    @property
    def shapes(self):
        """Shapes of the arrays, as a Views of lists of tuples."""
        weights = [(fan_out, fan_in) for fan_in, fan_out in pairwise(self.layer_sizes)]
        biases = [(fan_out,) for fan_out in self.layer_sizes[1:]]
        if not self.batch_norm:
            return Views(weights, biases, [], [])
        return Views(weights, biases[-1:], biases[:-1], biases[:-1])

    @cached_property
    def n_weights(self):
        """Number of weights of all layers."""
        return sum(fan_out * fan_in for fan_out, fan_in in self.shapes.weights)

    @cached_property
    def n_parameters(self):
        """Number of parameters of all layers."""
        return self.n_weights + sum(units for shapes in self.shapes[1:] for (units,) in shapes)

    @property
    def n_statistics(self):
        """Total number of running means and running variances."""
        return 2 * sum(self.hidden_sizes) if self.batch_norm else 0

    def views(self, flat):
        """Return the Views of a flat vector of parameters."""
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
        """Copy the parameters of each layer, given as a Views, into a new flat vector."""
        flat = np.empty(self.n_parameters, dtype)
        for views, arrays in zip(self.views(flat), parameters, strict=True):
            for view, values in zip(views, arrays, strict=True):
                view[...] = values
        return flat

    def statistics_views(self, flat):
        """Return the StatisticsViews of a flat vector of running statistics."""
        if not self.batch_norm or not self.hidden_sizes:
            return StatisticsViews([], [])
        ends = np.cumsum(self.hidden_sizes)[:-1]
        return StatisticsViews(*(np.split(half, ends) for half in np.split(flat, 2)))

    def pack_statistics(self, statistics, dtype):
        """Copy running statistics, given as a StatisticsViews, into a new flat vector."""
        return np.concatenate([np.empty(0), *statistics.means, *statistics.variances]).astype(dtype)

    def initial_statistics(self, dtype):
        """Return a flat vector of means of zero and variances of one."""
        return np.repeat(np.array([0, 1], dtype), self.n_statistics // 2)
