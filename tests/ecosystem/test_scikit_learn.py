"""Searches and ensembles of scikit-learn that train copies of the classifier."""

import numpy as np
import pytest
from helpers import assert_same_model
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import HalvingGridSearchCV, cross_val_predict


def test_halving_trains_the_best_candidates_for_more_epochs(split, mlp):
    X_train, X_test, y_train, y_test = split
    grid = {"learning_rate_init": [1e-4, 1e-3, 0.01, 0.03]}
    search = HalvingGridSearchCV(
        mlp,
        grid,
        resource="max_iter",
        min_resources=2,
        max_resources=8,
        factor=2,
        cv=2,
        random_state=0,
    ).fit(X_train, y_train)
    results = search.cv_results_
    assert np.bincount(results["iter"]).tolist() == [4, 2, 1]
    assert results["n_resources"].tolist() == [2] * 4 + [4] * 2 + [8]
    assert search.best_estimator_.n_iter_ == 8
    expected = clone(mlp).set_params(**search.best_params_).fit(X_train, y_train)
    assert_same_model(search.best_estimator_, expected)
    assert search.score(X_test, y_test) > 0.93


@pytest.mark.parametrize("ensemble", [True, False])
def test_temperature_scaling_lowers_the_log_loss(split, mlp, ensemble):
    X_train, X_test, y_train, y_test = split
    mlp.set_params(hidden_layer_sizes=(64, 64), max_iter=30)
    calibrated = CalibratedClassifierCV(mlp, method="temperature", cv=3, ensemble=ensemble)
    calibrated.fit(X_train, y_train)
    assert len(calibrated.calibrated_classifiers_) == (3 if ensemble else 1)
    fitted = clone(mlp).fit(X_train, y_train)
    if not ensemble:
        assert_same_model(calibrated.calibrated_classifiers_[0].estimator, fitted)
        np.testing.assert_array_equal(calibrated.predict(X_test), fitted.predict(X_test))
    before, after = (
        log_loss(y_test, model.predict_proba(X_test)) for model in (fitted, calibrated)
    )
    assert after < before


def test_temperature_scaling_does_not_train_a_frozen_network(split, mlp):
    X_train, X_cal, y_train, y_cal = split
    mlp.fit(X_train[:500], y_train[:500])
    coefs = mlp.coefs_[0].copy()
    frozen = CalibratedClassifierCV(FrozenEstimator(mlp), method="temperature").fit(X_cal, y_cal)
    np.testing.assert_array_equal(mlp.coefs_[0], coefs)
    np.testing.assert_array_equal(frozen.predict(X_train), mlp.predict(X_train))
    (calibrated,) = frozen.calibrated_classifiers_
    logits = mlp.predict_log_proba(X_cal) * calibrated.calibrators[0].beta_
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(frozen.predict_proba(X_cal), expected, atol=1e-3)


def test_stacking_trains_the_final_estimator_on_out_of_fold_probabilities(split, mlp):
    X_train, X_test, y_train, y_test = split
    networks = [("small", clone(mlp)), ("tanh", clone(mlp).set_params(activation="tanh"))]
    final = LogisticRegression(C=100, max_iter=1000)
    stack = StackingClassifier(networks, final, cv=3).fit(X_train, y_train)
    assert stack.stack_method_ == ["predict_proba", "predict_proba"]
    out_of_fold = [
        cross_val_predict(network, X_train, y_train, cv=3, method="predict_proba")
        for _, network in networks
    ]
    expected = clone(final).fit(np.hstack(out_of_fold), y_train)
    np.testing.assert_allclose(stack.final_estimator_.coef_, expected.coef_)
    assert stack.score(X_test, y_test) > 0.95


def test_voting_averages_the_probabilities(split, mlp):
    X_train, X_test, y_train, _ = split
    networks = [(str(seed), clone(mlp).set_params(random_state=seed)) for seed in range(2)]
    voting = VotingClassifier(networks, voting="soft", weights=[2, 1]).fit(X_train, y_train)
    probabilities = [
        clone(network).fit(X_train, y_train).predict_proba(X_test) for _, network in networks
    ]
    expected = np.average(probabilities, axis=0, weights=[2, 1])
    np.testing.assert_allclose(voting.predict_proba(X_test), expected, rtol=1e-12)
