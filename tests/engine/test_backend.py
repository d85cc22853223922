"""The interface of a backend: gradient, step and logits compared with their definitions."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from skmlp.engine.backend import BatchGradient, StepResult
from skmlp.engine.batches import Batch, Batches, Samples
from skmlp.engine.optimizers import SGD, Adam
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.state import Weights
from skmlp.engine.update import SUBNORMAL_INTERVAL, Update

LAYER_SIZES, N_SAMPLES, RATE, ALPHA = (6, 5, 4, 3), 20, 0.1, 0.7
ALL_OPTIONS = {
    "batch_norm": True,
    "dropout": 0.3,
    "input_dropout": 0.2,
    "label_smoothing": 0.1,
    "adversarial_norm": 0.4,
    "virtual_adversarial_norm": 0.3,
}
every_option = pytest.mark.parametrize("options", [{}, ALL_OPTIONS], ids=["plain", "all options"])
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
every_weighting = pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])


@pytest.fixture
def make_backend(backend_class, make_config, make_state):
    """Return a factory of backends with equal weights and random states, of each class."""

    def make(dtype=np.float64, **options):
        config = make_config(LAYER_SIZES, **{"alpha": ALPHA} | options)
        return backend_class(config, make_state(config, dtype=dtype))

    return make


def make_batch(weighted=True, dtype=np.float64, n_samples=N_SAMPLES):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(n_samples, LAYER_SIZES[0])).astype(dtype)
    weights = rng.uniform(0.1, 2, n_samples).astype(dtype) if weighted else None
    return Batch(Samples(X, rng.integers(LAYER_SIZES[-1], size=n_samples), weights))


def convert_state_to_list(state):
    """Return all arrays and the random state of a TrainState for comparison."""
    arrays = [weights.theta.tolist() for weights in state.trained_weights()]
    arrays += [weights.statistics.tolist() for weights in state.trained_weights()]
    arrays += [array.tolist() for array in state.optimizer_arrays.values()]
    return [*arrays, state.generator.bit_generator.state, state.step]


@every_option
@every_dtype
@every_weighting
def test_step_follows_the_gradient_with_the_penalty(make_backend, options, dtype, weighted):
    batch, backend = make_batch(weighted, dtype), make_backend(dtype, **options)
    expected = make_backend(dtype, **options)
    gradient = expected.gradient(batch)
    theta, n = expected.state.weights.theta, expected.config.network.layout.n_weights
    l2 = ALPHA / gradient.weight
    penalty = l2 / 2 * np.sum(theta[:n] ** 2)
    penalized = gradient.gradient.copy()
    penalized[:n] += l2 * theta[:n]

    result = backend.step(batch, RATE)
    assert isinstance(result, StepResult)
    assert isinstance(gradient, BatchGradient)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    assert result.loss == pytest.approx(gradient.loss + penalty, rel=tolerance)
    assert (result.n_correct, result.weight) == (gradient.n_correct, gradient.weight)
    assert result.weight == pytest.approx(batch.total_weight)
    moved = backend.state.weights.theta
    assert moved.dtype == dtype
    np.testing.assert_allclose(moved, theta - RATE * penalized, rtol=tolerance, atol=tolerance)
    assert backend.state.step == 1


@every_option
def test_gradient_changes_only_the_generator(make_backend, options):
    backend = make_backend(**options, update=Update(Adam(), ema_decay=0.9))
    before = convert_state_to_list(backend.state)
    backend.gradient(make_batch())
    backend.state.generator.bit_generator.state = before[-2]
    assert convert_state_to_list(backend.state) == before


@every_option
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_new_backend_with_the_same_state_continues_bit_for_bit(
    backend_class, make_backend, options, clip_norm
):
    update = Update(Adam(), clip_norm=clip_norm, weight_decay=0.1, max_norm=2.0, ema_decay=0.9)
    batches = [make_batch(n_samples=n) for n in (20, 7, 20, 3, 7)]
    backend = make_backend(**options, update=update)
    state = make_backend(**options, update=update).state
    for batch in batches:
        backend.step(batch, RATE)
        backend_class(backend.config, state).step(batch, RATE)
        assert convert_state_to_list(state) == convert_state_to_list(backend.state)


@every_dtype
def test_running_statistics_are_updated_from_the_batch(make_backend, dtype):
    backend, batch = make_backend(dtype, batch_norm=True), make_batch(dtype=dtype)
    weights, layout = backend.state.weights, backend.config.network.layout
    first_weights = layout.views(weights.theta).weights[0].copy()
    backend.step(batch, RATE)
    z = batch.x.T.astype(float) @ first_weights.T
    mean = np.average(z, axis=0, weights=batch.weights)
    variance = np.average((z - mean) ** 2, axis=0, weights=batch.weights)
    statistics = layout.statistics_views(weights.statistics)
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(statistics.means[0], 0.1 * mean, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(statistics.variances[0], 0.9 + 0.1 * variance, rtol=tolerance)


def test_averaged_statistics_use_the_updated_statistics(make_backend):
    backend = make_backend(batch_norm=True, update=Update(SGD(), ema_decay=0.9))
    initial = backend.state.weights.statistics.copy()
    backend.step(make_batch(), RATE)
    # The decay of the first step is 1 / 10.
    expected = 0.1 * initial + 0.9 * backend.state.weights.statistics
    np.testing.assert_allclose(backend.state.average.statistics, expected, rtol=1e-12)


def test_subnormal_values_are_zeroed_periodically(make_backend):
    backend = make_backend(update=Update(Adam()), alpha=0.0)
    batch = make_batch()
    # The feature is always zero, and its weights are tiny.
    batch.samples.X[:, 2] = 0
    weights = backend.config.network.layout.views(backend.state.weights.theta).weights[0]
    weights[:, 2] = 1e-200
    for _ in range(SUBNORMAL_INTERVAL - 1):
        backend.step(batch, RATE)
    assert (weights[:, 2] != 0).all()
    backend.step(batch, RATE)
    assert (weights[:, 2] == 0).all()
    assert (np.delete(weights, 2, axis=1) != 0).all()


@every_option
@every_dtype
@pytest.mark.parametrize("sparse", [False, True], ids=["dense", "sparse"])
def test_logits_match_the_formula_for_any_weights(make_backend, options, dtype, sparse):
    backend = make_backend(dtype, **options)
    batch = make_batch(dtype=dtype)
    X = csr_matrix(batch.samples.X) if sparse else batch.samples.X
    samples = Samples(X, batch.samples.targets)
    rng, layout = np.random.default_rng(2), backend.config.network.layout
    other = Weights(
        rng.normal(size=layout.n_parameters).astype(dtype),
        rng.uniform(0.5, 2, layout.n_statistics).astype(dtype),
    )
    before = convert_state_to_list(backend.state)
    views, statistics = layout.views(other.theta), layout.statistics_views(other.statistics)
    a = batch.samples.X.astype(float)
    for i in range(2):
        z = a @ views.weights[i].T
        if layout.batch_norm:
            deviation = np.sqrt(statistics.variances[i] + 1e-5)
            z = views.gains[i] * (z - statistics.means[i]) / deviation + views.shifts[i]
        else:
            z = z + views.biases[i]
        a = np.tanh(z)
    expected = a @ views.weights[-1].T + views.biases[-1]

    logits, sizes = [], []
    for predicted_batch, batch_logits in backend.logits(Batches(samples, 7, dtype), other):
        assert batch_logits.flags.c_contiguous
        sizes.append(predicted_batch.size)
        logits.append(batch_logits.T.copy())
        batch_logits.fill(np.nan)  # the caller may overwrite them
    assert sizes == [7, 7, 6]
    tolerance = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(np.vstack(logits), expected, rtol=tolerance, atol=tolerance)
    assert convert_state_to_list(backend.state) == before


@every_option
def test_caller_may_overwrite_the_gradient(make_backend, options):
    first, second = make_backend(**options), make_backend(**options)
    for batch in (make_batch(), make_batch(n_samples=7)):
        expected = first.gradient(batch).gradient.copy()
        result = second.gradient(batch)
        np.testing.assert_array_equal(result.gradient, expected)
        result.gradient.fill(np.nan)


@pytest.mark.parametrize("alpha", [0.0, ALPHA])
def test_float32_samples_give_a_float32_gradient_and_float_sums(make_backend, alpha):
    batch, backend = make_batch(dtype=np.float32), make_backend(np.float32, alpha=alpha)
    result = backend.gradient(batch)
    assert result.gradient.dtype == np.float32
    sums = [result.loss, result.n_correct, result.weight, *backend.step(batch, RATE)]
    assert all(type(value) is float for value in sums)


# Extreme logits: a network whose logits are the features


@pytest.fixture
def compute_loss(backend_class, make_config, make_state):
    """Return a function that returns the BatchGradient of given logits, one row per sample, for each backend."""

    def compute(logits, targets, weights=None, **options):
        n_outputs, dtype = logits.shape[1], logits.dtype
        config = make_config((n_outputs, n_outputs), **options)
        theta = np.concatenate([np.eye(n_outputs).ravel(), np.zeros(n_outputs)])
        backend = backend_class(config, make_state(config, theta, dtype))
        with np.errstate(all="ignore"):
            return backend.gradient(Batch(Samples(logits, targets, weights)))

    return compute


@every_dtype
@every_weighting
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
@pytest.mark.parametrize("n_values", [1, 2, 3, 50], ids=lambda n: f"{n} values")
def test_first_of_tied_classes_is_predicted(
    compute_loss, dtype, weighted, smoothing, n_classes, n_values
):
    rng, n_samples = np.random.default_rng(0), 400
    logits = rng.integers(n_values, size=(n_samples, n_classes)).astype(dtype)
    targets = rng.integers(n_classes, size=n_samples)
    weights = rng.integers(1, 5, n_samples).astype(dtype) if weighted else None
    correct = logits.argmax(axis=1) == targets
    assert (logits.max(axis=1) == logits[np.arange(n_samples), targets]).sum() > correct.sum()
    result = compute_loss(logits, targets, weights, label_smoothing=smoothing)
    assert result.n_correct == (correct.sum() if weights is None else weights[correct].sum())


@every_dtype
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("out_activation", ["softmax", "logistic"])
def test_weight_of_the_correct_predictions_is_exact_if_all_are_correct(
    compute_loss, dtype, seed, out_activation
):
    rng = np.random.default_rng(seed)
    classes, weights = rng.integers(3, size=100), rng.uniform(0.5, 2, 100).astype(dtype)
    indicators = np.eye(3)[classes]
    targets = classes if out_activation == "softmax" else indicators.astype(bool)
    logits = (indicators - 0.5).astype(dtype)
    result = compute_loss(logits, targets, weights, out_activation=out_activation)
    assert result.n_correct == result.weight
    # If all are wrong, it is zero up to rounding, but not negative.
    result = compute_loss(-logits, targets, weights, out_activation=out_activation)
    assert 0 <= result.n_correct <= 1e-6 * result.weight


@every_dtype
@pytest.mark.parametrize("value", [0.0, -3.5, 1e30])
def test_equal_logits_predict_the_first_class(compute_loss, dtype, value):
    result = compute_loss(np.full((30, 5), value, dtype), np.arange(30) % 5)
    assert result.n_correct == 6
    assert result.loss == pytest.approx(np.log(5), rel=1e-6)


@every_dtype
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_logistic_logits_of_zero_predict_the_negative_class(compute_loss, dtype, n_outputs):
    targets = np.zeros((8, n_outputs), bool)
    targets[:3, 0] = True
    result = compute_loss(np.zeros((8, n_outputs), dtype), targets, out_activation="logistic")
    assert result.n_correct == 5


@every_dtype
@pytest.mark.parametrize("out_activation", ["softmax", "logistic"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradient_of_huge_logits_are_finite(
    compute_loss, dtype, out_activation, smoothing
):
    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(40, 5)) * 1e30).astype(dtype)
    targets = rng.integers(5, size=40)
    if out_activation == "logistic":
        targets = rng.random((40, 5)) < 0.5
    result = compute_loss(logits, targets, out_activation=out_activation, label_smoothing=smoothing)
    assert 1e28 < result.loss < 1e32
    assert np.isfinite(result.gradient).all()


@every_dtype
@pytest.mark.parametrize("out_activation", ["softmax", "logistic"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("output", [0, 2, 4])
def test_loss_of_logits_that_are_not_finite_is_not_finite(
    compute_loss, dtype, out_activation, value, output
):
    logits = np.random.default_rng(0).normal(size=(20, 5)).astype(dtype)
    logits[7, output] = value
    # The matrix product turns one infinite feature into NaN in all logits of the sample.
    targets = np.zeros(20, int) if out_activation == "softmax" else np.ones((20, 5), bool)
    assert np.isnan(compute_loss(logits, targets, out_activation=out_activation).loss)


@every_dtype
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("batch_norm", [False, True])
def test_nan_reaches_the_loss_through_every_activation(
    backend_class, make_config, make_state, dtype, activation, batch_norm
):
    config = make_config((6, 5, 3), activation, batch_norm=batch_norm)
    backend = backend_class(config, make_state(config, dtype=dtype))
    batch = make_batch(dtype=dtype)
    batch.samples.X[4, 2] = np.nan
    with np.errstate(invalid="ignore"):
        assert np.isnan(backend.gradient(batch).loss)


@every_dtype
@pytest.mark.parametrize("activation", list(ACTIVATIONS))
@pytest.mark.parametrize("scale", [1e4, 1e15])
def test_huge_arguments_of_activations_give_the_limits(
    backend_class, make_config, make_state, dtype, activation, scale
):
    # The logits are a(z) for z = scale and z = -scale.
    config = make_config((1, 2, 2), activation)
    theta = np.array([1, -1, 1, 0, 0, 1, 0, 0, 0, 0])
    backend = backend_class(config, make_state(config, theta, dtype))
    samples = Samples(np.array([[scale]], dtype))
    ((_, logits),) = backend.logits(Batches(samples, 1, dtype), backend.state.weights)
    limits = {
        "identity": (scale, -scale),
        "logistic": (1, 0),
        "tanh": (1, -1),
        "leaky_relu": (scale, -0.01 * scale),
        "elu": (scale, -1),
        "selu": (1.0507009873554805 * scale, -1.7580993408473766),
    }
    np.testing.assert_allclose(logits[:, 0], limits.get(activation, (scale, 0)), rtol=1e-6)
