"""Learning-rate schedules: pure functions of the position in the training.

A schedule is any callable that takes a `Position` and gives the learning rate of that step. The ones here are frozen
dataclasses; the names that `learning_rate` takes stand for them.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple


class Position(NamedTuple):
    """Where the training stands before a step.

    Attributes
    ----------
    step : int
        Optimizer steps so far.
    epoch : float
        Epochs so far, with the part of the current one that is over.
    steps_per_epoch : int
    n_epochs : int
        Epochs at which the training will end at the latest.
    samples_seen : int
        Samples before the current epoch.
    """

    step: int
    epoch: float
    steps_per_epoch: int
    n_epochs: int
    samples_seen: int


@dataclass(frozen=True)
class Constant:
    """The same rate always."""

    initial_rate: float

    def __call__(self, position):
        """Give the learning rate of a step."""
        return self.initial_rate


@dataclass(frozen=True)
class InverseScaling:
    """Rate ``initial_rate / (samples_seen + 1) ** power``, the same within an epoch, as scikit-learn has it."""

    initial_rate: float
    power: float = 0.5

    def __call__(self, position):
        """Give the learning rate of a step."""
        return self.initial_rate / (position.samples_seen + 1) ** self.power


@dataclass(frozen=True)
class StepDecay:
    """Rate multiplied by `factor` after every `every` epochs."""

    initial_rate: float
    factor: float = 0.1
    every: float = 30

    def __call__(self, position):
        """Give the learning rate of a step."""
        return self.initial_rate * self.factor ** (position.epoch // self.every)


@dataclass(frozen=True)
class Exponential:
    """Rate multiplied by `factor` with every epoch, smoothly from step to step."""

    initial_rate: float
    factor: float = 0.95

    def __call__(self, position):
        """Give the learning rate of a step."""
        return self.initial_rate * self.factor**position.epoch


@dataclass(frozen=True)
class Cosine:
    """Rate falling from `initial_rate` to `final_rate` along half a cosine [1]_.

    References
    ----------
    .. [1] Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
       https://arxiv.org/abs/1608.03983
    """

    initial_rate: float
    final_rate: float = 0.0

    def __call__(self, position):
        """Give the learning rate of a step."""
        part = min(position.epoch / position.n_epochs, 1)
        return half_cosine(self.initial_rate, self.final_rate, part)


@dataclass(frozen=True)
class OneCycle:
    """Rate rising from ``peak_rate / 25`` to `peak_rate`, then falling to ``peak_rate / 250000`` [1]_.

    Both ways along half a cosine; `rising_part` of the training is the rise.

    References
    ----------
    .. [1] Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
       2018, https://arxiv.org/abs/1708.07120
    """

    peak_rate: float
    rising_part: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4

    def __call__(self, position):
        """Give the learning rate of a step."""
        part = min(position.epoch / position.n_epochs, 1)
        start = self.peak_rate / self.start_divisor
        if part < self.rising_part:
            return half_cosine(start, self.peak_rate, part / self.rising_part)
        fallen = (part - self.rising_part) / (1 - self.rising_part)
        return half_cosine(self.peak_rate, start / self.end_divisor, fallen)


@dataclass(frozen=True)
class Warmup:
    """Another schedule, its rate reduced linearly during the first `epochs` [1]_.

    References
    ----------
    .. [1] Goyal et al., "Accurate, large minibatch SGD", 2017, https://arxiv.org/abs/1706.02677
    """

    schedule: Any
    epochs: float

    def __call__(self, position):
        """Give the learning rate of a step."""
        epochs_with_this_step = position.epoch + 1 / position.steps_per_epoch
        return self.schedule(position) * min(1, epochs_with_this_step / self.epochs)


def half_cosine(start, end, part):
    """Go from `start` to `end` along half a cosine."""
    return end + (start - end) * (1 + math.cos(math.pi * part)) / 2
