"""Stratified early-stopping split: proportions, duplicates and sample weights."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from skmlp.engine.holdout import hash_rows, split_stratified


def make_distinct_samples(*counts, dtype=np.float64):
    """Return distinct samples with many zeros, and strata such that stratum i has counts[i] samples."""
    n_samples = sum(counts)
    X = np.random.default_rng(0).integers(0, 4, (n_samples, 12)).astype(dtype)
    assert len(np.unique(X, axis=0)) == n_samples
    strata = np.repeat(np.arange(len(counts)), counts)
    return X, np.random.default_rng(1).permutation(strata)


def split(X, strata, weights=None, fraction=0.1, seed=0):
    return split_stratified(X, strata, weights, fraction, np.random.RandomState(seed))


def get_distinct_rows(X, rows):
    return {tuple(row) for row in np.asarray(X)[rows]}


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("seed", range(5))
def test_subsets_are_sorted_disjoint_and_complete(fraction, seed):
    X, strata = make_distinct_samples(100, 60, 40)
    train, held = split(X, strata, fraction=fraction, seed=seed)
    assert (np.diff(train) > 0).all()
    assert (np.diff(held) > 0).all()
    np.testing.assert_array_equal(np.sort(np.concatenate([train, held])), np.arange(200))
    assert len(held) == pytest.approx(200 * fraction, abs=1)


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.25, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_each_stratum_is_represented_proportionally(fraction, seed):
    X, strata = make_distinct_samples(400, 300, 200, 100)
    _, held = split(X, strata, fraction=fraction, seed=seed)
    counts = np.bincount(strata[held], minlength=4)
    np.testing.assert_allclose(counts, np.array([400, 300, 200, 100]) * fraction, atol=1.5)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("values", [[0, 1], [0, 8], [1, 2, 4]], ids=str)
def test_distinct_samples_have_distinct_hashes(dtype, values):
    X = np.random.default_rng(0).choice(values, size=(5000, 40)).astype(dtype)
    X = np.unique(X, axis=0)
    hashes = hash_rows(X, np.random.RandomState(0))
    assert len(np.unique(hashes)) == len(X)


@pytest.mark.parametrize("seed", range(5))
def test_each_stratum_keeps_a_training_sample(seed):
    X, strata = make_distinct_samples(50, 2, 1)
    train, _ = split(X, strata, fraction=0.99, seed=seed)
    np.testing.assert_array_equal(np.unique(strata[train]), [0, 1, 2])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_duplicates_are_in_the_same_subset(seed, sparse):
    X, strata = make_distinct_samples(30, 20)
    repeated = np.random.default_rng(seed).integers(50, size=400)
    X, strata = X[repeated], strata[repeated]
    train, held = split(csr_matrix(X) if sparse else X, strata, fraction=0.3, seed=seed)
    assert len(held)
    assert not get_distinct_rows(X, train) & get_distinct_rows(X, held)


def test_negative_zero_equals_zero():
    X, strata = make_distinct_samples(30, 20)
    signed = np.where(X == 0, -0.0, X)
    for ours, expected in zip(split(signed, strata), split(X, strata), strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("seed", range(5))
def test_integer_weights_are_equivalent_to_repetitions(seed):
    X, strata = make_distinct_samples(60, 40)
    weights = np.random.default_rng(seed).integers(0, 4, 100)
    _, held = split(X, strata, weights.astype(float), fraction=0.2, seed=seed)
    repeated = np.repeat(np.arange(100), weights)
    _, held_of_repeated = split(X[repeated], strata[repeated], fraction=0.2, seed=seed)
    chosen = held[weights[held] > 0]
    np.testing.assert_array_equal(np.unique(repeated[held_of_repeated]), chosen)
    np.testing.assert_array_equal(repeated[held_of_repeated], np.repeat(chosen, weights[chosen]))


@pytest.mark.parametrize("seed", range(5))
def test_samples_of_zero_weight_are_ignored(seed):
    X, strata = make_distinct_samples(60, 40)
    weights = np.random.default_rng(seed).uniform(0.5, 2, 100) * (np.arange(100) % 3 > 0)
    present = np.flatnonzero(weights)
    _, held = split(X, strata, weights, seed=seed)
    _, held_of_present = split(X[present], strata[present], weights[present], seed=seed)
    np.testing.assert_array_equal(held, present[held_of_present])


@pytest.mark.parametrize("seed", range(5))
def test_split_does_not_depend_on_the_order_of_the_samples(seed):
    X, strata = make_distinct_samples(60, 40)
    order = np.random.default_rng(seed).permutation(100)
    _, held = split(X, strata, fraction=0.3, seed=seed)
    _, held_of_permuted = split(X[order], strata[order], fraction=0.3, seed=seed)
    np.testing.assert_array_equal(np.sort(order[held_of_permuted]), held)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
@pytest.mark.parametrize("seed", range(3))
def test_sparse_and_dense_samples_are_split_equally(dtype, seed):
    X, strata = make_distinct_samples(60, 40, dtype=dtype)
    explicit_zeros = csr_matrix(X + 1)
    explicit_zeros.data -= 1
    unsorted = csr_matrix(X)
    for start, stop in pairwise(unsorted.indptr):
        unsorted.indices[start:stop] = unsorted.indices[start:stop][::-1].copy()
        unsorted.data[start:stop] = unsorted.data[start:stop][::-1].copy()
    expected = split(X, strata, seed=seed)
    for sparse in (csr_matrix(X), explicit_zeros, unsorted):
        for ours, theirs in zip(split(sparse, strata, seed=seed), expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_split_does_not_depend_on_the_memory_order():
    X, strata = make_distinct_samples(60, 40)
    for ours, theirs in zip(split(np.asfortranarray(X), strata), split(X, strata), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_split_depends_only_on_the_seed():
    X, strata = make_distinct_samples(60, 40)
    splits = [tuple(split(X, strata, seed=seed)[1]) for seed in range(20)]
    assert len(set(splits)) == 20
    assert splits == [tuple(split(X, strata, seed=seed)[1]) for seed in range(20)]


def test_each_sample_is_held_out_with_equal_probability():
    X, strata = make_distinct_samples(20, 20)
    times = np.zeros(40)
    for seed in range(300):
        times[split(X, strata, fraction=0.25, seed=seed)[1]] += 1
    # Binomial(300, 1/4): six standard deviations are 45.
    np.testing.assert_allclose(times, 75, atol=45)


@pytest.mark.parametrize(
    ("X", "strata", "weights", "fraction"),
    [
        (np.eye(3), np.arange(3), None, 0.5),
        (np.ones((5, 2)), np.zeros(5, int), None, 0.5),
        (np.eye(4), np.zeros(4, int), None, 0.0),
        (np.eye(4), np.zeros(4, int), np.array([1.0, 0, 0, 0]), 0.5),
    ],
    ids=["one sample per class", "equal samples", "fraction zero", "weights zero"],
)
def test_split_raises_when_no_sample_can_be_held_out(X, strata, weights, fraction):
    with pytest.raises(ValueError, match="validation set is too small"):
        split(X, strata, weights, fraction)
