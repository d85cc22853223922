"""Recognition and validation of samples that are read on demand instead of being loaded."""

import mmap
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import zip_longest

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.sources import BLOCK_VALUES, ArrayRows, BlockRows, MappedRows

# Attributes of objects that scikit-learn converts to an array: data frames, dask collections, and arrays in memory.
IN_MEMORY_ATTRIBUTES = (
    *("__dataframe__", "iloc", "__dask_graph__"),
    *("__array_namespace__", "__array_interface__", "__cuda_array_interface__", "__dlpack__"),
)


def is_read_on_demand(X):
    """Return whether X is read on demand: a memory-mapped array, a sliceable object, or an iterable of blocks."""
    if isinstance(X, np.ndarray):
        return is_memory_mapped(X)
    return is_sliceable(X) or is_iterable_of_blocks(X)


def is_memory_mapped(X):
    """Return whether the elements of an array are those of a memory-mapped file."""
    while isinstance(X, np.ndarray):
        X = X.base
    return isinstance(X, mmap.mmap)


def is_sliceable(X):
    """Return whether X is not an array but returns slices of rows, such as `zarr.Array` and `h5py.Dataset`."""
    return (
        hasattr(X, "shape")
        and isinstance(getattr(X, "dtype", None), np.dtype)
        and hasattr(X, "__getitem__")
        and not isinstance(X, np.ndarray | np.generic)
        and not is_converted_by_scikit_learn(X)
    )


def is_iterable_of_blocks(X):
    """Return whether X is an iterable that is not array-like, or a sequence of two-dimensional arrays."""
    if isinstance(X, list | tuple):
        return len(X) > 0 and getattr(X[0], "ndim", 0) == 2
    return (
        isinstance(X, Iterable)
        and not isinstance(X, str | bytes | bytearray | memoryview | Mapping | Set | range)
        and not hasattr(X, "shape")
        and not hasattr(X, "__array__")
        and not is_converted_by_scikit_learn(X)
    )


def is_converted_by_scikit_learn(X):
    """Return whether scikit-learn converts X to an array in memory, or a sparse matrix."""
    return issparse(X) or any(hasattr(X, name) for name in IN_MEMORY_ATTRIBUTES)


def open_samples(X, dtype_for):
    """Return samples that are read on demand as an ndarray or a RowSource, after validation.

    Parameters
    ----------
    X : object
        Object for which `is_read_on_demand` is true.
    dtype_for : callable
        Function of the dtype of X that returns the dtype to which its rows are converted.

    Returns
    -------
    X : ndarray or RowSource
        The ndarray itself if its rows can be used as they are, otherwise a RowSource.

    Raises
    ------
    TypeError
        If X is an iterator, or its dtype is not numeric.
    ValueError
        If the shape is not that of samples, or a value is not finite.
    """
    if isinstance(X, np.ndarray) or is_sliceable(X):
        check_shape(X.shape)
        dtype = dtype_for(check_dtype(X.dtype))
        samples = wrap_array(X, dtype)
        if dtype.kind == "f":
            check_finite(samples)
        return samples
    return open_blocks(X, dtype_for)


def wrap_array(X, dtype):
    """Return X if it is an ndarray whose rows can be used as they are, otherwise a RowSource."""
    if not isinstance(X, np.ndarray):
        return ArrayRows(X, dtype)
    X = X.view(np.ndarray)  # without the overhead of numpy.memmap for each slice
    if X.dtype == dtype and X.flags.c_contiguous and X.flags.aligned:
        return X
    return MappedRows(X, dtype)


def open_blocks(blocks, dtype_for):
    """Return an iterable of blocks as BlockRows, after an iteration that validates and counts the rows."""
    if isinstance(blocks, Iterator):
        raise TypeError(
            f"X must be an array or an iterable of blocks that can be iterated once per epoch, got {blocks!r}, which "
            "can be iterated only once. Pass an object whose method __iter__ is a generator, or a list of arrays."
        )
    sizes, first, dtype = [], None, None
    for number, block in enumerate(blocks):
        block = convert_block(block, number)
        if first is None:
            check_shape(block.shape)
            first, dtype = block, dtype_for(check_dtype(block.dtype))
        elif block.shape[1:] != first.shape[1:] or block.dtype != first.dtype:
            raise ValueError(
                f"All blocks of X must have {first.shape[1]} features and the dtype {first.dtype}, as block 0, got the "
                f"shape {block.shape} and {block.dtype} in block {number}. Convert the blocks."
            )
        if dtype.kind == "f":
            check_finite(MappedRows(block, dtype), sum(sizes))
        sizes.append(len(block))
    if first is None:
        raise ValueError("X must contain at least one block of samples, got an empty iterable.")
    return BlockRows(blocks, sizes, first.shape[1], dtype)


def convert_block(block, number):
    """Return a block as an array, or raise TypeError if it is not a two-dimensional array."""
    array = None if issparse(block) or isinstance(block, tuple) else np.asarray(block)
    if array is None or array.ndim != 2:
        found = f"{type(block).__name__}" if array is None else f"shape {array.shape}"
        raise TypeError(
            f"X must yield dense blocks of shape (n_samples, n_features), got {found} for block {number}. Yield arrays "
            "of features only, and pass the labels as y."
        )
    return array


def check_shape(shape):
    """Raise ValueError if a shape is not that of samples."""
    if len(shape) != 2:
        raise ValueError(
            f"X must have the shape (n_samples, n_features), got {tuple(shape)}. Reshape images to one row per image, "
            "such as images.reshape(len(images), -1). For an object without this method, pass an iterable of blocks."
        )
    if 0 in shape:
        raise ValueError(
            f"X must contain at least one sample and one feature, got the shape {tuple(shape)}."
        )


def check_dtype(dtype):
    """Return a dtype, or raise TypeError if it is not that of real numbers."""
    if dtype.kind not in "biuf":
        raise TypeError(
            f"X must have a boolean, integer or floating-point dtype, got {dtype}. Convert it to one of them, such as "
            "float32."
        )
    return dtype


def check_finite(X, first_row=0):
    """Raise ValueError if an array or a RowSource contains NaN or infinity. It is read block by block."""
    n_rows = max(1, BLOCK_VALUES // X.shape[1])
    for start in range(0, len(X), n_rows):
        block = X[start : start + n_rows]
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.add.reduce(block, axis=None, dtype=np.float64)
        if np.isfinite(total):
            continue
        rows, columns = np.nonzero(~np.isfinite(block))
        if len(rows):
            value, row = block[rows[0], columns[0]], first_row + start + rows[0]
            raise ValueError(
                f"X must contain finite numbers, got {value} in row {row}, column {columns[0]}. Replace it, or remove "
                "the row."
            )


def join_labels(y, X):
    """Return `y`, joined to one array if X is an iterable of blocks and `y` an iterable of their labels.

    Parameters
    ----------
    y : array-like or iterable of array-like
    X : ndarray or RowSource
    """
    if not isinstance(X, BlockRows) or not is_iterable_of_arrays(y):
        return y
    blocks = [np.asarray(block) for block in y]
    sizes = [len(block) for block in blocks]
    if sizes != X.sizes:
        pairs = zip_longest(sizes, X.sizes, fillvalue=0)
        number, (found, expected) = next(
            (i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1]
        )
        raise ValueError(
            f"The blocks of y must have as many labels as the blocks of X have samples, got {found} labels for "
            f"{expected} samples in block {number}. Yield the labels of each block, or pass an array of all labels."
        )
    return np.concatenate(blocks)


def is_iterable_of_arrays(y):
    """Return whether labels are an iterable that is not array-like, or a sequence of arrays."""
    if isinstance(y, list | tuple):
        return len(y) > 0 and getattr(y[0], "ndim", 0) > 0
    is_array_like = hasattr(y, "shape") or hasattr(y, "__array__") or hasattr(y, "__dataframe__")
    return isinstance(y, Iterable) and not is_array_like and not isinstance(y, str | range)
