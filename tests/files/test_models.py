"""Model files: a round trip keeps the model, and every invalid file raises ModelFormatError."""

import os
import pickle
import re
import stat
import tracemalloc

import numpy as np
import pytest
from forged_files import forge
from safetensors.numpy import load, load_file, save_file
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import MLPDigitClassifier, ModelFormatError, load_model, read_model_header, save_model
from skmlp.engine.schedules import OneCycle, Warmup

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

X, y = load_digits(return_X_y=True)
X_few, y_few = X[:200] / 16, y[:200]
SMALL = {"hidden_layer_sizes": (7, 5), "max_iter": 4, "random_state": 0}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def model():
    return MLPDigitClassifier(**SMALL).fit(X_few, y_few)


@pytest.fixture
def content(model, path):
    save_model(model, path)
    return path.read_bytes()


def assert_same_model(loaded, model):
    for name, value in model.get_params().items():
        assert getattr(loaded, name) == value, name
    fitted = {name for name in vars(model) if name.endswith("_") and not name.startswith("_")}
    assert fitted == {name for name in vars(loaded) if name.endswith("_")}
    assert repr(loaded.history_) == repr(model.history_)  # NaN is not equal to NaN
    for name in fitted - {"coefs_", "intercepts_", "history_", "batch_norm_"}:
        np.testing.assert_array_equal(getattr(loaded, name), getattr(model, name), err_msg=name)
    for name in ("coefs_", "intercepts_"):
        for actual, expected in zip(getattr(loaded, name), getattr(model, name), strict=True):
            assert actual.dtype == expected.dtype
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({}, y_few),
        ({"solver": "sgd", "learning_rate": "adaptive", "momentum": np.float64(0.5)}, y_few),
        ({"solver": "lbfgs", "alpha": np.float32(0.25)}, y_few),
        ({"early_stopping": True, "n_iter_no_change": np.inf}, y_few),
        ({"hidden_layer_sizes": ()}, y_few),
        ({"hidden_layer_sizes": 6, "activation": "tanh"}, y_few),
        ({"input_scale": 1 / 16, "random_state": None}, y_few),
        ({"batch_norm": True, "dropout": (0.1, 0.2), "activation": ("gelu", "elu")}, y_few),
        ({"solver": "adamw", "learning_rate": Warmup(OneCycle(0.01), 1), "ema_decay": 0.9}, y_few),
        ({"class_weight": {3: 2.0, np.int64(4): 0.5}, "weight_init": "orthogonal"}, y_few),
        ({"class_weight": {"3": 2}, "weight_decay": 0.1, "max_norm": 3}, y_few.astype(str)),
        ({}, y_few > 4),
        ({}, y_few.astype(str)),
        ({}, np.array([f"Ziffer {label} ß" for label in y_few], dtype=object)),
        ({}, y_few.astype(np.float32) * 2),
        ({}, y_few.astype(np.uint8)),
        ({}, np.zeros(200, int)),
        ({}, np.eye(10, dtype=int)[y_few]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loaded_model_equals_saved_model(path, changes, labels, dtype):
    model = MLPDigitClassifier(**SMALL | changes).fit(X_few.astype(dtype), labels)
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.classes_.dtype == model.classes_.dtype
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))
    assert_same_model(loaded, model)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("hidden_layer_sizes", [(32,), (32, 17), ()], ids=str)
@pytest.mark.parametrize("n_samples", [1, 2, 7, 100, 1797])
def test_loaded_model_gives_bit_identical_probabilities(path, dtype, hidden_layer_sizes, n_samples):
    """The layout of the weights in memory, which affects how products are rounded, is that after training."""
    features = (X / 16).astype(dtype)
    model = MLPDigitClassifier(**SMALL | {"hidden_layer_sizes": hidden_layer_sizes})
    model.fit(features[:200], y[:200])
    save_model(model, path)
    loaded = load_model(path)
    for samples in (features[:n_samples], features[-n_samples:]):
        np.testing.assert_array_equal(loaded.predict_proba(samples), model.predict_proba(samples))


def test_validation_history_is_saved(path):
    model = MLPDigitClassifier(**SMALL).fit(X_few, y_few, X_val=X[200:300] / 16, y_val=y[200:300])
    save_model(model, path)
    assert load_model(path).history_ == model.history_
    assert set(model.history_) >= {"val_loss", "val_accuracy"}


def test_feature_names_are_saved(path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X_few, columns=[f"pixel {i}" for i in range(64)])
    model = MLPDigitClassifier(**SMALL).fit(frame, y_few)
    save_model(model, path)
    assert_same_model(load_model(path), model)
    with pytest.raises(ValueError, match="feature names"):
        load_model(path).predict(frame[frame.columns[::-1]])


def test_random_state_instance_continues_its_sequence(path):
    random_state = np.random.RandomState(3)
    model = MLPDigitClassifier(**SMALL | {"random_state": random_state}).fit(X_few, y_few)
    random_state.standard_normal()
    save_model(model, path)
    np.testing.assert_array_equal(
        load_model(path).random_state.standard_normal(5), random_state.standard_normal(5)
    )


@pytest.mark.parametrize("layout", ["C", "F"])
@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_weights_of_any_memory_layout_and_byte_order_are_saved(path, model, layout, byte_order):
    expected = model.predict_proba(X)
    model.coefs_ = [
        np.asarray(coef, dtype=coef.dtype.newbyteorder(byte_order), order=layout)
        for coef in model.coefs_
    ]
    save_model(model, path)
    for stored, coef in zip(load_model(path).coefs_, model.coefs_, strict=True):
        np.testing.assert_array_equal(stored, coef)
    np.testing.assert_allclose(load_model(path).predict_proba(X), expected, rtol=1e-12)


def test_strided_weights_are_saved(path, model):
    model.coefs_ = [np.repeat(coef, 2, axis=1)[:, ::2] for coef in model.coefs_]
    save_model(model, path)
    assert_same_model(load_model(path), model)


def test_loaded_model_can_be_trained_further(path, model):
    save_model(model, path)
    loaded = load_model(path)
    before = loaded.score(X_few, y_few)
    for _ in range(40):
        loaded.partial_fit(X_few, y_few)
    assert loaded.score(X_few, y_few) > before
    assert len(loaded.history_["loss"]) == 44
    loaded.set_params(warm_start=True).fit(X_few, y_few)
    assert len(loaded.history_["loss"]) == 48


def test_read_model_header_returns_the_description(content, path):
    header = read_model_header(path)
    assert header["format_version"] == 1
    assert header["layer_sizes"] == [64, 7, 5, 10]
    assert header["parameters"]["hidden_layer_sizes"] == [7, 5]
    assert header["versions"]["numpy"] == np.__version__


def test_safetensors_can_read_the_weights(content, path, model):
    np.testing.assert_array_equal(load_file(path)["coefs.0"], model.coefs_[0])


def test_batch_normalization_is_saved(path):
    model = MLPDigitClassifier(**SMALL, batch_norm=True).fit(X_few, y_few)
    save_model(model, path)
    loaded = load_model(path).batch_norm_
    assert set(loaded) == {"gain", "shift", "mean", "variance"}
    for name, layers in model.batch_norm_.items():
        for actual, expected in zip(loaded[name], layers, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_save_model_raises_on_custom_schedule(path):
    model = MLPDigitClassifier(**SMALL, learning_rate=lambda position: 0.01).fit(X_few, y_few)
    with pytest.raises(TypeError, match=r"must not be a custom callable .*, got <function"):
        save_model(model, path)


def test_save_model_raises_before_it_creates_a_file(path, model):
    with pytest.raises(NotFittedError):
        save_model(MLPDigitClassifier(), path)
    with pytest.raises(
        TypeError, match=r"must be a fitted MLPDigitClassifier, .* got a Pipeline that ends"
    ):
        save_model(make_pipeline(model, StandardScaler()), path)
    model.classes_ = np.array([(1, 2)] * 10, dtype="i4,i4")
    with pytest.raises(TypeError, match="must be numbers, booleans or strings"):
        save_model(model, path)
    assert not path.exists()


# Invalid files


def test_load_model_raises_on_truncated_file(content, path):
    for length in [*range(40), *range(40, len(content), len(content) // 150), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(ModelFormatError, match=f"^{re.escape(str(path))}: expected .*, got "):
            load_model(path)


def test_load_model_raises_on_flipped_bit(content, path):
    header_length = 8 + int.from_bytes(content[:8], "little")
    positions = [
        *range(0, header_length, 7),
        *range(header_length, len(content), len(content) // 150),
    ]
    for number, position in enumerate(positions):
        damaged = bytearray(content)
        damaged[position] ^= 1 << (number % 8)
        path.write_bytes(damaged)
        with pytest.raises(ModelFormatError):
            load_model(path)


@pytest.mark.parametrize("extra", [b"\0", b"more", bytes(1000)])
def test_load_model_raises_on_appended_bytes(content, path, extra):
    path.write_bytes(content + extra)
    with pytest.raises(ModelFormatError):
        load_model(path)


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        pickle.dumps(MLPDigitClassifier()),
        b"\xff" * 8 + b"{}",
        (2).to_bytes(8, "little") + b"{}",
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        (200_000).to_bytes(8, "little") + b'{"__metadata__":' * 12_500,
    ],
)
def test_load_model_raises_on_other_file_formats(path, other):
    path.write_bytes(other)
    with pytest.raises(ModelFormatError, match=r"expected .*a model"):
        load_model(path)
    with pytest.raises(ModelFormatError, match=r"expected .*a model"):
        read_model_header(path)


def test_load_model_raises_on_safetensors_file_without_description(path):
    save_file({"weight": np.zeros((2, 2))}, path)
    with pytest.raises(ModelFormatError, match="got a safetensors file without a valid one"):
        load_model(path)


def test_load_model_raises_on_file_above_max_bytes(content, path):
    with pytest.raises(
        ModelFormatError,
        match=rf"at most 1000 bytes, got {len(content)}\. Pass max_bytes={len(content)}",
    ):
        load_model(path, max_bytes=1000)
    assert load_model(path, max_bytes=len(content)).n_layers_ == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a system with pipes and devices")
def test_load_model_raises_on_device():
    with pytest.raises(ModelFormatError, match="expected a regular file"):
        load_model("/dev/zero")


def test_load_model_raises_on_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.safetensors")


def test_forged_file_without_changes_can_be_loaded(content, path, model):
    forge(path, lambda description: None)
    assert_same_model(load_model(path), model)


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5])
def test_load_model_raises_on_other_format_version(content, path, version):
    forge(path, lambda description: description.update(format_version=version))
    with pytest.raises(ModelFormatError, match=f"expected format version 1, .* got {version!r}"):
        load_model(path)


@pytest.mark.parametrize(
    "layer_sizes",
    [
        [],
        [64],
        [64, 10],
        [64, 5, 7, 10],
        [64, 7, 5, 11],
        [64.0, 7.0, 5.0, 10.0],
        [64, 7, 5, -10],
        [10**12, 10**12],
        "64",
        None,
        [[64], [10]],
    ],
)
def test_load_model_raises_on_forged_layer_sizes(content, path, layer_sizes):
    forge(path, lambda description: description.update(layer_sizes=layer_sizes))
    with pytest.raises(ModelFormatError):
        load_model(path)


@pytest.mark.parametrize(
    "parameters",
    [
        {"alpha": -1},
        {"alpha": "text"},
        {"solver": "__import__('os')"},
        {"unknown": 1},
        {"self": 1},
        {"hidden_layer_sizes": {"a": 1}},
        {"random_state": {"MT19937": [1, 2]}},
        {"random_state": {"pickle": "gASV"}},
        {"random_state": -1},
        {"n_iter_no_change": 0},
        {"input_scale": 0},
    ],
)
def test_load_model_raises_on_forged_parameters(content, path, parameters):
    forge(path, lambda description: description["parameters"].update(parameters))
    with pytest.raises(ModelFormatError):
        load_model(path)


@pytest.mark.parametrize(
    "change",
    [
        {"out_activation": "relu"},
        {"classes": {"type": "int64", "labels": [1, 2]}},
        {"classes": {"type": "int64", "labels": [[1]] * 10}},
        {"classes": {"type": "object", "labels": [[1]] * 10}},
        {"classes": {"type": "str", "labels": list(range(10))}},
        {"classes": {"type": "i4,i4", "labels": list(range(10))}},
        {"classes": {"type": "unknown", "labels": list(range(10))}},
        {"classes": {"type": "int8", "labels": list(range(1000, 1010))}},
        {"classes": None},
        {"feature_names": ["one"]},
        {"feature_names": [1] * 64},
        {"feature_names": 5},
        {"numbers": {"n_iter_": 4}},
        {"numbers": dict.fromkeys(["n_iter_", "t_", "loss_", "best_loss_"], "text")},
        {"history": ["loss", "accuracy"]},
        {"history": ["loss"] * 3},
        {"history": None},
        {"parameters": None},
    ],
)
def test_load_model_raises_on_forged_description(content, path, change):
    forge(path, lambda description: description.update(change))
    with pytest.raises(ModelFormatError):
        load_model(path)


@pytest.mark.parametrize(
    "classes",
    [
        {"type": "U100000000", "labels": [str(digit) for digit in range(10)]},
        {"type": "S100000000", "labels": [str(digit) for digit in range(10)]},
        {"type": "str", "labels": ["a"] * 30_000 + ["b" * 30_000]},
    ],
)
def test_forged_classes_do_not_allocate_memory(content, path, classes):
    forge(path, lambda description: description.update(classes=classes))
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError, match="expected classes"):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["coefs.0", "intercepts.2"])
def test_load_model_raises_on_non_finite_weights(content, path, name, value):
    array = load(content)[name]
    array.reshape(-1)[-1] = value
    forge(path, lambda description: None, {name: array})
    with pytest.raises(ModelFormatError, match="expected finite weights"):
        load_model(path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"coefs.0": np.zeros((64, 7), int)},
        {"coefs.0": np.zeros((64, 7), np.float32)},
        {"coefs.0": np.zeros((7, 64))},
        {"coefs.3": np.zeros((10, 1))},
        {"history.loss": np.zeros((4, 1))},
        {"history.loss": np.zeros(5)},
        {"validation_scores": np.array(1.0)},
    ],
)
def test_load_model_raises_on_forged_arrays(content, path, arrays):
    forge(path, lambda description: None, arrays)
    with pytest.raises(ModelFormatError):
        load_model(path)


# Interrupted writes


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_interrupted_write_keeps_only_the_existing_file(
    content, path, model, monkeypatch, function, error
):
    def interrupt(*arguments):
        raise error

    monkeypatch.setattr(os, function, interrupt)
    model.partial_fit(X_few, y_few)
    with pytest.raises(type(error)):
        save_model(model, path)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_error_for_missing_directory_contains_the_path(tmp_path, model):
    path = tmp_path / "none" / "model.safetensors"
    with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
        save_model(model, path)


def test_save_model_replaces_the_target_of_a_symbolic_link(content, path, model, tmp_path):
    link = tmp_path / "latest.safetensors"
    link.symlink_to(path)
    model.partial_fit(X_few, y_few)
    save_model(model, link)
    assert link.is_symlink()
    assert_same_model(load_model(path), model)


def test_directory_is_synced_after_the_rename(path, model, monkeypatch):
    synced, replaced = [], []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), len(replaced)))
        fsync(descriptor)

    def record_replace(source, target):
        replace(source, target)
        replaced.append(target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    save_model(model, path)
    assert synced == [(False, 0), (True, 1)]
