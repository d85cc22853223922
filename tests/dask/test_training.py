"""Training on dask arrays: the results of both modes, compared with those of MLPDigitClassifier."""

import pickle

import dask.array as da
import numpy as np
import pytest
import scipy.sparse
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skmlp import CheckpointError, GradientFeatures, MLPDigitClassifier, NonFiniteLossError
from skmlp.callbacks import Checkpoint, OnEpoch
from skmlp.dask import DaskMLPDigitClassifier
from skmlp.schedules import Cosine

SOLVERS = ("sgd", "adam", "adamw", "nadam", "rmsprop")
# Parameters, besides those of `make_parameters`, for which the exact mode must agree with MLPDigitClassifier.
AGREEING = {
    **{solver: {"solver": solver} for solver in SOLVERS},
    "lbfgs": {"solver": "lbfgs"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "tanh": {"activation": "tanh", "hidden_layer_sizes": (12, 8)},
    "alpha": {"alpha": 0.1},
    "label smoothing": {"label_smoothing": 0.2},
    "weight decay": {"weight_decay": 0.1},
    "max-norm": {"max_norm": 0.5},
    "clipping": {"clip_norm": 0.1},
    "averaged weights": {"ema_decay": 0.9},
    "adversarial": {"adversarial_norm": 0.1},
    "input scale": {"input_scale": 0.5},
    "image features": {
        "image_features": GradientFeatures((3, 4), include_pixels=True),
        "input_scale": 0.5,
    },
    "class weight": {"class_weight": {3: 5.0, 4: 0.0}},
    "balanced": {"class_weight": "balanced"},
    "cosine": {"learning_rate": "cosine"},
    "callable schedule": {"learning_rate": Cosine(0.02), "warmup_epochs": 1},
    "adaptive": {"learning_rate": "adaptive", "n_iter_no_change": 1, "tol": 1.0},
    "unshuffled": {"shuffle": False},
    "large batches": {"batch_size": 500},
    "early stopping": {"early_stopping": True, "max_iter": 8, "n_iter_no_change": 1, "tol": 0.05},
}
MODES = ("exact", "local")


def make_parameters(**changed):
    return {
        "hidden_layer_sizes": (16,),
        "learning_rate_init": 0.01,
        "batch_size": 50,
        "max_iter": 3,
        "n_iter_no_change": None,
        "random_state": 0,
    } | changed


def assert_same_model(model, expected, rtol):
    """Check that weights, biases, batch normalization and history agree."""
    for name in ("coefs_", "intercepts_"):
        for array, expected_array in zip(
            getattr(model, name), getattr(expected, name), strict=True
        ):
            assert_allclose(array, expected_array, rtol=rtol, atol=rtol)
    for name, arrays in (expected.batch_norm_ or {}).items():
        for array, expected_array in zip(model.batch_norm_[name], arrays, strict=True):
            assert_allclose(array, expected_array, rtol=rtol, atol=rtol)
    for name, column in expected.history_.items():
        if "seconds" not in name:
            assert_allclose(model.history_[name], column, rtol=10 * rtol, atol=rtol)


def assert_equal_models(model, expected):
    """Check that weights and history are bit-identical."""
    assert_same_model(model, expected, rtol=0)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("changed", AGREEING.values(), ids=AGREEING)
def test_exact_mode_agrees_with_training_in_one_process(changed, data):
    X, y = data.X.astype(float), data.y
    parameters = make_parameters(**changed)
    validation = {"X_val": X[:100], "y_val": y[:100]}
    expected = MLPDigitClassifier(**parameters).fit(X, y, **validation)
    model = DaskMLPDigitClassifier(mode="exact", **parameters)
    model.fit(
        data.divide(X),
        data.divide(y),
        X_val=da.from_array(X[:100], chunks=(30, -1)),
        y_val=da.from_array(y[:100], chunks=30),
    )
    assert_same_model(model, expected, rtol=1e-9)
    assert model.n_iter_ == expected.n_iter_


@pytest.mark.parametrize("mode", MODES)
def test_sample_weights(mode, data):
    X, y = data.X.astype(float), data.y
    weights = np.random.RandomState(0).uniform(0, 2, len(y))
    weights[50:100] = 0
    blocks = data.divide(X), data.divide(y), data.divide(weights)
    parameters = make_parameters(shuffle=False, batch_size=50)
    model = DaskMLPDigitClassifier(mode=mode, **parameters).fit(
        *blocks, X_val=blocks[0], y_val=blocks[1], sample_weight_val=blocks[2]
    )
    if mode == "exact":
        expected = MLPDigitClassifier(**parameters).fit(
            X, y, weights, X_val=X, y_val=y, sample_weight_val=weights
        )
        assert_same_model(model, expected, rtol=1e-9)
    # Samples of weight 0 have no influence.
    X_changed = X.copy()
    X_changed[50:100] = 7
    changed = DaskMLPDigitClassifier(mode=mode, **parameters).fit(
        data.divide(X_changed),
        *blocks[1:],
        X_val=blocks[0],
        y_val=blocks[1],
        sample_weight_val=blocks[2],
    )
    assert_equal_models(changed, model)


@pytest.mark.parametrize("mode", MODES)
def test_parts_and_blocks_of_weight_zero(mode, data):
    """Half of the samples, and all samples of a block, have the weight zero."""
    X, y = data.X.astype(float), data.y
    weights = np.arange(len(y)) % 2.0
    weights[200:380] = 0
    parameters = make_parameters(batch_size=10)
    model = DaskMLPDigitClassifier(mode=mode, **parameters)
    model.fit(
        data.divide(X),
        y,
        weights,
        X_val=data.divide(X),
        y_val=y,
        sample_weight_val=weights,
    )
    if mode == "exact":
        expected = MLPDigitClassifier(**parameters).fit(
            X, y, weights, X_val=X, y_val=y, sample_weight_val=weights
        )
        assert_same_model(model, expected, rtol=1e-9)
    assert model.score(data.divide(X), y, weights) == pytest.approx(
        model.history_["val_accuracy"][-1]
    )


@pytest.mark.parametrize(
    "y",
    [lambda y: y > 4, lambda y: np.array(["even", "odd"])[y % 2], lambda y: y[:, None] > [2, 5, 7]],
)
def test_binary_and_multilabel_targets(y, data):
    X, y = data.X.astype(float), y(data.y)
    if y.ndim == 2:
        y = y.astype(int)
    expected = MLPDigitClassifier(**make_parameters()).fit(X, y)
    for mode in MODES:
        model = DaskMLPDigitClassifier(mode=mode, **make_parameters())
        model.fit(data.divide(X), data.divide(y))
        if mode == "exact":
            assert_same_model(model, expected, rtol=1e-9)
        assert_array_equal(model.classes_, expected.classes_)
        assert_array_equal(model.predict(data.divide(X)).compute(), model.to_local().predict(X))


def test_sparse_blocks(data):
    X = scipy.sparse.csr_matrix(data.X.astype(float))
    blocks = data.divide(data.X.astype(float)).map_blocks(scipy.sparse.csr_matrix)
    expected = MLPDigitClassifier(**make_parameters()).fit(X, data.y)
    model = DaskMLPDigitClassifier(mode="exact", **make_parameters()).fit(
        blocks, data.divide(data.y)
    )
    assert_same_model(model, expected, rtol=1e-9)
    with pytest.raises(TypeError, match="X must be dense if adversarial_norm is set"):
        model.set_params(adversarial_norm=0.1).fit(blocks, data.divide(data.y))
    with pytest.raises(TypeError, match="X must be dense if image_features is set"):
        model.set_params(image_features="gradients").fit(blocks, data.divide(data.y))


def test_local_mode_averages_the_weights_of_the_blocks(data):
    parameters = make_parameters(solver="sgd", max_iter=1, shuffle=False, batch_size=30)
    X, y = data.X[:300].astype(float), data.y[:300]
    parts = [
        MLPDigitClassifier(**parameters).fit(X[rows], y[rows])
        for rows in (slice(200), slice(200, 300))
    ]
    model = DaskMLPDigitClassifier(mode="local", **parameters).fit(
        da.from_array(X, chunks=((200, 100), -1)), da.from_array(y, chunks=((200, 100),))
    )
    for layer, coef in enumerate(model.coefs_):
        expected = (2 * parts[0].coefs_[layer] + parts[1].coefs_[layer]) / 3
        assert_allclose(coef, expected, rtol=1e-10, atol=1e-12)
    assert model.loss_ == pytest.approx((2 * parts[0].loss_ + parts[1].loss_) / 3)


@pytest.mark.parametrize("local_steps", [None, 1, 2])
@pytest.mark.parametrize(
    "changed",
    [
        *({"solver": solver} for solver in SOLVERS),
        {"batch_norm": True},
        {"ema_decay": 0.9, "max_norm": 0.5, "clip_norm": 0.1},
        {"learning_rate": "cosine", "warmup_epochs": 1},
        {"adversarial_norm": 0.1, "label_smoothing": 0.1},
    ],
    ids=str,
)
def test_local_mode_on_equal_blocks_agrees_with_training_on_one_of_them(changed, local_steps, data):
    parameters = make_parameters(shuffle=False, **changed)
    X, y = data.X[:175].astype(float), data.y[:175]  # the last batch is smaller
    expected = MLPDigitClassifier(**parameters).fit(X, y)
    model = DaskMLPDigitClassifier(mode="local", local_steps=local_steps, **parameters).fit(
        da.from_array(np.vstack([X, X]), chunks=(175, -1)),
        da.from_array(np.hstack([y, y]), chunks=175),
    )
    assert_same_model(model, expected, rtol=1e-9)


@pytest.mark.parametrize("local_steps", [1, 3, None])
def test_each_sample_is_used_once_per_epoch(local_steps, data):
    """With a learning rate of almost zero, the loss of an epoch is the mean loss of all samples."""
    parameters = make_parameters(solver="sgd", learning_rate_init=1e-12, max_iter=2, alpha=0)
    expected = MLPDigitClassifier(**parameters).fit(data.X.astype(float), data.y)
    model = DaskMLPDigitClassifier(mode="local", local_steps=local_steps, **parameters)
    model.fit(data.divide(data.X.astype(float)), data.divide(data.y))
    assert_allclose(model.loss_curve_, expected.loss_curve_, rtol=1e-9)
    assert model.t_ == expected.t_ == 1000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "changed",
    [
        {"dropout": 0.3, "input_dropout": 0.1},
        {"augmentation": "digits"},
        {"augmentation": "digits", "image_features": GradientFeatures((3, 4), include_pixels=True)},
        {"dropout": 0.3, "augmentation": "digits", "ema_decay": 0.9, "solver": "nadam"},
    ],
    ids=str,
)
def test_results_are_reproducible_and_can_be_resumed(mode, changed, data, tmp_path):
    blocks = data.divide(), data.divide(data.y)
    parameters = make_parameters(**changed, max_iter=4)
    complete = DaskMLPDigitClassifier(mode=mode, **parameters).fit(*blocks)
    again = DaskMLPDigitClassifier(mode=mode, **parameters).fit(*blocks)
    assert_equal_models(again, complete)

    other = DaskMLPDigitClassifier(mode=mode, **parameters | {"random_state": 1}).fit(*blocks)
    assert other.loss_ != complete.loss_

    steps = DaskMLPDigitClassifier(mode=mode, **parameters)
    for _ in range(4):
        steps.partial_fit(*blocks, classes=range(10))
    assert_equal_models(steps, complete)

    path = tmp_path / "checkpoint.safetensors"
    stopped = DaskMLPDigitClassifier(mode=mode, **parameters)
    stopped.set_callbacks(
        Checkpoint(path), OnEpoch(lambda epoch, _: fail() if epoch == 2 else None)
    )
    with pytest.raises(InterruptedError):
        stopped.fit(*blocks)
    resumed = DaskMLPDigitClassifier.resume(path, *blocks)
    assert_equal_models(resumed, complete)
    assert resumed.get_params() == complete.get_params()

    with pytest.raises(CheckpointError, match="got different features, labels"):
        DaskMLPDigitClassifier.resume(path, blocks[0] * 2, blocks[1])
    with pytest.raises(CheckpointError, match="divided into the same blocks"):
        DaskMLPDigitClassifier.resume(path, blocks[0].rechunk((250, -1)), blocks[1])
    with pytest.raises(CheckpointError, match="expected a checkpoint of MLPDigitClassifier, got"):
        MLPDigitClassifier.resume(path, data.X, data.y)


def fail():
    raise InterruptedError


@pytest.mark.parametrize("mode", MODES)
def test_random_numbers_differ_between_blocks(mode, data):
    """With equal blocks and equal dropout masks, the loss of a step would be that of one block."""
    X, y = data.X[:180].astype(float), data.y[:180]
    losses = []
    for n in (1, 2):
        batch_size = 180 * n if mode == "exact" else 180
        parameters = make_parameters(shuffle=False, dropout=0.5, max_iter=1, batch_size=batch_size)
        blocks = da.from_array(np.vstack([X] * n), chunks=(180, -1))
        model = DaskMLPDigitClassifier(mode=mode, **parameters)
        losses.append(model.fit(blocks, np.hstack([y] * n)).loss_)
    assert losses[0] != pytest.approx(losses[1], rel=1e-5)


def test_orders_differ_between_blocks(data):
    """With equal blocks in the same order, the average would be the network of one block."""
    X, y = data.X[:180], data.y[:180]
    one, two = (
        DaskMLPDigitClassifier(**make_parameters(max_iter=1)).fit(
            da.from_array(np.vstack([X] * n), chunks=(180, -1)), np.hstack([y] * n)
        )
        for n in (1, 2)
    )
    assert abs(one.coefs_[0] - two.coefs_[0]).max() > 1e-4


@pytest.mark.parametrize("mode", MODES)
def test_warm_start_continues(mode, data):
    blocks = data.divide(), data.divide(data.y)
    once = DaskMLPDigitClassifier(mode=mode, **make_parameters(max_iter=4)).fit(*blocks)
    twice = DaskMLPDigitClassifier(mode=mode, warm_start=True, **make_parameters(max_iter=2))
    twice.fit(*blocks).fit(*blocks)
    assert_equal_models(twice, once)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("mode", MODES)
def test_features_of_images_are_those_of_one_process(mode, dtype, data):
    """The network is that of features that were computed before."""
    X = np.rint(data.X * 16).astype(dtype)
    features, scale = GradientFeatures((3, 4), include_pixels=True), 1 / 16
    F = features((X * np.float32(scale)).astype(np.result_type(dtype, "f")).reshape(-1, 8, 8))
    parameters = make_parameters(class_weight="balanced")
    model = DaskMLPDigitClassifier(
        mode=mode, image_features=features, input_scale=scale, **parameters
    ).fit(data.divide(X), data.divide(data.y), X_val=data.divide(X), y_val=data.divide(data.y))
    expected = DaskMLPDigitClassifier(mode=mode, **parameters).fit(
        data.divide(F), data.divide(data.y), X_val=data.divide(F), y_val=data.divide(data.y)
    )
    assert_equal_models(model, expected)
    assert model.n_features_in_ == 64
    for method in ("predict", "predict_proba", "predict_log_proba"):
        predicted = getattr(model, method)(data.divide(X)).compute()
        assert_allclose(predicted, getattr(model.to_local(), method)(X), rtol=1e-5)
        assert_allclose(predicted, getattr(expected, method)(F), rtol=1e-5)
    assert model.score(data.divide(X), data.divide(data.y)) == expected.score(F, data.y)


def test_unknown_sizes_of_blocks(data):
    X, y = data.divide(), data.divide(data.y)
    unknown = X[X.sum(axis=1) >= 0]
    assert np.isnan(unknown.shape[0])
    expected = DaskMLPDigitClassifier(**make_parameters()).fit(X, y)
    model = DaskMLPDigitClassifier(**make_parameters()).fit(unknown, y[y >= 0])
    assert_equal_models(model, expected)
    # Labels that are divided differently, for which the samples of the blocks are counted.
    for labels in (data.y, da.from_array(data.y, chunks=77)[y >= 0]):
        model = DaskMLPDigitClassifier(**make_parameters()).fit(unknown, labels)
        assert_equal_models(model, expected)
    assert_array_equal(model.predict(unknown).compute(), expected.predict(X).compute())


def test_labels_that_are_divided_differently_or_not_at_all(data):
    expected = DaskMLPDigitClassifier(**make_parameters()).fit(data.divide(), data.divide(data.y))
    for y in (data.y, data.y.tolist(), da.from_array(data.y, chunks=77)):
        model = DaskMLPDigitClassifier(**make_parameters()).fit(data.divide(), y)
        assert_equal_models(model, expected)


def test_kernels_of_numba(data):
    pytest.importorskip("numba")
    from distributed import Client

    from skmlp import set_kernels

    expected = DaskMLPDigitClassifier(**make_parameters()).fit(data.divide(), data.y)
    set_kernels("numba")
    try:
        model = DaskMLPDigitClassifier(**make_parameters()).fit(data.divide(), data.y)
        with Client(processes=False, n_workers=2, threads_per_worker=1, dashboard_address=":0"):
            same = DaskMLPDigitClassifier(**make_parameters()).fit(data.divide(), data.y)
    finally:
        set_kernels(None)
    assert model._state.kernels == "numba"
    assert_same_model(model, expected, rtol=1e-3)
    assert_equal_models(same, model)


def test_many_blocks_are_combined_in_groups(data):
    X, y = data.X[:400].astype(float), data.y[:400]
    blocks = da.from_array(X, chunks=(20, -1))
    expected = MLPDigitClassifier(**make_parameters(batch_size=100)).fit(X, y)
    model = DaskMLPDigitClassifier(mode="exact", **make_parameters(batch_size=100)).fit(blocks, y)
    assert_same_model(model, expected, rtol=1e-9)
    # Equal blocks: the average is the state of each of them.
    parameters = make_parameters(shuffle=False)
    expected = MLPDigitClassifier(**parameters).fit(X[:100], y[:100])
    blocks = da.from_array(np.vstack([X[:100]] * 20), chunks=(100, -1))
    model = DaskMLPDigitClassifier(**parameters).fit(blocks, np.hstack([y[:100]] * 20))
    assert_same_model(model, expected, rtol=1e-9)


def test_divergence_names_the_epoch(data):
    parameters = make_parameters(solver="sgd", learning_rate_init=1e30)
    for mode in MODES:
        model = DaskMLPDigitClassifier(mode=mode, **parameters)
        with pytest.raises(NonFiniteLossError, match="epoch 1, batch"):
            model.fit(data.divide(), data.y)
        assert all(np.isfinite(coef).all() for coef in model.coefs_)


def test_early_stopping_keeps_the_best_epoch(data):
    """A learning rate that jumps in the third epoch makes the network worse."""
    parameters = make_parameters(
        early_stopping=True,
        max_iter=4,
        learning_rate=lambda position: 0.01 if position.epoch < 2 else 5.0,
    )
    for mode in MODES:
        model = DaskMLPDigitClassifier(mode=mode, **parameters).fit(
            data.divide(), data.y, X_val=data.divide(), y_val=data.y
        )
        assert model.best_validation_score_ == model.validation_scores_[1]
        assert model.score(data.divide(), data.y) == pytest.approx(model.validation_scores_[1])


def test_times_of_the_epochs_add_up(data):
    model = DaskMLPDigitClassifier(**make_parameters()).fit(data.divide(), data.y)
    history = model.history_
    parts = [history[f"{name}_seconds"] for name in ("compute", "transfer", "scheduler")]
    assert np.all(np.array(parts) >= 0)
    assert_allclose(np.sum(parts, axis=0), history["seconds"])
    assert min(history["compute_seconds"]) > 0


def test_interface_of_an_estimator(data):
    model = DaskMLPDigitClassifier((16,), "tanh", mode="exact", max_iter=2, random_state=0)
    assert set(model.get_params()) == {
        *MLPDigitClassifier().get_params(),
        *("client", "mode", "local_steps", "timeout"),
    }
    assert repr(clone(model)) == repr(model)
    assert "mode='exact'" in repr(model)
    client = object()
    assert clone(model.set_params(client=client)).client is client
    assert pickle.loads(pickle.dumps(model)).client is None
    with pytest.raises(TypeError, match="unexpected keyword argument 'hidden'"):
        DaskMLPDigitClassifier(hidden=3)


def test_to_local_continues_training(data):
    model = DaskMLPDigitClassifier(mode="exact", **make_parameters(max_iter=2)).fit(
        data.divide(), data.y
    )
    local = model.to_local()
    assert type(local) is MLPDigitClassifier
    assert local.history_ == model.history_
    local.partial_fit(data.X, data.y)
    expected = MLPDigitClassifier(**make_parameters(max_iter=3)).fit(data.X, data.y)
    assert_same_model(local, expected, rtol=1e-4)
    assert model.n_iter_ == 2


@pytest.mark.parametrize("fitted_class", [MLPDigitClassifier, DaskMLPDigitClassifier])
@pytest.mark.parametrize("method", ["predict", "predict_proba", "predict_log_proba"])
def test_prediction_is_lazy(fitted_class, method, data):
    n_calls = []

    def count(block):
        n_calls.append(len(block))
        return block

    local = MLPDigitClassifier(**make_parameters()).fit(data.X, data.y)
    model = local
    if fitted_class is DaskMLPDigitClassifier:
        model = DaskMLPDigitClassifier(**make_parameters()).fit(data.divide(), data.y)
        local = model.to_local()
    X = data.divide().map_blocks(count, dtype=np.float32, meta=np.empty((0, 0), np.float32))
    predicted = getattr(model, method)(X)
    expected = getattr(local, method)(data.X)
    assert isinstance(predicted, da.Array)
    assert n_calls == []
    assert (predicted.shape, predicted.dtype) == (expected.shape, expected.dtype)
    model.partial_fit(X, data.y) if fitted_class is DaskMLPDigitClassifier else model.partial_fit(
        data.X, data.y
    )
    # The classifier as it was when the prediction was requested.
    assert_allclose(predicted.compute(), expected, rtol=1e-5)
    # Predictions of two classifiers, and of two inputs, in the same graph.
    other = getattr(model, method)(data.divide())
    joined = da.concatenate([predicted, other, getattr(model, method)(data.divide(data.X[::-1]))])
    new = getattr(model, method)(data.X)
    assert_allclose(joined.compute(), np.concatenate([expected, new, new[::-1]]), rtol=1e-5)
    assert str(other.name).startswith(method.replace("_", "-"))
    assert_array_equal(model.predict(data.X[:0:-1]), model.predict(data.X)[:0:-1])
    assert model.score(data.divide(), data.divide(data.y)) == model.score(data.X, data.y)
