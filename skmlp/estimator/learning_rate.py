"""The result of the learning-rate finder: a curve and a suggestion."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

EDGE = 5


@dataclass(frozen=True)
class LearningRateCurve:
    """Losses at rising learning rates [1]_.

    Attributes
    ----------
    learning_rates : ndarray of shape (n_steps,)
    losses : ndarray of shape (n_steps,)
        Smoothed training loss before the step at each rate. The arrays end where the training diverges.
    suggestion : float
        The rate at which the loss falls fastest, a good value for `learning_rate_init`, or for the peak of 'one_cycle'.

    References
    ----------
    .. [1] Smith, "Cyclical learning rates for training neural networks", WACV 2017, https://arxiv.org/abs/1506.01186
    """

    learning_rates: np.ndarray
    losses: np.ndarray

    @property
    def suggestion(self):
        """The rate at which the loss falls fastest."""
        if len(self.losses) < 2:
            raise ValueError(
                "A suggestion needs finite losses at two or more learning rates. Got "
                f"{len(self.losses)}: training diverges at once. Lower min_rate, or bring the features to a scale near "
                "one, for example with StandardScaler."
            )
        slopes = np.gradient(self.losses, np.log(self.learning_rates))
        # Difference quotients are noisiest at the ends.
        edge = EDGE if len(slopes) > 3 * EDGE else 0
        steepest = edge + int(np.argmin(slopes[edge : len(slopes) - edge]))
        return float(self.learning_rates[steepest])


def check_rates(solver, min_rate, max_rate, n_steps):
    """Raise ValueError for a solver without a learning rate, and for numbers out of their range."""
    if solver == "lbfgs":
        raise ValueError(
            "find_learning_rate needs a solver with a learning rate. Got solver='lbfgs'. Choose another solver, such "
            "as 'adam'."
        )
    are_numbers = isinstance(min_rate, Real) and isinstance(max_rate, Real)
    if (
        not (are_numbers and 0 < min_rate < max_rate < np.inf)
        or not isinstance(n_steps, Integral)
        or n_steps < 2
    ):
        raise ValueError(
            "find_learning_rate needs 0 < min_rate < max_rate and an integer n_steps of at least 2. Got "
            f"min_rate={min_rate!r}, max_rate={max_rate!r}, n_steps={n_steps!r}."
        )
