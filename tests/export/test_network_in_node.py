"""The forward pass of exported pages in JavaScript, compared with Python."""

import json
from itertools import product

import numpy as np
import pytest
from export.descriptions import describe
from export.node import run_node
from sklearn.datasets import load_digits

from skmlp import GradientFeatures, MLPDigitClassifier
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.export.network import compute_logits, compute_probabilities, fold_network
from skmlp.export.quantize import WEIGHT_FORMATS, quantize_network

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_digits(return_X_y=True)
X_few, y_few = X[:100], y[:100]
X_test = X[-200:]
LABELS = {
    "softmax": y_few,
    "binary": np.where(y_few > 4, "large", "small"),
    "multilabel": np.column_stack([y_few % 2, y_few % 3 == 0, y_few > 6]).astype(int),
    "single_class": np.full(len(y_few), 7),
}
# Parameters of a classifier for every activation and kind of output, and for other networks.
NETWORKS = {
    f"{activation} {kind}{' batch_norm' * batch_norm}": {
        "labels": labels,
        "activation": activation,
        "batch_norm": batch_norm,
    }
    for activation in ACTIVATIONS
    for kind, labels in LABELS.items()
    for batch_norm in (False, True)
} | {
    "no hidden layer": {"hidden_layer_sizes": ()},
    "one hidden layer": {"hidden_layer_sizes": (5,)},
    "two activations": {"activation": ("gelu", "tanh")},
    "no scale": {"input_scale": None, "learning_rate_init": 1e-3},
    "averaged weights": {"ema_decay": 0.9, "batch_norm": True},
    "gradients": {"image_features": "gradients"},
    "gradients without pixels": {
        "image_features": GradientFeatures((3, 5), include_pixels=False),
        "image_shape": (4, 16),
    },
    "gradients without scale": {
        "image_features": "gradients",
        "input_scale": None,
        "learning_rate_init": 1e-3,
    },
    "gradients batch_norm": {"image_features": "gradients", "batch_norm": True},
    "gradients without hidden layers": {"image_features": "gradients", "hidden_layer_sizes": ()},
    "float64": {"dtype": np.float64},
    "float64 gradients": {"dtype": np.float64, "image_features": "gradients"},
    "float64 batch_norm": {"dtype": np.float64, "batch_norm": True},
}
TOLERANCE = 1e-5
# Runs every network on all samples, and prints the requested results as JSON.
SCRIPT = """
import { readFileSync } from "node:fs";
import { decodeNetwork } from "./network.js";

const { descriptions, nSamples, results, masks } = JSON.parse(readFileSync("input.json"));
const features = new Float32Array(new Uint8Array(readFileSync("features.bin")).buffer);
const nFeatures = features.length / nSamples;
const outputs = [];
for (const description of descriptions) {
  const network = await decodeNetwork(description);
  const output = Object.fromEntries(results.map((name) => [name, []]));
  for (let i = 0; i < nSamples; i++) {
    const sample = features.subarray(i * nFeatures, (i + 1) * nFeatures);
    const pass = network.forward(sample, masks);
    pass.hidden = pass.hidden.map((values) => Array.from(values));
    pass.predicted = network.predict(pass.probabilities);
    results.forEach((name) => output[name].push(Array.from(pass[name])));
  }
  outputs.push(output);
}
process.stdout.write(JSON.stringify(outputs));
"""
WEIGHTS_SCRIPT = """
import { readFileSync } from "node:fs";
import { decodeNetwork } from "./network.js";

const network = await decodeNetwork(JSON.parse(readFileSync("description.json")));
const layers = network.layers.map(({ weights, biases, fanIn, fanOut, activation }) => (
  { weights: Array.from(weights), biases: Array.from(biases), shape: [fanOut, fanIn], activation }
));
process.stdout.write(JSON.stringify(layers));
"""


def fit(labels=y_few, dtype=np.float32, **params):
    defaults = {
        "hidden_layer_sizes": (12, 9),
        "input_scale": 1 / 16,
        "learning_rate_init": 0.02,
        "max_iter": 4,
        "random_state": 0,
    }
    return MLPDigitClassifier(**defaults | params).fit(X_few.astype(dtype), labels)


def run_networks(descriptions, features, results=("probabilities", "predicted"), masks=None):
    """Return a dict from names of results to lists, one item per sample, for each description."""
    arguments = {
        "descriptions": descriptions,
        "nSamples": len(features),
        "results": results,
        "masks": masks,
    }
    files = {
        "input.json": json.dumps(arguments).encode(),
        "features.bin": np.asarray(features, "<f4").tobytes(),
    }
    return json.loads(run_node(SCRIPT, input_files=files))


def decode_predictions(predicted, model):
    """Return the labels, or the indicator matrix, for the result of `Network.predict` for each sample."""
    if model.out_activation_ == "logistic" and model.n_outputs_ > 1:
        return np.array([np.isin(range(model.n_outputs_), indices) for indices in predicted])
    [indices] = np.transpose(predicted)
    return model.classes_[indices]


def assert_predicts_as_classifier(output, model, samples):
    np.testing.assert_allclose(
        output["probabilities"], model.predict_proba(samples), rtol=0, atol=TOLERANCE
    )
    np.testing.assert_array_equal(
        decode_predictions(output["predicted"], model), model.predict(samples)
    )


@pytest.fixture(scope="module")
def all_networks():
    """Return the classifier of each item of NETWORKS and its results in JavaScript, from a single run of node."""
    models = {name: fit(**params) for name, params in NETWORKS.items()}
    descriptions = [describe(model, weights="float32") for model in models.values()]
    outputs = run_networks(descriptions, X_test)
    return dict(zip(models, zip(models.values(), outputs, strict=True), strict=True))


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_predicts_as_the_classifier(name, all_networks):
    model, output = all_networks[name]
    samples = X_test.astype(NETWORKS[name].get("dtype", np.float32))
    assert_predicts_as_classifier(output, model, samples)


def test_activations_are_exact_in_float32():
    tiny, large = np.logspace(-30, 0, 61), np.array([40, 90, 200, 1000, 1e4])
    z = np.concatenate([np.linspace(-15, 15, 1501), tiny, -tiny, large, -large]).astype(np.float32)
    descriptions = []
    for activation in ACTIVATIONS:
        model = MLPDigitClassifier((1,), activation=activation, max_iter=1)
        model.fit([[0.0], [1.0]], [0, 1])
        model.coefs_[0][...] = 1
        model.intercepts_[0][...] = 0
        descriptions.append(describe(model, weights="float32"))
    outputs = run_networks(descriptions, z[:, np.newaxis], ["hidden"])
    for (name, activation), output in zip(ACTIVATIONS.items(), outputs, strict=True):
        expected = z.astype(np.float64)
        activation.forward(expected, np.empty_like(expected))
        # The rounding error of float32 is at most 2^-24 of the value, or half of the smallest positive number.
        np.testing.assert_allclose(
            np.ravel(output["hidden"]),
            expected,
            rtol=1.001 * 2.0**-24,
            atol=2.0**-150,
            err_msg=name,
        )


def test_large_logits_give_valid_probabilities():
    models = {kind: fit(labels) for kind, labels in LABELS.items()}
    for model in models.values():
        model.coefs_[-1][...] *= 1e4
    descriptions = [describe(model, weights="float32") for model in models.values()]
    outputs = run_networks(descriptions, X_test)
    for (kind, model), output in zip(models.items(), outputs, strict=True):
        probabilities = np.array(output["probabilities"])
        assert ((probabilities >= 0) & (probabilities <= 1)).all()  # also false for NaN
        if kind != "multilabel":
            np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
        np.testing.assert_array_equal(
            decode_predictions(output["predicted"], model), model.predict(X_test)
        )


def test_ties_are_resolved_as_in_the_classifier():
    models = [fit(labels) for labels in LABELS.values()]
    for model in models:
        model.coefs_[-1][...] = 0
        model.intercepts_[-1][...] = 0
    outputs = run_networks([describe(model) for model in models], X_test[:1])
    for model, output in zip(models, outputs, strict=True):
        np.testing.assert_array_equal(
            decode_predictions(output["predicted"], model), model.predict(X_test[:1])
        )


@pytest.mark.parametrize("weights", WEIGHT_FORMATS)
def test_weights_are_decoded_exactly(weights):
    model = fit(activation=("gelu", "elu"), batch_norm=True)
    model.coefs_[1][0] = 3e-6  # float16 stores them as subnormal numbers
    network = quantize_network(fold_network(model), weights).restore()
    description = json.dumps(describe(model, weights=weights)).encode()
    layers = json.loads(run_node(WEIGHTS_SCRIPT, input_files={"description.json": description}))
    for layer, expected in zip(layers, network.layers, strict=True):
        decoded = np.reshape(layer["weights"], layer["shape"])
        np.testing.assert_array_equal(decoded, expected.weights)
        np.testing.assert_array_equal(layer["biases"], expected.biases)
        assert layer["activation"] == expected.activation


def test_the_results_are_those_of_the_reference():
    models = [fit(labels, activation=("silu", "softplus")) for labels in LABELS.values()]
    models.append(fit(image_features="gradients"))
    cases = list(product(models, WEIGHT_FORMATS))
    descriptions = [describe(model, weights=weights) for model, weights in cases]
    outputs = run_networks(descriptions, X_test, ["logits", "probabilities"])
    for (model, weights), output in zip(cases, outputs, strict=True):
        network = quantize_network(fold_network(model), weights).restore()
        for name, compute in (("logits", compute_logits), ("probabilities", compute_probabilities)):
            np.testing.assert_allclose(
                output[name], compute(network, X_test), rtol=1e-5, atol=1e-6, err_msg=weights
            )


def test_inputs_are_the_features_or_those_of_images():
    features = GradientFeatures((3, 5), include_pixels=True)
    models = [fit(), fit(image_features=features, image_shape=(4, 16))]
    plain, gradients = run_networks(list(map(describe, models)), X_test, ["inputs"])
    np.testing.assert_array_equal(plain["inputs"], X_test)
    expected = features(X_test.reshape(-1, 4, 16) / 16)
    np.testing.assert_allclose(gradients["inputs"], expected, rtol=1e-7, atol=1e-14)


@pytest.mark.parametrize("layer", [0, 1])
def test_masks_multiply_the_activations_of_hidden_units(layer):
    model, masked = fit(activation="tanh"), fit(activation="tanh")
    factors = np.random.default_rng(0).integers(0, 3, model.intercepts_[layer].size) / 2
    assert set(factors) == {0, 0.5, 1}
    masked.coefs_[layer + 1][...] *= factors[:, np.newaxis]
    masks = [None, None]
    masks[layer] = factors.tolist()
    description = describe(model, weights="float32")
    [output] = run_networks([description], X_test, ["hidden", "probabilities"], masks)
    np.testing.assert_allclose(
        output["probabilities"], masked.predict_proba(X_test), rtol=0, atol=TOLERANCE
    )
    expected = model.hidden_activations(X_test, layer) * factors
    hidden = [sample[layer] for sample in output["hidden"]]
    np.testing.assert_allclose(hidden, expected, rtol=0, atol=TOLERANCE)


@pytest.fixture(scope="module")
def mnist_outputs(mnist_classifier, mnist_test_set):
    """Return the results in JavaScript for the test digits of MNIST by format of the weights."""
    formats = ["float32", "int8"]
    descriptions = [describe(mnist_classifier, weights=name) for name in formats]
    return dict(zip(formats, run_networks(descriptions, mnist_test_set[0]), strict=True))


def test_float32_weights_predict_mnist_as_the_classifier(
    mnist_classifier, mnist_test_set, mnist_outputs
):
    assert_predicts_as_classifier(mnist_outputs["float32"], mnist_classifier, mnist_test_set[0])


def test_int8_weights_predict_mnist_as_the_reference(
    mnist_classifier, mnist_test_set, mnist_outputs
):
    network = quantize_network(fold_network(mnist_classifier), "int8").restore()
    np.testing.assert_allclose(
        mnist_outputs["int8"]["probabilities"],
        compute_probabilities(network, mnist_test_set[0]),
        rtol=0,
        atol=TOLERANCE,
    )


def test_int8_weights_are_as_accurate_as_the_classifier(
    mnist_classifier, mnist_test_set, mnist_outputs
):
    X_test, y_test = mnist_test_set
    predicted = decode_predictions(mnist_outputs["int8"]["predicted"], mnist_classifier)
    accuracy = mnist_classifier.score(X_test, y_test)
    assert accuracy > 0.975
    assert np.mean(predicted == y_test) == pytest.approx(accuracy, abs=0.0005)


def test_the_description_of_an_mnist_classifier_is_small(mnist_classifier):
    description = describe(mnist_classifier, weights="int8")
    assert len(json.dumps(description)) < 215_000
