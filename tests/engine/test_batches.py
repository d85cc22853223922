"""Batches: every sample once, in the order of scikit-learn's shuffle, whatever holds the samples."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import shuffle

from skmlp.engine.batches import (
    Augmentation,
    Batch,
    Batches,
    Samples,
    TrainingData,
    shuffled,
)

N_SAMPLES, N_FEATURES = 23, 6


@pytest.fixture
def pixels():
    pixels = np.random.default_rng(0).integers(256, size=(N_SAMPLES, N_FEATURES), dtype=np.uint8)
    pixels[pixels < 100] = 0
    return pixels


def collected(batches, order=None, augment=None):
    """Return features, targets and weights of all batches, rows being samples, and the batch sizes."""
    X, targets, weights, sizes = [], [], [], []
    for batch in batches.in_order(order, augment):
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


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("rows", [None, slice(2, 9), slice(20, 40), np.array([5, 0, 5])], ids=str)
def test_a_batch_is_some_rows_of_samples(pixels, sparse, rows):
    X = pixels.astype(float)
    targets, weights = np.arange(N_SAMPLES), np.arange(N_SAMPLES) / 8
    samples = Samples(csr_matrix(X) if sparse else X, targets, weights)
    batch = Batch(samples) if rows is None else Batch(samples, rows)
    chosen = np.arange(N_SAMPLES)[slice(None) if rows is None else rows]
    assert batch.size == batch.x.shape[1] == len(chosen)
    np.testing.assert_array_equal(batch.x.toarray() if sparse else batch.x, X[chosen].T)
    np.testing.assert_array_equal(batch.targets, chosen)
    np.testing.assert_array_equal(batch.weights, chosen / 8)
    assert batch.total_weight == chosen.sum() / 8
    indicators = Samples(X, np.column_stack([targets, targets + 100]))
    two = Batch(indicators) if rows is None else Batch(indicators, rows)
    np.testing.assert_array_equal(two.targets, [chosen, chosen + 100])
    assert two.total_weight == len(chosen)


# Augmentation

IMAGE_SHAPE = (2, 3)


class Recorder:
    """An augmentation that remembers what it was given, and returns a marked copy."""

    def __init__(self):
        self.calls = []

    def __call__(self, images, generator):
        self.calls.append((images.copy(), generator))
        return images + 1000


@pytest.mark.parametrize("ordered", [False, True], ids=["as they stand", "shuffled"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_augmentation_sees_scaled_images_and_its_result_is_the_batch(pixels, ordered, dtype):
    order = np.random.default_rng(1).permutation(N_SAMPLES) if ordered else None
    batches = Batches(
        Samples(pixels, np.arange(N_SAMPLES), np.ones(N_SAMPLES), None, 0.5), 4, dtype
    )
    plain = collected(batches, order)[0]
    recorder, generator = Recorder(), np.random.default_rng(0)
    augment = Augmentation(recorder, IMAGE_SHAPE).at(0.5, generator)
    seen = collected(batches, order, augment)[0]
    assert seen.dtype == dtype
    np.testing.assert_array_equal(seen, plain + 1000)
    assert all(images.shape[1:] == IMAGE_SHAPE for images, _ in recorder.calls)
    assert all(stream is generator for _, stream in recorder.calls)
    images = np.concatenate([images for images, _ in recorder.calls])
    np.testing.assert_array_equal(images.reshape(plain.shape), plain)
    assert [len(images) for images, _ in recorder.calls] == [4, 4, 4, 4, 4, 3]


def test_an_augmentation_that_is_annealed_knows_the_progress():
    class Annealed:
        def at(self, progress):
            return lambda images, generator: images + progress

    augment = Augmentation(Annealed(), IMAGE_SHAPE).at(0.25, None)
    np.testing.assert_array_equal(augment(np.zeros((3, 6))), np.full((3, 6), 0.25))


def in_place(images, generator):
    images += 1
    return images


@pytest.mark.parametrize("container", [as_dense, as_fortran, as_memmap])
@pytest.mark.parametrize("scale", [None, 1.0, 0.5])
@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("subset", [False, True], ids=["all rows", "some rows"])
@pytest.mark.parametrize("ordered", [False, True], ids=["as they stand", "shuffled"])
def test_an_augmentation_in_place_leaves_the_samples_alone(
    pixels, tmp_path, container, scale, stored, subset, ordered
):
    rows = np.array([20, 3, 4, 0, 11, 22, 9, 1, 2]) if subset else None
    n = N_SAMPLES if rows is None else len(rows)
    order = np.random.default_rng(1).permutation(n) if ordered else None
    X = container(pixels.astype(stored), tmp_path)
    samples = Samples(X, np.arange(N_SAMPLES), np.ones(N_SAMPLES), rows, scale)
    batches = Batches(samples, 4, np.float64)
    plain = collected(batches, order)[0]
    augment = Augmentation(in_place, IMAGE_SHAPE).at(0.0, np.random.default_rng(0))
    for _ in range(2):
        seen = collected(batches, order, augment)[0]
        np.testing.assert_array_equal(seen, plain + 1)
    np.testing.assert_array_equal(X, pixels)


@pytest.mark.parametrize(
    "transform",
    [lambda images, _: images[1:], lambda images, _: images.reshape(-1, 6), lambda images, _: None],
)
def test_an_augmentation_must_keep_the_shape(transform):
    augment = Augmentation(transform, IMAGE_SHAPE).at(0.0, None)
    with pytest.raises(
        ValueError, match=r"augmentation must return images of the shape \(4, 2, 3\)"
    ):
        augment(np.zeros((4, 6)))


# Holding out


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_what_is_held_out_is_lost_to_the_training_set(weighted):
    X = np.random.default_rng(0).normal(size=(100, 4))
    targets = np.arange(100) % 4
    weights = np.arange(100) / 50 if weighted else None
    given = Samples(X, targets, weights, input_scale=0.5)
    data = TrainingData(given).hold_out(0.2, np.random.RandomState(0))
    assert len(data.samples) == 80
    assert len(data.validation) == 20
    rows = np.concatenate([data.samples.rows, data.validation.rows])
    np.testing.assert_array_equal(np.sort(rows), np.arange(100))
    np.testing.assert_allclose(np.bincount(targets[data.validation.rows]), 5, atol=1)
    assert given.rows is None
    total = data.samples.total_weight + data.validation.total_weight
    assert total == pytest.approx(given.total_weight)
    for part in (data.samples, data.validation):
        assert part.X is X
        assert part.input_scale == 0.5


@pytest.mark.parametrize(
    ("targets", "strata"),
    [
        (np.array([2, 0, 1]), [2, 0, 1]),
        (np.array([[True], [False], [True]]), [1, 0, 1]),
        (np.array([[True, False], [False, True], [True, True]]), [0, 0, 0]),
    ],
    ids=["classes", "binary", "multilabel"],
)
def test_strata_are_the_classes(targets, strata):
    np.testing.assert_array_equal(Samples(np.ones((3, 2)), targets).strata, strata)


def test_a_class_of_a_single_sample_cannot_be_on_both_sides():
    targets = np.array([[False], [False], [False], [True]])
    data = TrainingData(Samples(np.eye(4), targets))
    with pytest.raises(ValueError, match=r"have only 1 member.*too few members are: \['True'\]"):
        data.hold_out(0.5, np.random.RandomState(0))
