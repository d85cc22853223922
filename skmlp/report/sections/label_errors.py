"""Candidates for wrong labels."""

import math
import warnings

import numpy as np
from sklearn.model_selection import StratifiedKFold

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.exceptions import TrainingInterruptedWarning
from skmlp.report.evaluation import choose_rows
from skmlp.report.section import Content
from skmlp.report.statistics import find_label_errors

N_CANDIDATES = 24
MAX_TRAINING_SAMPLES = 100_000
N_FOLDS = 3
# The network that is trained in each fold: small, because three of them are trained for each report.
HIDDEN_LAYER_SIZES = (128,)
BATCH_SIZE = 128
LEARNING_RATE = 0.003
N_STEPS, MIN_EPOCHS, MAX_EPOCHS = 1500, 4, 60


def describe_label_errors(evaluation):
    """Return the Content of the section."""
    if evaluation.training is None:
        subset, samples = "test", evaluation.test
        rows, probabilities = np.arange(len(samples)), evaluation.predictions.probabilities
    else:
        subset, samples = "training", evaluation.training
        rows = choose_rows(len(samples), MAX_TRAINING_SAMPLES)
        probabilities = predict_out_of_sample(evaluation, samples.select(rows))
    if probabilities is None:
        return None
    labels, classes = evaluation.labels, samples.classes[rows]
    candidates = find_label_errors(probabilities, classes)
    figures = {
        "subset": subset,
        "n_samples": len(rows),
        "accuracy": float(np.mean(probabilities.argmax(axis=1) == classes)),
        "n_candidates": len(candidates),
        "candidates": [
            {
                "index": int(rows[i]),
                "label": labels[classes[i]],
                "label_probability": float(probabilities[i, classes[i]]),
                "predicted": labels[probabilities[i].argmax()],
                "predicted_probability": float(probabilities[i].max()),
            }
            for i in candidates[:N_CANDIDATES]
        ],
    }
    return Content(figures, {"pictures": make_pictures(evaluation, samples, figures["candidates"])})


def predict_out_of_sample(evaluation, samples):
    """Return probabilities of samples by small networks that were trained without them, or None if that is impossible.

    The samples of each class are distributed to N_FOLDS folds. The samples of a fold are predicted by a network that is
    trained on the other folds, with the `input_scale` of the evaluation.
    """
    counts = np.bincount(samples.classes, minlength=len(evaluation.labels))
    if np.any(counts[counts > 0] < N_FOLDS) or np.count_nonzero(counts) < 2:
        return None
    probabilities = np.zeros((len(samples), len(evaluation.labels)))
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    for fitted, held_out in folds.split(samples.classes, samples.classes):
        n_epochs = math.ceil(N_STEPS * BATCH_SIZE / len(fitted))
        network = MLPDigitClassifier(
            HIDDEN_LAYER_SIZES,
            learning_rate_init=LEARNING_RATE,
            batch_size=min(BATCH_SIZE, len(fitted)),
            max_iter=min(max(n_epochs, MIN_EPOCHS), MAX_EPOCHS),
            n_iter_no_change=None,
            input_scale=evaluation.input_scale,
            random_state=0,
        )
        fit_or_interrupt(network, samples.X[fitted], samples.classes[fitted])
        probabilities[held_out[:, np.newaxis], network.classes_] = network.predict_proba(
            samples.X[held_out]
        )
    return probabilities


def fit_or_interrupt(network, X, y):
    """Fit a network. Raise KeyboardInterrupt after Ctrl-C, which otherwise only ends the training."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", TrainingInterruptedWarning)
        try:
            network.fit(X, y)
        except TrainingInterruptedWarning as warning:
            raise KeyboardInterrupt from warning


def make_pictures(evaluation, samples, candidates):
    """Return a thumbnail of each candidate, or None if the samples are not images."""
    if evaluation.encoder is None:
        return [None] * len(candidates)
    return [
        evaluation.encoder.encode(
            pixels,
            f"sample {each['index']} with the label {each['label']}, predicted as {each['predicted']}",
        )
        for each, pixels in zip(
            candidates, samples.take([each["index"] for each in candidates]), strict=True
        )
    ]
