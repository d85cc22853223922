"""Numerical equivalence with MLPClassifier for equal parameters, data and random_state."""

import inspect
import random
from itertools import product

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.datasets import make_classification, make_multilabel_classification
from sklearn.neural_network import MLPClassifier

from skmlp import MLPDigitClassifier
from skmlp.engine.parameters import BLOCK_SIZE

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

N_SAMPLES = 107
RTOL = 1e-6
N_EPOCHS = 20

SOLVERS = {
    "adam": {"solver": "adam", "learning_rate_init": 0.01},
    "adam, other coefficients": {"solver": "adam", "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    **{
        f"sgd, {schedule}, {'nesterov' if nesterov else 'classical'}": {
            "solver": "sgd",
            "learning_rate": schedule,
            "nesterovs_momentum": nesterov,
            "learning_rate_init": 0.05,
            "power_t": 0.3,
        }
        for schedule, nesterov in product(["constant", "invscaling", "adaptive"], [True, False])
    },
    "sgd, no momentum": {"solver": "sgd", "momentum": 0, "learning_rate_init": 0.05},
}
ACTIVATIONS = ["identity", "logistic", "tanh", "relu"]
TARGETS = ["binary", "multiclass", "multilabel"]
BATCH_SIZES = ["auto", 32, 25]  # 107 is not a multiple of any of them
WEIGHTINGS = [False, True]
SHUFFLES = [True, False]
HIDDEN = [(), (20,), (20, 10)]


def make_data(target_type, n_samples=N_SAMPLES):
    if target_type == "multilabel":
        X, y = make_multilabel_classification(
            n_samples, n_features=12, n_classes=4, allow_unlabeled=True, random_state=0
        )
    else:
        X, y = make_classification(
            n_samples,
            n_features=12,
            n_informative=8,
            n_classes=2 if target_type == "binary" else 4,
            flip_y=0.1,
            random_state=0,
        )
        y = np.array(["ant", "bee", "cat", "dog"])[y]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    return X, y, np.random.default_rng(1).uniform(0.1, 3, n_samples)


def fit_both(target_type, weighted=False, n_samples=N_SAMPLES, **params):
    """Fit MLPClassifier and MLPDigitClassifier with equal parameters, and return both and X."""
    X, y, sample_weight = make_data(target_type, n_samples)
    params = {"random_state": 7, "max_iter": N_EPOCHS, **params}
    reference = MLPClassifier(**params).fit(X, y, sample_weight if weighted else None)
    mlp = MLPDigitClassifier(**params).fit(X, y, sample_weight if weighted else None)
    return reference, mlp, X


def assert_same_weights(mlp, reference, rtol=RTOL):
    for name in ("coefs_", "intercepts_"):
        for actual, expected in zip(getattr(mlp, name), getattr(reference, name), strict=True):
            # A few weights are close to zero after training and need atol.
            atol = rtol * np.abs(expected).max()
            np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def assert_same_training(mlp, reference):
    np.testing.assert_allclose(mlp.loss_curve_, reference.loss_curve_, rtol=RTOL)
    assert_same_weights(mlp, reference)
    assert (mlp.n_iter_, mlp.t_) == (reference.n_iter_, reference.t_)
    np.testing.assert_allclose(
        [mlp.loss_, mlp.best_loss_], [reference.loss_, reference.best_loss_], rtol=RTOL
    )


def assert_same_predictions(mlp, reference, X):
    np.testing.assert_allclose(
        mlp.predict_proba(X), reference.predict_proba(X), rtol=RTOL, atol=1e-12
    )
    prediction, expected = mlp.predict(X), reference.predict(X)
    np.testing.assert_array_equal(prediction, expected)
    assert prediction.dtype == expected.dtype


def make_table(settings_per_case=2, seed=0):
    """Yield all combinations of solver, activation and target type, each with a few of the other settings."""
    others = list(product(BATCH_SIZES, WEIGHTINGS, SHUFFLES, HIDDEN))
    rng = random.Random(seed)
    for case in product(SOLVERS, ACTIVATIONS, TARGETS):
        for settings in rng.sample(others, settings_per_case):
            yield *case, *settings


TABLE = list(make_table())


def test_table_contains_all_pairs_of_settings():
    columns = [SOLVERS, ACTIVATIONS, TARGETS, BATCH_SIZES, WEIGHTINGS, SHUFFLES, HIDDEN]
    for i in range(len(columns)):
        for j in range(i):
            pairs = {(row[i], row[j]) for row in TABLE}
            assert pairs == set(product(columns[i], columns[j]))


@pytest.mark.parametrize(
    ("solver", "activation", "target_type", "batch_size", "weighted", "shuffle", "hidden"), TABLE
)
def test_first_order_training_matches_scikit_learn(
    solver, activation, target_type, batch_size, weighted, shuffle, hidden
):
    reference, mlp, X = fit_both(
        target_type,
        weighted,
        activation=activation,
        batch_size=batch_size,
        shuffle=shuffle,
        hidden_layer_sizes=hidden,
        alpha=0.01,
        tol=0,
        n_iter_no_change=N_EPOCHS,
        **SOLVERS[solver],
    )
    assert mlp.n_iter_ == N_EPOCHS
    assert_same_training(mlp, reference)
    assert_same_predictions(mlp, reference, X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("weighted", WEIGHTINGS, ids=["equal", "weighted"])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_lbfgs_training_matches_scikit_learn(activation, target_type, weighted, hidden):
    reference, mlp, X = fit_both(
        target_type,
        weighted,
        activation=activation,
        hidden_layer_sizes=hidden,
        solver="lbfgs",
        alpha=0.1,
    )
    assert mlp.n_iter_ == reference.n_iter_
    assert mlp.loss_ == pytest.approx(reference.loss_, rel=RTOL)
    assert_same_weights(mlp, reference)
    np.testing.assert_array_equal(mlp.predict(X), reference.predict(X))


def test_lbfgs_converges_at_the_same_iteration():
    reference, mlp, _ = fit_both(
        "multiclass", solver="lbfgs", hidden_layer_sizes=(), alpha=1.0, max_iter=1000
    )
    assert mlp.n_iter_ == reference.n_iter_ < 1000
    assert_same_weights(mlp, reference)


@pytest.mark.parametrize("max_fun", [1, 7, 20])
def test_lbfgs_stops_after_the_same_number_of_evaluations(max_fun):
    reference, mlp, _ = fit_both(
        "multiclass", solver="lbfgs", hidden_layer_sizes=(5,), max_fun=max_fun, max_iter=1000
    )
    assert mlp.n_iter_ == reference.n_iter_
    assert_same_weights(mlp, reference)


@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(("tol", "patience"), [(1e-2, 2), (1e-3, 5), (0.1, 1)])
def test_training_stops_at_the_same_epoch(target_type, solver, tol, patience):
    reference, mlp, _ = fit_both(
        target_type,
        solver=solver,
        hidden_layer_sizes=(10,),
        learning_rate_init=0.02,
        batch_size=32,
        tol=tol,
        n_iter_no_change=patience,
        max_iter=600,
    )
    assert reference.n_iter_ < 600, "training did not stop before max_iter"
    assert_same_training(mlp, reference)


@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("nesterov", [True, False], ids=["nesterov", "classical"])
def test_adaptive_learning_rate_decreases_and_stops_training_as_in_scikit_learn(
    target_type, nesterov
):
    reference, mlp, X = fit_both(
        target_type,
        solver="sgd",
        learning_rate="adaptive",
        learning_rate_init=0.3,
        nesterovs_momentum=nesterov,
        hidden_layer_sizes=(10,),
        activation="tanh",
        batch_size=32,
        tol=1e-2,
        n_iter_no_change=2,
        max_iter=300,
    )
    assert len(set(mlp.history_["learning_rate"])) > 5
    np.testing.assert_allclose(min(mlp.history_["learning_rate"]), 0.3 / 5**8, rtol=1e-12)
    assert reference.n_iter_ < 300
    assert_same_training(mlp, reference)
    assert_same_predictions(mlp, reference, X)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit_matches_scikit_learn(solver):
    X, y, sample_weight = make_data("multiclass")
    reference, mlp = (
        classifier(random_state=7, solver=solver).partial_fit(
            X, y, sample_weight, classes=np.unique(y)
        )
        for classifier in (MLPClassifier, MLPDigitClassifier)
    )
    assert_same_training(mlp, reference)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("weighted", WEIGHTINGS, ids=["equal", "weighted"])
def test_sparse_and_dense_input_give_equal_results(solver, target_type, weighted):
    X, y, sample_weight = make_data(target_type)
    X[X < 0.3] = 0
    params = {"solver": solver, "random_state": 7, "max_iter": N_EPOCHS, "batch_size": 32}
    sample_weight = sample_weight if weighted else None
    dense = MLPDigitClassifier((20, 10), **params).fit(X, y, sample_weight)
    sparse = MLPDigitClassifier((20, 10), **params).fit(csr_matrix(X), y, sample_weight)
    np.testing.assert_allclose(sparse.loss_curve_, dense.loss_curve_, rtol=RTOL)
    assert_same_weights(sparse, dense)
    np.testing.assert_allclose(
        sparse.predict_proba(csr_matrix(X)), dense.predict_proba(X), rtol=RTOL, atol=1e-12
    )


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("target_type", TARGETS)
def test_float32_training_is_close_to_scikit_learn(solver, target_type):
    X, y, _ = make_data(target_type)
    params = {"solver": solver, "random_state": 7, "max_iter": 5, "activation": "tanh"}
    reference, mlp = (
        classifier((10,), **params).fit(X.astype(np.float32), y)
        for classifier in (MLPClassifier, MLPDigitClassifier)
    )
    np.testing.assert_allclose(mlp.loss_curve_, reference.loss_curve_, rtol=1e-4)
    assert_same_weights(mlp, reference, rtol=1e-3)


def get_parameters(function):
    """Return name, kind and default of each parameter of a function."""
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]


def test_parameters_of_scikit_learn_come_first_and_others_are_keyword_only():
    expected, actual = get_parameters(MLPClassifier), get_parameters(MLPDigitClassifier)
    assert len(expected) == 23
    assert actual[:23] == expected
    names, kinds, defaults = zip(*actual[23:], strict=True)
    assert set(kinds) == {inspect.Parameter.KEYWORD_ONLY}
    assert {"dropout", "batch_norm", "ema_decay", "input_scale"} <= set(names)
    assert inspect.Parameter.empty not in defaults


@pytest.mark.parametrize(
    ("schedule", "equal"), [("constant", True), ("invscaling", False), ("adaptive", False)]
)
def test_adam_uses_the_schedule_that_scikit_learn_ignores(schedule, equal):
    reference, mlp, _ = fit_both("multiclass", learning_rate=schedule, tol=0.1, n_iter_no_change=3)
    same = len(mlp.loss_curve_) == len(reference.loss_curve_) and np.allclose(
        mlp.loss_curve_, reference.loss_curve_, rtol=RTOL
    )
    assert same == equal


@pytest.mark.parametrize("name", ["fit", "partial_fit", "predict", "predict_proba", "score"])
def test_methods_accept_the_parameters_of_scikit_learn(name):
    expected, actual = (
        get_parameters(getattr(classifier(), name))
        for classifier in (MLPClassifier, MLPDigitClassifier)
    )
    assert actual[: len(expected)] == expected


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize(
    "early_stopping", [False, True], ids=["no early stopping", "early stopping"]
)
def test_fitted_attributes_of_scikit_learn_exist(solver, target_type, early_stopping):
    reference, mlp, _ = fit_both(
        target_type, solver=solver, early_stopping=early_stopping, max_iter=3, n_iter_no_change=5
    )
    public = {name for name in vars(reference) if name.endswith("_") and not name.startswith("_")}
    assert public >= {"classes_", "coefs_", "intercepts_", "n_iter_", "out_activation_", "t_"}
    for name in public:
        expected, actual = getattr(reference, name), getattr(mlp, name)
        if name in ("coefs_", "intercepts_"):
            expected, actual = (
                [(a.shape, a.dtype) for a in arrays] for arrays in (expected, actual)
            )
        elif name == "classes_":
            expected, actual = expected.tolist(), actual.tolist()
        elif isinstance(expected, float):  # the values are compared in other tests
            expected, actual = float, type(actual)
        elif isinstance(expected, list):
            expected, actual = len(expected), len(actual)
        elif (solver, name) == ("lbfgs", "t_"):
            # scikit-learn documents "the number of training samples seen by the solver", but the value is 0.
            assert actual == mlp.n_iter_ * N_SAMPLES
            continue
        elif early_stopping and name == "t_":
            # Early stopping in scikit-learn holds out a different number of samples.
            continue
        assert actual == expected, name


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_networks_with_several_parameter_blocks_match_scikit_learn(solver):
    reference, mlp, _ = fit_both(
        "multiclass", solver=solver, hidden_layer_sizes=(400, 400), alpha=10.0, max_iter=3
    )
    assert sum(coef.size for coef in mlp.coefs_) > BLOCK_SIZE
    np.testing.assert_allclose(mlp.loss_curve_, reference.loss_curve_, rtol=RTOL)
    assert_same_weights(mlp, reference)
