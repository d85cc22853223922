"""Scores of the benchmarks."""

import numpy as np
import pytest
from benchmark_modules import benchmarks_on_path

with benchmarks_on_path():
    import scores


def test_scores_of_a_few_predictions():
    probabilities = np.array([[0.9, 0.1], [0.88, 0.12], [0.3, 0.7], [0.55, 0.45]])
    labels = np.array([3, 3, 8, 8])
    result = scores.compute_scores(probabilities, labels, [3, 8])
    assert result.accuracy == 0.75
    assert result.log_loss == pytest.approx(-np.log([0.9, 0.88, 0.7, 0.45]).mean())
    # Of 15 bins of equal width, 0.88 and 0.9 are in the 14th, from 13/15 to 14/15.
    gaps = [abs(2 - 0.9 - 0.88), 1 - 0.7, 0.55]
    assert result.calibration_error == pytest.approx(sum(gaps) / 4)


def test_neighboring_bins_are_separate():
    # 0.92 is in the 14th bin, and 0.95 in the 15th.
    probabilities = np.array([[0.92, 0.08], [0.95, 0.05]])
    result = scores.compute_scores(probabilities, np.array([0, 1]), [0, 1])
    assert result.calibration_error == pytest.approx((0.08 + 0.95) / 2)


def test_average():
    first, second = scores.Scores(0.5, 1.0, 0.1), scores.Scores(0.7, 2.0, 0.3)
    assert scores.average([first, second]) == pytest.approx((0.6, 1.5, 0.2))


def test_standard_error_is_that_of_a_fraction():
    assert scores.compute_standard_error(0.996, 10_000) == pytest.approx(0.00063, abs=5e-6)
    draws = np.random.default_rng(0).binomial(500, 0.9, 20_000) / 500
    assert scores.compute_standard_error(0.9, 500) == pytest.approx(draws.std(), rel=0.03)
