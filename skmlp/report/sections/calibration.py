"""Calibration of the probabilities, and accuracy if uncertain samples are refused."""

import math
from dataclasses import replace

from skmlp.colors import TRAINING_COLOR
from skmlp.plots.reliability import ReliabilityDisplay, compute_reliability
from skmlp.plots.style import format_axes
from skmlp.report.pictures import draw_chart
from skmlp.report.section import Content
from skmlp.report.statistics import REFUSED_FRACTIONS, compute_refusal_curve, fit_temperature

MAX_POINTS = 400  # of the curve in the page
LARGEST_REFUSED_FRACTION = 0.5


def describe_calibration(evaluation):
    """Return the Content of the section."""
    predictions = evaluation.predictions
    # The log loss of the other sections, not that of clipped probabilities
    log_loss = {"log_loss": float(evaluation.sample_losses.mean())}
    display = ReliabilityDisplay(**compute_reliability(predictions) | log_loss)
    curve = compute_refusal_curve(predictions.confidence, predictions.is_correct)
    figures = {
        "mean_confidence": float(predictions.confidence.mean()),
        "accuracy": float(predictions.is_correct.mean()),
        "expected_calibration_error": display.expected_calibration_error,
        "log_loss": display.log_loss,
        "brier_score": display.brier_score,
        "bins": [
            {"low": float(low), "high": float(high), "count": int(count)}
            | {"confidence": to_json(confidence), "accuracy": to_json(accuracy)}
            for low, high, count, confidence, accuracy in zip(
                display.edges[:-1],
                display.edges[1:],
                display.counts,
                display.confidence,
                display.accuracy,
                strict=True,
            )
        ],
        "temperature": describe_temperature(evaluation),
        "refusal": describe_refusal(curve),
    }
    view = {
        "reliability": draw_chart(
            "reliability",
            f"Reliability diagram. Expected calibration error "
            f"{display.expected_calibration_error:.4f}, accuracy {figures['accuracy']:.4f}, mean "
            f"probability {figures['mean_confidence']:.4f}",
            display.plot,
            (4.8, 4.2),
            (2, 1),
            height_ratios=(3, 1),
            sharex=True,
        ),
        "refusal": draw_chart(
            "refusal",
            "Error rate against the fraction of refused samples. "
            + ", ".join(
                f"{each['fraction']:.1%} refused: {1 - each['accuracy']:.2%} errors"
                for each in figures["refusal"]
            ),
            lambda ax: draw_refusal(ax, curve),
            (4.8, 4.2),
        ),
    }
    return Content(figures, view)


def to_json(value):
    """Return a number as a JSON value; None for NaN."""
    return None if math.isnan(value) else float(value)


def describe_temperature(evaluation):
    """Return the figures after the correction by the best temperature; None if there is none."""
    if evaluation.predictions.is_correct.all():  # The lower the temperature, the lower is the loss.
        return None
    temperature = fit_temperature(evaluation.log_probabilities, evaluation.test.classes)
    if temperature is None:
        return None
    predictions = evaluation.predictions
    corrected = replace(predictions, probabilities=temperature.probabilities)
    reliability = compute_reliability(corrected)
    return {
        "value": temperature.value,
        "expected_calibration_error": reliability["expected_calibration_error"],
        "log_loss": temperature.log_loss,
        "brier_score": reliability["brier_score"],
    }


def describe_refusal(curve):
    """Return the figures for some fractions of refused samples, without repetitions."""
    indices = dict.fromkeys(curve.find(fraction) for fraction in REFUSED_FRACTIONS)
    return [
        {
            "fraction": float(curve.fractions[index]),
            "accuracy": float(curve.accuracies[index]),
            "threshold": float(curve.thresholds[index]),
        }
        for index in indices
    ]


def draw_refusal(ax, curve):
    """Draw the error rate against the fraction of refused samples."""
    end = curve.find(LARGEST_REFUSED_FRACTION) + 1
    step = max(1, end // MAX_POINTS)
    ax.plot(
        100 * curve.fractions[:end:step],
        100 * (1 - curve.accuracies[:end:step]),
        color=TRAINING_COLOR,
        linewidth=1.8,
    )
    ax.set(xlabel="refused samples in %", ylabel="errors among the others in %")
    ax.set_xlim(0, 100 * LARGEST_REFUSED_FRACTION)
    ax.set_ylim(bottom=0)
    format_axes(ax)
