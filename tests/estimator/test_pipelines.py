"""The classifier in pipelines of scikit-learn."""

import numpy as np
import pytest
from helpers import assert_same_model, make_classifier_factory
from sklearn import config_context
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import Pipeline

from skmlp import IDXReader

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

make = make_classifier_factory()


def test_grid_search_in_two_processes_finds_the_better_model(digits):
    pipeline = Pipeline(
        [("read", IDXReader()), ("net", make(max_iter=40, learning_rate_init=0.02))]
    )
    grid = {"net__hidden_layer_sizes": [(1,), (20,)]}
    images = digits[0].reshape(300, 8, 8).astype(np.float32)
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(images, digits[1])
    assert search.best_params_ == {"net__hidden_layer_sizes": (20,)}
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.score(images, digits[1]) > 0.8


def test_pipeline_with_reader_equals_input_scale(pixels, digits):
    _, y = digits
    images = pixels.reshape(300, 8, 8)
    pipeline = Pipeline([("read", IDXReader()), ("net", make())]).fit(images, y)
    scaled = make(input_scale=1 / 255).fit(pixels, y)
    assert_same_model(pipeline["net"], scaled, atol=2e-3)
    np.testing.assert_allclose(
        pipeline.predict_proba(images), scaled.predict_proba(pixels), atol=2e-3
    )


def test_sample_weights_are_routed(digits):
    X, y = digits
    sample_weight = np.random.default_rng(0).uniform(0, 2, 300)
    with config_context(enable_metadata_routing=True):
        net = make().set_fit_request(sample_weight=True).set_score_request(sample_weight=False)
        pipeline = Pipeline([("read", IDXReader()), ("net", net)])
        pipeline.fit(X, y, sample_weight=sample_weight)
        result = cross_validate(
            net, X, y, cv=2, params={"sample_weight": sample_weight}, return_estimator=True
        )
    expected = make().fit(X.astype(np.float32), y, sample_weight)
    assert_same_model(pipeline["net"], expected)
    unweighted = cross_validate(make(), X, y, cv=2, return_estimator=True)
    for routed, plain in zip(result["estimator"], unweighted["estimator"], strict=True):
        assert not np.array_equal(routed.coefs_[0], plain.coefs_[0])


def test_validation_set_is_routed(digits):
    X, y = digits
    with config_context(enable_metadata_routing=True):
        net = make().set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline([("net", net)]).fit(X, y, X_val=X[:50], y_val=y[:50])
    assert len(pipeline["net"].history_["val_loss"]) == 10
