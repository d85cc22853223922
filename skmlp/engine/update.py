"""One step of the training: the optimizer's, with what is done to gradients before it and to weights beside it."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from skmlp.engine.kernels import numpy_kernels
from skmlp.engine.optimizers import Shrinkage
from skmlp.engine.products import sum_of_squares


@dataclass(frozen=True)
class Update:
    """How a gradient changes the parameters.

    Attributes
    ----------
    optimizer : object with `slot_names` and `step`
    clip_norm : float or None
        Largest norm of the gradient.
    weight_decay : float
        Part of the weights that a learning rate of one takes away in a step.
    max_norm : float or None
        Largest norm of the incoming weights of a hidden unit.
    ema_decay : float or None
        Decay of the average of the parameters.
    """

    optimizer: Any
    clip_norm: float | None = None
    weight_decay: float = 0.0
    max_norm: float | None = None
    ema_decay: float | None = None

    def apply(self, state, gradient, rate, layout, work, penalty=0.0, kernels=numpy_kernels):
        """Move the parameters of a TrainState by one step along a gradient without its L2 penalty.

        Parameters
        ----------
        state : TrainState
        gradient, work : ndarray of shape (n_parameters,)
            Overwritten.
        rate : float
        layout : Layout
        penalty : float, default=0.0
            The penalty is ``penalty / 2 * sum(W**2)``, W being the weights.
        kernels : module, default=numpy_kernels

        Returns
        -------
        squares : float
            ``sum(W**2)`` from before the step, where there is a penalty.
        """
        state.step += 1
        theta, n_weights, squares = state.theta, layout.n_weights, 0.0
        if self.clip_norm is not None:
            squares = kernels.penalise(theta, gradient, n_weights, penalty, 1.0)
            limit_norm(gradient, self.clip_norm)
            penalty = 0.0
        # Decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)
        shrinkage = Shrinkage(n_weights, penalty, 1 - rate * self.weight_decay)
        squares_on_the_way = self.optimizer.step(
            theta, gradient, rate, state.slots, state.step, work, shrinkage, kernels
        )
        if self.max_norm is not None:
            for weights in layout.views(theta).weights[:-1]:
                limit_row_norms(weights, self.max_norm)
        if self.ema_decay is not None:
            decay = average_decay(self.ema_decay, state.step)
            kernels.move_average(state.average_theta, theta, decay)
            kernels.move_average(state.average_statistics, state.statistics, decay)
        return squares_on_the_way if penalty else squares


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
    """Scale the rows of a matrix of weights down, in place, to norms of at most `largest` [1]_.

    A row holds the weights of the inputs of one unit.

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
    """Give the decay of an exponential moving average at its t-th step: smaller at first, to forget the beginning."""
    return min(decay, t / (t + 9))
