"""Training of a network as a function of configuration, data and state."""

from copy import deepcopy

import numpy as np

from skmlp.engine.backend_choice import make_backend
from skmlp.engine.batches import Batches, extract_fixed_features
from skmlp.engine.evaluation import evaluate
from skmlp.engine.initialization import draw_parameters
from skmlp.engine.state import TrainState, Weights

VALIDATION_BATCH_SIZE = 1024


def make_initial_state(config, dtype, random_state, generator):
    """Return the state of a new training run, with randomly initialized weights.

    Parameters
    ----------
    config : TrainingConfig
    dtype : dtype
        Type of the weights.
    random_state : RandomState
        Random stream of the initial weights and of the shuffles.
    generator : Generator
        Random stream of dropout and augmentation.

    Returns
    -------
    state : TrainState
    """
    layout = config.network.layout
    theta = draw_parameters(layout, config.initializers, random_state, dtype)
    return TrainState(Weights(theta, layout.initial_statistics(dtype)), random_state, generator)


class Trainer:
    """Trainer of a network, which yields a report after each epoch.

    The constructor prepares the state. It holds out a validation set if the stopping rule requires one and the data
    contain none.

    Parameters
    ----------
    config : TrainingConfig
    data : TrainingData
    state : TrainState
        Changed in place.

    Attributes
    ----------
    batches : Batches
        Batches of the training samples.
    validation : Batches or None
        Batches of the validation set.
    backend : Backend
    convergence_message : str
        Explanation, set after the last epoch, if the result may not have converged; otherwise empty.
    """

    def __init__(self, config, data, state):
        self.config = config
        self.state = state
        if config.solver.monitors_validation and data.validation is None:
            data = self._hold_out(data)
        state.make_writable()
        config.solver.prepare(state, len(data.samples))
        dtype = state.weights.theta.dtype
        data = extract_fixed_features(data, dtype, is_augmented=config.augmentation is not None)
        self.batches = Batches(data.samples, config.solver.batch_size, dtype)
        self.validation = None
        if data.validation is not None:
            self.validation = Batches(data.validation, VALIDATION_BATCH_SIZE, dtype)
        self.backend = make_backend(config, state, data)
        self.convergence_message = ""

    def epochs(self, on_epoch_begin=lambda: None):
        """Train, and yield an EpochReport after each epoch.

        When the generator ends, is closed or raises an exception, it restores the weights of the best epoch if the
        monitored quantity is measured on the validation set.

        Parameters
        ----------
        on_epoch_begin : callable
            Called without arguments before each epoch.

        Yields
        ------
        report : EpochReport
        """
        try:
            self.convergence_message = yield from self.config.solver.epochs(self, on_epoch_begin)
        finally:
            if self.state.best is not None:
                self.state.prediction_weights.assign(self.state.best)

    def train_epoch(self):
        """Train for one epoch, and return an EpochReport without validation."""
        return self.config.solver.train_epoch(self)

    def evaluate(self):
        """Return the Evaluation of the network on the validation set."""
        return evaluate(
            self.backend,
            self.validation,
            self.state.prediction_weights,
            self.config.network.loss_name,
        )

    def augmentation(self):
        """Return the function that augments the features of a batch in the next epoch, or None."""
        if self.config.augmentation is None:
            return None
        return self.config.augmentation.at(self.state.progress, self.state.generator)

    def _hold_out(self, data):
        """Return the data with a held-out validation set.

        After a warm start, the validation set consists of the same samples again.
        If an exception is raised, the state is unchanged.
        """
        state = self.state
        seed = state.holdout_seed
        if seed is None:
            seed = deepcopy(state.random_state).randint(2**31)
        data = data.hold_out(self.config.validation_fraction, np.random.RandomState(seed))
        if state.holdout_seed is None:
            state.holdout_seed = state.random_state.randint(2**31)
        return data
