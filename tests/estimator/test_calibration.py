"""Temperature scaling by `calibrate`."""

from copy import copy, deepcopy

import numpy as np
import pytest
from helpers import make_classifier_factory
from scipy.sparse import csr_array
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss

from skmlp import MLPDigitClassifier, load_model, save_model

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

make = make_classifier_factory(hidden_layer_sizes=(64,), max_iter=200, learning_rate_init=0.01)
LABELS = {
    "multiclass": lambda y: y,
    "strings": lambda y: np.array([f"digit {label}" for label in y]),
    "binary": lambda y: y > 4,
    "multilabel": lambda y: np.column_stack([y % 2, y > 4, y % 3 == 0]).astype(int),
}


@pytest.fixture(params=LABELS)
def overconfident(request, digits):
    """Return a classifier that fits its training set perfectly, and samples that it was not trained on."""
    X, y = digits
    labels = LABELS[request.param](y)
    return make(random_state=0).fit(X[:100], labels[:100]), X[100:], labels[100:]


def compute_loss(logits, labels, classes, temperature):
    """Return the mean log loss for a temperature; for two classes and multilabel, the sum over the outputs."""
    scaled = logits / temperature
    if labels.ndim == 2 or len(classes) == 2:
        signs = 2.0 * (labels if labels.ndim == 2 else (labels == classes[1])[:, None]) - 1
        return np.log1p(np.exp(-signs * scaled)).sum(axis=1).mean()
    rows, truth = np.arange(len(labels)), np.searchsorted(classes, labels)
    return (np.log(np.exp(scaled).sum(axis=1)) - scaled[rows, truth]).mean()


def test_temperature_minimizes_the_log_loss(overconfident):
    mlp, X, labels = overconfident
    before = mlp.coefs_[-1].copy(), mlp.intercepts_[-1].copy()
    logits = mlp.hidden_activations(X) @ before[0] + before[1]
    predicted = mlp.predict(X)
    assert mlp.calibrate(X, labels) is mlp
    temperature = before[0][0, 0] / mlp.coefs_[-1][0, 0]
    assert abs(temperature - 1) > 0.01
    np.testing.assert_allclose(mlp.coefs_[-1], before[0] / temperature, rtol=1e-12)
    np.testing.assert_allclose(mlp.intercepts_[-1], before[1] / temperature, rtol=1e-12)
    losses = [
        compute_loss(logits, labels, mlp.classes_, factor * temperature)
        for factor in (0.98, 0.999, 1, 1.001, 1.02)
    ]
    assert np.argmin(losses) == 2
    np.testing.assert_array_equal(mlp.predict(X), predicted)


@pytest.mark.parametrize("kind", ["multiclass", "binary"])
def test_probabilities_are_those_of_scikit_learn(digits, kind):
    X, y = digits
    labels = LABELS[kind](y)
    mlp = make(random_state=0).fit(X[:100], labels[:100])
    calibrated = CalibratedClassifierCV(FrozenEstimator(mlp), method="temperature")
    expected = calibrated.fit(X[100:], labels[100:]).predict_proba(X)
    probabilities = mlp.calibrate(X[100:], labels[100:]).predict_proba(X)
    np.testing.assert_allclose(probabilities, expected, atol=1e-4)


def test_sample_weights_are_repetitions(overconfident):
    mlp, X, labels = overconfident
    counts = np.arange(len(X)) % 3
    repeated = np.repeat(np.arange(len(X)), counts)
    other = deepcopy(mlp)
    mlp.calibrate(X, labels, counts)
    other.calibrate(X[repeated], labels[repeated])
    np.testing.assert_allclose(mlp.coefs_[-1], other.coefs_[-1], rtol=1e-5)


def test_sparse_samples_and_float32(digits):
    X, y = digits
    X = X.astype(np.float32)
    mlp = make(random_state=0).fit(X[:100], y[:100])
    before = log_loss(y[100:], mlp.predict_proba(X[100:]))
    mlp.calibrate(csr_array(X[100:]), y[100:])
    assert mlp.coefs_[-1].dtype == np.float32
    assert log_loss(y[100:], mlp.predict_proba(X[100:])) < before


def test_calibrated_classifier_can_be_saved_and_trained_further(digits, tmp_path):
    X, y = digits
    mlp = make(random_state=0).fit(X[:100], y[:100]).calibrate(X[100:], y[100:])
    save_model(mlp, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), mlp.predict_proba(X))
    calibrated = mlp.coefs_[-1].copy()
    mlp.partial_fit(X, y)
    change = abs(mlp.coefs_[-1] - calibrated).max()
    assert 0 < change < 0.1  # training continues from the calibrated weights


@pytest.mark.parametrize(
    "params", [{}, {"ema_decay": 0.9}, {"batch_norm": True}, {"early_stopping": True}], ids=str
)
@pytest.mark.parametrize("continue_training", ["warm_start", "partial_fit"])
def test_training_continues_from_the_calibrated_weights(digits, params, continue_training):
    if params.get("early_stopping") and continue_training == "partial_fit":
        pytest.skip("partial_fit does not support early stopping")
    X, y = digits
    mlp = make(random_state=0, max_iter=60, warm_start=True, learning_rate_init=0.001, **params)
    mlp.fit(X[:100], y[:100])
    before = mlp.coefs_[-1].copy()
    mlp.calibrate(X[100:], y[100:])
    calibrated = mlp.coefs_[-1].copy()
    mlp.set_params(max_iter=1, learning_rate_init=1e-6)
    if continue_training == "warm_start":
        mlp.fit(X[:100], y[:100])
    else:
        mlp.partial_fit(X[:100], y[:100])
    change = abs(mlp.coefs_[-1] - calibrated).max()
    assert 0 < change < 0.1 * abs(before - calibrated).max()


def test_copies_and_memory_mapped_weights(digits):
    X, y = digits
    mlp = make(random_state=0).fit(X[:100], y[:100])
    weights = mlp.coefs_[-1].copy()
    shallow = copy(mlp)
    shallow.coefs_[-1].flags.writeable = False  # as in models that joblib maps to memory
    shallow.calibrate(X[100:], y[100:])
    np.testing.assert_array_equal(mlp.coefs_[-1], weights)
    assert not np.array_equal(shallow.coefs_[-1], weights)


def test_samples_that_are_all_predicted_correctly_are_refused(digits):
    X, y = digits
    mlp = make(random_state=0).fit(X, y)
    weights = mlp.coefs_[-1].copy()
    with pytest.raises(ValueError, match=r"got samples without one, with an accuracy of 100.0%"):
        mlp.calibrate(X, y)
    np.testing.assert_array_equal(mlp.coefs_[-1], weights)


def test_invalid_arguments(digits):
    X, y = digits
    with pytest.raises(NotFittedError):
        MLPDigitClassifier().calibrate(X, y)
    mlp = make(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        mlp.calibrate(X, y[1:])
    with pytest.raises(ValueError, match="y must contain only the classes"):
        mlp.calibrate(X, y + 1)
    with pytest.raises(ValueError, match="64 features"):
        mlp.calibrate(X[:, 1:], y)
