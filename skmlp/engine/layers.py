"""Layers: each a final class with its forward and its backward pass side by side.

`forward(x, memory, step)` gives the output; `backward(x, out, delta, memory, step)` turns the gradient by the output
into the gradient by x and writes the gradients by the layer's parameters. Both may write into `memory`, what
`allocate` made for the batch size, and change out and delta in place. All activations are ``(units, batch)``.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9
N_RANDOM_VALUES = 2**16


class Step(NamedTuple):
    """What the layers need to know of a training step; None stands for prediction.

    Attributes
    ----------
    shares : ndarray of shape (batch,)
        The weight of each sample as a part of the batch's weight.
    generator : Generator
        Draws what only training draws.
    """

    shares: np.ndarray
    generator: Any


class Dense:
    """A fully connected layer.

    Parameters
    ----------
    weights : ndarray of shape (fan_out, fan_in)
    biases : ndarray of shape (fan_out,)
    weights_gradient, biases_gradient : ndarray, default=None
        Where `backward` writes; None for a layer that only predicts.
    is_first : bool, default=False
        Whether nobody needs the gradient by x.
    """

    def __init__(
        self, weights, biases, weights_gradient=None, biases_gradient=None, is_first=False
    ):
        self.weights = weights
        self.biases = biases[:, np.newaxis]
        self.weights_gradient = weights_gradient
        self.biases_gradient = biases_gradient
        self.is_first = is_first

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        fan_out, fan_in = self.weights.shape
        dtype = self.weights.dtype
        memory = SimpleNamespace(out=np.empty((fan_out, batch_size), dtype))
        if self.weights_gradient is not None:
            memory.ones = np.ones(batch_size, dtype)
            memory.delta_x = None if self.is_first else np.empty((fan_in, batch_size), dtype)
        return memory

    def forward(self, x, memory, step):
        """Compute z = W x + b."""
        multiply(self.weights, x, memory.out)
        memory.out += self.biases
        return memory.out

    def backward(self, x, out, delta, memory, step):
        """Compute dL/dW = delta x', dL/db = delta 1 and dL/dx = W' delta."""
        multiply(delta, x.T, self.weights_gradient)
        # A product with ones is the fastest sum over the batch.
        np.dot(delta, memory.ones, out=self.biases_gradient)
        if not self.is_first:
            np.dot(self.weights.T, delta, out=memory.delta_x)
        return memory.delta_x


class Activate:
    """An activation function, in place.

    Parameters
    ----------
    activation : Activation
    n_units : int
    dtype : dtype
    """

    def __init__(self, activation, n_units, dtype):
        self.activation = activation
        self.n_units = n_units
        self.dtype = dtype

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        return SimpleNamespace(work=np.empty((self.n_units, batch_size), self.dtype))

    def forward(self, x, memory, step):
        """Turn z into a."""
        self.activation.forward(x, memory.work)
        return x

    def backward(self, x, out, delta, memory, step):
        """Turn dL/da into dL/dz."""
        self.activation.backward(out, delta, memory.work)
        return delta


class BatchNorm:
    """Batch normalisation [1]_, with the sample weights in mean and variance.

    Parameters
    ----------
    gains, shifts : ndarray of shape (units,)
    running_mean, running_variance : ndarray of shape (units,)
        Changed in place by each training step, used by prediction.
    gains_gradient, shifts_gradient : ndarray of shape (units,)

    References
    ----------
    .. [1] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
       shift", ICML 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self, gains, shifts, running_mean, running_variance, gains_gradient, shifts_gradient
    ):
        self.gains = gains
        self.shifts = shifts
        self.running_mean = running_mean
        self.running_variance = running_variance
        self.gains_gradient = gains_gradient
        self.shifts_gradient = shifts_gradient

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        shape, dtype = (len(self.gains), batch_size), self.gains.dtype
        return SimpleNamespace(
            normal=np.empty(shape, dtype),
            out=np.empty(shape, dtype),
            work=np.empty(shape, dtype),
            ones=np.ones(batch_size, dtype),
            inverse_deviation=np.empty(len(self.gains), dtype),
        )

    def forward(self, x, memory, step):
        """Compute gain (x - mean) / sqrt(variance + epsilon) + shift, of the batch or the running ones."""
        normal = memory.normal
        if step is None:
            mean, variance = self.running_mean, self.running_variance
            np.subtract(x, mean[:, np.newaxis], out=normal)
        else:
            # mean = sum(share x), variance = sum(share (x - mean)^2)
            mean = np.dot(x, step.shares)
            np.subtract(x, mean[:, np.newaxis], out=normal)
            np.multiply(normal, normal, out=memory.work)
            variance = np.dot(memory.work, step.shares)
            move_average(self.running_mean, mean, BATCH_NORM_MOMENTUM)
            move_average(self.running_variance, variance, BATCH_NORM_MOMENTUM)
        memory.inverse_deviation[...] = 1 / np.sqrt(variance + BATCH_NORM_EPSILON)
        normal *= memory.inverse_deviation[:, np.newaxis]
        np.multiply(normal, self.gains[:, np.newaxis], out=memory.out)
        memory.out += self.shifts[:, np.newaxis]
        return memory.out

    def backward(self, x, out, delta, memory, step):
        """Compute the gradients by gain, shift and x.

        With n = (x - mean) / deviation:
        dL/dgain = sum(delta n), dL/dshift = sum(delta),
        dL/dx = gain / deviation (delta - share (dL/dshift + n dL/dgain)).
        """
        np.multiply(delta, memory.normal, out=memory.work)
        np.dot(memory.work, memory.ones, out=self.gains_gradient)
        np.dot(delta, memory.ones, out=self.shifts_gradient)
        np.multiply(memory.normal, self.gains_gradient[:, np.newaxis], out=memory.work)
        memory.work += self.shifts_gradient[:, np.newaxis]
        memory.work *= step.shares
        delta -= memory.work
        delta *= (self.gains * memory.inverse_deviation)[:, np.newaxis]
        return delta

    def fold_into(self, dense):
        """Give the weights and biases of the one dense layer that predicts like `dense` and this layer together."""
        scale = self.gains / np.sqrt(self.running_variance + BATCH_NORM_EPSILON)
        weights = dense.weights * scale[:, np.newaxis]
        biases = (dense.biases[:, 0] - self.running_mean) * scale + self.shifts
        return weights, biases


class Dropout:
    """Inverted dropout [1]_: each value is dropped or scaled up in training, left as it is in prediction.

    Parameters
    ----------
    rate : float in [0, 1)
        Probability to drop, kept to a multiple of 2^-16 below one.
    n_units : int
    dtype : dtype

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014.
    """

    def __init__(self, rate, n_units, dtype):
        self.threshold = min(round(rate * N_RANDOM_VALUES), N_RANDOM_VALUES - 1)
        self.scale = N_RANDOM_VALUES / (N_RANDOM_VALUES - self.threshold)
        self.n_units = n_units
        self.dtype = dtype

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        shape = (self.n_units, batch_size)
        return SimpleNamespace(out=np.empty(shape, self.dtype), kept=np.empty(shape, bool))

    def forward(self, x, memory, step):
        """Compute out = kept x / (1 - rate)."""
        if step is None:
            return x
        if issparse(x):
            x = x.copy()
            x.data *= self._draw(x.data.shape, step.generator) * self.dtype.type(self.scale)
            return x
        self._draw(memory.kept.shape, step.generator, out=memory.kept)
        np.multiply(x, memory.kept, out=memory.out)
        memory.out *= self.scale
        return memory.out

    def backward(self, x, out, delta, memory, step):
        """Compute dL/dx = kept dL/dout / (1 - rate)."""
        delta *= memory.kept
        delta *= self.scale
        return delta

    def _draw(self, shape, generator, out=None):
        # Sixteen raw bits a value cost a sixth of a random float.
        size = int(np.prod(shape))
        values = generator.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
        return np.greater_equal(values.reshape(shape), self.threshold, out=out)


def multiply(left, right, out):
    """Compute ``left @ right`` into `out`, where `right` may be sparse."""
    if issparse(right):
        # SciPy multiplies sparse by dense, not dense by sparse.
        out[...] = (right.T @ left.T).T
    else:
        np.dot(left, right, out=out)


def move_average(average, value, momentum):
    """Move an exponential average towards a value, in place."""
    average *= momentum
    average += (1 - momentum) * value
