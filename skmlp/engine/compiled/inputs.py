"""The samples of a batch, and their buffers and calls: gathering, input dropout and adversarial perturbation."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, issparse

from skmlp.engine.compiled.layers import Dropout, Operand, get_first_copy
from skmlp.engine.compiled.program import Slot, get_address
from skmlp.engine.compiled.sparse_inputs import ScatteredInputs, SparseInputs

SOURCE_TYPES = ("float32", "float64", "uint8")
# Fraction of nonzero features below which products that skip zeros are faster than dense products.
MAX_LOW_DENSITY = 0.2
# Size of a batch up to which it is loaded into the cache during the previous step: what fits into usual second-level
# caches.
MAX_BYTES_AHEAD = 2**20


class Source(NamedTuple):
    """Kind of an array of samples.

    Attributes
    ----------
    dtype : str
        Type of the elements, for which the gathering kernel is compiled.
    format : {"dense", "csr"}
    is_low_density : bool
        Whether the products of the first layer use the nonzero features only.
    """

    dtype: str
    format: str
    is_low_density: bool


class Samples(NamedTuple):
    """Samples as rows of an array that kernels can read.

    Attributes
    ----------
    X : ndarray or CSR matrix
    rows : ndarray of int64
        Rows of X.
    scale : float
        Factor.
    """

    X: object
    rows: np.ndarray
    scale: float

    @property
    def source(self):
        """Kind of the array."""
        X = self.X
        if not issparse(X):
            return Source(X.dtype.name, "dense", False)
        return Source(X.dtype.name, "csr", X.nnz < MAX_LOW_DENSITY * X.shape[0] * X.shape[1])


def find_samples(batches, dtype):
    """Return the Samples of batches, one after the other.

    They are rows of the dataset if kernels can read them. Otherwise, there must be a single batch, whose features are
    gathered.
    """
    first = batches[0]
    if reads_rows(first, dtype):
        return Samples(first.samples.X, concatenate_rows(batches), first.scale)
    x = first.x.T
    if issparse(x):
        x = csr_matrix(x)  # a new matrix, whose arrays may be those of the dataset
        x.data = np.require(x.data, dtype, "CA")
        x.indices, x.indptr = (np.require(array, np.int32, "CA") for array in (x.indices, x.indptr))
    else:
        x = np.ascontiguousarray(x, dtype)
    return Samples(x, np.arange(first.size), 1.0)


def concatenate_rows(batches):
    """Return the indices of the samples of batches, one after the other."""
    if isinstance(batches[0].rows, slice):
        n_rows = batches[0].samples.X.shape[0]
        rows = [np.arange(*batch.rows.indices(n_rows)) for batch in batches]
    else:
        rows = [batch.rows for batch in batches]
    return np.concatenate(rows, dtype=np.int64)


def reads_rows(batch, dtype):
    """Return whether kernels read the features of a batch from the dataset."""
    return batch.scale is not None and is_readable(batch.samples.X, dtype)


def is_readable(X, dtype):
    """Return whether kernels can read the rows of X with the result that NumPy would compute.

    The indices of a sparse X must be valid; the estimator checks them.
    """
    if issparse(X):
        return X.format == "csr" and all(
            array.dtype == expected and array.flags.c_contiguous and array.flags.aligned
            for array, expected in ((X.data, dtype), (X.indices, np.int32), (X.indptr, np.int32))
        )
    return (
        X.dtype in (dtype, np.uint8)
        and X.dtype.isnative
        and X.strides[1] == X.itemsize
        and X.strides[0] % X.itemsize == 0
        and X.flags.aligned
    )


def make_inputs(shape, source, n_features, dropout=None, adversarial_norm=0.0):
    """Return the buffers and calls for the samples of a batch.

    Parameters
    ----------
    shape : BatchShape
    source : Source
    n_features : int
    dropout : reference.layers.Dropout or None
    adversarial_norm : float
    """
    if source.format == "dense":
        return DenseInputs(shape, source.dtype, n_features, dropout, adversarial_norm)
    sparse = SparseInputs(shape, n_features, dropout)
    return sparse if source.is_low_density else ScatteredInputs(shape, n_features, sparse)


class DenseInputs:
    """Samples from a dense array.

    Parameters
    ----------
    shape : BatchShape
    dtype : str
        Type of the array.
    n_features : int
    dropout : reference.layers.Dropout or None
    adversarial_norm : float
    """

    def __init__(self, shape, dtype, n_features, dropout, adversarial_norm):
        padded = shape.pad(n_features)
        self._shape = shape
        self._dtype = dtype
        self._n_features = n_features
        self._norm = np.array([adversarial_norm])
        self._scale = np.ones(1)
        self._X, self._X_row, self._rows, self._next = Slot(), Slot(), Slot(), Slot()
        self._used = None
        self._gathered = shape.allocate_copies(shape.row, padded)
        self._samples = self._gathered
        if dropout is not None:
            self._samples = shape.allocate_copies(shape.row, padded)
        self._x = shape.allocate_copies(padded, shape.row)
        self._dropout = dropout and Dropout(
            shape, dropout, shape.n_samples, n_features, step=shape.n_lanes
        )
        if adversarial_norm:
            self._gradient = shape.allocate(padded, shape.row)
            self._directions = shape.allocate_copies(shape.row, padded)

    def set(self, samples):
        """Set the samples of all steps of the next run."""
        X, rows = samples.X, samples.rows
        self._used = samples  # the program contains addresses of its arrays
        self._scale[0] = samples.scale
        self._X.set(get_address(X))
        self._X_row.set(X.strides[0] // X.itemsize)
        self._rows.set(get_address(rows), self._shape.n_samples * rows.itemsize)
        self._next_rows = np.roll(rows, -self._shape.n_samples)
        self._next.set(get_address(self._next_rows), self._shape.n_samples * rows.itemsize)

    def draw(self, step, generator):
        """Draw the random bits of dropout for a step."""
        if self._dropout is not None:
            self._dropout.draw(step, generator)

    def gather(self):
        """Return the calls that gather the samples."""
        gathered, copy = get_first_copy(self._gathered)
        call = self._shape.call(
            "batches.gather",
            self._X,
            self._X_row,
            self._rows,
            self._scale,
            gathered,
            gathered.shape[1],
            copy,
            self._shape.n_samples,
            self._n_features,
            source=self._dtype,
        )
        return [call]

    def load_ahead(self):
        """Return the calls that begin to load the samples of the next step."""
        sizes = self._shape.n_samples, self._n_features
        if sizes[0] * sizes[1] * np.dtype(self._dtype).itemsize > MAX_BYTES_AHEAD:
            return []
        samples = self._X, self._X_row, self._next
        return [self._shape.call("batches.load_ahead", *samples, *sizes, source=self._dtype)]

    def prepare(self):
        """Return the calls that apply dropout to the gathered samples, and transpose them."""
        calls = []
        if self._dropout is not None:
            calls.append(self._dropout.apply(self._samples, self._gathered))
        return [*calls, self._shape.transpose(self._samples, self._x)]

    def as_operand(self):
        """Return the samples as the Operand of the first layer."""
        return Operand(self._shape, self._x, self._samples)

    def perturb(self, first_layer):
        """Return the regions that move the gathered samples in the direction of the gradient of their loss."""
        shape = self._shape
        gradient = self._gradient[: self._n_features]
        transpose = shape.transpose(self._gradient, self._directions)
        perturb = []
        if self._dropout is not None:
            perturb.append(self._dropout.apply(self._directions, self._directions))
        gathered, copy = get_first_copy(self._gathered)
        directions, _ = get_first_copy(self._directions)
        sizes = gathered.shape[1], copy, shape.n_samples
        perturb.append(shape.call("adversarial.perturb", gathered, directions, self._norm, *sizes))
        return [[first_layer.input_gradient(gradient)], [transpose], perturb]
