"""Training options that scikit-learn does not have: regularization, class weights, averaging and early stopping."""

import numpy as np
import pytest
from helpers import assert_same_model, get_arrays, make_classifier_factory
from scipy.sparse import csc_matrix, csr_matrix
from sklearn.datasets import load_digits, make_multilabel_classification
from sklearn.utils.class_weight import compute_class_weight, compute_sample_weight

from skmlp.engine.batches import Batches
from skmlp.engine.initialization import INITIALIZERS
from skmlp.engine.reference.activations import ACTIVATIONS

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

FIRST_ORDER = ["sgd", "adam", "adamw", "nadam", "rmsprop"]
DTYPES = [np.float32, np.float64]
# Parameters of each option.
OPTIONS = {
    "dropout": {"dropout": [0.3, 0.1]},
    "input dropout": {"input_dropout": 0.2},
    "batch norm": {"batch_norm": True},
    "label smoothing": {"label_smoothing": 0.1},
    "weight decay": {"weight_decay": 0.1},
    "max norm": {"max_norm": 1.0},
    "clip norm": {"clip_norm": 0.1},
    "class weight": {"class_weight": {1: 3.0, 8: 0.2}},
    "balanced": {"class_weight": "balanced"},
    "averaged weights": {"ema_decay": 0.9},
    "activations": {"activation": ["silu", "selu"]},
    "orthogonal": {"weight_init": "orthogonal"},
    "one cycle": {"learning_rate": "one_cycle", "warmup_epochs": 1},
}
every_option = pytest.mark.parametrize("option", OPTIONS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_solver = pytest.mark.parametrize("solver", FIRST_ORDER)


make = make_classifier_factory(
    hidden_layer_sizes=(16, 12), max_iter=8, batch_size=64, learning_rate_init=0.01
)


# All options


@every_option
@every_solver
def test_option_trains_and_changes_the_result(digits, option, solver):
    X, y = digits
    params = {"solver": solver, "max_iter": 40, "tol": 0, "n_iter_no_change": 40}
    # RMSprop has no bias correction: its first steps are about thirty times longer.
    params |= {"learning_rate_init": {"sgd": 0.1, "rmsprop": 0.001}.get(solver, 0.01)}
    estimator = make(**params, **OPTIONS[option]).fit(X, y)
    assert estimator.score(X, y) > 0.9
    assert not np.array_equal(estimator.coefs_[0], make(**params).fit(X, y).coefs_[0])


@every_option
@every_dtype
def test_option_preserves_dtype_and_is_reproducible(digits, option, dtype):
    X, y = digits
    X = X.astype(dtype)
    first, second = (make(**OPTIONS[option]).fit(X, y) for _ in range(2))
    assert {array.dtype for array in get_arrays(first)} == {np.dtype(dtype)}
    assert first.predict_proba(X).dtype == dtype
    assert_same_model(first, second)
    assert first.loss_curve_ == second.loss_curve_


@every_option
@pytest.mark.parametrize("container", [csr_matrix, csc_matrix])
def test_option_gives_the_same_model_for_sparse_and_dense_samples(digits, option, container):
    X, y = digits
    dense = make(**OPTIONS[option]).fit(X, y)
    sparse = make(**OPTIONS[option]).fit(container(X), y)
    np.testing.assert_allclose(
        sparse.predict_proba(container(X)), sparse.predict_proba(X), rtol=1e-9
    )
    if option == "input dropout":  # no masks are drawn for the zeros of sparse samples
        assert sparse.score(X, y) > 0.5
    else:
        assert_same_model(sparse, dense, rtol=1e-6, atol=1e-8)


@every_option
@pytest.mark.parametrize("hidden", [(), (7,)], ids=str)
def test_option_supports_zero_and_one_hidden_layers(digits, option, hidden):
    X, y = digits
    params = dict(OPTIONS[option])
    for name in ("dropout", "activation"):
        if isinstance(params.get(name), list):
            params[name] = params[name][: len(hidden)]
    estimator = make(hidden_layer_sizes=hidden, **params).fit(X, y)
    assert np.isfinite(estimator.predict_proba(X)).all()
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]


@every_option
@pytest.mark.parametrize("target_type", ["binary", "multilabel"])
def test_option_supports_binary_and_multilabel_targets(digits, option, target_type):
    X, y = digits
    params = dict(OPTIONS[option])
    if target_type == "multilabel":
        X, y = make_multilabel_classification(200, n_classes=4, random_state=0)
        X = X / 10
        if option == "class weight":
            pytest.skip("a dict is not supported for multilabel targets")
    else:
        y = (y > 4).astype(int)
        if option == "class weight":
            params = {"class_weight": {0: 2.0}}
    estimator = make(**params).fit(X, y)
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]
    assert estimator.predict(X).shape == y.shape


@every_option
def test_option_supports_early_stopping(digits, option):
    X, y = digits
    estimator = make(early_stopping=True, max_iter=15, **OPTIONS[option]).fit(X, y)
    assert len(estimator.validation_scores_) == estimator.n_iter_
    assert estimator.best_validation_score_ == max(estimator.validation_scores_)
    on_X_val = make(early_stopping=True, max_iter=15, **OPTIONS[option])
    on_X_val.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    if option not in ("class weight", "balanced"):
        assert on_X_val.score(X[200:], y[200:]) == pytest.approx(on_X_val.best_validation_score_)


# Dropout


@pytest.mark.parametrize("rates", [{"dropout": 0.4}, {"input_dropout": 0.1}], ids=str)
def test_dropout_does_not_change_shuffling(digits, rates, monkeypatch):
    orders = []
    in_order = Batches.in_order

    def record_order(self, order, augment=None):
        orders.append(order.copy())
        return in_order(self, order, augment)

    monkeypatch.setattr(Batches, "in_order", record_order)
    plain, dropped = make(), make(**rates)
    plain.fit(*digits)
    expected, orders = orders, []
    dropped.fit(*digits)
    assert len(orders) == len(expected) == 8
    np.testing.assert_array_equal(orders, expected)
    assert not np.array_equal(dropped.coefs_[0], plain.coefs_[0])


def test_zero_dropout_does_not_change_training(digits):
    X, y = digits
    plain = make().fit(X, y)
    for zero in (0, 0.0, [0, 0], (0.0, 0.0)):
        assert_same_model(make(dropout=zero, input_dropout=0).fit(X, y), plain)


def test_scalar_dropout_applies_to_all_layers(digits):
    X, y = digits
    assert_same_model(make(dropout=0.3).fit(X, y), make(dropout=[0.3, 0.3]).fit(X, y))
    assert not np.array_equal(
        make(dropout=[0.3, 0]).fit(X, y).coefs_[0], make(dropout=[0, 0.3]).fit(X, y).coefs_[0]
    )


def test_prediction_and_validation_do_not_use_dropout(digits):
    X, y = digits
    estimator = make(dropout=0.5, input_dropout=0.5).fit(X, y, X_val=X, y_val=y)
    np.testing.assert_array_equal(estimator.predict_proba(X), estimator.predict_proba(X))
    assert estimator.history_["val_accuracy"][-1] == estimator.score(X, y)


@pytest.mark.parametrize("rate", [1e-9, 0.999, 0.9999999])
def test_extreme_dropout_rates_give_finite_losses(digits, rate):
    X, y = digits
    estimator = make(dropout=rate, max_iter=2).fit(X, y)
    assert np.isfinite(estimator.loss_curve_).all()


# Batch normalization and hidden activations


def compute_forward_pass(estimator, X, formulas):
    """Return the activations of the hidden layers and the logits, computed explicitly."""
    hidden, a = [], X
    for i, formula in enumerate(formulas):
        z = a @ estimator.coefs_[i] + estimator.intercepts_[i]
        if estimator.batch_norm_:
            norm = {name: arrays[i] for name, arrays in estimator.batch_norm_.items()}
            z = (z - norm["mean"]) / np.sqrt(norm["variance"] + 1e-5)
            z = norm["gain"] * z + norm["shift"]
        a = formula(z)
        hidden.append(a)
    return hidden, a @ estimator.coefs_[-1] + estimator.intercepts_[-1]


MIXED = {
    "activation": ["tanh", "leaky_relu", "silu"],
    "formulas": [np.tanh, lambda z: np.where(z > 0, z, 0.01 * z), lambda z: z / (1 + np.exp(-z))],
}


@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@pytest.mark.parametrize("container", [np.asarray, csr_matrix])
@pytest.mark.parametrize("dropout", [0, 0.2])
def test_hidden_activations_and_predictions_match_explicit_forward_pass(
    digits, batch_norm, container, dropout
):
    X, y = digits
    estimator = make(
        hidden_layer_sizes=(9, 7, 5),
        activation=MIXED["activation"],
        batch_norm=batch_norm,
        dropout=dropout,
    ).fit(container(X), y)
    hidden, logits = compute_forward_pass(estimator, X, MIXED["formulas"])
    for layer in range(3):
        for number in (layer, layer - 3):
            activations = estimator.hidden_activations(container(X), number)
            np.testing.assert_allclose(activations, hidden[layer], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(
        estimator.hidden_activations(container(X)), estimator.hidden_activations(container(X), 2)
    )
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(estimator.predict_proba(container(X)), expected, rtol=1e-9)


@pytest.mark.parametrize("n_samples", [1, 1024, 1025])
@every_dtype
def test_hidden_activations_have_the_right_shape_and_dtype(n_samples, dtype):
    X, y = load_digits(return_X_y=True)
    estimator = make(max_iter=2, batch_norm=True).fit(X.astype(dtype), y)
    activations = estimator.hidden_activations(X[:n_samples], 0)
    assert activations.shape == (n_samples, 16)
    assert activations.dtype == dtype


@pytest.mark.parametrize(("hidden", "layer"), [((9, 7), 2), ((9, 7), -3), ((), -1), ((), 0)])
def test_hidden_activations_raises_on_invalid_layer(digits, hidden, layer):
    estimator = make(hidden_layer_sizes=hidden, max_iter=1).fit(*digits)
    with pytest.raises(ValueError, match=r"layer must be the index of a hidden layer.* got"):
        estimator.hidden_activations(digits[0], layer)


def test_batch_norm_attribute_is_none_without_batch_norm(digits):
    assert make(max_iter=1).fit(*digits).batch_norm_ is None


def test_running_statistics_converge_to_those_of_the_samples(digits):
    X, y = digits
    # With this learning rate, the weights stay constant, and the statistics converge to those of the only batch.
    estimator = make(
        batch_norm=True, learning_rate_init=1e-300, batch_size=300, max_iter=150, tol=0, alpha=0
    )
    estimator.set_params(n_iter_no_change=np.inf).fit(X, y)
    z = X @ estimator.coefs_[0] + estimator.intercepts_[0]
    np.testing.assert_allclose(estimator.batch_norm_["mean"][0], z.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(
        estimator.batch_norm_["variance"][0], z.var(axis=0), rtol=1e-5, atol=1e-6
    )


def test_running_statistics_ignore_samples_of_zero_weight(digits):
    X, y = digits
    X_more, y_more = np.vstack([X, X[:50] * 100]), np.append(y, y[:50])
    weights = np.append(np.ones(300), np.zeros(50))
    params = {"batch_norm": True, "shuffle": False, "batch_size": 350, "tol": 0}
    weighted = make(**params).fit(X_more, y_more, weights)
    params["batch_size"] = 300
    assert_same_model(weighted, make(**params).fit(X, y), rtol=1e-6, atol=1e-9)


# Averaged weights


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_prediction_uses_averaged_weights(digits, solver, batch_norm):
    X, y = digits
    # With one step per epoch, partial_fit exposes the weights after each step.
    params = {"solver": solver, "batch_size": 300, "batch_norm": batch_norm}
    plain, averaged = make(**params), make(**params, ema_decay=0.6)
    initial = make(**params, learning_rate_init=1e-300, alpha=0)
    initial = initial.partial_fit(X, y, classes=np.arange(10))
    averages = [array.copy() for array in get_arrays(initial)]
    if batch_norm:
        for i in range(2):
            averages[-4 + i][...] = 0  # means
            averages[-2 + i][...] = 1  # variances
    for t in range(1, 26):
        plain.partial_fit(X, y, classes=np.arange(10))
        averaged.partial_fit(X, y, classes=np.arange(10))
        decay = min(0.6, t / (t + 9))
        for average, value, actual in zip(
            averages, get_arrays(plain), get_arrays(averaged), strict=True
        ):
            average[...] = decay * average + (1 - decay) * value
            np.testing.assert_allclose(actual, average, rtol=1e-8, atol=1e-12)
    assert averaged.loss_curve_ == plain.loss_curve_


def test_validation_uses_averaged_weights(digits):
    X, y = digits
    estimator = make(ema_decay=0.95, batch_norm=True, learning_rate_init=0.05)
    estimator.fit(X, y, X_val=X, y_val=y)
    assert estimator.history_["val_accuracy"][-1] == estimator.score(X, y)
    rows = np.arange(300)
    loss = -estimator.predict_log_proba(X)[rows, y].mean()
    assert estimator.history_["val_loss"][-1] == pytest.approx(loss, rel=1e-9)


def test_validation_does_not_change_training_with_averaged_weights(digits):
    X, y = digits
    params = {"ema_decay": 0.9, "batch_norm": True, "dropout": 0.1}
    validated = make(**params).fit(X, y, X_val=X[:50], y_val=y[:50])
    assert_same_model(validated, make(**params).fit(X, y))


# Norms and weight decay


@every_solver
def test_max_norm_applies_to_hidden_units_only(digits, solver):
    X, y = digits
    params = {"solver": solver, "max_norm": 0.7, "learning_rate_init": 0.05}
    estimator = make(**params, max_iter=20).fit(X, y)
    for coef in estimator.coefs_[:-1]:
        assert np.linalg.norm(coef, axis=0).max() <= 0.7 * (1 + 1e-12)
    assert np.linalg.norm(estimator.coefs_[-1], axis=0).max() > 0.7


def test_adamw_is_adam_with_weight_decay(digits):
    X, y = digits
    assert_same_model(
        make(solver="adamw").fit(X, y), make(solver="adam", weight_decay=0.01).fit(X, y)
    )
    assert_same_model(make(solver="adamw", weight_decay=0).fit(X, y), make(solver="adam").fit(X, y))


def test_weight_decay_shrinks_weights_by_the_learning_rate(digits):
    X, y = digits
    params = {"solver": "sgd", "momentum": 0, "alpha": 0, "batch_size": 300, "shuffle": False}
    params |= {"learning_rate_init": 0.1}
    plain, decayed = make(**params, max_iter=1), make(**params, weight_decay=0.5, max_iter=1)
    start = make(**params | {"learning_rate_init": 1e-300}, max_iter=1).fit(X, y)
    plain.fit(X, y)
    decayed.fit(X, y)
    for coef, without, initial in zip(decayed.coefs_, plain.coefs_, start.coefs_, strict=True):
        np.testing.assert_allclose(coef, without - 0.05 * initial, rtol=1e-10, atol=1e-14)
    for intercept, without in zip(decayed.intercepts_, plain.intercepts_, strict=True):
        np.testing.assert_array_equal(intercept, without)


def test_clip_norm_limits_the_step(digits):
    X, y = digits
    params = {"solver": "sgd", "momentum": 0, "batch_size": 300, "learning_rate_init": 0.1}
    start = make(**params | {"learning_rate_init": 1e-300}, max_iter=1).fit(X, y)
    clipped = make(**params, clip_norm=0.01, max_iter=1).fit(X, y)
    pairs = zip(get_arrays(clipped), get_arrays(start), strict=True)
    assert np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs)) == pytest.approx(0.001, rel=1e-9)


# Label smoothing


def test_label_smoothing_applies_to_the_training_loss_only(digits):
    X, y = digits
    params = {"learning_rate_init": 1e-300, "alpha": 0, "batch_size": 300, "max_iter": 1}
    estimator = make(label_smoothing=0.2, **params).fit(X, y, X_val=X, y_val=y)
    logarithms = estimator.predict_log_proba(X)
    loss = -logarithms[np.arange(300), y].mean()
    assert estimator.loss_ == pytest.approx(0.8 * loss - 0.2 * logarithms.mean(), rel=1e-9)
    assert estimator.history_["val_loss"] == [pytest.approx(loss, rel=1e-9)]


# Class weights


@pytest.mark.parametrize("names", [np.arange(10), np.array(list("abcdefghij"))], ids=["int", "str"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_class_weights_multiply_sample_weights(digits, names, weighted, solver):
    X, y = digits
    sample_weight = np.random.default_rng(0).uniform(0.1, 2, 300) if weighted else np.ones(300)
    class_weight = {names[1]: 3.0, names[8]: 0.25, names[5]: 0}
    factors = np.array([class_weight.get(label, 1.0) for label in names[y]])
    expected = make(solver=solver).fit(X, names[y], sample_weight * factors)
    estimator = make(solver=solver, class_weight=class_weight)
    estimator.fit(X, names[y], sample_weight if weighted else None)
    assert_same_model(estimator, expected)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_balanced_class_weights_match_scikit_learn(digits, weighted, n_classes):
    X, y = digits
    y = np.minimum(y, n_classes - 1)
    weights = np.random.default_rng(0).uniform(0.1, 2, 300) if weighted else None
    classes = np.unique(y)
    factors = compute_class_weight("balanced", classes=classes, y=y, sample_weight=weights)[y]
    expected = make().fit(X, y, factors * (1 if weights is None else weights))
    assert_same_model(make(class_weight="balanced").fit(X, y, weights), expected, atol=1e-9)


def test_balanced_class_weights_of_multilabel_targets_match_scikit_learn():
    X, y = make_multilabel_classification(200, n_classes=4, random_state=0)
    expected = make().fit(X, y, compute_sample_weight("balanced", y))
    assert_same_model(make(class_weight="balanced").fit(X, y), expected)


@pytest.mark.parametrize(
    "class_weight", [{10: 2.0}, {"three": 2.0}, {3: -1.0}, {3: np.nan}], ids=str
)
def test_invalid_class_weights_raise(digits, class_weight):
    with pytest.raises(ValueError, match=r"(keys|weights) of class_weight must be .*, got"):
        make(class_weight=class_weight).fit(*digits)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_zero_products_of_class_and_sample_weights_raise(digits, method):
    X, y = digits
    classes = {"classes": np.arange(10)} if method == "partial_fit" else {}
    estimator = make(class_weight={3: 0})
    with pytest.raises(ValueError, match="weight"):
        getattr(estimator, method)(X, y, (y == 3).astype(float), **classes)


def test_zero_validation_weights_raise(digits):
    X, y = digits
    with pytest.raises(ValueError, match="weight"):
        make(class_weight={3: 0}).fit(X, y, X_val=X[y == 3], y_val=y[y == 3])


def test_infinite_class_weight_raises(digits):
    with pytest.raises(ValueError, match=r"(keys|weights) of class_weight must be .*, got"):
        make(class_weight={3: np.inf}).fit(*digits)


def test_dict_of_class_weights_raises_for_multilabel_targets():
    X, y = make_multilabel_classification(200, n_classes=4, random_state=0)
    with pytest.raises(ValueError, match="multilabel"):
        make(class_weight={0: 2.0}).fit(X, y)


def test_class_weights_may_include_classes_missing_in_the_data(digits):
    X, y = digits
    estimator = make(class_weight={3: 2.0})
    estimator.partial_fit(X, y, classes=np.arange(10)).partial_fit(X[y != 3], y[y != 3])
    validated = make(class_weight={3: 2.0}).fit(X, y, X_val=X[y > 5], y_val=y[y > 5])
    assert len(validated.history_["val_loss"]) == 8
    first = make(class_weight={3: 2.0})
    first.partial_fit(X[y != 3], y[y != 3], classes=np.arange(10))


# Initial weights and activations


@pytest.mark.parametrize("weight_init", list(INITIALIZERS))
@pytest.mark.parametrize("hidden", [(), (16, 12)], ids=str)
def test_weight_init_determines_the_distribution(digits, weight_init, hidden):
    params = {"learning_rate_init": 1e-300, "alpha": 0, "max_iter": 1, "tol": 0}
    estimator = make(hidden_layer_sizes=hidden, weight_init=weight_init, **params).fit(*digits)
    for coef, intercept in zip(estimator.coefs_, estimator.intercepts_, strict=True):
        fan_in, fan_out = coef.shape
        variance = 2 / fan_in if weight_init.startswith("he") else 2 / (fan_in + fan_out)
        if weight_init == "orthogonal":
            np.testing.assert_allclose(coef.T @ coef, np.eye(fan_out), atol=1e-10)
        else:
            assert coef.var() == pytest.approx(variance, rel=0.35)
        np.testing.assert_allclose(intercept, 0, atol=1e-290)


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_activation_name_applies_to_all_layers(digits, activation):
    X, y = digits
    expected = make(activation=activation).fit(X, y)
    assert_same_model(expected, make(activation=[activation, activation]).fit(X, y))
    assert_same_model(expected, make(activation=(activation, activation)).fit(X, y))


# Early stopping


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
@pytest.mark.parametrize(
    "extra", [{}, {"ema_decay": 0.8, "batch_norm": True}], ids=["plain", "averaged weights"]
)
@every_dtype
def test_early_stopping_stops_and_restores_the_best_weights(digits, monitor, extra, dtype):
    X, y = digits
    X = X.astype(dtype)
    params = {"early_stopping": True, "monitor": monitor, "n_iter_no_change": 4, "max_iter": 200}
    estimator = make(learning_rate_init=0.1, **params, **extra)
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert estimator.n_iter_ < 200
    assert estimator.best_loss_ is None
    history = estimator.history_
    scores = history["val_accuracy"] if monitor == "accuracy" else -np.array(history["val_loss"])
    assert list(scores) == estimator.validation_scores_
    assert estimator.best_validation_score_ == max(scores) > scores[-1]
    loss = -estimator.predict_log_proba(X[200:])[np.arange(100), y[200:]].mean()
    score = estimator.score(X[200:], y[200:]) if monitor == "accuracy" else -loss
    rel = 1e-4 if dtype == np.float32 else 1e-9
    assert score == pytest.approx(estimator.best_validation_score_, rel=rel)


def test_monitor_may_change_between_warm_starts(digits):
    X, y = digits
    estimator = make(early_stopping=True, warm_start=True, n_iter_no_change=50)
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    estimator.set_params(monitor="loss")
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    # A loss cannot be compared with an accuracy: the best score is now the negative loss.
    best = -min(estimator.history_["val_loss"][-8:])
    assert estimator.best_validation_score_ == pytest.approx(best)


# Invalid parameters


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": 0.1},
        {"dropout": [0.1, 0.0]},
        {"input_dropout": 0.1},
        {"batch_norm": True},
        {"weight_decay": 0.1},
        {"max_norm": 1.0},
        {"clip_norm": 1.0},
        {"warmup_epochs": 1},
        {"ema_decay": 0.9},
    ],
    ids=str,
)
def test_lbfgs_raises_on_unsupported_parameters(digits, params):
    (name,) = params
    with pytest.raises(ValueError, match=rf"^{name} must be .*lbfgs"):
        make(solver="lbfgs", **params).fit(*digits)


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": [0.0, 0.0]},
        {"label_smoothing": 0.1},
        {"activation": ["gelu", "tanh"]},
        {"weight_init": "he_normal"},
    ],
)
def test_lbfgs_supports_other_parameters(digits, params):
    estimator = make(solver="lbfgs", max_iter=60, **params).fit(*digits)
    assert estimator.score(*digits) > 0.95


@pytest.mark.parametrize(
    "params",
    [
        {"dropout": [0.1]},
        {"dropout": (0.1, 0.1, 0.1)},
        {"dropout": []},
        {"activation": ["relu"]},
        {"activation": ("relu",) * 3},
    ],
    ids=str,
)
def test_lists_require_one_value_per_layer(digits, params):
    (name,) = params
    with pytest.raises(ValueError, match=rf"^{name} must have one value for each of the 2 hidden"):
        make(**params).fit(*digits)


@pytest.mark.parametrize(
    "params",
    [
        {"activation": "swish"},
        {"activation": ["relu", "swish"]},
        {"activation": ["relu", 3]},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"dropout": [0.1, 1.0]},
        {"dropout": [0.1, "text"]},
        {"dropout": [0.1, np.nan]},
        {"input_dropout": 1.0},
        {"label_smoothing": 1.0},
        {"max_norm": 0},
        {"clip_norm": 0},
        {"weight_decay": -1},
        {"ema_decay": 1.0},
        {"weight_init": "zeros"},
        {"learning_rate": "linear"},
        {"warmup_epochs": -1},
        {"monitor": "f1"},
        {"class_weight": "fair"},
        {"solver": "lion"},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_invalid_values_raise(digits, params, method):
    X, y = digits
    (name,) = params
    classes = {"classes": np.arange(10)} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=name):
        getattr(make(**params), method)(X, y, **classes)


@pytest.mark.parametrize("params", [{}, {"dropout": 0.1}, {"solver": "rmsprop"}], ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_non_finite_loss_keeps_the_last_complete_epoch(digits, params, method):
    X, y = digits
    X_bad = np.vstack([X[:150], np.full((150, 64), 1.7e308)])
    estimator = make(
        shuffle=False,
        batch_size=50,
        warm_start=True,
        max_iter=2,
        batch_norm=True,
        ema_decay=0.9,
        **params,
    ).fit(X, y)
    before = [array.copy() for array in get_arrays(estimator)]
    with pytest.raises(ValueError, match=r"epoch 3, batch [45] of 6"):
        getattr(estimator, method)(X_bad, y)
    for array, expected in zip(get_arrays(estimator), before, strict=True):
        np.testing.assert_array_equal(array, expected)
    assert len(estimator.loss_curve_) == 2
    # Training continues with valid data.
    getattr(estimator, method)(X, y)
    assert np.isfinite(estimator.loss_curve_).all()
    assert np.isfinite(estimator.predict_proba(X)).all()


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@every_dtype
def test_predictions_for_huge_features_are_finite(digits, activation, dtype):
    X, y = digits
    estimator = make(activation=activation, hidden_layer_sizes=(16,)).fit(X.astype(dtype), y)
    logarithms = estimator.predict_log_proba(X.astype(dtype) * dtype(1e30))
    assert np.isfinite(logarithms).all()
