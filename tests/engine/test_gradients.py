"""The objective against formulas written out naively, and its gradient against central differences."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from skmlp.engine.batches import Batch, Batches, Samples
from skmlp.engine.losses import LOSSES
from skmlp.engine.objective import Objective
from skmlp.engine.parameters import Layout

N_SAMPLES, N_FEATURES = 7, 4
HIDDEN = (5, 3, 4)
STEP = 1e-5
KINK_MARGIN = 1e-2

FORMULAS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
}
N_OUTPUTS = {"binary": 1, "multiclass": 3, "multilabel": 3}


class Case:
    """Random parameters and data, on which no relu stands near its kink."""

    def __init__(self, activation, target_type, weighted, depth, alpha, sparse=False):
        self.activation, self.target_type, self.alpha = activation, target_type, alpha
        self.layout = Layout((N_FEATURES, *HIDDEN[:depth], N_OUTPUTS[target_type]))
        self.loss = LOSSES["softmax" if target_type == "multiclass" else "logistic"]
        for seed in range(1000):
            self._draw(np.random.default_rng(seed), weighted)
            _, hidden = naive_forward(self, self.theta)
            if all(np.abs(z).min() > KINK_MARGIN for z in hidden):
                break
        else:
            raise AssertionError("no seed keeps away from the kinks")
        x = csr_matrix(self.X).T if sparse else self.X.T
        self.batch = Batch(x, self.targets, self.weights)

    def _draw(self, rng, weighted):
        self.theta = rng.normal(size=self.layout.n_parameters)
        self.X = rng.normal(size=(N_SAMPLES, N_FEATURES))
        self.X[rng.random(self.X.shape) < 0.4] = 0
        n_outputs = self.layout.layer_sizes[-1]
        if self.target_type == "multiclass":
            self.targets = rng.integers(n_outputs, size=N_SAMPLES)
        else:
            self.targets = rng.random((n_outputs, N_SAMPLES)) < 0.5
        self.weights = None
        if weighted:
            self.weights = rng.uniform(0.1, 3, N_SAMPLES)
            self.weights[[1, 4]] = 0

    def objective(self, dtype=np.float64):
        theta = self.theta.astype(dtype)
        return Objective(self.layout, self.activation, self.loss, self.alpha, theta)


def naive_forward(case, theta):
    """Give the logits, a row a sample, and the pre-activations of the hidden layers."""
    sizes = case.layout.layer_sizes
    position = 0
    matrices = []
    for fan_in, fan_out in pairwise(sizes):
        matrices.append(theta[position : position + fan_in * fan_out].reshape(fan_out, fan_in))
        position += fan_in * fan_out
    hidden, a = [], case.X
    for i, matrix in enumerate(matrices):
        z = a @ matrix.T + theta[position : position + len(matrix)]
        position += len(matrix)
        if i < len(matrices) - 1:
            hidden.append(z)
            a = FORMULAS[case.activation](z)
    return z, hidden


def naive_losses(case, theta):
    """Give the cross-entropy of each sample."""
    z, _ = naive_forward(case, theta)
    if case.target_type == "multiclass":
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        return -np.log(p[np.arange(N_SAMPLES), case.targets])
    p = 1 / (1 + np.exp(-z))
    return -np.log(np.where(case.targets.T, p, 1 - p)).sum(axis=1)


def naive_hits(case, theta):
    z, _ = naive_forward(case, theta)
    if case.target_type == "multiclass":
        return z.argmax(axis=1) == case.targets
    return ((z > 0) == case.targets.T).all(axis=1)


def naive_objective(case, theta):
    weights = np.ones(N_SAMPLES) if case.weights is None else case.weights
    sizes = case.layout.layer_sizes
    n_weights = sum(a * b for a, b in pairwise(sizes))
    penalty = case.alpha / 2 * (theta[:n_weights] ** 2).sum() / weights.sum()
    return (naive_losses(case, theta) * weights).sum() / weights.sum() + penalty


def every_case(test):
    """Run a test for each activation, target type, weighting, depth and penalty."""
    for decorator in (
        pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"]),
        pytest.mark.parametrize("target_type", ["binary", "multiclass", "multilabel"]),
        pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"]),
        pytest.mark.parametrize("depth", [0, 1, 2, 3]),
        pytest.mark.parametrize("alpha", [0, 0.5]),
    ):
        test = decorator(test)
    return test


@every_case
def test_value_is_the_formula(activation, target_type, weighted, depth, alpha):
    case = Case(activation, target_type, weighted, depth, alpha)
    evaluation = case.objective()(case.theta, case.batch)
    weights = np.ones(N_SAMPLES) if case.weights is None else case.weights
    assert evaluation.loss == pytest.approx(naive_objective(case, case.theta), rel=1e-12)
    assert evaluation.weight == pytest.approx(weights.sum(), rel=1e-12)
    assert evaluation.hits == pytest.approx(weights[naive_hits(case, case.theta)].sum(), rel=1e-12)


@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
@every_case
def test_gradient_is_the_central_difference(
    activation, target_type, weighted, depth, alpha, sparse
):
    case = Case(activation, target_type, weighted, depth, alpha, sparse)
    objective = case.objective()
    gradient = objective(case.theta, case.batch).gradient.copy()
    numeric = np.empty_like(gradient)
    for i in range(len(numeric)):
        above, below = case.theta.copy(), case.theta.copy()
        above[i] += STEP
        below[i] -= STEP
        numeric[i] = objective(above, case.batch).loss - objective(below, case.batch).loss
    numeric /= 2 * STEP
    assert np.linalg.norm(gradient) > 1e-3
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


@every_case
def test_float32_gradient_is_close_to_the_float64_one(
    activation, target_type, weighted, depth, alpha
):
    case = Case(activation, target_type, weighted, depth, alpha)
    exact = case.objective()(case.theta, case.batch)
    rough = case.objective(np.float32)(
        case.theta.astype(np.float32),
        Batch(
            np.asarray(case.batch.x, np.float32),
            case.targets,
            None if case.weights is None else case.weights.astype(np.float32),
        ),
    )
    assert rough.gradient.dtype == np.float32
    error = np.linalg.norm(rough.gradient - exact.gradient)
    assert error < 2e-5 * np.linalg.norm(exact.gradient)
    assert rough.loss == pytest.approx(exact.loss, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
@pytest.mark.parametrize("target_type", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_validation_is_the_mean_over_all_batches_without_the_penalty(
    batch_size, target_type, weighted
):
    case = Case("tanh", target_type, weighted, depth=2, alpha=0.5)
    targets = case.targets if target_type == "multiclass" else case.targets.T
    samples = Samples(case.X, targets, case.weights)
    loss, accuracy = case.objective().validate(Batches(samples, batch_size, np.float64))
    weights = np.ones(N_SAMPLES) if case.weights is None else case.weights
    expected = np.average(naive_losses(case, case.theta), weights=weights)
    assert loss == pytest.approx(expected, rel=1e-12)
    expected = np.average(naive_hits(case, case.theta), weights=weights)
    assert accuracy == pytest.approx(expected, rel=1e-12)
