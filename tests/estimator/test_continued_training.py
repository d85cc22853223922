"""Bit-for-bit continuation of training: partial_fit, warm starts, and round trips through files."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from helpers import (
    assert_same_model,
    assert_same_training,
    load_small_digits,
    make_classifier_factory,
)
from scipy.sparse import csr_matrix
from sklearn.base import clone

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "sgd, classical": {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    # With this tolerance and patience, the learning rate decreases within a few epochs.
    "sgd, adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.1,
        "tol": 0.5,
        "n_iter_no_change": 2,
    },
    "many options": {
        "solver": "adamw",
        "learning_rate": "one_cycle",
        "learning_rate_init": 0.02,
        "activation": ["gelu", "leaky_relu"],
        "weight_init": "orthogonal",
        "dropout": [0.1, 0.2],
        "input_dropout": 0.1,
        "batch_norm": True,
        "label_smoothing": 0.1,
        "ema_decay": 0.9,
        "clip_norm": 1.0,
        "max_norm": 2.0,
        "class_weight": {3: 2.0},
    },
    "nadam, dropout": {"solver": "nadam", "dropout": 0.3, "learning_rate": "exponential"},
    "rmsprop, batch norm": {"solver": "rmsprop", "batch_norm": True, "learning_rate": "cosine"},
    "sgd, averaged weights": {"solver": "sgd", "learning_rate_init": 0.1, "ema_decay": 0.8},
    "adam, warmup": {"learning_rate": "step", "warmup_epochs": 2.5},
}
# The schedules of these solvers depend on the total number of epochs, which differs between one fit and two.
FINITE_SCHEDULES = {"many options", "rmsprop, batch norm"}
CONTAINERS = {"dense": np.asarray, "sparse": csr_matrix}
DTYPES = [np.float32, np.float64]
N_EPOCHS = 12

every_solver = pytest.mark.parametrize("solver", SOLVERS)
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
every_container = pytest.mark.parametrize("container", CONTAINERS)

ROUND_TRIPS = {
    "pickle": lambda estimator, path: pickle.loads(pickle.dumps(estimator)),
    "deepcopy": lambda estimator, path: copy.deepcopy(estimator),
    "joblib": lambda estimator, path: joblib.load(*joblib.dump(estimator, path / "model.joblib")),
    "joblib, memory-mapped": lambda estimator, path: joblib.load(
        *joblib.dump(estimator, path / "model.joblib"), mmap_mode="r"
    ),
}


def load_data(container="dense", dtype=np.float64):
    X, y = load_small_digits(150)
    return CONTAINERS[container](X.astype(dtype)), y


# The last batch is smaller than the others.
make_small = make_classifier_factory(
    hidden_layer_sizes=(12, 8),
    batch_size=40,
    random_state=3,
    max_iter=N_EPOCHS,
    n_iter_no_change=None,
)


def make(solver="adam", **params):
    return make_small(**SOLVERS.get(solver, {"solver": solver}) | params)


def replace_finite_schedule(solver):
    """Return parameters that replace a schedule that depends on the total number of epochs."""
    return {"learning_rate": "exponential"} if solver in FINITE_SCHEDULES else {}


def train_by_partial_fit(estimator, X, y, n_epochs, sample_weight=None):
    for _ in range(n_epochs):
        estimator.partial_fit(X, y, sample_weight, classes=np.arange(10))
    return estimator


@every_solver
@every_container
@every_dtype
def test_k_partial_fits_equal_fit_of_k_epochs(solver, container, dtype):
    X, y = load_data(container, dtype)
    fitted = make(solver).fit(X, y)
    assert fitted.n_iter_ == N_EPOCHS
    trained = train_by_partial_fit(make(solver), X, y, N_EPOCHS)
    assert_same_training(trained, fitted)
    assert trained.n_iter_ == fitted.n_iter_
    assert len(trained.history_["seconds"]) == N_EPOCHS
    assert fitted.coefs_[0].dtype == dtype


def test_adaptive_rate_decreases_within_the_tested_epochs():
    X, y = load_data()
    rates = make("sgd, adaptive").fit(X, y).history_["learning_rate"]
    assert len(set(rates)) > 2


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "in order"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_partial_fits_equal_fit_with_shuffling_and_weights(solver, shuffle, weighted):
    X, y = load_data()
    sample_weight = np.random.default_rng(0).uniform(0, 2, 150) if weighted else None
    fitted = make(solver, shuffle=shuffle).fit(X, y, sample_weight)
    trained = train_by_partial_fit(make(solver, shuffle=shuffle), X, y, N_EPOCHS, sample_weight)
    assert_same_training(trained, fitted)


@pytest.mark.parametrize("solver", [*SOLVERS, "lbfgs"])
@every_dtype
def test_random_state_makes_results_reproducible(solver, dtype):
    X, y = load_data(dtype=dtype)
    first, second = (make(solver).fit(X, y) for _ in range(2))
    assert_same_training(first, second)
    other = make(solver, random_state=4).fit(X, y)
    assert not np.array_equal(first.coefs_[0], other.coefs_[0])


def test_fit_discards_the_previous_result():
    X, y = load_data()
    once = make().fit(X, y)
    assert_same_training(make().fit(X[:99], y[:99]).fit(X, y), once)
    assert_same_training(train_by_partial_fit(make(), X, y, 2).fit(X, y), once)


def test_random_state_instance_advances_between_fits():
    X, y = load_data()
    estimator = make(random_state=np.random.RandomState(3))
    first = estimator.fit(X, y).coefs_[0].copy()
    np.testing.assert_array_equal(first, make(random_state=3).fit(X, y).coefs_[0])
    assert not np.array_equal(first, estimator.fit(X, y).coefs_[0])


@every_solver
@every_container
@every_dtype
def test_warm_start_equals_uninterrupted_training(solver, container, dtype):
    X, y = load_data(container, dtype)
    # Each fit resets the count of epochs without improvement, so early stopping is disabled.
    params = {"n_iter_no_change": None, **replace_finite_schedule(solver)}
    expected = make(solver, **params).fit(X, y)
    estimator = make(solver, warm_start=True, max_iter=5, **params).fit(X, y)
    assert estimator.n_iter_ == 5
    estimator.set_params(max_iter=N_EPOCHS - 5).fit(X, y)
    assert estimator.n_iter_ == N_EPOCHS - 5
    assert_same_training(estimator, expected)


def test_fit_and_partial_fit_can_alternate():
    X, y = load_data()
    expected = make().fit(X, y)
    estimator = make(warm_start=True, max_iter=N_EPOCHS - 5)
    train_by_partial_fit(estimator, X, y, 3).fit(X, y)
    assert_same_training(train_by_partial_fit(estimator, X, y, 2), expected)


@pytest.mark.parametrize("round_trip", ["pickle", "deepcopy"])
def test_warm_start_of_lbfgs_continues_from_the_current_weights(round_trip, tmp_path):
    X, y = load_data()
    estimator = make("lbfgs", max_iter=4, warm_start=True).fit(X, y)
    loss = estimator.loss_
    copied = ROUND_TRIPS[round_trip](estimator, tmp_path)
    assert estimator.fit(X, y).loss_ < loss
    assert len(estimator.loss_curve_) == 8
    assert_same_training(copied.fit(X, y), estimator)


@every_solver
@every_dtype
def test_partial_fit_continues_after_a_round_trip(solver, dtype, tmp_path):
    X, y = load_data(dtype=dtype)
    estimator = train_by_partial_fit(make(solver), X, y, 7)
    expected = train_by_partial_fit(make(solver), X, y, 12)
    for round_trip in ROUND_TRIPS.values():
        copied = round_trip(estimator, tmp_path)
        assert_same_training(copied, estimator)
        assert_same_training(train_by_partial_fit(copied, X, y, 5), expected)
        assert len(estimator.loss_curve_) == 7
    assert_same_training(train_by_partial_fit(estimator, X, y, 5), expected)


@every_solver
def test_warm_start_continues_after_a_round_trip(solver, tmp_path):
    X, y = load_data()
    params = {"n_iter_no_change": None, **replace_finite_schedule(solver)}
    estimator = make(solver, warm_start=True, max_iter=7, **params).fit(X, y)
    expected = make(solver, **params).fit(X, y)
    for round_trip in ROUND_TRIPS.values():
        copied = round_trip(estimator, tmp_path).set_params(max_iter=5).fit(X, y)
        assert_same_training(copied, expected)


@every_solver
def test_clone_gives_the_same_result(solver):
    X, y = load_data()
    estimator = make(solver).fit(X, y)
    cloned = clone(estimator)
    assert not hasattr(cloned, "coefs_")
    assert_same_training(cloned.fit(X, y), estimator)


@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_training_continues_from_assigned_weights(method):
    X, y = load_data()
    estimator = make("sgd", momentum=0, warm_start=True, max_iter=1, shuffle=False).fit(X, y)
    other = make("sgd", momentum=0, shuffle=False, random_state=9, warm_start=True, max_iter=1)
    other.fit(X, y)
    assigned = [coef.copy() for coef in other.coefs_]
    estimator.coefs_ = assigned
    estimator.intercepts_ = [intercept.copy() for intercept in other.intercepts_]
    np.testing.assert_array_equal(estimator.predict_proba(X), other.predict_proba(X))
    # Without momentum, gradient descent has no state other than the weights.
    getattr(estimator, method)(X, y)
    getattr(other, method)(X, y)
    for coef, expected in zip(estimator.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(coef, expected)
    assert not np.array_equal(estimator.coefs_[0], assigned[0])


def test_training_continues_from_weights_modified_in_place():
    X, y = load_data()
    changed, assigned = (train_by_partial_fit(make(), X, y, 2) for _ in range(2))
    changed.coefs_[1][...] = 0.25
    assigned.coefs_[1] = np.full_like(assigned.coefs_[1], 0.25)
    np.testing.assert_array_equal(changed.predict_proba(X), assigned.predict_proba(X))
    assert_same_training(
        train_by_partial_fit(changed, X, y, 2), train_by_partial_fit(assigned, X, y, 2)
    )


@pytest.mark.parametrize("changed", [{"ema_decay": None}, {"ema_decay": 0.5}, {"dropout": 0.5}])
def test_parameters_can_change_between_fits(changed):
    X, y = load_data()
    estimator = make("many options", warm_start=True, max_iter=3).fit(X, y)
    estimator.set_params(**changed).fit(X, y)
    assert len(estimator.loss_curve_) == 6
    assert np.isfinite(estimator.predict_proba(X)).all()


def test_averaging_can_start_later():
    X, y = load_data()
    estimator = train_by_partial_fit(make(), X, y, 3).set_params(ema_decay=0.9)
    plain = train_by_partial_fit(make(), X, y, 6)
    train_by_partial_fit(estimator, X, y, 3)
    # Averaging changes the weights for prediction, not the training.
    assert estimator.loss_curve_ == plain.loss_curve_
    assert not np.array_equal(estimator.coefs_[0], plain.coefs_[0])
    train_by_partial_fit(estimator.set_params(ema_decay=None), X, y, 2)
    assert_same_training(estimator, train_by_partial_fit(plain, X, y, 2))


def test_changing_batch_norm_raises():
    X, y = load_data()
    for first in (False, True):
        estimator = make(batch_norm=first, warm_start=True, max_iter=2).fit(X, y)
        with pytest.raises(ValueError, match="batch_norm"):
            estimator.set_params(batch_norm=not first).fit(X, y)


def test_partial_fit_accepts_other_data():
    X, y = load_data()
    estimator = train_by_partial_fit(make(), X[:70], y[:70], 2)
    train_by_partial_fit(estimator, X[70:], y[70:], 3)
    assert estimator.t_ == 2 * 70 + 3 * 80
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 5


def test_changed_learning_rate_applies_from_the_next_epoch():
    X, y = load_data()
    estimator = train_by_partial_fit(make(), X, y, 2).set_params(learning_rate_init=0.002)
    train_by_partial_fit(estimator, X, y, 1)
    assert estimator.history_["learning_rate"] == [0.01, 0.01, 0.002]


def test_constant_rate_after_an_adaptive_rate_is_constant():
    X, y = load_data()
    estimator = make("sgd, adaptive", warm_start=True).fit(X, y)
    assert estimator.history_["learning_rate"][-1] < 0.1
    estimator.set_params(learning_rate="constant").fit(X, y)
    assert set(estimator.history_["learning_rate"][N_EPOCHS:]) == {0.1}


def test_adam_after_lbfgs_starts_with_fresh_moments():
    X, y = load_data()
    # Each batch contains all samples in order, so that random numbers have no effect.
    params = {"warm_start": True, "shuffle": False, "batch_size": 150}
    estimator = make(**params).fit(X, y).set_params(solver="lbfgs").fit(X, y)
    fresh = copy.deepcopy(estimator)
    del fresh._state  # as after load_model
    for model in (estimator, fresh):
        model.set_params(solver="adam").fit(X, y)
    assert_same_model(estimator, fresh)
