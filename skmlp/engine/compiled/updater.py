"""Update of the weights of a TrainState: the calls of kernels, and their settings in each step."""

import math
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from skmlp.engine.compiled.layers import BatchShape, fits_rows_of_lanes
from skmlp.engine.compiled.program import PerStep, Program, allocate
from skmlp.engine.compiled.settings import BLOCK_ROWS, GRADIENT_SCALE, L2, N_SETTINGS
from skmlp.engine.compiled.threads import get_thread_pool
from skmlp.engine.update import SUBNORMAL_INTERVAL, compute_ema_decay, find_subnormal_limits

# Settings of the weights, and of the other parameters, which have no penalty.
WEIGHTS, OTHERS = range(2)
MAX_BLOCK_BYTES = 2**18
MAX_MOMENTS = 2


class Rows(NamedTuple):
    """Rows of parameters that an update changes, with the settings of the optimizer.

    Attributes
    ----------
    theta, gradient, first, second : ndarray
        Parameters, their gradient and the moments. Where there are fewer moments, these are `theta`, which the kernels
        then do not use.
    average : ndarray or None
        Moving average of the parameters.
    settings, squares : PerStep
        See the module `optimizers`.
    """

    theta: np.ndarray
    gradient: np.ndarray
    first: np.ndarray
    second: np.ndarray
    average: np.ndarray | None
    settings: PerStep
    squares: PerStep


class RowUpdate(NamedTuple):
    """Arguments of a kernel that computes the gradient of a few rows of parameters at a time and updates them.

    Attributes
    ----------
    optimizer : int
        Address of the function of the module `optimizers`.
    gradients : ndarray of shape (n_threads, size)
        Memory of each thread.
    gradients_size : int
    theta, first, second, settings, squares
        See `Rows`.
    n_rows, n_columns : int
    """

    optimizer: int
    gradients: np.ndarray
    gradients_size: int
    theta: np.ndarray
    first: np.ndarray
    second: np.ndarray
    settings: PerStep
    squares: PerStep
    n_rows: int
    n_columns: int


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
        self._settings = np.zeros((n_steps, 2, N_SETTINGS))
        self._limits = find_subnormal_limits(optimizer, theta.dtype)
        self._step_limits = np.zeros((n_steps, 1 + MAX_MOMENTS))
        self._decays = np.zeros((n_steps, 1))
        self._max_norm = np.array([self._update.max_norm or 0.0])

        n_rows = [fan_out for fan_out, _ in layout.shapes.weights]
        self._squares = np.zeros((n_steps, sum(n_rows) + 1))
        self._gradient_squares = np.zeros(sum(n_rows))
        moments = [*optimizer.moments(state.optimizer_arrays), theta, theta][:MAX_MOMENTS]
        average = theta if state.average is None else state.average.theta
        arrays = [theta, gradient, *moments, average]
        self._weights = [
            self._make_rows(views, WEIGHTS, self._squares[:, end - len(views[0]) :])
            for views, end in zip(
                zip(*(layout.views(array).weights for array in arrays), strict=True),
                accumulate(n_rows),
                strict=True,
            )
        ]
        others = [array[np.newaxis, layout.n_weights :] for array in arrays]
        self._others = self._make_rows(others, OTHERS, self._squares[:, -1:])
        sizes = [choose_block_size(rows.theta, self._shape.n_lanes) for rows in self._weights]
        self._blocks = allocate((get_thread_pool().max_threads, max(sizes)), theta.dtype)

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
        for i, limit in enumerate(self._limits):
            self._step_limits[:n_steps, i] = np.where(zeroes, limit, 0)
        if decays:
            self._decays[:n_steps, 0] = decays

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

    def _make_rows(self, arrays, settings, squares):
        *arrays, average = arrays
        return Rows(
            *arrays,
            None if self._state.average is None else average,
            PerStep(self._settings[:, settings]),
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
            update = RowUpdate(
                self._optimizer,
                self._blocks,
                self._blocks.shape[1],
                rows.theta,
                rows.first,
                rows.second,
                rows.settings,
                rows.squares,
                *rows.theta.shape,
            )
            calls.append(operand.compute_gradient_and_update(layer.delta, update))
        return [*calls, self._update_call(self._others), *self._constraints()]

    @cached_property
    def _update_program(self):
        calls = [self._update_call(rows) for rows in (*self._weights, self._others)]
        return Program([[*calls, *self._constraints()]])

    def _update_call(self, rows):
        """Return the call of the optimizer."""
        arrays = rows.theta, rows.gradient, rows.first, rows.second
        settings = rows.settings, rows.squares, *rows.theta.shape
        return self._shape.call("updates.update_rows", self._optimizer, *arrays, *settings)

    def _constraints(self):
        """Return the calls that follow the optimizer: maximum norms, averages, and zeros in place of tiny numbers."""
        call, calls, state = self._shape.call, [], self._state
        if self._update.max_norm is not None:
            for rows in self._weights[:-1]:
                calls.append(
                    call("updates.limit_norms", rows.theta, self._max_norm, *rows.theta.shape)
                )
        all_rows = *self._weights, self._others
        if state.average is not None:
            averages = [(rows.average, rows.theta) for rows in all_rows]
            if len(state.average.statistics):
                averages.append((state.average.statistics, state.weights.statistics))
            for average, values in averages:
                shape = values.shape if values.ndim == 2 else (1, len(values))
                calls.append(
                    call("updates.move_average", average, values, PerStep(self._decays), *shape)
                )
        for rows in all_rows:
            arrays = rows.theta, rows.first, rows.second, PerStep(self._step_limits)
            calls.append(call("updates.zero_tiny", *arrays, *rows.theta.shape))
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


def choose_block_size(weights, n_lanes):
    """Return the number of elements of the gradient of a matrix that a thread computes before it updates the rows.

    Sparse products compute as many rows as there are lanes, if `fits_rows_of_lanes`.
    """
    n_columns = weights.shape[1]
    if not fits_rows_of_lanes(n_columns):
        return n_columns
    n_rows = MAX_BLOCK_BYTES // (n_columns * weights.itemsize)
    return n_columns * min(BLOCK_ROWS, max(n_lanes, n_rows))
