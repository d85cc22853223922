"""MLPDigitClassifier.input_gradients, compared with finite differences of the logits."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.exceptions import DataConversionWarning, NotFittedError

from skmlp import MLPDigitClassifier
from skmlp.engine.reference.activations import ACTIVATIONS

N_FEATURES = 6
STEP = 1e-6


def make_data(n_classes=3, n_samples=80):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n_samples, N_FEATURES)), rng.integers(n_classes, size=n_samples)


def fit(X, y, **params):
    params = {"max_iter": 3, "n_iter_no_change": None, "random_state": 0} | params
    return MLPDigitClassifier((7, 5), **params).fit(X, y)


def compute_logit(mlp, X, labels):
    """Return the logit of the class of each sample, up to a constant that is the same for all samples' features."""
    logs = mlp.predict_log_proba(X)
    chosen = np.searchsorted(mlp.classes_, labels)
    rows = np.arange(len(X))
    if len(mlp.classes_) == 2:
        # log(p / (1 - p)) is the logit of the output unit or its negative.
        return logs[rows, chosen] - logs[rows, 1 - chosen]
    return logs[rows, chosen]


def differentiate(function, X):
    gradients = np.empty_like(X)
    for j in range(X.shape[1]):
        step = np.zeros(X.shape[1])
        step[j] = STEP
        gradients[:, j] = (function(X + step) - function(X - step)) / (2 * STEP)
    return gradients


def center(mlp, X, labels, gradients):
    """Return the gradient of the log-probability of a class: that of its logit minus the mean of those of all."""
    probabilities = mlp.predict_proba(X)
    mean = sum(
        probabilities[:, [k]] * mlp.input_gradients(X, np.full(len(X), label))
        for k, label in enumerate(mlp.classes_)
    )
    return gradients - mean


@pytest.mark.parametrize("activation", sorted(set(ACTIVATIONS) - {"relu", "leaky_relu"}))
@pytest.mark.parametrize("batch_norm", [False, True])
def test_gradients_of_softmax_outputs(activation, batch_norm):
    X, y = make_data()
    mlp = fit(X, y, activation=activation, batch_norm=batch_norm, dropout=0.2)
    expected = differentiate(lambda shifted: compute_logit(mlp, shifted, y), X)
    gradients = center(mlp, X, y, mlp.input_gradients(X, y))
    np.testing.assert_allclose(gradients, expected, rtol=1e-4, atol=1e-7)


def test_gradients_of_two_classes():
    X, y = make_data(n_classes=2)
    mlp = fit(X, np.array(["no", "yes"])[y], activation="tanh")
    labels = np.array(["no", "yes"])[y]
    expected = differentiate(lambda shifted: compute_logit(mlp, shifted, labels), X)
    np.testing.assert_allclose(mlp.input_gradients(X, labels), expected, rtol=1e-4, atol=1e-7)


def test_gradients_of_multilabel_outputs():
    X, y = make_data()
    targets = np.stack([y == 0, y > 0, np.ones_like(y)], axis=1).astype(int)
    targets[0] = 0
    mlp = fit(X, targets, activation="tanh")

    def add_logits(shifted):
        p = mlp.predict_proba(shifted)
        return (np.log(p / (1 - p)) * targets).sum(axis=1)

    gradients = mlp.input_gradients(X, targets)
    np.testing.assert_allclose(gradients, differentiate(add_logits, X), rtol=1e-3, atol=1e-6)
    assert not gradients[0].any()


def test_default_is_the_predicted_class():
    X, y = make_data()
    mlp = fit(X, y)
    np.testing.assert_array_equal(mlp.input_gradients(X), mlp.input_gradients(X, mlp.predict(X)))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sparse_samples_and_the_dtype_of_the_weights(dtype):
    X, y = make_data()
    X = X.astype(dtype)
    mlp = fit(X, y)
    gradients = mlp.input_gradients(X, y)
    assert gradients.dtype == dtype
    np.testing.assert_allclose(
        mlp.input_gradients(csr_matrix(X), y), gradients, rtol=1e-5, atol=1e-7
    )


def test_columns_of_labels_and_sparse_indicators():
    X, y = make_data()
    mlp = fit(X, y)
    with pytest.warns(DataConversionWarning):
        gradients = mlp.input_gradients(X, y[:, np.newaxis])
    np.testing.assert_array_equal(gradients, mlp.input_gradients(X, y))
    targets = np.stack([y == 0, y > 0], axis=1).astype(int)
    mlp = fit(X, targets)
    np.testing.assert_array_equal(
        mlp.input_gradients(X, csr_matrix(targets)), mlp.input_gradients(X, targets)
    )


def test_input_scale():
    X, y = make_data()
    pixels = np.clip(40 * X + 100, 0, 255).astype(np.uint8)
    scaled = fit(pixels, y, input_scale=1 / 255)
    expected = fit(pixels / np.float32(255), y).input_gradients(pixels / np.float32(255), y) / 255
    np.testing.assert_allclose(scaled.input_gradients(pixels, y), expected, rtol=1e-3, atol=1e-6)


def test_many_samples_and_no_hidden_layer():
    X, y = make_data(n_samples=5000)
    mlp = MLPDigitClassifier((), max_iter=1, n_iter_no_change=None, random_state=0).fit(X, y)
    np.testing.assert_allclose(mlp.input_gradients(X, y), mlp.coefs_[0].T[y], rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full(80, 7), r"y must contain only the classes \[0, 1, 2\], got \[7\]"),
        (np.zeros(79), "inconsistent numbers of samples"),
        (np.zeros((80, 2)), r"y must have the shape \(n_samples,\)"),
    ],
)
def test_invalid_labels(y, message):
    X, labels = make_data()
    with pytest.raises(ValueError, match=message):
        fit(X, labels).input_gradients(X, y)


def test_unfitted_classifier():
    with pytest.raises(NotFittedError):
        MLPDigitClassifier().input_gradients(np.zeros((1, 4)))
