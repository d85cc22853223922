"""Equal samples in the training and the test set."""

import hashlib
from typing import NamedTuple

import numpy as np

BLOCK_SIZE = 4096


class Duplicate(NamedTuple):
    """A test sample that is also a training sample.

    Attributes
    ----------
    test : int
        Index of the test sample.
    training : int
        Index of the first equal training sample.
    """

    test: int
    training: int


def find_duplicates(training, test):
    """Return the test samples that are equal to a training sample, found by the digests of their features.

    Parameters
    ----------
    training, test : LabeledSamples

    Returns
    -------
    duplicates : list of Duplicate
    """
    dtype = np.result_type(training.X.dtype, test.X.dtype)
    first = {}
    for index, digest in enumerate(iterate_digests(training, dtype)):
        first.setdefault(digest, index)
    return [
        Duplicate(index, first[digest])
        for index, digest in enumerate(iterate_digests(test, dtype))
        if digest in first
    ]


def iterate_digests(samples, dtype):
    """Yield a digest of the features of each sample."""
    for start in range(0, len(samples), BLOCK_SIZE):
        rows = np.arange(start, min(start + BLOCK_SIZE, len(samples)))
        # Adding zero converts -0.0 to 0.0, which is equal to it.
        block = np.ascontiguousarray(samples.take(rows).astype(dtype, copy=False) + dtype.type(0))
        for row in block:
            yield hashlib.blake2b(row.data, digest_size=16).digest()
