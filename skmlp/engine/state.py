"""State of a training run: everything that changes and is needed to resume bit for bit."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import numpy as np

from skmlp.engine.stopping import Plateau


@dataclass
class Weights:
    """Parameters and running statistics of a network.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
        Parameters.
    statistics : ndarray of shape (n_statistics,)
        Running means and variances of batch normalization; empty without batch normalization.
    """

    theta: np.ndarray
    statistics: np.ndarray

    def copy(self):
        """Return a copy that shares no arrays with this object."""
        return Weights(self.theta.copy(), self.statistics.copy())

    def assign(self, other):
        """Copy the values of other weights into the existing arrays."""
        self.theta[...] = other.theta
        self.statistics[...] = other.statistics


@dataclass
class TrainState:
    """State of a training run.

    Attributes
    ----------
    weights : Weights
        Current weights.
    random_state : RandomState
        Random stream of the numbers that scikit-learn draws as well: initial weights and shuffles.
    generator : Generator
        Random stream of dropout masks and augmentation.
    average : Weights or None
        Exponential moving average of `weights`; None if it is not used.
    best : Weights or None
        Prediction weights of the best epoch; None if the training loss is monitored.
    plateau : Plateau
        Counter of the epochs without improvement.
    optimizer_arrays : dict of str to ndarray
        Optimizer state.
    order : ndarray of shape (n_samples,) or None
        Permutation of the samples in the last epoch, which is the input of the next shuffle.
    step : int
        Number of optimizer steps so far.
    epoch : int
        Number of complete epochs so far.
    samples_seen : int
        Number of samples in these epochs.
    n_epochs : int
        Maximum number of epochs, counted like `epoch`.
    stopped : bool
        Whether the stopping rule or a callback has stopped training.
    loss : float
        Training loss of the last epoch; NaN before the first epoch.
    rate_divisor : float
        Factor by which plateaus have reduced the learning rate.
    monitor : str
        Monitored quantity, a field of EpochReport, to which `plateau` and `best` refer.
    holdout_seed : int or None
        Seed of the early-stopping split, so that each call to `fit` holds out the same samples; None before the first
        split.
    kernels : str or None
        Name of the kernel set with which the training began.
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

    # Names of the fields that files store as numbers and as weights.
    number_fields: ClassVar = (
        "step",
        "epoch",
        "samples_seen",
        "n_epochs",
        "loss",
        "rate_divisor",
        "holdout_seed",
    )
    weight_fields: ClassVar = ("weights", "average", "best")

    @property
    def prediction_weights(self):
        """Weights for validation and prediction: `average`, or `weights` if it is None."""
        return self.weights if self.average is None else self.average

    @property
    def ended(self):
        """Whether training was stopped or has reached the maximum number of epochs."""
        return self.stopped or self.epoch >= self.n_epochs

    @property
    def progress(self):
        """Complete fraction of the training run."""
        return min(1.0, self.epoch / self.n_epochs) if self.n_epochs else 0.0

    def begin_monitoring(self, monitor):
        """Set the monitored quantity, and reset the best epoch."""
        self.monitor, self.best, self.plateau = monitor, None, Plateau()

    def without_streams(self):
        """Return a state that shares what a step changes, without random streams, order and the best weights."""
        return replace(self, random_state=None, generator=None, order=None, best=None)

    def assign_step(self, other):
        """Copy what a step changes from another state into the existing arrays."""
        for weights, others in zip(self.trained_weights(), other.trained_weights(), strict=True):
            weights.assign(others)
        for name, array in self.optimizer_arrays.items():
            array[...] = other.optimizer_arrays[name]
        self.step = other.step

    def trained_weights(self):
        """Return a list of the Weights that a step changes."""
        return [self.weights] if self.average is None else [self.weights, self.average]

    def make_writable(self):
        """Replace read-only arrays, such as those of memory-mapped pickles, with copies."""
        self.convert_arrays(partial(np.require, requirements="W"))

    def convert_arrays(self, convert):
        """Replace each array that a step changes with ``convert(array)``."""
        for weights in self.trained_weights():
            weights.theta = convert(weights.theta)
            weights.statistics = convert(weights.statistics)
        for name, array in self.optimizer_arrays.items():
            self.optimizer_arrays[name] = convert(array)
