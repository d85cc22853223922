"""The tests of MLPClassifier in scikit-learn, run with MLPDigitClassifier.

The source of the installed module ``sklearn.neural_network.tests.test_mlp`` is executed as a new module in which the
name MLPClassifier refers to MLPDigitClassifier. pytest then collects its tests from this file.
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

from skmlp import MLPDigitClassifier

# Warnings are errors in the tests of this project, but not in those of scikit-learn. Many of these reach max_iter
# without catching the ConvergenceWarning; it is ignored here. Tests that use `pytest.warns` or
# `warnings.catch_warnings` override this filter and still check the warning.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

REGRESSOR = "tests MLPRegressor only"
DESELECTED = {
    # The same behavior of skmlp, where it exists, is tested below or in other files.
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
    "test_learning_rate_continues_across_warm_starts reads history_",
    "test_adaptive_learning_rate": "reads the private _optimizer.learning_rate; "
    "test_adaptive_learning_rate_decreases_until_training_stops reads history_",
    "test_n_iter_no_change": "reads the private _no_improvement_count; "
    "test_n_iter_no_change_stops_at_the_same_epoch_as_scikit_learn compares n_iter_",
    "test_n_iter_no_change_inf": "reads the private _no_improvement_count; "
    "test_infinite_n_iter_no_change_trains_to_max_iter compares n_iter_",
}


def execute_scikit_learn_tests():
    """Execute the source of the test module with MLPDigitClassifier in place of MLPClassifier."""
    spec = importlib.util.find_spec("sklearn.neural_network.tests.test_mlp")
    module = ModuleType("test_mlp_of_scikit_learn")
    module.__file__ = spec.origin
    # Decorators use the name during execution. The executed module keeps it when the patch is undone.
    with patch.object(sklearn.neural_network, "MLPClassifier", MLPDigitClassifier):
        exec(compile(Path(spec.origin).read_bytes(), spec.origin, "exec"), vars(module))
    return module


def get_parametrizations(test):
    """Return the parametrize marks of a test."""
    return [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]


def remove_regressor(test):
    """Remove MLPRegressor from the parametrization of a test."""
    for mark in get_parametrizations(test):
        names, values = mark.args
        values = [value for value in values if value is not MLPRegressor]
        test.pytestmark.remove(mark)
        test.pytestmark.append(pytest.mark.parametrize(names, values, **mark.kwargs).mark)
    return test


MODULE = execute_scikit_learn_tests()
TESTS = {name: value for name, value in vars(MODULE).items() if name.startswith("test_")}
SELECTED = {name: remove_regressor(TESTS[name]) for name in TESTS if name not in DESELECTED}
globals().update(SELECTED)


@pytest.fixture
def global_random_seed():
    """Return the default seed of the tests of scikit-learn."""
    return 42


def test_only_the_executed_copy_uses_mlp_digit_classifier():
    assert MODULE.MLPClassifier is MLPDigitClassifier
    assert sklearn.neural_network.MLPClassifier is MLPClassifier is not MLPDigitClassifier
    assert MLPClassifier.__module__.startswith("sklearn.")


def test_deselected_tests_exist_and_match_their_reasons():
    assert DESELECTED.keys() <= TESTS.keys()
    for name, reason in DESELECTED.items():
        source = inspect.getsource(TESTS[name])
        if reason is REGRESSOR:
            assert "MLPClassifier" not in source, name
            assert "MLPRegressor" in source, name
        else:
            # The test uses a private attribute or method that the reason names.
            private = [word for word in reason.replace(";", " ").split() if word.startswith("_")]
            assert any(f".{word}" in source for word in private), name


def test_other_tests_are_collected_without_the_regressor():
    marks = {name: get_parametrizations(test) for name, test in SELECTED.items()}
    values = [value for name in marks for mark in marks[name] for value in mark.args[1]]
    classes = [value for value in values if inspect.isclass(value)]
    assert MLPDigitClassifier in classes
    assert MLPRegressor not in classes
    assert all(globals()[name] is test for name, test in SELECTED.items())
    # 26 functions and 32 cases in scikit-learn 1.9.1; a later version may have more.
    assert len(SELECTED) >= 26
    assert sum(prod(len(mark.args[1]) for mark in marks[name]) for name in marks) >= 32


# Public equivalents of the deselected tests that use private attributes


def fit_both(X, y, n_fits=1, **params):
    """Fit MLPClassifier and MLPDigitClassifier with equal parameters."""
    reference = MLPClassifier(**params, random_state=0)
    mlp = MLPDigitClassifier(**params, random_state=0)
    for _ in range(n_fits):
        reference.fit(X, y)
        mlp.fit(X, y)
    return reference, mlp


@pytest.mark.parametrize("learning_rate", ["constant", "invscaling"])
def test_learning_rate_continues_across_warm_starts(learning_rate):
    X, y = [[3, 2], [1, 6], [5, 6], [-2, -4]], [1, 1, 1, 0]
    reference, mlp = fit_both(
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
    # At the end of an epoch, scikit-learn computes the learning rate of the next epoch.
    rates = [0.001 / (4 * epoch + 1) ** power_t for epoch in range(4)]
    np.testing.assert_allclose(mlp.history_["learning_rate"], rates[:3], rtol=1e-12)
    np.testing.assert_allclose(reference._optimizer.learning_rate, rates[3], rtol=1e-12)


def test_adaptive_learning_rate_decreases_until_training_stops():
    params = {"tol": 0.5, "max_iter": 3000, "solver": "sgd", "learning_rate": "adaptive"}
    reference, mlp = fit_both([[3, 2], [1, 6]], [1, 0], **params)
    assert mlp.n_iter_ == reference.n_iter_ < 3000
    last_rate = mlp.history_["learning_rate"][-1]
    assert last_rate == pytest.approx(reference._optimizer.learning_rate, rel=1e-12)
    assert last_rate < 1e-6


@pytest.mark.parametrize("n_iter_no_change", [2, 5, 10, 50, 100])
def test_n_iter_no_change_stops_at_the_same_epoch_as_scikit_learn(n_iter_no_change):
    reference, mlp = fit_both(
        MODULE.X_digits_binary[:100],
        MODULE.y_digits_binary[:100],
        tol=0.01,
        max_iter=3000,
        solver="sgd",
        hidden_layer_sizes=20,
        n_iter_no_change=n_iter_no_change,
    )
    assert n_iter_no_change < mlp.n_iter_ == reference.n_iter_ < 3000


def test_infinite_n_iter_no_change_trains_to_max_iter():
    # With this tolerance, all epochs except the first are epochs without improvement.
    X, y = MODULE.X_digits_binary[:100], MODULE.y_digits_binary[:100]
    params = {"tol": 1e9, "max_iter": 100, "solver": "sgd", "hidden_layer_sizes": 20}
    _, mlp = fit_both(X, y, **params, n_iter_no_change=98)
    assert mlp.n_iter_ == 100
    _, mlp = fit_both(X, y, **params, n_iter_no_change=97)
    assert mlp.n_iter_ == 99
    _, mlp = fit_both(X, y, **params, n_iter_no_change=np.inf)
    assert mlp.n_iter_ == 100
