"""Folding and quantization of networks in Python: the reference for every export."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import GradientFeatures, MLPDigitClassifier
from skmlp.estimator.targets import TargetEncoding
from skmlp.export.network import (
    DenseLayer,
    DenseNetwork,
    compute_logits,
    compute_probabilities,
    fold_network,
    predict_labels,
)
from skmlp.export.page_data import make_page_data
from skmlp.export.quantize import WEIGHT_FORMATS, quantize_network
from skmlp.files.models import compute_model_digest

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_digits(return_X_y=True)
X_few, y_few = X[:200], y[:200]
FLOAT32_TOLERANCE = 1e-5
LABELS = {
    "softmax": y_few,
    "strings": np.array([f"Ziffer {label} ß" for label in y_few], dtype=object),
    "binary": np.where(y_few > 4, "large", "small"),
    "booleans": y_few > 4,
    "multilabel": np.column_stack([y_few % 2, y_few % 3 == 0, y_few > 6]).astype(int),
    "single_class": np.full(len(y_few), 7),
}
PARAMETERS = {
    "plain": {},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "one size": {"hidden_layer_sizes": 6, "activation": "gelu"},
    "batch norm": {"batch_norm": True, "activation": ("elu", "softplus")},
    "averaged weights": {"ema_decay": 0.9, "batch_norm": True},
    "no scale": {"input_scale": None, "learning_rate_init": 1e-4},
    "image features": {
        "image_features": GradientFeatures((3, 4), include_pixels=True),
        "batch_norm": True,
    },
}


def fit(labels=y_few, dtype=np.float32, **params):
    defaults = {
        "hidden_layer_sizes": (12, 9),
        "input_scale": 1 / 16,
        "learning_rate_init": 0.02,
        "max_iter": 4,
        "random_state": 0,
    }
    return MLPDigitClassifier(**defaults | params).fit(X_few.astype(dtype), labels)


def make_network(*matrices):
    """Return a network with random biases for weight matrices."""
    generator = np.random.default_rng(0)
    layers = [DenseLayer(matrix, generator.normal(size=len(matrix)), "relu") for matrix in matrices]
    return DenseNetwork(tuple(layers), TargetEncoding(np.arange(len(matrices[-1])), False))


# Folding


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("variant", PARAMETERS)
def test_the_folded_network_predicts_as_the_classifier(kind, variant):
    model = fit(LABELS[kind], np.float64, **PARAMETERS[variant])
    network = fold_network(model)
    np.testing.assert_allclose(
        compute_probabilities(network, X), model.predict_proba(X), rtol=0, atol=1e-12
    )
    np.testing.assert_array_equal(predict_labels(network, X), model.predict(X))
    assert predict_labels(network, X).dtype == model.predict(X).dtype


def test_folding_computes_in_float64():
    model = fit(batch_norm=True)
    exact = fit(batch_norm=True)
    for arrays in (exact.coefs_, exact.intercepts_, *exact.batch_norm_.values()):
        arrays[:] = [array.astype(np.float64) for array in arrays]
    for layer, expected in zip(fold_network(model).layers, fold_network(exact).layers, strict=True):
        assert layer.weights.dtype == layer.biases.dtype == np.float64
        np.testing.assert_array_equal(layer.weights, expected.weights)
        np.testing.assert_array_equal(layer.biases, expected.biases)


def test_folding_does_not_change_the_model():
    model = fit(dtype=np.float64)
    digest = compute_model_digest(model)
    fold_network(model).layers[1].weights[...] = 0
    assert compute_model_digest(model) == digest


def test_logits_are_computed_in_blocks_of_samples():
    network = fold_network(fit())
    many = np.tile(X, (3, 1))
    np.testing.assert_allclose(
        compute_logits(network, many)[-3:], compute_logits(network, X[-3:]), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("model", "exception", "message"),
    [
        (
            make_pipeline(StandardScaler(), MLPDigitClassifier()),
            TypeError,
            r"Pipeline.* Pass mlp\[-1\]",
        ),
        (None, TypeError, "mlp must be a fitted MLPDigitClassifier, got None"),
        (MLPDigitClassifier(), NotFittedError, "not fitted"),
    ],
)
def test_only_fitted_classifiers_can_be_exported(model, exception, message):
    with pytest.raises(exception, match=message):
        fold_network(model)


# Quantization


@pytest.mark.parametrize("magnitude", [1e-30, 1e-5, 1, 1e20])
def test_float32_weights_are_rounded_to_the_nearest(magnitude):
    weights = np.random.default_rng(1).normal(size=(6, 50)) * magnitude
    [layer] = quantize_network(make_network(weights), "float32").restore().layers
    np.testing.assert_array_equal(layer.weights, weights.astype(np.float32))


@pytest.mark.parametrize("magnitude", [1e-30, 1e-5, 1, 1e20])
def test_errors_of_float16_weights_are_bounded(magnitude):
    weights = np.random.default_rng(1).normal(size=(6, 50)) * magnitude
    [layer] = quantize_network(make_network(weights), "float16").restore().layers
    errors = np.abs(layer.weights - weights)
    largest = np.abs(weights).max(axis=1, keepdims=True)
    assert (errors <= np.maximum(2.0**-11 * np.abs(weights), 2.0**-25 * largest)).all()
    assert errors.max() > 2.0**-13 * magnitude


@pytest.mark.parametrize("magnitude", [1e-30, 1e-5, 1, 1e20])
def test_errors_of_int8_weights_are_at_most_half_a_step(magnitude):
    weights = np.random.default_rng(1).normal(size=(6, 50)) * magnitude
    [quantized] = quantize_network(make_network(weights), "int8").layers
    steps = np.abs(weights).max(axis=1) / 127
    np.testing.assert_allclose(quantized.scales, steps, rtol=1e-7)
    np.testing.assert_array_equal(np.abs(quantized.values).max(axis=1), 127)
    errors = np.abs(quantized.restore().weights - weights)
    assert (errors <= 0.5001 * steps[:, np.newaxis]).all()
    assert errors.max() > 0.4 * steps.min()


@pytest.mark.parametrize("weights", WEIGHT_FORMATS)
@pytest.mark.parametrize("tiny", [0, 1e-60, 2.4e-43, 3e-43])
def test_rows_of_zeros_and_rows_of_tiny_weights_are_stored(weights, tiny):
    matrix = np.array([[1.0, -2.0], [tiny, -tiny], [0.5, 0.0]])
    quantized = quantize_network(make_network(matrix), weights)
    assert (quantized.layers[0].scales > 0).all()
    [layer] = quantized.restore().layers
    np.testing.assert_allclose(layer.weights, matrix, rtol=0, atol=0.501 * 2 / 127)
    np.testing.assert_allclose(layer.weights[1], matrix[1], rtol=0, atol=0.51 * 3e-43)


@pytest.mark.parametrize("weights", WEIGHT_FORMATS)
def test_biases_are_rounded_to_float32(weights):
    network = make_network(np.ones((5, 2)))
    [layer] = quantize_network(network, weights).restore().layers
    assert layer.biases.dtype == layer.weights.dtype == np.float32
    np.testing.assert_array_equal(layer.biases, network.layers[0].biases.astype(np.float32))


@pytest.mark.parametrize(("weights", "atol"), [("float32", 1e-5), ("float16", 0.01), ("int8", 0.1)])
@pytest.mark.parametrize("variant", PARAMETERS)
def test_quantized_networks_predict_almost_as_the_classifier(variant, weights, atol):
    model = fit(**PARAMETERS[variant])
    network = quantize_network(fold_network(model), weights).restore()
    np.testing.assert_allclose(
        compute_probabilities(network, X), model.predict_proba(X), rtol=0, atol=atol
    )


def test_an_unknown_format_is_an_error():
    with pytest.raises(
        ValueError, match="weights must be one of 'float32', 'float16', 'int8', got"
    ):
        quantize_network(make_network(np.ones((1, 1))), "int4")


@pytest.mark.parametrize("value", [1e39, np.nan, -np.inf])
@pytest.mark.parametrize("weights", WEIGHT_FORMATS)
def test_weights_that_float32_cannot_represent_are_an_error(value, weights):
    with pytest.raises(ValueError, match="finite in float32, got"):
        quantize_network(make_network(np.array([[1, value]])), weights)


# Description


@pytest.mark.parametrize(
    ("kind", "classes", "out_activation"),
    [
        ("softmax", list(range(10)), "softmax"),
        ("strings", [f"Ziffer {label} ß" for label in range(10)], "softmax"),
        ("binary", ["large", "small"], "logistic"),
        ("booleans", [False, True], "logistic"),
        ("multilabel", [0, 1, 2], "logistic"),
        ("single_class", [7], "single_class"),
    ],
)
def test_the_description_contains_the_labels_and_the_digest(kind, classes, out_activation):
    model = fit(LABELS[kind])
    page = make_page_data(model, X=X_few)
    network = page["members"][0]["network"]
    assert page["classes"] == classes
    assert list(map(type, page["classes"])) == list(map(type, classes))
    assert network["outActivation"] == out_activation
    assert network["multilabel"] == (kind == "multilabel")
    assert page["digest"] == compute_model_digest(model)
    assert page["input"]["shape"] == (8, 8)


def test_large_integer_labels_are_strings_in_the_description():
    labels = np.where(y_few > 4, 2**53 - 1, 2**53)
    assert make_page_data(fit(labels), X=X_few)["classes"] == [2**53 - 1, str(2**53)]


@pytest.mark.parametrize(
    ("attribute", "argument", "expected"),
    [
        (None, None, (8, 8)),
        ((4, 16), None, (4, 16)),
        ((4, 16), (2, 32), (2, 32)),
        (None, False, None),
    ],
)
def test_the_image_shape_is_that_of_the_argument_or_the_classifier(attribute, argument, expected):
    model = fit(image_shape=attribute)
    settings = make_page_data(model, X=X_few, image_shape=argument)["input"]
    assert settings["kind"] == ("table" if expected is None else "drawing")
    assert settings.get("shape") == expected
