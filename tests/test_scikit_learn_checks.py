"""The estimator checks of scikit-learn, for all solvers and regularizers, with a list of expected failures."""

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_param_validation,
    parametrize_with_checks,
)

from skmlp import MLPDigitClassifier

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SMALL = {"hidden_layer_sizes": (30,), "learning_rate_init": 0.01, "max_iter": 50}
ESTIMATORS = [
    MLPDigitClassifier(max_iter=100),
    MLPDigitClassifier(solver="sgd", learning_rate_init=0.05, max_iter=100),
    MLPDigitClassifier(solver="lbfgs"),
    MLPDigitClassifier(early_stopping=True, max_iter=100),
    MLPDigitClassifier(early_stopping=True, monitor="loss", max_iter=100),
    MLPDigitClassifier(hidden_layer_sizes=(30, 20), max_iter=100),
    MLPDigitClassifier(hidden_layer_sizes=(), max_iter=200, learning_rate_init=0.01),
    MLPDigitClassifier(input_scale=0.5, max_iter=100),
    MLPDigitClassifier(batch_norm=True, **SMALL),
    MLPDigitClassifier(dropout=0.2, input_dropout=0.1, **SMALL),
    MLPDigitClassifier(ema_decay=0.9, **SMALL),
    MLPDigitClassifier(label_smoothing=0.1, **SMALL),
    MLPDigitClassifier(solver="adamw", weight_decay=0.05, clip_norm=1.0, max_norm=3.0, **SMALL),
    MLPDigitClassifier(solver="nadam", learning_rate="one_cycle", **SMALL),
    MLPDigitClassifier(solver="rmsprop", learning_rate="cosine", warmup_epochs=3, **SMALL),
    MLPDigitClassifier(activation="gelu", weight_init="orthogonal", **SMALL),
    MLPDigitClassifier(
        activation=["silu", "leaky_relu"], **SMALL | {"hidden_layer_sizes": (30, 20)}
    ),
    MLPDigitClassifier(class_weight="balanced", **SMALL),
]


def get_expected_failures(estimator):
    """Return the checks that contradict the documented meaning of a parameter, with the reason."""
    if estimator.dropout:
        reason = (
            "dropout masks differ between samples: a repeated sample is not a sample of weight 2"
        )
        return {
            "check_sample_weight_equivalence_on_dense_data": reason,
            "check_sample_weight_equivalence_on_sparse_data": reason,
        }
    if estimator.early_stopping:
        reason = (
            "as in MLPClassifier, partial_fit exists but raises ValueError if early_stopping=True"
        )
        expected = dict.fromkeys(
            (
                "check_fit_score_takes_y",
                "check_n_features_in_after_fitting",
                "check_estimators_partial_fit_n_features",
            ),
            reason,
        )
        if estimator.monitor == "accuracy":
            expected["check_class_weight_classifiers"] = (
                "class weights of 1000 and 1e-4 favor one class, but the weights with the best accuracy are kept"
            )
        return expected
    return {}


@parametrize_with_checks(
    ESTIMATORS, expected_failed_checks=get_expected_failures, xfail_strict=True
)
def test_classifier_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check", [check_param_validation, check_dataframe_column_names_consistency]
)
def test_classifier_passes_checks_outside_the_suite(check):
    check("MLPDigitClassifier", MLPDigitClassifier(max_iter=5))
