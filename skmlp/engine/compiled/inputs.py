"""The samples of a batch, and their buffers and calls: gathering, input dropout and adversarial perturbation."""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix, issparse

from skmlp.engine.compiled.layers import Dropout, Operand, fits_rows_of_lanes, get_first_copy
from skmlp.engine.compiled.program import PerStep, Slot, allocate, get_address
from skmlp.engine.compiled.sparse_inputs import CompressedInputs, ScatteredInputs, SparseInputs
from skmlp.engine.reference.backend import CENTER_OF_BITS, FIRST_MOVE
from skmlp.engine.sources import RowSource

# Fraction of nonzero features below which products that skip zeros are faster than dense products.
MAX_LOW_DENSITY = 0.25
# Limits of the part of a dense array in which the nonzero features are counted.
MAX_COUNTED_ROWS, MAX_COUNTED_ELEMENTS = 128, 2**18
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


class Norms(NamedTuple):
    """Norms of the perturbations of samples; 0 for none.

    Attributes
    ----------
    adversarial, virtual_adversarial : float
    """

    adversarial: float
    virtual_adversarial: float


NO_NORMS = Norms(0.0, 0.0)


class Samples(NamedTuple):
    """Samples as rows of an array that kernels can read.

    Attributes
    ----------
    X : ndarray or CSR matrix
    rows : ndarray of int64
        Rows of X.
    scale : float
        Factor.
    source : Source
        Kind of the array.
    """

    X: object
    rows: np.ndarray
    scale: float
    source: Source


def find_source(X):
    """Return the Source of a dataset, an ndarray, CSR matrix or RowSource."""
    if issparse(X):
        return Source(X.dtype.name, "csr", X.nnz < MAX_LOW_DENSITY * X.shape[0] * X.shape[1])
    is_low_density = fits_rows_of_lanes(X.shape[1]) and estimate_density(X) < MAX_LOW_DENSITY
    return Source(X.dtype.name, "dense", is_low_density)


def estimate_density(X):
    """Return the fraction of nonzero elements in some rows of an array or RowSource, evenly spaced."""
    n_rows = max(1, min(MAX_COUNTED_ROWS, MAX_COUNTED_ELEMENTS // X.shape[1]))
    step = max(1, len(X) // n_rows)
    counted = X.take_spaced(step, n_rows) if isinstance(X, RowSource) else X[::step][:n_rows]
    return np.count_nonzero(counted) / max(1, counted.size)


def find_samples(batches, dtype, places=None):
    """Return the Samples of batches, one after the other.

    They are rows of an array if kernels can read them. Otherwise, there must be a single batch, whose features are
    gathered.

    Parameters
    ----------
    batches : list of Batch
        Batches whose rows are in the same array.
    dtype : dtype
        Type of the weights.
    places : list of pairs, default=None
        The result of ``batch.locate()`` for each batch, if it is known.
    """
    first = batches[0]
    X, is_changed = first.samples.X, first.scale is None
    if not is_changed:
        places = places or [batch.locate() for batch in batches]
        array, rows = places[0][0], [rows for _, rows in places]
        if is_readable(array, dtype):
            return Samples(array, concatenate_rows(array, rows), first.scale, find_source(X))
    x = first.x.T
    if issparse(x):
        x = csr_matrix(x)  # a new matrix, whose arrays may be those of the dataset
        x.data = np.require(x.data, dtype, "CA")
        x.indices, x.indptr = (np.require(array, np.int32, "CA") for array in (x.indices, x.indptr))
        source = find_source(x)
    else:
        x = np.ascontiguousarray(x, dtype)
        # An augmentation or the extraction of features may add nonzero inputs.
        source = find_source(x if is_changed else X)._replace(dtype=x.dtype.name)
    return Samples(x, np.arange(first.size), 1.0, source)


def concatenate_rows(X, rows):
    """Return the indices of rows of X, which are given as a list of slices or arrays."""
    if isinstance(rows[0], slice):
        rows = [np.arange(*each.indices(X.shape[0])) for each in rows]
    return np.concatenate(rows, dtype=np.int64)


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
        isinstance(X, np.ndarray)
        and is_readable_type(X.dtype, dtype)
        and X.strides[1] == X.itemsize
        and X.strides[0] % X.itemsize == 0
        and X.flags.aligned
    )


def is_readable_type(stored, dtype):
    """Return whether there are kernels that read elements of a type for weights of another type."""
    return stored in (dtype, np.uint8) and stored.isnative


def make_inputs(shape, source, n_features, dropout=None, norms=NO_NORMS):
    """Return the buffers and calls for the samples of a batch.

    Parameters
    ----------
    shape : BatchShape
    source : Source
    n_features : int
    dropout : reference.layers.Dropout or None
    norms : Norms
    """
    source = find_used_source(source, dropout is not None or any(norms))
    if source.format == "dense":
        rows = DenseRows(shape, source.dtype, n_features)
        if source.is_low_density:
            return CompressedInputs(shape, rows, n_features)
        return DenseInputs(shape, rows, n_features, dropout, norms)
    sparse = SparseInputs(shape, n_features, dropout)
    return sparse if source.is_low_density else ScatteredInputs(shape, n_features, sparse)


def find_used_source(source, changes_samples):
    """Return a Source with the products that are used: dense ones if a step changes samples of a dense array.

    Parameters
    ----------
    source : Source
    changes_samples : bool
        Whether samples are changed by input dropout or to adversarial examples.
    """
    if source.format == "dense" and changes_samples:
        return source._replace(is_low_density=False)
    return source


class DenseRows:
    """Rows of a dense array that kernels read.

    Parameters
    ----------
    shape : BatchShape
    dtype : str
        Type of the array.
    n_features : int
    """

    def __init__(self, shape, dtype, n_features):
        self._shape = shape
        self._dtype = dtype
        self._n_features = n_features
        self._scale = np.ones(1)
        self._X, self._X_row, self._rows, self._next = Slot(), Slot(), Slot(), Slot()
        self._used = None

    def set(self, samples):
        """Set the samples of all steps of the next run."""
        X, rows, n = samples.X, samples.rows, self._shape.n_samples
        next_rows = np.roll(rows, -n)
        self._used = samples, next_rows  # the program contains addresses of these arrays
        self._scale[0] = samples.scale
        self._X.set(get_address(X))
        self._X_row.set(X.strides[0] // X.itemsize)
        self._rows.set(get_address(rows), n * rows.itemsize)
        self._next.set(get_address(next_rows), n * rows.itemsize)

    def call(self, name, *arguments):
        """Return the call of a kernel that reads the rows."""
        rows = self._X, self._X_row, self._rows, self._scale
        return self._shape.call(name, *rows, *arguments, source=self._dtype)

    def load_ahead(self):
        """Return the calls that begin to load the samples of the next step."""
        sizes = self._shape.n_samples, self._n_features
        if sizes[0] * sizes[1] * np.dtype(self._dtype).itemsize > MAX_BYTES_AHEAD:
            return []
        rows = self._X, self._X_row, self._next
        return [self._shape.call("batches.load_ahead", *rows, *sizes, source=self._dtype)]


class DenseInputs:
    """Samples from a dense array.

    Parameters
    ----------
    shape : BatchShape
    rows : DenseRows
    n_features : int
    dropout : reference.layers.Dropout or None
    norms : Norms
    """

    def __init__(self, shape, rows, n_features, dropout, norms):
        padded = shape.pad(n_features)
        self._shape = shape
        self._source = rows
        self._n_features = n_features
        self._gathered = shape.allocate_copies(shape.row, padded)
        self._after_dropout = None
        if dropout is not None:
            self._after_dropout = shape.allocate_copies(shape.row, padded)
        self._x = shape.allocate_copies(padded, shape.row)
        self._dropout = dropout and Dropout(
            shape, dropout, shape.n_samples, n_features, step=shape.n_lanes
        )
        self._moves = Moves(shape, n_features, norms) if any(norms) else None
        self.set, self.load_ahead = rows.set, rows.load_ahead

    def draw(self, step, generator):
        """Draw the random directions and the random bits of dropout for a step."""
        if self._moves is not None:
            self._moves.draw(step, generator)
        if self._dropout is not None:
            self._dropout.draw(step, generator)

    def gather(self):
        """Return the calls that gather the samples."""
        gathered, copy = get_first_copy(self._gathered)
        sizes = gathered.shape[1], copy, self._shape.n_samples, self._n_features
        return [self._source.call("batches.gather", gathered, *sizes)]

    def prepare(self):
        """Return the calls that apply dropout to the gathered samples, and transpose them."""
        return self._prepare(self._gathered)

    def prepare_moved(self):
        """Return the calls that apply dropout to the moved samples, and transpose them."""
        return self._prepare(self._moves.moved)

    def as_operand(self):
        """Return the gathered samples as the Operand of the first layer."""
        return self._as_operand(self._gathered)

    def as_moved_operand(self):
        """Return the moved samples as the Operand of the first layer."""
        return self._as_operand(self._moves.moved)

    def move_at_random(self):
        """Return the calls that move the gathered samples in random directions."""
        return [self._moves.draw_directions(), self._moves.move_at_random(self._gathered)]

    def move_along_gradient(self, first_layer, virtual):
        """Return the regions that move the gathered samples in the direction of the gradient of a loss.

        Parameters
        ----------
        first_layer : Dense
            Layer whose `delta` is the gradient of the loss.
        virtual : bool
            Whether to move them by the virtual adversarial norm instead of the adversarial norm.
        """
        moves, calls = self._moves, []
        if self._dropout is not None:
            calls.append(self._dropout.apply(moves.directions, moves.directions))
        calls.append(moves.move(self._gathered, virtual))
        return [[first_layer.input_gradient(moves.gradient)], [moves.transpose_gradient()], calls]

    def _prepare(self, samples):
        if self._dropout is None:
            return [self._shape.transpose(samples, self._x)]
        dropped = self._after_dropout
        return [self._dropout.apply(dropped, samples), self._shape.transpose(dropped, self._x)]

    def _as_operand(self, samples):
        dropped = self._after_dropout
        return Operand(self._shape, self._x, samples if dropped is None else dropped)


class Moves:
    """Moved copies of the samples of a batch: adversarial examples.

    Parameters
    ----------
    shape : BatchShape
    n_features : int
    norms : Norms

    Attributes
    ----------
    moved, directions : Copies of arrays of shape (row, padded)
        Moved samples, and directions.
    gradient : ndarray of shape (n_features, row)
        Gradient of a loss with respect to the samples.
    """

    def __init__(self, shape, n_features, norms):
        padded = shape.pad(n_features)
        self._shape = shape
        self._n_features = n_features
        self._norms = norms
        self.moved, self.directions = (shape.allocate_copies(shape.row, padded) for _ in range(2))
        self._padded_gradient = shape.allocate(padded, shape.row)
        self.gradient = self._padded_gradient[:n_features]
        self._bits = None
        if norms.virtual_adversarial:
            n_bits = shape.n_samples * n_features
            self._bits = PerStep(allocate((shape.n_steps, n_bits), np.uint16))

    def draw(self, step, generator):
        """Draw the random bits of the directions of a step."""
        if self._bits is not None:
            n_bits = self._bits.array.shape[1]
            values = generator.bit_generator.random_raw(-(-n_bits // 4))
            self._bits.array[step] = values.view(np.uint16)[:n_bits]

    def draw_directions(self):
        """Return the call that converts the random bits to directions."""
        directions, copy = get_first_copy(self.directions)
        sizes = directions.shape[1], copy, self._shape.n_samples, self._n_features
        center = np.array([CENTER_OF_BITS])
        return self._shape.call(
            "adversarial.draw_directions", self._bits, directions, center, *sizes
        )

    def transpose_gradient(self):
        """Return the call that sets the directions to the gradient."""
        return self._shape.transpose(self._padded_gradient, self.directions)

    def move(self, samples, virtual):
        """Return the call that moves samples along the directions, see `DenseInputs.move_along_gradient`."""
        norm = self._norms.virtual_adversarial if virtual else self._norms.adversarial
        return self._move(samples, norm)

    def move_at_random(self, samples):
        """Return the call that moves samples along the random directions."""
        return self._move(samples, self._norms.virtual_adversarial * FIRST_MOVE)

    def _move(self, samples, norm):
        samples, copy = get_first_copy(samples)
        directions, _ = get_first_copy(self.directions)
        moved, _ = get_first_copy(self.moved)
        sizes = samples.shape[1], copy, self._shape.n_samples
        arrays = samples, directions, moved, np.array([norm])
        return self._shape.call("adversarial.move", *arrays, *sizes)
