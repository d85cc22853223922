"""The result of the learning-rate finder."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

N_EDGE_POINTS = 5


@dataclass(frozen=True)
class LearningRateCurve:
    """Training losses at increasing learning rates, as returned by `find_learning_rate` [1]_.

    Attributes
    ----------
    learning_rates : ndarray of shape (n_losses,)
        Learning rates in increasing order, up to that at which training diverges.
    losses : ndarray of shape (n_losses,)
        Smoothed training loss before the step with each learning rate.
    suggestion : float
        Learning rate at which the loss decreases fastest. It is a suitable value for `learning_rate_init`.

    See Also
    --------
    skmlp.MLPDigitClassifier.find_learning_rate : Compute a curve, with an example.

    References
    ----------
    .. [1] Smith, "Cyclical learning rates for training neural networks", WACV 2017, https://arxiv.org/abs/1506.01186
    """

    learning_rates: np.ndarray
    losses: np.ndarray

    @property
    def suggestion(self) -> float:
        """Learning rate at which the loss decreases fastest.

        Raises
        ------
        ValueError
            If there are fewer than two losses.
        """
        if len(self.losses) < 2:
            raise ValueError(
                "The losses must be finite at two or more learning rates to suggest one, got finite losses at "
                f"{len(self.losses)}. Decrease min_rate, or standardize the features, for example with StandardScaler."
            )
        slopes = np.gradient(self.losses, np.log(self.learning_rates))
        # The slopes are least reliable at the ends.
        n_ignored = N_EDGE_POINTS if len(slopes) > 3 * N_EDGE_POINTS else 0
        steepest = n_ignored + int(np.argmin(slopes[n_ignored : len(slopes) - n_ignored]))
        return float(self.learning_rates[steepest])


def check_rates(solver, min_rate, max_rate, n_steps):
    """Raise ValueError if the solver has no learning rate or if a number is out of range."""
    if solver == "lbfgs":
        raise ValueError(
            "find_learning_rate requires a solver with a learning rate, got solver='lbfgs'. Use another solver, such "
            "as 'adam'."
        )
    are_numbers = isinstance(min_rate, Real) and isinstance(max_rate, Real)
    if (
        not (are_numbers and 0 < min_rate < max_rate < np.inf)
        or not isinstance(n_steps, Integral)
        or n_steps < 2
    ):
        raise ValueError(
            "find_learning_rate requires 0 < min_rate < max_rate and an integer n_steps of at least 2, got "
            f"min_rate={min_rate!r}, max_rate={max_rate!r}, n_steps={n_steps!r}."
        )
