"""Predictions and probabilities of the classifier."""

import copy
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers import make_classifier_factory
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import validate_data

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]

SOLVERS = ["adam", "sgd", "lbfgs"]
every_solver = pytest.mark.parametrize("solver", SOLVERS)
make = make_classifier_factory()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_classes", [2, 10])
@every_solver
def test_probabilities_sum_to_one_and_match_log_probabilities(digits, dtype, n_classes, solver):
    X, y = digits
    estimator = make(solver=solver).fit(X.astype(dtype), y % n_classes)
    probabilities = estimator.predict_proba(X)
    assert probabilities.shape == (300, n_classes)
    assert (probabilities > 0).all()
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=rtol)
    np.testing.assert_allclose(
        estimator.predict_log_proba(X), np.log(probabilities), rtol=10 * rtol, atol=rtol
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("target_type", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("exponent", [3, 10, 30])
def test_log_probabilities_are_finite(digits, dtype, target_type, exponent):
    X, y = digits
    y = {"binary": y == 3, "multiclass": y, "multilabel": np.eye(10, dtype=int)[y]}[target_type]
    estimator = make().fit(X.astype(dtype), y)
    enormous = X.astype(dtype) * dtype(10) ** exponent
    logarithms = estimator.predict_log_proba(enormous)
    assert np.isfinite(logarithms).all()
    assert logarithms.min() < -80
    probabilities = estimator.predict_proba(enormous)
    assert probabilities.min() > 0
    assert probabilities.max() < 1


def test_log_probabilities_are_accurate_for_large_logits(digits):
    X, y = digits
    estimator = make(hidden_layer_sizes=()).fit(X, y)
    X = X * 30
    logits = X @ estimator.coefs_[0] + estimator.intercepts_[0]
    shifted = logits - logits.max(axis=1, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    assert expected.min() < -50
    np.testing.assert_allclose(estimator.predict_log_proba(X), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_probabilities_and_log_probabilities_have_the_same_order(dtype):
    X, y = make_multilabel_classification(100, n_classes=6, random_state=0)
    estimator = make().fit((X * 1.0).astype(dtype), y)
    # For large logits, the probabilities of labels round to one.
    X = X.astype(dtype) * dtype(1000)
    probabilities, logarithms = estimator.predict_proba(X), estimator.predict_log_proba(X)
    assert np.count_nonzero(probabilities > 1 - 1e-6) > 100
    np.testing.assert_array_equal(probabilities.argmax(axis=1), logarithms.argmax(axis=1))
    np.testing.assert_array_equal(np.log(probabilities), logarithms)


@pytest.mark.parametrize(
    "convert",
    [
        np.ascontiguousarray,
        np.asfortranarray,
        lambda array: np.repeat(array, 2, axis=0)[::2],
    ],
    ids=["C order", "F order", "strided"],
)
@pytest.mark.parametrize("batch_norm", [False, True])
def test_prediction_with_assigned_weights_of_any_layout(digits, convert, batch_norm):
    X, y = digits
    estimator = make(hidden_layer_sizes=(9, 7), batch_norm=batch_norm).fit(X, y)
    expected = estimator.predict_proba(X)
    for name in ("coefs_", "intercepts_"):
        setattr(estimator, name, [convert(array) for array in getattr(estimator, name)])
    np.testing.assert_allclose(estimator.predict_proba(X), expected, rtol=1e-12)


@every_solver
def test_prediction_matches_explicit_forward_pass(digits, solver):
    X, y = digits
    estimator = make(solver=solver, activation="tanh", hidden_layer_sizes=(9, 7)).fit(X, y)
    a = X
    for coef, intercept in zip(estimator.coefs_[:-1], estimator.intercepts_[:-1], strict=True):
        a = np.tanh(a @ coef + intercept)
    logits = a @ estimator.coefs_[-1] + estimator.intercepts_[-1]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(estimator.predict_proba(X), expected, rtol=1e-10)
    np.testing.assert_array_equal(estimator.predict(X), logits.argmax(axis=1))


@pytest.mark.parametrize("n_samples", [1, 2047, 2048, 2049, 4500])
def test_predictions_do_not_depend_on_the_number_of_samples(digits, n_samples):
    X, y = digits
    estimator = make().fit(X, y)
    many = np.tile(X, (15, 1))[:n_samples]
    batch = estimator.predict_proba(many)
    assert batch.shape == (n_samples, 10)
    single = np.vstack([estimator.predict_proba(X[i : i + 1]) for i in range(300)])
    np.testing.assert_allclose(batch, np.tile(single, (15, 1))[:n_samples], rtol=1e-10)


INVALID_SAMPLES = {
    "NaN": lambda X: np.where(X.max() > X, X, np.nan),
    "infinity": lambda X: np.where(X.max() > X, X, np.inf),
    "missing feature": lambda X: X[:, 1:],
    "one dimension": lambda X: X[0],
    "three dimensions": lambda X: X[np.newaxis],
    "no samples": lambda X: X[:0],
    "complex numbers": lambda X: X.astype(complex),
    "strings": lambda X: np.full(X.shape, "ink"),
}


@pytest.mark.parametrize("name", INVALID_SAMPLES)
def test_predict_raises_the_errors_of_scikit_learn(digits, name):
    X, y = digits
    estimator = make().fit(X, y)
    samples = INVALID_SAMPLES[name](X)
    with pytest.raises(ValueError, match=r".") as expected:
        validate_data(estimator, samples, reset=False)
    with pytest.raises(ValueError, match=f"^{re.escape(str(expected.value))}$"):
        estimator.predict(samples)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.int8, np.uint64, bool, object, list])
def test_predict_accepts_numeric_types(digits, kind):
    X, y = digits
    estimator = make().fit(X, y)
    whole = np.rint(X)
    given = whole.tolist() if kind is list else whole.astype(kind)
    expected = estimator.predict_proba(np.asarray(given, dtype=float))
    np.testing.assert_allclose(estimator.predict_proba(given), expected, rtol=1e-12)


def test_predict_accepts_finite_samples_whose_sum_overflows(digits):
    X, y = digits
    estimator = make().fit(X, y)
    large = np.full((2, X.shape[1]), np.finfo(np.float64).max / 4)
    with np.errstate(all="ignore"):
        assert estimator.predict(large).shape == (2,)


def test_predict_proba_is_thread_safe(digits):
    X, y = digits
    estimator = make(hidden_layer_sizes=(20, 20)).fit(X, y)
    parts = [np.tile(X[i:], (2, 1))[:400] for i in range(32)]
    expected = [estimator.predict_proba(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(estimator.predict_proba, parts))
    for result, serial in zip(results, expected, strict=True):
        np.testing.assert_array_equal(result, serial)


@every_solver
def test_prediction_does_not_modify_estimator_or_samples(digits, solver):
    X, y = digits
    X = X.copy()
    estimator = make(solver=solver).fit(X, y)
    before, X_before = copy.deepcopy(vars(estimator)), X.copy()
    for method in (estimator.predict, estimator.predict_proba, estimator.predict_log_proba):
        method(X)
    estimator.score(X, y)
    np.testing.assert_array_equal(X, X_before)
    assert vars(estimator).keys() == before.keys()
    for name in before.keys() - {"_state"}:
        np.testing.assert_equal(vars(estimator)[name], before[name], err_msg=name)


def test_predict_raises_before_fit(digits):
    with pytest.raises(NotFittedError):
        make().predict(digits[0])
