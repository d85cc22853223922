"""Layers: each a final class with its forward and its backward pass side by side.

`forward(x, memory, step)` gives the output; `backward(x, out, delta, memory, step)` turns the gradient by the output
into the gradient by x and writes the gradients by the layer's parameters. Both may write into `memory`, what
`allocate` made for the batch size, and change out and delta in place. All activations are ``(units, batch)``.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.kernels import numpy_kernels
from skmlp.engine.products import multiply

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
    learns : bool
        Whether the gradients by the weights are wanted; those by the samples alone otherwise.
    """

    shares: np.ndarray
    generator: Any
    learns: bool = True


class Dense:
    """The product of a fully connected layer; the biases are added by the layer that follows.

    Parameters
    ----------
    weights : ndarray of shape (fan_out, fan_in)
    weights_gradient : ndarray of shape (fan_out, fan_in), default=None
        Where `backward` writes; None for a layer that only predicts.
    x_gradient_order : {"C", "F", None}, default="C"
        Of the gradient by x in memory. "F" is that of samples, which is computed only where the network does not learn;
        None if nobody needs it.
    idle_gradient : ndarray, default=None
        By biases that are not in use, as batch normalisation would take them away again: kept zero.
    """

    def __init__(self, weights, weights_gradient=None, x_gradient_order="C", idle_gradient=None):
        self.weights = weights
        self.weights_gradient = weights_gradient
        self.x_gradient_order = x_gradient_order
        self.idle_gradient = idle_gradient

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        fan_out, fan_in = self.weights.shape
        dtype = self.weights.dtype
        memory = SimpleNamespace(out=np.empty((fan_out, batch_size), dtype), delta_x=None)
        if self.weights_gradient is not None and self.x_gradient_order:
            memory.delta_x = np.empty((fan_in, batch_size), dtype, self.x_gradient_order)
        return memory

    def forward(self, x, memory, step):
        """Compute z = W x."""
        multiply(self.weights, x, memory.out)
        return memory.out

    def backward(self, x, out, delta, memory, step):
        """Compute dL/dW = delta x' and dL/dx = W' delta."""
        if step.learns:
            multiply(delta, x.T, self.weights_gradient)
        if self.idle_gradient is not None:
            self.idle_gradient[...] = 0
        if self.x_gradient_order == "C":
            multiply(self.weights.T, delta, memory.delta_x)
        elif self.x_gradient_order == "F" and not step.learns:
            multiply(delta.T, self.weights, memory.delta_x.T)
        else:
            return None
        return memory.delta_x


class Activate:
    """Biases and an activation function, in place.

    Parameters
    ----------
    name : str
        Of the activation.
    biases : ndarray of shape (units,)
    biases_gradient : ndarray of shape (units,), default=None
        Where `backward` writes; None for a layer that only predicts.
    kernels : module, default=numpy_kernels
    """

    def __init__(self, name, biases, biases_gradient=None, kernels=numpy_kernels):
        self.name = name
        self.biases = biases
        self.biases_gradient = biases_gradient
        self.kernels = kernels

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        dtype = self.biases.dtype
        return SimpleNamespace(
            work=np.empty((len(self.biases), batch_size), dtype), ones=np.ones(batch_size, dtype)
        )

    def forward(self, x, memory, step):
        """Turn z into a = f(z + b)."""
        self.kernels.activate(self.name, x, self.biases, memory.work)
        return x

    def backward(self, x, out, delta, memory, step):
        """Turn dL/da into dL/dz, and compute dL/db."""
        self.kernels.activate_backward(
            self.name, delta, out, self.biases_gradient, memory.work, memory.ones
        )
        return delta


class BatchNorm:
    """Batch normalisation [1]_, sample weights counted; its shifts are the biases of the layer that follows.

    Parameters
    ----------
    gains : ndarray of shape (units,)
    running_mean, running_variance : ndarray of shape (units,)
        Changed in place by each training step, used by prediction.
    gains_gradient, shifts_gradient : ndarray of shape (units,), default=None
        `backward` writes the first and reads the second.
    kernels : module, default=numpy_kernels

    References
    ----------
    .. [1] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
       shift", ICML 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self,
        gains,
        running_mean,
        running_variance,
        gains_gradient=None,
        shifts_gradient=None,
        kernels=numpy_kernels,
    ):
        self.gains = gains
        self.running_mean = running_mean
        self.running_variance = running_variance
        self.gains_gradient = gains_gradient
        self.shifts_gradient = shifts_gradient
        self.kernels = kernels

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        n_units, dtype = len(self.gains), self.gains.dtype
        return SimpleNamespace(
            normal=np.empty((n_units, batch_size), dtype),
            out=np.empty((n_units, batch_size), dtype),
            work=np.empty((n_units, batch_size), dtype),
            ones=np.ones(batch_size, dtype),
            mean=np.empty(n_units, dtype),
            variance=np.empty(n_units, dtype),
            inverse_deviation=np.empty(n_units, dtype),
        )

    def forward(self, x, memory, step):
        """Compute gain (x - mean) / sqrt(variance + epsilon), of the batch or the running ones."""
        if step is None:
            scale = self.gains / np.sqrt(self.running_variance + BATCH_NORM_EPSILON)
            np.subtract(x, self.running_mean[:, np.newaxis], out=memory.out)
            memory.out *= scale[:, np.newaxis]
            return memory.out
        self.kernels.normalise(
            memory.normal,
            memory.out,
            memory.mean,
            memory.variance,
            memory.inverse_deviation,
            x,
            step.shares,
            self.gains,
            BATCH_NORM_EPSILON,
        )
        move_average(self.running_mean, memory.mean, BATCH_NORM_MOMENTUM)
        move_average(self.running_variance, memory.variance, BATCH_NORM_MOMENTUM)
        return memory.out

    def backward(self, x, out, delta, memory, step):
        """Compute the gradients by gain and x."""
        self.kernels.normalise_backward(
            delta,
            self.gains_gradient,
            self.shifts_gradient,
            memory.normal,
            self.gains,
            memory.inverse_deviation,
            step.shares,
            memory.work,
            memory.ones,
        )
        return delta

    def fold_into(self, weights, shifts):
        """Give weights and biases of one dense layer that predicts like `weights`, this layer and `shifts` together."""
        scale = self.gains / np.sqrt(self.running_variance + BATCH_NORM_EPSILON)
        return weights * scale[:, np.newaxis], shifts - self.running_mean * scale


class Dropout:
    """Inverted dropout [1]_: each value is dropped or scaled up in training, left as it is in prediction.

    Parameters
    ----------
    rate : float in [0, 1)
        Probability to drop, kept to a multiple of 2^-16 below one.
    n_units : int
    dtype : dtype
    kernels : module, default=numpy_kernels
    order : {"C", "F"}, default="C"
        Of x in memory.

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014.
    """

    def __init__(self, rate, n_units, dtype, kernels=numpy_kernels, order="C"):
        self.threshold = min(round(rate * N_RANDOM_VALUES), N_RANDOM_VALUES - 1)
        self.scale = N_RANDOM_VALUES / (N_RANDOM_VALUES - self.threshold)
        self.n_units = n_units
        self.dtype = dtype
        self.kernels = kernels
        self.order = order

    def allocate(self, batch_size):
        """Make the memory for a batch size."""
        shape = (self.n_units, batch_size)
        return SimpleNamespace(
            out=np.empty(shape, self.dtype, self.order), kept=np.empty(shape, bool, self.order)
        )

    def forward(self, x, memory, step):
        """Compute out = kept x / (1 - rate)."""
        if step is None:
            return x
        if issparse(x):
            x = x.copy()
            kept = self._random_bits(x.data.shape, step.generator) >= self.threshold
            x.data *= kept * self.dtype.type(self.scale)
            return x
        bits = self._random_bits(memory.kept.shape, step.generator)
        self.kernels.drop(memory.out, memory.kept, x, bits, self.threshold, self.scale)
        return memory.out

    def backward(self, x, out, delta, memory, step):
        """Compute dL/dx = kept dL/dout / (1 - rate)."""
        self.kernels.drop_backward(delta, memory.kept, self.scale)
        return delta

    def _random_bits(self, shape, generator):
        # Sixteen raw bits a value cost a sixth of a random float.
        size = int(np.prod(shape))
        values = generator.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
        return values.reshape(shape, order=self.order)


def move_average(average, value, momentum):
    """Move an exponential average towards a value, in place."""
    average *= momentum
    average += (1 - momentum) * value
