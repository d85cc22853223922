"""Stratified early-stopping split that respects duplicates and sample weights."""

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

ROWS_PER_BLOCK = 1024


class HoldoutRows(NamedTuple):
    """Sorted row indices of the two subsets of a split.

    Attributes
    ----------
    training : ndarray of int
    held_out : ndarray of int
    """

    training: np.ndarray
    held_out: np.ndarray


def split_stratified(X, strata, weights, fraction, random_state):
    """Split the rows into training samples and held-out samples.

    Samples with equal features and equal stratum are always in the same subset, so that duplicates do not inflate the
    validation score. The split depends on the values of the samples, not on their positions, repetitions or weights,
    except that samples with weight 0 are ignored.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    strata : ndarray of int of shape (n_samples,)
        Stratum of each sample. Each stratum is represented proportionally, and keeps at least one training sample.
    weights : ndarray of shape (n_samples,) or None
        Sample weights; None for ones.
    fraction : float
        Fraction of the distinct samples to hold out, in the range (0, 1).
    random_state : RandomState

    Returns
    -------
    rows : HoldoutRows

    Raises
    ------
    ValueError
        If no sample can be held out.
    """
    n_rows = X.shape[0]
    hashes = hash_rows(X, random_state)
    rows = None if weights is None else np.flatnonzero(weights)
    if rows is not None:
        hashes, strata = hashes[rows], strata[rows]
    order = np.lexsort((hashes, strata))
    is_new_stratum = mark_run_starts(strata[order])
    is_new_sample = mark_run_starts(hashes[order]) | is_new_stratum
    del hashes
    sorted_rows = (order if rows is None else rows[order]).astype(choose_index_dtype(n_rows))
    del order, rows

    # The first distinct sample of each stratum is reserved for training.
    candidates = np.flatnonzero(is_new_sample & ~is_new_stratum)
    n_held_out = min(math.ceil(fraction * np.count_nonzero(is_new_sample)), len(candidates))
    if n_held_out == 0:
        raise ValueError(
            f"The validation set is too small: with n_samples={n_rows} and validation_fraction={fraction}, no "
            "sample can be held out, because at least one sample of each class is used for training. Increase "
            "validation_fraction, use more samples, or pass X_val and y_val."
        )
    # Systematic sampling: evenly spaced candidates, which are sorted by stratum.
    chosen = np.zeros(len(sorted_rows), bool)
    chosen[candidates[(np.arange(n_held_out) * len(candidates)) // n_held_out]] = True
    del candidates
    held_out = np.zeros(n_rows, bool)
    held_out[sorted_rows] = spread_over_runs(chosen, is_new_sample)
    return HoldoutRows(find_rows(~held_out), find_rows(held_out))


def spread_over_runs(chosen, is_start):
    """Return a mask of the runs of which the first element is chosen.

    Parameters
    ----------
    chosen : ndarray of bool
        Mask of elements; only those of starts are used.
    is_start : ndarray of bool
        Mask of the first element of each run.
    """
    if is_start.all():
        return chosen
    lengths = np.diff(np.flatnonzero(is_start), append=len(is_start))
    return np.repeat(chosen[is_start], lengths)


def find_rows(mask):
    """Return the indices of the rows in a mask."""
    return np.flatnonzero(mask).astype(choose_index_dtype(len(mask)))


def choose_index_dtype(n_rows):
    """Return the smallest of the types int32 and int64 for indices of rows."""
    return np.int32 if n_rows <= 2**31 else np.int64


def mark_run_starts(values):
    """Return a mask of the first value and of the values that differ from their predecessor."""
    starts = np.ones(len(values), bool)
    starts[1:] = values[1:] != values[:-1]
    return starts


def hash_rows(X, random_state):
    """Return a random 64-bit hash of the values of each row, which is equal for dense and sparse X.

    The hash is the sum of the products of each feature's bits and a random odd multiplier, modulo 2^64, followed by
    the output function of SplitMix64 [1]_.

    References
    ----------
    .. [1] Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
    """
    multipliers = random_state.randint(0, 2**63, X.shape[1], dtype=np.uint64) * 2 + 1
    if issparse(X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        products = np.zeros(X.nnz + 1, np.uint64)
        np.cumsum(to_uint64(X.data) * multipliers[X.indices], out=products[1:])
        hashes = products[X.indptr[1:]] - products[X.indptr[:-1]]
    else:
        hashes = np.empty(X.shape[0], np.uint64)
        for start in range(0, X.shape[0], ROWS_PER_BLOCK):
            rows = slice(start, start + ROWS_PER_BLOCK)
            hashes[rows] = to_uint64(X[rows]) @ multipliers
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


def to_uint64(values):
    """Map numbers to unsigned 64-bit integers, equal numbers to equal integers and zero to zero."""
    if values.dtype.kind != "f":
        return values.astype(np.uint64)
    if values.dtype.itemsize > 8:
        values = values.astype(np.float64)
    values = values + values.dtype.type(0)  # turns -0.0 into 0.0
    bits = values.view(f"u{values.dtype.itemsize}").astype(np.uint64)
    # The low bits of round numbers are zero. Without this step, the low bits of their products would be zero, too.
    return bits ^ (bits >> np.uint64(4 * values.dtype.itemsize))
