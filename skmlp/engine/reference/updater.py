"""Update of the weights by a gradient in NumPy, see `skmlp.engine.update`."""

import math

import numpy as np

from skmlp.engine.parameters import split_into_blocks
from skmlp.engine.products import add_scaled, sum_of_squares
from skmlp.engine.reference.optimizers import UPDATE_RULES
from skmlp.engine.update import SUBNORMAL_INTERVAL, compute_ema_decay, find_subnormal_limits


class Updater:
    """Update of the weights of a TrainState, see `skmlp.engine.update.Update`.

    Parameters
    ----------
    config : TrainingConfig
        Its solver is a StochasticSolver.
    state : TrainState
    """

    def __init__(self, config, state):
        self._layout = config.network.layout
        self._alpha = config.alpha
        self._update = config.solver.update
        self._state = state
        self._work = np.empty_like(state.weights.theta)

    def apply(self, gradient, rate, total_weight):
        """Change the weights by one step.

        Parameters
        ----------
        gradient : ndarray of shape (n_parameters,)
            Gradient of the loss without the L2 penalty; overwritten.
        rate : float
            Learning rate.
        total_weight : float
            Total weight of the samples of the batch.

        Returns
        -------
        penalty : float
            The L2 penalty before the step, ``alpha / 2 * sum(W**2) / total_weight``, where W are the weights.
        """
        state, update = self._state, self._update
        state.step += 1
        theta = state.weights.theta
        weights = theta[: self._layout.n_weights]
        l2, penalty = self._alpha / total_weight, 0.0
        if l2:
            penalty = l2 / 2 * sum_of_squares(weights)
            add_scaled(weights, l2, gradient[: len(weights)])
        if update.clip_norm is not None:
            clip_gradient(gradient, update.clip_norm)
        if update.weight_decay:
            # Decoupled weight decay (Loshchilov and Hutter 2019, https://arxiv.org/abs/1711.05101)
            weights *= 1 - rate * update.weight_decay
        optimizer, arrays = update.optimizer, state.optimizer_arrays
        coefficients = optimizer.coefficients(rate, state.step, arrays)
        apply_rule = UPDATE_RULES[optimizer.kernel]
        apply_rule(theta, gradient, optimizer.moments(arrays), self._work, coefficients)
        if update.max_norm is not None:
            for matrix in self._layout.views(theta).weights[:-1]:
                limit_row_norms(matrix, update.max_norm)
        if update.ema_decay is not None:
            decay = compute_ema_decay(update.ema_decay, state.step)
            move_average(state.average.theta, theta, decay)
            move_average(state.average.statistics, state.weights.statistics, decay)
        if state.step % SUBNORMAL_INTERVAL == 0:
            self._zero_subnormals()
        return penalty

    def _zero_subnormals(self):
        """Set tiny parameters and moments to zero."""
        optimizer, theta = self._update.optimizer, self._state.weights.theta
        arrays = [theta, *optimizer.moments(self._state.optimizer_arrays)]
        limits = find_subnormal_limits(optimizer, theta.dtype)
        for array, limit in zip(arrays, limits, strict=True):
            zero_below(array, limit, self._work)


def clip_gradient(gradient, max_norm):
    """Scale a flat gradient in place so that its norm is at most `max_norm`."""
    norm = math.sqrt(sum_of_squares(gradient))
    if norm > max_norm:
        gradient *= max_norm / norm


def limit_row_norms(weights, max_norm):
    """Scale the rows of a weight matrix in place so that their norms are at most `max_norm`."""
    norms = np.sqrt(np.einsum("ij,ij->i", weights, weights))
    exceeds = norms > max_norm
    if exceeds.any():
        weights[exceeds] *= (max_norm / norms[exceeds])[:, np.newaxis]


def move_average(average, values, decay):
    """Apply average = decay * average + (1 - decay) * value to flat vectors."""
    average *= decay
    add_scaled(values, 1 - decay, average)


def zero_below(values, smallest, work):
    """Set the values whose magnitude is less than `smallest` to zero. `work` is a buffer of the same size."""
    for block in split_into_blocks(len(values)):
        magnitudes = np.abs(values[block], out=work[: len(values[block])])
        np.copyto(values[block], 0, where=magnitudes < smallest)
