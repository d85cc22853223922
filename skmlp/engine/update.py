"""Update of the weights by a gradient: clipping, optimizer, max-norm constraint and averaging."""

import math
from dataclasses import dataclass

import numpy as np

from skmlp.engine.optimizers import Optimizer, WeightPenalty
from skmlp.engine.products import sum_of_squares


@dataclass(frozen=True)
class Update:
    """Rule by which a gradient changes the weights.

    Attributes
    ----------
    optimizer : Optimizer
    clip_norm : float or None
        Maximum norm of the gradient; None for no clipping.
    weight_decay : float
        Coefficient of decoupled weight decay: each step multiplies the weights by ``1 - rate * weight_decay``.
    max_norm : float or None
        Maximum norm of the incoming weights of a hidden unit; None for no limit.
    ema_decay : float or None
        Decay of the exponential moving average of the weights; None for no average.
    """

    optimizer: Optimizer
    clip_norm: float | None = None
    weight_decay: float = 0.0
    max_norm: float | None = None
    ema_decay: float | None = None

    def prepare(self, state):
        """Allocate missing optimizer state and averages in a TrainState; discard unused ones."""
        names = {declared.name for declared in self.optimizer.state_arrays}
        if set(state.optimizer_arrays) != names:
            state.optimizer_arrays = self.optimizer.allocate(state.weights.theta)
            state.step = 0
        if self.ema_decay is None:
            state.average = None
        elif state.average is None:
            state.average = state.weights.copy()

    def apply(self, state, gradient, work, rate, layout, l2, kernels):
        """Change the weights of a TrainState by one step.

        Parameters
        ----------
        state : TrainState
        gradient : ndarray of shape (n_parameters,)
            Gradient of the loss without the L2 penalty; overwritten.
        work : ndarray of shape (n_parameters,)
            Buffer; overwritten.
        rate : float
            Learning rate.
        layout : Layout
        l2 : float
            Coefficient of the L2 penalty ``l2 / 2 * sum(W**2)``, where W are the weights.
        kernels : module
            Kernel set.

        Returns
        -------
        squares : float
            ``sum(W**2)`` before the step; zero without an L2 penalty.
        """
        state.step += 1
        theta = state.weights.theta
        # Decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)
        penalty = WeightPenalty(layout.n_weights, l2, 1 - rate * self.weight_decay)
        clipped_squares = 0.0
        if self.clip_norm is not None:
            # The clipped gradient includes the gradient of the penalty, so that the optimizer must not add it again.
            clipped_squares = kernels.penalize(theta, gradient, penalty._replace(decay=1.0))
            clip_gradient(gradient, self.clip_norm)
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
            decay = compute_ema_decay(self.ema_decay, state.step)
            kernels.move_average(state.average.theta, theta, decay)
            kernels.move_average(state.average.statistics, state.weights.statistics, decay)
        return squares if penalty.l2 else clipped_squares

    def zero_subnormals(self, state, work, kernels):
        """Set tiny values to zero before they or their squares become subnormal.

        Subnormal numbers slow down arithmetic. The weights of a pixel that is always zero have no gradient except that
        of the penalty, and therefore decay toward zero, all at the same rate. The values that are set to zero are far
        below the rounding errors of the sums that they contribute to.
        """
        smallest_normal = float(np.finfo(state.weights.theta.dtype).tiny)
        kernels.zero_below(state.weights.theta, smallest_normal**0.25, work)
        for declared in self.optimizer.state_arrays:
            if not declared.is_scalar:
                smallest = smallest_normal**declared.subnormal_power
                kernels.zero_below(state.optimizer_arrays[declared.name], smallest, work)


def clip_gradient(gradient, max_norm):
    """Scale a flat gradient in place so that its norm is at most `max_norm` [1]_.

    References
    ----------
    .. [1] Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks", ICML 2013,
       https://arxiv.org/abs/1211.5063
    """
    norm = math.sqrt(sum_of_squares(gradient))
    if norm > max_norm:
        gradient *= max_norm / norm


def limit_row_norms(weights, max_norm):
    """Scale the rows of a weight matrix in place so that their norms are at most `max_norm` [1]_.

    A row contains the incoming weights of one unit.

    References
    ----------
    .. [1] Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout: a simple way to prevent neural
       networks from overfitting", JMLR 15, 2014, section 5.1.
    """
    norms = np.sqrt(np.einsum("ij,ij->i", weights, weights))
    exceeds = norms > max_norm
    if exceeds.any():
        weights[exceeds] *= (max_norm / norms[exceeds])[:, np.newaxis]


def compute_ema_decay(decay, t):
    """Return the decay of the moving average in step t.

    It is smaller in early steps, so that the influence of the initial weights decays faster.
    """
    return min(decay, t / (t + 9))
