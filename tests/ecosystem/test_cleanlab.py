"""cleanlab finds wrong labels by the predicted probabilities."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


def test_wrong_labels_are_found(mlp):
    pytest.importorskip("cleanlab")
    X, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    wrong = rng.choice(len(y), size=round(0.03 * len(y)), replace=False)
    y[wrong] = (y[wrong] + rng.integers(1, 10, size=len(wrong))) % 10
    mlp.set_params(hidden_layer_sizes=(64,), max_iter=20)
    # Begin of the documentation: cleanlab
    from cleanlab.filter import find_label_issues
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    cv = StratifiedKFold(5, shuffle=True, random_state=0)
    probabilities = cross_val_predict(mlp, X, y, cv=cv, method="predict_proba")
    found = find_label_issues(y, probabilities, return_indices_ranked_by="self_confidence")
    # End of the documentation: cleanlab
    n_correct = len(np.intersect1d(found, wrong))
    assert n_correct >= 0.8 * len(wrong)
    assert n_correct >= 0.7 * len(found)
