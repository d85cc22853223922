"""The mistakes with the largest loss, and the most similar training samples."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin_min

from skmlp.report.evaluation import choose_rows
from skmlp.report.section import Content

N_MISTAKES = 24
N_LIKELIEST = 3
MAX_TRAINING_SAMPLES = 100_000


def describe_mistakes(evaluation):
    """Return the Content of the section."""
    predictions, losses = evaluation.predictions, evaluation.sample_losses
    wrong = np.flatnonzero(~predictions.is_correct)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:N_MISTAKES]
    nearest = find_nearest(evaluation, worst)
    figures = [
        describe_mistake(evaluation, index) | near
        for index, near in zip(worst, nearest, strict=True)
    ]
    return Content(figures, {"rows": [each | make_pictures(evaluation, each) for each in figures]})


def describe_mistake(evaluation, index):
    """Return the figures of a mistake."""
    predictions, labels = evaluation.predictions, evaluation.labels
    probabilities = predictions.probabilities[index]
    likeliest = np.argsort(-probabilities, kind="stable")[:N_LIKELIEST]
    return {
        "index": int(index),
        "label": labels[predictions.truth[index]],
        "label_probability": float(predictions.true_probability[index]),
        "loss": float(evaluation.sample_losses[index]),
        "likeliest": [
            {"label": labels[i], "probability": float(probabilities[i])} for i in likeliest
        ],
    }


def find_nearest(evaluation, indices):
    """Return the nearest training sample of each test sample, by the distance in the last hidden layer.

    Without hidden layers, the distance is that of the features. For a committee, which has no last hidden layer, there
    is none.
    """
    if evaluation.training is None or evaluation.is_committee or not len(indices):
        return [{"nearest": None}] * len(indices)
    rows = choose_rows(len(evaluation.training), MAX_TRAINING_SAMPLES)
    training = evaluation.training.select(rows)
    queries = np.vstack(
        [block for _, block in iterate_last_layer(evaluation, evaluation.test.take(indices))]
    )
    nearest, distances = np.zeros(len(indices), int), np.full(len(indices), np.inf)
    for block_rows, block in iterate_last_layer(evaluation, training.X):
        found, found_distances = pairwise_distances_argmin_min(queries, block)
        is_nearer = found_distances < distances
        nearest[is_nearer] = found[is_nearer] + block_rows.start
        distances[is_nearer] = found_distances[is_nearer]
    return [
        {
            "nearest": {
                "index": int(rows[i]),
                "label": evaluation.labels[training.classes[i]],
                "distance": float(distance),
            }
        }
        for i, distance in zip(nearest, distances, strict=True)
    ]


def iterate_last_layer(evaluation, X):
    """Yield the indices of successive blocks of samples, and their activations in the last hidden layer."""
    if len(evaluation.model.coefs_) == 1:
        for rows, features in evaluation.iterate_blocks(X):
            yield rows, features
    else:
        for rows, layers in evaluation.iterate_hidden_activations(X):
            yield rows, layers[-1]


def make_pictures(evaluation, mistake):
    """Return the pictures of a mistake and of its nearest training sample."""
    if evaluation.encoder is None:
        return {"picture": None, "nearest_picture": None}
    index, nearest = mistake["index"], mistake["nearest"]
    (pixels,) = evaluation.test.take([index])
    predicted = mistake["likeliest"][0]["label"]
    alternative = f"sample {index} with the label {mistake['label']}, predicted as {predicted}"
    pictures = {
        "picture": evaluation.encoder.encode(pixels, alternative),
        "nearest_picture": None,
    }
    if nearest is not None:
        (pixels,) = evaluation.training.take([nearest["index"]])
        alternative = (
            f"nearest training sample {nearest['index']} with the label {nearest['label']}"
        )
        pictures["nearest_picture"] = evaluation.encoder.encode(pixels, alternative)
    return pictures
