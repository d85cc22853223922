"""Sample weights and the batch size."""

import numpy as np
import pytest
from helpers import assert_same_model, make_classifier_factory

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@every_solver
def test_samples_of_zero_weight_are_ignored(digits, solver):
    X, y = digits
    sample_weight = np.tile([1.0, 0.0], 150)
    params = {"solver": solver, "batch_size": 300, "shuffle": False, "alpha": 0.1}
    estimator = make(**params).fit(X, y, sample_weight)
    without = make(**params | {"batch_size": 150}).fit(X[::2], y[::2])
    assert_same_model(estimator, without, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("scale", [1.0, 2.5])
def test_batches_of_zero_weight_are_skipped(digits, solver, scale):
    X, y = digits
    params = {"solver": solver, "shuffle": False, "batch_size": 50}
    sample_weight = np.repeat([0.0, 1, 0, 0, 1, 1], 50) * scale
    estimator = make(**params).fit(X, y, sample_weight)
    has_weight = sample_weight > 0
    without = make(**params).fit(X[has_weight], y[has_weight], sample_weight[has_weight])
    assert_same_model(estimator, without)
    np.testing.assert_allclose(estimator.loss_curve_, without.loss_curve_, rtol=1e-12)
    assert estimator.history_["accuracy"] == without.history_["accuracy"]


@every_solver
def test_integer_weights_equal_repeated_samples(digits, solver):
    X, y = digits
    weights = np.random.default_rng(0).integers(1, 4, 300)
    params = {"solver": solver, "shuffle": False, "alpha": 0.1, "max_iter": 5}
    weighted = make(batch_size=300, **params).fit(X, y, weights)
    repeated = np.repeat(np.arange(300), weights)
    expected = make(batch_size=len(repeated), **params).fit(X[repeated], y[repeated])
    assert_same_model(weighted, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_negative_sample_weights_raise(digits, method):
    X, y = digits
    sample_weight = np.ones(300)
    sample_weight[7] = -1
    extra = {"classes": np.arange(10)} if method == "partial_fit" else {}
    with pytest.raises(ValueError, match=r"[Nn]egative"):
        getattr(make(), method)(X, y, sample_weight, **extra)


def test_zero_sample_weights_raise(digits):
    X, y = digits
    with pytest.raises(ValueError, match="zero"):
        make().fit(X, y, np.zeros(300))


def test_batch_size_is_clipped_with_a_warning(digits):
    X, y = digits
    estimator = make(batch_size=301)
    with pytest.warns(UserWarning, match=r"got 301\. It is clipped to 300"):
        estimator.fit(X, y)
    assert_same_model(estimator, make(batch_size=300).fit(X, y))
