"""Convergence, its warnings, and divergence."""

import warnings

import numpy as np
import pytest
from helpers import InterruptingRandomState, make_classifier_factory
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

make = make_classifier_factory()


def test_digits_are_learned():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    estimator = make(hidden_layer_sizes=(40,), max_iter=30, learning_rate_init=0.01, batch_size=50)
    estimator.fit(X[:800], y[:800])
    accuracy = estimator.score(X[800:], y[800:])
    assert accuracy == accuracy_score(y[800:], estimator.predict(X[800:])) > 0.9


def test_infinite_n_iter_no_change_trains_for_max_iter_epochs(digits):
    X, y = digits
    assert make(tol=10, n_iter_no_change=3, max_iter=30).fit(X, y).n_iter_ == 5
    for infinite in (np.inf, None):
        assert make(tol=10, n_iter_no_change=infinite, max_iter=30).fit(X, y).n_iter_ == 30


# Warnings


@pytest.mark.parametrize("max_iter", [1, 3])
def test_reaching_max_iter_warns(digits, max_iter):
    estimator = make(max_iter=max_iter)
    with pytest.warns(ConvergenceWarning, match=rf"Maximum iterations \({max_iter}\) reached"):
        estimator.fit(*digits)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize(
    ("params", "warns"),
    [
        ({}, True),
        ({"n_iter_no_change": np.inf}, True),
        ({"learning_rate": "exponential"}, True),
        ({"n_iter_no_change": None}, False),
        ({"learning_rate": "cosine"}, False),
        ({"learning_rate": "one_cycle", "n_iter_no_change": np.inf}, False),
        ({"learning_rate": "one_cycle", "warmup_epochs": 1}, False),
        ({"learning_rate": "constant", "warmup_epochs": 1}, True),
    ],
    ids=str,
)
def test_reaching_max_iter_warns_unless_intended(digits, solver, warm_start, params, warns):
    estimator = make(solver=solver, max_iter=3, warm_start=warm_start, **params)
    for _ in range(1 + warm_start):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator.fit(*digits)
        messages = [str(warning.message) for warning in caught]
        assert any("Maximum iterations (3) reached" in message for message in messages) == warns
        assert len(messages) == warns


def test_stopping_before_max_iter_does_not_warn(digits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make(tol=10, n_iter_no_change=2).fit(*digits)
        make(solver="lbfgs", hidden_layer_sizes=(), alpha=10, max_iter=500).fit(*digits)
        make().partial_fit(*digits, classes=np.arange(10))


@pytest.mark.parametrize("limit", ["max_iter", "max_fun"])
def test_lbfgs_warns_if_it_does_not_converge(digits, limit):
    estimator = make(solver="lbfgs", **{limit: 5})
    with pytest.warns(ConvergenceWarning, match="lbfgs failed to converge"):
        estimator.fit(*digits)


def record_warnings(action):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        action()
    return caught


def make_warning_fits(X, y):
    """Yield functions that call `fit` or `partial_fit`, each with the expected warning."""
    yield lambda: make(max_iter=2).fit(X, y), "Maximum iterations"
    yield lambda: make(max_iter=2, solver="lbfgs").fit(X, y), "lbfgs failed to converge"
    yield lambda: make(n_iter_no_change=None, batch_size=301).fit(X, y), "is clipped to 300"
    yield lambda: make(batch_size=301).partial_fit(X, y, classes=range(10)), "is clipped to 300"
    yield lambda: make(random_state=InterruptingRandomState(0)).fit(X, y), "interrupted"
    yield lambda: Pipeline([("mlp", make(max_iter=2))]).fit(X, y), "Maximum iterations"
    search = GridSearchCV(make(max_iter=2), {"alpha": [0.1]}, cv=2)
    yield lambda: search.fit(X, y), "Maximum iterations"


@pytest.mark.parametrize("number", range(7))
def test_warnings_point_to_the_calling_line(digits, number):
    action, message = list(make_warning_fits(*digits))[number]
    caught = record_warnings(action)
    assert caught
    for warning in caught:
        assert message in str(warning.message)
        assert warning.filename == __file__


# Divergence


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_non_finite_loss_raises_and_keeps_the_last_complete_epoch(digits, method):
    X, y = digits
    X = np.vstack([X[:150], np.full((150, 64), 1.7e308)])
    estimator = make(shuffle=False, batch_size=50, warm_start=True, max_iter=2)
    estimator.fit(X[:150], y[:150])
    before = [coef.copy() for coef in estimator.coefs_]
    # The fourth of six batches is the first with huge features.
    with pytest.raises(ValueError, match="epoch 3, batch 4 of 6"):
        getattr(estimator, method)(X, y)
    for coef, expected in zip(estimator.coefs_, before, strict=True):
        np.testing.assert_array_equal(coef, expected)
    assert len(estimator.loss_curve_) == 2
    assert np.isfinite(estimator.predict_proba(X[:150])).all()


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_divergence_raises_and_keeps_finite_weights(digits, solver):
    X, y = digits
    estimator = make(solver=solver, learning_rate_init=1e200, activation="identity", max_iter=50)
    with pytest.raises(ValueError, match=r"epoch \d+, batch \d of 2.*learning_rate_init"):
        estimator.fit(X, y)
    assert all(np.isfinite(a).all() for a in estimator.coefs_ + estimator.intercepts_)
    assert np.isfinite(estimator.loss_curve_).all()


def test_lbfgs_raises_on_non_finite_loss(digits):
    X, y = digits
    with pytest.raises(ValueError, match=r"finite|diverges"):
        make(solver="lbfgs").fit(np.full_like(X, 1.7e308), y)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_continues_after_a_non_finite_batch(digits, solver):
    X, y = digits
    X_bad = X.copy()
    X_bad[250:] = 1.7e308
    estimator = make(solver=solver, batch_size=50, shuffle=False, warm_start=True).fit(X, y)
    with pytest.raises(ValueError, match="epoch 11, batch 6 of 6"):
        estimator.partial_fit(X_bad, y)
    estimator.fit(X, y)
    assert estimator.loss_curve_[10] < estimator.loss_curve_[9]
    assert len(estimator.loss_curve_) == 20
