"""Batches: every sample once, in the order of scikit-learn's shuffle, whatever holds the samples."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import shuffle

from skmlp.engine.batches import Batches, Samples, shuffled

N_SAMPLES, N_FEATURES = 23, 6


@pytest.fixture
def pixels():
    pixels = np.random.default_rng(0).integers(256, size=(N_SAMPLES, N_FEATURES), dtype=np.uint8)
    pixels[pixels < 100] = 0
    return pixels


def collected(batches, order=None):
    """Give features, targets and weights of all batches, rows being samples, and the batch sizes."""
    X, targets, weights, sizes = [], [], [], []
    for batch in batches.in_order(order):
        x = batch.x.T
        X.append((x.toarray() if issparse(x) else x).copy())
        targets.append(batch.targets.T.copy())
        weights.append(batch.weights)
        sizes.append(batch.size)
    return np.concatenate(X), np.concatenate(targets), np.concatenate(weights), sizes


@pytest.mark.parametrize("batch_size", [1, 4, 23])
@pytest.mark.parametrize("multilabel", [False, True], ids=["classes", "indicators"])
def test_every_sample_comes_once_with_its_target_and_its_weight(batch_size, multilabel):
    X = np.arange(N_SAMPLES, dtype=float)[:, np.newaxis] * [1, 10]
    targets = np.arange(N_SAMPLES)
    if multilabel:
        targets = np.column_stack([targets, targets + 100])
    weights = np.arange(N_SAMPLES) / 8
    batches = Batches(Samples(X, targets, weights), batch_size, np.float64)
    order = np.random.default_rng(0).permutation(N_SAMPLES)
    seen_X, seen_targets, seen_weights, sizes = collected(batches, order)
    np.testing.assert_array_equal(seen_X, X[order])
    np.testing.assert_array_equal(seen_targets, targets[order])
    np.testing.assert_array_equal(seen_weights, weights[order])
    assert len(sizes) == len(batches) == -(-N_SAMPLES // batch_size)
    assert set(sizes[:-1]) <= {batch_size}
    assert sum(sizes) == N_SAMPLES


def test_without_an_order_the_samples_come_as_they_stand():
    X = np.arange(10.0)[:, np.newaxis]
    batches = Batches(Samples(X), 4, np.float64)
    np.testing.assert_array_equal(np.hstack([batch.x for batch in batches]), X.T)


def test_targets_and_weights_that_are_not_there_are_none():
    batch = next(iter(Batches(Samples(np.ones((3, 2))), 3, np.float64)))
    assert batch.targets is None
    assert batch.weights is None
    assert batch.total_weight == 3


def test_total_weight_is_the_sum_of_the_weights_of_the_rows_that_count():
    samples = Samples(np.ones((4, 2)), weights=np.array([1.0, 2, 4, 8]), rows=np.array([3, 1]))
    assert samples.total_weight == 10
    assert [b.total_weight for b in Batches(samples, 1, np.float64)] == [8, 2]


@pytest.mark.parametrize("seed", range(3))
def test_shuffles_are_those_of_scikit_learn_epoch_after_epoch(seed):
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    order = expected = np.arange(N_SAMPLES)
    for _ in range(5):
        order = shuffled(order, ours)
        expected = shuffle(expected, random_state=theirs)
        np.testing.assert_array_equal(order, expected)
    np.testing.assert_array_equal(ours.get_state()[1], theirs.get_state()[1])


def as_dense(X, tmp_path):
    return X


def as_fortran(X, tmp_path):
    return np.asfortranarray(X)


def as_csr(X, tmp_path):
    return csr_matrix(X)


def as_memmap(X, tmp_path):
    np.save(tmp_path / "X.npy", X)
    return np.load(tmp_path / "X.npy", mmap_mode="r")


@pytest.mark.parametrize("container", [as_dense, as_fortran, as_csr, as_memmap])
@pytest.mark.parametrize("stored", [np.uint8, np.int64, np.float32, np.float64])
@pytest.mark.parametrize("scale", [None, 1 / 255])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("subset", [False, True], ids=["all rows", "some rows"])
@pytest.mark.parametrize("ordered", [False, True], ids=["as they stand", "shuffled"])
def test_batches_hold_the_same_values_whatever_holds_the_samples(
    pixels, tmp_path, container, stored, scale, dtype, subset, ordered
):
    rows = np.array([20, 3, 4, 0, 11, 22, 9, 1, 2]) if subset else None
    chosen = np.arange(N_SAMPLES) if rows is None else rows
    order = np.random.default_rng(1).permutation(len(chosen)) if ordered else None
    X = container(pixels.astype(stored), tmp_path)
    samples = Samples(X, np.arange(N_SAMPLES), np.ones(N_SAMPLES), rows, scale)
    assert len(samples) == len(chosen)
    seen, targets, _, _ = collected(Batches(samples, 4, dtype), order)
    chosen = chosen if order is None else chosen[order]
    assert seen.dtype == dtype
    expected = pixels[chosen].astype(np.float64) * (1 if scale is None else scale)
    np.testing.assert_allclose(seen, expected, rtol=1e-6 if dtype == np.float32 else 1e-15)
    np.testing.assert_array_equal(targets, chosen)


@pytest.mark.parametrize("scale", [None, 0.5])
def test_making_batches_leaves_the_samples_alone(pixels, scale):
    X = pixels.astype(np.float64)
    for batch in Batches(Samples(X, input_scale=scale), 4, np.float64):
        assert batch.x.shape[0] == N_FEATURES
    np.testing.assert_array_equal(X, pixels)
