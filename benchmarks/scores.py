"""Scores of predicted probabilities: accuracy, log loss and expected calibration error."""

from statistics import mean
from typing import NamedTuple

from skmlp.plots.predictions import encode_predictions
from skmlp.plots.reliability import compute_reliability

N_BINS = 15  # of equal width, as in Guo et al., "On calibration of modern neural networks", 2017


class Scores(NamedTuple):
    """Scores on held-out images."""

    accuracy: float
    log_loss: float
    calibration_error: float


def compute_scores(probabilities, y, classes):
    """Return the Scores of probabilities of shape (n_images, n_classes) for the labels `y`."""
    predictions = encode_predictions(y, probabilities, classes)
    reliability = compute_reliability(predictions, N_BINS)
    return Scores(
        float(predictions.is_correct.mean()),
        reliability["log_loss"],
        reliability["expected_calibration_error"],
    )


def evaluate(model, X, y):
    """Return the Scores of a classifier or a pipeline."""
    return compute_scores(model.predict_proba(X), y, model.classes_)


def average(scores):
    """Return the mean of each of the Scores."""
    return Scores(*map(mean, zip(*scores, strict=True)))


def compute_standard_error(accuracy, n_images):
    """Return the standard error of an accuracy, if each image is predicted correctly independently of the others."""
    return (accuracy * (1 - accuracy) / n_images) ** 0.5
