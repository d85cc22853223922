"""Products that skip zeros, compared with dense products."""

import warnings

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import ConvergenceWarning

from skmlp import MLPDigitClassifier

pytest.importorskip("numba")
inputs = pytest.importorskip("skmlp.engine.compiled.inputs")
library = pytest.importorskip("skmlp.engine.compiled.library")


@pytest.fixture(autouse=True)
def use_numba(monkeypatch):
    monkeypatch.setenv("SKMLP_KERNELS", "numba")


def make_data(dtype, n_features, density=0.15):
    rng = np.random.default_rng(0)
    X = rng.uniform(1, 255, (600, n_features)) * (rng.random((600, n_features)) < density)
    return X.astype(dtype), rng.integers(0, 5, 600)


def fit(X, y, **params):
    mlp = MLPDigitClassifier(
        (35, 20), max_iter=4, batch_size=100, input_scale=1 / 255, random_state=0, **params
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mlp.fit(X, y)


@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
@pytest.mark.parametrize("n_features", [1, 61, 320])
def test_skipping_zeros_does_not_change_results(monkeypatch, dtype, n_features):
    X, y = make_data(dtype, n_features)
    fitted = []
    for limit in (0.25, 0.0):
        monkeypatch.setattr(inputs, "MAX_LOW_DENSITY", limit)
        fitted.append(fit(X, y))
    compressed, dense = fitted
    assert compressed.loss_curve_ == dense.loss_curve_
    for ours, expected in zip(compressed.coefs_, dense.coefs_, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dense_and_csr_samples_with_zeros_give_the_same_results(dtype):
    X, y = make_data(dtype, 61)
    dense, sparse = fit(X, y), fit(csr_matrix(X), y)
    for ours, expected in zip(dense.coefs_, sparse.coefs_, strict=True):
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.parametrize(
    ("density", "params", "expected"),
    [
        (0.15, {}, "sparse.compress"),
        (0.15, {"input_dropout": 0.2}, "batches.gather"),
        (0.15, {"adversarial_norm": 0.1}, "batches.gather"),
        (0.5, {}, "batches.gather"),
    ],
)
def test_zeros_are_skipped_if_there_are_many(monkeypatch, density, params, expected):
    monkeypatch.setattr(library, "loaded", {})
    fit(*make_data("float32", 61, density), **params)
    readers = {"sparse.compress-float32-float32", "batches.gather-float32-float32"}
    assert readers & set(library.loaded) == {f"{expected}-float32-float32"}


def test_dense_batches_may_have_any_density():
    # The samples whose zeros are counted, every fourth, have low density; the others have no zeros.
    X, y = make_data("float32", 64)
    X[np.arange(len(X)) % 4 != 0] += 1
    fit(X, y)
    np.testing.assert_allclose(
        fit(X, y).coefs_[0], fit(csr_matrix(X), y).coefs_[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(("noise", "expected"), [(0, "sparse.compress"), (1, "batches.gather")])
def test_zeros_of_augmented_samples_are_skipped_if_there_are_many(monkeypatch, noise, expected):
    monkeypatch.setattr(library, "loaded", {})
    fit(
        *make_data("uint8", 64),
        augmentation=lambda images, rng: images + noise * rng.random(images.shape, np.float32),
        image_shape=(8, 8),
    )
    readers = {"sparse.compress-float32-float32", "batches.gather-float32-float32"}
    assert readers & set(library.loaded) == {f"{expected}-float32-float32"}


def test_estimated_density():
    X = np.zeros((1000, 10))
    assert inputs.estimate_density(X) == 0
    X[:, :3] = 1
    assert inputs.estimate_density(X) == pytest.approx(0.3)
    assert inputs.estimate_density(X[:1]) == pytest.approx(0.3)
    assert inputs.estimate_density(np.ones((2, 2**20), np.uint8)) == 1
