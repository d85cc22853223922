"""What is done to gradients before a step and to weights beside it, each against its recursion."""

from typing import NamedTuple

import numpy as np
import pytest

from skmlp.engine.optimizers import SGD, Adam, NAdam, RMSprop
from skmlp.engine.parameters import Layout
from skmlp.engine.state import Weights
from skmlp.engine.update import Update, average_decay

LAYER_SIZES = (5, 4, 3, 2)
LAYOUT = Layout(LAYER_SIZES, batch_norm=True)
N_STEPS = 40
DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
PLAIN = SGD(momentum=0, nesterov=False)


@pytest.fixture
def make_update_state(make_config, make_state):
    """The factory of states that are ready for an update."""

    def make(update, theta=None, dtype=np.float64):
        return make_state(make_config(LAYER_SIZES, batch_norm=True, update=update), theta, dtype)

    return make


class Path(NamedTuple):
    """The gradients of some steps, the sums of squares that they returned, and the weights before and after each."""

    gradients: list
    squares: list
    weights: list
    averages: list

    @property
    def thetas(self):
        return [weights.theta for weights in self.weights]

    def steps(self):
        """Yield the gradient of each step with the parameters before and after it."""
        return zip(self.gradients, self.thetas[:-1], self.thetas[1:], strict=True)


@pytest.fixture
def take_steps(kernels, make_update_state):
    """A function that takes steps along random gradients."""

    def take(update, dtype=np.float64, scale=1.0, rate=0.1, l2=0.0):
        rng = np.random.default_rng(0)
        theta = rng.normal(size=LAYOUT.n_parameters)
        state = make_update_state(update, theta, dtype)
        path = Path([], [], [state.weights.copy()], [])
        work = np.full_like(state.weights.theta, np.nan)
        for _ in range(N_STEPS):
            gradient = (rng.normal(size=theta.shape) * scale * rng.uniform(0, 3)).astype(dtype)
            state.weights.statistics[...] = rng.normal(size=LAYOUT.n_statistics)
            path.gradients.append(gradient.copy())
            path.squares.append(update.apply(state, gradient, work, rate, LAYOUT, l2, kernels))
            path.weights.append(state.weights.copy())
            if update.ema_decay is not None:
                path.averages.append(state.average.copy())
        assert state.step == N_STEPS
        assert state.weights.theta.dtype == dtype
        return path

    return take


@every_dtype
@pytest.mark.parametrize("largest", [0.5, 7.0, 1e6])
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_clip_norm_limits_the_norm_of_the_whole_gradient(take_steps, dtype, largest, l2):
    path = take_steps(Update(PLAIN, clip_norm=largest), dtype, l2=l2)
    norms, n = [], LAYOUT.n_weights
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for gradient, before, after in path.steps():
        # That of the penalty is part of it.
        gradient[:n] += l2 * before[:n]
        norms.append(np.linalg.norm(gradient))
        expected = before - 0.1 * gradient * min(1, largest / norms[-1])
        np.testing.assert_allclose(after, expected, rtol=tolerance, atol=tolerance)
    if largest == 7:
        assert min(norms) < largest < max(norms)


@every_dtype
@pytest.mark.parametrize("clip_norm", [None, 7.0])
@pytest.mark.parametrize("optimizer", [PLAIN, Adam(), NAdam(), RMSprop()], ids=repr)
def test_the_squares_are_those_of_the_weights_before_the_step(
    take_steps, dtype, clip_norm, optimizer
):
    update = Update(optimizer, clip_norm=clip_norm, weight_decay=0.3)
    path, n = take_steps(update, dtype, l2=0.3), LAYOUT.n_weights
    expected = [np.sum(theta[:n].astype(float) ** 2) for theta in path.thetas[:-1]]
    np.testing.assert_allclose(path.squares, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)


@every_dtype
@pytest.mark.parametrize("clip_norm", [None, 7.0])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_the_squares_are_zero_without_a_penalty(take_steps, dtype, clip_norm, weight_decay):
    update = Update(Adam(), clip_norm=clip_norm, weight_decay=weight_decay)
    assert take_steps(update, dtype).squares == [0.0] * N_STEPS


@every_dtype
@pytest.mark.parametrize("optimizer", [PLAIN, Adam()], ids=repr)
def test_max_norm_holds_the_units_of_the_hidden_layers(take_steps, dtype, optimizer):
    free = take_steps(Update(optimizer), dtype).thetas
    held = take_steps(Update(optimizer, max_norm=1.5), dtype).thetas
    slack = 1e-6 if dtype == np.float32 else 1e-12
    too_long = 0
    for theta in held[1:]:
        for weights in LAYOUT.views(theta).weights[:-1]:
            assert np.linalg.norm(weights, axis=1).max() <= 1.5 * (1 + slack)
    for theta in free[1:]:
        hidden = LAYOUT.views(theta).weights[:-1]
        too_long += sum((np.linalg.norm(weights, axis=1) > 1.5).sum() for weights in hidden)
    assert too_long > 0
    # The gradients are given, so that all else goes as if there were no limit.
    ours, others = LAYOUT.views(held[-1]), LAYOUT.views(free[-1])
    np.testing.assert_array_equal(ours.weights[-1], others.weights[-1])
    for kind in ("biases", "gains", "shifts"):
        for a, b in zip(getattr(ours, kind), getattr(others, kind), strict=True):
            np.testing.assert_array_equal(a, b)


def test_max_norm_scales_what_is_too_long_and_leaves_the_rest(take_steps):
    for gradient, before, after in take_steps(Update(PLAIN, max_norm=1.5)).steps():
        moved = LAYOUT.views(before - 0.1 * gradient).weights[:-1]
        for weights, seen in zip(moved, LAYOUT.views(after).weights[:-1], strict=True):
            norms = np.linalg.norm(weights, axis=1, keepdims=True)
            np.testing.assert_allclose(seen, weights * np.minimum(1, 1.5 / norms), rtol=1e-12)


@every_dtype
@pytest.mark.parametrize("rate", [0.01, 0.1])
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("clip_norm", [None, 7.0])
def test_decoupled_weight_decay_is_the_recursion_and_spares_all_but_the_weights(
    take_steps, dtype, rate, l2, clip_norm
):
    update = Update(PLAIN, clip_norm=clip_norm, weight_decay=0.3)
    path = take_steps(update, dtype, rate=rate, l2=l2)
    theta = path.thetas[0].astype(np.float64)
    is_weight = np.arange(len(theta)) < LAYOUT.n_weights
    for gradient, _, seen in path.steps():
        gradient = gradient + l2 * is_weight * theta
        if clip_norm is not None:
            gradient *= min(1, clip_norm / np.linalg.norm(gradient))
        theta = theta * np.where(is_weight, 1 - rate * 0.3, 1) - rate * gradient
        tolerance = 2e-5 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(seen, theta, rtol=tolerance, atol=tolerance)


def test_weight_decay_does_not_enter_the_moments_of_adam(kernels, make_update_state):
    # Where the gradient is zero, only the decay moves the weights.
    theta = np.arange(1.0, LAYOUT.n_parameters + 1)
    update = Update(Adam(), weight_decay=0.5)
    state = make_update_state(update, theta)
    for _ in range(3):
        update.apply(state, np.zeros_like(theta), np.empty_like(theta), 0.1, LAYOUT, 0.0, kernels)
    n, moved = LAYOUT.n_weights, state.weights.theta
    np.testing.assert_allclose(moved[:n], theta[:n] * 0.95**3, rtol=1e-14)
    np.testing.assert_array_equal(moved[n:], theta[n:])


@every_dtype
@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_the_average_is_the_recursion_for_parameters_and_statistics(take_steps, dtype, decay):
    path = take_steps(Update(PLAIN, ema_decay=decay), dtype)
    initial = path.weights[0]
    average = Weights(initial.theta.astype(np.float64), initial.statistics.astype(np.float64))
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for t, (now, seen) in enumerate(zip(path.weights[1:], path.averages, strict=True), start=1):
        d = min(decay, t / (t + 9))
        for name in ("theta", "statistics"):
            value = d * getattr(average, name) + (1 - d) * getattr(now, name)
            setattr(average, name, value)
            ours = getattr(seen, name)
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, value, rtol=tolerance, atol=tolerance)


def test_the_average_does_not_disturb_the_training(take_steps):
    free = take_steps(Update(Adam())).thetas
    averaged = take_steps(Update(Adam(), ema_decay=0.9)).thetas
    np.testing.assert_array_equal(averaged, free)


@pytest.mark.parametrize(("t", "decay"), [(1, 0.1), (9, 0.5), (81, 0.9), (82, 0.9), (10**6, 0.9)])
def test_the_average_forgets_its_beginning(t, decay):
    assert average_decay(0.9, t) == pytest.approx(decay, rel=1e-15)


# Preparing a state


def test_prepare_allocates_what_is_missing_and_keeps_what_is_there(make_update_state):
    update = Update(Adam(), ema_decay=0.9)
    state = make_update_state(update)
    np.testing.assert_array_equal(state.average.theta, state.weights.theta)
    assert not np.shares_memory(state.average.theta, state.weights.theta)
    state.step = 7
    arrays, average = state.optimizer_arrays, state.average
    update.prepare(state)
    assert (state.optimizer_arrays, state.average, state.step) == (arrays, average, 7)
    # Adam without an average, and with other coefficients, continues with the same moments.
    Update(Adam(0.5)).prepare(state)
    assert (state.optimizer_arrays, state.average, state.step) == (arrays, None, 7)
    # Another optimizer begins anew.
    Update(SGD()).prepare(state)
    assert (list(state.optimizer_arrays), state.step) == (["velocity"], 0)


# Subnormal numbers


def neighbors(threshold, dtype):
    """Return a number that is just large enough to stay, and two that are too small."""
    threshold = dtype(threshold)
    return [threshold, np.nextafter(threshold, dtype(0)), dtype(-0.5) * threshold]


@every_dtype
@pytest.mark.parametrize("optimizer", [SGD(), Adam(), NAdam(), RMSprop()], ids=repr)
def test_each_array_loses_its_subnormal_numbers_and_no_others(
    kernels, make_update_state, dtype, optimizer
):
    # Numbers whose squares would be subnormal, but for second moments, which are squares themselves; for weights, those
    # whose fourth power would be.
    powers = {"weights": 1 / 4, "velocity": 3 / 8, "first_moment": 3 / 8, "second_moment": 3 / 4}
    update = Update(optimizer)
    state = make_update_state(update, dtype=dtype)
    tiny = float(np.finfo(dtype).tiny)
    arrays = {"weights": state.weights.theta, **state.optimizer_arrays}
    scale = arrays.pop("first_moment_scale", np.ones(1))
    scale[0] = 1e-30
    assert set(arrays) <= set(powers)
    for name, array in arrays.items():
        array.fill(1)
        array[:3] = neighbors(tiny ** powers[name], dtype)
        array[3:8] = [0, -1, np.nan, np.inf, -np.inf]
    expected = {name: array.copy() for name, array in arrays.items()}
    update.zero_subnormals(state, np.full_like(state.weights.theta, np.nan), kernels)
    for name, array in arrays.items():
        expected[name][1:3] = 0
        np.testing.assert_array_equal(array, expected[name])
    assert scale[0] == 1e-30
