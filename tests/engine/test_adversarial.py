"""Adversarial training: where the samples are moved, against numeric gradients, and what it is good for."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier
from skmlp.engine.batches import Batch
from skmlp.engine.losses import LOSSES
from skmlp.engine.network import Design
from skmlp.engine.objective import Objective
from skmlp.engine.parameters import Layout

N_SAMPLES, N_FEATURES = 6, 5
NORM = 0.7
STEP = 1e-6


def make_objective(kernels, hidden, loss, batch_norm, norm=NORM, seed=0):
    n_outputs = 3
    layout = Layout((N_FEATURES, *hidden, n_outputs), batch_norm)
    rng = np.random.default_rng(seed)
    theta = rng.normal(0, 0.6, layout.n_parameters)
    design = Design(("tanh",) * len(hidden), (0.0,) * len(hidden), differentiates_inputs=True)
    return Objective(
        layout,
        design,
        LOSSES[loss],
        0.1,
        0.1,
        theta,
        layout.initial_statistics(float),
        rng,
        kernels,
        norm,
    )


def make_batch(loss, weighted, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N_SAMPLES, N_FEATURES)).T
    targets = rng.integers(3, size=N_SAMPLES)
    if loss == "logistic":
        targets = (rng.random((3, N_SAMPLES)) > 0.5).astype(float)
    return Batch(x, targets, np.arange(1.0, N_SAMPLES + 1) if weighted else None)


@pytest.mark.parametrize("hidden", [(), (4,), (4, 3)], ids=str)
@pytest.mark.parametrize("loss", ["softmax", "logistic"])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_samples_move_along_the_numeric_gradient(kernels, hidden, loss, batch_norm, weighted):
    plain = make_objective(kernels, hidden, loss, batch_norm, norm=0.0)
    batch = make_batch(loss, weighted)

    def loss_at(x):
        return plain.without_penalty(batch._replace(x=np.asfortranarray(x))).loss

    gradient = np.empty_like(batch.x)
    for place in np.ndindex(batch.x.shape):
        moved = np.zeros_like(batch.x)
        moved[place] = STEP
        gradient[place] = (loss_at(batch.x + moved) - loss_at(batch.x - moved)) / (2 * STEP)
    expected = batch.x + NORM * gradient / np.linalg.norm(gradient, axis=0)
    adversarial = make_objective(kernels, hidden, loss, batch_norm).adversarial(batch)
    np.testing.assert_allclose(adversarial.x, expected, atol=1e-6)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_the_gradient_is_that_at_the_moved_samples(kernels, batch_norm):
    batch = make_batch("softmax", weighted=True)
    moved = make_objective(kernels, (4,), "softmax", batch_norm).adversarial(batch)
    x = moved.x.copy(order="F")
    plain = make_objective(kernels, (4,), "softmax", batch_norm, norm=0.0)
    expected = plain.without_penalty(batch._replace(x=x))
    ours = make_objective(kernels, (4,), "softmax", batch_norm).without_penalty(batch)
    assert ours.loss == pytest.approx(expected.loss, rel=1e-12)
    np.testing.assert_allclose(ours.gradient, expected.gradient, rtol=1e-9, atol=1e-12)


def test_samples_without_weight_stay_where_they_are(kernels):
    batch = make_batch("softmax", weighted=True)
    weights = batch.weights.copy()
    weights[2] = 0
    moved = make_objective(kernels, (4,), "softmax", False).adversarial(
        batch._replace(weights=weights)
    )
    np.testing.assert_array_equal(moved.x[:, 2], batch.x[:, 2])
    lengths = np.linalg.norm(moved.x - batch.x, axis=0)
    np.testing.assert_allclose(np.delete(lengths, 2), NORM)


# Through the classifier


def make(**params):
    common = {
        "hidden_layer_sizes": (32,),
        "batch_size": 64,
        "learning_rate_init": 0.01,
        "max_iter": 15,
        "random_state": 0,
    }
    return MLPDigitClassifier(**common | params)


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", [{}, {"batch_norm": True, "input_dropout": 0.1, "dropout": 0.1}])
def test_a_network_that_learned_moved_samples_is_harder_to_mislead(
    every_kernel_set, digits, dtype, params
):
    X, y = digits[0].astype(dtype), digits[1]
    accuracies = []
    for norm in (0, 1.0):
        mlp = make(adversarial_norm=norm, **params).fit(X[:1200], y[:1200])
        misled = move_by_numeric_gradient(mlp, X[1200:], y[1200:], 0.8)
        accuracies.append(mlp.score(misled, y[1200:]))
    assert accuracies[1] > accuracies[0] + 0.05


def move_by_numeric_gradient(mlp, X, y, norm):
    X, rows = X.astype(float), np.arange(len(X))
    gradient = np.empty_like(X)
    for feature in range(X.shape[1]):
        step = np.zeros(X.shape[1])
        step[feature] = 1e-2
        up, down = (mlp.predict_log_proba(X + sign * step)[rows, y] for sign in (1, -1))
        gradient[:, feature] = down - up
    lengths = np.linalg.norm(gradient, axis=1, keepdims=True)
    return X + norm * gradient / np.where(lengths > 0, lengths, 1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_no_distance_is_ordinary_training(digits):
    ours, plain = make(adversarial_norm=0.0).fit(*digits), make().fit(*digits)
    for first, second in zip(ours.coefs_, plain.coefs_, strict=True):
        np.testing.assert_array_equal(first, second)


def test_what_makes_no_sense_is_refused(digits):
    with pytest.raises(ValueError, match=r"'adversarial_norm' parameter .*Got -1"):
        make(adversarial_norm=-1).fit(*digits)
    with pytest.raises(ValueError, match="adversarial_norm must be 0 for solver='lbfgs'"):
        make(adversarial_norm=1, solver="lbfgs").fit(*digits)
