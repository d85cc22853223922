"""Layers: each a final class with its forward and its backward pass side by side.

- ``forward(x, memory, step)`` returns the output, and stores in `memory` what the backward pass needs.
- ``backward(delta, memory)`` writes the gradients of the loss with respect to the parameters, and turns `delta`, the
  gradient with respect to the output, into the gradient with respect to the input, which it returns.
- ``input_gradient(delta, memory)`` returns the latter without computing the former.

`memory` is what ``allocate(batch_size)`` returned. The passes may change x and delta in place. All activations are
``(units, batch)``.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.products import multiply
from skmlp.engine.reference import numpy_kernels

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9
N_RANDOM_VALUES = 2**16


class Step(NamedTuple):
    """What the layers need to know about a training step; None stands for prediction.

    Attributes
    ----------
    fractions : ndarray of shape (batch,)
        The weight of each sample as a fraction of the weight of the batch.
    generator : Generator
        Draws the dropout masks.
    """

    fractions: np.ndarray
    generator: Any


class Linear:
    """The matrix product z = W x of a fully connected layer; biases are added by the Activation that follows.

    Parameters
    ----------
    weights : ndarray of shape (fan_out, fan_in)
    weights_gradient : ndarray of shape (fan_out, fan_in), default=None
        Where `backward` writes; None for a layer that only predicts.
    """

    def __init__(self, weights, weights_gradient=None):
        self.weights = weights
        self.weights_gradient = weights_gradient

    def allocate(self, batch_size):
        """Return the memory for a batch size."""
        out = np.empty((len(self.weights), batch_size), self.weights.dtype)
        return SimpleNamespace(out=out, x=None, input_gradient=None)

    def forward(self, x, memory, step):
        """Compute z = W x."""
        memory.x = x
        multiply(self.weights, x, memory.out)
        return memory.out

    def parameter_gradient(self, delta, memory):
        """Compute dL/dW = delta x'."""
        multiply(delta, memory.x.T, self.weights_gradient)

    def input_gradient(self, delta, memory):
        """Compute dL/dx = W' delta."""
        if memory.input_gradient is None:
            # In the memory order of x: samples are contiguous, hidden activations are C-ordered.
            memory.input_gradient = np.empty_like(memory.x)
        multiply(self.weights.T, delta, memory.input_gradient)
        return memory.input_gradient

    def backward(self, delta, memory):
        """Compute dL/dW and dL/dx."""
        self.parameter_gradient(delta, memory)
        return self.input_gradient(delta, memory)


class Activation:
    """Biases and an activation function, a = f(x + b), in place.

    Parameters
    ----------
    name : str
        Name of the activation function.
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
        """Return the memory for a batch size."""
        dtype = self.biases.dtype
        return SimpleNamespace(
            a=None,
            work=np.empty((len(self.biases), batch_size), dtype),
            ones=np.ones(batch_size, dtype),
            unused_gradient=np.empty_like(self.biases),
        )

    def forward(self, x, memory, step):
        """Turn x into a = f(x + b)."""
        self.kernels.activate(x, self.name, self.biases, memory.work)
        memory.a = x
        return x

    def input_gradient(self, delta, memory):
        """Turn dL/da into dL/dx = dL/da f'(x + b)."""
        self.kernels.activate_backward(
            delta, memory.unused_gradient, self.name, memory.a, memory.work, memory.ones
        )
        return delta

    def backward(self, delta, memory):
        """Turn dL/da into dL/dx, and compute dL/db = sum(dL/dx) in the same kernel."""
        self.kernels.activate_backward(
            delta, self.biases_gradient, self.name, memory.a, memory.work, memory.ones
        )
        return delta


class BatchNorm:
    """Batch normalization [1]_ without its shifts, which are the biases of the Activation that follows.

    Samples count by their weights.

    Parameters
    ----------
    gains : ndarray of shape (units,)
    running_mean, running_variance : ndarray of shape (units,)
        Used by prediction; `update_statistics` changes them in place.
    gains_gradient : ndarray of shape (units,), default=None
        Where `backward` writes; None for a layer that only predicts.
    kernels : module, default=numpy_kernels

    References
    ----------
    .. [1] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
       shift", ICML 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(
        self, gains, running_mean, running_variance, gains_gradient=None, kernels=numpy_kernels
    ):
        self.gains = gains
        self.running_mean = running_mean
        self.running_variance = running_variance
        self.gains_gradient = gains_gradient
        self.kernels = kernels

    def allocate(self, batch_size):
        """Return the memory for a batch size."""
        n_units, dtype = len(self.gains), self.gains.dtype
        return SimpleNamespace(
            normal=np.empty((n_units, batch_size), dtype),
            out=np.empty((n_units, batch_size), dtype),
            work=np.empty((n_units, batch_size), dtype),
            ones=np.ones(batch_size, dtype),
            mean=np.empty(n_units, dtype),
            variance=np.empty(n_units, dtype),
            inverse_deviation=np.empty(n_units, dtype),
            unused_gradient=np.empty(n_units, dtype),
            fractions=None,
        )

    def forward(self, x, memory, step):
        """Compute gain (x - mean) / sqrt(variance + epsilon), of the batch or, in prediction, the running ones."""
        if step is None:
            np.subtract(x, self.running_mean[:, np.newaxis], out=memory.out)
            memory.out *= self._scale()[:, np.newaxis]
            return memory.out
        memory.fractions = step.fractions
        self.kernels.normalize(
            memory.normal,
            memory.out,
            memory.mean,
            memory.variance,
            memory.inverse_deviation,
            x,
            step.fractions,
            self.gains,
            BATCH_NORM_EPSILON,
        )
        return memory.out

    def update_statistics(self, memory):
        """Move the running mean and variance toward those of the last batch."""
        for average, value in (
            (self.running_mean, memory.mean),
            (self.running_variance, memory.variance),
        ):
            average *= BATCH_NORM_MOMENTUM
            average += (1 - BATCH_NORM_MOMENTUM) * value

    def input_gradient(self, delta, memory):
        """Compute dL/dx."""
        return self._differentiate(delta, memory, memory.unused_gradient)

    def backward(self, delta, memory):
        """Compute dL/dgain and dL/dx."""
        return self._differentiate(delta, memory, self.gains_gradient)

    def fold_into(self, weights, shifts):
        """Return weights and biases of one dense layer that predicts like `weights`, this layer and `shifts`."""
        scale = self._scale()
        return weights * scale[:, np.newaxis], shifts - self.running_mean * scale

    def _scale(self):
        return self.gains / np.sqrt(self.running_variance + BATCH_NORM_EPSILON)

    def _differentiate(self, delta, memory, gains_gradient):
        self.kernels.normalize_backward(
            delta,
            gains_gradient,
            memory.normal,
            self.gains,
            memory.inverse_deviation,
            memory.fractions,
            memory.work,
            memory.ones,
        )
        return delta


class Dropout:
    """Inverted dropout [1]_: each value is dropped or scaled up in training, and left as it is in prediction.

    Parameters
    ----------
    rate : float in [0, 1)
        Probability of dropping a value, rounded to a multiple of 2^-16 less than one.
    n_units : int
    dtype : dtype
    kernels : module, default=numpy_kernels
    order : {"C", "F"}, default="C"
        Memory order of x.

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014.
    """

    def __init__(self, rate, n_units, dtype, kernels=numpy_kernels, order="C"):
        self.threshold = min(round(rate * N_RANDOM_VALUES), N_RANDOM_VALUES - 1)
        self.scale = N_RANDOM_VALUES / (N_RANDOM_VALUES - self.threshold)
        self.n_units = n_units
        self.dtype = np.dtype(dtype)
        self.kernels = kernels
        self.order = order

    def allocate(self, batch_size):
        """Return the memory for a batch size."""
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

    def input_gradient(self, delta, memory):
        """Compute dL/dx = kept dL/dout / (1 - rate)."""
        self.kernels.drop_backward(delta, memory.kept, self.scale)
        return delta

    backward = input_gradient  # there are no parameters

    def _random_bits(self, shape, generator):
        # Sixteen raw bits cost a sixth of a random float.
        size = int(np.prod(shape))
        values = generator.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
        return values.reshape(shape, order=self.order)
