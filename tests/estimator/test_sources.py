"""Samples that are read on demand: memory-mapped arrays, sliceable objects and iterables of blocks."""

import re
import tracemalloc

import numpy as np
import pytest
from helpers import assert_same_training, interrupt_after, make_classifier_factory
from sklearn.base import clone

from skmlp import CheckpointError, MLPDigitClassifier, TrainingInterruptedWarning
from skmlp.callbacks import Checkpoint
from skmlp.engine import sources
from skmlp.export import to_html

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]
make = make_classifier_factory(max_iter=3, batch_size=37)
DTYPES = ["?", "u1", "i1", "u2", "i8", "f2", "f4", ">f4", "f8", ">f8", ">i2"]


class Rows:
    """Object like `zarr.Array` and `h5py.Dataset`, which returns slices of rows only."""

    def __init__(self, array):
        self._array = array
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        assert rows.step is None
        return self._array[rows].copy()


class Blocks:
    """Iterable of blocks that counts its iterations."""

    def __init__(self, array, size):
        self._array, self._size = array, size
        self.n_iterations = 0

    def __iter__(self):
        self.n_iterations += 1
        for start in range(0, len(self._array), self._size):
            yield self._array[start : start + self._size]


def map_array(array, path, order="C"):
    mapped = np.lib.format.open_memmap(
        path, "w+", array.dtype, array.shape, fortran_order=order == "F"
    )
    mapped[...] = array
    mapped.flush()
    return np.load(path, mmap_mode="r")


def open_as(kind, array, tmp_path):
    """Return an object that is read on demand and has the values of an array."""
    path = tmp_path / f"{kind}.npy"
    match kind:
        case "mapped":
            return map_array(array, path)
        case "mapped by columns":
            return map_array(array, path, "F")
        case "view of mapped":
            wide = np.repeat(np.hstack([array, array]), 2, axis=0)
            return map_array(wide, path)[::2, : array.shape[1]]
        case "mapped at odd address":
            path.write_bytes(b"\0" + array.tobytes())
            return np.memmap(path, array.dtype, "r", offset=1, shape=array.shape)
        case "rows":
            return Rows(array)
        case "blocks":
            return Blocks(array, 41)
        case "list of blocks":
            return [array[:100], array[100:101], array[101:]]


KINDS = [
    *("mapped", "mapped by columns", "view of mapped", "mapped at odd address"),
    *("rows", "blocks", "list of blocks"),
]
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("input_scale", [None, 1 / 255], ids=["unscaled", "scaled"])
def test_every_dtype_gives_the_same_model_as_in_memory(
    pixels, digits, dtype, input_scale, tmp_path
):
    _, y = digits
    X = (pixels // 2).astype(dtype)
    params = {"input_scale": input_scale, "shuffle": "blocks", "max_iter": 2}
    expected = make(**params).fit(X, y)
    for kind in ("mapped", "mapped by columns", "rows", "blocks"):
        opened = open_as(kind, X, tmp_path)
        estimator = make(**params).fit(opened, y)
        assert_same_training(estimator, expected)
        np.testing.assert_array_equal(estimator.predict_proba(opened), expected.predict_proba(X))


@pytest.mark.parametrize(
    ("kind", "shuffle"),
    # All iterables of blocks are shuffled as with "blocks".
    [
        (kind, shuffle)
        for kind in KINDS
        for shuffle in (False, True, "blocks")
        if shuffle is not True or "blocks" not in kind
    ],
)
@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_every_kind_gives_the_same_model_as_in_memory(
    pixels, digits, kind, shuffle, early_stopping, tmp_path
):
    _, y = digits
    for X in (pixels, pixels / 255):
        params = {"shuffle": shuffle, "early_stopping": early_stopping}
        params["input_scale"] = 1 / 255 if X is pixels else None
        opened = open_as(kind, X, tmp_path)
        estimator = make(**params).fit(opened, y)
        assert_same_training(estimator, make(**params).fit(X, y))
        np.testing.assert_array_equal(estimator.predict(opened), estimator.predict(X))


@every_kind
def test_weights_and_a_validation_set_give_the_same_model_as_in_memory(
    digits, kind, tmp_path, monkeypatch
):
    X, y = digits
    weights = np.arange(300) % 3
    params = {"class_weight": "balanced", "shuffle": "blocks", "augmentation": "digits"}
    validation = {"X_val": X[:150], "y_val": y[:150], "sample_weight_val": weights[:150]}
    expected = make(**params).fit(X, y, weights, **validation)
    (tmp_path / "val").mkdir()
    validation["X_val"] = open_as(kind, X[:150], tmp_path / "val")
    estimator = make(**params).fit(open_as(kind, X, tmp_path), y, weights, **validation)
    assert_same_training(estimator, expected)


@every_kind
def test_partial_fit_and_warm_start_continue_as_in_memory(digits, kind, tmp_path):
    X, y = digits
    opened = open_as(kind, X, tmp_path)
    partial, expected = make(shuffle="blocks"), make(shuffle="blocks")
    for _ in range(3):
        partial.partial_fit(opened, y, classes=range(10))
        expected.partial_fit(X, y, classes=range(10))
    assert_same_training(partial, expected)
    assert_same_training(make(shuffle="blocks").fit(opened, y), expected)
    warm = make(shuffle="blocks", warm_start=True, max_iter=1)
    for samples in (opened, X, opened):
        warm.fit(samples, y)
    assert_same_training(warm, expected)


@every_kind
@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_training_resumes_bit_for_bit(small_windows, digits, kind, early_stopping, tmp_path):
    X, y = digits
    path = tmp_path / "checkpoint.safetensors"
    params = {"shuffle": "blocks", "dropout": 0.2, "early_stopping": early_stopping}
    opened = open_as(kind, X, tmp_path)
    uninterrupted = make(**params).fit(opened, y)
    interrupted = make(**params).set_callbacks(Checkpoint(path), interrupt_after(1))
    with pytest.warns(TrainingInterruptedWarning):
        interrupted.fit(opened, y)
    assert_same_training(MLPDigitClassifier.resume(path, opened, y), uninterrupted)
    changed = X.copy()
    changed[299, 10] += 1
    with pytest.raises(CheckpointError, match="got different features"):
        MLPDigitClassifier.resume(path, Rows(changed), y)


@every_kind
def test_all_methods_give_the_results_for_arrays(digits, kind, tmp_path):
    X, y = digits
    opened = open_as(kind, X, tmp_path)
    estimator = make(shuffle="blocks").fit(X, y)
    for method in ("predict_log_proba", "hidden_activations", "input_gradients"):
        call = getattr(estimator, method)
        np.testing.assert_array_equal(call(opened), call(X))
    assert estimator.score(opened, y) == estimator.score(X, y)
    curves = [estimator.find_learning_rate(samples, y) for samples in (opened, X)]
    np.testing.assert_array_equal(curves[0].losses, curves[1].losses)
    pages = tmp_path / "opened.html", tmp_path / "array.html"
    for page, samples in zip(pages, (opened, X), strict=True):
        to_html(estimator, page, X=samples)
    assert pages[0].read_bytes() == pages[1].read_bytes()
    calibrated = [clone(estimator).fit(X, y).calibrate(samples, y) for samples in (opened, X)]
    assert_same_training(*calibrated)


# The order of shuffle="blocks"


@pytest.fixture
def small_windows(monkeypatch):
    """Shuffle windows of 7 blocks of 10 rows of 64 features."""
    monkeypatch.setattr(sources, "BLOCK_VALUES", 64 * 10 + 1)
    monkeypatch.setattr(sources, "WINDOW_VALUES", 64 * 70 + 1)


class OrderRecorder:
    """Augmentation that changes nothing and records the samples, which contain their index."""

    def __init__(self):
        self.seen = []

    def __call__(self, images, generator):
        self.seen += images[:, 0, 0].astype(int).tolist()
        return images


def record_orders(X, n_epochs=2, **params):
    recorder = OrderRecorder()
    y = np.arange(293) % 10
    make(max_iter=n_epochs, augmentation=recorder, **params).fit(X, y)
    return np.array(recorder.seen).reshape(n_epochs, -1)


@pytest.fixture
def numbered():
    X = np.zeros((293, 64))
    X[:, 0] = np.arange(293)
    return X


@pytest.mark.parametrize("kind", ["in memory", "mapped", "rows"])
def test_blocks_of_rows_are_shuffled_together(small_windows, numbered, kind, tmp_path):
    X = numbered if kind == "in memory" else open_as(kind, numbered, tmp_path)
    orders = record_orders(X, shuffle="blocks")
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(293))  # each sample once
        # The 30 blocks are divided among windows of 7 blocks, in which the blocks are mixed.
        windows = [np.unique(order[start : start + 63] // 10) for start in range(0, 210, 70)]
        assert all(len(blocks) <= 8 for blocks in windows)
        assert any((np.diff(blocks) > 1).any() for blocks in windows)
        assert len(np.unique(order[:20] // 10)) > 2
    assert (orders[0] != orders[1]).any()


def test_an_iterable_is_shuffled_within_windows_of_consecutive_rows(small_windows, numbered):
    orders = {
        (size, shuffle): record_orders(Blocks(numbered, size), shuffle=shuffle)
        for size in (1, 29, 70, 293)
        for shuffle in ("blocks", True)
    }
    first = orders[1, "blocks"]
    for order in first:
        for start in range(0, 293, 70):
            window = order[start : start + 70]
            np.testing.assert_array_equal(np.sort(window), start + np.arange(len(window)))
            assert (np.diff(window) != 1).any()
    for other in orders.values():
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
@pytest.mark.parametrize("batch_size", [9, 100])  # within a window and across two
def test_samples_that_cross_windows_give_the_same_model(
    small_windows, digits, batch_size, early_stopping, tmp_path
):
    X, y = digits
    params = {
        "shuffle": "blocks",
        "batch_size": batch_size,
        "early_stopping": early_stopping,
    }
    expected = make(**params).fit(X, y)
    for kind in ("mapped", "mapped by columns", "rows"):
        assert_same_training(make(**params).fit(open_as(kind, X, tmp_path), y), expected)
    blocks = [make(**params).fit(Blocks(X, size), y) for size in (3, 64, 300)]
    assert_same_training(blocks[1], blocks[0])
    assert_same_training(blocks[2], blocks[0])


# Iterables


def test_labels_can_be_an_iterable_of_blocks(digits):
    X, y = digits
    expected = make().fit(Blocks(X, 50), y)
    for labels in (Blocks(y, 50), [y[i : i + 50] for i in range(0, 300, 50)], y.tolist()):
        assert_same_training(make().fit(Blocks(X, 50), labels), expected)


def test_an_epoch_iterates_over_the_blocks_once(digits):
    X, y = digits
    counts = []
    for max_iter in (1, 4):
        blocks = Blocks(X, 50)
        make(max_iter=max_iter).fit(blocks, y)
        counts.append(blocks.n_iterations)
    assert counts[1] == counts[0] + 3


class ChangingBlocks(Blocks):
    """Iterable whose blocks change after some iterations."""

    def __init__(self, blocks, changed):
        self._blocks, self._changed = blocks, changed
        self.n_iterations = 0

    def __iter__(self):
        self.n_iterations += 1
        return iter(self._blocks if self.n_iterations == 1 else self._changed)


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        (lambda X: [X[:200]], "no block in place of block 1"),
        (lambda X: [X[:199], X[199:]], "a block of shape (199, 64) in place of block 0"),
        (lambda X: [X[:200, 1:]], "a block of shape (200, 63) in place of block 0"),
    ],
)
def test_blocks_that_change_raise_an_error(digits, changed, found):
    X, y = digits
    blocks = ChangingBlocks([X[:200], X[200:]], changed(X))
    with pytest.raises(ValueError, match=re.escape(found)):
        make().fit(blocks, y)


def test_an_object_that_returns_other_rows_than_its_shape_states_raises_an_error(digits):
    X, y = digits
    rows = Rows(X)
    rows.shape = (301, 64)
    with pytest.raises(ValueError, match=r"according to its shape \(301, 64\), got the shape"):
        make().fit(rows, np.append(y, 0))


# Invalid samples


def make_invalid(X, value):
    X = X.copy()
    X[217, 5] = value
    return X


@every_kind
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_value_that_is_not_finite_raises_an_error_that_names_the_row(
    digits, kind, value, tmp_path
):
    X, y = digits
    valid = make().fit(X, y)
    opened = open_as(kind, make_invalid(X, value), tmp_path)
    message = f"X must contain finite numbers, got {value} in row 217, column 5"
    for call in (lambda: make().fit(opened, y), lambda: valid.predict(opened)):
        with pytest.raises(ValueError, match=message):
            call()


def test_large_finite_values_are_valid(digits, tmp_path):
    X, y = digits
    X = np.full_like(X, np.finfo(float).max)
    valid = make().fit(digits[0], y)
    with np.errstate(all="ignore"):
        assert valid.predict(map_array(X, tmp_path / "X.npy")).shape == (300,)


INVALID = {
    "complex": (lambda X: Rows(X.astype(complex)), TypeError, "dtype, got complex128"),
    "strings": (lambda X: Rows(X.astype(str)), TypeError, "dtype, got <U"),
    "objects": (lambda X: Rows(X.astype(object)), TypeError, "dtype, got object"),
    "images": (lambda X: Rows(X.reshape(-1, 8, 8)), ValueError, "(n_samples, n_features), got"),
    "no samples": (lambda X: Rows(X[:0]), ValueError, "at least one sample and one feature, got"),
    "no features": (lambda X: Rows(X[:, :0]), ValueError, "at least one sample and one feature"),
    "generator": (lambda X: (X[i : i + 9] for i in range(0, 300, 9)), TypeError, "got <generator"),
    "no blocks": (lambda X: Blocks(X[:0], 1), ValueError, "at least one block of samples, got"),
    "pairs": (lambda X: Blocks([(X, X)], 1), TypeError, "dense blocks of shape"),
    "other features": (lambda X: [X[:9], X[9:, 1:]], ValueError, "and float64 in block 1"),
    "other dtype": (lambda X: [X[:9], X[9:].astype("f4")], ValueError, "and float32 in block 1"),
}


@pytest.mark.parametrize(("make_samples", "error", "message"), INVALID.values(), ids=INVALID)
def test_invalid_samples_raise_an_error_before_training(digits, make_samples, error, message):
    X, y = digits
    with pytest.raises(error, match=re.escape(message)):
        make().fit(make_samples(X), y)


def test_labels_of_another_length_raise_an_error(digits):
    X, y = digits
    with pytest.raises(ValueError, match="got 49 labels for 50 samples in block 1"):
        make().fit(Blocks(X, 50), [y[:50], y[50:99], y[99:]])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        make().fit(Rows(X), y[:-1])
    with pytest.raises(ValueError, match="requires y to be passed"):
        make().fit(Rows(X), None)


def test_another_number_of_features_raises_an_error(digits):
    X, y = digits
    estimator = make().fit(Rows(X), y)
    with pytest.raises(
        ValueError, match="X has 63 features, but MLPDigitClassifier is expecting 64"
    ):
        estimator.predict(Rows(X[:, 1:]))
    with pytest.raises(
        ValueError, match="X has 63 features, but MLPDigitClassifier is expecting 64"
    ):
        make().fit(X, y, X_val=Rows(X[:, 1:]), y_val=y)


def test_lbfgs_needs_an_array(digits, tmp_path):
    X, y = digits
    mapped = open_as("mapped by columns", X, tmp_path)
    assert_same_training(make(solver="lbfgs").fit(mapped, y), make(solver="lbfgs").fit(X, y))
    for samples in (Rows(X), Blocks(X, 50)):
        with pytest.raises(ValueError, match="X must be an array for solver='lbfgs'"):
            make(solver="lbfgs").fit(samples, y)


# Memory


def measure_peak_memory(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["mapped", "mapped by columns", "rows"])
@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_samples_are_not_loaded_as_a_whole(kind, early_stopping, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_VALUES", 2**14)
    monkeypatch.setattr(sources, "WINDOW_VALUES", 2**17)
    X = np.random.default_rng(0).integers(256, size=(80_000, 200), dtype=np.uint8)
    y = np.arange(80_000) % 10
    opened = open_as(kind, X, tmp_path)
    estimator = make(
        input_scale=1 / 255,
        max_iter=1,
        batch_size=500,
        shuffle="blocks",
        early_stopping=early_stopping,
    )
    # X takes 16 MB as uint8.
    assert measure_peak_memory(lambda: estimator.fit(opened, y)) < 12e6
    assert measure_peak_memory(lambda: estimator.predict(opened)) < 12e6
