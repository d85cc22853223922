"""LearningRateDisplay: data and artists."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from skmlp import LearningRateDisplay, MLPDigitClassifier
from skmlp.estimator.learning_rate import LearningRateCurve

CURVE = LearningRateCurve(
    np.geomspace(1e-4, 1, 50),
    np.concatenate([np.linspace(2.3, 0.5, 40), np.geomspace(0.6, 1e4, 10)]),
)


def test_artists_show_the_curve():
    ax = Figure().subplots()
    display = LearningRateDisplay.from_curve(CURVE, ax=ax, line_kw={"color": "red"})
    assert display.ax_ is ax
    assert display.figure_ is ax.figure
    np.testing.assert_array_equal(display.line_.get_xdata(), CURVE.learning_rates)
    np.testing.assert_array_equal(display.line_.get_ydata(), CURVE.losses)
    assert display.line_.get_color() == "red"
    assert set(display.suggestion_.get_xdata()) == {CURVE.suggestion}
    assert display.suggestion_.get_label() == f"suggestion: {CURVE.suggestion:.2g}"
    assert ax.get_xscale() == "log"


def test_diverging_losses_do_not_hide_the_others():
    bottom, top = LearningRateDisplay.from_curve(CURVE).ax_.get_ylim()
    assert 0 <= bottom < 0.5
    assert 2.3 < top < 3.5


def test_estimator_gives_the_result_of_the_search():
    X, y = load_digits(return_X_y=True)
    mlp = MLPDigitClassifier(input_scale=1 / 16, random_state=0)
    curve = mlp.find_learning_rate(X, y, min_rate=1e-5, n_steps=30)
    display = LearningRateDisplay.from_estimator(mlp, X, y, min_rate=1e-5, n_steps=30)
    np.testing.assert_array_equal(display.losses, curve.losses)
    assert display.suggestion == curve.suggestion


def test_several_axes_are_an_error():
    with pytest.raises(ValueError, match=r"ax must contain 1 matplotlib axes, .* got 2"):
        LearningRateDisplay.from_curve(CURVE, ax=Figure().subplots(2))
