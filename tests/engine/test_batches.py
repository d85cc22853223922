"""Samples, mini-batches, augmentation and the early-stopping split."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix, issparse
from sklearn.utils import shuffle as scikit_learn_shuffle

from skmlp.engine.batches import (
    Augmentation,
    Batch,
    Batches,
    Samples,
    TrainingData,
    shuffle,
)

N_SAMPLES, N_FEATURES = 23, 6


@pytest.fixture
def pixels():
    pixels = np.random.default_rng(0).integers(256, size=(N_SAMPLES, N_FEATURES), dtype=np.uint8)
    pixels[pixels < 100] = 0
    return pixels


def collect(batches, order=None, augment=None):
    """Return the features, targets and weights of all samples, and the batch sizes."""
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
def test_each_sample_occurs_once_with_its_target_and_weight(batch_size, multilabel):
    X = np.arange(N_SAMPLES, dtype=float)[:, np.newaxis] * [1, 10]
    targets = np.arange(N_SAMPLES)
    if multilabel:
        targets = np.column_stack([targets, targets + 100])
    weights = np.arange(N_SAMPLES) / 8
    batches = Batches(Samples(X, targets, weights), batch_size, np.float64)
    order = np.random.default_rng(0).permutation(N_SAMPLES)
    batch_X, batch_targets, batch_weights, sizes = collect(batches, order)
    np.testing.assert_array_equal(batch_X, X[order])
    np.testing.assert_array_equal(batch_targets, targets[order])
    np.testing.assert_array_equal(batch_weights, weights[order])
    assert len(sizes) == len(batches) == -(-N_SAMPLES // batch_size)
    assert set(sizes[:-1]) <= {batch_size}
    assert sum(sizes) == N_SAMPLES


def test_samples_keep_their_order_by_default():
    X = np.arange(10.0)[:, np.newaxis]
    batches = Batches(Samples(X), 4, np.float64)
    np.testing.assert_array_equal(np.hstack([batch.x for batch in batches]), X.T)


def test_missing_targets_and_weights_are_none():
    batch = next(iter(Batches(Samples(np.ones((3, 2))), 3, np.float64)))
    assert batch.targets is None
    assert batch.weights is None
    assert batch.total_weight == 3


def test_total_weight_is_the_sum_of_the_weights_of_the_selected_rows():
    samples = Samples(np.ones((4, 2)), weights=np.array([1.0, 2, 4, 8]), rows=np.array([3, 1]))
    assert samples.total_weight == 10
    assert [b.total_weight for b in Batches(samples, 1, np.float64)] == [8, 2]


@pytest.mark.parametrize("seed", range(3))
def test_successive_shuffles_equal_those_of_scikit_learn(seed):
    ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
    order = expected = np.arange(N_SAMPLES)
    for _ in range(5):
        order = shuffle(order, ours)
        expected = scikit_learn_shuffle(expected, random_state=theirs)
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
@pytest.mark.parametrize("ordered", [False, True], ids=["original", "shuffled"])
def test_batches_do_not_depend_on_the_container_and_dtype_of_the_samples(
    pixels, tmp_path, container, stored, scale, dtype, subset, ordered
):
    rows = np.array([20, 3, 4, 0, 11, 22, 9, 1, 2]) if subset else None
    chosen = np.arange(N_SAMPLES) if rows is None else rows
    order = np.random.default_rng(1).permutation(len(chosen)) if ordered else None
    X = container(pixels.astype(stored), tmp_path)
    samples = Samples(X, np.arange(N_SAMPLES), np.ones(N_SAMPLES), rows, scale)
    assert len(samples) == len(chosen)
    X_batches, targets, _, _ = collect(Batches(samples, 4, dtype), order)
    chosen = chosen if order is None else chosen[order]
    assert X_batches.dtype == dtype
    expected = pixels[chosen].astype(np.float64) * (1 if scale is None else scale)
    np.testing.assert_allclose(X_batches, expected, rtol=1e-6 if dtype == np.float32 else 1e-15)
    np.testing.assert_array_equal(targets, chosen)


@pytest.mark.parametrize("scale", [None, 0.5])
def test_gathering_batches_does_not_change_the_samples(pixels, scale):
    X = pixels.astype(np.float64)
    for batch in Batches(Samples(X, input_scale=scale), 4, np.float64):
        assert batch.x.shape[0] == N_FEATURES
    np.testing.assert_array_equal(X, pixels)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@pytest.mark.parametrize("rows", [None, slice(2, 9), slice(20, 40), np.array([5, 0, 5])], ids=str)
def test_batch_contains_the_selected_rows(pixels, sparse, rows):
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
    multilabel = Batch(indicators) if rows is None else Batch(indicators, rows)
    np.testing.assert_array_equal(multilabel.targets, [chosen, chosen + 100])
    assert multilabel.total_weight == len(chosen)


# Augmentation

IMAGE_SHAPE = (2, 3)


class Recorder:
    """Augmentation that records its arguments and returns a modified copy of the images."""

    def __init__(self):
        self.calls = []

    def __call__(self, images, generator):
        self.calls.append((images.copy(), generator))
        return images + 1000


@pytest.mark.parametrize("ordered", [False, True], ids=["original", "shuffled"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_augmentation_transforms_scaled_images(pixels, ordered, dtype):
    order = np.random.default_rng(1).permutation(N_SAMPLES) if ordered else None
    batches = Batches(
        Samples(pixels, np.arange(N_SAMPLES), np.ones(N_SAMPLES), None, 0.5), 4, dtype
    )
    original = collect(batches, order)[0]
    recorder, generator = Recorder(), np.random.default_rng(0)
    augment = Augmentation(recorder, IMAGE_SHAPE).at(0.5, generator)
    augmented = collect(batches, order, augment)[0]
    assert augmented.dtype == dtype
    np.testing.assert_array_equal(augmented, original + 1000)
    assert all(images.shape[1:] == IMAGE_SHAPE for images, _ in recorder.calls)
    assert all(stream is generator for _, stream in recorder.calls)
    images = np.concatenate([images for images, _ in recorder.calls])
    np.testing.assert_array_equal(images.reshape(original.shape), original)
    assert [len(images) for images, _ in recorder.calls] == [4, 4, 4, 4, 4, 3]


def test_annealed_augmentation_receives_the_progress():
    class Annealed:
        def at(self, progress):
            return lambda images, generator: images + progress

    augment = Augmentation(Annealed(), IMAGE_SHAPE).at(0.25, None)
    np.testing.assert_array_equal(augment(np.zeros((3, 6))), np.full((3, 6), 0.25))


def add_one_in_place(images, generator):
    images += 1
    return images


@pytest.mark.parametrize("container", [as_dense, as_fortran, as_memmap])
@pytest.mark.parametrize("scale", [None, 1.0, 0.5])
@pytest.mark.parametrize("stored", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("subset", [False, True], ids=["all rows", "some rows"])
@pytest.mark.parametrize("ordered", [False, True], ids=["original", "shuffled"])
def test_augmentation_in_place_does_not_change_the_samples(
    pixels, tmp_path, container, scale, stored, subset, ordered
):
    rows = np.array([20, 3, 4, 0, 11, 22, 9, 1, 2]) if subset else None
    n = N_SAMPLES if rows is None else len(rows)
    order = np.random.default_rng(1).permutation(n) if ordered else None
    X = container(pixels.astype(stored), tmp_path)
    samples = Samples(X, np.arange(N_SAMPLES), np.ones(N_SAMPLES), rows, scale)
    batches = Batches(samples, 4, np.float64)
    original = collect(batches, order)[0]
    augment = Augmentation(add_one_in_place, IMAGE_SHAPE).at(0.0, np.random.default_rng(0))
    for _ in range(2):
        augmented = collect(batches, order, augment)[0]
        np.testing.assert_array_equal(augmented, original + 1)
    np.testing.assert_array_equal(X, pixels)


@pytest.mark.parametrize(
    "transform",
    [lambda images, _: images[1:], lambda images, _: images.reshape(-1, 6), lambda images, _: None],
)
def test_augmentation_raises_when_the_shape_changes(transform):
    augment = Augmentation(transform, IMAGE_SHAPE).at(0.0, None)
    with pytest.raises(ValueError, match=r"augmentation must return images of shape \(4, 2, 3\)"):
        augment(np.zeros((4, 6)))


# Early-stopping split


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_held_out_samples_are_removed_from_the_training_samples(weighted):
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
    for samples in (data.samples, data.validation):
        assert samples.X is X
        assert samples.input_scale == 0.5


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


def test_hold_out_raises_when_a_binary_class_has_a_single_sample():
    targets = np.array([[False], [False], [False], [True]])
    data = TrainingData(Samples(np.eye(4), targets))
    with pytest.raises(ValueError, match=r"have only 1 member.*too few members are: \['True'\]"):
        data.hold_out(0.5, np.random.RandomState(0))
