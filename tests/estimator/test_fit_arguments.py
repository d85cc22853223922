"""Valid and invalid layer sizes, and calls of fit that raise before training begins."""

import numpy as np
import pandas as pd
import pytest
from helpers import assert_same_training, make_classifier_factory

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

make = make_classifier_factory()


@pytest.mark.parametrize("sizes", [0, -1, (3, 0), (2.5,), ((2, 3), (4, 5)), "12"], ids=repr)
def test_invalid_hidden_layer_sizes_raise(digits, sizes):
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        make(hidden_layer_sizes=sizes).fit(*digits)


@pytest.mark.parametrize("sizes", [5, (5,), [5], np.array([5]), np.int64(5)], ids=repr)
def test_hidden_layer_sizes_accepts_scalars_and_sequences(digits, sizes):
    estimator = make(hidden_layer_sizes=sizes, max_iter=2).fit(*digits)
    assert [coef.shape for coef in estimator.coefs_] == [(64, 5), (5, 10)]


def make_failing_fits(X, y):
    """Return functions that call `fit` of a fitted estimator with arguments that raise before the first epoch."""
    return {
        "hold-out": lambda m: m.set_params(early_stopping=True).fit(X[:3, :32], ["a", "b", "c"]),
        "validation": lambda m: m.fit(X[:, :32], y, X_val=X[:, :31], y_val=y),
        "class weight": lambda m: m.set_params(class_weight={99: 1}).fit(X[:, :32], y),
        "layers": lambda m: m.set_params(hidden_layer_sizes=(0,)).fit(X[:, :32], y),
        "names": lambda m: m.set_params(dropout=[0.1] * 7).fit(
            pd.DataFrame(X).rename(columns=str), y
        ),
    }


@pytest.mark.filterwarnings("ignore:X has feature names")
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("failure", make_failing_fits(None, None))
def test_failing_fit_does_not_change_the_estimator(digits, failure, warm_start):
    X, y = digits
    failed, expected = (make(warm_start=warm_start, ema_decay=0.9).fit(X, y) for _ in range(2))
    with pytest.raises(ValueError, match=r"."):
        make_failing_fits(X, y)[failure](failed)
    failed.set_params(**expected.get_params())
    assert vars(failed).keys() == vars(expected).keys()
    assert_same_training(failed, expected)
    np.testing.assert_array_equal(failed.predict_proba(X), expected.predict_proba(X))
    assert_same_training(failed.fit(X, y), expected.fit(X, y))


def test_failing_holdout_does_not_change_a_warm_start(digits):
    X, y = digits
    first_of_each_class = np.unique(y, return_index=True)[1]
    failed, expected = (make(warm_start=True, ema_decay=0.9).fit(X, y) for _ in range(2))
    failed.set_params(early_stopping=True)
    with pytest.raises(ValueError, match="validation set is too small"):
        failed.fit(X[first_of_each_class], y[first_of_each_class])
    failed.set_params(early_stopping=False)
    assert_same_training(failed, expected)
    assert_same_training(failed.fit(X, y), expected.fit(X, y))
