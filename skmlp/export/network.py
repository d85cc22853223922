"""The network of a fitted classifier as a chain of dense layers, which is what every export describes.

Batch normalization and, without `image_features`, `input_scale` are folded into the weights and biases. The weights of
a classifier with `ema_decay` are the averaged ones, because `coefs_` contains these.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skmlp.digits.gradients import GradientFeatures
from skmlp.engine.parameters import StatisticsViews, Views
from skmlp.engine.reference.network import build_prediction_network, fold_batch_norm
from skmlp.estimator import fitted, prediction
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.config import parse_activations
from skmlp.estimator.targets import TargetEncoding
from skmlp.export.suggestions import suggest_network
from skmlp.model_parts import describe_type

BLOCK_SIZE = 2048  # samples


@dataclass(frozen=True)
class DenseLayer:
    """Fully connected layer, ``a = f(W x + b)``.

    Parameters
    ----------
    weights : ndarray of shape (fan_out, fan_in)
    biases : ndarray of shape (fan_out,)
    activation : str
        Name of the activation function f, 'identity' for the output layer.
    """

    weights: np.ndarray
    biases: np.ndarray
    activation: str


@dataclass(frozen=True)
class ImageInputs:
    """Inputs of a network that are gradient features.

    Parameters
    ----------
    scale : float
        Factor by which the pixels are multiplied before the features are computed.
    features : GradientFeatures
    image_shape : tuple of int
        Height and width.
    """

    scale: float
    features: GradientFeatures
    image_shape: tuple[int, int]

    def __call__(self, X):
        """Return the inputs of the network, in float64, for pixels as the classifier takes them."""
        images = np.asarray(X, np.float64).reshape(-1, *self.image_shape)
        return self.features(self.scale * images)


@dataclass(frozen=True)
class DenseNetwork:
    """Chain of fully connected layers from features to logits, and the labels that these stand for.

    Parameters
    ----------
    layers : tuple of DenseLayer
        Hidden layers and the output layer. Without `inputs`, the first layer takes the features as the classifier takes
        them, without scaling.
    targets : TargetEncoding
        Labels and the activation of the outputs.
    inputs : ImageInputs, default=None
        Computation of the inputs of the first layer from pixels.
    """

    layers: tuple[DenseLayer, ...]
    targets: TargetEncoding
    inputs: ImageInputs | None = None


def fold_network(mlp):
    """Return the DenseNetwork of a fitted classifier, computed in float64.

    Parameters
    ----------
    mlp : MLPDigitClassifier
        Fitted classifier.

    Returns
    -------
    network : DenseNetwork
        Its arrays have the dtype float64.

    Raises
    ------
    TypeError
        If `mlp` is not an MLPDigitClassifier, or its `image_features` are computed by a custom callable.
    NotFittedError
        If `mlp` is not fitted.
    """
    check_model(mlp)
    inputs = make_image_inputs(mlp)
    parameters = Views(*map(convert_to_float64, fitted.get_parameters(mlp)))
    statistics = StatisticsViews(*map(convert_to_float64, fitted.get_statistics(mlp)))
    folded = fold_batch_norm(parameters, statistics)
    weights, biases = folded.weights, folded.biases
    if inputs is None:
        weights[0] = weights[0] * (mlp.input_scale or 1)
    activations = (*parse_activations(mlp.activation, len(weights) - 1), "identity")
    layers = tuple(map(DenseLayer, weights, biases, activations))
    return DenseNetwork(layers, fitted.get_targets(mlp), inputs)


def make_image_inputs(mlp):
    """Return the ImageInputs of a fitted classifier, None if its inputs are the features."""
    extraction = fitted.get_extraction(mlp)
    if extraction is None:
        return None
    if type(extraction.compute) is not GradientFeatures:
        raise TypeError(
            "image_features of an exported classifier must be GradientFeatures or None, got "
            f"{extraction.compute!r}. Train with image_features='gradients'."
        )
    return ImageInputs(float(mlp.input_scale or 1), extraction.compute, extraction.image_shape)


def check_model(mlp):
    """Raise TypeError or NotFittedError unless `mlp` is a fitted classifier."""
    if not isinstance(mlp, MLPDigitClassifier):
        raise TypeError(
            f"mlp must be a fitted MLPDigitClassifier, got {describe_type(mlp)}. "
            f"{suggest_network(mlp, 'mlp')}"
        )
    check_is_fitted(mlp)


def convert_to_float64(arrays):
    """Return a list of arrays with the dtype float64."""
    return [array.astype(np.float64) for array in arrays]


def compute_logits(network, X):
    """Compute the logits of samples in float64: the reference for every export.

    Parameters
    ----------
    network : DenseNetwork
    X : array-like of shape (n_samples, n_features)
        Features as the classifier takes them.

    Returns
    -------
    logits : ndarray of shape (n_samples, n_outputs)
        One logit per class or label, but a single one for two classes.
    """
    layers, X = network.layers, np.asarray(X)
    parameters = Views(
        weights=convert_to_float64(layer.weights for layer in layers),
        biases=convert_to_float64(layer.biases for layer in layers),
        gains=[],
        shifts=[],
    )
    activations = [layer.activation for layer in layers[:-1]]
    engine_network = build_prediction_network(activations, parameters, StatisticsViews([], []))
    logits = np.empty((len(X), network.targets.n_outputs))
    for start in range(0, len(X), BLOCK_SIZE):
        rows = slice(start, start + BLOCK_SIZE)
        inputs = X[rows].astype(np.float64) if network.inputs is None else network.inputs(X[rows])
        logits[rows] = engine_network.forward(inputs.T).T
    return logits


def compute_probabilities(network, X):
    """Compute the probabilities of samples from their `compute_logits`.

    Parameters
    ----------
    network : DenseNetwork
    X : array-like of shape (n_samples, n_features)
        Features as the classifier takes them.

    Returns
    -------
    probabilities : ndarray of shape (n_samples, n_classes)
        Probabilities as in `MLPDigitClassifier.predict_proba`.
    """
    return prediction.compute_probabilities(compute_logits(network, X), network.targets)


def predict_labels(network, X):
    """Predict the labels of samples from their `compute_logits`.

    Parameters
    ----------
    network : DenseNetwork
    X : array-like of shape (n_samples, n_features)
        Features as the classifier takes them.

    Returns
    -------
    y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        Labels, or an indicator matrix, as in `MLPDigitClassifier.predict`.
    """
    return network.targets.decode(compute_logits(network, X))
