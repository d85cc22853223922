"""Stopping rule, based on the number of epochs without improvement."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

MIN_RATE = 1e-6
RATE_DIVISOR = 5.0
# Quantities that a stopping rule can monitor, fields of EpochReport
MONITORS = ("loss", "val_loss", "val_accuracy")


@dataclass
class Plateau:
    """Counter of the epochs without improvement, following scikit-learn.

    Parameters
    ----------
    best : float, default=-inf
        Best score so far. Greater is better.
    stale_epochs : int, default=0
        Number of consecutive epochs without improvement.
    """

    best: float = -np.inf
    stale_epochs: int = 0

    def update(self, score, tolerance):
        """Count an epoch with the given score, and return whether the score is the best so far.

        An improvement by less than `tolerance` does not reset the counter.
        """
        # Both comparisons are false for a score of NaN, which is therefore not an improvement.
        self.stale_epochs = 0 if score >= self.best + tolerance else self.stale_epochs + 1
        improved = bool(score > self.best)
        if improved:
            self.best = score
        return improved


@dataclass(frozen=True)
class StoppingRule:
    """Rule that stops training, or reduces the learning rate, after epochs without improvement.

    Parameters
    ----------
    tolerance : float
        Minimum improvement of the monitored quantity.
    patience : float
        Number of epochs without improvement that are tolerated; may be infinite.
    monitor : {"loss", "val_accuracy", "val_loss"}, default="loss"
        Monitored quantity, a field of EpochReport. If it is measured on the validation set, the weights of the best
        epoch are kept.
    reduces_rate : bool, default=False
        Whether to divide the learning rate by 5 instead of stopping, until it is at most 1e-6.
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
        """Whether the monitored quantity is measured on the validation set."""
        return self.monitor != "loss"

    def score(self, report):
        """Return the monitored quantity as a score to be maximized."""
        value = getattr(report, self.monitor)
        return value if self.monitor == "val_accuracy" else -value

    def end_epoch(self, report, state):
        """Store the best weights, reduce the learning rate or stop the training after an epoch.

        Parameters
        ----------
        report : EpochReport
        state : TrainState
            Changed in place.

        Returns
        -------
        message : str
            Action and its reason, worded as in scikit-learn; empty if there was no action.
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
        if report.learning_rate <= MIN_RATE:
            state.stopped = True
            return f"{message} Learning rate too small. Stopping."
        state.plateau.stale_epochs = 0
        state.rate_divisor *= RATE_DIVISOR
        return f"{message} Setting learning rate to {report.learning_rate / RATE_DIVISOR:f}"
