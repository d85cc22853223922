"""Findings of the report: a case that needs attention and one that does not, for each check."""

import numpy as np
import pytest
from helpers import load_small_digits
from scipy.sparse import csr_matrix

from skmlp import MLPDigitClassifier

pytestmark = pytest.mark.usefixtures("without_drawing")

ATTENTION, PASSED, NOT_CHECKED = "attention", "passed", "not checked"
CHECKS = {
    *("monitored_test_set", "overfitting", "duplicates", "unfinished_training"),
    *("increased_validation_loss", "calibration", "low_recall", "imbalance", "robustness"),
    *("label_errors", "dead_units", "test_set_size"),
}
N_CLASSES = 3
DIGITS = {
    "hidden_layer_sizes": (16,),
    "input_scale": 1 / 16,
    "max_iter": 5,
    "n_iter_no_change": None,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def mlp(make_softmax):
    return make_softmax(range(N_CLASSES))


def make_history(losses, val_losses=None, rates=None):
    """Return the `history_` of a classifier, with the losses of each epoch."""
    n_epochs = len(losses)
    history = {
        "loss": losses,
        "accuracy": [0.9] * n_epochs,
        "learning_rate": rates or [0.001] * n_epochs,
        "seconds": [0.1] * n_epochs,
    }
    if val_losses is None:
        return history
    return history | {"val_loss": val_losses, "val_accuracy": [0.5] * n_epochs}


def test_no_finding_needs_attention(make_softmax, draw_samples, report_on):
    """A calibrated classifier with an accuracy of 99 % on many samples passes all checks."""
    mlp = make_softmax(range(N_CLASSES))
    mlp.history_ = make_history([0.5, 0.1, 0.1, 0.1], [0.5, 0.2, 0.2, 0.2])
    X, y = draw_samples([(1000, 990)] * N_CLASSES, 0.99)
    X_train, y_train = draw_samples([(200, 199)] * N_CLASSES, 0.99, seed=1)
    report = report_on(mlp, X, y, X_train=X_train, y_train=y_train)
    statuses = {check: finding["status"] for check, finding in report.findings.items()}
    not_checked = dict.fromkeys(("dead_units", "robustness", "monitored_test_set"), NOT_CHECKED)
    assert statuses == dict.fromkeys(CHECKS, PASSED) | not_checked
    assert "No check needs attention" in report.html


def test_findings_that_need_attention_come_first_with_a_remedy(mlp, draw_samples, report_on):
    report = report_on(mlp, *draw_samples([(30, 20), (5, 1), (30, 30)], 0.99))
    findings = report.figures["findings"]
    statuses = [finding["status"] for finding in findings]
    assert statuses == sorted(statuses, key=[ATTENTION, PASSED, NOT_CHECKED].index)
    assert statuses.count(ATTENTION) >= 4
    assert report.findings.keys() == CHECKS
    for finding in findings:
        assert (finding["remedy"] is not None) == (finding["status"] == ATTENTION)
        assert finding["title"] in report.html
        assert finding["text"].endswith(".")


def check_monitored_test_set(report_on, X, y, X_val, y_val, weights=None, **params):
    """Return the finding on the test set `X` of a classifier that monitored `X_val`."""
    X_train, y_train = load_small_digits(150)
    mlp = MLPDigitClassifier(**DIGITS | {"input_scale": None} | params)
    mlp.fit(X_train, y_train, X_val=X_val, y_val=y_val, sample_weight_val=weights)
    return report_on(mlp, X, y, image_shape=False).findings["monitored_test_set"]


@pytest.mark.parametrize(
    ("params", "dtype"),
    [
        ({}, np.float32),
        ({}, np.float64),
        ({"batch_norm": True, "dropout": 0.2}, np.float32),
        ({"ema_decay": 0.9}, np.float32),
        ({"early_stopping": True, "max_iter": 20, "learning_rate_init": 0.01}, np.float32),
        ({"input_scale": 100}, np.float64),
    ],
)
def test_monitored_test_set(digits, report_on, params, dtype):
    X, y = digits[0][150:].astype(dtype), digits[1][150:]
    finding = check_monitored_test_set(report_on, X, y, X, y, **params)
    assert finding["status"] == ATTENTION


def test_weighted_validation_set_is_not_compared(digits, report_on):
    X, y = digits[0][150:], digits[1][150:]
    finding = check_monitored_test_set(report_on, X, y, X, y, class_weight={0: 5, 1: 0.5})
    assert finding["status"] == NOT_CHECKED


def test_independent_test_set(digits, report_on):
    """Common samples of the test and validation sets cannot be detected, so the result is not that all is well."""
    X, y = digits[0][150:], digits[1][150:]
    finding = check_monitored_test_set(report_on, X[75:], y[75:], X[:75], y[:75])
    assert finding["status"] == NOT_CHECKED


def test_overfitting(mlp, draw_samples, report_on):
    X, y = draw_samples([(100, 80)] * N_CLASSES, 0.8)
    X_train, y_train = draw_samples([(100, 100)] * N_CLASSES, 0.8, seed=1)
    finding = report_on(mlp, X, y, X_train=X_train, y_train=y_train).findings["overfitting"]
    assert finding["status"] == ATTENTION
    assert "100.00 % on the training set and 80.00 % on the test set" in finding["text"]
    assert "augmentation" not in finding["remedy"]  # the samples are not images
    assert report_on(mlp, X, y).findings["overfitting"]["status"] == NOT_CHECKED


def test_gap_within_the_interval_is_no_overfitting(mlp, draw_samples, report_on):
    X, y = draw_samples([(20, 19)] * N_CLASSES, 0.95)
    X_train, y_train = draw_samples([(100, 98)] * N_CLASSES, 0.95, seed=1)
    finding = report_on(mlp, X, y, X_train=X_train, y_train=y_train).findings["overfitting"]
    assert finding["status"] == PASSED


@pytest.mark.parametrize(
    ("convert_test", "convert_training", "label_is_equal"),
    [
        (np.float64, np.float64, True),
        (np.float64, np.float64, False),
        (np.float32, np.float64, True),
        (np.uint8, np.float32, False),
        (np.int64, np.uint8, True),
        (csr_matrix, np.float32, False),
        (np.uint8, csr_matrix, True),
    ],
)
def test_duplicates(mlp, report_on, convert_test, convert_training, label_is_equal):
    values = np.random.default_rng(0).permutation(240).reshape(-1, N_CLASSES)
    values[50], values[60] = values[3], values[7]  # test samples 10 and 20
    y = values.argmax(axis=1)
    y_train, y_test = y[:40].copy(), y[40:]
    if not label_is_equal:
        y_train[3] = (y_train[3] + 1) % N_CLASSES
    X_train, X_test = convert_training(values[:40]), convert_test(values[40:])
    report = report_on(mlp, X_test, y_test, X_train=X_train, y_train=y_train)
    finding = report.findings["duplicates"]
    assert finding["status"] == ATTENTION
    assert "Of 40 test samples, 2 are equal" in finding["text"]
    assert "10 (training sample 3), 20 (training sample 7)." in finding["text"]
    assert f"{0 if label_is_equal else 1} of these training samples have another" in finding["text"]


def test_negative_zeros_are_equal_to_zeros(mlp, report_on):
    X = np.array([[-0.0, 1, 2], [3, 4, 5]])
    X_train = np.array([[9, 8, 7], [0.0, 1, 2], [5, 0, 1]])
    finding = report_on(mlp, X, [2, 2], X_train=X_train, y_train=[0, 2, 0]).findings["duplicates"]
    assert finding["status"] == ATTENTION
    assert "Of 2 test samples, 1 are equal" in finding["text"]
    assert "0 (training sample 1)" in finding["text"]


def test_many_duplicates_are_not_all_listed(mlp, report_on):
    X, y = np.arange(60.0).reshape(-1, N_CLASSES), np.arange(20) % N_CLASSES
    text = report_on(mlp, X, y, X_train=X, y_train=y).findings["duplicates"]["text"]
    assert "Of 20 test samples, 20 are equal" in text
    assert "4 (training sample 4) and 15 others." in text
    assert "5 (training" not in text


ANNEALED = [0.001, 0.0005, 0.0002, 0.00001]


@pytest.mark.parametrize(
    ("history", "status"),
    [
        (make_history([1.0, 0.8, 0.7, 0.6]), ATTENTION),
        (make_history([1.0, 0.8, 0.7, 0.695]), PASSED),
        (make_history([1.0, 0.6, 0.7, 0.65]), PASSED),
        (make_history([1.0, 0.8, 0.7, 0.6], rates=ANNEALED), PASSED),
        (make_history([1.0, 0.8, 0.7, 0.6], [0.9, 0.8, 0.8, 0.8]), PASSED),
        (make_history([0.5, 0.5, 0.5, 0.5], [0.9, 0.8, 0.7, 0.6]), ATTENTION),
        (make_history(np.geomspace(1, 0.5, 50).tolist()), ATTENTION),
        (make_history(np.geomspace(1, 0.9, 50).tolist()), PASSED),
        (make_history([1.0, 0.5]), NOT_CHECKED),
        (make_history([]), NOT_CHECKED),
        (make_history([1.0, 0.5, np.nan]), NOT_CHECKED),
        (make_history([0.0, 0.0, 0.0]), PASSED),
    ],
)
def test_unfinished_training(make_softmax, draw_samples, report_on, history, status):
    mlp = make_softmax(range(N_CLASSES))
    mlp.history_ = history
    report = report_on(mlp, *draw_samples([(5, 4)] * N_CLASSES, 0.8))
    finding = report.findings["unfinished_training"]
    assert finding["status"] == status
    assert ("rate was already small" in finding["text"]) == (history["learning_rate"] == ANNEALED)


def test_perfect_fit_needs_no_more_epochs(make_softmax, draw_samples, report_on):
    """The training loss of a network without mistakes decreases forever."""
    mlp = make_softmax(range(N_CLASSES))
    mlp.history_ = make_history([0.1, 0.01, 0.005, 0.002]) | {"accuracy": [0.99, 1.0, 1.0, 1.0]}
    report = report_on(mlp, *draw_samples([(5, 4)] * N_CLASSES, 0.8))
    assert report.findings["unfinished_training"]["status"] == PASSED


def test_unfinished_training_of_lbfgs(make_softmax, draw_samples, report_on):
    """The remedy does not name a learning-rate schedule, which L-BFGS does not use."""
    mlp = make_softmax(range(N_CLASSES)).set_params(solver="lbfgs")
    mlp.history_ = make_history([1.0, 0.8, 0.7, 0.6], rates=[np.nan] * 4)
    report = report_on(mlp, *draw_samples([(5, 4)] * N_CLASSES, 0.8))
    finding = report.findings["unfinished_training"]
    assert finding["status"] == ATTENTION
    assert "max_iter" in finding["remedy"]
    assert "learning_rate" not in finding["remedy"]


@pytest.mark.parametrize(
    ("val_losses", "params", "status"),
    [
        ([0.9, 0.5, 0.6], {}, ATTENTION),
        ([0.9, 0.5, 0.54], {}, PASSED),
        ([0.9, 0.5, 0.4], {}, PASSED),
        ([0.9, 0.5, 0.6], {"early_stopping": True}, PASSED),
        ([0.9, 0.5, 0.6], {"early_stopping": True, "monitor": "loss"}, PASSED),
        ([0.9, 0.5, 0.6], {"early_stopping": True, "solver": "lbfgs"}, ATTENTION),
        (None, {}, NOT_CHECKED),
        ([0.9, np.nan, 0.6], {}, NOT_CHECKED),
    ],
)
def test_increased_validation_loss(
    make_softmax, draw_samples, report_on, val_losses, params, status
):
    mlp = make_softmax(range(N_CLASSES)).set_params(**params)
    mlp.history_ = make_history([1.0, 0.9, 0.9], val_losses)
    report = report_on(mlp, *draw_samples([(5, 4)] * N_CLASSES, 0.8))
    finding = report.findings["increased_validation_loss"]
    assert finding["status"] == status
    if val_losses is not None and status != NOT_CHECKED:
        best = int(np.argmin(val_losses))
        assert f"in epoch {best + 1} of 3 with {val_losses[best]:.4f}" in finding["text"]
    if params and status == PASSED:
        assert f"best validation {mlp.monitor} were kept" in finding["text"]


@pytest.mark.parametrize(
    ("n_correct", "confidence", "title"),
    [
        (170, 0.99, "Overconfident probabilities"),
        (198, 0.8, "Underconfident probabilities"),
        (180, 0.9, "Calibration"),
        (180, 0.91, "Calibration"),
    ],
)
def test_calibration(mlp, draw_samples, report_on, n_correct, confidence, title):
    report = report_on(mlp, *draw_samples([(200, n_correct)] * N_CLASSES, confidence))
    finding = report.findings["calibration"]
    assert finding["title"] == title
    assert f"{100 * confidence:.2f} %" in finding["text"]
    if finding["status"] == ATTENTION:
        temperature = report.figures["calibration"]["temperature"]["value"]
        assert (temperature > 1) == (title == "Overconfident probabilities")
    else:
        assert finding["status"] == PASSED


@pytest.mark.parametrize(
    ("n_correct", "status"),
    [
        ([(100, 95), (100, 60), (100, 95)], ATTENTION),
        ([(100, 85), (100, 80), (100, 85)], PASSED),
        ([(100, 90), (100, 85), (0, 0)], PASSED),
        ([(100, 0), (100, 0), (100, 0)], PASSED),
    ],
)
def test_low_recall(mlp, draw_samples, report_on, n_correct, status):
    finding = report_on(mlp, *draw_samples(n_correct, 0.8)).findings["low_recall"]
    assert finding["status"] == status
    if status == ATTENTION:
        assert "1 (60.00 %, most often predicted as 2)" in finding["text"]


@pytest.mark.parametrize(
    ("subset", "sizes", "status"),
    [
        ("training", (90, 30, 50), PASSED),
        ("training", (91, 30, 50), ATTENTION),
        ("test", (90, 30, 50), PASSED),
        ("test", (20, 0, 20), ATTENTION),
    ],
)
def test_imbalance(mlp, draw_samples, report_on, sizes, status, subset):
    X, y = draw_samples([(n, n) for n in sizes], 0.9)
    if subset == "training":
        report = report_on(mlp, *draw_samples([(5, 5)] * N_CLASSES, 0.9), X_train=X, y_train=y)
    else:
        report = report_on(mlp, X, y)
    finding = report.findings["imbalance"]
    assert finding["status"] == status
    assert finding["text"] == (
        f"In the {subset} set, the least frequent class (1) has {sizes[1]} samples and the most frequent one (0) "
        f"{sizes[0]}."
    )


def draw_squares(n_samples=60, side=12):
    """Return images of a small dot or a large square, and whether it is a square."""
    rng = np.random.default_rng(0)
    images, y = np.zeros((n_samples, side, side)), np.arange(n_samples) % 2
    for image, is_square in zip(images, y, strict=True):
        size = 6 if is_square else 1
        row, column = rng.integers(1, side - size, 2)
        image[row : row + size, column : column + size] = 1
    return images.reshape(n_samples, -1), y


def test_robustness_of_a_classifier_that_counts_dark_pixels(make_softmax, report_on):
    X, y = draw_squares()
    mlp = make_softmax([0, 1], n_features=X.shape[1])
    mlp.coefs_[0][:], mlp.intercepts_[0][:] = 1, -14
    assert report_on(mlp, X, y).findings["robustness"]["status"] == PASSED


def test_robustness_of_a_classifier_that_reads_one_pixel(make_softmax, report_on):
    """A shift by one pixel moves the only dark pixel, which the classifier reads."""
    X = np.zeros((60, 49))
    X[1::2, 24] = 1
    mlp = make_softmax([0, 1], n_features=49)
    mlp.coefs_[0][:], mlp.intercepts_[0][:] = 0, -5
    mlp.coefs_[0][24] = 10
    report = report_on(mlp, X, np.arange(60) % 2)
    finding = report.findings["robustness"]
    assert finding["status"] == ATTENTION
    assert "from 100.00 %" in finding["text"]
    assert "shift" in finding["text"]
    assert "50.00 %" in finding["text"]


@pytest.mark.parametrize(
    ("n_wrong", "noise", "status"),
    [(0, 0.0, PASSED), (30, 0.0, ATTENTION), (0, 30.0, NOT_CHECKED)],
    ids=["no wrong labels", "wrong labels", "inaccurate networks"],
)
def test_label_errors(report_on, n_wrong, noise, status):
    """More than 1 % of 600 labels are candidates if 30 are wrong; inaccurate networks find no wrong labels."""
    rng = np.random.default_rng(0)
    y = np.arange(600) % N_CLASSES
    X = 5 * np.eye(N_CLASSES)[y] + rng.normal(0, 0.1 + noise, (600, N_CLASSES))
    labels = y.copy()
    labels[:n_wrong] = (y[:n_wrong] + 1) % N_CLASSES
    mlp = MLPDigitClassifier((), solver="lbfgs").fit(X, labels)
    report = report_on(mlp, X, y, X_train=X, y_train=labels)
    assert report.findings["label_errors"]["status"] == status
    assert (report.figures["label_errors"]["accuracy"] > 0.9) == (status != NOT_CHECKED)


def test_label_errors_of_the_test_set(mlp, draw_samples, report_on):
    """The predictions of the classifier itself are no independent evidence."""
    report = report_on(mlp, *draw_samples([(100, 90)] * N_CLASSES, 0.95))
    assert report.figures["label_errors"]["subset"] == "test"
    assert report.findings["label_errors"]["status"] == NOT_CHECKED


@pytest.mark.parametrize("n_rare", [1, 2])
def test_label_errors_of_too_few_samples(mlp, draw_samples, report_on, n_rare):
    X, y = draw_samples([(20, 20), (20, 20), (n_rare, n_rare)], 0.9)
    report = report_on(mlp, X[:5], y[:5], X_train=X, y_train=y)
    assert report.figures["label_errors"] is None
    assert report.findings["label_errors"]["status"] == NOT_CHECKED


@pytest.mark.parametrize(("n_dead", "status"), [(0, PASSED), (1, PASSED), (2, ATTENTION)])
def test_dead_units(report_on, n_dead, status):
    """Up to 5 % of the 20 units may be dead."""
    X, y = load_small_digits()
    mlp = MLPDigitClassifier(**DIGITS | {"hidden_layer_sizes": (10, 20)}).fit(X, y)
    mlp.intercepts_[0][:], mlp.intercepts_[1][:] = 10, 1000
    mlp.intercepts_[1][:n_dead] = -1000
    finding = report_on(mlp, X, y, image_shape=False).findings["dead_units"]
    assert finding["status"] == status
    assert (
        f"0 of 10 units in hidden layer 1, {n_dead} of 20 units in hidden layer 2"
        in finding["text"]
    )


@pytest.mark.parametrize(
    ("n_correct", "status"), [([(50, 45)] * 3, ATTENTION), ([(400, 396)] * 3, PASSED)]
)
def test_size_of_the_test_set(mlp, draw_samples, report_on, n_correct, status):
    report = report_on(mlp, *draw_samples(n_correct, 0.9))
    finding = report.findings["test_set_size"]
    low, high = report.figures["summary"]["interval"]
    assert finding["status"] == status
    assert f"{100 * (high - low):.1f} percentage points" in finding["text"]
    assert (high - low > 0.02) == (status == ATTENTION)
