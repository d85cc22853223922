"""fairlearn selects thresholds that satisfy a constraint on groups of samples."""

import numpy as np
import pytest
from sklearn.base import clone


def make_task(digits, rng):
    """Return whether each digit is at least 5, and a group that is the same for 80 % of the samples."""
    is_large = digits >= 5
    return is_large.astype(int), (is_large ^ (rng.random(len(digits)) < 0.2)).astype(int)


def test_thresholds_equalize_the_selection_rates_of_two_groups(split, mlp):
    pytest.importorskip("fairlearn")
    X_train, X_test, y_train, y_test = split
    rng = np.random.default_rng(0)
    y_train, group_train = make_task(y_train, rng)
    y_test, group_test = make_task(y_test, rng)
    mlp.fit(X_train, y_train)
    # Begin of the documentation: fairlearn
    from fairlearn.metrics import demographic_parity_difference
    from fairlearn.postprocessing import ThresholdOptimizer

    optimizer = ThresholdOptimizer(
        estimator=mlp, constraints="demographic_parity", prefit=True, predict_method="predict_proba"
    ).fit(X_train, y_train, sensitive_features=group_train)
    y_pred = optimizer.predict(X_test, sensitive_features=group_test, random_state=0)
    difference = demographic_parity_difference(y_test, y_pred, sensitive_features=group_test)
    # End of the documentation: fairlearn
    unconstrained = demographic_parity_difference(
        y_test, mlp.predict(X_test), sensitive_features=group_test
    )
    assert difference < 0.1 < 0.5 < unconstrained

    unfitted = clone(optimizer).set_params(prefit=False, estimator=clone(mlp))
    trained = unfitted.fit(X_train, y_train, sensitive_features=group_train)
    np.testing.assert_array_equal(
        trained.predict(X_test, sensitive_features=group_test, random_state=0), y_pred
    )
