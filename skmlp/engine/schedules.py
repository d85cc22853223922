"""Learning-rate schedules: pure functions of the position in the training.

A schedule is any callable that takes a `Position` and returns the learning rate of that step. The ones here are frozen
dataclasses, which check their parameters on construction; the names that `learning_rate` accepts stand for them. Where
the attribute `planned` of a schedule is true, its rate reaches its end at the last epoch, and training for all epochs
is what it was made for.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, NamedTuple


class Position(NamedTuple):
    """The position in the training before a step.

    Attributes
    ----------
    step : int
        Optimizer steps so far.
    epoch : float
        Epochs so far, including the fraction of the current one.
    steps_per_epoch : int
    n_epochs : int
        Number of epochs after which the training ends at the latest.
    samples_seen : int
        Number of samples before the current epoch.
    """

    step: int
    epoch: float
    steps_per_epoch: int
    n_epochs: int
    samples_seen: int

    @property
    def progress(self):
        """Fraction of the training that is over, from 0 to 1."""
        return min(self.epoch / self.n_epochs, 1)


class Requirement(NamedTuple):
    """What a number must be.

    Attributes
    ----------
    text : str
    holds : callable
    """

    text: str
    holds: Callable


NOT_NEGATIVE = Requirement("of at least 0", lambda value: value >= 0)
POSITIVE = Requirement("greater than 0", lambda value: value > 0)
FRACTION = Requirement("greater than 0 and less than 1", lambda value: 0 < value < 1)


def check_numbers(schedule, **requirements):
    """Raise ValueError unless fields of a schedule are finite numbers that meet their requirements."""
    for name, required in requirements.items():
        value = getattr(schedule, name)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and required.holds(value)):
            raise ValueError(
                f"{type(schedule).__name__}: {name} must be a finite number {required.text}. Got {value!r}."
            )


@dataclass(frozen=True)
class Constant:
    """A constant rate."""

    initial_rate: float
    planned: ClassVar = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NOT_NEGATIVE)

    def __call__(self, position):
        """Return the learning rate of a step."""
        return self.initial_rate


@dataclass(frozen=True)
class InverseScaling:
    """Rate ``initial_rate / (samples_seen + 1) ** power``, constant within an epoch, as in scikit-learn."""

    initial_rate: float
    power: float = 0.5
    planned: ClassVar = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NOT_NEGATIVE, power=NOT_NEGATIVE)

    def __call__(self, position):
        """Return the learning rate of a step."""
        return self.initial_rate / (position.samples_seen + 1) ** self.power


@dataclass(frozen=True)
class StepDecay:
    """Rate multiplied by `factor` after every `every` epochs."""

    initial_rate: float
    factor: float = 0.1
    every: float = 30
    planned: ClassVar = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NOT_NEGATIVE, factor=NOT_NEGATIVE, every=POSITIVE)

    def __call__(self, position):
        """Return the learning rate of a step."""
        return self.initial_rate * self.factor ** (position.epoch // self.every)


@dataclass(frozen=True)
class Exponential:
    """Rate multiplied by `factor` with every epoch, smoothly from step to step."""

    initial_rate: float
    factor: float = 0.95
    planned: ClassVar = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NOT_NEGATIVE, factor=NOT_NEGATIVE)

    def __call__(self, position):
        """Return the learning rate of a step."""
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
    planned: ClassVar = True

    def __post_init__(self):
        check_numbers(self, initial_rate=NOT_NEGATIVE, final_rate=NOT_NEGATIVE)

    def __call__(self, position):
        """Return the learning rate of a step."""
        return half_cosine(self.initial_rate, self.final_rate, position.progress)


@dataclass(frozen=True)
class OneCycle:
    """Rate rising from ``peak_rate / 25`` to `peak_rate`, then falling to ``peak_rate / 250000`` [1]_.

    Both changes follow half a cosine. The rise takes `rising_fraction` of the training, between 0 and 1.

    References
    ----------
    .. [1] Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
       2018, https://arxiv.org/abs/1708.07120
    """

    peak_rate: float
    rising_fraction: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4
    planned: ClassVar = True

    def __post_init__(self):
        check_numbers(
            self,
            peak_rate=NOT_NEGATIVE,
            rising_fraction=FRACTION,
            start_divisor=POSITIVE,
            end_divisor=POSITIVE,
        )

    def __call__(self, position):
        """Return the learning rate of a step."""
        progress = position.progress
        start = self.peak_rate / self.start_divisor
        if progress < self.rising_fraction:
            return half_cosine(start, self.peak_rate, progress / self.rising_fraction)
        fallen = (progress - self.rising_fraction) / (1 - self.rising_fraction)
        return half_cosine(self.peak_rate, start / self.end_divisor, fallen)


@dataclass(frozen=True)
class Warmup:
    """Another schedule, its rate rising linearly from zero during the first `epochs` epochs [1]_.

    References
    ----------
    .. [1] Goyal et al., "Accurate, large minibatch SGD", 2017, https://arxiv.org/abs/1706.02677
    """

    schedule: Any
    epochs: float

    def __post_init__(self):
        if not callable(self.schedule):
            raise TypeError(
                "Warmup: schedule must be a schedule, such as Constant(0.001), or another callable. Got "
                f"{self.schedule!r}."
            )
        check_numbers(self, epochs=POSITIVE)

    @property
    def planned(self):
        """Whether the schedule reaches its end at the last epoch."""
        return getattr(self.schedule, "planned", False)

    def __call__(self, position):
        """Return the learning rate of a step."""
        epochs_with_this_step = position.epoch + 1 / position.steps_per_epoch
        return self.schedule(position) * min(1, epochs_with_this_step / self.epochs)


def half_cosine(start, end, progress):
    """Return the value between `start` and `end` along half a cosine, after a fraction of the way."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
