"""Precision and recall of each class, and its most frequent confusion."""

import numpy as np

from skmlp.report.section import Content
from skmlp.report.statistics import compute_wilson_interval

MAX_CLASSES = 50  # rows of the table in the page
N_PICTURES = 3


def describe_classes(evaluation):
    """Return the Content of the section."""
    matrix = evaluation.confusion_matrix
    rows = [describe_class(evaluation.labels, matrix, i) for i in range(len(matrix))]
    # Classes without samples come last.
    order = sorted(range(len(rows)), key=lambda i: (not rows[i]["support"], rows[i]["recall"]))
    view = {
        "rows": [
            rows[i] | {"pictures": make_pictures(evaluation, i, rows[i])}
            for i in sorted(order[:MAX_CLASSES])
        ]
    }
    return Content(rows, view)


def describe_class(labels, matrix, index):
    """Return the figures of a class."""
    n_correct = int(matrix[index, index])
    support, n_predicted = int(matrix[index].sum()), int(matrix[:, index].sum())
    errors = matrix[index].copy()
    errors[index] = 0
    most = int(errors.argmax())
    return {
        "label": labels[index],
        "support": support,
        "precision": n_correct / n_predicted if n_predicted else 0.0,
        "recall": n_correct / support if support else 0.0,
        "recall_interval": list(compute_wilson_interval(n_correct, support)),
        "f1": 2 * n_correct / (support + n_predicted) if support + n_predicted else 0.0,
        "most_frequent_confusion": {"label": labels[most], "count": int(errors[most])}
        if errors[most]
        else None,
    }


def make_pictures(evaluation, index, row):
    """Return thumbnails of the most frequent confusion of a class."""
    confusion = row["most_frequent_confusion"]
    if evaluation.encoder is None or confusion is None:
        return []
    predictions = evaluation.predictions
    column = evaluation.labels.index(confusion["label"])
    chosen = np.flatnonzero((predictions.truth == index) & (predictions.predicted == column))
    chosen = chosen[:N_PICTURES]
    alternative = f"{row['label']} that is predicted as {confusion['label']}, sample "
    return [
        evaluation.encoder.encode_thumbnail(pixels, alternative + str(i))
        for i, pixels in zip(chosen, evaluation.test.take(chosen), strict=True)
    ]
