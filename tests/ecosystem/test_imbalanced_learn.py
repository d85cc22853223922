"""The samplers of imbalanced-learn balance the training samples in a pipeline."""

import numpy as np
import pytest
from helpers import assert_same_model
from sklearn.base import clone
from sklearn.metrics import recall_score


@pytest.fixture
def rare_eights(split):
    """Return the data with 7 samples of the digit 8 for training."""
    pytest.importorskip("imblearn")
    X_train, X_test, y_train, y_test = split
    kept = (y_train != 8) | (np.arange(len(y_train)) % 20 == 0)
    return X_train[kept], X_test, y_train[kept], y_test


def test_smote_raises_the_recall_of_a_rare_class(rare_eights, mlp):
    X_train, X_test, y_train, y_test = rare_eights
    # Begin of the documentation: smote
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline

    pipeline = make_pipeline(SMOTE(random_state=0), mlp)
    pipeline.fit(X_train, y_train)
    # End of the documentation: smote

    def compute_recall(model):
        return recall_score(y_test, model.predict(X_test), labels=[8], average="macro")

    unbalanced = clone(mlp).fit(X_train, y_train)
    assert compute_recall(pipeline) > compute_recall(unbalanced) + 0.1
    assert pipeline.score(X_test, y_test) > unbalanced.score(X_test, y_test)


def test_pipeline_trains_on_the_repeated_samples(rare_eights, mlp):
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline

    X_train, _, y_train, _ = rare_eights
    sampler = RandomOverSampler(random_state=0)
    pipeline = make_pipeline(sampler, clone(mlp)).fit(X_train, y_train)
    X_balanced, y_balanced = sampler.fit_resample(X_train, y_train)
    assert np.ptp(np.bincount(y_balanced)) == 0
    assert_same_model(pipeline[-1], mlp.fit(X_balanced, y_balanced))
