"""When training stops: the rule that ends it after too many epochs without improvement."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

SMALLEST_RATE = 1e-6
RATE_DIVISOR = 5.0


@dataclass
class Plateau:
    """A counter of the epochs without improvement, by scikit-learn's rule.

    Parameters
    ----------
    best : float, default=-inf
        The best score so far; scores are to be maximized.
    stale_epochs : int, default=0
        Number of epochs since the last improvement.
    """

    best: float = -np.inf
    stale_epochs: int = 0

    def update(self, score, tolerance):
        """Count an epoch by its score, and return whether the score is the best one so far.

        An improvement by less than `tolerance` does not reset the counter.
        """
        # Written such that a score of NaN is not an improvement.
        self.stale_epochs = 0 if score >= self.best + tolerance else self.stale_epochs + 1
        improved = bool(score > self.best)
        if improved:
            self.best = score
        return improved


@dataclass(frozen=True)
class StoppingRule:
    """When to stop, and what "best" means.

    Parameters
    ----------
    tolerance : float
        Smallest improvement that counts.
    patience : float
        Number of epochs without improvement before training stops; may be infinite.
    monitor : {"loss", "val_accuracy", "val_loss"}, default="loss"
        The quantity of an EpochReport that is monitored. With one of the validation set, the weights of the best epoch
        are kept.
    reduces_rate : bool, default=False
        Whether to divide the learning rate by 5 instead of stopping, until it is 1e-6.
    """

    tolerance: float
    patience: float
    monitor: str = "loss"
    reduces_rate: bool = False

    descriptions: ClassVar = {
        "loss": "Training loss",
        "val_accuracy": "Validation score",
        "val_loss": "Validation score",
    }

    @property
    def monitors_validation(self):
        """Whether the validation set decides."""
        return self.monitor != "loss"

    def score(self, report):
        """Return the monitored quantity as a score to be maximized."""
        value = getattr(report, self.monitor)
        return value if self.monitor == "val_accuracy" else -value

    def end_epoch(self, report, state):
        """Update a TrainState after an epoch: keep the best weights, reduce the learning rate, or stop.

        Parameters
        ----------
        report : EpochReport
        state : TrainState

        Returns
        -------
        message : str
            What was done and why; empty if nothing was.
        """
        improved = state.plateau.update(self.score(report), self.tolerance)
        if improved and self.monitors_validation:
            state.best = state.prediction_weights.copy()
        if state.plateau.stale_epochs <= self.patience:
            return ""
        message = (
            f"{self.descriptions[self.monitor]} did not improve more than tol={self.tolerance:f} "
            f"for {self.patience} consecutive epochs."
        )
        if not self.reduces_rate:
            state.stopped = True
            return f"{message} Stopping."
        if report.learning_rate <= SMALLEST_RATE:
            state.stopped = True
            return f"{message} Learning rate too small. Stopping."
        state.plateau.stale_epochs = 0
        state.rate_divisor *= RATE_DIVISOR
        return f"{message} Setting learning rate to {report.learning_rate / RATE_DIVISOR:f}"
