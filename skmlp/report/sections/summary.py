"""Accuracy with its confidence interval, and the comparison with a second model."""

import numpy as np

from skmlp.report.section import Content
from skmlp.report.statistics import compute_mcnemar_p_value, compute_wilson_interval

MAX_PICTURES = 12


def describe_summary(evaluation):
    """Return the Content of the section."""
    predictions = evaluation.predictions
    n_samples, n_correct = len(evaluation.test), int(predictions.is_correct.sum())
    figures = {
        "n_samples": n_samples,
        "n_errors": n_samples - n_correct,
        "accuracy": n_correct / n_samples,
        "interval": list(compute_wilson_interval(n_correct, n_samples)),
        "training_accuracy": evaluation.training_accuracy,
        "n_training_samples": None if evaluation.training is None else len(evaluation.training),
        "comparison": None,
    }
    if evaluation.second_model is None:
        return Content(figures)
    figures["comparison"], view = compare(evaluation)
    return Content(figures, view)


def compare(evaluation):
    """Return the figures of the comparison with the second model, and pictures of the differences."""
    second, predictions = evaluation.second_model, evaluation.predictions
    is_correct = second.predicted == evaluation.test.classes
    only_first = np.flatnonzero(predictions.is_correct & ~is_correct)
    only_second = np.flatnonzero(~predictions.is_correct & is_correct)
    figures = {
        "name": second.name,
        "accuracy": float(is_correct.mean()),
        "interval": list(compute_wilson_interval(is_correct.sum(), len(is_correct))),
        "n_both_correct": int(np.sum(predictions.is_correct & is_correct)),
        "n_both_wrong": int(np.sum(~predictions.is_correct & ~is_correct)),
        "n_only_this_correct": len(only_first),
        "n_only_second_correct": len(only_second),
        "p_value": compute_mcnemar_p_value(len(only_first), len(only_second)),
        "only_this_correct": only_first.tolist(),
        "only_second_correct": only_second.tolist(),
    }
    if evaluation.encoder is None:
        return figures, {"only_this": [], "only_second": []}
    view = {
        "only_this": make_pictures(evaluation, only_first, second.predicted, second.name),
        "only_second": make_pictures(evaluation, only_second, predictions.predicted, "this model"),
    }
    return figures, view


def make_pictures(evaluation, indices, predicted, name):
    """Return pictures of the first samples.

    Parameters
    ----------
    evaluation : Evaluation
    indices : ndarray of shape (n_samples,)
        Samples that only one of the models predicts correctly.
    predicted : ndarray of shape (n_test_samples,)
        Index of the class that the other model predicts.
    name : str
        Name of the other model.
    """
    chosen = indices[:MAX_PICTURES]
    pictures = []
    for index, pixels in zip(chosen, evaluation.test.take(chosen), strict=True):
        label = evaluation.labels[evaluation.test.classes[index]]
        found = predicted[index]
        other = evaluation.labels[found] if found >= 0 else "another label"
        alternative = f"sample {index} with the label {label}, predicted as {other} by {name}"
        picture = evaluation.encoder.encode_thumbnail(pixels, alternative)
        pictures.append(
            {"index": int(index), "label": label, "predicted": other, "picture": picture}
        )
    return pictures
