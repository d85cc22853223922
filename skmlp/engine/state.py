"""The state of a training: plain records of everything that changes, and that training needs to continue exactly."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from skmlp.engine.stopping import Plateau


@dataclass
class Weights:
    """Everything that a network has learned.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
        The parameters.
    statistics : ndarray of shape (n_statistics,)
        Running means and variances of batch normalization; empty without it.
    """

    theta: np.ndarray
    statistics: np.ndarray

    def copy(self):
        """Return a copy with arrays of its own."""
        return Weights(self.theta.copy(), self.statistics.copy())

    def assign(self, other):
        """Copy the numbers of other weights into these arrays."""
        self.theta[...] = other.theta
        self.statistics[...] = other.statistics


@dataclass
class TrainState:
    """Everything that changes while a network trains, and that training needs to continue exactly.

    Attributes
    ----------
    weights : Weights
        What the solver moves.
    random_state : RandomState
        Draws what scikit-learn draws: initial weights and shuffles.
    generator : Generator
        Draws what scikit-learn does not draw: dropout masks and augmentation.
    average : Weights or None
        Exponential moving averages of `weights`, if prediction uses them.
    best : Weights or None
        The prediction weights of the best epoch, if the validation set decides when to stop.
    plateau : Plateau
    optimizer_arrays : dict of str to ndarray
        The state of the optimizer.
    order : ndarray of shape (n_samples,) or None
        The permutation of the samples in the last epoch, which the next epoch permutes.
    step, epoch, samples_seen : int
        Numbers of optimizer steps, epochs and samples so far.
    n_epochs : int
        Number of epochs after which the training ends at the latest.
    stopped : bool
        Whether a rule or a callback has ended the training.
    loss : float
        Training loss of the last epoch; NaN before the first one.
    rate_divisor : float
        By what plateaus have divided the learning rate.
    monitor : str
        The quantity of an EpochReport that `plateau` and `best` refer to.
    holdout_seed : int or None
        Decides which samples early stopping holds out, the same ones in each call of `fit`.
    kernels : str or None
        Name of the set of kernels that the training began with.
    """

    weights: Weights
    random_state: np.random.RandomState
    generator: np.random.Generator
    average: Weights | None = None
    best: Weights | None = None
    plateau: Plateau = field(default_factory=Plateau)
    optimizer_arrays: dict = field(default_factory=dict)
    order: np.ndarray | None = None
    step: int = 0
    epoch: int = 0
    samples_seen: int = 0
    n_epochs: int = 0
    stopped: bool = False
    loss: float = np.nan
    rate_divisor: float = 1.0
    monitor: str = "loss"
    holdout_seed: int | None = None
    kernels: str | None = None

    # What a file stores as numbers, and what as weights.
    counters: ClassVar = (
        "step",
        "epoch",
        "samples_seen",
        "n_epochs",
        "loss",
        "rate_divisor",
        "holdout_seed",
    )
    all_weights: ClassVar = ("weights", "average", "best")

    @property
    def prediction_weights(self):
        """The weights that validation and prediction use: the averages if there are any."""
        return self.weights if self.average is None else self.average

    @property
    def ended(self):
        """Whether no epoch is left."""
        return self.stopped or self.epoch >= self.n_epochs

    def begin_monitoring(self, monitor):
        """Monitor a quantity from now on, and forget the best epoch by another one."""
        self.monitor, self.best, self.plateau = monitor, None, Plateau()

    def trained_weights(self):
        """Return the weights that a step changes."""
        return [self.weights] if self.average is None else [self.weights, self.average]

    def make_writable(self):
        """Replace read-only arrays, which come from memory-mapped pickles, by copies."""
        for weights in self.trained_weights():
            weights.theta = np.require(weights.theta, requirements="W")
            weights.statistics = np.require(weights.statistics, requirements="W")
        for name, array in self.optimizer_arrays.items():
            self.optimizer_arrays[name] = np.require(array, requirements="W")
