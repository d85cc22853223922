"""The samples of a batch, of which products use the nonzero features only, or that are in CSR format."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from skmlp.engine.compiled.layers import Operand, fits_rows_of_lanes
from skmlp.engine.compiled.program import PerStep, Slot, allocate, get_address
from skmlp.engine.compiled.threads import get_thread_pool


class Features(NamedTuple):
    """The gathered features of a batch, see the module `sparse`.

    Attributes
    ----------
    data, indices : Slot or ndarray
        Values and columns of the nonzero features.
    starts, stops : PerStep or ndarray
        Positions of the first feature of each sample, and of the end of its features.
    """

    data: Slot | np.ndarray
    indices: Slot | np.ndarray
    starts: PerStep | np.ndarray
    stops: PerStep | np.ndarray


class SparseInputs:
    """Nonzero features of samples, gathered from a CSR matrix.

    Parameters
    ----------
    shape : BatchShape
    n_features : int
    dropout : reference.layers.Dropout or None

    Attributes
    ----------
    features : Features
    """

    def __init__(self, shape, n_features, dropout):
        self._shape = shape
        self._dropout = dropout
        self._scale = np.ones(1)
        self._dropout_scale = np.array([1.0 if dropout is None else dropout.scale])
        self._X = Slot(), Slot(), Slot()
        self._rows, self._bits = Slot(), Slot()
        self._offsets = np.zeros((shape.n_steps, shape.n_samples + 1), np.int64)
        starts, stops = PerStep(self._offsets[:, :-1]), PerStep(self._offsets[:, 1:])
        self.features = Features(Slot(), Slot(), starts, stops)
        self._data = self._indices = np.empty(0)
        self._random_bits = np.empty((shape.n_steps, 0), np.uint16)
        self._used = None
        self._n_features = n_features

    def set(self, samples):
        """Set the samples of all steps of the next run."""
        X, rows, n = samples.X, samples.rows, self._shape.n_samples
        self._used = samples  # the program contains addresses of its arrays
        self._scale[0] = samples.scale
        for slot, array in zip(self._X, (X.data, X.indices, X.indptr), strict=True):
            slot.set(get_address(array))
        self._rows.set(get_address(rows), n * rows.itemsize)
        counts = (X.indptr[rows + 1] - X.indptr[rows]).reshape(-1, n)
        offsets = self._offsets[: len(counts)]
        np.cumsum(counts, axis=1, out=offsets[:, 1:])
        self._reserve(int(offsets[:, -1].max(initial=0)))

    def _reserve(self, size):
        """Make the buffers large enough for a number of nonzero features."""
        if size <= len(self._data):
            return
        self._data = self._shape.allocate(size)
        self._indices = allocate((size,), np.int32)
        self.features.data.set(get_address(self._data))
        self.features.indices.set(get_address(self._indices))
        if self._dropout is not None:
            self._random_bits = np.empty((self._shape.n_steps, size), np.uint16)
            self._bits.set(get_address(self._random_bits), self._random_bits.strides[0])

    def draw(self, step, generator):
        """Draw the random bits of dropout for a step."""
        if self._dropout is not None:
            size = self._offsets[step, -1]
            values = generator.bit_generator.random_raw(-(-size // 4))
            self._random_bits[step, :size] = values.view(np.uint16)[:size]

    def gather(self):
        """Return the calls that gather the samples, with dropout."""
        features = self.features
        has_dropout = self._dropout is not None
        call = self._shape.call(
            "sparse.gather",
            *self._X,
            self._rows,
            self._scale,
            *features,
            int(has_dropout),
            self._bits,
            self._dropout.threshold if has_dropout else 0,
            self._dropout_scale,
            self._shape.n_samples,
        )
        return [call]

    def load_ahead(self):
        """Return no calls: samples in CSR format are loaded when they are gathered."""
        return []

    def prepare(self):
        """Return no calls: the gathered samples are the operand."""
        return []

    def as_operand(self):
        """Return the samples as the operand of the first layer."""
        return self._operand

    @cached_property
    def _operand(self):
        return SparseOperand(self._shape, self.features, self._n_features, may_be_few=True)


class CompressedInputs:
    """Nonzero features of samples, gathered from a dense array.

    Parameters
    ----------
    shape : BatchShape
    rows : DenseRows
    n_features : int
    """

    def __init__(self, shape, rows, n_features):
        self._shape = shape
        self._source = rows
        self._n_features = n_features
        row = shape.pad(n_features) + shape.n_lanes
        self._features = Features(
            data=shape.allocate(shape.n_samples, row),
            indices=allocate((shape.n_samples, row), np.int32),
            starts=np.arange(shape.n_samples, dtype=np.int64) * row,
            stops=allocate((shape.n_samples,), np.int64),
        )
        self.set, self.load_ahead = rows.set, rows.load_ahead

    def draw(self, step, generator):
        """Draw nothing: samples with dropout are not compressed."""

    def gather(self):
        """Return the calls that gather the samples."""
        sizes = self._shape.n_samples, self._n_features
        return [self._source.call("sparse.compress", *self._features, *sizes)]

    def prepare(self):
        """Return no calls: the gathered samples are the operand."""
        return []

    def as_operand(self):
        """Return the samples as the operand of the first layer."""
        return self._operand

    @cached_property
    def _operand(self):
        return SparseOperand(self._shape, self._features, self._n_features, may_be_few=False)


class SparseOperand:
    """Samples of which the products use the nonzero features only; it has the methods of `layers.Operand`.

    Parameters
    ----------
    shape : BatchShape
    features : Features
    n_features : int
    may_be_few : bool
        Whether batches may have very few nonzero features.
    """

    def __init__(self, shape, features, n_features, may_be_few):
        self._shape = shape
        has_memory = fits_rows_of_lanes(max(n_features, shape.row))
        self._may_be_few = may_be_few or not has_memory
        # For each thread, a copy of the weights of some units, and their outputs or gradients.
        size = 2 * (n_features + shape.row) * shape.n_lanes if has_memory else 0
        work = shape.allocate(get_thread_pool().max_threads, size)
        self._arguments = *features, shape.n_samples, work, size

    def _load_functions(self, few):
        """Return the addresses of the functions that a kernel calls."""
        transpose = self._shape.load_function("batches.transpose")
        return transpose, self._shape.load_function(few) if self._may_be_few else 0

    def multiply(self, weights, out):
        """Return the call that computes out = W x."""
        return self._shape.call(
            "sparse.multiply",
            *self._load_functions("sparse.multiply_few"),
            *self._arguments,
            weights,
            out,
            out.shape[1],
            *weights.shape,
        )

    def compute_gradient(self, delta, gradient):
        """Return the call that computes dL/dW = delta x^T."""
        return self._shape.call(
            "sparse.compute_gradient",
            *self._load_functions("sparse.compute_gradient_few"),
            *self._arguments,
            delta,
            delta.shape[1],
            gradient,
            *gradient.shape,
        )

    def compute_gradient_and_update(self, delta, update):
        """Return the call that computes dL/dW for some rows at a time, and updates them as a RowUpdate specifies."""
        return self._shape.call(
            "sparse.compute_gradient_and_update",
            self._shape.load_function("sparse.compute_gradient"),
            *self._load_functions("sparse.compute_gradient_few"),
            *self._arguments,
            delta,
            delta.shape[1],
            *update,
        )


class ScatteredInputs:
    """Samples from a CSR matrix, converted to rows of a dense array.

    Parameters
    ----------
    shape : BatchShape
    n_features : int
    sparse : SparseInputs
    """

    def __init__(self, shape, n_features, sparse):
        padded = shape.pad(n_features)
        self._shape = shape
        self._sparse = sparse
        self._samples = shape.allocate(shape.row, padded)
        self._x = shape.allocate(padded, shape.row)
        self.set, self.draw, self.load_ahead = sparse.set, sparse.draw, sparse.load_ahead

    def gather(self):
        """Return the calls that gather the samples, with dropout, and convert them."""
        samples = self._samples
        size = samples, samples.shape[1], self._shape.n_samples
        return [
            *self._sparse.gather(),
            self._shape.call("sparse.scatter", *self._sparse.features, *size),
        ]

    def prepare(self):
        """Return the calls that transpose the samples."""
        return [self._shape.transpose(self._samples, self._x)]

    def as_operand(self):
        """Return the samples as the Operand of the first layer."""
        return Operand(self._shape, self._x, self._samples)
