"""What a learning-rate range test found: a curve, and a suggestion."""

from dataclasses import dataclass

import numpy as np

EDGE = 5


@dataclass(frozen=True)
class LearningRateCurve:
    """Losses at rising learning rates [1]_.

    Attributes
    ----------
    learning_rates : ndarray of shape (n_steps,)
    losses : ndarray of shape (n_steps,)
        Smoothed training loss before the step at each rate. It ends where the training diverges.
    suggestion : float
        The rate at which the loss falls fastest, a good value of `learning_rate_init`, or of the peak of 'one_cycle'.

    References
    ----------
    .. [1] Smith, "Cyclical learning rates for training neural networks", WACV 2017, https://arxiv.org/abs/1506.01186
    """

    learning_rates: np.ndarray
    losses: np.ndarray

    @property
    def suggestion(self):
        """The rate at which the loss falls fastest."""
        slopes = np.gradient(self.losses, np.log(self.learning_rates))
        # The ends of a difference quotient are the noisiest.
        edge = EDGE if len(slopes) > 3 * EDGE else 0
        steepest = edge + int(np.argmin(slopes[edge : len(slopes) - edge]))
        return float(self.learning_rates[steepest])
