"""Layers: final classes with the forward and the backward pass side by side.

- ``allocate(batch_size)`` returns the buffers for batches of one size.
- ``forward(x, buffers, step)`` returns the output, and stores the values for the backward pass in `buffers`.
- ``backward(delta, buffers)`` computes the gradients of the loss with respect to the parameters. It also turns `delta`,
  the gradient with respect to the output, into the gradient with respect to the input, and returns it.
- ``input_gradient(delta, buffers)`` returns only the gradient with respect to the input.

These methods may modify x and delta in place. Activations have the shape ``(units, batch)``.
"""

from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.products import multiply, multiply_vector
from skmlp.engine.reference.activations import ACTIVATIONS

BATCH_NORM_EPSILON = 1e-5
BATCH_NORM_MOMENTUM = 0.9
N_RANDOM_VALUES = 2**16


class Step(NamedTuple):
    """Arguments of a forward pass in training; in prediction, None is passed instead.

    Attributes
    ----------
    fractions : ndarray of shape (batch,)
        Weight of each sample as a fraction of the total weight of the batch.
    generator : Generator
        Source of the dropout masks.
    """

    fractions: np.ndarray
    generator: Any


class Linear:
    """Matrix product z = W x of a fully connected layer; the Activation that follows adds the biases.

    Parameters
    ----------
    weights : ndarray of shape (fan_out, fan_in)
    weights_gradient : ndarray of shape (fan_out, fan_in), default=None
        Output of `backward`; None for a layer that is used only for prediction.
    """

    def __init__(self, weights, weights_gradient=None):
        self.weights = weights
        self.weights_gradient = weights_gradient

    def allocate(self, batch_size):
        """Return the buffers for a batch size."""
        out = np.empty((len(self.weights), batch_size), self.weights.dtype)
        return SimpleNamespace(out=out, x=None, input_gradient=None)

    def forward(self, x, buffers, step):
        """Compute z = W x."""
        buffers.x = x
        multiply(self.weights, x, buffers.out)
        return buffers.out

    def parameter_gradient(self, delta, buffers):
        """Compute dL/dW = delta x^T."""
        multiply(delta, buffers.x.T, self.weights_gradient)

    def input_gradient(self, delta, buffers):
        """Compute dL/dx = W^T delta."""
        if buffers.input_gradient is None:
            # `empty_like` keeps the memory order of x: F for samples, C for hidden activations.
            buffers.input_gradient = np.empty_like(buffers.x)
        multiply(self.weights.T, delta, buffers.input_gradient)
        return buffers.input_gradient

    def backward(self, delta, buffers):
        """Compute dL/dW and dL/dx."""
        self.parameter_gradient(delta, buffers)
        return self.input_gradient(delta, buffers)


class Activation:
    """Biases and an activation function, a = f(x + b), computed in place.

    Parameters
    ----------
    name : str
        Name of the activation function.
    biases : ndarray of shape (units,)
    biases_gradient : ndarray of shape (units,), default=None
        Output of `backward`; None for a layer that is used only for prediction.
    """

    def __init__(self, name, biases, biases_gradient=None):
        self.name = name
        self.biases = biases
        self.biases_gradient = biases_gradient

    def allocate(self, batch_size):
        """Return the buffers for a batch size."""
        dtype = self.biases.dtype
        return SimpleNamespace(
            a=None,
            work=np.empty((len(self.biases), batch_size), dtype),
            ones=np.ones(batch_size, dtype),
        )

    def forward(self, x, buffers, step):
        """Turn x into a = f(x + b)."""
        x += self.biases[:, np.newaxis]
        ACTIVATIONS[self.name].forward(x, buffers.work)
        buffers.a = x
        return x

    def input_gradient(self, delta, buffers):
        """Turn dL/da into dL/dx = dL/da f'(x + b)."""
        ACTIVATIONS[self.name].backward(buffers.a, delta, buffers.work)
        return delta

    def backward(self, delta, buffers):
        """Turn dL/da into dL/dx, and compute dL/db = sum(dL/dx)."""
        delta = self.input_gradient(delta, buffers)
        # A matrix-vector product with ones is the fastest way to sum over the batch.
        multiply_vector(delta, buffers.ones, self.biases_gradient)
        return delta


class BatchNorm:
    """Batch normalization [1]_ with sample weights; the shifts are the biases of the Activation that follows.

    Parameters
    ----------
    gains : ndarray of shape (units,)
    running_mean : ndarray of shape (units,)
        Mean used in prediction, updated in place by `update_statistics`.
    running_variance : ndarray of shape (units,)
        Variance used in prediction, updated in place by `update_statistics`.
    gains_gradient : ndarray of shape (units,), default=None
        Output of `backward`; None for a layer that is used only for prediction.

    References
    ----------
    .. [1] Ioffe and Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
       shift", ICML 2015, https://arxiv.org/abs/1502.03167
    """

    def __init__(self, gains, running_mean, running_variance, gains_gradient=None):
        self.gains = gains
        self.running_mean = running_mean
        self.running_variance = running_variance
        self.gains_gradient = gains_gradient

    def allocate(self, batch_size):
        """Return the buffers for a batch size."""
        n_units, dtype = len(self.gains), self.gains.dtype
        return SimpleNamespace(
            normalized=np.empty((n_units, batch_size), dtype),
            out=np.empty((n_units, batch_size), dtype),
            work=np.empty((n_units, batch_size), dtype),
            ones=np.ones(batch_size, dtype),
            mean=np.empty(n_units, dtype),
            variance=np.empty(n_units, dtype),
            inverse_std=np.empty(n_units, dtype),
            unused_gradient=np.empty(n_units, dtype),
            fractions=None,
        )

    def forward(self, x, buffers, step):
        """Compute gain (x - mean) / sqrt(variance + epsilon).

        Mean and variance are those of the batch in training, and the running averages in prediction.
        """
        if step is None:
            np.subtract(x, self.running_mean[:, np.newaxis], out=buffers.out)
            buffers.out *= self._scale()[:, np.newaxis]
            return buffers.out
        normalized, out, fractions = buffers.normalized, buffers.out, step.fractions
        buffers.fractions = fractions
        # mean = sum(fraction x), variance = sum(fraction (x - mean)^2)
        multiply_vector(x, fractions, buffers.mean)
        np.subtract(x, buffers.mean[:, np.newaxis], out=normalized)
        np.multiply(normalized, normalized, out=out)
        multiply_vector(out, fractions, buffers.variance)
        np.add(buffers.variance, BATCH_NORM_EPSILON, out=buffers.inverse_std)
        np.sqrt(buffers.inverse_std, out=buffers.inverse_std)
        np.reciprocal(buffers.inverse_std, out=buffers.inverse_std)
        normalized *= buffers.inverse_std[:, np.newaxis]
        np.multiply(normalized, self.gains[:, np.newaxis], out=out)
        return out

    def update_statistics(self, buffers):
        """Update the running mean and variance from the last batch."""
        for average, value in (
            (self.running_mean, buffers.mean),
            (self.running_variance, buffers.variance),
        ):
            average *= BATCH_NORM_MOMENTUM
            average += (1 - BATCH_NORM_MOMENTUM) * value

    def input_gradient(self, delta, buffers):
        """Compute dL/dx."""
        return self._differentiate(delta, buffers, buffers.unused_gradient)

    def backward(self, delta, buffers):
        """Compute dL/dgain and dL/dx."""
        return self._differentiate(delta, buffers, self.gains_gradient)

    def fold_into(self, weights, shifts):
        """Return weights and biases that include this normalization, for prediction."""
        scale = self._scale()
        return weights * scale[:, np.newaxis], shifts - self.running_mean * scale

    def _scale(self):
        return self.gains / np.sqrt(self.running_variance + BATCH_NORM_EPSILON)

    def _differentiate(self, delta, buffers, gains_gradient):
        """Compute dL/dgain = sum(delta n), and turn delta into dL/dx, where n is the normalized x.

        dL/dx = gain / std (delta - fraction (sum(delta) + n dL/dgain)),
        where std = sqrt(variance + epsilon).
        """
        work, delta_sums = buffers.work, np.empty_like(gains_gradient)
        np.multiply(delta, buffers.normalized, out=work)
        multiply_vector(work, buffers.ones, gains_gradient)
        multiply_vector(delta, buffers.ones, delta_sums)
        np.multiply(buffers.normalized, gains_gradient[:, np.newaxis], out=work)
        work += delta_sums[:, np.newaxis]
        work *= buffers.fractions
        delta -= work
        delta *= (self.gains * buffers.inverse_std)[:, np.newaxis]
        return delta


class Dropout:
    """Inverted dropout [1]_: values are dropped or scaled up in training, and unchanged in prediction.

    Parameters
    ----------
    rate : float
        Probability of dropping a value, in the range [0, 1), rounded to a multiple of 2^-16 that is less than 1.
    n_units : int
    dtype : dtype
    order : {"C", "F"}, default="C"
        Memory order of x.

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014.
    """

    def __init__(self, rate, n_units, dtype, order="C"):
        self.threshold = min(round(rate * N_RANDOM_VALUES), N_RANDOM_VALUES - 1)
        self.scale = N_RANDOM_VALUES / (N_RANDOM_VALUES - self.threshold)
        self.n_units = n_units
        self.dtype = np.dtype(dtype)
        self.order = order

    def allocate(self, batch_size):
        """Return the buffers for a batch size."""
        shape = (self.n_units, batch_size)
        return SimpleNamespace(
            out=np.empty(shape, self.dtype, self.order), mask=np.empty(shape, bool, self.order)
        )

    def forward(self, x, buffers, step):
        """Compute y = mask * x / (1 - rate)."""
        if step is None:
            return x
        if issparse(x):
            x = x.copy()
            mask = self._random_bits(x.data.shape, step.generator) >= self.threshold
            x.data *= mask * self.dtype.type(self.scale)
            return x
        bits = self._random_bits(buffers.mask.shape, step.generator)
        np.greater_equal(bits, self.threshold, out=buffers.mask)
        np.multiply(x, buffers.mask, out=buffers.out)
        buffers.out *= self.scale
        return buffers.out

    def input_gradient(self, delta, buffers):
        """Compute dL/dx = mask * dL/dy / (1 - rate)."""
        delta *= buffers.mask
        delta *= self.scale
        return delta

    backward = input_gradient  # no parameters

    def _random_bits(self, shape, generator):
        # Drawing 16 raw bits takes a sixth of the time of drawing a float.
        size = int(np.prod(shape))
        values = generator.bit_generator.random_raw(-(-size // 4)).view(np.uint16)[:size]
        return values.reshape(shape, order=self.order)
