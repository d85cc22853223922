"""The log loss that the report and the command line share."""

import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp
from sklearn.metrics import log_loss

from skmlp.scores import compute_sample_losses, normalize_log_probabilities

LOGITS = np.random.default_rng(0).normal(scale=3, size=(50, 4))
TRUTH = np.arange(50) % 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_loss_is_that_of_scikit_learn(dtype):
    log_probabilities = log_softmax(LOGITS, axis=1).astype(dtype)
    probabilities = np.exp(normalize_log_probabilities(log_probabilities))
    losses = compute_sample_losses(log_probabilities, TRUTH)
    assert losses.dtype == probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-15)
    assert losses.mean() == pytest.approx(log_loss(TRUTH, probabilities), rel=1e-12)


def test_rounding_errors_of_the_sum_of_probabilities_have_no_effect():
    shifted = log_softmax(LOGITS, axis=1) + 1e-3
    expected = logsumexp(LOGITS, axis=1) - LOGITS[np.arange(50), TRUTH]
    np.testing.assert_allclose(compute_sample_losses(shifted, TRUTH), expected)


def test_losses_of_small_and_large_probabilities():
    losses = compute_sample_losses(np.array([[-700.0, 0.0], [0.0, -700.0]]), np.array([0, 0]))
    np.testing.assert_allclose(losses, [700, 0], atol=1e-300)
    assert not np.signbit(losses).any()
