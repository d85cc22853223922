"""Loss and gradient of a batch compared with a naive implementation and with central differences."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.special import erf

from skmlp.engine.batches import Batch, Batches, Samples
from skmlp.engine.evaluation import evaluate
from skmlp.engine.lbfgs import Objective
from skmlp.engine.reference.activations import ACTIVATIONS

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
    """Random parameters and data for which no pre-activation is near zero, the kink of relu."""

    def __init__(self, config, target_type, weighted, *, sparse, backend_class, make_state):
        self.config, self.target_type = config, target_type
        self.layout = config.network.layout
        self.backend_class, self.make_state = backend_class, make_state
        for seed in range(1000):
            self._draw(np.random.default_rng(seed), weighted)
            _, hidden = run_naive_network(self, self.theta)
            if all(np.abs(z).min() > KINK_MARGIN for z in hidden):
                break
        else:
            raise AssertionError("Every seed gives a pre-activation near a kink.")
        self.samples = Samples(
            csr_matrix(self.X) if sparse else self.X, self.targets, self.sample_weights
        )
        self.batch = Batch(self.samples)

    def _draw(self, rng, weighted):
        self.theta = rng.normal(size=self.layout.n_parameters)
        self.X = rng.normal(size=(N_SAMPLES, N_FEATURES))
        self.X[rng.random(self.X.shape) < 0.4] = 0
        n_outputs = self.layout.layer_sizes[-1]
        if self.target_type == "multiclass":
            self.targets = rng.integers(n_outputs, size=N_SAMPLES)
        else:
            self.targets = rng.random((N_SAMPLES, n_outputs)) < 0.5
        self.sample_weights = None
        if weighted:
            self.sample_weights = rng.uniform(0.1, 3, N_SAMPLES)
            self.sample_weights[[1, 4]] = 0

    @property
    def weights(self):
        """Sample weights; ones if none are given."""
        return np.ones(N_SAMPLES) if self.sample_weights is None else self.sample_weights

    def backend(self, dtype=np.float64):
        """Return a backend with a new state."""
        state = self.make_state(self.config, self.theta, dtype, seed=5)
        return self.backend_class(self.config, state)

    def objective(self, backend=None, batch=None):
        """Return the objective of a batch, whose loss and gradient include the penalty."""
        backend = self.backend() if backend is None else backend
        batch = self.batch if batch is None else batch
        return Objective(self.config, backend, backend.state.weights, batch)

    def evaluate_in_float32(self):
        """Return loss and gradient computed in float32."""
        weights = self.sample_weights
        weights = None if weights is None else weights.astype(np.float32)
        samples = Samples(self.X.astype(np.float32), self.targets, weights)
        objective = self.objective(self.backend(np.float32), Batch(samples))
        return objective(self.theta.astype(np.float32))


@pytest.fixture
def make_case(backend_class, make_config, make_state):
    """Return a factory of cases, for each backend."""

    def make(activations, target_type, weighted=False, alpha=0.5, *, sparse=False, **options):
        config = make_config(
            (N_FEATURES, *HIDDEN[: len(activations)], N_OUTPUTS[target_type]),
            activations,
            "softmax" if target_type == "multiclass" else "logistic",
            alpha=alpha,
            **options,
        )
        return Case(
            config,
            target_type,
            weighted,
            sparse=sparse,
            backend_class=backend_class,
            make_state=make_state,
        )

    return make


def split_parameters(case, theta):
    """Split the flat vector into lists of the weights, biases, gains and shifts of the layers."""
    sizes = case.layout.layer_sizes
    hidden = [(n,) for n in sizes[1:-1]] if case.layout.batch_norm else []
    biases = [(n,) for n in sizes[1:]][len(hidden) :]
    shapes_by_kind = [[(b, a) for a, b in pairwise(sizes)], biases, hidden, hidden]
    position, arrays = 0, []
    for shapes in shapes_by_kind:
        arrays.append([])
        for shape in shapes:
            size = int(np.prod(shape))
            arrays[-1].append(theta[position : position + size].reshape(shape))
            position += size
    assert position == len(theta)
    return arrays


def run_naive_network(case, theta):
    """Return the logits, one row per sample, and the pre-activations of the hidden layers."""
    weights, biases, gains, shifts = split_parameters(case, theta)
    hidden, a = [], case.X
    for i, activation in enumerate(case.config.network.activations):
        z = a @ weights[i].T
        if case.layout.batch_norm:
            mean = np.average(z, axis=0, weights=case.weights)
            variance = np.average((z - mean) ** 2, axis=0, weights=case.weights)
            z = gains[i] * (z - mean) / np.sqrt(variance + BATCH_NORM_EPSILON) + shifts[i]
        else:
            z = z + biases[i]
        hidden.append(z)
        a = FORMULAS[activation](z)
    return a @ weights[-1].T + biases[-1], hidden


def compute_naive_losses(case, theta, smoothing=0.0):
    """Return the cross-entropy of each sample."""
    z, _ = run_naive_network(case, theta)
    if case.target_type == "multiclass":
        p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        y = (1 - smoothing) * np.eye(p.shape[1])[case.targets] + smoothing / p.shape[1]
        return -(y * np.log(p)).sum(axis=1)
    # -log p = log(1 + exp(-z)), -log(1 - p) = log(1 + exp(z))
    y = (1 - smoothing) * case.targets + smoothing / 2
    return (y * np.log1p(np.exp(-z)) + (1 - y) * np.log1p(np.exp(z))).sum(axis=1)


def find_naively_correct(case, theta):
    z, _ = run_naive_network(case, theta)
    if case.target_type == "multiclass":
        return z.argmax(axis=1) == case.targets
    return ((z > 0) == case.targets).all(axis=1)


def compute_naive_objective(case, theta):
    squares = sum((matrix**2).sum() for matrix in split_parameters(case, theta)[0])
    losses = compute_naive_losses(case, theta, case.config.label_smoothing)
    return ((losses * case.weights).sum() + case.config.alpha / 2 * squares) / case.weights.sum()


def compute_numeric_gradient(case, objective):
    """Return the central differences, with the same dropout masks in each evaluation."""
    bits = objective.backend.state.generator.bit_generator
    before = bits.state
    numeric = np.empty_like(case.theta)
    for i in range(len(numeric)):
        losses = []
        for step in (STEP, -STEP):
            moved = case.theta.copy()
            moved[i] += step
            bits.state = before
            losses.append(objective(moved).loss)
        numeric[i] = (losses[0] - losses[1]) / (2 * STEP)
    bits.state = before
    return numeric


def assert_gradient_matches_central_differences(case, rtol=1e-6, atol=1e-8):
    objective = case.objective()
    numeric = compute_numeric_gradient(case, objective)
    gradient = objective(case.theta).gradient
    assert np.linalg.norm(gradient) > 1e-3
    np.testing.assert_allclose(gradient, numeric, rtol=rtol, atol=atol)


def every_case(test):
    """Parametrize a test over activations, target types, weightings, depths and penalties."""
    for decorator in (
        pytest.mark.parametrize("activation", list(ACTIVATIONS)),
        every_target,
        every_weighting,
        pytest.mark.parametrize(("depth", "alpha"), [(0, 0), (0, 0.5), (1, 0.5), (2, 0), (3, 0.5)]),
    ):
        test = decorator(test)
    return test


def test_every_activation_has_a_formula():
    assert set(FORMULAS) == set(ACTIVATIONS)


@every_case
def test_loss_matches_the_formula(make_case, activation, target_type, weighted, depth, alpha):
    case = make_case((activation,) * depth, target_type, weighted, alpha)
    result = case.objective()(case.theta)
    assert result.loss == pytest.approx(compute_naive_objective(case, case.theta), rel=1e-12)
    assert result.weight == pytest.approx(case.weights.sum(), rel=1e-12)
    n_correct = case.weights[find_naively_correct(case, case.theta)].sum()
    assert result.n_correct == pytest.approx(n_correct, rel=1e-12)


@every_case
def test_gradient_matches_central_differences(
    make_case, activation, target_type, weighted, depth, alpha
):
    case = make_case((activation,) * depth, target_type, weighted, alpha)
    assert_gradient_matches_central_differences(case)


@every_target
@every_weighting
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_backend_gradient_excludes_the_penalty(make_case, target_type, weighted, depth, batch_norm):
    case = make_case(("tanh",) * depth, target_type, weighted, batch_norm=batch_norm)
    backend = case.backend()
    result = backend.gradient(case.batch)
    gradient = result.gradient.copy()
    np.testing.assert_array_equal(backend.state.weights.theta, case.theta)
    expected = np.average(compute_naive_losses(case, case.theta), weights=case.weights)
    assert result.loss == pytest.approx(expected, rel=1e-12)
    with_penalty = case.objective(backend)(case.theta).gradient
    n, l2 = case.layout.n_weights, case.config.alpha / case.weights.sum()
    np.testing.assert_allclose(with_penalty[:n], gradient[:n] + l2 * case.theta[:n], rtol=1e-12)
    np.testing.assert_array_equal(with_penalty[n:], gradient[n:])


@every_target
@every_weighting
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_gradient_for_sparse_samples_matches_central_differences(
    make_case, target_type, weighted, depth
):
    case = make_case(("tanh",) * depth, target_type, weighted, sparse=True)
    assert_gradient_matches_central_differences(case)


@every_case
def test_float32_gradient_is_close_to_the_float64_gradient(
    make_case, activation, target_type, weighted, depth, alpha
):
    case = make_case((activation,) * depth, target_type, weighted, alpha)
    exact, approximate = case.objective()(case.theta), case.evaluate_in_float32()
    assert approximate.gradient.dtype == np.float32
    error = np.linalg.norm(approximate.gradient - exact.gradient)
    assert error < 2e-5 * np.linalg.norm(exact.gradient)
    assert approximate.loss == pytest.approx(exact.loss, rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
@every_target
@every_weighting
@pytest.mark.parametrize("smoothing", [0, 0.2], ids=["hard", "smoothed"])
@pytest.mark.parametrize("dropout", [0, 0.5])
def test_evaluation_averages_over_batches_without_penalty_and_smoothing(
    make_case, batch_size, target_type, weighted, smoothing, dropout
):
    case = make_case(
        ("tanh", "tanh"),
        target_type,
        weighted,
        label_smoothing=smoothing,
        dropout=dropout,
        input_dropout=dropout,
    )
    backend = case.backend()
    evaluation = evaluate(
        backend,
        Batches(case.samples, batch_size, np.float64),
        backend.state.weights,
        case.config.network.out_activation,
    )
    expected = np.average(compute_naive_losses(case, case.theta), weights=case.weights)
    assert evaluation.loss == pytest.approx(expected, rel=1e-12)
    expected = np.average(find_naively_correct(case, case.theta), weights=case.weights)
    assert evaluation.accuracy == pytest.approx(expected, rel=1e-12)


def test_evaluation_without_batches_returns_none(make_case):
    case = make_case(("tanh",), "multiclass")
    backend = case.backend()
    assert evaluate(backend, None, backend.state.weights, "softmax") == (None, None)


# Batch normalization


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@every_target
@every_weighting
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_loss_and_gradient_with_batch_norm_match_the_formula(
    make_case, activation, target_type, weighted, depth
):
    case = make_case((activation,) * depth, target_type, weighted, batch_norm=True)
    loss = case.objective()(case.theta).loss
    assert loss == pytest.approx(compute_naive_objective(case, case.theta), rel=1e-11)
    assert_gradient_matches_central_differences(case, rtol=2e-6, atol=1e-7)


@every_weighting
def test_gradient_with_batch_norm_is_equal_for_sparse_and_dense_samples(make_case, weighted):
    gradients = []
    for sparse in (False, True):
        case = make_case(("gelu", "relu"), "multiclass", weighted, batch_norm=True, sparse=sparse)
        gradients.append(case.objective()(case.theta).gradient)
    np.testing.assert_allclose(*gradients, rtol=1e-10, atol=1e-13)


@every_weighting
def test_float32_gradient_with_batch_norm_is_close_to_the_float64_gradient(make_case, weighted):
    case = make_case(("tanh", "tanh", "tanh"), "multiclass", weighted, batch_norm=True)
    exact, approximate = case.objective()(case.theta).gradient, case.evaluate_in_float32().gradient
    assert approximate.dtype == np.float32
    assert np.linalg.norm(approximate - exact) < 1e-4 * np.linalg.norm(exact)


def test_training_loss_does_not_depend_on_the_running_statistics(make_case):
    case = make_case(("tanh", "tanh"), "multiclass", batch_norm=True)
    backend = case.backend()
    first = backend.gradient(case.batch).loss
    backend.state.weights.statistics[...] = 17
    assert backend.gradient(case.batch).loss == first


# Label smoothing


@every_target
@every_weighting
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("smoothing", [0.1, 0.9])
def test_loss_and_gradient_with_label_smoothing_match_the_formula(
    make_case, target_type, weighted, depth, smoothing
):
    case = make_case(("tanh",) * depth, target_type, weighted, label_smoothing=smoothing)
    loss = case.objective()(case.theta).loss
    assert loss == pytest.approx(compute_naive_objective(case, case.theta), rel=1e-12)
    assert_gradient_matches_central_differences(case)


# Dropout


@pytest.mark.parametrize("activation", ["identity", "tanh", "elu", "gelu", "silu", "softplus"])
@every_weighting
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
def test_gradient_with_dropout_matches_central_differences(
    make_case, activation, weighted, depth, batch_norm
):
    # Only activations without a kink at zero: dropout can move pre-activations close to it.
    case = make_case(
        (activation,) * depth, "multiclass", weighted, batch_norm=batch_norm, dropout=0.4
    )
    assert_gradient_matches_central_differences(case, rtol=5e-6, atol=1e-7)


@every_container
@every_weighting
@every_target
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("dropout", [0, 0.3])
def test_gradient_with_input_dropout_matches_central_differences(
    make_case, sparse, weighted, target_type, depth, dropout
):
    case = make_case(
        ("tanh",) * depth,
        target_type,
        weighted,
        sparse=sparse,
        dropout=dropout,
        input_dropout=0.4,
    )
    assert_gradient_matches_central_differences(case)


def test_dropout_masks_change_between_evaluations(make_case):
    case = make_case(("tanh", "tanh"), "multiclass", dropout=0.4)
    objective = case.objective()
    losses = {objective(case.theta).loss for _ in range(5)}
    assert len(losses) == 5


# Combinations


@pytest.mark.parametrize(
    "activations",
    [("relu", "gelu", "tanh"), ("selu", "leaky_relu", "silu"), ("softplus", "identity", "elu")],
    ids="-".join,
)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch norm"])
@every_target
def test_loss_and_gradient_with_mixed_activations_match_the_formula(
    make_case, activations, batch_norm, target_type
):
    case = make_case(
        activations, target_type, weighted=True, batch_norm=batch_norm, label_smoothing=0.1
    )
    loss = case.objective()(case.theta).loss
    assert loss == pytest.approx(compute_naive_objective(case, case.theta), rel=1e-11)
    assert_gradient_matches_central_differences(case, rtol=2e-6, atol=1e-7)
