"""Learning-rate schedules: pure functions of the number of samples trained on before the epoch begins."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Constant:
    """The same rate always."""

    initial_rate: float

    def __call__(self, samples_seen):
        """Give the learning rate of an epoch."""
        return self.initial_rate


@dataclass(frozen=True)
class InverseScaling:
    """Rate ``initial_rate / (samples_seen + 1) ** power``; the initial one until the first epoch is over."""

    initial_rate: float
    power: float

    def __call__(self, samples_seen):
        """Give the learning rate of an epoch."""
        return self.initial_rate / (samples_seen + 1) ** self.power
