"""scikit-learn's own checks of an estimator, on every way of training, with nothing expected to fail."""

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from skmlp import MLPDigitClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ESTIMATORS = [
    MLPDigitClassifier(max_iter=100),
    MLPDigitClassifier(solver="sgd", learning_rate_init=0.05, max_iter=100),
    MLPDigitClassifier(solver="lbfgs"),
    MLPDigitClassifier(early_stopping=True, max_iter=100),
    MLPDigitClassifier(hidden_layer_sizes=(30, 20), max_iter=100),
    MLPDigitClassifier(hidden_layer_sizes=(), max_iter=200, learning_rate_init=0.01),
    MLPDigitClassifier(input_scale=0.5, max_iter=100),
]


@parametrize_with_checks(ESTIMATORS, xfail_strict=True)
def test_estimator_check(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_check_outside_the_suite(check):
    check("MLPDigitClassifier", MLPDigitClassifier(max_iter=5))
