"""Early stopping on given and on held-out samples."""

import warnings

import numpy as np
import pytest
from helpers import make_classifier_factory

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

make = make_classifier_factory()


def test_early_stopping_on_given_validation_set_restores_the_best_weights(digits):
    X, y = digits
    X_val, y_val = X[200:], y[200:]
    # With this learning rate, the accuracy fluctuates.
    estimator = make(early_stopping=True, learning_rate_init=0.05, n_iter_no_change=5, max_iter=60)
    estimator.fit(X[:200], y[:200], X_val=X_val, y_val=y_val)
    assert estimator.n_iter_ < 60
    scores = estimator.validation_scores_
    assert scores == estimator.history_["val_accuracy"]
    assert len(scores) == estimator.n_iter_
    assert estimator.best_validation_score_ == max(scores) > scores[-1]
    assert estimator.score(X_val, y_val) == pytest.approx(max(scores))


def test_early_stopping_on_given_validation_set_trains_on_all_training_samples(digits):
    X, y = digits
    estimator = make(early_stopping=True, n_iter_no_change=20)
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    assert estimator.t_ == 200 * estimator.n_iter_
    plain = make(n_iter_no_change=20).fit(X[:200], y[:200])
    assert estimator.loss_curve_ == plain.loss_curve_


def test_early_stopping_uses_sample_weight_val(digits):
    X, y = digits
    weights = np.where(y[200:] < 3, 10.0, 0.1)
    estimator = make(early_stopping=True)
    estimator.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:], sample_weight_val=weights)
    assert estimator.score(X[200:], y[200:], weights) == pytest.approx(
        estimator.best_validation_score_
    )


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_early_stopping_holds_out_validation_fraction(digits, fraction):
    X, y = digits
    estimator = make(early_stopping=True, validation_fraction=fraction, max_iter=4).fit(X, y)
    assert estimator.t_ == 4 * (300 - round(300 * fraction))
    assert len(estimator.validation_scores_) == len(estimator.history_["val_loss"]) == 4
    assert estimator.best_loss_ is None
    # Accuracies are multiples of 1 / n_held_out.
    n_correct = np.array(estimator.validation_scores_) * round(300 * fraction)
    np.testing.assert_allclose(n_correct, n_correct.round(), atol=1e-9)


def test_early_stopping_stops_before_max_iter(digits):
    estimator = make(early_stopping=True, learning_rate_init=0.02, max_iter=500)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(*digits)
    assert estimator.n_iter_ < 500
    assert estimator.score(*digits) > 0.9


def test_early_stopping_raises_if_no_samples_can_be_held_out(digits):
    X, _ = digits
    with pytest.raises(ValueError, match="validation set is too small"):
        make(early_stopping=True).fit(X[:10], np.arange(10))


def test_warm_start_with_early_stopping_keeps_the_best_weights_of_all_calls(digits):
    X, y = digits
    validation = {"X_val": X[200:], "y_val": y[200:]}
    estimator = make(early_stopping=True, warm_start=True, learning_rate_init=0.01)
    estimator.fit(X[:200], y[:200], **validation)
    best = estimator.best_validation_score_
    # With this learning rate, the second fit does not improve the score.
    estimator.set_params(learning_rate_init=3.0, max_iter=2).fit(X[:200], y[:200], **validation)
    assert max(estimator.validation_scores_[-2:]) < best
    assert estimator.best_validation_score_ == best
    assert estimator.score(X[200:], y[200:]) == best
