"""Optimizers against the textbook's recursions, written out for each step."""

import numpy as np
import pytest

from skmlp.engine.optimizers import SGD, Adam, flush_subnormals

N_STEPS, N_PARAMETERS = 300, 11


def gradients_and_rates(seed=0):
    """Give gradients of very different sizes, some always zero, and a rate for each step."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(N_STEPS, N_PARAMETERS)) * np.logspace(-6, 3, N_PARAMETERS)
    gradients[:, 3] = 0
    gradients[100:, 5] = 0
    return gradients, rng.uniform(1e-4, 1e-1, N_STEPS)


def path(optimizer, gradients, rates, dtype=np.float64):
    """Give the parameters after each step of an optimizer of the engine."""
    theta = np.linspace(-1, 1, N_PARAMETERS).astype(dtype)
    slots = {name: np.zeros_like(theta) for name in optimizer.slot_names}
    work = np.full_like(theta, np.nan)
    thetas = []
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        optimizer.step(theta, gradient.astype(dtype), rate, slots, t, work)
        thetas.append(theta.copy())
    return np.array(thetas)


def textbook_adam(gradients, rates, beta_1, beta_2, epsilon, epsilon_hat):
    """Kingma and Ba's Algorithm 1; with `epsilon_hat`, the reordered one at the end of their section 2."""
    theta = np.linspace(-1, 1, N_PARAMETERS)
    m, v = np.zeros(N_PARAMETERS), np.zeros(N_PARAMETERS)
    thetas = []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        if epsilon_hat:
            rate_t = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            theta = theta - rate_t * m / (np.sqrt(v) + epsilon)
        else:
            m_hat = m / (1 - beta_1**t)
            v_hat = v / (1 - beta_2**t)
            theta = theta - rate * m_hat / (np.sqrt(v_hat) + epsilon)
        thetas.append(theta)
    return np.array(thetas)


def textbook_sgd(gradients, rates, momentum, nesterov):
    theta = np.linspace(-1, 1, N_PARAMETERS)
    velocity = np.zeros(N_PARAMETERS)
    thetas = []
    for g, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity - rate * g
        theta = theta + (momentum * velocity - rate * g if nesterov else velocity)
        thetas.append(theta)
    return np.array(thetas)


@pytest.mark.parametrize("beta_1", [0, 0.5, 0.9])
@pytest.mark.parametrize("beta_2", [0, 0.9, 0.999])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_adam_takes_the_steps_of_the_textbook(beta_1, beta_2, epsilon):
    gradients, rates = gradients_and_rates()
    expected = textbook_adam(gradients, rates, beta_1, beta_2, epsilon, epsilon_hat=True)
    ours = path(Adam(beta_1, beta_2, epsilon), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_adam_with_a_tiny_epsilon_is_algorithm_1_with_corrected_moments():
    gradients, rates = gradients_and_rates()
    # Where epsilon vanishes beside sqrt(v), the two forms of the paper are one.
    expected = textbook_adam(gradients, rates, 0.9, 0.999, 1e-100, epsilon_hat=False)
    ours = path(Adam(0.9, 0.999, 1e-100), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("momentum", [0, 0.5, 0.9, 1])
@pytest.mark.parametrize("nesterov", [False, True], ids=["classical", "nesterov"])
def test_sgd_takes_the_steps_of_the_textbook(momentum, nesterov):
    gradients, rates = gradients_and_rates()
    expected = textbook_sgd(gradients, rates, momentum, nesterov)
    ours = path(SGD(momentum, nesterov), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("optimizer", [Adam(), SGD(), SGD(nesterov=False)], ids=repr)
def test_float32_steps_stay_close_to_the_float64_ones(optimizer):
    gradients, rates = gradients_and_rates()
    exact, rough = (path(optimizer, gradients, rates, t) for t in (np.float64, np.float32))
    assert rough.dtype == np.float32
    np.testing.assert_allclose(rough, exact, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_subnormal_numbers_become_zero_and_no_others(dtype):
    tiny = np.finfo(dtype).tiny
    values = np.array([tiny / 2, -tiny / 4, tiny, -tiny, 0, 1, -1e30, np.inf, np.nan], dtype)
    other = np.array([[tiny / 8, 3]], dtype)
    flush_subnormals(values, other)
    np.testing.assert_array_equal(
        values, np.array([0, 0, tiny, -tiny, 0, 1, -1e30, np.inf, np.nan], dtype)
    )
    np.testing.assert_array_equal(other, [[0, 3]])
