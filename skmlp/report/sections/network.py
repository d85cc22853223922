"""The layers with their inactive units, weights of the first layer, and saliency maps."""

import math

import numpy as np

from skmlp.estimator import fitted
from skmlp.estimator.config import parse_activations
from skmlp.plots.saliency import compute_occlusion
from skmlp.report.evaluation import choose_rows
from skmlp.report.section import Content

MAX_SAMPLES = 20_000
CONSTANT = 1e-6  # largest range of the activations of a dead unit
N_WEIGHT_IMAGES = 32
N_CORRECT, N_WRONG = 4, 4  # samples with saliency maps
# Confidence of the correct ones. At higher ones, hardly any occlusion changes the prediction.
TYPICAL_CONFIDENCE = 0.9
PATCH_FRACTION = 1 / 6  # of the smaller side, length of the side of an occluded square
MAX_OCCLUSIONS_PER_SIDE = 40


def describe_network(evaluation):
    """Return the Content of the section, or None for a committee."""
    if evaluation.is_committee:
        return None
    model = evaluation.model
    rows = choose_rows(len(evaluation.test), MAX_SAMPLES)
    sizes = [len(biases) for biases in model.intercepts_[:-1]]
    activations = parse_activations(model.activation, len(sizes))
    figures = {
        "n_features": model.n_features_in_,
        "layer_sizes": [len(model.coefs_[0]), *sizes, model.n_outputs_],
        "n_samples": len(rows),
        "hidden_layers": [
            {"n_units": n_units, "activation": activation, "n_dead": n_dead}
            for n_units, activation, n_dead in zip(
                sizes, activations, count_dead_units(evaluation, rows), strict=True
            )
        ],
    }
    view = {"weights": [], "saliency": []}
    if evaluation.encoder is not None:
        extraction = fitted.get_extraction(model)
        if extraction is None:  # otherwise, the weights do not belong to pixels
            view["weights"] = make_weight_pictures(evaluation)
        if extraction is None or extraction.is_differentiable:
            view["saliency"] = make_saliency_maps(evaluation)
    return Content(figures, view)


def count_dead_units(evaluation, rows):
    """Return the number of units of each hidden layer whose activation is the same for all samples.

    The numbers are None if all samples are equal.
    """
    X = evaluation.test.X[rows]
    first = evaluation.test.take(rows[:1])
    if not any(np.any(block != first) for _, block in evaluation.iterate_blocks(X)):
        return [None] * (len(evaluation.model.coefs_) - 1)
    lowest, highest = None, None
    for _, layers in evaluation.iterate_hidden_activations(X):
        low = [layer.min(axis=0) for layer in layers]
        high = [layer.max(axis=0) for layer in layers]
        lowest = low if lowest is None else list(map(np.minimum, lowest, low))
        highest = high if highest is None else list(map(np.maximum, highest, high))
    return [int(np.sum(high - low <= CONSTANT)) for low, high in zip(lowest, highest, strict=True)]


def make_weight_pictures(evaluation):
    """Return pictures of the weights of the units of the first layer with the largest weights, on one scale."""
    weights = np.asarray(evaluation.model.coefs_[0]).T
    units = np.argsort(-np.linalg.norm(weights, axis=1), kind="stable")[:N_WEIGHT_IMAGES]
    limit = float(np.abs(weights[units]).max())
    return [
        {
            "unit": int(unit),
            "picture": evaluation.encoder.encode_map(
                weights[unit], f"weights of unit {unit}", limit
            ),
        }
        for unit in units
    ]


def make_saliency_maps(evaluation):
    """Return some samples with their saliency maps for the predicted class."""
    predictions, model = evaluation.predictions, evaluation.model
    chosen = choose_samples(predictions)
    pixels = evaluation.test.take(chosen)
    predicted = model.classes_[predictions.predicted[chosen]]
    gradients = np.asarray(model.input_gradients(pixels, predicted), dtype=np.float64)
    images = pixels.reshape(-1, *evaluation.image_shape)
    smaller_side = min(evaluation.image_shape)
    patch_size = max(2, round(PATCH_FRACTION * smaller_side))
    stride = math.ceil(smaller_side / MAX_OCCLUSIONS_PER_SIDE)
    occlusion = compute_occlusion(
        model, images, predicted, patch_size, evaluation.background, stride
    )
    return [
        make_maps(
            evaluation, index, values, gradients[i] * (values - evaluation.background), occlusion[i]
        )
        for i, (index, values) in enumerate(zip(chosen, pixels, strict=True))
    ]


def choose_samples(predictions):
    """Return the indices of typical correct predictions of different classes, and of the most confident mistakes."""
    order = np.argsort(np.abs(predictions.confidence - TYPICAL_CONFIDENCE), kind="stable")
    correct = order[predictions.is_correct[order]]
    _, firsts = np.unique(predictions.truth[correct], return_index=True)
    order = np.argsort(-predictions.confidence, kind="stable")
    wrong = order[~predictions.is_correct[order]]
    return np.concatenate([correct[np.sort(firsts)[:N_CORRECT]], wrong[:N_WRONG]])


def make_maps(evaluation, index, pixels, gradient_times_input, occlusion):
    """Return the pictures of a sample and its maps."""
    labels, predictions = evaluation.labels, evaluation.predictions
    label, predicted = labels[predictions.truth[index]], labels[predictions.predicted[index]]
    encoder, name = evaluation.encoder, f"sample {index}, predicted as {predicted}"
    return {
        "index": int(index),
        "label": label,
        "predicted": predicted,
        "picture": encoder.encode(pixels, name),
        "gradient": encoder.encode_map(gradient_times_input, f"gradient times input of {name}"),
        "occlusion": encoder.encode_map(occlusion, f"occlusion map of {name}"),
    }
