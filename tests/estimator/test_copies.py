"""Clones, copies and pickles of a fitted classifier."""

import copy
import pickle

import numpy as np
import pytest
from helpers import assert_same_training, make_classifier_factory
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

make = make_classifier_factory()


def test_clone_of_a_fitted_classifier_is_not_fitted(digits):
    estimator = make().fit(*digits)
    assert clone(estimator).get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        clone(estimator).predict(digits[0])


def test_training_a_copy_does_not_change_the_original(digits):
    X, y = digits
    estimator = make().fit(X, y)
    before = [coef.copy() for coef in estimator.coefs_]
    copy.deepcopy(estimator).partial_fit(X, y)
    for coef, expected in zip(estimator.coefs_, before, strict=True):
        np.testing.assert_array_equal(coef, expected)


@pytest.mark.parametrize("params", [{}, {"batch_norm": True}, {"ema_decay": 0.9}], ids=str)
@pytest.mark.parametrize("assigned", [False, True])
def test_pickle_contains_the_weights_once(digits, params, assigned):
    X, y = digits
    estimator = make(hidden_layer_sizes=(400,), max_iter=2, solver="sgd", **params).fit(X, y)
    if assigned:  # no longer views of the training state, therefore stored separately
        estimator.coefs_ = [coef.copy() for coef in estimator.coefs_]
    size = 8 * make(hidden_layer_sizes=(400,)).summary(64, 10).n_parameters
    # Weights, velocities, averaged weights with ema_decay, and assigned weights.
    n_copies = 2 + ("ema_decay" in params) + assigned
    assert len(pickle.dumps(estimator)) / size == pytest.approx(n_copies, abs=0.2)
    copied = pickle.loads(pickle.dumps(estimator))
    assert vars(copied).keys() == vars(estimator).keys()
    assert_same_training(copied, estimator)
    assert_same_training(copied.partial_fit(X, y), estimator.partial_fit(X, y))
