"""Update of the weights of a TrainState: the calls of kernels, and their settings in each step."""

import math
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from skmlp.engine.compiled.layers import BatchShape
from skmlp.engine.compiled.program import PerStep, Program, allocate
from skmlp.engine.compiled.settings import (
    AVERAGE_ADD,
    AVERAGE_KEEP,
    BLOCK_ROWS,
    GRADIENT_SCALE,
    L2,
    MAX_NORM,
    N_CONSTRAINTS,
    N_SETTINGS,
    THETA_MIN,
    ZEROES,
)
from skmlp.engine.compiled.threads import get_thread_pool
from skmlp.engine.update import SUBNORMAL_INTERVAL, compute_ema_decay, find_subnormal_limits

# Settings of the weights, and of the other parameters, which have no penalty. Constraints on the weights of hidden
# layers, and on those of the output layer and other parameters, which have no maximum norm.
WEIGHTS, OTHERS = HIDDEN, OUTPUT = range(2)


class Rows(NamedTuple):
    """Rows of parameters that an update changes, with the settings of the update.

    Attributes
    ----------
    theta, gradient, first, second, average : ndarray
        Parameters, their gradient, the moments and the moving average. Where there are fewer moments or no average,
        these are `theta`, which the kernels then do not use.
    settings, constraints, squares : PerStep
        See the modules `optimizers` and `updates`.
    """

    theta: np.ndarray
    gradient: np.ndarray
    first: np.ndarray
    second: np.ndarray
    average: np.ndarray
    settings: PerStep
    constraints: PerStep
    squares: PerStep


class Updater:
    """Update of the weights of a TrainState.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    gradient : ndarray of shape (n_parameters,)
        The gradient, for updates that are not fused with its computation.
    n_steps : int
        Maximum number of steps that a program performs.
    """

    def __init__(self, config, state, gradient, n_steps):
        self._state = state
        self._alpha = config.alpha
        self._update = config.solver.update
        optimizer, layout, theta = (
            self._update.optimizer,
            config.network.layout,
            state.weights.theta,
        )
        self._shape = BatchShape(1, theta.dtype, n_steps)
        self._optimizer = self._shape.load_function("optimizers." + optimizer.kernel)
        self._update_rows = self._shape.load_function("updates.update_rows")
        self._settings = np.zeros((n_steps, 2, N_SETTINGS))
        self._constraints = np.zeros((n_steps, 2, N_CONSTRAINTS))
        self._constraints[:, HIDDEN, MAX_NORM] = self._update.max_norm or 0
        limits = find_subnormal_limits(optimizer, theta.dtype)
        self._constraints[..., THETA_MIN : THETA_MIN + len(limits)] = limits

        n_rows = [fan_out for fan_out, _ in layout.shapes.weights]
        self._squares = np.zeros((n_steps, sum(n_rows) + 1))
        self._gradient_squares = np.zeros(sum(n_rows))
        moments = [*optimizer.moments(state.optimizer_arrays), theta, theta][:2]
        average = theta if state.average is None else state.average.theta
        arrays = [theta, gradient, *moments, average]
        self._weights = []
        for views, end in zip(
            zip(*(layout.views(array).weights for array in arrays), strict=True),
            accumulate(n_rows),
            strict=True,
        ):
            is_last = len(self._weights) == len(n_rows) - 1
            squares = self._squares[:, end - len(views[0]) :]
            constraints = OUTPUT if is_last else HIDDEN
            self._weights.append(self._make_rows(views, WEIGHTS, constraints, squares))
        others = [array[np.newaxis, layout.n_weights :] for array in arrays]
        self._others = self._make_rows(others, OTHERS, OUTPUT, self._squares[:, -1:])
        # Gradient of a few rows, for each thread.
        n_columns = max(layout.layer_sizes[:-1])
        self._blocks = allocate(
            (get_thread_pool().max_threads, BLOCK_ROWS * n_columns), theta.dtype
        )

    @property
    def clip_norm(self):
        """Maximum norm of the gradient, or None."""
        return self._update.clip_norm

    def prepare(self, rates, total_weights):
        """Count steps, and set their settings.

        Parameters
        ----------
        rates : list of float
            Learning rate of each step.
        total_weights : list of float
            Total weight of each batch.
        """
        state, update = self._state, self._update
        weights, others, decays, zeroes = [], [], [], []
        for rate, total_weight in zip(rates, total_weights, strict=True):
            state.step += 1
            coefficients = update.optimizer.coefficients(rate, state.step, state.optimizer_arrays)
            l2, decay = self._alpha / total_weight, 1 - rate * update.weight_decay
            weights.append((1, l2, decay, *coefficients))
            others.append((1, 0, 1, *coefficients))
            zeroes.append(state.step % SUBNORMAL_INTERVAL == 0)
            if update.ema_decay is not None:
                decays.append(compute_ema_decay(update.ema_decay, state.step))
        n_steps, n_settings = len(weights), len(weights[0])
        self._settings[:n_steps, WEIGHTS, :n_settings] = weights
        self._settings[:n_steps, OTHERS, :n_settings] = others
        constraints = self._constraints[:n_steps].transpose(2, 1, 0)
        constraints[ZEROES] = zeroes
        if decays:
            constraints[AVERAGE_KEEP] = decays
            constraints[AVERAGE_ADD] = 1 - np.array(decays)

    def penalties(self, n_steps):
        """Return the values of the L2 penalty before each step of the last run, as an array."""
        return self._settings[:n_steps, WEIGHTS, L2] / 2 * self._squares[:n_steps, :-1].sum(axis=1)

    def apply(self):
        """Update the weights with the gradient in the buffer, in one step."""
        settings = self._settings[0]
        if self.clip_norm is None:
            self._update_program.run()
            return
        self._penalize_program.run()
        biases = self._others.gradient.astype(np.float64)
        norm = math.sqrt(self._gradient_squares.sum() + np.square(biases).sum())
        # The gradient now includes that of the penalty.
        l2 = settings[WEIGHTS, L2]
        settings[WEIGHTS, L2] = 0
        settings[:, GRADIENT_SCALE] = min(1.0, self.clip_norm / norm) if norm else 1.0
        self._update_program.run()
        settings[WEIGHTS, L2] = l2

    def _make_rows(self, arrays, settings, constraints, squares):
        return Rows(
            *arrays,
            PerStep(self._settings[:, settings]),
            PerStep(self._constraints[:, constraints]),
            PerStep(squares),
        )

    def fused_calls(self, layers, operands):
        """Return the calls that compute the gradients of the weights and update all parameters.

        Parameters
        ----------
        layers : list of Dense
        operands : list of Operand
            Input of each layer.
        """
        calls = []
        for rows, layer, operand in zip(self._weights, layers, operands, strict=True):
            arguments = [
                self._update_rows,
                self._optimizer,
                self._blocks,
                self._blocks.shape[1],
                rows.theta,
                *rows[2:],
                *rows.theta.shape,
            ]
            calls.append(operand.compute_gradient_and_update(layer.delta, arguments))
        return calls + self._other_updates()

    @cached_property
    def _update_program(self):
        calls = [self._update_call(rows) for rows in self._weights]
        return Program([calls + self._other_updates()])

    def _other_updates(self):
        """Return the calls that update the parameters without penalty, and the average of the running statistics."""
        calls, state = [self._update_call(self._others)], self._state
        if state.average is not None and len(state.average.statistics):
            calls.append(
                self._shape.call(
                    "updates.average",
                    state.average.statistics,
                    state.weights.statistics,
                    self._others.constraints,
                    len(state.average.statistics),
                )
            )
        return calls

    @cached_property
    def _penalize_program(self):
        calls, start = [], 0
        for rows in self._weights:
            n_rows = len(rows.theta)
            gradient_squares = self._gradient_squares[start : start + n_rows]
            calls.append(
                self._shape.call(
                    "updates.penalize",
                    rows.theta,
                    rows.gradient,
                    self._settings[0, WEIGHTS, L2:],
                    rows.squares,
                    gradient_squares,
                    *rows.theta.shape,
                )
            )
            start += n_rows
        return Program([calls])

    def _update_call(self, rows):
        return self._shape.call("updates.update_rows", self._optimizer, *rows, *rows.theta.shape)
