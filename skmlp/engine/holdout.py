"""Holding samples out for validation: stratified, independent of duplicates, and consistent with sample weights."""

import math
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

ROWS_AT_A_TIME = 1024


class HoldoutRows(NamedTuple):
    """The rows of a split, sorted.

    Attributes
    ----------
    training, held_out : ndarray of int
    """

    training: np.ndarray
    held_out: np.ndarray


def stratified_holdout(X, strata, weights, fraction, random_state):
    """Choose the rows that train and the rows that are held out.

    Samples of equal features and stratum are always on the same side, so that duplicates do not inflate the validation
    score. The choice depends on the values of the samples, not on their positions or repetitions: a sample of weight
    two is held out exactly when it would be if it occurred twice, and samples of weight zero count as absent.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_samples, n_features)
    strata : ndarray of int of shape (n_samples,)
        Each value is represented in proportion on both sides; at least one sample of each stays in training.
    weights : ndarray of shape (n_samples,) or None
    fraction : float in (0, 1)
        Of the distinct samples, to be held out.
    random_state : RandomState

    Returns
    -------
    rows : HoldoutRows

    Raises
    ------
    ValueError
        If nothing can be held out.
    """
    keys = random_keys(X, random_state)
    counted = np.arange(len(strata)) if weights is None else np.flatnonzero(weights)
    by_key = counted[np.lexsort((keys[counted], strata[counted]))]

    new_stratum = starts_of_runs(strata[by_key])
    new_sample = starts_of_runs(keys[by_key]) | new_stratum
    sample_of_row = np.cumsum(new_sample) - 1
    # The first sample of each stratum stays in training.
    candidates = np.flatnonzero(~new_stratum[new_sample])
    wanted = min(math.ceil(fraction * np.count_nonzero(new_sample)), len(candidates))
    if wanted == 0:
        raise ValueError(
            f"The validation set is too small: of n_samples={X.shape[0]}, none can be held out with "
            f"validation_fraction={fraction}, because at least one sample of each class stays in training. Increase "
            "validation_fraction, use more samples, or pass X_val and y_val."
        )
    # Evenly spaced among the candidates, which are sorted by stratum: a systematic sample.
    chosen = candidates[(np.arange(wanted) * len(candidates)) // wanted]
    held_out = np.zeros(len(strata), bool)
    held_out[by_key] = np.isin(sample_of_row, chosen)
    return HoldoutRows(np.flatnonzero(~held_out), np.flatnonzero(held_out))


def starts_of_runs(values):
    """Return a mask of the values that differ from the one before them."""
    starts = np.ones(len(values), bool)
    starts[1:] = values[1:] != values[:-1]
    return starts


def random_keys(X, random_state):
    """Compute a random 64-bit key for each row that depends only on its values, whether dense or sparse.

    The key is the sum over the features of bits times a random odd multiplier, modulo 2^64, mixed by the last steps
    of SplitMix64 [1]_.

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
        np.cumsum(bits(X.data) * multipliers[X.indices], out=products[1:])
        keys = products[X.indptr[1:]] - products[X.indptr[:-1]]
    else:
        keys = np.empty(X.shape[0], np.uint64)
        for start in range(0, X.shape[0], ROWS_AT_A_TIME):
            rows = slice(start, start + ROWS_AT_A_TIME)
            keys[rows] = bits(X[rows]) @ multipliers
    keys ^= keys >> np.uint64(30)
    keys *= np.uint64(0xBF58476D1CE4E5B9)
    keys ^= keys >> np.uint64(27)
    keys *= np.uint64(0x94D049BB133111EB)
    keys ^= keys >> np.uint64(31)
    return keys


def bits(values):
    """Map numbers to 64-bit unsigned integers, equal numbers to equal ones and zero to zero."""
    if values.dtype.kind != "f":
        return values.astype(np.uint64)
    values = values + values.dtype.type(0)  # turns -0.0 into 0.0
    halves = values.view(f"u{values.dtype.itemsize}").astype(np.uint64)
    # The low bits of round numbers are zeros, and would make the low bits of any product zeros.
    return halves ^ (halves >> np.uint64(4 * values.dtype.itemsize))
