"""Export to scikit-learn's MLPClassifier."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.export.checks import Predictions, check_predictions, generate_samples, predict
from skmlp.export.model_info import describe_model
from skmlp.export.network import compute_probabilities, fold_network, predict_labels
from skmlp.export.quantize import check_range
from skmlp.files.atomic import atomic_write
from skmlp.files.pipelines import check_skops_is_installed
from skmlp.typing import PathLike

__all__ = ["to_sklearn"]

ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
TOLERANCE = 1e-12
# Attributes that describe the training.
TRAINING_ATTRIBUTES = ("n_iter_", "t_", "loss_", "loss_curve_")


def to_sklearn(mlp: MLPDigitClassifier, path: PathLike | None = None) -> MLPClassifier:
    """Return an MLPClassifier of scikit-learn that makes the same predictions.

    Batch normalization and `input_scale` are included in its weights, and averaged weights are used if the classifier
    has them. So it takes the same samples, and can be used, saved and converted without skmlp, for example by skops,
    skl2onnx or emlearn.

    The weights are float64. For a classifier with float32 weights, the probabilities differ by its rounding errors,
    about 1e-7. The parameters other than `hidden_layer_sizes` and `activation` have scikit-learn's defaults, because
    not all training parameters of skmlp exist there.

    Parameters
    ----------
    mlp : MLPDigitClassifier
        Fitted classifier. The activation of all hidden layers must be the same: 'identity', 'logistic', 'tanh' or
        'relu'.
    path : str or Path, default=None
        Path of a file to write with skops, which ``skops.io.load`` reads. An existing file is replaced when the new one
        is complete.

    Returns
    -------
    classifier : :class:`sklearn.neural_network.MLPClassifier`
        Fitted classifier. Its attribute ``exported_from_`` is a dict that describes the original: 'digest', 'version'
        of skmlp and 'image_shape'.

    Raises
    ------
    TypeError
        If `mlp` is not an MLPDigitClassifier.
    NotFittedError
        If the classifier is not fitted.
    ValueError
        If scikit-learn has no such networks: other activations, several activations, or a single class.
    ImportError
        If `path` is given and skops is not installed.
    ExportError
        If the probabilities differ on random samples by more than 1e-12.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_onnx : Export to ONNX, with all activations.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier
    >>> from skmlp.export import to_sklearn
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier(
    ...     input_scale=1 / 16, batch_norm=True, max_iter=5, n_iter_no_change=None, random_state=0
    ... )
    >>> classifier = to_sklearn(mlp.fit(X, y))
    >>> type(classifier).__module__.startswith("sklearn.")
    True
    >>> bool(abs(classifier.predict_proba(X) - mlp.predict_proba(X)).max() < 1e-12)
    True
    """
    network = fold_network(mlp)
    check_range(network)
    check_is_supported(network)
    if path is not None:
        check_skops_is_installed("to_sklearn", "a path")
    hidden_layers = network.layers[:-1]
    classifier = make_placeholder(
        hidden_layer_sizes=tuple(len(layer.biases) for layer in hidden_layers),
        activation=hidden_layers[0].activation if hidden_layers else "relu",
        n_features=mlp.n_features_in_,
        targets=network.targets,
    )
    classifier.coefs_ = [np.ascontiguousarray(layer.weights.T) for layer in network.layers]
    classifier.intercepts_ = [layer.biases for layer in network.layers]
    if hasattr(mlp, "feature_names_in_"):
        classifier.feature_names_in_ = mlp.feature_names_in_
    for name in TRAINING_ATTRIBUTES:
        if hasattr(mlp, name):  # not if a user has assigned the weights
            setattr(classifier, name, getattr(mlp, name))
    classifier.best_loss_ = min(classifier.loss_curve_, default=np.inf)
    info = describe_model(mlp)
    classifier.exported_from_ = {
        "digest": info.digest,
        "version": info.version,
        "image_shape": info.image_shape,
    }
    check_export(classifier, network, mlp)
    if path is not None:
        write_with_skops(classifier, path)
    return classifier


def check_is_supported(network):
    """Raise ValueError if an MLPClassifier cannot represent a DenseNetwork."""
    if network.inputs is not None:
        raise ValueError(
            f"image_features must be None for scikit-learn, got {network.inputs.features!r}. Export to ONNX, or train "
            "with image_features=None."
        )
    activations = list(dict.fromkeys(layer.activation for layer in network.layers[:-1]))
    if len(activations) > 1:
        raise ValueError(
            f"activation must be the same for all hidden layers for scikit-learn, got {', '.join(activations)}. Export "
            "to ONNX, or train with one activation."
        )
    if not set(activations) <= set(ACTIVATIONS):
        raise ValueError(
            f"activation must be one of {', '.join(ACTIVATIONS)} for scikit-learn, got {activations[0]}. Export to "
            "ONNX, or train with another activation."
        )
    if len(network.targets.classes) == 1:
        raise ValueError(
            "mlp must have at least two classes for scikit-learn, got 1. Use sklearn.dummy.DummyClassifier, which "
            "predicts a constant."
        )


def write_with_skops(classifier, path):
    """Write an estimator to a file."""
    from skops.io import dumps

    with atomic_write(path) as file:
        file.write(dumps(classifier))


def make_placeholder(hidden_layer_sizes, activation, n_features, targets):
    """Return an MLPClassifier that was fitted on one sample per class, to set all attributes but the weights."""
    n_classes = len(targets.classes)
    X = np.zeros((n_classes, n_features))
    y = np.eye(n_classes, dtype=int) if targets.multilabel else targets.classes
    classifier = MLPClassifier(hidden_layer_sizes, activation, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        classifier.fit(X, y)
    # Remove the state of the optimizer: partial_fit makes a new one.
    vars(classifier).pop("_optimizer", None)
    defaults = MLPClassifier()
    return classifier.set_params(max_iter=defaults.max_iter, random_state=defaults.random_state)


def check_export(classifier, network, mlp):
    """Raise ExportError if the predictions on random samples differ from those of the DenseNetwork."""
    X = generate_samples(mlp.n_features_in_, mlp.input_scale).astype(np.float64)
    expected = Predictions(predict_labels(network, X), compute_probabilities(network, X))
    check_predictions(expected, predict(classifier, X), TOLERANCE)
