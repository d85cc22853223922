"""scikit-learn's own tests of MLPClassifier, run on MLPDigitClassifier.

The source of the installed module ``sklearn.neural_network.tests.test_mlp`` is executed as a module of
its own, in which MLPClassifier is MLPDigitClassifier. pytest then collects its tests from this file.
"""

import importlib.util
import inspect
from math import prod
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import numpy as np
import pytest
import sklearn.neural_network
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from skmlp import MLPDigitClassifier

# Warnings are errors in the tests of this project, but not in those of scikit-learn, many of which
# stop at max_iter without catching the ConvergenceWarning. That one is ignored here. `pytest.warns`
# and `warnings.catch_warnings` in the tests replace this filter, so what they check is still checked.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

REGRESSOR = "tests MLPRegressor only"
DESELECTED = {
    # What skmlp has of the same behavior is tested elsewhere, or below.
    "test_lbfgs_regression": REGRESSOR,
    "test_lbfgs_regression_maxfun": REGRESSOR,
    "test_mlp_diverging_loss": REGRESSOR,
    "test_mlp_loading_from_joblib_partial_fit": REGRESSOR,
    "test_mlp_regressor_dtypes_casting": REGRESSOR,
    "test_mlp_sample_weight_with_early_stopping": REGRESSOR,
    "test_mlp_vs_poisson_glm_equivalent": REGRESSOR,
    "test_minimum_input_sample_size": REGRESSOR,
    "test_multioutput_regression": REGRESSOR,
    "test_nonfinite_params": REGRESSOR,
    "test_partial_fit_regression": REGRESSOR,
    "test_shuffle": REGRESSOR,
    "test_gradient": "calls the private method _loss_grad_lbfgs; tests/engine/test_gradients.py "
    "compares gradients with central differences",
    "test_learning_rate_warmstart": "reads the private _optimizer.learning_rate; "
    "test_learning_rate_across_warm_starts reads history_",
    "test_adaptive_learning_rate": "reads the private _optimizer.learning_rate; "
    "test_adaptive_learning_rate_decreases_until_training_stops reads history_",
    "test_n_iter_no_change": "reads the private _no_improvement_count; "
    "test_n_iter_no_change_stops_where_scikit_learn_does compares n_iter_",
    "test_n_iter_no_change_inf": "reads the private _no_improvement_count; "
    "test_infinite_n_iter_no_change_trains_to_max_iter compares n_iter_",
}


def execute_scikit_learns_tests():
    """Execute the source of scikit-learn's test module with MLPDigitClassifier as MLPClassifier."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = ModuleType("test_mlp_of_scikit_learn")
    module.__file__ = spec.origin
    # Decorators read the name during execution. The copy keeps it, scikit-learn gets its own back.
    with patch.object(sklearn.neural_network, "MLPClassifier", MLPDigitClassifier):
        exec(compile(Path(spec.origin).read_bytes(), spec.origin, "exec"), vars(module))
    return module


def parametrizations(test):
    """Return the marks of a test that parametrize it."""
    return [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]


def remove_regressor(test):
    """Remove MLPRegressor from the values that a test is parametrized with."""
    for mark in parametrizations(test):
        names, values = mark.args
        values = [value for value in values if value is not MLPRegressor]
        test.pytestmark.remove(mark)
        test.pytestmark.append(pytest.mark.parametrize(names, values, **mark.kwargs).mark)
    return test


MODULE = execute_scikit_learns_tests()
TESTS = {name: value for name, value in vars(MODULE).items() if name.startswith("test_")}
SELECTED = {name: remove_regressor(TESTS[name]) for name in TESTS if name not in DESELECTED}
globals().update(SELECTED)


@pytest.fixture(autouse=True)
def one_thread():
    """Use one thread of BLAS: for networks of this size a second one only costs time."""
    with threadpool_limits(1):
        yield


@pytest.fixture
def global_random_seed():
    """Return the seed that scikit-learn's tests use by default."""
    return 42


def test_the_tests_are_of_our_classifier_and_leave_scikit_learn_as_it_is():
    assert MODULE.MLPClassifier is MLPDigitClassifier
    assert sklearn.neural_network.MLPClassifier is MLPClassifier is not MLPDigitClassifier
    assert MLPClassifier.__module__.startswith("sklearn.")


def test_what_is_deselected_exists_and_has_its_reason():
    assert DESELECTED.keys() <= TESTS.keys()
    for name, reason in DESELECTED.items():
        source = inspect.getsource(TESTS[name])
        if reason is REGRESSOR:
            assert "MLPClassifier" not in source, name
            assert "MLPRegressor" in source, name
        else:
            # A private attribute or method of the estimator, and one that our reason names.
            private = [word for word in reason.replace(";", " ").split() if word.startswith("_")]
            assert any(f".{word}" in source for word in private), name


def test_all_others_run_and_none_with_the_regressor():
    marks = {name: parametrizations(test) for name, test in SELECTED.items()}
    values = [value for name in marks for mark in marks[name] for value in mark.args[1]]
    classes = [value for value in values if inspect.isclass(value)]
    assert MLPDigitClassifier in classes
    assert MLPRegressor not in classes
    assert all(globals()[name] is test for name, test in SELECTED.items())
    # 26 functions and 32 cases in scikit-learn 1.9.1; a later version may have more.
    assert len(SELECTED) >= 26
    assert sum(prod(len(mark.args[1]) for mark in marks[name]) for name in marks) >= 32


# What the deselected tests of private attributes check, checked on public ones


def fit_both(X, y, n_fits=1, **params):
    """Fit scikit-learn's classifier and ours with the same parameters."""
    theirs, ours = (kind(**params, random_state=0) for kind in (MLPClassifier, MLPDigitClassifier))
    for _ in range(n_fits):
        theirs.fit(X, y)
        ours.fit(X, y)
    return theirs, ours


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling"])
def test_learning_rate_across_warm_starts(learning_rate):
    X, y = [[3, 2], [1, 6], [5, 6], [-2, -4]], [1, 1, 1, 0]
    theirs, ours = fit_both(
        X,
        y,
        n_fits=3,
        solver="sgd",
        hidden_layer_sizes=4,
        learning_rate=learning_rate,
        max_iter=1,
        power_t=0.25,
        warm_start=True,
    )
    power_t = {"constant": 0, "invscaling": 0.25}[learning_rate]
    # scikit-learn computes the rate of the next epoch at the end of an epoch.
    rates = [0.001 / (4 * epoch + 1) ** power_t for epoch in range(4)]
    np.testing.assert_allclose(ours.history_["learning_rate"], rates[:3], rtol=1e-12)
    np.testing.assert_allclose(theirs._optimizer.learning_rate, rates[3], rtol=1e-12)


def test_adaptive_learning_rate_decreases_until_training_stops():
    params = {"tol": 0.5, "max_iter": 3000, "solver": "sgd", "learning_rate": "adaptive"}
    theirs, ours = fit_both([[3, 2], [1, 6]], [1, 0], **params)
    assert ours.n_iter_ == theirs.n_iter_ < 3000
    last_rate = ours.history_["learning_rate"][-1]
    assert last_rate == pytest.approx(theirs._optimizer.learning_rate, rel=1e-12)
    assert last_rate < 1e-6


@pytest.mark.parametrize("n_iter_no_change", [2, 5, 10, 50, 100])
def test_n_iter_no_change_stops_where_scikit_learn_does(n_iter_no_change):
    theirs, ours = fit_both(
        MODULE.X_digits_binary[:100],
        MODULE.y_digits_binary[:100],
        tol=0.01,
        max_iter=3000,
        solver="sgd",
        hidden_layer_sizes=20,
        n_iter_no_change=n_iter_no_change,
    )
    assert n_iter_no_change < ours.n_iter_ == theirs.n_iter_ < 3000


def test_infinite_n_iter_no_change_trains_to_max_iter():
    # With such a tolerance every epoch but the first counts as one without improvement.
    X, y = MODULE.X_digits_binary[:100], MODULE.y_digits_binary[:100]
    params = {"tol": 1e9, "max_iter": 100, "solver": "sgd", "hidden_layer_sizes": 20}
    _, ours = fit_both(X, y, **params, n_iter_no_change=98)
    assert ours.n_iter_ == 100
    _, ours = fit_both(X, y, **params, n_iter_no_change=97)
    assert ours.n_iter_ == 99
    _, ours = fit_both(X, y, **params, n_iter_no_change=np.inf)
    assert ours.n_iter_ == 100
