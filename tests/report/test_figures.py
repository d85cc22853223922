"""Figures of the report: the same as those of scikit-learn and of formulas on the same predictions."""

import copy
import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from helpers import load_small_digits
from scipy import ndimage
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    log_loss,
    precision_recall_fscore_support,
)
from sklearn.neighbors import NearestNeighbors
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import GradientFeatures, MLPDigitClassifier, save_model

N_TRAINING = 200
PARAMS = {
    "hidden_layer_sizes": (16,),
    "learning_rate_init": 0.01,
    "max_iter": 12,
    "n_iter_no_change": None,
    "random_state": 0,
}


def keep(X):
    return X


def convert_to_frame(X):
    return pd.DataFrame(X, columns=[f"pixel {i}" for i in range(X.shape[1])])


# Conversion of the digits 0 to 9, conversion of the features, parameters of the classifier
CASES = {
    "two classes": (lambda y: y % 2, keep, {}),
    "three classes": (lambda y: y % 3, keep, {"activation": "tanh"}),
    "strings": (lambda y: np.array([f"digit {i}" for i in y]), keep, {"activation": "gelu"}),
    "booleans": (lambda y: y > 4, keep, {"hidden_layer_sizes": (12, 8)}),
    "sparse": (keep, csr_matrix, {}),
    "float32": (keep, np.float32, {"hidden_layer_sizes": (24, 16), "activation": ["elu", "silu"]}),
    "float64": (keep, keep, {"early_stopping": True}),
    "uint8": (keep, lambda X: (255 * X).astype(np.uint8), {"input_scale": 1 / 255}),
    "feature names": (keep, convert_to_frame, {}),
    "no hidden layer": (keep, keep, {"hidden_layer_sizes": ()}),
    "no hidden layer and two classes": (lambda y: y > 4, csr_matrix, {"hidden_layer_sizes": ()}),
    "batch norm": (keep, np.float32, {"batch_norm": True, "activation": "leaky_relu"}),
    "lbfgs": (keep, keep, {"solver": "lbfgs", "max_iter": 200, "tol": 0.1}),
    "image features": (
        keep,
        np.float32,
        {"image_features": GradientFeatures((3, 4), include_pixels=True)},
    ),
}


@pytest.fixture(scope="module", params=CASES)
def case(request, report_on):
    """Return a fitted classifier, the samples, its predictions, and the report on it."""
    convert_labels, convert_features, params = CASES[request.param]
    X, y = load_small_digits(2 * N_TRAINING + 50)
    X, y = convert_features(X), convert_labels(y)
    X_train, y_train, X, y = X[:N_TRAINING], y[:N_TRAINING], X[N_TRAINING:], y[N_TRAINING:]
    mlp = MLPDigitClassifier(**PARAMS | params).fit(X_train, y_train)
    report = report_on(mlp, X, y, X_train=X_train, y_train=y_train)
    labels = mlp.classes_.tolist()
    probabilities = mlp.predict_proba(X).astype(float)
    return SimpleNamespace(
        mlp=mlp,
        X=X,
        y=y,
        X_train=X_train,
        y_train=y_train,
        report=report,
        labels=labels,
        figures=report.figures,
        predicted=mlp.predict(X),
        logits=mlp.predict_log_proba(X).astype(float),
        # scikit-learn requires sums of one, up to rounding errors in float64.
        probabilities=probabilities / probabilities.sum(axis=1, keepdims=True),
        truth=np.array([labels.index(label) for label in y.tolist()]),
    )


def test_accuracy(case):
    summary = case.figures["summary"]
    n_errors = int(np.sum(case.predicted != case.y))
    assert 0 < n_errors < len(case.y)
    assert summary["accuracy"] == accuracy_score(case.y, case.predicted)
    assert (summary["n_samples"], summary["n_errors"]) == (len(case.y), n_errors)
    assert summary["training_accuracy"] == case.mlp.score(case.X_train, case.y_train)
    assert summary["n_training_samples"] == N_TRAINING
    assert summary["comparison"] is None


def test_page_shows_the_accuracy(case):
    assert f"{100 * accuracy_score(case.y, case.predicted):.2f}\u00a0%" in case.report.html
    json.dumps(case.figures, allow_nan=False)


def test_confusion_matrix(case):
    confusion = case.figures["confusion"]
    matrix = confusion_matrix(case.y, case.predicted)
    assert confusion["labels"] == case.labels
    assert confusion["matrix"] == matrix.tolist()
    counts = [pair["count"] for pair in confusion["pairs"]]
    assert counts == sorted(counts, reverse=True)
    assert sum(counts) == case.figures["summary"]["n_errors"]
    for pair in confusion["pairs"]:
        is_pair = (case.y == pair["label"]) & (case.predicted == pair["predicted"])
        assert pair["label"] != pair["predicted"]
        assert pair["indices"] == np.flatnonzero(is_pair).tolist()
        assert pair["count"] == len(pair["indices"])


def test_classes(case):
    scores = precision_recall_fscore_support(case.y, case.predicted, zero_division=0)
    assert [row["label"] for row in case.figures["classes"]] == case.labels
    for name, values in zip(("precision", "recall", "f1", "support"), scores, strict=True):
        np.testing.assert_allclose([row[name] for row in case.figures["classes"]], values)


def test_most_frequent_confusions(case):
    pairs = zip(case.y.tolist(), case.predicted.tolist(), strict=True)
    errors = Counter((label, predicted) for label, predicted in pairs if label != predicted)
    for row in case.figures["classes"]:
        counts = {predicted: n for (label, predicted), n in errors.items() if label == row["label"]}
        if not counts:
            assert row["most_frequent_confusion"] is None
            continue
        count = max(counts.values())
        assert row["most_frequent_confusion"] == {
            "label": min(predicted for predicted, n in counts.items() if n == count),
            "count": count,
        }


def test_scores_of_the_probabilities(case):
    calibration = case.figures["calibration"]
    one_hot = np.eye(len(case.labels))[case.truth]
    brier_score = ((case.probabilities - one_hot) ** 2).sum(axis=1).mean()
    assert calibration["log_loss"] == pytest.approx(
        log_loss(case.truth, case.probabilities, labels=range(len(case.labels))), rel=1e-5
    )
    assert calibration["brier_score"] == pytest.approx(brier_score, rel=1e-5)
    assert calibration["mean_confidence"] == pytest.approx(case.probabilities.max(axis=1).mean())
    assert calibration["accuracy"] == accuracy_score(case.y, case.predicted)


def test_expected_calibration_error(case):
    confidence, is_correct = case.probabilities.max(axis=1), case.predicted == case.y
    expected = 0.0
    for i, row in enumerate(case.figures["calibration"]["bins"]):
        inside = (confidence > i / 10) & (confidence <= (i + 1) / 10)
        assert (row["low"], row["high"]) == pytest.approx((i / 10, (i + 1) / 10))
        assert row["count"] == inside.sum()
        if not inside.any():
            assert row["confidence"] is row["accuracy"] is None
            continue
        assert row["confidence"] == pytest.approx(confidence[inside].mean())
        assert row["accuracy"] == pytest.approx(is_correct[inside].mean())
        expected += abs(confidence[inside].mean() - is_correct[inside].mean()) * inside.mean()
    error = case.figures["calibration"]["expected_calibration_error"]
    assert error == pytest.approx(expected, rel=1e-5)


def test_refusal(case):
    confidence, is_correct = case.probabilities.max(axis=1), case.predicted == case.y
    refusal = case.figures["calibration"]["refusal"]
    fractions = [row["fraction"] for row in refusal]
    assert fractions[0] == 0
    assert fractions == sorted(set(fractions))
    assert fractions[-1] <= 0.5
    for row in refusal:
        is_accepted = confidence >= row["threshold"] * (1 - 1e-6)
        assert row["fraction"] == pytest.approx(1 - is_accepted.mean())
        assert row["accuracy"] == pytest.approx(is_correct[is_accepted].mean())
        assert row["threshold"] == pytest.approx(confidence[is_accepted].min())


def test_worst_mistakes(case):
    losses = -case.logits[np.arange(len(case.truth)), case.truth]
    wrong = np.flatnonzero(case.predicted != case.y)
    worst = wrong[np.argsort(-losses[wrong], kind="stable")][:24]
    mistakes = case.figures["mistakes"]
    assert [mistake["index"] for mistake in mistakes] == worst.tolist()
    for mistake in mistakes:
        index = mistake["index"]
        probabilities = case.probabilities[index]
        likeliest = np.argsort(-probabilities, kind="stable")[:3]
        assert mistake["label"] == case.labels[case.truth[index]]
        assert mistake["loss"] == pytest.approx(losses[index], rel=1e-5)
        assert mistake["label_probability"] == pytest.approx(np.exp(-losses[index]), rel=1e-4)
        assert [each["label"] for each in mistake["likeliest"]] == [
            case.labels[i] for i in likeliest
        ]
        assert [each["probability"] for each in mistake["likeliest"]] == pytest.approx(
            probabilities[likeliest], rel=1e-4
        )


def get_last_activations(mlp, X):
    """Return the activations of the last hidden layer or, without hidden layers, the features."""
    if len(mlp.coefs_) > 1:
        return mlp.hidden_activations(X)
    return X.toarray() if hasattr(X, "toarray") else X


def test_nearest_training_samples(case):
    training = get_last_activations(case.mlp, case.X_train)
    neighbors = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(training)
    indices = [mistake["index"] for mistake in case.figures["mistakes"]]
    queries = get_last_activations(case.mlp, case.X)[indices]
    (distances,) = neighbors.kneighbors(queries)[0].T
    for mistake, query, distance in zip(case.figures["mistakes"], queries, distances, strict=True):
        nearest = mistake["nearest"]
        assert nearest["distance"] == pytest.approx(distance, rel=1e-3, abs=1e-3)
        found = np.linalg.norm(training[nearest["index"]] - query)
        assert found == pytest.approx(distance, rel=1e-3, abs=1e-3)
        assert nearest["label"] == np.asarray(case.y_train)[nearest["index"]]


def test_history(case):
    history, training = case.mlp.history_, case.figures["training"]
    assert training["history"].keys() == history.keys()
    for name, values in history.items():
        expected = [None if np.isnan(value) else value for value in values]
        assert training["history"][name] == expected
    assert training["n_epochs"] == case.figures["reproducibility"]["n_epochs"] == case.mlp.n_iter_
    assert training["seconds"] == sum(history["seconds"])
    assert case.figures["reproducibility"]["training_seconds"] == sum(history["seconds"])
    for name, best in {"val_loss": min, "val_accuracy": max}.items():
        if name not in history:
            assert name not in training["best"]
            continue
        value = best(history[name])
        epoch = history[name].index(value) + 1
        assert training["best"][name] == {"epoch": epoch, "value": value}


def test_parameters(case):
    defaults = MLPDigitClassifier().get_params()
    expected = {
        name: repr(value)
        for name, value in case.mlp.get_params().items()
        if value != defaults[name]
    }
    reproducibility = case.figures["reproducibility"]
    assert reproducibility["parameters"] == expected
    assert reproducibility["seed"] == 0


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize(
    ("random_state", "seed"),
    [(7, 7), (0, 0), (np.int32(7), 7), (None, None), (np.random.RandomState(7), None)],
    ids=["integer", "zero", "NumPy integer", "none", "generator"],
)
def test_seed(random_state, seed, make_softmax, report_on):
    """Only from an integer can the training be repeated."""
    mlp = make_softmax(range(2)).set_params(random_state=random_state)
    report = report_on(mlp, np.eye(2), [0, 1])
    assert report.figures["reproducibility"]["seed"] == seed
    json.dumps(report.figures)
    text = "none: the random_state is not an integer, so the model cannot be reproduced"
    assert f"<dt>seed</dt><dd>{text if seed is None else seed}</dd>" in report.html


def test_network_and_cost(case, tmp_path):
    save_model(case.mlp, tmp_path / "model.safetensors")
    cost, network, mlp = case.figures["cost"], case.figures["network"], case.mlp
    assert cost["n_file_bytes"] == (tmp_path / "model.safetensors").stat().st_size
    assert cost["n_parameters"] == mlp.summary().n_parameters
    assert cost["n_parameter_bytes"] == mlp.summary().n_bytes
    sizes = [len(mlp.coefs_[0]), *map(len, mlp.intercepts_)]
    assert network["layer_sizes"] == sizes
    assert network["n_features"] == mlp.n_features_in_
    assert cost["n_multiply_adds"] == sum(np.multiply(sizes[:-1], sizes[1:]))
    assert cost["batch_size"] == len(case.y)
    assert cost["seconds_single"] > 0
    assert cost["seconds_per_sample_in_batch"] > 0


def test_hidden_layers(case):
    activation, n_hidden = case.mlp.activation, len(case.mlp.coefs_) - 1
    names = [activation] * n_hidden if isinstance(activation, str) else activation
    activations = [case.mlp.hidden_activations(case.X, layer) for layer in range(n_hidden)]
    assert case.figures["network"]["hidden_layers"] == [
        {
            "n_units": values.shape[1],
            "activation": name,
            "n_dead": np.sum(np.ptp(values, axis=0) <= 1e-6),
        }
        for name, values in zip(names, activations, strict=True)
    ]


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("n_classes", [2, 3])
def test_accuracy_if_probabilities_are_equal_after_rounding(n_classes, make_softmax, report_on):
    """The prediction is that of `predict`, also if the difference of the logits is lost in float32."""
    mlp = make_softmax(range(n_classes))
    mlp.coefs_ = [weights.astype(np.float32) for weights in mlp.coefs_]
    mlp.intercepts_ = [biases.astype(np.float32) for biases in mlp.intercepts_]
    X = np.full((2, n_classes), -50, np.float32)
    X[:, 0], X[:, 1] = 0, [1e-9, 1]
    summary = report_on(mlp, X, [1, 1]).figures["summary"]
    assert summary["accuracy"] == mlp.score(X, [1, 1]) == 1


@pytest.fixture(scope="module")
def digits_model(digits):
    """Return a classifier fitted on the first of the digits, and the other digits."""
    X, y = digits
    mlp = MLPDigitClassifier(**PARAMS).fit(X[:N_TRAINING], y[:N_TRAINING])
    return mlp, X[N_TRAINING:], y[N_TRAINING:]


@pytest.mark.usefixtures("without_drawing")
def test_dead_units(digits_model, report_on):
    mlp, X, y = copy.deepcopy(digits_model)
    mlp.coefs_[0][:, 3:8] = -1
    mlp.intercepts_[0][3:8] = -100
    activations = np.maximum(X @ mlp.coefs_[0] + mlp.intercepts_[0], 0)
    (layer,) = report_on(mlp, X, y).figures["network"]["hidden_layers"]
    assert layer["n_dead"] == np.sum(activations.min(axis=0) == activations.max(axis=0)) >= 5


@pytest.mark.usefixtures("without_drawing")
def test_single_sample_has_no_dead_units(digits_model, report_on):
    mlp, X, y = digits_model
    report = report_on(mlp, X[:1], y[:1])
    assert report.findings["dead_units"]["status"] == "not checked"


@pytest.mark.usefixtures("without_drawing")
def test_model_digest(digits, report_on):
    X, y = digits

    def compute_digest(**params):
        mlp = MLPDigitClassifier(**PARAMS | {"max_iter": 2} | params).fit(X, y)
        report = report_on(mlp, X[:20], y[:20], image_shape=False)
        return report.figures["reproducibility"]["model_digest"]

    digest = compute_digest()
    assert len(digest) == 64
    assert compute_digest() == digest
    assert compute_digest(random_state=1) != digest


@pytest.mark.usefixtures("without_drawing")
def test_data_digest(make_softmax, report_on):
    X, y = np.arange(12.0).reshape(4, 3), np.array([0, 1, 2, 2])
    mlp = make_softmax([0, 1, 2])

    def compute_digest(X, y):
        digests = report_on(mlp, X, y).figures["reproducibility"]["data_digests"]
        assert digests.keys() == {"test"}
        return digests["test"]

    digest = compute_digest(X, y)
    assert len(digest) == 64
    assert compute_digest(X.copy(order="F"), y.tolist()) == digest
    report = report_on(mlp, X[:1], y[:1], X_train=X, y_train=y)
    assert report.figures["reproducibility"]["data_digests"]["training"] == digest
    others = {
        compute_digest(np.where(X == 5, 6, X), y),
        compute_digest(X, [0, 1, 2, 1]),
        compute_digest(X.astype(np.float32), y),
        compute_digest(csr_matrix(X), y),
    }
    assert len(others | {digest}) == 5


# Distortions of images with an empty border, written out


def roll(images, pixels):
    """Shift images in turn down, up, right and left."""
    shifts = [(pixels, 1), (-pixels, 1), (pixels, 2), (-pixels, 2)]
    rolled = np.empty_like(images)
    for start, (amount, axis) in enumerate(shifts):
        rolled[start::4] = np.roll(images[start::4], amount, axis)
    return rolled


def rotate(images, angle):
    """Rotate images in turn counterclockwise and clockwise about their center."""
    center = (images.shape[1] - 1) / 2
    rows, columns = np.indices(images.shape[1:]) - center
    rotated = np.empty_like(images)
    for i, image in enumerate(images):
        radians = np.deg2rad(angle if i % 2 == 0 else -angle)
        source = np.array(
            [
                np.cos(radians) * rows + np.sin(radians) * columns,
                np.cos(radians) * columns - np.sin(radians) * rows,
            ]
        )
        rotated[i] = ndimage.map_coordinates(image, source + center, order=1)
    return rotated


def change_strokes(images, pixels):
    """Interpolate between images and the largest or smallest of each pixel and its four neighbors."""
    neighbors = [
        np.roll(images, amount, axis) for amount, axis in ((0, 1), (1, 1), (-1, 1), (1, 2), (-1, 2))
    ]
    changed = np.max(neighbors, axis=0) if pixels > 0 else np.min(neighbors, axis=0)
    return images + abs(pixels) * (changed - images)


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_robustness(report_on, dtype):
    X, y = load_small_digits(500)
    images = np.pad(X.reshape(-1, 8, 8), ((0, 0), (10, 10), (10, 10)))
    images = images.astype(dtype) if dtype is np.float32 else np.rint(255 * images).astype(dtype)
    X = images.reshape(500, -1)
    scale = None if dtype is np.float32 else 1 / 255
    mlp = MLPDigitClassifier(**PARAMS, input_scale=scale).fit(X[:300], y[:300])
    images, X, y = images[300:].astype(float), X[300:], y[300:]
    robustness = report_on(mlp, X, y).figures["robustness"]
    assert robustness["n_samples"] == len(y)
    assert robustness["accuracy"] == mlp.score(X, y)
    conditions = {each["name"]: each["levels"] for each in robustness["conditions"]}
    assert conditions.keys() == {"shift", "rotation", "stroke width", "noise"}
    assert [each["level"] for each in conditions["shift"]] == [1, 2, 3, 4]
    for name, distort in {
        "shift": roll,
        "rotation": rotate,
        "stroke width": change_strokes,
    }.items():
        for each in conditions[name]:
            distorted = distort(images, each["level"])
            if dtype is np.uint8:
                distorted = np.rint(distorted)
            expected = mlp.score(distorted.reshape(len(y), -1).astype(dtype), y)
            assert each["accuracy"] == pytest.approx(expected, abs=1.5 / len(y)), name
    rng = np.random.default_rng(1)
    for each in conditions["noise"]:
        noise = images.max() * rng.normal(0, each["level"], images.shape)
        noisy = np.clip(images + noise, 0, images.max()).reshape(len(y), -1).astype(dtype)
        # Within four standard errors, because the noise is another one
        assert each["accuracy"] == pytest.approx(mlp.score(noisy, y), abs=4 * 0.5 / len(y) ** 0.5)


@pytest.mark.usefixtures("without_drawing")
def test_noise_is_relative_to_the_range_of_integers(report_on):
    """The range of pixels from 0 to 16 is the same as integers and as floats."""
    X, y = load_small_digits()
    pixels = np.rint(16 * X).astype(np.uint8)
    mlp = MLPDigitClassifier(**PARAMS, input_scale=1 / 16).fit(pixels[:200], y[:200])
    accuracies = {
        dtype: report_on(mlp, pixels[200:].astype(dtype), y[200:]).figures["robustness"][
            "conditions"
        ][-1]["levels"][0]["accuracy"]
        for dtype in (np.uint8, np.float32)
    }
    assert accuracies[np.uint8] == pytest.approx(accuracies[np.float32], abs=0.1)


# Comparison with a second model

SECOND_MODELS = {
    "MLPDigitClassifier": lambda X, y: MLPDigitClassifier(**PARAMS | {"random_state": 1}).fit(X, y),
    "MLPClassifier": lambda X, y: MLPClassifier((16,), solver="lbfgs", random_state=0).fit(X, y),
    "Pipeline": lambda X, y: make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y),
    "LogisticRegression": lambda X, y: LogisticRegression().fit(X, np.where(y < 5, y, y + 10)),
}


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("name", SECOND_MODELS)
def test_comparison(digits, digits_model, report_on, name):
    mlp, X, y = digits_model
    second = SECOND_MODELS[name](digits[0][:N_TRAINING], digits[1][:N_TRAINING])
    comparison = report_on(mlp, X, y, compare_with=second).figures["summary"]["comparison"]
    first_is_correct, second_is_correct = mlp.predict(X) == y, second.predict(X) == y
    only_first = np.flatnonzero(first_is_correct & ~second_is_correct).tolist()
    only_second = np.flatnonzero(~first_is_correct & second_is_correct).tolist()
    assert comparison["name"] == name
    assert comparison["accuracy"] == second.score(X, y)
    assert comparison["n_both_correct"] == np.sum(first_is_correct & second_is_correct)
    assert comparison["n_both_wrong"] == np.sum(~first_is_correct & ~second_is_correct)
    assert comparison["only_this_correct"] == only_first
    assert comparison["only_second_correct"] == only_second
    assert comparison["n_only_this_correct"] == len(only_first)
    assert comparison["n_only_second_correct"] == len(only_second)
