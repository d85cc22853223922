"""Layers of a compiled network: their buffers, and the calls of kernels for the forward and the backward pass.

Activations and gradients have the shape ``(units, row)``, where `row` is the number of samples of the batch, rounded up
to a multiple of the lanes of a vector. The methods return lists of calls that belong to one region, except where they
return a list of regions.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from skmlp.engine.compiled.library import load_function, load_kernel
from skmlp.engine.compiled.program import Call, PerStep, allocate
from skmlp.engine.compiled.settings import MAX_COPIES, MAX_WORK_BYTES, WITH_STORED_DERIVATIVE
from skmlp.engine.compiled.target import REGISTER_BYTES


@dataclass(frozen=True)
class BatchShape:
    """Size of a batch, type of the weights, and number of steps of a program.

    Parameters
    ----------
    n_samples : int
    dtype : dtype
    n_steps : int, default=1
        Maximum number of steps that a program performs.
    """

    n_samples: int
    dtype: np.dtype
    n_steps: int = 1

    @property
    def n_lanes(self):
        """Number of elements of a vector."""
        return REGISTER_BYTES // self.dtype.itemsize

    @property
    def row(self):
        """Number of samples, rounded up to a multiple of the lanes."""
        return self.pad(self.n_samples)

    def pad(self, n):
        """Return a number rounded up to a multiple of the lanes."""
        return -(-n // self.n_lanes) * self.n_lanes

    def allocate(self, *shape):
        """Return an array of zeros for kernels."""
        return allocate(shape, self.dtype)

    def allocate_units(self, n_units):
        """Return an array of shape (n_units, row), followed by rows of zeros up to a multiple of the lanes."""
        return self.allocate(self.pad(n_units), self.row)[:n_units]

    def allocate_per_step(self, *shape):
        """Return an array with an element per step."""
        return PerStep(self.allocate(self.n_steps, *shape))

    def call(self, name, *arguments, source="float32"):
        """Return the call of a kernel."""
        return Call(name, load_kernel(name, self.dtype.name, source), arguments)

    def load_function(self, name):
        """Return the address of the function of a kernel."""
        return load_function(name, self.dtype.name)

    def allocate_copies(self, n_rows, n_columns):
        """Return an array of which each thread may have a copy of its own."""
        return Copies(self.allocate(MAX_COPIES, n_rows, n_columns))

    def multiply(self, a, a_strides, b, c, n_inner):
        """Return the call that computes C = A B. `a_strides` are in elements."""
        b, b_copy = get_first_copy(b)
        rows, sizes = (b, b.shape[1], b_copy, c, c.shape[1]), (*c.shape, n_inner)
        return self.call("products.multiply", a, *a_strides, *rows, *sizes)

    def transpose(self, source, target):
        """Return the call that transposes an array. Arrays with padding are transposed including the padding."""
        source, source_copy = get_first_copy(source)
        target, target_copy = get_first_copy(target)
        n_rows, n_columns = source.shape
        target_row = (target.array if isinstance(target, PerStep) else target).shape[-1]
        sizes = target_row, source_copy, target_copy, self.pad(n_rows), n_columns
        return self.call("batches.transpose", source, n_columns, target, *sizes)


class Copies(NamedTuple):
    """Array of which each thread may have a copy of its own, see `kernels.select_copy`.

    Attributes
    ----------
    array : ndarray of shape (MAX_COPIES, n_rows, n_columns)
    """

    array: np.ndarray


def get_first_copy(array):
    """Return an array, or the first one of Copies, and the distance of the copies, zero for an array."""
    if not isinstance(array, Copies):
        return array, 0
    first = array.array[0]
    return first, first.size


def fits_rows_of_lanes(n_columns):
    """Return whether a thread can have memory for as many rows of a matrix as a vector has lanes."""
    return n_columns * REGISTER_BYTES <= MAX_WORK_BYTES


class Operand:
    """Input of a layer: the right operand of its matrix products.

    Parameters
    ----------
    shape : BatchShape
    x : ndarray of shape (fan_in, row), or Copies
    samples : ndarray of shape (row, padded fan_in), or Copies
        Transpose of `x`.
    """

    def __init__(self, shape, x, samples):
        self._shape = shape
        self._x = x
        self._samples = samples

    def multiply(self, weights, out):
        """Return the call that computes out = W x."""
        fan_in = weights.shape[1]
        return self._shape.multiply(weights, (fan_in, 1), self._x, out, fan_in)

    def compute_gradient(self, delta, gradient):
        """Return the call that computes dL/dW = delta x^T."""
        n_samples = self._shape.n_samples
        strides = delta.shape[1], 1
        return self._shape.multiply(delta, strides, self._samples, gradient, n_samples)

    def compute_gradient_and_update(self, delta, update):
        """Return the call that computes dL/dW for some rows at a time, and updates them as a RowUpdate specifies."""
        samples, copy = get_first_copy(self._samples)
        return self._shape.call(
            "updates.multiply_and_update",
            self._shape.load_function("products.multiply"),
            delta,
            delta.shape[1],
            samples,
            samples.shape[1],
            copy,
            self._shape.n_samples,
            *update,
        )


class Dropout:
    """Inverted dropout of an array whose rows are units or samples.

    Parameters
    ----------
    shape : BatchShape
    dropout : reference.layers.Dropout
        Threshold and scale.
    n_rows, n_columns : int
        Shape of the array without padding.
    step : int
        Each thread computes a range of rows that is a multiple of `step`.
    """

    def __init__(self, shape, dropout, n_rows, n_columns, step):
        self._shape = shape
        self._dropout = dropout
        self._size = n_rows * n_columns
        self._bits = PerStep(allocate((shape.n_steps, self._size), np.uint16))
        self._scale = np.array([dropout.scale])
        self._layout = n_rows, n_columns, shape.pad(n_columns), step

    def draw(self, step, generator):
        """Draw the random bits of a step."""
        # Drawing 16 raw bits takes a sixth of the time of drawing a float.
        values = generator.bit_generator.random_raw(-(-self._size // 4))
        self._bits.array[step] = values.view(np.uint16)[: self._size]

    def apply(self, out, x):
        """Return the call that computes out = mask * x * scale, in the forward or the backward pass."""
        out, copy = get_first_copy(out)
        x, _ = get_first_copy(x)
        settings = self._bits, self._dropout.threshold, self._scale
        return self._shape.call("dropout.drop", out, x, *settings, *self._layout, copy)


class BatchNorm:
    """Batch normalization of the units of a layer.

    Parameters
    ----------
    shape : BatchShape
    gains, gains_gradient : ndarray of shape (units,)
    running_mean, running_variance : ndarray of shape (units,)
    fractions : PerStep
        Weight of each sample as a fraction of the total weight.
    """

    def __init__(self, shape, gains, gains_gradient, running_mean, running_variance, fractions):
        n_units = len(gains)
        self._shape = shape
        self._parameters = gains, gains_gradient
        self._running = running_mean, running_variance
        self._fractions = fractions
        self._normalized = shape.allocate(n_units, shape.row)
        self._mean, self._variance, self._inverse_std = (shape.allocate(n_units) for _ in range(3))

    def forward(self, x):
        """Return the call that normalizes x."""
        gains, _ = self._parameters
        return self._shape.call(
            "batch_norm.normalize",
            x,
            self._normalized,
            self._mean,
            self._variance,
            self._inverse_std,
            self._fractions,
            gains,
            *x.shape,
        )

    def backward(self, delta):
        """Return the call that turns dL/dout into dL/dx and computes dL/dgain."""
        gains, gains_gradient = self._parameters
        return self._shape.call(
            "batch_norm.normalize_backward",
            delta,
            gains_gradient,
            self._normalized,
            self._inverse_std,
            self._fractions,
            gains,
            *delta.shape,
        )

    def update_statistics(self):
        """Return the call that updates the running mean and variance."""
        return self._shape.call(
            "batch_norm.update_statistics",
            *self._running,
            self._mean,
            self._variance,
            len(self._mean),
        )


class Dense:
    """Fully connected layer with its activation function and, optionally, batch normalization and dropout.

    Parameters
    ----------
    shape : BatchShape
    weights : ndarray of shape (fan_out, fan_in)
    biases : ndarray of shape (fan_out,)
    activation : str
        Name of the activation function.
    gradients : tuple of two ndarray, default=None
        Outputs of the backward pass, of the shapes of `weights` and `biases`; None for prediction.
    batch_norm : BatchNorm, default=None
    dropout : Dropout, default=None

    Attributes
    ----------
    out : ndarray of shape (fan_out, row)
        Output of the layer.
    samples : ndarray of shape (row, fan_out)
        Transpose of `out`.
    delta : ndarray of shape (fan_out, row)
        Gradient of the loss with respect to the matrix product.
    """

    def __init__(
        self, shape, weights, biases, activation, gradients=None, batch_norm=None, dropout=None
    ):
        fan_out = len(weights)
        self._shape = shape
        self.weights, self.biases = weights, biases
        self.weights_gradient, self.biases_gradient = gradients or (None, None)
        self._activation = activation
        self.batch_norm = batch_norm
        self.dropout = dropout
        self._a = shape.allocate_units(fan_out)
        self.out = self._a if dropout is None else shape.allocate_units(fan_out)
        self.derivatives = self._a
        self.delta = self.samples = None
        if gradients is not None:
            self.delta = shape.allocate(fan_out, shape.row)
            self.samples = shape.allocate(shape.row, shape.pad(fan_out))
        if activation in WITH_STORED_DERIVATIVE:
            self.derivatives = shape.allocate(fan_out, shape.row)

    def forward(self, operand):
        """Return the calls that compute `out` for an Operand."""
        calls = [operand.multiply(self.weights, self._a)]
        if self.batch_norm is not None:
            calls.append(self.batch_norm.forward(self._a))
        calls.append(
            self._shape.call(
                f"activations.{self._activation}.forward",
                self._a,
                self.biases,
                self.derivatives,
                *self._a.shape,
            )
        )
        if self.dropout is not None:
            calls.append(self.dropout.apply(self.out, self._a))
        return calls

    def backward(self, following):
        """Return the calls that compute `delta` from that of the following layer, and the gradients of the biases."""
        calls = [following.input_gradient(self.delta)]
        if self.dropout is not None:
            calls.append(self.dropout.apply(self.delta, self.delta))
        return calls + self.activation_backward()

    def activation_backward(self):
        """Return the calls that turn dL/da in `delta` into the gradient with respect to the matrix product."""
        calls = [
            self._shape.call(
                f"activations.{self._activation}.backward",
                self.delta,
                self.biases_gradient,
                self.derivatives,
                *self.delta.shape,
            )
        ]
        if self.batch_norm is not None:
            calls.append(self.batch_norm.backward(self.delta))
        return calls

    def input_gradient(self, out):
        """Return the call that computes dL/dx, of shape (fan_in, row)."""
        fan_out, fan_in = self.weights.shape
        return self._shape.multiply(self.weights, (1, fan_in), self.delta, out, fan_out)

    def as_operand(self):
        """Return the output as the Operand of the next layer."""
        return Operand(self._shape, self.out, self.samples)

    def transpose(self):
        """Return the call that computes `samples`."""
        return self._shape.transpose(self.out, self.samples)
