"""One flat vector that holds every parameter, and the views of each layer into it.

Shapes, here and in the whole engine: activations are feature-major, ``(units, batch)``; the weights of a layer
are ``(fan_out, fan_in)``; its biases are ``(fan_out,)``. The flat vector holds all weights first, then all biases,
then the rest, so that a penalty on the weights alone is an operation on one slice. Nothing outside this module slices
it.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np

# Measured with Adam, whose four arrays of this many float32 fit a cache of 2 MB.
PART_SIZE = 2**17


def cache_sized_parts(size):
    """Cut the range of a flat vector into slices on which several passes in a row stay within the processor's cache."""
    return [slice(start, start + PART_SIZE) for start in range(0, size, PART_SIZE)]


class Views(NamedTuple):
    """The parts of a flat vector of parameters, or of a gradient: each a list with one array a layer.

    Attributes
    ----------
    weights : list of ndarray of shape (fan_out, fan_in)
    biases : list of ndarray of shape (fan_out,)
    gains, shifts : list of ndarray of shape (units,)
        Of the batch normalisation of each hidden layer; empty without one.
    """

    weights: list
    biases: list
    gains: list
    shifts: list


@dataclass(frozen=True)
class Layout:
    """Where the parameters of each layer lie in the flat vector.

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
        """Shapes of all arrays in their order, as a Views of lists."""
        weights = [(fan_out, fan_in) for fan_in, fan_out in pairwise(self.layer_sizes)]
        biases = [(fan_out,) for fan_out in self.layer_sizes[1:]]
        normalised = [(units,) for units in self.hidden_sizes] if self.batch_norm else []
        return Views(weights, biases, normalised, normalised)

    @cached_property
    def n_weights(self):
        """Number of weights of all layers."""
        return sum(fan_out * fan_in for fan_out, fan_in in self.shapes.weights)

    @property
    def n_parameters(self):
        """Number of parameters of all layers."""
        return self.n_weights + sum(units for part in self.shapes[1:] for (units,) in part)

    def views(self, flat):
        """Give the parameters of each layer as views into `flat`."""
        parts, start = [], 0
        for shapes in self.shapes:
            part = []
            for shape in shapes:
                stop = start + int(np.prod(shape))
                part.append(flat[start:stop].reshape(shape))
                start = stop
            parts.append(part)
        return Views(*parts)

    def pack(self, parts, dtype):
        """Copy the parameters of each layer, a Views, into a new flat vector."""
        flat = np.empty(self.n_parameters, dtype)
        for views, arrays in zip(self.views(flat), parts, strict=True):
            for view, values in zip(views, arrays, strict=True):
                view[...] = values
        return flat

    def statistics_views(self, flat):
        """Give running means and variances of each hidden layer as views into a flat vector of them."""
        halves = np.split(flat, 2)
        ends = np.cumsum(self.hidden_sizes)[:-1]
        return [np.split(half, ends) if self.hidden_sizes else [] for half in halves]

    def initial_statistics(self, dtype):
        """Give means of zero and variances of one; an empty vector without batch normalisation."""
        n_units = sum(self.hidden_sizes) if self.batch_norm else 0
        return np.repeat(np.array([0, 1], dtype), n_units)
