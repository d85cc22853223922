"""Fixtures for the tests of the engine: backends, and factories of configurations and states."""

import importlib

import numpy as np
import pytest

from skmlp.engine.backend_choice import KERNEL_SETS
from skmlp.engine.config import NetworkConfig, TrainingConfig
from skmlp.engine.optimizers import SGD
from skmlp.engine.reference.backend import ReferenceBackend
from skmlp.engine.reference.updater import Updater
from skmlp.engine.schedules import Constant
from skmlp.engine.state import TrainState, Weights
from skmlp.engine.stochastic import StochasticSolver
from skmlp.engine.stopping import StoppingRule
from skmlp.engine.update import Update


@pytest.fixture(params=KERNEL_SETS, scope="session")
def backend_class(request):
    """Return the class of each backend, whose arguments are a configuration and a state."""
    return ReferenceBackend if request.param == "numpy" else import_compiled_backend()


@pytest.fixture(scope="session")
def compiled_backend():
    """Return the class of the compiled backend."""
    return import_compiled_backend()


@pytest.fixture(scope="session")
def make_updater(backend_class):
    """Return a factory of the function with which a backend updates a state, given the configuration and the state.

    The arguments of the function are the gradient, the learning rate and the total weight of the samples. It returns
    the L2 penalty before the step.
    """
    if backend_class is ReferenceBackend:
        return lambda config, state: Updater(config, state).apply
    return make_compiled_updater


def make_compiled_updater(config, state):
    gradient_buffer = np.empty_like(state.weights.theta)
    module = importlib.import_module("skmlp.engine.compiled.updater")
    updater = module.Updater(config, state, gradient_buffer, n_steps=1)

    def update(gradient, rate, total_weight):
        gradient_buffer[...] = gradient
        updater.prepare([rate], [total_weight])
        updater.apply()
        (penalty,) = updater.penalties(n_steps=1)
        return penalty

    return update


def import_compiled_backend():
    pytest.importorskip("numba")
    return importlib.import_module("skmlp.engine.compiled.backend").CompiledBackend


@pytest.fixture(scope="session")
def make_config():
    """Return a factory of training configurations, see `build_config`."""
    return build_config


@pytest.fixture(scope="session")
def make_state():
    """Return a factory of states, see `build_state`."""
    return build_state


def build_config(
    layer_sizes,
    activations="tanh",
    out_activation="softmax",
    *,
    dropout=0.0,
    input_dropout=0.0,
    batch_norm=False,
    solver=None,
    update=None,
    **training,
):
    """Return a TrainingConfig.

    Parameters
    ----------
    layer_sizes : tuple of int
    activations : str or tuple of str
        Activation function of all hidden layers or of each hidden layer.
    out_activation : str
    dropout : float
        Dropout rate of all hidden layers.
    input_dropout : float
    batch_norm : bool
    solver : StochasticSolver or LBFGS, default=None
        None for a StochasticSolver with a constant learning rate.
    update : Update, default=None
        Update of the default solver; None for plain gradient descent.
    **training
        Further fields of TrainingConfig.
    """
    n_hidden = len(layer_sizes) - 2
    if isinstance(activations, str):
        activations = (activations,) * n_hidden
    network = NetworkConfig(
        layer_sizes, activations, out_activation, (dropout,) * n_hidden, input_dropout, batch_norm
    )
    if solver is None:
        solver = StochasticSolver(
            update or Update(SGD(momentum=0.0, nesterov=False)),
            Constant(0.1),
            StoppingRule(tolerance=0.0, patience=np.inf),
            batch_size=8,
            max_epochs=10,
        )
    return TrainingConfig(network, solver, **training)


def build_state(config, theta=None, dtype=np.float64, *, seed=0):
    """Return a new TrainState that is prepared for the solver, with given or random parameters."""
    layout = config.network.layout
    if theta is None:
        theta = np.random.default_rng(seed).normal(0, 0.6, layout.n_parameters)
    state = TrainState(
        Weights(np.array(theta, dtype), layout.initial_statistics(dtype)),
        np.random.RandomState(seed),
        np.random.default_rng(seed),
    )
    config.solver.prepare(state, n_samples=0)
    return state
