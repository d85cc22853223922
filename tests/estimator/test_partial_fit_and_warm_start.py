"""Conditions of partial_fit and warm starts, and parameters that change between calls."""

import copy

import numpy as np
import pytest
from helpers import make_classifier_factory
from sklearn.metrics import log_loss

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


def test_first_partial_fit_requires_classes(digits):
    X, y = digits
    with pytest.raises(ValueError, match="classes must be passed"):
        make().partial_fit(X, y)


def test_partial_fit_raises_if_classes_change(digits):
    X, y = digits
    estimator = make().partial_fit(X, y, classes=np.arange(10))
    with pytest.raises(ValueError, match="is not the same as"):
        estimator.partial_fit(X, y, classes=np.arange(11))


@pytest.mark.parametrize("first", [True, False], ids=["first call", "second call"])
def test_partial_fit_raises_on_unknown_labels(digits, first):
    X, y = digits
    estimator = make()
    if not first:
        estimator.partial_fit(X[y < 5], y[y < 5], classes=np.arange(5))
    with pytest.raises(ValueError, match=r"\[5, 6, 7, 8, 9\]"):
        estimator.partial_fit(X, y, classes=np.arange(5))


def test_partial_fit_accepts_a_subset_of_the_classes(digits):
    X, y = digits
    estimator = make().partial_fit(X[y < 2], y[y < 2], classes=np.arange(10))
    assert estimator.predict_proba(X).shape == (300, 10)
    estimator.partial_fit(X[y > 6], y[y > 6])
    assert estimator.n_iter_ == 2


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"solver": "lbfgs"}, "stochastic"),
        ({"class_weight": "balanced"}, "class_weight"),
    ],
    ids=["lbfgs", "balanced"],
)
def test_partial_fit_is_unavailable_for_some_parameters(digits, params, message):
    estimator = make(**params)
    assert not hasattr(estimator, "partial_fit")
    with pytest.raises(AttributeError) as caught:
        estimator.partial_fit(*digits)
    assert message in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize("fitted", [False, True])
def test_partial_fit_raises_with_early_stopping(digits, fitted):
    X, y = digits
    estimator = make(early_stopping=True)
    if fitted:
        estimator.fit(X, y)
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        estimator.partial_fit(X, y, classes=np.arange(10))
    assert hasattr(estimator, "coefs_") == fitted


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
def test_partial_fit_continues_a_fit_with_early_stopping(digits, monitor):
    X, y = digits
    estimator = make(early_stopping=True, monitor=monitor, max_iter=4).fit(X, y)
    estimator.set_params(early_stopping=False)
    for n_epochs in (5, 6):
        estimator.partial_fit(X, y)
        assert {len(column) for column in estimator.history_.values()} == {n_epochs}
        assert len(estimator.loss_curve_) == estimator.n_iter_ == n_epochs
    assert np.isnan(estimator.history_["val_loss"][-2:]).all()
    assert estimator.validation_scores_ is None
    assert estimator.best_validation_score_ is None
    assert estimator.best_loss_ == min(estimator.loss_curve_[4:])


def test_model_without_state_continues_without_early_stopping(digits):
    X, y = digits
    estimator = make(early_stopping=True, max_iter=4).fit(X, y)
    del estimator._state  # as after load_model
    estimator.set_params(early_stopping=False).partial_fit(X, y)
    assert {len(column) for column in estimator.history_.values()} == {5}


def test_training_starts_from_manually_set_attributes(digits):
    X, y = digits
    trained = make(max_iter=3).fit(X, y)
    assigned = make()
    for name in ("coefs_", "intercepts_", "n_features_in_", "n_outputs_", "out_activation_"):
        setattr(assigned, name, copy.deepcopy(getattr(trained, name)))
    assigned.classes_ = trained.classes_
    np.testing.assert_array_equal(assigned.predict(X), trained.predict(X))
    before = assigned.predict_proba(X)
    assigned.partial_fit(X, y)
    assert assigned.loss_ < log_loss(y, before) + 0.1
    assert len(assigned.loss_curve_) == assigned.n_iter_ == 1


# Warm start


@every_solver
def test_warm_start_raises_if_layers_change(digits, solver):
    estimator = make(solver=solver, warm_start=True).fit(*digits)
    with pytest.raises(ValueError, match=r"\(64, 16, 10\).*\(64, 17, 10\)"):
        estimator.set_params(hidden_layer_sizes=(17,)).fit(*digits)


@pytest.mark.parametrize("change", ["fewer", "more", "others"])
def test_warm_start_raises_if_classes_change(digits, change):
    X, y = digits
    estimator = make(warm_start=True).fit(X[y < 8], y[y < 8])
    chosen = {"fewer": y < 7, "more": y < 9, "others": y > 1}[change]
    with pytest.raises(ValueError, match="same classes"):
        estimator.fit(X[chosen], y[chosen])


def test_warm_start_continues_from_modified_weights(digits):
    X, y = digits
    estimator = make(warm_start=True, max_iter=2).fit(X, y)
    for coef in estimator.coefs_:
        coef[...] = 0
    estimator.intercepts_ = [np.zeros_like(biases) for biases in estimator.intercepts_]
    estimator.set_params(learning_rate_init=1e-300, alpha=0).fit(X, y)
    assert estimator.loss_ == pytest.approx(np.log(10))
