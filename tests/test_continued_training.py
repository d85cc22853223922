"""Training goes on exactly: epoch by epoch, after a warm start, after a round trip through a file."""

import copy
import pickle

import joblib
import numpy as np
import pytest
from helpers import assert_same_model, assert_same_training, classifier_factory, small_digits
from scipy.sparse import csr_matrix
from sklearn.base import clone

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.1},
    "sgd, classical": {"solver": "sgd", "learning_rate_init": 0.1, "nesterovs_momentum": False},
    "sgd, invscaling": {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.2},
    # So impatient that the rate drops within a few epochs.
    "sgd, adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "learning_rate_init": 0.1,
        "tol": 0.5,
        "n_iter_no_change": 2,
    },
    "everything": {
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
    "sgd, average": {"solver": "sgd", "learning_rate_init": 0.1, "ema_decay": 0.8},
    "adam, warm-up": {"learning_rate": "step", "warmup_epochs": 2.5},
}
# The schedule of these depends on how long the training will be: a pause changes it.
ENDING = {"everything", "rmsprop, batch norm"}
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
every_round_trip = pytest.mark.parametrize("round_trip", ROUND_TRIPS)


def digits(container="dense", dtype=np.float64):
    X, y = small_digits(150)
    return CONTAINERS[container](X.astype(dtype)), y


# The batches do not divide the samples evenly.
make_small = classifier_factory(
    hidden_layer_sizes=(12, 8),
    batch_size=40,
    random_state=3,
    max_iter=N_EPOCHS,
    n_iter_no_change=None,
)


def make(solver="adam", **params):
    return make_small(**SOLVERS.get(solver, {"solver": solver}) | params)


def without_an_end(solver):
    """Give another schedule where that of the solver depends on when the training ends."""
    return {"learning_rate": "exponential"} if solver in ENDING else {}


def by_partial_fit(estimator, X, y, n_epochs, sample_weight=None):
    for _ in range(n_epochs):
        estimator.partial_fit(X, y, sample_weight, classes=np.arange(10))
    return estimator


@every_solver
@every_container
@every_dtype
def test_fit_of_k_epochs_is_k_partial_fits(solver, container, dtype):
    X, y = digits(container, dtype)
    fitted = make(solver).fit(X, y)
    assert fitted.n_iter_ == N_EPOCHS
    trained = by_partial_fit(make(solver), X, y, N_EPOCHS)
    assert_same_training(trained, fitted)
    assert trained.n_iter_ == fitted.n_iter_
    assert len(trained.history_["seconds"]) == N_EPOCHS
    assert fitted.coefs_[0].dtype == dtype


def test_the_adaptive_rate_of_these_tests_does_drop():
    X, y = digits()
    rates = make("sgd, adaptive").fit(X, y).history_["learning_rate"]
    assert len(set(rates)) > 2


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("shuffle", [True, False], ids=["shuffled", "as they stand"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_fit_is_partial_fits_whatever_the_order_and_the_weights(solver, shuffle, weighted):
    X, y = digits()
    sample_weight = np.random.default_rng(0).uniform(0, 2, 150) if weighted else None
    fitted = make(solver, shuffle=shuffle).fit(X, y, sample_weight)
    trained = by_partial_fit(make(solver, shuffle=shuffle), X, y, N_EPOCHS, sample_weight)
    assert_same_training(trained, fitted)


@pytest.mark.parametrize("solver", [*SOLVERS, "lbfgs"])
@every_dtype
def test_one_seed_gives_one_result(solver, dtype):
    X, y = digits(dtype=dtype)
    first, second = (make(solver).fit(X, y) for _ in range(2))
    assert_same_training(first, second)
    other = make(solver, random_state=4).fit(X, y)
    assert not np.array_equal(first.coefs_[0], other.coefs_[0])


def test_fitting_again_begins_anew():
    X, y = digits()
    once = make().fit(X, y)
    assert_same_training(make().fit(X[:99], y[:99]).fit(X, y), once)
    assert_same_training(by_partial_fit(make(), X, y, 2).fit(X, y), once)


def test_a_random_state_instance_is_drawn_from_fit_after_fit():
    X, y = digits()
    estimator = make(random_state=np.random.RandomState(3))
    first = estimator.fit(X, y).coefs_[0].copy()
    np.testing.assert_array_equal(first, make(random_state=3).fit(X, y).coefs_[0])
    assert not np.array_equal(first, estimator.fit(X, y).coefs_[0])


@every_solver
@every_container
@every_dtype
def test_a_warm_start_goes_on_as_if_there_had_been_no_pause(solver, container, dtype):
    X, y = digits(container, dtype)
    # The count of epochs without progress begins anew with each fit; no pause, no plateau.
    patient = {"n_iter_no_change": None, **without_an_end(solver)}
    whole = make(solver, **patient).fit(X, y)
    parts = make(solver, warm_start=True, max_iter=5, **patient).fit(X, y)
    assert parts.n_iter_ == 5
    parts.set_params(max_iter=N_EPOCHS - 5).fit(X, y)
    assert parts.n_iter_ == N_EPOCHS - 5
    assert_same_training(parts, whole)


def test_fit_and_partial_fit_take_turns():
    X, y = digits()
    whole = make().fit(X, y)
    parts = by_partial_fit(make(warm_start=True, max_iter=N_EPOCHS - 5), X, y, 3).fit(X, y)
    assert_same_training(by_partial_fit(parts, X, y, 2), whole)


@pytest.mark.parametrize("round_trip", ["pickle", "deepcopy"])
def test_a_warm_start_of_lbfgs_goes_on_from_the_weights_that_are_there(round_trip, tmp_path):
    X, y = digits()
    estimator = make("lbfgs", max_iter=4, warm_start=True).fit(X, y)
    reached = estimator.loss_
    copied = ROUND_TRIPS[round_trip](estimator, tmp_path)
    assert estimator.fit(X, y).loss_ < reached
    assert len(estimator.loss_curve_) == 8
    assert_same_training(copied.fit(X, y), estimator)


@every_solver
@every_round_trip
@every_dtype
def test_partial_fit_goes_on_after_a_round_trip(solver, round_trip, dtype, tmp_path):
    X, y = digits(dtype=dtype)
    estimator = by_partial_fit(make(solver), X, y, 7)
    copied = ROUND_TRIPS[round_trip](estimator, tmp_path)
    assert_same_training(copied, estimator)
    by_partial_fit(copied, X, y, 5)
    assert_same_training(copied, by_partial_fit(make(solver), X, y, 12))
    assert len(estimator.loss_curve_) == 7
    assert_same_training(by_partial_fit(estimator, X, y, 5), copied)


@every_solver
@every_round_trip
def test_a_warm_start_goes_on_after_a_round_trip(solver, round_trip, tmp_path):
    X, y = digits()
    patient = {"n_iter_no_change": None, **without_an_end(solver)}
    estimator = make(solver, warm_start=True, max_iter=7, **patient).fit(X, y)
    copied = ROUND_TRIPS[round_trip](estimator, tmp_path).set_params(max_iter=5).fit(X, y)
    assert_same_training(copied, make(solver, **patient).fit(X, y))


@every_solver
def test_a_clone_trains_to_the_same_result(solver):
    X, y = digits()
    estimator = make(solver).fit(X, y)
    cloned = clone(estimator)
    assert not hasattr(cloned, "coefs_")
    assert_same_training(cloned.fit(X, y), estimator)


@pytest.mark.parametrize("go_on", ["partial_fit", "fit"])
def test_training_goes_on_from_weights_that_the_user_assigned(go_on):
    X, y = digits()
    estimator = make("sgd", momentum=0, warm_start=True, max_iter=1, shuffle=False).fit(X, y)
    other = make("sgd", momentum=0, shuffle=False, random_state=9, warm_start=True, max_iter=1)
    other.fit(X, y)
    assigned = [coef.copy() for coef in other.coefs_]
    estimator.coefs_ = assigned
    estimator.intercepts_ = [intercept.copy() for intercept in other.intercepts_]
    np.testing.assert_array_equal(estimator.predict_proba(X), other.predict_proba(X))
    # Without momentum the weights are all that plain gradient descent remembers.
    getattr(estimator, go_on)(X, y)
    getattr(other, go_on)(X, y)
    for ours, expected in zip(estimator.coefs_, other.coefs_, strict=True):
        np.testing.assert_array_equal(ours, expected)
    assert not np.array_equal(estimator.coefs_[0], assigned[0])


def test_weights_changed_in_place_count_too():
    X, y = digits()
    changed, assigned = (by_partial_fit(make(), X, y, 2) for _ in range(2))
    changed.coefs_[1][...] = 0.25
    assigned.coefs_[1] = np.full_like(assigned.coefs_[1], 0.25)
    np.testing.assert_array_equal(changed.predict_proba(X), assigned.predict_proba(X))
    assert_same_training(by_partial_fit(changed, X, y, 2), by_partial_fit(assigned, X, y, 2))


@pytest.mark.parametrize("changed", [{"ema_decay": None}, {"ema_decay": 0.5}, {"dropout": 0.5}])
def test_parameters_may_change_while_training_goes_on(changed):
    X, y = digits()
    estimator = make("everything", warm_start=True, max_iter=3).fit(X, y)
    estimator.set_params(**changed).fit(X, y)
    assert len(estimator.loss_curve_) == 6
    assert np.isfinite(estimator.predict_proba(X)).all()


def test_an_average_may_begin_late():
    X, y = digits()
    estimator = by_partial_fit(make(), X, y, 3).set_params(ema_decay=0.9)
    plain = by_partial_fit(make(), X, y, 6)
    by_partial_fit(estimator, X, y, 3)
    # The average does not change the training, only what predicts.
    assert estimator.loss_curve_ == plain.loss_curve_
    assert not np.array_equal(estimator.coefs_[0], plain.coefs_[0])
    by_partial_fit(estimator.set_params(ema_decay=None), X, y, 2)
    assert_same_training(estimator, by_partial_fit(plain, X, y, 2))


def test_batch_norm_cannot_come_or_go_while_training_goes_on():
    X, y = digits()
    for first in (False, True):
        estimator = make(batch_norm=first, warm_start=True, max_iter=2).fit(X, y)
        with pytest.raises(ValueError, match="batch_norm"):
            estimator.set_params(batch_norm=not first).fit(X, y)


def test_partial_fit_goes_on_with_other_data():
    X, y = digits()
    estimator = by_partial_fit(make(), X[:70], y[:70], 2)
    by_partial_fit(estimator, X[70:], y[70:], 3)
    assert estimator.t_ == 2 * 70 + 3 * 80
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 5


def test_a_changed_learning_rate_counts_from_the_next_epoch_on():
    X, y = digits()
    estimator = by_partial_fit(make(), X, y, 2).set_params(learning_rate_init=0.002)
    by_partial_fit(estimator, X, y, 1)
    assert estimator.history_["learning_rate"] == [0.01, 0.01, 0.002]


def test_a_constant_rate_after_an_adaptive_one_is_constant():
    X, y = digits()
    estimator = make("sgd, adaptive", warm_start=True).fit(X, y)
    assert estimator.history_["learning_rate"][-1] < 0.1
    estimator.set_params(learning_rate="constant").fit(X, y)
    assert set(estimator.history_["learning_rate"][N_EPOCHS:]) == {0.1}


def test_adam_after_lbfgs_starts_with_fresh_moments():
    X, y = digits()
    # All samples in each batch, so that the random streams do not matter.
    params = {"warm_start": True, "shuffle": False, "batch_size": 150}
    estimator = make(**params).fit(X, y).set_params(solver="lbfgs").fit(X, y)
    fresh = copy.deepcopy(estimator)
    del fresh._state  # as in a model file
    for model in (estimator, fresh):
        model.set_params(solver="adam").fit(X, y)
    assert_same_model(estimator, fresh)
