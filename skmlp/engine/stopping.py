"""When training stops: no progress for too long, and what the best weights were."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Plateau:
    """Counts the epochs without progress, by scikit-learn's rule.

    Parameters
    ----------
    tolerance : float
        The least progress that counts.
    patience : float
        How many epochs without progress are borne; the next one is too many. May be infinite.
    best : float, default=-inf
        The best score so far. Scores are to be maximised: who watches a loss gives its negative.
    stale_epochs : int, default=0
        Epochs since the last progress.
    """

    tolerance: float
    patience: float
    best: float = -np.inf
    stale_epochs: int = 0

    def update(self, score):
        """Take the score of an epoch; tell whether it is the best one so far."""
        # The comparisons stand so that a score of NaN is no progress.
        self.stale_epochs = 0 if score >= self.best + self.tolerance else self.stale_epochs + 1
        improved = bool(score > self.best)
        if improved:
            self.best = score
        return improved

    @property
    def reached(self):
        """Whether there was no progress for too long."""
        return self.stale_epochs > self.patience
