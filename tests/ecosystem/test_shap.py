"""SHAP attributes predicted probabilities to pixels."""

import numpy as np
import pytest


def test_values_of_the_pixels_add_up_to_the_probabilities(split, mlp):
    pytest.importorskip("shap")
    X_train, X_test, y_train, _ = split
    mlp.fit(X_train, y_train)
    # Begin of the documentation: shap
    import shap

    explainer = shap.KernelExplainer(mlp.predict_proba, X_train[:20], seed=0)
    explanation = explainer(X_test[:2], silent=True)
    # End of the documentation: shap
    probabilities = mlp.predict_proba(X_test[:2])
    assert explanation.values.shape == (2, 64, 10)
    np.testing.assert_allclose(
        explanation.base_values, np.tile(mlp.predict_proba(X_train[:20]).mean(axis=0), (2, 1))
    )
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, probabilities, atol=1e-6)
    # The value of a pixel predicts the change when it is replaced by the background.
    for sample, values, before in zip(X_test, explanation.values, probabilities, strict=False):
        label = before.argmax()
        pixels = values[:, label].argsort()[-8:]
        without = np.tile(sample, (20, 1))
        without[:, pixels] = X_train[:20, pixels]
        assert mlp.predict_proba(without)[:, label].mean() < before[label] - 0.2
