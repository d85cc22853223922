"""ReliabilityDisplay: bins, scores and artists."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.calibration import calibration_curve
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from skmlp import MLPDigitClassifier, ReliabilityDisplay


def draw_predictions(n_samples=500, n_classes=4, seed=0, dtype=float):
    rng = np.random.default_rng(seed)
    logits = 2 * rng.normal(size=(n_samples, n_classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = np.array(["a", "b", "c", "d"])[:n_classes]
    truth = np.array([rng.choice(labels, p=p) for p in probabilities])
    return truth, probabilities.astype(dtype), labels


@pytest.mark.parametrize("n_bins", [1, 7, 10])
@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_bins_are_those_of_scikit_learn(n_bins, strategy):
    truth, probabilities, labels = draw_predictions()
    display = ReliabilityDisplay.from_predictions(
        truth, probabilities, n_bins=n_bins, strategy=strategy
    )
    is_correct = labels[probabilities.argmax(axis=1)] == truth
    accuracy, confidence = calibration_curve(
        is_correct, probabilities.max(axis=1), n_bins=n_bins, strategy=strategy
    )
    is_used = display.counts > 0
    np.testing.assert_allclose(display.accuracy[is_used], accuracy)
    np.testing.assert_allclose(display.confidence[is_used], confidence)
    assert display.counts.sum() == len(truth)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scores(dtype):
    truth, probabilities, labels = draw_predictions(dtype=dtype)
    display = ReliabilityDisplay.from_predictions(truth, probabilities)
    one_hot = (truth[:, np.newaxis] == labels).astype(float)
    assert display.log_loss == pytest.approx(log_loss(truth, probabilities), rel=1e-5)
    assert display.brier_score == pytest.approx(
        ((probabilities - one_hot) ** 2).sum(axis=1).mean(), rel=1e-5
    )
    expected = 0.0
    confidence = probabilities.max(axis=1)
    is_correct = labels[probabilities.argmax(axis=1)] == truth
    for low in np.arange(10) / 10:
        inside = (confidence > low) & (confidence <= low + 0.1)
        if inside.any():
            gap = abs(is_correct[inside].mean() - confidence[inside].mean())
            expected += gap * inside.mean()
    assert display.expected_calibration_error == pytest.approx(expected, rel=1e-4)


def test_artists_show_the_bins():
    truth, probabilities, _ = draw_predictions()
    axes = Figure().subplots(2)
    display = ReliabilityDisplay.from_predictions(
        truth, probabilities, name="mine", ax=axes, line_kw={"color": "red"}, bar_kw={"alpha": 0.5}
    )
    is_used = display.counts > 0
    np.testing.assert_array_equal(display.line_.get_xdata(), display.confidence[is_used])
    np.testing.assert_array_equal(display.line_.get_ydata(), display.accuracy[is_used])
    assert [bar.get_height() for bar in display.bars_] == list(display.counts)
    assert display.line_.get_color() == "red"
    assert display.bars_[0].get_alpha() == 0.5
    np.testing.assert_array_equal(display.diagonal_.get_xdata(), [0, 1])
    assert list(display.axes_) == list(axes)
    assert display.figure_ is axes[0].figure
    assert f"ECE {display.expected_calibration_error:.4f}" in display.line_.get_label()


def test_pipeline_and_estimator_give_the_same_display():
    X, y = load_digits(return_X_y=True)
    mlp = MLPDigitClassifier(max_iter=3, n_iter_no_change=None, random_state=0)
    pipeline = make_pipeline(MinMaxScaler(), mlp).fit(X[:1000], y[:1000])
    display = ReliabilityDisplay.from_estimator(pipeline, X[1000:], y[1000:])
    expected = ReliabilityDisplay.from_predictions(y[1000:], pipeline.predict_proba(X[1000:]))
    np.testing.assert_array_equal(display.counts, expected.counts)
    assert display.name == "Pipeline"
    assert display.log_loss == pytest.approx(log_loss(y[1000:], pipeline.predict_proba(X[1000:])))


def test_certain_and_wrong_predictions_have_a_finite_log_loss():
    display = ReliabilityDisplay.from_predictions([0, 1], [[0.0, 1.0], [0.0, 1.0]])
    assert np.isfinite(display.log_loss)
    assert display.expected_calibration_error == 0.5


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (([0, 1], [[0.5, 0.5]]), {}, r"must have the shapes .* got \(2,\) and \(1, 2\)"),
        (([0, 1], [[2.0, 0], [0, 1]]), {}, r"y_proba must be in the range \[0, 1\], got"),
        (([0, 1], [[np.nan, 0], [0, 1]]), {}, r"y_proba must be in the range"),
        (([0, 0], [[0.5, 0.5]] * 2), {}, r"one column for each of the 1 classes, got 2"),
        (([0, 2], [[0.5, 0.5]] * 2), {"classes": [0, 1]}, r"labels of the classes only, got .*2"),
        (([0, 1], [[0.5, 0.5]] * 2), {"n_bins": 0}, r"n_bins must be an integer of at least 1"),
        (([0, 1], [[0.5, 0.5]] * 2), {"strategy": "x"}, r"strategy must be 'uniform' or"),
        (([0, 1], [[0.5, 0.5]] * 2), {"ax": Figure().subplots()}, r"ax must contain 2 matplotlib"),
        (([], np.empty((0, 2))), {}, r"at least one sample"),
    ],
)
def test_invalid_arguments(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        ReliabilityDisplay.from_predictions(*arguments, **options)


def test_rounding_errors_are_tolerated():
    probabilities = np.array([[1 + 1e-7, 0], [-1e-9, 1]])
    display = ReliabilityDisplay.from_predictions([0, 1], probabilities, line_kw={"lw": 1})
    assert display.log_loss == 0
    assert display.expected_calibration_error == 0


def test_classes_may_be_in_any_order():
    truth, probabilities, labels = draw_predictions()
    order = [2, 0, 3, 1]
    display = ReliabilityDisplay.from_predictions(
        truth, probabilities[:, order], classes=labels[order]
    )
    expected = ReliabilityDisplay.from_predictions(truth, probabilities)
    np.testing.assert_array_equal(display.accuracy, expected.accuracy)
    assert display.log_loss == pytest.approx(expected.log_loss)
