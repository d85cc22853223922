"""Activation functions: each name stands for a forward pass and its derivative, both in place.

`forward(z)` turns the pre-activations z into the activations a. `backward(a, delta, work)` multiplies `delta`, the
gradient of the loss by a, with da/dz, which each of these functions can tell from a alone; `work` is a buffer of the
same shape that may be overwritten.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit


@dataclass(frozen=True)
class Activation:
    """A forward pass and its derivative, with the factor of the initial weights that suits it."""

    forward: Callable
    backward: Callable
    glorot_factor: float = 6.0


def identity(z):
    """Leave z as it is: a = z."""


def identity_backward(a, delta, work):
    """Leave delta as it is: da/dz = 1."""


def logistic(z):
    """Apply a = 1 / (1 + exp(-z))."""
    expit(z, out=z)


def logistic_backward(a, delta, work):
    """Apply da/dz = a (1 - a)."""
    np.subtract(1, a, out=work)
    delta *= a
    delta *= work


def tanh(z):
    """Apply a = tanh(z)."""
    np.tanh(z, out=z)


def tanh_backward(a, delta, work):
    """Apply da/dz = 1 - a^2."""
    np.multiply(a, a, out=work)
    np.subtract(1, work, out=work)
    delta *= work


def relu(z):
    """Apply a = max(0, z)."""
    np.maximum(z, 0, out=z)


def relu_backward(a, delta, work):
    """Apply da/dz = 1 where a > 0, else 0."""
    # A mask of bytes in the memory of `work` costs a fifth of an assignment by a boolean index.
    mask = work.reshape(-1).view(np.bool_)[: a.size].reshape(a.shape)
    np.greater(a, 0, out=mask)
    delta *= mask


ACTIVATIONS = {
    "identity": Activation(identity, identity_backward),
    "logistic": Activation(logistic, logistic_backward, glorot_factor=2.0),
    "tanh": Activation(tanh, tanh_backward),
    "relu": Activation(relu, relu_backward),
}
