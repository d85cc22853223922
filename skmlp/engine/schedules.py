"""Learning-rate schedules.

A schedule is a callable that takes a `Position` and returns the learning rate of the next step. The schedules of this
module are pure functions: frozen dataclasses that validate their parameters on construction. If the attribute
`spans_training` of a schedule is true, the learning rate reaches its final value at the end of the last epoch, and
training is meant to last for all epochs.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import ClassVar, NamedTuple


class Position(NamedTuple):
    """Position in a training run before an optimizer step.

    The property `progress` is the completed fraction of the run, in the range [0, 1].

    Attributes
    ----------
    step : int
        Number of optimizer steps so far.
    epoch : float
        Number of epochs so far, including the completed fraction of the current epoch.
    steps_per_epoch : int
        Number of optimizer steps in an epoch.
    n_epochs : int
        Maximum number of epochs.
    samples_seen : int
        Number of samples processed in the epochs before the current one.
    """

    step: int
    epoch: float
    steps_per_epoch: int
    n_epochs: int
    samples_seen: int

    @property
    def progress(self) -> float:
        """Completed fraction of the training run, in the range [0, 1]."""
        return min(self.epoch / self.n_epochs, 1)


class Requirement(NamedTuple):
    """Requirement on the value of a number.

    Attributes
    ----------
    text : str
        Description for error messages.
    is_met : callable
        ``is_met(value)`` returns whether a number meets the requirement.
    """

    text: str
    is_met: Callable[[float], bool]


NON_NEGATIVE = Requirement("of at least 0", lambda value: value >= 0)
POSITIVE = Requirement("greater than 0", lambda value: value > 0)
FRACTION = Requirement("in the range (0, 1)", lambda value: 0 < value < 1)


def check_numbers(schedule, **requirements):
    """Raise ValueError unless fields of a schedule are finite numbers that meet a requirement."""
    for name, requirement in requirements.items():
        value = getattr(schedule, name)
        is_number = isinstance(value, Real) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and requirement.is_met(value)):
            raise ValueError(
                f"{type(schedule).__name__}: {name} must be a finite number {requirement.text}, got {value!r}."
            )


@dataclass(frozen=True)
class Constant:
    """Constant learning rate.

    Parameters
    ----------
    initial_rate : float
        Learning rate, at least 0.

    Raises
    ------
    ValueError
        If a number is not finite or out of range.

    Examples
    --------
    >>> from skmlp.schedules import Constant, Position
    >>> position = Position(
    ...     step=500, epoch=5.0, steps_per_epoch=100, n_epochs=10, samples_seen=30000
    ... )
    >>> Constant(0.1)(position)
    0.1
    """

    initial_rate: float
    spans_training: ClassVar[bool] = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NON_NEGATIVE)

    def __call__(self, position: Position) -> float:
        """Return the learning rate of the next step."""
        return self.initial_rate


@dataclass(frozen=True)
class InverseScaling:
    """Inverse scaling, scikit-learn's ``learning_rate='invscaling'``.

    The learning rate is ``initial_rate / (samples_seen + 1) ** power``, which is constant within an epoch.

    Parameters
    ----------
    initial_rate : float
        Learning rate of the first epoch, at least 0.
    power : float, default=0.5
        Exponent, at least 0.

    Raises
    ------
    ValueError
        If a number is not finite or out of range.

    Examples
    --------
    >>> from skmlp.schedules import InverseScaling, Position
    >>> position = Position(step=1, epoch=1.0, steps_per_epoch=1, n_epochs=10, samples_seen=99)
    >>> InverseScaling(0.1)(position)
    0.01
    """

    initial_rate: float
    power: float = 0.5
    spans_training: ClassVar[bool] = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NON_NEGATIVE, power=NON_NEGATIVE)

    def __call__(self, position: Position) -> float:
        """Return the learning rate of the next step."""
        return self.initial_rate / (position.samples_seen + 1) ** self.power


@dataclass(frozen=True)
class StepDecay:
    """Step decay, which multiplies the learning rate by `factor` every `every` epochs.

    Parameters
    ----------
    initial_rate : float
        Learning rate of the first step, at least 0.
    factor : float, default=0.1
        Factor by which the learning rate is multiplied, at least 0.
    every : float, default=30
        Number of epochs between changes, greater than 0.

    Raises
    ------
    ValueError
        If a number is not finite or out of range.

    Examples
    --------
    >>> from skmlp.schedules import Position, StepDecay
    >>> position = Position(
    ...     step=500, epoch=5.0, steps_per_epoch=100, n_epochs=10, samples_seen=30000
    ... )
    >>> StepDecay(0.1, factor=0.5, every=5)(position)
    0.05
    """

    initial_rate: float
    factor: float = 0.1
    every: float = 30
    spans_training: ClassVar[bool] = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NON_NEGATIVE, factor=NON_NEGATIVE, every=POSITIVE)

    def __call__(self, position: Position) -> float:
        """Return the learning rate of the next step."""
        return self.initial_rate * self.factor ** (position.epoch // self.every)


@dataclass(frozen=True)
class Exponential:
    """Exponential decay, which multiplies the learning rate by `factor` per epoch, step by step.

    Parameters
    ----------
    initial_rate : float
        Learning rate of the first step, at least 0.
    factor : float, default=0.95
        Factor by which the learning rate changes per epoch, at least 0.

    Raises
    ------
    ValueError
        If a number is not finite or out of range.

    Examples
    --------
    >>> from skmlp.schedules import Exponential, Position
    >>> position = Position(
    ...     step=500, epoch=5.0, steps_per_epoch=100, n_epochs=10, samples_seen=30000
    ... )
    >>> round(Exponential(0.1, factor=0.9)(position), 4)
    0.059
    """

    initial_rate: float
    factor: float = 0.95
    spans_training: ClassVar[bool] = False

    def __post_init__(self):
        check_numbers(self, initial_rate=NON_NEGATIVE, factor=NON_NEGATIVE)

    def __call__(self, position: Position) -> float:
        """Return the learning rate of the next step."""
        return self.initial_rate * self.factor**position.epoch


@dataclass(frozen=True)
class Cosine:
    """Cosine annealing [1]_ from `initial_rate` to `final_rate`, without restarts.

    Parameters
    ----------
    initial_rate : float
        Learning rate of the first step, at least 0.
    final_rate : float, default=0.0
        Learning rate at the end of the last epoch, at least 0.

    Raises
    ------
    ValueError
        If a number is not finite or out of range.

    References
    ----------
    .. [1] Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
       https://arxiv.org/abs/1608.03983

    Examples
    --------
    >>> from skmlp.schedules import Cosine, Position
    >>> position = Position(
    ...     step=500, epoch=5.0, steps_per_epoch=100, n_epochs=10, samples_seen=30000
    ... )
    >>> Cosine(0.1)(position)
    0.05
    """

    initial_rate: float
    final_rate: float = 0.0
    spans_training: ClassVar[bool] = True

    def __post_init__(self):
        check_numbers(self, initial_rate=NON_NEGATIVE, final_rate=NON_NEGATIVE)

    def __call__(self, position: Position) -> float:
        """Return the learning rate of the next step."""
        return anneal_cosine(self.initial_rate, self.final_rate, position.progress)


@dataclass(frozen=True)
class OneCycle:
    """One-cycle schedule [1]_, which first increases and then decreases the learning rate.

    Both phases use cosine annealing.

    Parameters
    ----------
    peak_rate : float
        Maximum learning rate, at least 0.
    rising_fraction : float, default=0.3
        Fraction of the training run in which the learning rate increases, in the range (0, 1).
    start_divisor : float, default=25.0
        Ratio of the maximum to the first learning rate, greater than 0.
    end_divisor : float, default=1e4
        Ratio of the first to the last learning rate, greater than 0.

    Raises
    ------
    ValueError
        If a number is not finite or out of range.

    References
    ----------
    .. [1] Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates",
       2018, https://arxiv.org/abs/1708.07120

    Examples
    --------
    >>> from skmlp.schedules import OneCycle, Position
    >>> position = Position(
    ...     step=500, epoch=5.0, steps_per_epoch=100, n_epochs=10, samples_seen=30000
    ... )
    >>> round(OneCycle(0.1)(position), 4)
    0.0812
    """

    peak_rate: float
    rising_fraction: float = 0.3
    start_divisor: float = 25.0
    end_divisor: float = 1e4
    spans_training: ClassVar[bool] = True

    def __post_init__(self):
        check_numbers(
            self,
            peak_rate=NON_NEGATIVE,
            rising_fraction=FRACTION,
            start_divisor=POSITIVE,
            end_divisor=POSITIVE,
        )

    def __call__(self, position: Position) -> float:
        """Return the learning rate of the next step."""
        progress = position.progress
        start = self.peak_rate / self.start_divisor
        if progress < self.rising_fraction:
            return anneal_cosine(start, self.peak_rate, progress / self.rising_fraction)
        falling_progress = (progress - self.rising_fraction) / (1 - self.rising_fraction)
        return anneal_cosine(self.peak_rate, start / self.end_divisor, falling_progress)


@dataclass(frozen=True)
class Warmup:
    """Linear warmup [1]_ of another schedule.

    The rate of the other schedule is multiplied by a factor that increases linearly from 0 to 1.

    Parameters
    ----------
    schedule : callable
        Function of a :class:`Position` that returns a learning rate, such as another schedule.
    epochs : float
        Number of epochs until the factor is 1, greater than 0.

    Raises
    ------
    TypeError
        If `schedule` is not callable.
    ValueError
        If `epochs` is not finite or not greater than 0.

    References
    ----------
    .. [1] Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017,
       https://arxiv.org/abs/1706.02677

    Examples
    --------
    >>> from skmlp.schedules import Constant, Position, Warmup
    >>> position = Position(
    ...     step=500, epoch=5.0, steps_per_epoch=100, n_epochs=10, samples_seen=30000
    ... )
    >>> round(Warmup(Constant(0.1), epochs=10)(position), 4)
    0.0501
    """

    schedule: Callable[[Position], float]
    epochs: float

    def __post_init__(self):
        if not callable(self.schedule):
            raise TypeError(
                "Warmup: schedule must be a schedule, such as Constant(0.001), or another callable, got "
                f"{self.schedule!r}."
            )
        check_numbers(self, epochs=POSITIVE)

    @property
    def spans_training(self) -> bool:
        """Whether the learning rate reaches its final value at the end of the last epoch."""
        return getattr(self.schedule, "spans_training", False)

    def __call__(self, position: Position) -> float:
        """Return the learning rate of the next step."""
        epoch_after_step = position.epoch + 1 / position.steps_per_epoch
        return self.schedule(position) * min(1, epoch_after_step / self.epochs)


def anneal_cosine(start, end, progress):
    """Return the value at a fraction of half a cosine period from `start` to `end`."""
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2
