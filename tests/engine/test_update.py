"""What is done to gradients before a step and to weights beside it, each against its recursion."""

import numpy as np
import pytest

from skmlp.engine.optimizers import SGD, Adam
from skmlp.engine.parameters import Layout
from skmlp.engine.training import TrainState
from skmlp.engine.update import Update, average_decay

LAYOUT = Layout((5, 4, 3, 2), batch_norm=True)
N_STEPS = 40
DTYPES = [np.float32, np.float64]
every_dtype = pytest.mark.parametrize("dtype", DTYPES)
PLAIN = SGD(momentum=0, nesterov=False)


def trained(kernels, update, dtype=np.float64, scale=1.0, rate=0.1):
    """Take steps along random gradients; give the gradients, and the state before and after each step."""
    rng = np.random.default_rng(0)
    theta = rng.normal(size=LAYOUT.n_parameters).astype(dtype)
    state = TrainState(None, None, theta=theta, statistics=LAYOUT.initial_statistics(dtype))
    state.slots = update.optimizer.new_slots(theta)
    if update.ema_decay is not None:
        state.average_theta = theta.copy()
        state.average_statistics = state.statistics.copy()
    work = np.full_like(theta, np.nan)
    gradients, thetas, statistics, averages = [], [theta.copy()], [state.statistics.copy()], []
    for _ in range(N_STEPS):
        gradient = (rng.normal(size=theta.shape) * scale * rng.uniform(0, 3)).astype(dtype)
        state.statistics[...] = rng.normal(size=state.statistics.shape)
        gradients.append(gradient.copy())
        update.apply(state, gradient, rate, LAYOUT, work, kernels=kernels)
        thetas.append(theta.copy())
        statistics.append(state.statistics.copy())
        if update.ema_decay is not None:
            averages.append((state.average_theta.copy(), state.average_statistics.copy()))
    assert state.step == N_STEPS
    assert theta.dtype == dtype
    return gradients, thetas, statistics, averages


@every_dtype
@pytest.mark.parametrize("largest", [0.5, 7.0, 1e6])
def test_clip_norm_limits_the_norm_of_the_whole_gradient(kernels, dtype, largest):
    gradients, thetas, _, _ = trained(kernels, Update(PLAIN, clip_norm=largest), dtype)
    norms = []
    for gradient, before, after in zip(gradients, thetas[:-1], thetas[1:], strict=True):
        norm = np.linalg.norm(gradient)
        norms.append(norm)
        expected = before - 0.1 * gradient * min(1, largest / norm)
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(after, expected, rtol=tolerance, atol=tolerance)
    if largest == 7:
        assert min(norms) < largest < max(norms)


@every_dtype
@pytest.mark.parametrize("optimizer", [PLAIN, Adam()], ids=repr)
def test_max_norm_holds_the_units_of_the_hidden_layers(kernels, dtype, optimizer):
    _, free, _, _ = trained(kernels, Update(optimizer), dtype)
    _, held, _, _ = trained(kernels, Update(optimizer, max_norm=1.5), dtype)
    slack = 1e-6 if dtype == np.float32 else 1e-12
    too_long = 0
    for theta in held[1:]:
        views = LAYOUT.views(theta)
        for weights in views.weights[:-1]:
            assert np.linalg.norm(weights, axis=1).max() <= 1.5 * (1 + slack)
    for theta in free[1:]:
        hidden = LAYOUT.views(theta).weights[:-1]
        too_long += sum((np.linalg.norm(weights, axis=1) > 1.5).sum() for weights in hidden)
    assert too_long > 0
    # The gradients are given, so that all else goes as if there were no limit.
    ours, others = LAYOUT.views(held[-1]), LAYOUT.views(free[-1])
    np.testing.assert_array_equal(ours.weights[-1], others.weights[-1])
    for part in ("biases", "gains", "shifts"):
        for a, b in zip(getattr(ours, part), getattr(others, part), strict=True):
            np.testing.assert_array_equal(a, b)


def test_max_norm_scales_what_is_too_long_and_leaves_the_rest(kernels):
    _, thetas, _, _ = trained(kernels, Update(PLAIN, max_norm=1.5))
    gradients, _, _, _ = trained(kernels, Update(PLAIN))
    for gradient, before, after in zip(gradients, thetas[:-1], thetas[1:], strict=True):
        moved = LAYOUT.views(before - 0.1 * gradient).weights[:-1]
        for weights, seen in zip(moved, LAYOUT.views(after).weights[:-1], strict=True):
            norms = np.linalg.norm(weights, axis=1, keepdims=True)
            np.testing.assert_allclose(seen, weights * np.minimum(1, 1.5 / norms), rtol=1e-12)


@every_dtype
@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_decoupled_weight_decay_is_the_recursion_and_spares_all_but_the_weights(
    kernels, dtype, rate
):
    gradients, thetas, _, _ = trained(kernels, Update(PLAIN, weight_decay=0.3), dtype, rate=rate)
    n = LAYOUT.n_weights
    theta = thetas[0].astype(np.float64)
    for gradient, seen in zip(gradients, thetas[1:], strict=True):
        factors = np.where(np.arange(len(theta)) < n, 1 - rate * 0.3, 1)
        theta = theta * factors - rate * gradient
        tolerance = 2e-5 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(seen, theta, rtol=tolerance, atol=tolerance)


def test_weight_decay_does_not_enter_the_moments_of_adam(kernels):
    # Where the gradient is zero, only the decay moves the weights.
    theta = np.arange(1.0, LAYOUT.n_parameters + 1)
    update = Update(Adam(), weight_decay=0.5)
    state = TrainState(None, None, theta=theta.copy())
    state.slots = update.optimizer.new_slots(theta)
    for _ in range(3):
        update.apply(
            state, np.zeros_like(theta), 0.1, LAYOUT, np.empty_like(theta), kernels=kernels
        )
    n = LAYOUT.n_weights
    np.testing.assert_allclose(state.theta[:n], theta[:n] * 0.95**3, rtol=1e-14)
    np.testing.assert_array_equal(state.theta[n:], theta[n:])


@every_dtype
@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_the_average_is_the_recursion_for_parameters_and_statistics(kernels, dtype, decay):
    _, thetas, statistics, averages = trained(kernels, Update(PLAIN, ema_decay=decay), dtype)
    average = thetas[0].astype(np.float64), statistics[0].astype(np.float64)
    steps = zip(thetas[1:], statistics[1:], averages, strict=True)
    for t, (theta, now, seen) in enumerate(steps, start=1):
        d = min(decay, t / (t + 9))
        average = d * average[0] + (1 - d) * theta, d * average[1] + (1 - d) * now
        tolerance = 1e-5 if dtype == np.float32 else 1e-12
        for ours, expected in zip(seen, average, strict=True):
            assert ours.dtype == dtype
            np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance)


def test_the_average_does_not_disturb_the_training(kernels):
    _, free, _, _ = trained(kernels, Update(Adam()))
    _, averaged, _, _ = trained(kernels, Update(Adam(), ema_decay=0.9))
    np.testing.assert_array_equal(averaged, free)


@pytest.mark.parametrize(("t", "decay"), [(1, 0.1), (9, 0.5), (81, 0.9), (82, 0.9), (10**6, 0.9)])
def test_the_average_forgets_its_beginning(t, decay):
    assert average_decay(0.9, t) == pytest.approx(decay, rel=1e-15)
