"""Division of the arguments of `fit` into blocks of the same rows."""

import math

import numpy as np
from dask import delayed
from scipy.sparse import issparse

from skmlp.estimator.data import is_dask_collection


def split_arguments(cluster, name, X, y, sample_weight):
    """Return a list of the Delayed X, y and weights of each block.

    Parameters
    ----------
    cluster : LocalScheduler or DistributedCluster
        Where the samples are counted if X is divided differently from y or the weights, and its blocks have unknown
        sizes.
    name : {"X", "X_val"}
        Name of X in error messages.
    X : dask array or dask DataFrame
    y, sample_weight : dask collection or array-like
    """
    if not is_dask_collection(X) or not hasattr(X, "ndim"):
        raise TypeError(
            f"{name} must be a dask array or a dask DataFrame, got {type(X).__name__}. Convert it, for example with "
            "dask.array.from_array, or use MLPDigitClassifier."
        )
    check_block_axes(X, name)
    blocks = list_blocks(X)
    label_name, weight_name = name.replace("X", "y"), name.replace("X", "sample_weight")
    labels = split_column(cluster, X, name, y, label_name)
    weights = [None] * len(blocks)
    if sample_weight is not None:
        weights = split_column(cluster, X, name, sample_weight, weight_name)
    return list(zip(blocks, labels, weights, strict=True))


def check_block_axes(X, name):
    """Raise ValueError if X is an array that is not divided into blocks of rows."""
    if X.ndim != 2:
        raise ValueError(
            f"{name} must have 2 dimensions, got {X.ndim}. Reshape images to one row per image, for example with "
            f"{name}.reshape({name}.shape[0], -1)."
        )
    n_blocks = getattr(X, "numblocks", (1, 1))[1]
    if n_blocks > 1:
        raise ValueError(
            f"{name} must be divided into blocks of rows, got {n_blocks} blocks along the features, with the sizes "
            f"{X.chunks[1]}. Use {name}.rechunk({{1: -1}})."
        )


def split_column(cluster, X, name, column, column_name):
    """Return a list of the Delayed blocks of labels or weights, for the same rows as the blocks of X."""
    import dask.array as da

    column = convert_column(column, column_name)
    sizes, column_sizes = get_sizes(X), get_sizes(column)
    blocks, column_blocks = list_blocks(X), list_blocks(column)
    are_known = sizes is not None and column_sizes is not None
    # Unknown sizes are compared when the blocks are loaded.
    if (sizes == column_sizes) if are_known else (len(blocks) == len(column_blocks)):
        return column_blocks
    sizes = sizes or compute_sizes(cluster, blocks, name)
    column_sizes = column_sizes or compute_sizes(cluster, column_blocks, column_name)
    if sum(column_sizes) != sum(sizes):
        raise ValueError(
            f"{column_name} must have as many samples as {name}, {sum(sizes)}, got {sum(column_sizes)}."
        )
    arrays = [
        da.from_delayed(delayed(to_array)(block), (size, *column.shape[1:]), column.dtype)
        for block, size in zip(column_blocks, column_sizes, strict=True)
    ]
    return list_blocks(da.concatenate(arrays).rechunk({0: sizes}))


def convert_column(column, name):
    """Return labels or weights as a dask array that is not divided along its columns."""
    import dask.array as da

    if hasattr(column, "to_dask_array"):  # a data frame or a series
        column = column.to_dask_array()
    elif not is_dask_collection(column):
        column = da.from_array(to_array(column), chunks=-1)
    if column.ndim not in (1, 2):
        raise ValueError(
            f"{name} must be an array with one or two dimensions, got {column.ndim} dimensions."
        )
    return column if column.ndim == 1 else column.rechunk({1: -1})


def to_array(values):
    """Return values as an ndarray."""
    return values.toarray() if issparse(values) else np.asarray(values)


def list_blocks(collection):
    """Return a list of the Delayed blocks of an array with blocks of rows, or of a data frame."""
    return list(np.ravel(collection.to_delayed()))


def get_sizes(collection):
    """Return the numbers of rows of the blocks as a tuple, or None if they are unknown."""
    chunks = getattr(collection, "chunks", None)
    if chunks is None or any(math.isnan(size) for size in chunks[0]):
        return None
    return chunks[0]


def compute_sizes(cluster, blocks, name):
    """Return the numbers of rows of blocks as a tuple, for which the blocks are computed."""
    sizes = delayed(list)([delayed(count_rows)(block) for block in blocks])
    (sizes,) = cluster.compute_collections((sizes,), f"the sizes of the blocks of {name}")
    return tuple(sizes)


def count_rows(block):
    """Return the number of rows of an array or of a data frame."""
    return block.shape[0]
