"""Fixtures for the tests of the engine: the sets of kernels, and factories of configurations and states."""

import numpy as np
import pytest

from skmlp.engine.backend_choice import KERNEL_SETS, load_kernels
from skmlp.engine.config import NetworkConfig, TrainingConfig
from skmlp.engine.optimizers import SGD
from skmlp.engine.schedules import Constant
from skmlp.engine.state import TrainState, Weights
from skmlp.engine.stochastic import StochasticSolver
from skmlp.engine.stopping import StoppingRule
from skmlp.engine.update import Update


@pytest.fixture(params=KERNEL_SETS, scope="session")
def kernels(request):
    """Each set of kernels, one after the other."""
    pytest.importorskip(request.param)
    return load_kernels(request.param)


@pytest.fixture(scope="session")
def make_config():
    """The factory of training configurations, see `training_config`."""
    return training_config


@pytest.fixture(scope="session")
def make_state():
    """The factory of states, see `training_state`."""
    return training_state


def training_config(
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
        One for all hidden layers, or one for each.
    out_activation : str
    dropout : float
        Of each hidden layer.
    input_dropout, batch_norm
        As in NetworkConfig.
    solver : StochasticSolver or LBFGS, default=None
        None for a StochasticSolver at a constant rate.
    update : Update, default=None
        Of that StochasticSolver; None for plain gradient descent.
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


def training_state(config, theta=None, dtype=np.float64, *, seed=0):
    """Return a new TrainState that is ready for the solver, with copies of the parameters or with random ones."""
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
