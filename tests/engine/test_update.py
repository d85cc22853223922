"""Gradient clipping, max-norm constraint, weight decay and averaging of an update."""

from typing import NamedTuple

import numpy as np
import pytest

from skmlp.engine.optimizers import SGD, Adam, NAdam, RMSprop
from skmlp.engine.parameters import BLOCK_SIZE, Layout
from skmlp.engine.reference.updater import zero_below
from skmlp.engine.state import Weights
from skmlp.engine.update import SUBNORMAL_INTERVAL, Update, compute_ema_decay

LAYER_SIZES = (5, 4, 3, 2)
LAYOUT = Layout(LAYER_SIZES, batch_norm=True)
N_STEPS, TOTAL_WEIGHT = 40, 2.0
DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
PLAIN = SGD(momentum=0, nesterov=False)


@pytest.fixture
def begin(make_updater, make_config, make_state):
    """Return a factory of a state and of the function with which each backend updates it, see `make_updater`."""

    def make(update, theta=None, dtype=np.float64, alpha=0.0):
        config = make_config(LAYER_SIZES, batch_norm=True, update=update, alpha=alpha)
        state = make_state(config, theta, dtype)
        return state, make_updater(config, state)

    return make


class Trajectory(NamedTuple):
    """Gradients, returned penalties, weights and averages of a sequence of steps.

    The first of the weights are the initial weights.
    """

    gradients: list
    penalties: list
    weights: list
    averages: list

    @property
    def thetas(self):
        return [weights.theta for weights in self.weights]

    def steps(self):
        """Yield the gradient of each step and the parameters before and after it."""
        return zip(self.gradients, self.thetas[:-1], self.thetas[1:], strict=True)


@pytest.fixture
def take_steps(begin):
    """Return a function that performs steps with random gradients."""

    def perform(update, dtype=np.float64, scale=1.0, rate=0.1, l2=0.0):
        rng = np.random.default_rng(0)
        theta = rng.normal(size=LAYOUT.n_parameters)
        state, apply = begin(update, theta, dtype, alpha=l2 * TOTAL_WEIGHT)
        trajectory = Trajectory([], [], [state.weights.copy()], [])
        for _ in range(N_STEPS):
            gradient = (rng.normal(size=theta.shape) * scale * rng.uniform(0, 3)).astype(dtype)
            state.weights.statistics[...] = rng.normal(size=LAYOUT.n_statistics)
            trajectory.gradients.append(gradient.copy())
            trajectory.penalties.append(apply(gradient, rate, TOTAL_WEIGHT))
            trajectory.weights.append(state.weights.copy())
            if update.ema_decay is not None:
                trajectory.averages.append(state.average.copy())
        assert state.step == N_STEPS
        assert state.weights.theta.dtype == dtype
        return trajectory

    return perform


@every_dtype
@pytest.mark.parametrize("clip_norm", [0.5, 7.0, 1e6])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_clip_norm_limits_the_norm_of_the_gradient(take_steps, dtype, clip_norm, l2):
    trajectory = take_steps(Update(PLAIN, clip_norm=clip_norm), dtype, l2=l2)
    norms, n = [], LAYOUT.n_weights
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for gradient, before, after in trajectory.steps():
        # The clipped gradient includes the gradient of the penalty.
        gradient[:n] += l2 * before[:n]
        norms.append(np.linalg.norm(gradient))
        expected = before - 0.1 * gradient * min(1, clip_norm / norms[-1])
        np.testing.assert_allclose(after, expected, rtol=tolerance, atol=tolerance)
    if clip_norm == 7:
        assert min(norms) < clip_norm < max(norms)


@every_dtype
@pytest.mark.parametrize("clip_norm", [None, 7.0])
@pytest.mark.parametrize("optimizer", [PLAIN, Adam(), NAdam(), RMSprop()], ids=repr)
def test_penalty_is_that_before_the_step(take_steps, dtype, clip_norm, optimizer):
    update = Update(optimizer, clip_norm=clip_norm, weight_decay=0.3)
    trajectory, n = take_steps(update, dtype, l2=0.3), LAYOUT.n_weights
    expected = [0.15 * np.sum(theta[:n].astype(float) ** 2) for theta in trajectory.thetas[:-1]]
    np.testing.assert_allclose(
        trajectory.penalties, expected, rtol=1e-5 if dtype == np.float32 else 1e-12
    )


@every_dtype
@pytest.mark.parametrize("clip_norm", [None, 7.0])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_penalty_is_zero_for_an_alpha_of_zero(take_steps, dtype, clip_norm, weight_decay):
    update = Update(Adam(), clip_norm=clip_norm, weight_decay=weight_decay)
    assert take_steps(update, dtype).penalties == [0.0] * N_STEPS


@every_dtype
@pytest.mark.parametrize("optimizer", [PLAIN, Adam()], ids=repr)
def test_max_norm_limits_the_weights_of_hidden_units(take_steps, dtype, optimizer):
    unlimited = take_steps(Update(optimizer), dtype).thetas
    limited = take_steps(Update(optimizer, max_norm=1.5), dtype).thetas
    tolerance = 1e-6 if dtype == np.float32 else 1e-12
    n_exceeding = 0
    for theta in limited[1:]:
        for weights in LAYOUT.views(theta).weights[:-1]:
            assert np.linalg.norm(weights, axis=1).max() <= 1.5 * (1 + tolerance)
    for theta in unlimited[1:]:
        hidden = LAYOUT.views(theta).weights[:-1]
        n_exceeding += sum((np.linalg.norm(weights, axis=1) > 1.5).sum() for weights in hidden)
    assert n_exceeding > 0
    # The gradients do not depend on the weights, so the other parameters are unaffected by the limit.
    ours, others = LAYOUT.views(limited[-1]), LAYOUT.views(unlimited[-1])
    np.testing.assert_array_equal(ours.weights[-1], others.weights[-1])
    for kind in ("biases", "gains", "shifts"):
        for a, b in zip(getattr(ours, kind), getattr(others, kind), strict=True):
            np.testing.assert_array_equal(a, b)


def test_max_norm_scales_only_rows_that_exceed_it(take_steps):
    for gradient, before, after in take_steps(Update(PLAIN, max_norm=1.5)).steps():
        unlimited = LAYOUT.views(before - 0.1 * gradient).weights[:-1]
        for weights, actual in zip(unlimited, LAYOUT.views(after).weights[:-1], strict=True):
            norms = np.linalg.norm(weights, axis=1, keepdims=True)
            np.testing.assert_allclose(actual, weights * np.minimum(1, 1.5 / norms), rtol=1e-12)


@every_dtype
@pytest.mark.parametrize("rate", [0.01, 0.1])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("clip_norm", [None, 7.0])
def test_decoupled_weight_decay_multiplies_only_the_weights(take_steps, dtype, rate, l2, clip_norm):
    update = Update(PLAIN, clip_norm=clip_norm, weight_decay=0.3)
    trajectory = take_steps(update, dtype, rate=rate, l2=l2)
    theta = trajectory.thetas[0].astype(np.float64)
    is_weight = np.arange(len(theta)) < LAYOUT.n_weights
    for gradient, _, actual in trajectory.steps():
        gradient = gradient + l2 * is_weight * theta
        if clip_norm is not None:
            gradient *= min(1, clip_norm / np.linalg.norm(gradient))
        theta = theta * np.where(is_weight, 1 - rate * 0.3, 1) - rate * gradient
        tolerance = 2e-5 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(actual, theta, rtol=tolerance, atol=tolerance)


def test_weight_decay_does_not_change_the_moments_of_adam(begin):
    # With a gradient of zero, only the decay changes the weights.
    theta = np.arange(1.0, LAYOUT.n_parameters + 1)
    update = Update(Adam(), weight_decay=0.5)
    state, apply = begin(update, theta)
    for _ in range(3):
        apply(np.zeros_like(theta), 0.1, TOTAL_WEIGHT)
    n, moved = LAYOUT.n_weights, state.weights.theta
    np.testing.assert_allclose(moved[:n], theta[:n] * 0.95**3, rtol=1e-14)
    np.testing.assert_array_equal(moved[n:], theta[n:])


@every_dtype
@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_average_is_exponential_for_parameters_and_statistics(take_steps, dtype, decay):
    trajectory = take_steps(Update(PLAIN, ema_decay=decay), dtype)
    initial = trajectory.weights[0]
    average = Weights(initial.theta.astype(np.float64), initial.statistics.astype(np.float64))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for t, (now, actual) in enumerate(
        zip(trajectory.weights[1:], trajectory.averages, strict=True), start=1
    ):
        d = min(decay, t / (t + 9))
        for name in ("theta", "statistics"):
            value = d * getattr(average, name) + (1 - d) * getattr(now, name)
            setattr(average, name, value)
            ours = getattr(actual, name)
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, value, rtol=tolerance, atol=tolerance)


def test_averaging_does_not_change_the_training(take_steps):
    expected = take_steps(Update(Adam())).thetas
    averaged = take_steps(Update(Adam(), ema_decay=0.9)).thetas
    np.testing.assert_array_equal(averaged, expected)


@pytest.mark.parametrize(("t", "decay"), [(1, 0.1), (9, 0.5), (81, 0.9), (82, 0.9), (10**6, 0.9)])
def test_ema_decay_is_reduced_in_early_steps(t, decay):
    assert compute_ema_decay(0.9, t) == pytest.approx(decay, rel=1e-15)


# Preparing a state


def test_prepare_keeps_existing_arrays_and_allocates_missing_ones(make_config, make_state):
    update = Update(Adam(), ema_decay=0.9)
    state = make_state(make_config(LAYER_SIZES, batch_norm=True, update=update))
    np.testing.assert_array_equal(state.average.theta, state.weights.theta)
    assert not np.shares_memory(state.average.theta, state.weights.theta)
    state.step = 7
    arrays, average = state.optimizer_arrays, state.average
    update.prepare(state)
    assert (state.optimizer_arrays, state.average, state.step) == (arrays, average, 7)
    # Adam with other coefficients and without an average keeps the moments.
    Update(Adam(0.5)).prepare(state)
    assert (state.optimizer_arrays, state.average, state.step) == (arrays, None, 7)
    # Another optimizer starts with new arrays.
    Update(SGD()).prepare(state)
    assert (list(state.optimizer_arrays), state.step) == (["velocity"], 0)


# Subnormal numbers


def get_neighbors(threshold, dtype):
    """Return a number that is large enough to be kept, and two that are too small."""
    threshold = dtype(threshold)
    return [threshold, np.nextafter(threshold, dtype(0)), dtype(-0.5) * threshold]


# Each threshold is the smallest normal number to this power.
POWERS = {"weights": 1 / 4, "velocity": 3 / 8, "first_moment": 3 / 8, "second_moment": 3 / 4}
# A step without a gradient multiplies the moments of these optimizers by powers of two, which is exact. The scale of
# Adam's first moment is a separate number.
OPTIMIZERS = {
    SGD(0.5): {"weights": 1, "velocity": 0.5},
    Adam(0.5, 0.5): {"weights": 1, "first_moment": 1, "second_moment": 0.5},
    NAdam(0.5, 0.5): {"weights": 1, "first_moment": 0.5, "second_moment": 0.5},
    RMSprop(0.5): {"weights": 1, "second_moment": 0.5},
}


@every_dtype
@pytest.mark.parametrize(
    ("optimizer", "name"),
    [(optimizer, name) for optimizer, factors in OPTIMIZERS.items() for name in factors],
    ids=str,
)
def test_values_below_the_thresholds_are_zeroed_periodically(begin, dtype, optimizer, name):
    values = np.ones(LAYOUT.n_parameters, dtype)
    # The last parameters, which are not weights, follow the same rule.
    values[:3] = values[-3:] = get_neighbors(float(np.finfo(dtype).tiny) ** POWERS[name], dtype)
    values[3:5] = [0, -1]
    if name == "second_moment":
        np.abs(values, out=values)
    for n_steps in (SUBNORMAL_INTERVAL - 1, SUBNORMAL_INTERVAL):
        state, apply = begin(Update(optimizer), dtype=dtype)
        state.step = n_steps - 1
        array = state.weights.theta if name == "weights" else state.optimizer_arrays[name]
        array[...] = values / dtype(OPTIMIZERS[optimizer][name])
        apply(np.zeros_like(values), 0.0, TOTAL_WEIGHT)
        expected = values.copy()
        if n_steps == SUBNORMAL_INTERVAL:
            expected[1:3] = expected[-2:] = 0
        np.testing.assert_array_equal(array, expected)


@every_dtype
def test_zero_below_changes_only_values_below_the_threshold(dtype):
    tiny = np.finfo(dtype).tiny
    values = np.array([tiny / 2, -tiny / 4, tiny, -tiny, 0, 1, -1e30, np.inf, np.nan], dtype)
    zero_below(values, float(tiny), np.empty_like(values))
    expected = np.array([0, 0, tiny, -tiny, 0, 1, -1e30, np.inf, np.nan], dtype)
    np.testing.assert_array_equal(values, expected)


@every_dtype
def test_zero_below_processes_all_blocks(dtype):
    values = np.ones(2 * BLOCK_SIZE + 5, dtype)
    values[::3] = 1e-30
    zero_below(values, 1e-20, np.full_like(values, np.nan))
    np.testing.assert_array_equal(values, np.arange(len(values)) % 3 > 0)
