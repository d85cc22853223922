"""Samples: dtypes, sparse and memory-mapped containers, data frames and input_scale."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from helpers import assert_same_model, make_classifier_factory
from scipy.sparse import coo_matrix, csc_matrix, csr_array, csr_matrix

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
def test_weights_and_probabilities_have_the_dtype_of_the_features(digits, dtype, solver):
    X, y = digits
    estimator = make(solver=solver).fit(X.astype(dtype), y)
    assert {a.dtype for a in estimator.coefs_ + estimator.intercepts_} == {np.dtype(dtype)}
    for other in (np.float32, np.float64):
        assert estimator.predict_proba(X.astype(other)).dtype == dtype
        assert estimator.predict_log_proba(X.astype(other)).dtype == dtype
    np.testing.assert_allclose(
        estimator.predict_proba(X.astype(np.float32)), estimator.predict_proba(X), rtol=1e-3
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, bool])
def test_integers_without_input_scale_are_converted_to_float64(digits, dtype):
    X, y = digits
    X = (X > 0.5).astype(dtype)
    estimator = make().fit(X, y)
    assert estimator.coefs_[0].dtype == np.float64
    assert_same_model(estimator, make().fit(X.astype(np.float64), y))


@pytest.mark.parametrize("container", [csr_matrix, csr_array, csc_matrix, coo_matrix])
@every_solver
@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_sparse_and_dense_features_give_the_same_model(digits, container, solver, early_stopping):
    X, y = digits
    params = {"solver": solver, "early_stopping": early_stopping}
    dense = make(**params).fit(X, y)
    sparse = make(**params).fit(container(X), y)
    assert_same_model(sparse, dense, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(
        sparse.predict_proba(container(X)), dense.predict_proba(X), rtol=1e-6
    )
    np.testing.assert_array_equal(sparse.predict(X), dense.predict(X))


def set_index(value):
    def change(X):
        X.indices[5] = value

    return change


def set_first_index_out_of_range(X):
    X.indices[5] = X.shape[1 if X.format == "csr" else 0]


def set_pointer(i, value):
    def change(X):
        X.indptr[i] = value

    return change


def shorten(name):
    def change(X):
        setattr(X, name, getattr(X, name)[:-1])

    return change


DAMAGES = {
    "large index": (set_index(10**9), "indices of a sparse X must be from 0 to"),
    "index one too large": (
        set_first_index_out_of_range,
        "indices of a sparse X must be from 0 to",
    ),
    "negative index": (set_index(-1), "indices of a sparse X must be from 0 to"),
    "first pointer": (set_pointer(0, 1), "indptr of a sparse X must contain"),
    "large pointer": (set_pointer(5, 10**9), "indptr of a sparse X must contain"),
    "negative pointer": (set_pointer(5, -1), "indptr of a sparse X must contain"),
    "large last pointer": (set_pointer(-1, 10**9), "indptr of a sparse X must contain"),
    "short indptr": (shorten("indptr"), "indptr of a sparse X must contain"),
    "short indices": (shorten("indices"), "data and indices of a sparse X must have the same"),
    "short data": (shorten("data"), "data and indices of a sparse X must have the same"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("container", [csr_matrix, csr_array, csc_matrix])
def test_damaged_sparse_features_are_refused(digits, container, damage, message):
    X, y = digits
    damaged = container(X)
    damage(damaged)
    estimator = make(max_iter=1).fit(container(X), y)
    before = [a.copy() for a in estimator.coefs_]
    for method in (
        lambda: estimator.fit(damaged, y),
        lambda: estimator.fit(X, y, X_val=damaged, y_val=y),
        lambda: estimator.partial_fit(damaged, y),
        lambda: estimator.find_learning_rate(damaged, y),
        lambda: estimator.predict(damaged),
        lambda: estimator.predict_proba(damaged),
        lambda: estimator.predict_log_proba(damaged),
        lambda: estimator.score(damaged, y),
        lambda: estimator.hidden_activations(damaged),
    ):
        with pytest.raises(ValueError, match=message):
            method()
    for actual, expected in zip(estimator.coefs_, before, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_damaged_columns_of_other_formats_are_refused(digits):
    X, y = digits
    estimator, damaged = make(max_iter=1).fit(X, y), coo_matrix(X)
    damaged.col[5] = 10**6
    for method in (
        lambda: estimator.fit(damaged, y),
        lambda: estimator.partial_fit(damaged, y),
        lambda: estimator.predict_proba(damaged),
    ):
        with pytest.raises(ValueError, match="indices of a sparse X must be from 0 to"):
            method()


def test_sparse_features_may_have_unused_memory(digits):
    X, y = digits
    X = csr_matrix(X)
    expected = make(max_iter=1).fit(X, y)
    X.data, X.indices = np.append(X.data, 0), np.append(X.indices, np.int32(10**6))
    assert_same_model(make(max_iter=1).fit(X, y), expected)


def test_fit_accepts_pandas_data(digits):
    X, y = digits
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    estimator = make().fit(frame, pd.Series(y))
    assert_same_model(estimator, make().fit(X, y))
    assert estimator.feature_names_in_.tolist() == frame.columns.tolist()
    np.testing.assert_array_equal(estimator.predict(frame), make().fit(X, y).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(frame[frame.columns[::-1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_solver
def test_input_scale_equals_scaling_before_fit(pixels, digits, dtype, solver):
    _, y = digits
    # Integers are converted to float32; floats keep their dtype.
    X = pixels if dtype == np.float32 else pixels.astype(dtype)
    scaled = make(solver=solver, input_scale=1 / 255).fit(X, y)
    expected = make(solver=solver).fit(pixels.astype(dtype) / dtype(255), y)
    assert scaled.coefs_[0].dtype == dtype
    tolerance = 2e-3 if dtype == np.float32 else 1e-7
    assert_same_model(scaled, expected, atol=tolerance)
    np.testing.assert_allclose(
        scaled.predict_proba(X), expected.predict_proba(pixels / 255), atol=tolerance
    )


def test_input_scale_supports_sparse_integers(pixels, digits):
    _, y = digits
    dense = make(input_scale=1 / 255).fit(pixels, y)
    sparse = make(input_scale=1 / 255).fit(csr_matrix(pixels), y)
    assert_same_model(sparse, dense, atol=1e-4)
    np.testing.assert_allclose(
        sparse.predict_proba(csr_matrix(pixels)), dense.predict_proba(pixels), atol=1e-4
    )


@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_memory_mapped_features_give_the_same_model(pixels, digits, tmp_path, early_stopping):
    _, y = digits
    np.save(tmp_path / "pixels.npy", pixels)
    mapped = np.load(tmp_path / "pixels.npy", mmap_mode="r")
    params = {"input_scale": 1 / 255, "early_stopping": early_stopping}
    estimator = make(**params).fit(mapped, y)
    assert_same_model(estimator, make(**params).fit(pixels, y))
    np.testing.assert_array_equal(estimator.predict(mapped), estimator.predict(pixels))


def measure_peak_memory(action):
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("early_stopping", [False, True], ids=["max_iter", "early stopping"])
def test_input_scale_does_not_copy_all_samples_as_float(early_stopping):
    X = np.random.default_rng(0).integers(256, size=(20_000, 400), dtype=np.uint8)
    y = np.arange(20_000) % 10
    estimator = make(input_scale=1 / 255, max_iter=1, early_stopping=early_stopping)
    # X takes 8 MB as uint8 and would take 32 MB as float32.
    assert measure_peak_memory(lambda: estimator.fit(X, y)) < 14e6
    assert measure_peak_memory(lambda: estimator.predict(X)) < 14e6
