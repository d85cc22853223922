"""The confusion matrix, with the samples of each pair of classes."""

import numpy as np

from skmlp.report.section import Content

MAX_CLASSES = 30  # rows and columns of the matrix in the page
MAX_PICTURES = 400
MAX_PICTURES_PER_PAIR = 12


def describe_confusion(evaluation):
    """Return the Content of the section."""
    matrix, labels = evaluation.confusion_matrix, evaluation.labels
    pairs = find_pairs(evaluation.predictions, labels)
    figures = {"labels": labels, "matrix": matrix.tolist(), "pairs": pairs}
    view = {"pairs": make_pictures(evaluation, pairs), "rows": None}
    if len(labels) <= MAX_CLASSES:
        linked = {pair["anchor"] for pair in view["pairs"] if pair["pictures"]}
        view["rows"] = [make_row(matrix, labels, i, linked) for i in range(len(labels))]
    return Content(figures, view)


def find_pairs(predictions, labels):
    """Return the pairs of a true and another predicted class, the most frequent first."""
    n_classes = len(labels)
    wrong = np.flatnonzero(~predictions.is_correct)
    codes = predictions.truth[wrong] * n_classes + predictions.predicted[wrong]
    found, counts = np.unique(codes, return_counts=True)
    return [
        {
            "label": labels[code // n_classes],
            "predicted": labels[code % n_classes],
            "count": int(count),
            "indices": wrong[codes == code].tolist(),
        }
        for code, count in sorted(
            zip(found.tolist(), counts.tolist(), strict=True), key=lambda each: (-each[1], each[0])
        )
    ]


def make_pictures(evaluation, pairs):
    """Return the pairs with their anchor and thumbnails, the most confident mistakes first."""
    confidence, remaining = evaluation.predictions.confidence, MAX_PICTURES
    shown = []
    for pair in pairs:
        indices = np.array(pair["indices"])
        order = np.argsort(-confidence[indices], kind="stable")
        chosen = indices[order][: min(MAX_PICTURES_PER_PAIR, remaining)]
        pictures = []
        if evaluation.encoder is not None:
            remaining -= len(chosen)
            pictures = [
                evaluation.encoder.encode_thumbnail(
                    pixels,
                    f"{pair['label']} that is predicted as {pair['predicted']}, sample {index}",
                )
                for index, pixels in zip(chosen, evaluation.test.take(chosen), strict=True)
            ]
        shown.append(pair | {"anchor": make_anchor(evaluation.labels, pair), "pictures": pictures})
    return shown


def make_anchor(labels, pair):
    """Return the identifier of the pictures of a pair in the page."""
    return f"confusion-{labels.index(pair['label'])}-{labels.index(pair['predicted'])}"


def make_row(matrix, labels, index, linked):
    """Return a row of the matrix: its label and its cells with the fraction of the row and the link."""
    support = max(int(matrix[index].sum()), 1)
    anchors = (f"confusion-{index}-{column}" for column in range(len(labels)))
    cells = [
        {
            "count": int(count),
            "fraction": int(count) / support,
            "is_correct": column == index,
            "anchor": anchor if anchor in linked else None,
            "predicted": labels[column],
        }
        for column, (count, anchor) in enumerate(zip(matrix[index], anchors, strict=True))
    ]
    return {"label": labels[index], "cells": cells}
