"""The objective against formulas written out naively, and its gradient against central differences."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import erf

from skmlp.engine.activations import ACTIVATIONS
from skmlp.engine.batches import Batch, Batches, Samples
from skmlp.engine.losses import LOSSES
from skmlp.engine.network import Design
from skmlp.engine.objective import Objective
from skmlp.engine.parameters import Layout

N_SAMPLES, N_FEATURES = 7, 4
HIDDEN = (5, 3, 4)
STEP = 1e-5
KINK_MARGIN = 1e-2
BATCH_NORM_EPSILON = 1e-5

FORMULAS = {
    "identity": lambda z: z,
    "logistic": lambda z: 1 / (1 + np.exp(-z)),
    "tanh": np.tanh,
    "relu": lambda z: np.where(z > 0, z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "elu": lambda z: np.where(z > 0, z, np.exp(z) - 1),
    "selu": lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * (np.exp(z) - 1)),
    "gelu": lambda z: z / 2 * (1 + erf(z / np.sqrt(2))),
    "silu": lambda z: z / (1 + np.exp(-z)),
    "softplus": lambda z: np.log(1 + np.exp(z)),
}
N_OUTPUTS = {"binary": 1, "multiclass": 3, "multilabel": 3}

every_target = pytest.mark.parametrize("target_type", list(N_OUTPUTS))
every_weighting = pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
every_container = pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])


class Case:
    """Random parameters and data, on which no relu stands near its kink; the kernels are those of the test."""

    kernels = None

    def __init__(
        self,
        activations,
        target_type,
        weighted=False,
        alpha=0.5,
        *,
        sparse=False,
        batch_norm=False,
        smoothing=0.0,
        dropout=0.0,
        input_dropout=0.0,
    ):
        depth = len(activations)
        self.activations, self.target_type = activations, target_type
        self.alpha, self.smoothing = alpha, smoothing
        self.layout = Layout((N_FEATURES, *HIDDEN[:depth], N_OUTPUTS[target_type]), batch_norm)
        self.design = Design(activations, (dropout,) * depth, input_dropout)
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

    @property
    def counted(self):
        """The weights, ones if there are none."""
        return np.ones(N_SAMPLES) if self.weights is None else self.weights

    def objective(self, dtype=np.float64):
        return Objective(
            self.layout,
            self.design,
            self.loss,
            self.alpha,
            self.smoothing,
            self.theta.astype(dtype),
            self.layout.initial_statistics(dtype),
            np.random.default_rng(5),
            self.kernels,
        )


@pytest.fixture(autouse=True)
def _with_each_set_of_kernels(kernels, monkeypatch):
    monkeypatch.setattr(Case, "kernels", kernels)


def naive_parts(case, theta):
    """Cut the flat vector: the weights of each layer, the biases, the gains, the shifts."""
    sizes = case.layout.layer_sizes
    units = [(n,) for n in sizes[1:-1]] if case.layout.batch_norm else []
    kinds = [[(b, a) for a, b in pairwise(sizes)], [(n,) for n in sizes[1:]], units, units]
    position, parts = 0, []
    for shapes in kinds:
        parts.append([])
        for shape in shapes:
            size = int(np.prod(shape))
            parts[-1].append(theta[position : position + size].reshape(shape))
            position += size
    assert position == len(theta)
    return parts


def naive_forward(case, theta):
    """Give the logits, a row a sample, and what the activations of the hidden layers are given."""
    weights, biases, gains, shifts = naive_parts(case, theta)
    hidden, a = [], case.X
    for i, activation in enumerate(case.activations):
        z = a @ weights[i].T + biases[i]
        if case.layout.batch_norm:
            mean = np.average(z, axis=0, weights=case.counted)
            variance = np.average((z - mean) ** 2, axis=0, weights=case.counted)
            z = gains[i] * (z - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) + shifts[i]
        hidden.append(z)
        a = FORMULAS[activation](z)
    return a @ weights[-1].T + biases[-1], hidden


def naive_losses(case, theta, smoothing=0.0):
    """Give the cross-entropy of each sample."""
    z, _ = naive_forward(case, theta)
    if case.target_type == "multiclass":
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        y = (1 - smoothing) * np.eye(p.shape[1])[case.targets] + smoothing / p.shape[1]
        return -(y * np.log(p)).sum(axis=1)
    # -log p = log(1 + exp(-z)), -log(1 - p) = log(1 + exp(z))
    y = (1 - smoothing) * case.targets.T + smoothing / 2
    return (y * np.log1p(np.exp(-z)) + (1 - y) * np.log1p(np.exp(z))).sum(axis=1)


def naive_hits(case, theta):
    z, _ = naive_forward(case, theta)
    if case.target_type == "multiclass":
        return z.argmax(axis=1) == case.targets
    return ((z > 0) == case.targets.T).all(axis=1)


def naive_objective(case, theta):
    squares = sum((matrix**2).sum() for matrix in naive_parts(case, theta)[0])
    losses = naive_losses(case, theta, case.smoothing)
    return ((losses * case.counted).sum() + case.alpha / 2 * squares) / case.counted.sum()


def numeric_gradient(case, objective):
    """Give the central differences; each evaluation draws the same dropout."""
    bits = objective.generator.bit_generator
    drawn = bits.state
    numeric = np.empty_like(case.theta)
    for i in range(len(numeric)):
        losses = []
        for step in (STEP, -STEP):
            moved = case.theta.copy()
            moved[i] += step
            bits.state = drawn
            losses.append(objective(moved, case.batch).loss)
        numeric[i] = (losses[0] - losses[1]) / (2 * STEP)
    bits.state = drawn
    return numeric


def assert_gradient_is_the_central_difference(case, rtol=1e-6, atol=1e-8):
    objective = case.objective()
    numeric = numeric_gradient(case, objective)
    gradient = objective(case.theta, case.batch).gradient
    assert np.linalg.norm(gradient) > 1e-3
    np.testing.assert_allclose(gradient, numeric, rtol=rtol, atol=atol)


def every_case(test):
    """Run a test for each activation, target type, weighting, depth and a penalty."""
    for decorator in (
        pytest.mark.parametrize("activation", list(ACTIVATIONS)),
        every_target,
        every_weighting,
        pytest.mark.parametrize(("depth", "alpha"), [(0, 0), (0, 0.5), (1, 0.5), (2, 0), (3, 0.5)]),
    ):
        test = decorator(test)
    return test


def test_every_activation_has_its_formula_here():
    assert set(FORMULAS) == set(ACTIVATIONS)


@every_case
def test_value_is_the_formula(activation, target_type, weighted, depth, alpha):
    case = Case((activation,) * depth, target_type, weighted, alpha)
    evaluation = case.objective()(case.theta, case.batch)
    assert evaluation.loss == pytest.approx(naive_objective(case, case.theta), rel=1e-12)
    assert evaluation.weight == pytest.approx(case.counted.sum(), rel=1e-12)
    hits = case.counted[naive_hits(case, case.theta)].sum()
    assert evaluation.hits == pytest.approx(hits, rel=1e-12)


@every_case
def test_gradient_is_the_central_difference(activation, target_type, weighted, depth, alpha):
    case = Case((activation,) * depth, target_type, weighted, alpha)
    assert_gradient_is_the_central_difference(case)


@every_target
@every_weighting
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_gradient_on_sparse_samples_is_the_central_difference(target_type, weighted, depth):
    case = Case(("tanh",) * depth, target_type, weighted, sparse=True)
    assert_gradient_is_the_central_difference(case)


@every_case
def test_float32_gradient_is_close_to_the_float64_one(
    activation, target_type, weighted, depth, alpha
):
    case = Case((activation,) * depth, target_type, weighted, alpha)
    exact = case.objective()(case.theta, case.batch)
    rough = case.objective(np.float32)(case.theta.astype(np.float32), in_float32(case.batch))
    assert rough.gradient.dtype == np.float32
    error = np.linalg.norm(rough.gradient - exact.gradient)
    assert error < 2e-5 * np.linalg.norm(exact.gradient)
    assert rough.loss == pytest.approx(exact.loss, rel=1e-5)


def in_float32(batch):
    weights = None if batch.weights is None else batch.weights.astype(np.float32)
    return Batch(np.asarray(batch.x, np.float32), batch.targets, weights)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
@every_target
@every_weighting
@pytest.mark.parametrize("smoothing", [0, 0.2], ids=["sharp", "smoothed"])
def test_validation_is_the_mean_over_all_batches_without_penalty_and_smoothing(
    batch_size, target_type, weighted, smoothing
):
    case = Case(("tanh", "tanh"), target_type, weighted, smoothing=smoothing)
    targets = case.targets if target_type == "multiclass" else case.targets.T
    samples = Samples(case.X, targets, case.weights)
    loss, accuracy = case.objective().validate(Batches(samples, batch_size, np.float64))
    expected = np.average(naive_losses(case, case.theta), weights=case.counted)
    assert loss == pytest.approx(expected, rel=1e-12)
    expected = np.average(naive_hits(case, case.theta), weights=case.counted)
    assert accuracy == pytest.approx(expected, rel=1e-12)


# Batch normalisation


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@every_target
@every_weighting
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_with_batch_norm_value_and_gradient_are_those_of_the_formula(
    activation, target_type, weighted, depth
):
    case = Case((activation,) * depth, target_type, weighted, batch_norm=True)
    loss = case.objective()(case.theta, case.batch).loss
    assert loss == pytest.approx(naive_objective(case, case.theta), rel=1e-11)
    assert_gradient_is_the_central_difference(case, rtol=2e-6, atol=1e-7)


@every_weighting
def test_with_batch_norm_the_gradient_on_sparse_samples_is_that_on_dense_ones(weighted):
    gradients = []
    for sparse in (False, True):
        case = Case(("gelu", "relu"), "multiclass", weighted, batch_norm=True, sparse=sparse)
        gradients.append(case.objective()(case.theta, case.batch).gradient)
    np.testing.assert_allclose(*gradients, rtol=1e-10, atol=1e-13)


@every_weighting
def test_with_batch_norm_the_float32_gradient_is_close_to_the_float64_one(weighted):
    case = Case(("tanh", "tanh", "tanh"), "multiclass", weighted, batch_norm=True)
    exact = case.objective()(case.theta, case.batch).gradient
    rough = case.objective(np.float32)(case.theta.astype(np.float32), in_float32(case.batch))
    assert rough.gradient.dtype == np.float32
    assert np.linalg.norm(rough.gradient - exact) < 1e-4 * np.linalg.norm(exact)


def test_the_running_statistics_do_not_change_the_training_loss():
    case = Case(("tanh", "tanh"), "multiclass", batch_norm=True)
    objective = case.objective()
    first = objective(case.theta, case.batch).loss
    assert not np.array_equal(objective.statistics, case.layout.initial_statistics(np.float64))
    objective.statistics[...] = 17
    assert objective(case.theta, case.batch).loss == first


# Label smoothing


@every_target
@every_weighting
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_with_label_smoothing_value_and_gradient_are_those_of_the_formula(
    target_type, weighted, depth, smoothing
):
    case = Case(("tanh",) * depth, target_type, weighted, smoothing=smoothing)
    loss = case.objective()(case.theta, case.batch).loss
    assert loss == pytest.approx(naive_objective(case, case.theta), rel=1e-12)
    assert_gradient_is_the_central_difference(case)


# Dropout


@pytest.mark.parametrize("activation", ["identity", "tanh", "elu", "gelu", "silu", "softplus"])
@every_weighting
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_with_dropout_the_gradient_is_the_central_difference(
    activation, weighted, depth, batch_norm
):
    # Smooth activations: dropping moves the others over their kinks.
    case = Case((activation,) * depth, "multiclass", weighted, batch_norm=batch_norm, dropout=0.4)
    assert_gradient_is_the_central_difference(case, rtol=5e-6, atol=1e-7)


@every_container
@every_weighting
@every_target
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("dropout", [0, 0.3])
def test_with_input_dropout_the_gradient_is_the_central_difference(
    sparse, weighted, target_type, depth, dropout
):
    case = Case(
        ("tanh",) * depth,
        target_type,
        weighted,
        sparse=sparse,
        dropout=dropout,
        input_dropout=0.4,
    )
    assert_gradient_is_the_central_difference(case)


def test_the_masks_of_these_tests_do_drop():
    case = Case(("tanh", "tanh"), "multiclass", dropout=0.4)
    objective = case.objective()
    losses = {objective(case.theta, case.batch).loss for _ in range(5)}
    assert len(losses) == 5


# All together


@pytest.mark.parametrize(
    "activations",
    [("relu", "gelu", "tanh"), ("selu", "leaky_relu", "silu"), ("softplus", "identity", "elu")],
    ids="-".join,
)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@every_target
def test_with_mixed_activations_value_and_gradient_are_those_of_the_formula(
    activations, batch_norm, target_type
):
    case = Case(activations, target_type, weighted=True, batch_norm=batch_norm, smoothing=0.1)
    loss = case.objective()(case.theta, case.batch).loss
    assert loss == pytest.approx(naive_objective(case, case.theta), rel=1e-11)
    assert_gradient_is_the_central_difference(case, rtol=2e-6, atol=1e-7)
