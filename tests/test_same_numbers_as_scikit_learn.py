"""The same numbers as scikit-learn's MLPClassifier, from the same parameters, data and random_state."""

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
    "adam, odd constants": {"solver": "adam", "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
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
BATCH_SIZES = ["auto", 32, 25]  # 107 is a multiple of none
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
    """Fit scikit-learn's classifier and ours; give both and X."""
    X, y, sample_weight = make_data(target_type, n_samples)
    params = {"random_state": 7, "max_iter": N_EPOCHS, **params}
    theirs = MLPClassifier(**params).fit(X, y, sample_weight if weighted else None)
    ours = MLPDigitClassifier(**params).fit(X, y, sample_weight if weighted else None)
    return theirs, ours, X


def assert_same_weights(ours, theirs, rtol=RTOL):
    for name in ("coefs_", "intercepts_"):
        for our, their in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            # atol for the few weights that training leaves near zero
            np.testing.assert_allclose(our, their, rtol=rtol, atol=rtol * np.abs(their).max())


def assert_same_training(ours, theirs):
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=RTOL)
    assert_same_weights(ours, theirs)
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    np.testing.assert_allclose(
        [ours.loss_, ours.best_loss_], [theirs.loss_, theirs.best_loss_], rtol=RTOL
    )


def assert_same_predictions(ours, theirs, X):
    np.testing.assert_allclose(
        ours.predict_proba(X), theirs.predict_proba(X), rtol=RTOL, atol=1e-12
    )
    prediction, expected = ours.predict(X), theirs.predict(X)
    np.testing.assert_array_equal(prediction, expected)
    assert prediction.dtype == expected.dtype


def covering_table(settings_per_case=2, seed=0):
    """Cross solver, activation and target type; give each of them a few of the other settings."""
    others = list(product(BATCH_SIZES, WEIGHTINGS, SHUFFLES, HIDDEN))
    rng = random.Random(seed)
    for case in product(SOLVERS, ACTIVATIONS, TARGETS):
        for other in rng.sample(others, settings_per_case):
            yield *case, *other


TABLE = list(covering_table())


def test_the_table_pairs_every_setting_with_every_other():
    columns = [SOLVERS, ACTIVATIONS, TARGETS, BATCH_SIZES, WEIGHTINGS, SHUFFLES, HIDDEN]
    for i in range(len(columns)):
        for j in range(i):
            pairs = {(row[i], row[j]) for row in TABLE}
            assert pairs == set(product(columns[i], columns[j]))


@pytest.mark.parametrize(
    ("solver", "activation", "target_type", "batch_size", "weighted", "shuffle", "hidden"), TABLE
)
def test_first_order_training(
    solver, activation, target_type, batch_size, weighted, shuffle, hidden
):
    theirs, ours, X = fit_both(
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
    assert ours.n_iter_ == N_EPOCHS
    assert_same_training(ours, theirs)
    assert_same_predictions(ours, theirs, X)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("weighted", WEIGHTINGS, ids=["equal", "weighted"])
@pytest.mark.parametrize("hidden", HIDDEN, ids=str)
def test_lbfgs_training(activation, target_type, weighted, hidden):
    theirs, ours, X = fit_both(
        target_type,
        weighted,
        activation=activation,
        hidden_layer_sizes=hidden,
        solver="lbfgs",
        alpha=0.1,
    )
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=RTOL)
    assert_same_weights(ours, theirs)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))


def test_lbfgs_converges_where_scikit_learn_does():
    theirs, ours, _ = fit_both(
        "multiclass", solver="lbfgs", hidden_layer_sizes=(), alpha=1.0, max_iter=1000
    )
    assert ours.n_iter_ == theirs.n_iter_ < 1000
    assert_same_weights(ours, theirs)


@pytest.mark.parametrize("max_fun", [1, 7, 20])
def test_lbfgs_stops_after_as_many_evaluations(max_fun):
    theirs, ours, _ = fit_both(
        "multiclass", solver="lbfgs", hidden_layer_sizes=(5,), max_fun=max_fun, max_iter=1000
    )
    assert ours.n_iter_ == theirs.n_iter_
    assert_same_weights(ours, theirs)


@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize(("tol", "patience"), [(1e-2, 2), (1e-3, 5), (0.1, 1)])
def test_training_stops_at_the_same_epoch(target_type, solver, tol, patience):
    theirs, ours, _ = fit_both(
        target_type,
        solver=solver,
        hidden_layer_sizes=(10,),
        learning_rate_init=0.02,
        batch_size=32,
        tol=tol,
        n_iter_no_change=patience,
        max_iter=600,
    )
    assert theirs.n_iter_ < 600, "the parameters of this test do not reach a plateau"
    assert_same_training(ours, theirs)


@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("nesterov", [True, False], ids=["nesterov", "classical"])
def test_adaptive_rate_drops_and_ends_the_training_where_scikit_learns_does(target_type, nesterov):
    theirs, ours, X = fit_both(
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
    assert len(set(ours.history_["learning_rate"])) > 5
    np.testing.assert_allclose(min(ours.history_["learning_rate"]), 0.3 / 5**8, rtol=1e-12)
    assert theirs.n_iter_ < 300
    assert_same_training(ours, theirs)
    assert_same_predictions(ours, theirs, X)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_one_partial_fit_is_scikit_learns(solver):
    X, y, sample_weight = make_data("multiclass")
    theirs, ours = (
        kind(random_state=7, solver=solver).partial_fit(X, y, sample_weight, classes=np.unique(y))
        for kind in (MLPClassifier, MLPDigitClassifier)
    )
    assert_same_training(ours, theirs)


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("weighted", WEIGHTINGS, ids=["equal", "weighted"])
def test_sparse_input_gives_the_same_as_dense_input(solver, target_type, weighted):
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
def test_float32_stays_close_to_scikit_learns_float32(solver, target_type):
    X, y, _ = make_data(target_type)
    params = {"solver": solver, "random_state": 7, "max_iter": 5, "activation": "tanh"}
    theirs, ours = (
        kind((10,), **params).fit(X.astype(np.float32), y)
        for kind in (MLPClassifier, MLPDigitClassifier)
    )
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-4)
    assert_same_weights(ours, theirs, rtol=1e-3)


def test_parameters_are_scikit_learns_and_then_our_own_by_keyword_only():
    theirs = list(inspect.signature(MLPClassifier).parameters.values())
    ours = list(inspect.signature(MLPDigitClassifier).parameters.values())
    assert len(theirs) == 23
    assert [(p.name, p.kind, p.default) for p in ours[:23]] == [
        (p.name, p.kind, p.default) for p in theirs
    ]
    assert {p.kind for p in ours[23:]} == {inspect.Parameter.KEYWORD_ONLY}
    assert {p.name for p in ours[23:]} >= {"dropout", "batch_norm", "ema_decay", "input_scale"}
    assert inspect.Parameter.empty not in {p.default for p in ours[23:]}


@pytest.mark.parametrize(
    ("schedule", "equal"), [("constant", True), ("invscaling", False), ("adaptive", False)]
)
def test_adam_obeys_the_schedule_that_scikit_learns_ignores(schedule, equal):
    theirs, ours, _ = fit_both("multiclass", learning_rate=schedule, tol=0.1, n_iter_no_change=3)
    same = len(ours.loss_curve_) == len(theirs.loss_curve_) and np.allclose(
        ours.loss_curve_, theirs.loss_curve_, rtol=RTOL
    )
    assert same == equal


@pytest.mark.parametrize("name", ["fit", "partial_fit", "predict", "predict_proba", "score"])
def test_methods_take_what_scikit_learns_take(name):
    theirs, ours = (
        list(inspect.signature(getattr(kind(), name)).parameters.values())
        for kind in (MLPClassifier, MLPDigitClassifier)
    )
    described = [(p.name, p.kind, p.default) for p in ours]
    assert described[: len(theirs)] == [(p.name, p.kind, p.default) for p in theirs]


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@pytest.mark.parametrize("target_type", TARGETS)
@pytest.mark.parametrize("early_stopping", [False, True], ids=["to the end", "early stopping"])
def test_fitted_attributes_of_scikit_learn_are_there(solver, target_type, early_stopping):
    theirs, ours, _ = fit_both(
        target_type, solver=solver, early_stopping=early_stopping, max_iter=3, n_iter_no_change=5
    )
    public = {name for name in vars(theirs) if name.endswith("_") and not name.startswith("_")}
    assert public >= {"classes_", "coefs_", "intercepts_", "n_iter_", "out_activation_", "t_"}
    for name in public:
        their, our = getattr(theirs, name), getattr(ours, name)
        if name in ("coefs_", "intercepts_"):
            their, our = ([(a.shape, a.dtype) for a in arrays] for arrays in (their, our))
        elif name == "classes_":
            their, our = their.tolist(), our.tolist()
        elif isinstance(their, float):  # their values are compared above
            their, our = float, type(our)
        elif isinstance(their, list):
            their, our = len(their), len(our)
        elif (solver, name) == ("lbfgs", "t_"):
            # scikit-learn says "the number of training samples seen by the solver", and then 0.
            assert our == ours.n_iter_ * N_SAMPLES
            continue
        elif early_stopping and name == "t_":
            # scikit-learn's early stopping holds out another number of samples.
            continue
        assert our == their, name


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_networks_larger_than_a_part_of_the_cache(solver):
    theirs, ours, _ = fit_both(
        "multiclass", solver=solver, hidden_layer_sizes=(400, 400), alpha=10.0, max_iter=3
    )
    assert sum(coef.size for coef in ours.coefs_) > BLOCK_SIZE
    np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=RTOL)
    assert_same_weights(ours, theirs)
