"""Losses compared with SciPy and scikit-learn, also for logits of extreme magnitude."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import log_loss

from skmlp.engine.reference.losses import LOSSES, SingleClass

BATCH = 40
DTYPES = [np.float32, np.float64]


def make_softmax_data(dtype=np.float64, scale=3.0):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=scale, size=(5, BATCH)).astype(dtype)
    targets = rng.integers(5, size=BATCH)
    targets[:5] = np.arange(5)
    return logits, targets, rng.uniform(0, 2, BATCH).astype(dtype)


def make_logistic_data(n_outputs, dtype=np.float64, scale=3.0):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=scale, size=(n_outputs, BATCH)).astype(dtype)
    return logits, rng.random((n_outputs, BATCH)) < 0.5, rng.uniform(0, 2, BATCH).astype(dtype)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_softmax_loss_equals_the_log_loss_of_scikit_learn(weighted):
    logits, targets, weights = make_softmax_data()
    weights = weights if weighted else None
    total, n_correct = LOSSES["softmax"].loss_gradient(logits.copy(), targets, weights, BATCH)
    probabilities = softmax(logits, axis=0).T
    expected = log_loss(targets, probabilities, normalize=False, sample_weight=weights)
    assert total == pytest.approx(expected, rel=1e-12)
    is_correct = probabilities.argmax(axis=1) == targets
    expected = np.sum(is_correct if weights is None else weights[is_correct])
    assert n_correct == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("n_outputs", [1, 4])
def test_logistic_loss_equals_the_sum_of_the_log_losses_of_the_outputs(weighted, n_outputs):
    logits, targets, weights = make_logistic_data(n_outputs)
    weights = weights if weighted else None
    total, n_correct = LOSSES["logistic"].loss_gradient(logits.copy(), targets, weights, BATCH)
    expected = sum(
        log_loss(y, expit(z), normalize=False, sample_weight=weights)
        for y, z in zip(targets, logits, strict=True)
    )
    assert total == pytest.approx(expected, rel=1e-12)
    is_correct = ((expit(logits) > 0.5) == targets).all(axis=0)
    expected = np.sum(is_correct if weights is None else weights[is_correct])
    assert n_correct == pytest.approx(expected, rel=1e-12)


# Ties


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("n_values", [1, 2, 3, 50], ids=lambda n: f"{n} values")
def test_first_of_tied_classes_is_predicted(dtype, weighted, smoothing, n_classes, n_values):
    rng = np.random.default_rng(0)
    n_samples = 400
    logits = rng.integers(n_values, size=(n_classes, n_samples)).astype(dtype)
    targets = rng.integers(n_classes, size=n_samples)
    weights = rng.integers(1, 5, n_samples).astype(dtype) if weighted else None
    correct = logits.argmax(axis=0) == targets
    tied = (logits == logits.max(axis=0)).sum(axis=0) > 1
    assert tied.any()
    assert (logits.max(axis=0) == logits[targets, np.arange(n_samples)]).sum() > correct.sum()
    _, n_correct = LOSSES["softmax"].loss_gradient(logits, targets, weights, 7.0, smoothing)
    assert n_correct == (correct.sum() if weights is None else weights[correct].sum())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("value", [0.0, -3.5, 1e30])
def test_equal_logits_predict_the_first_class(dtype, value):
    targets = np.arange(30) % 5
    logits = np.full((5, 30), value, dtype)
    _, n_correct = LOSSES["softmax"].loss_gradient(logits, targets, None, 30)
    assert n_correct == 6


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_logistic_logits_of_zero_predict_the_negative_class(dtype, n_outputs):
    logits = np.zeros((n_outputs, 8), dtype)
    targets = np.zeros((n_outputs, 8), bool)
    targets[0, :3] = True
    _, n_correct = LOSSES["logistic"].loss_gradient(logits, targets, None, 8)
    assert n_correct == 5


# Gradients


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_softmax_gradient_equals_the_weighted_error_of_the_probabilities(weighted):
    logits, targets, weights = make_softmax_data()
    expected = softmax(logits, axis=0)
    expected[targets, np.arange(BATCH)] -= 1
    if weighted:
        expected *= weights
    LOSSES["softmax"].loss_gradient(logits, targets, weights if weighted else None, 7.0)
    np.testing.assert_allclose(logits, expected / 7.0, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_logistic_gradient_equals_the_weighted_error_of_the_probabilities(weighted):
    logits, targets, weights = make_logistic_data(3)
    expected = expit(logits) - targets
    if weighted:
        expected *= weights
    LOSSES["logistic"].loss_gradient(logits, targets, weights if weighted else None, 7.0)
    np.testing.assert_allclose(logits, expected / 7.0, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_losses_and_gradients_of_huge_logits_are_finite(name, dtype):
    make_data = (
        make_softmax_data if name == "softmax" else lambda **kwargs: make_logistic_data(3, **kwargs)
    )
    logits, targets, weights = make_data(dtype=dtype, scale=1e30)
    largest_margin = np.ptp(logits, axis=0).max() if name == "softmax" else np.abs(logits).max()
    total, _ = LOSSES[name].loss_gradient(logits, targets, weights, BATCH)
    assert np.isfinite(logits).all()
    assert np.isfinite(total)
    assert total > largest_margin / 100


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_probabilities_of_moderate_logits_equal_those_of_scipy(name, dtype):
    logits = make_softmax_data(dtype)[0]
    expected = softmax(logits.astype(float), axis=0) if name == "softmax" else expit(logits)
    probabilities = LOSSES[name].probabilities(logits.copy())
    assert probabilities.dtype == dtype
    np.testing.assert_allclose(probabilities, expected, rtol=1e-5 if dtype == np.float32 else 1e-13)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_log_probabilities_of_moderate_logits_equal_those_of_scipy(name, dtype):
    logits = make_softmax_data(dtype)[0]
    exact = logits.astype(float)
    expected = log_softmax(exact, axis=0) if name == "softmax" else -np.log1p(np.exp(-exact))
    log_probabilities = LOSSES[name].log_probabilities(logits.copy())
    assert log_probabilities.dtype == dtype
    rtol = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(log_probabilities, expected, rtol=rtol, atol=rtol / 10)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_probabilities_of_huge_logits_are_neither_zero_nor_one(name, dtype):
    logits = make_softmax_data(dtype, scale=1e30)[0]
    probabilities = LOSSES[name].probabilities(logits.copy())
    assert probabilities.min() > 0
    assert probabilities.max() < 1
    log_probabilities = LOSSES[name].log_probabilities(logits.copy())
    assert np.isfinite(log_probabilities).all()
    assert log_probabilities.max() <= 0
    assert log_probabilities.min() == np.log(np.finfo(dtype).tiny)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_probabilities_and_log_probabilities_have_the_same_ranking(name, dtype):
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(5, 200)) * np.logspace(-3, 3, 200)).astype(dtype)
    probabilities = LOSSES[name].probabilities(logits.copy()).ravel()
    log_probabilities = LOSSES[name].log_probabilities(logits.copy()).ravel()
    # Sorted by one array, with ties in the order of the other, the other array is non-decreasing.
    for first, second in (
        (probabilities, log_probabilities),
        (log_probabilities, probabilities),
    ):
        order = np.lexsort((second, first))
        assert (np.diff(second[order]) >= 0).all()
    if name == "logistic":
        assert len(np.unique(probabilities)) == len(np.unique(log_probabilities))


@pytest.mark.parametrize("dtype", DTYPES)
def test_probability_of_a_single_class_is_one(dtype):
    logits = np.array([[-3.0, 0, 1e30, 17]], dtype)
    np.testing.assert_array_equal(SingleClass.probabilities(logits.copy()), np.ones((1, 4)))
    np.testing.assert_array_equal(SingleClass.log_probabilities(logits.copy()), np.zeros((1, 4)))
    assert SingleClass.probabilities(logits).dtype == dtype


@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("smoothing", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_smoothed_losses_equal_losses_of_smoothed_targets(name, weighted, smoothing):
    logits, targets, weights = make_softmax_data() if name == "softmax" else make_logistic_data(3)
    weights = weights if weighted else None
    if name == "softmax":
        p = softmax(logits, axis=0)
        y = (1 - smoothing) * np.eye(5)[targets].T + smoothing / 5
        losses = -(y * np.log(p)).sum(axis=0)
    else:
        p = expit(logits)
        y = (1 - smoothing) * targets + smoothing / 2
        losses = -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(axis=0)
    unsmoothed = LOSSES[name].loss_gradient(logits.copy(), targets, weights, 7.0)
    total, n_correct = LOSSES[name].loss_gradient(logits, targets, weights, 7.0, smoothing)
    factors = np.ones(BATCH) if weights is None else weights
    assert total == pytest.approx((losses * factors).sum(), rel=1e-12)
    np.testing.assert_allclose(logits, (p - y) * factors / 7.0, rtol=1e-10, atol=1e-15)
    assert n_correct == unsmoothed.n_correct


@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_smoothed_losses_preserve_float32(name):
    logits, targets, weights = (
        make_softmax_data(np.float32) if name == "softmax" else make_logistic_data(3, np.float32)
    )
    exact = logits.astype(np.float64)
    LOSSES[name].loss_gradient(exact, targets, weights.astype(np.float64), BATCH, 0.1)
    total, _ = LOSSES[name].loss_gradient(logits, targets, weights, BATCH, 0.1)
    assert logits.dtype == np.float32
    assert np.isfinite(total)
    np.testing.assert_allclose(logits, exact, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["softmax", "logistic"])
def test_smoothed_losses_of_huge_logits_are_finite(name, dtype):
    make_data = (
        make_softmax_data if name == "softmax" else lambda **kwargs: make_logistic_data(3, **kwargs)
    )
    logits, targets, weights = make_data(dtype=dtype, scale=1e30)
    total, _ = LOSSES[name].loss_gradient(logits, targets, weights, BATCH, 0.1)
    assert np.isfinite(total)
    assert np.isfinite(logits).all()
