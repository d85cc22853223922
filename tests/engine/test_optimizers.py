"""Optimizers: agreement with textbook implementations and PyTorch, state and penalties."""

import dataclasses

import numpy as np
import pytest

from skmlp.engine import optimizers
from skmlp.engine.optimizers import SGD, Adam, NAdam, Optimizer, RMSprop
from skmlp.engine.parameters import BLOCK_SIZE
from skmlp.engine.reference.optimizers import UPDATE_RULES
from skmlp.engine.update import Update

LAYER_SIZES = (3, 2, 1)
N_STEPS, N_PARAMETERS, N_WEIGHTS = 300, 11, 8


def draw_gradients_and_rates(seed=0):
    """Return gradients of different magnitudes, some of them zero, and a learning rate for each step."""
    rng = np.random.default_rng(seed)
    gradients = rng.normal(size=(N_STEPS, N_PARAMETERS)) * np.logspace(-6, 3, N_PARAMETERS)
    gradients[:, 3] = 0
    gradients[100:, 5] = 0
    return gradients, rng.uniform(1e-4, 1e-1, N_STEPS)


@pytest.fixture
def begin(make_updater, make_config, make_state):
    """Return a factory of a state and of the function with which each backend updates it, see `make_updater`."""

    def make(update, dtype=np.float64, alpha=0.0):
        config = make_config(LAYER_SIZES, update=update, alpha=alpha)
        state = make_state(config, np.linspace(-1, 1, N_PARAMETERS), dtype)
        return state, make_updater(config, state)

    return make


@pytest.fixture
def run_optimizer(begin):
    """Return a function that returns the parameters after each step of an optimizer."""

    def run(optimizer, gradients, rates, dtype=np.float64):
        state, apply = begin(Update(optimizer), dtype)
        thetas = []
        for gradient, rate in zip(gradients, rates, strict=True):
            apply(gradient.astype(dtype), rate, 1.0)
            thetas.append(state.weights.theta.copy())
        return np.array(thetas)

    return run


def run_textbook_adam(gradients, rates, beta_1, beta_2, epsilon, reordered):
    """Return the steps of Kingma and Ba's Algorithm 1, or of its reordered form in their section 2."""
    theta = np.linspace(-1, 1, N_PARAMETERS)
    m, v = np.zeros(N_PARAMETERS), np.zeros(N_PARAMETERS)
    thetas = []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = beta_1 * m + (1 - beta_1) * g
        v = beta_2 * v + (1 - beta_2) * g**2
        if reordered:
            rate_t = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
            theta = theta - rate_t * m / (np.sqrt(v) + epsilon)
        else:
            m_hat = m / (1 - beta_1**t)
            v_hat = v / (1 - beta_2**t)
            theta = theta - rate * m_hat / (np.sqrt(v_hat) + epsilon)
        thetas.append(theta)
    return np.array(thetas)


def run_textbook_sgd(gradients, rates, momentum, nesterov):
    theta = np.linspace(-1, 1, N_PARAMETERS)
    velocity = np.zeros(N_PARAMETERS)
    thetas = []
    for g, rate in zip(gradients, rates, strict=True):
        velocity = momentum * velocity - rate * g
        theta = theta + (momentum * velocity - rate * g if nesterov else velocity)
        thetas.append(theta)
    return np.array(thetas)


def run_textbook_nadam(gradients, rates, beta_1, beta_2, epsilon):
    """Return the steps of Dozat's Algorithm 2 with mu_t = beta_1 for all t."""
    theta = np.linspace(-1, 1, N_PARAMETERS)
    m, n = np.zeros(N_PARAMETERS), np.zeros(N_PARAMETERS)
    thetas = []
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        g_hat = g / (1 - beta_1**t)
        m = beta_1 * m + (1 - beta_1) * g
        m_hat = m / (1 - beta_1 ** (t + 1))
        n = beta_2 * n + (1 - beta_2) * g**2
        n_hat = n / (1 - beta_2**t)
        m_bar = (1 - beta_1) * g_hat + beta_1 * m_hat
        theta = theta - rate * m_bar / (np.sqrt(n_hat) + epsilon)
        thetas.append(theta)
    return np.array(thetas)


def run_textbook_rmsprop(gradients, rates, decay, epsilon):
    theta, v = np.linspace(-1, 1, N_PARAMETERS), np.zeros(N_PARAMETERS)
    thetas = []
    for g, rate in zip(gradients, rates, strict=True):
        v = decay * v + (1 - decay) * g**2
        theta = theta - rate * g / (np.sqrt(v) + epsilon)
        thetas.append(theta)
    return np.array(thetas)


@pytest.mark.parametrize("beta_1", [0, 0.5, 0.9])
@pytest.mark.parametrize("beta_2", [0, 0.9, 0.999])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_nadam_steps_equal_the_textbook_steps(run_optimizer, beta_1, beta_2, epsilon):
    gradients, rates = draw_gradients_and_rates()
    expected = run_textbook_nadam(gradients, rates, beta_1, beta_2, epsilon)
    ours = run_optimizer(NAdam(beta_1, beta_2, epsilon), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("decay", [0, 0.9, 0.999])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_rmsprop_steps_equal_the_textbook_steps(run_optimizer, decay, epsilon):
    gradients, rates = draw_gradients_and_rates()
    expected = run_textbook_rmsprop(gradients, rates, decay, epsilon)
    ours = run_optimizer(RMSprop(decay, epsilon), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("beta_1", [0, 0.5, 0.9])
@pytest.mark.parametrize("beta_2", [0, 0.9, 0.999])
@pytest.mark.parametrize("epsilon", [1e-8, 1e-2])
def test_adam_steps_equal_the_textbook_steps(run_optimizer, beta_1, beta_2, epsilon):
    gradients, rates = draw_gradients_and_rates()
    expected = run_textbook_adam(gradients, rates, beta_1, beta_2, epsilon, reordered=True)
    ours = run_optimizer(Adam(beta_1, beta_2, epsilon), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_adam_with_a_tiny_epsilon_equals_algorithm_1(run_optimizer):
    gradients, rates = draw_gradients_and_rates()
    # The two forms of the paper differ only in epsilon, which is negligible here.
    expected = run_textbook_adam(gradients, rates, 0.9, 0.999, 1e-100, reordered=False)
    ours = run_optimizer(Adam(0.9, 0.999, 1e-100), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-9, atol=1e-12)


def test_adam_keeps_its_moments_when_beta_1_changes(make_updater, make_config, make_state):
    gradients, rates = draw_gradients_and_rates()
    theta = np.linspace(-1, 1, N_PARAMETERS)
    expected, total, squares = theta.copy(), 0, 0
    betas = [0.9, 0.5, 0, 0.99]
    configs = [make_config(LAYER_SIZES, update=Update(Adam(beta))) for beta in betas]
    state = make_state(configs[0], theta)
    updaters = [make_updater(config, state) for config in configs]
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        beta_1, apply = betas[t // 7 % 4], updaters[t // 7 % 4]
        total = beta_1 * total + g
        squares = 0.999 * squares + 0.001 * g**2
        corrected = rate * np.sqrt(1 - 0.999**t) / (1 - beta_1**t)
        expected -= corrected * (1 - beta_1) * total / (np.sqrt(squares) + 1e-8)
        apply(g.copy(), rate, 1.0)
    np.testing.assert_allclose(state.weights.theta, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("momentum", [0, 0.5, 0.9, 1])
@pytest.mark.parametrize("nesterov", [False, True], ids=["classical", "nesterov"])
def test_sgd_steps_equal_the_textbook_steps(run_optimizer, momentum, nesterov):
    gradients, rates = draw_gradients_and_rates()
    expected = run_textbook_sgd(gradients, rates, momentum, nesterov)
    ours = run_optimizer(SGD(momentum, nesterov), gradients, rates)
    np.testing.assert_allclose(ours, expected, rtol=1e-10, atol=1e-12)


EVERY_OPTIMIZER = [Adam(), SGD(), SGD(nesterov=False), NAdam(), RMSprop()]
every_optimizer = pytest.mark.parametrize("optimizer", EVERY_OPTIMIZER, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def test_all_optimizers_are_tested():
    defined = {
        value
        for value in vars(optimizers).values()
        if isinstance(value, type) and issubclass(value, Optimizer)
    }
    assert {type(optimizer) for optimizer in EVERY_OPTIMIZER} == defined - {Optimizer}


@every_optimizer
def test_float32_and_float64_steps_agree(run_optimizer, optimizer):
    gradients, rates = draw_gradients_and_rates()
    steps_64, steps_32 = (
        run_optimizer(optimizer, gradients, rates, t) for t in (np.float64, np.float32)
    )
    assert steps_32.dtype == np.float32
    np.testing.assert_allclose(steps_32, steps_64, rtol=1e-3, atol=1e-3)


# State


class RecordingDict(dict):
    """Dict that records the keys that are looked up."""

    def __init__(self, *args):
        super().__init__(*args)
        self.used = set()

    def __getitem__(self, name):
        self.used.add(name)
        return super().__getitem__(name)


@every_optimizer
@every_dtype
def test_allocate_returns_the_declared_arrays(optimizer, dtype):
    theta = np.arange(5, dtype=dtype)
    arrays = optimizer.allocate(theta)
    assert list(arrays) == [declared.name for declared in optimizer.state_arrays]
    for declared, array in zip(optimizer.state_arrays, arrays.values(), strict=True):
        assert array.shape == ((1,) if declared.is_scalar else theta.shape)
        assert array.dtype == (np.float64 if declared.is_scalar else dtype)
        np.testing.assert_array_equal(array, declared.initial)
    second = optimizer.allocate(theta)
    assert not any(np.shares_memory(arrays[name], second[name]) for name in arrays)


@every_optimizer
@every_dtype
def test_step_changes_the_declared_arrays_in_place(
    make_updater, make_config, make_state, optimizer, dtype
):
    config, rng = make_config(LAYER_SIZES, update=Update(optimizer)), np.random.default_rng(0)
    state = make_state(config, dtype=dtype)
    arrays = state.optimizer_arrays = RecordingDict(state.optimizer_arrays)
    before = {name: array.copy() for name, array in arrays.items()}
    same_arrays = dict(arrays)
    apply = make_updater(config, state)
    for _ in range(3):
        apply(rng.normal(size=N_PARAMETERS).astype(dtype), 0.1, 1.0)
    assert arrays.used == set(before)
    assert set(arrays) == set(before)
    for name, array in arrays.items():
        assert array is same_arrays[name]
        assert (array != before[name]).all()


@every_optimizer
def test_step_depends_only_on_the_declared_arrays(
    make_updater, make_config, make_state, run_optimizer, optimizer
):
    gradients, rates = draw_gradients_and_rates()
    expected = run_optimizer(optimizer, gradients[:60], rates[:60])
    theta, arrays = np.linspace(-1, 1, N_PARAMETERS), {}
    for t in range(1, 61):
        # Continue with a new optimizer and copies of the arrays.
        config = make_config(LAYER_SIZES, update=Update(dataclasses.replace(optimizer)))
        state = make_state(config, theta)
        state.optimizer_arrays |= {name: array.copy() for name, array in arrays.items()}
        state.step = t - 1
        make_updater(config, state)(gradients[t - 1].copy(), rates[t - 1], 1.0)
        theta, arrays = state.weights.theta, state.optimizer_arrays
        np.testing.assert_array_equal(theta, expected[t - 1])


@every_optimizer
@every_dtype
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_penalty_adds_to_the_gradient_and_decay_scales_the_weights(
    begin, optimizer, dtype, l2, weight_decay
):
    n_steps, total_weight = 30, 2.0
    gradients, rates = draw_gradients_and_rates()
    is_weight = np.arange(N_PARAMETERS) < N_WEIGHTS
    state, apply = begin(Update(optimizer, weight_decay=weight_decay), dtype, l2 * total_weight)
    plain, apply_plain = begin(Update(optimizer), dtype)
    expected = state.weights.theta.copy()
    for g, rate in zip(gradients[:n_steps], rates[:n_steps], strict=True):
        penalty = apply(g.astype(dtype), rate, total_weight)
        assert penalty == pytest.approx(l2 / 2 * np.sum(expected[:N_WEIGHTS] ** 2), rel=1e-4)
        # A step from zero without a penalty equals the change of theta.
        plain.weights.theta[...] = 0
        apply_plain((g + l2 * is_weight * expected).astype(dtype), rate, total_weight)
        kept = np.where(is_weight, (1 - rate * weight_decay) * expected, expected)
        expected = kept.astype(dtype) + plain.weights.theta
        tolerance = 1e-4 if dtype == np.float32 else 1e-12
        np.testing.assert_allclose(state.weights.theta, expected, rtol=tolerance, atol=tolerance)


@every_optimizer
@every_dtype
def test_blocks_of_the_reference_do_not_change_the_steps(optimizer, dtype):
    n = 2 * BLOCK_SIZE + 5
    rng, apply_rule = np.random.default_rng(0), UPDATE_RULES[optimizer.kernel]
    start, gradient = rng.normal(size=(2, n)).astype(dtype)
    selected = [0, BLOCK_SIZE - 1, BLOCK_SIZE, 2 * BLOCK_SIZE, n - 1]
    results = []
    for indices in (slice(None), selected):
        theta = start[indices].copy()
        arrays, work = optimizer.allocate(theta), np.empty_like(theta)
        for t in (1, 2, 3):
            coefficients = optimizer.coefficients(0.1, t, arrays)
            moments = optimizer.moments(arrays)
            apply_rule(theta, gradient[indices].copy(), moments, work, coefficients)
        results.append(theta)
    tolerance = 30 * np.finfo(dtype).eps
    np.testing.assert_allclose(results[0][selected], results[1], rtol=tolerance, atol=tolerance)


# PyTorch

PYTORCH_GRADIENTS = np.array(
    [
        [0.5, -1.0, 0.25],
        [-0.75, 0.5, 1.5],
        [1.25, -0.125, -2.0],
        [0.0625, 3.0, 0.5],
        [-0.5, 0.75, -1.0],
    ]
)
# Two weights and a bias after each step of torch.optim 2.13.0 in float64, starting at (1, -2, 0.5), with lr=0.1.
# PyTorch adds epsilon after Adam's bias correction, but skmlp and scikit-learn add it before, so epsilon is negligible
# here. PyTorch's SGD multiplies the velocity by the learning rate, but skmlp multiplies the gradient that is added to
# the velocity, which is equivalent at a constant rate. AdamW decays the weights but not the bias, which is in a
# separate parameter group. PyTorch's NAdam does not support a constant beta_1.
PYTORCH = {
    # torch.optim.SGD(momentum=0.9)
    "sgd, classical": (
        Update(SGD(0.9, nesterov=False)),
        [
            [0.95, -1.9, 0.475],
            [0.98, -1.8599999999999999, 0.30249999999999994],
            [0.882, -1.8114999999999999, 0.3472499999999999],
            [0.78755, -2.06785, 0.33752499999999985],
            [0.752545, -2.373565, 0.42877249999999983],
        ],
    ),
    # torch.optim.SGD(momentum=0.9, nesterov=True)
    "sgd, nesterov": (
        Update(SGD(0.9)),
        [
            [0.905, -1.81, 0.4525],
            [1.0070000000000001, -1.824, 0.14724999999999996],
            [0.7938000000000001, -1.7678500000000001, 0.38752499999999995],
            [0.7025450000000001, -2.298565, 0.3287724999999999],
            [0.7210405000000001, -2.6487085, 0.5108952499999999],
        ],
    ),
    # torch.optim.Adam(eps=1e-30)
    "adam": (
        Update(Adam(epsilon=1e-30)),
        [
            [0.9, -1.9, 0.4],
            [0.9247701816134161, -1.8733662960339599, 0.3155874745368732],
            [0.8841384280805946, -1.8458018302236148, 0.32696763037666343],
            [0.8485261912071815, -1.8923054763687657, 0.32476005981051725],
            [0.83673631344742, -1.9430165404463446, 0.3428781527348156],
        ],
    ),
    # torch.optim.AdamW(eps=1e-30, weight_decay=0.3)
    "adamw": (
        Update(Adam(epsilon=1e-30), weight_decay=0.3),
        [
            [0.87, -1.8399999999999999, 0.4],
            [0.868670181613416, -1.7581662960339597, 0.3155874745368732],
            [0.801978322632192, -1.6778568413425958, 0.32696763037666343],
            [0.7423067360798131, -1.6740247822474688, 0.32476005981051725],
            [0.7082476562376572, -1.6745151028576237, 0.3428781527348156],
        ],
    ),
    # torch.optim.RMSprop(alpha=0.9, eps=1e-3)
    "rmsprop": (
        Update(RMSprop(0.9, epsilon=1e-3)),
        [
            [0.6857596643697368, -1.6847690816739789, 0.1877222695462894],
            [0.9520719070725447, -1.8317775335545445, -0.12397619926493392],
            [0.6903336430810212, -1.7933317827125068, 0.13228195933909986],
            [0.676553518954622, -2.093850354379941, 0.06624735090829038],
            [0.7856004680715047, -2.1706653353393484, 0.19363902968286617],
        ],
    ),
}


@pytest.mark.parametrize("name", PYTORCH)
def test_steps_equal_those_of_pytorch(make_updater, make_config, make_state, name):
    update, expected = PYTORCH[name]
    config = make_config((2, 1), update=update)
    state = make_state(config, [1.0, -2.0, 0.5])
    apply = make_updater(config, state)
    for gradient, theta in zip(PYTORCH_GRADIENTS, expected, strict=True):
        apply(gradient.copy(), 0.1, 1.0)
        np.testing.assert_allclose(state.weights.theta, theta, rtol=1e-12)
