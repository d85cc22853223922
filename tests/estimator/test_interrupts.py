"""Training that is interrupted by Ctrl-C."""

import numpy as np
import pytest
from helpers import (
    InterruptingRandomState,
    assert_same_model,
    interrupt_after,
    make_classifier_factory,
)

from skmlp import TrainingInterruptedWarning

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@every_solver
def test_interrupt_keeps_the_trained_weights(digits, solver):
    X, y = digits
    estimator = make(solver=solver).set_callbacks(interrupt_after(3))
    with pytest.warns(TrainingInterruptedWarning, match="interrupted by user"):
        assert estimator.fit(X, y) is estimator
    assert estimator.n_iter_ == 3 if solver != "lbfgs" else len(estimator.loss_curve_) == 3
    assert_same_model(estimator, make(solver=solver, max_iter=3).fit(X, y))
    assert estimator.predict(X).shape == (300,)
    for name in ("loss_", "best_loss_", "t_", "n_iter_", "history_"):
        assert hasattr(estimator, name)


def test_interrupt_during_an_epoch_keeps_the_trained_weights(digits, monkeypatch):
    X, y = digits
    shuffles = []

    class InterruptingStream(np.random.RandomState):
        def shuffle(self, x):
            shuffles.append(len(x))
            if len(shuffles) == 3:
                raise KeyboardInterrupt
            super().shuffle(x)

    estimator = make(random_state=InterruptingStream(0))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X, y)
    assert estimator.n_iter_ == len(estimator.loss_curve_) == 2
    assert_same_model(estimator, make(max_iter=2).fit(X, y))


def test_interrupt_in_the_first_epoch_leaves_a_consistent_estimator(digits):
    X, y = digits
    estimator = make(random_state=InterruptingRandomState(0))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X, y)
    assert np.isnan(estimator.loss_)
    assert estimator.n_iter_ == estimator.t_ == 0
    assert estimator.loss_curve_ == []
    assert estimator.best_loss_ == np.inf
    assert estimator.predict(X).shape == y.shape
    estimator.random_state = 0
    assert np.isfinite(estimator.fit(X, y).loss_)


def test_interrupt_keeps_the_loss_of_a_model_without_state(digits):
    X, y = digits
    estimator = make().fit(X, y)
    loss = estimator.loss_
    del estimator._state  # as after load_model
    estimator.random_state = InterruptingRandomState(0)
    with pytest.warns(TrainingInterruptedWarning):
        estimator.partial_fit(X, y)
    assert estimator.loss_ == loss


def test_interrupt_restores_the_best_weights_of_early_stopping(digits):
    X, y = digits
    estimator = make(early_stopping=True, learning_rate_init=0.3, max_iter=50, n_iter_no_change=50)
    estimator.set_callbacks(interrupt_after(20))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert estimator.validation_scores_[-1] < estimator.best_validation_score_
    assert estimator.score(X[200:], y[200:]) == estimator.best_validation_score_


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_training_continues_after_an_interrupt(digits, solver):
    X, y = digits
    estimator = make(solver=solver, warm_start=True, max_iter=3).set_callbacks(interrupt_after(2))
    with pytest.warns(TrainingInterruptedWarning):
        estimator.fit(X, y)
    estimator.set_callbacks().fit(X, y)
    assert_same_model(estimator, make(solver=solver, max_iter=5).fit(X, y))
