"""Statistics of the report against formulas written out, and against data whose answer is known."""

import copy
from math import comb, sqrt

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss

from skmlp import MLPDigitClassifier

pytestmark = pytest.mark.usefixtures("without_drawing")


def compute_wilson_interval(n_correct, n):
    """Return Wilson's score interval at the level of 95 %."""
    if n == 0:
        return 0, 1
    z, p = 1.959963984540054, n_correct / n
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half_width = z / (1 + z**2 / n) * sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return center - half_width, center + half_width


def test_intervals(make_softmax, draw_samples, report_on):
    """The intervals of the accuracy and of the recall of each class are Wilson's."""
    counts = [(0, 0), (1, 0), (1, 1), (10, 0), (10, 7), (10, 10), (998, 1), (998, 993)]
    X, y = draw_samples(counts, confidence=0.9)
    figures = report_on(make_softmax(range(len(counts))), X, y).figures
    expected = compute_wilson_interval(sum(n for _, n in counts), sum(n for n, _ in counts))
    assert figures["summary"]["interval"] == pytest.approx(expected, abs=1e-9)
    for row, (n, n_correct) in zip(figures["classes"], counts, strict=True):
        assert row["support"] == n
        interval = compute_wilson_interval(n_correct, n)
        assert row["recall_interval"] == pytest.approx(interval, abs=1e-9)


def compute_mcnemar_p_value(n_first, n_second):
    """Return the probability that the split of the differing samples is at least as uneven by chance."""
    n = n_first + n_second
    tail = sum(comb(n, k) for k in range(min(n_first, n_second) + 1)) / 2**n
    return min(1, 2 * tail)


@pytest.mark.parametrize("counts", [(0, 0), (1, 0), (0, 5), (4, 4), (3, 12), (60, 30)])
def test_mcnemar(make_softmax, report_on, counts):
    n_first, n_second = counts
    # Logits of the first model for two classes, then those of the second model
    right, wrong = [1, 0], [0, 1]
    rows = [right + right] * 9 + [right + wrong] * n_first + [wrong + right] * n_second
    first = make_softmax([0, 1], n_features=4)
    second = make_softmax([0, 1], n_features=4, first_feature=2)
    X, y = np.array([*rows, wrong + wrong], dtype=float), np.zeros(len(rows) + 1, int)
    comparison = report_on(first, X, y, compare_with=second).figures["summary"]["comparison"]
    assert comparison["n_only_this_correct"] == n_first
    assert comparison["n_only_second_correct"] == n_second
    assert (comparison["n_both_correct"], comparison["n_both_wrong"]) == (9, 1)
    assert comparison["p_value"] == pytest.approx(compute_mcnemar_p_value(n_first, n_second))
    expected = compute_wilson_interval(9 + n_second, len(y))
    assert comparison["interval"] == pytest.approx(expected, abs=1e-9)


@pytest.fixture(scope="module")
def digits_model():
    """Return a classifier fitted on the first of scikit-learn's digits, and the other digits."""
    X, y = load_digits(return_X_y=True)
    mlp = MLPDigitClassifier((16,), input_scale=1 / 16, max_iter=15, n_iter_no_change=None)
    mlp.set_params(learning_rate_init=0.01, random_state=0)
    return mlp.fit(X[:900].astype(float), y[:900]), X[900:], y[900:]


def scale_logits(mlp, factor):
    """Return a copy of a classifier whose logits are multiplied by a factor."""
    scaled = copy.deepcopy(mlp)
    scaled.coefs_[-1][:] *= factor
    scaled.intercepts_[-1][:] *= factor
    return scaled


def get_temperature(report):
    return report.figures["calibration"]["temperature"]


def test_temperature_minimizes_the_log_loss(digits_model, report_on):
    mlp, X, y = digits_model
    temperature = get_temperature(report_on(mlp, X, y))
    logits = mlp.predict_log_proba(X).astype(float)

    def compute_log_loss(temperature):
        return log_loss(y, softmax(logits / temperature, axis=1))

    assert temperature["log_loss"] == pytest.approx(compute_log_loss(temperature["value"]))
    grid = temperature["value"] * np.geomspace(0.5, 2, 101)
    assert temperature["log_loss"] <= min(map(compute_log_loss, grid)) + 1e-9


def test_temperature_is_proportional_to_the_logits(digits_model, report_on):
    mlp, X, y = digits_model
    temperature = get_temperature(report_on(mlp, X, y, image_shape=False))
    for factor in (1 / 3, 3, 10):
        scaled = get_temperature(report_on(scale_logits(mlp, factor), X, y, image_shape=False))
        assert scaled["value"] == pytest.approx(factor * temperature["value"], rel=1e-2)
        for name in ("log_loss", "brier_score", "expected_calibration_error"):
            assert scaled[name] == pytest.approx(temperature[name], rel=1e-2)


@pytest.mark.parametrize(("n_classes", "confidence"), [(2, 0.95), (3, 0.7)])
def test_temperature_of_calibrated_probabilities_is_one(
    make_softmax, draw_samples, report_on, n_classes, confidence
):
    n_correct = round(200 * confidence)
    X, y = draw_samples([(200, n_correct)] * n_classes, confidence)
    calibration = report_on(make_softmax(range(n_classes)), X, y).figures["calibration"]
    assert calibration["temperature"]["value"] == pytest.approx(1, rel=0.01)
    assert calibration["mean_confidence"] == pytest.approx(calibration["accuracy"])


@pytest.mark.parametrize("n_correct", [0, 10])
@pytest.mark.parametrize("confidence", [0.6, 0.999])
def test_no_temperature_if_all_predictions_are_correct_or_all_are_wrong(
    make_softmax, draw_samples, report_on, n_correct, confidence
):
    X, y = draw_samples([(10, n_correct)] * 3, confidence)
    assert get_temperature(report_on(make_softmax([0, 1, 2]), X, y)) is None


def test_refusal(make_softmax, report_on):
    """Of ten predictions, the least confident and the third least confident one are wrong."""
    confidence = np.linspace(0.6, 0.96, 10)
    y = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    X = np.log(np.column_stack([confidence, 1 - confidence]))
    refusal = report_on(make_softmax([0, 1]), X, y).figures["calibration"]["refusal"]
    expected = {0: (0.8, 0.6), 0.1: (8 / 9, 0.64), 0.2: (7 / 8, 0.68), 0.3: (1, 0.72)}
    found = {row["fraction"]: (row["accuracy"], row["threshold"]) for row in refusal}
    assert found[0.5] == pytest.approx((1, 0.8))
    assert len(found) == 5  # 1, 2 and 5 % are less than one of ten samples
    for fraction, values in expected.items():
        assert found[fraction] == pytest.approx(values)


def test_refusal_of_equal_confidences(make_softmax, report_on):
    """A threshold cannot distinguish samples with the same probability."""
    X = np.log([[0.6, 0.4], [0.6, 0.4], [0.6, 0.4], [0.9, 0.1]])
    refusal = report_on(make_softmax([0, 1]), X, [0, 1, 1, 0]).figures["calibration"]["refusal"]
    assert refusal == [{"fraction": 0, "accuracy": 0.5, "threshold": pytest.approx(0.6)}]


@pytest.mark.parametrize("subset", ["training", "test"])
def test_wrong_labels_are_found(subset, report_on):
    """At least 12 of 15 wrong labels are among the candidates, with or without the training set."""
    X, y = load_digits(return_X_y=True)
    mlp = MLPDigitClassifier((32,), input_scale=1 / 16, max_iter=20, n_iter_no_change=None)
    mlp.set_params(learning_rate_init=0.01, random_state=0)
    rng = np.random.default_rng(0)
    n = 1200
    wrong = rng.choice(n if subset == "training" else len(y) - n, 15, replace=False)
    y_train, y_test = y[:n].copy(), y[n:].copy()
    labels = y_train if subset == "training" else y_test
    truth = labels[wrong]
    labels[wrong] = (truth + rng.integers(1, 10, 15)) % 10
    mlp.fit(X[:n], y_train)
    training = {"X_train": X[:n], "y_train": y_train} if subset == "training" else {}
    errors = report_on(mlp, X[n:], y_test, **training).figures["label_errors"]
    assert errors["subset"] == subset
    assert errors["n_samples"] == len(labels)
    found = {each["index"]: each for each in errors["candidates"]}
    assert len(found) == min(errors["n_candidates"], 24)
    assert len(found.keys() & set(wrong.tolist())) >= 12
    predicted = [found[i]["predicted"] if i in found else None for i in wrong.tolist()]
    assert sum(label == each for label, each in zip(truth, predicted, strict=True)) >= 11
    for index, each in found.items():
        assert each["label"] == labels[index] != each["predicted"]
        assert each["label_probability"] < each["predicted_probability"]
    probabilities = [each["label_probability"] for each in errors["candidates"]]
    assert probabilities == sorted(probabilities)


def test_candidates_of_the_test_set(make_softmax, report_on):
    """Candidates have another predicted class, with at least the mean probability of its own samples."""
    # The mean probability of class 0 is 0.6 and that of class 1 is 0.8.
    first = np.array([0.9, 0.7, 0.2, 0.1, 0.1, 0.4])
    y = np.array([0, 0, 0, 1, 1, 1])
    X = np.log(np.column_stack([first, 1 - first]))
    errors = report_on(make_softmax([0, 1]), X, y).figures["label_errors"]
    assert [each["index"] for each in errors["candidates"]] == [2]
    assert errors["candidates"][0]["label_probability"] == pytest.approx(0.2)
    assert errors["candidates"][0]["predicted_probability"] == pytest.approx(0.8)
    assert (errors["subset"], errors["n_samples"], errors["n_candidates"]) == ("test", 6, 1)
