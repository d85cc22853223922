"""One step of a first-order solver: the optimizer, and what is done to gradients before it and to weights after it."""

import math
from dataclasses import dataclass

import numpy as np

from skmlp.engine.optimizers import Optimizer, WeightPenalty
from skmlp.engine.products import sum_of_squares


@dataclass(frozen=True)
class Update:
    """How a gradient changes the weights.

    Attributes
    ----------
    optimizer : Optimizer
    clip_norm : float or None
        Largest norm of the gradient.
    weight_decay : float
        Fraction of the weights that a step removes, per unit of the learning rate.
    max_norm : float or None
        Largest norm of the incoming weights of a hidden unit.
    ema_decay : float or None
        Decay of the moving average of the weights; None for no average.
    """

    optimizer: Optimizer
    clip_norm: float | None = None
    weight_decay: float = 0.0
    max_norm: float | None = None
    ema_decay: float | None = None

    def prepare(self, state):
        """Allocate what the update needs and an earlier training has not left in a TrainState."""
        names = {declared.name for declared in self.optimizer.state_arrays}
        if set(state.optimizer_arrays) != names:
            state.optimizer_arrays = self.optimizer.allocate(state.weights.theta)
            state.step = 0
        if self.ema_decay is None:
            state.average = None
        elif state.average is None:
            state.average = state.weights.copy()

    def apply(self, state, gradient, work, rate, layout, l2, kernels):
        """Move the weights of a TrainState by one step.

        Parameters
        ----------
        state : TrainState
        gradient : ndarray of shape (n_parameters,)
            Gradient of the loss without its L2 penalty; overwritten.
        work : ndarray of shape (n_parameters,)
            Overwritten.
        rate : float
            Learning rate.
        layout : Layout
        l2 : float
            The penalty is ``l2 / 2 * sum(W**2)``, W being the weights.
        kernels : module

        Returns
        -------
        squares : float
            ``sum(W**2)`` before the step; zero without a penalty.
        """
        state.step += 1
        theta = state.weights.theta
        # Decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)
        penalty = WeightPenalty(layout.n_weights, l2, 1 - rate * self.weight_decay)
        clipped_squares = 0.0
        if self.clip_norm is not None:
            # The norm includes the gradient of the penalty, which is then no longer the optimizer's to add.
            clipped_squares = kernels.penalize(theta, gradient, penalty._replace(decay=1.0))
            limit_norm(gradient, self.clip_norm)
            penalty = penalty._replace(l2=0.0)
        squares = self.optimizer.step(
            theta,
            gradient,
            work,
            rate=rate,
            t=state.step,
            arrays=state.optimizer_arrays,
            penalty=penalty,
            kernels=kernels,
        )
        if self.max_norm is not None:
            for weights in layout.views(theta).weights[:-1]:
                limit_row_norms(weights, self.max_norm)
        if self.ema_decay is not None:
            decay = average_decay(self.ema_decay, state.step)
            kernels.move_average(state.average.theta, theta, decay)
            kernels.move_average(state.average.statistics, state.weights.statistics, decay)
        return squares if penalty.l2 else clipped_squares

    def zero_subnormals(self, state, work, kernels):
        """Set numbers to zero before they, or their squares, become subnormal, which slows down arithmetic.

        The weights of a pixel that is always zero have no gradient except that of the penalty, and shrink forever, all
        at the same pace. What is set to zero is far below the rounding error of any sum that it is part of.
        """
        smallest_normal = float(np.finfo(state.weights.theta.dtype).tiny)
        kernels.zero_below(state.weights.theta, smallest_normal**0.25, work)
        for declared in self.optimizer.state_arrays:
            if not declared.is_scalar:
                smallest = smallest_normal**declared.subnormal_power
                kernels.zero_below(state.optimizer_arrays[declared.name], smallest, work)


def limit_norm(gradient, largest):
    """Scale a flat gradient down, in place, to a norm of at most `largest` [1]_.

    References
    ----------
    .. [1] Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
       https://arxiv.org/abs/1211.5063
    """
    norm = math.sqrt(sum_of_squares(gradient))
    if norm > largest:
        gradient *= largest / norm


def limit_row_norms(weights, largest):
    """Scale the rows of a weight matrix down, in place, to norms of at most `largest` [1]_.

    A row holds the incoming weights of one unit.

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014, section 5.1.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", weights, weights))
    too_long = norms > largest
    if too_long.any():
        weights[too_long] *= (largest / norms[too_long])[:, np.newaxis]


def average_decay(decay, t):
    """Return the decay of the moving average in step t, smaller at first so that the initial weights are forgotten."""
    return min(decay, t / (t + 9))
