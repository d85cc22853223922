"""L-BFGS: all samples at once, minimized by SciPy."""

from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.optimize import minimize

from skmlp.engine.evaluation import EpochReport, evaluate
from skmlp.engine.products import add_scaled, sum_of_squares
from skmlp.exceptions import NonFiniteLossError


@dataclass(frozen=True)
class LBFGS:
    """The limited-memory quasi-Newton method L-BFGS-B [1]_; an epoch is an iteration.

    Attributes
    ----------
    batch_size : int
        The number of all samples.
    tolerance : float
        For the largest component of the gradient.
    max_epochs : int
        Largest number of iterations.
    max_evaluations : int
        Largest number of evaluations of the loss.

    References
    ----------
    .. [1] Zhu, Byrd, Lu and Nocedal, "Algorithm 778: L-BFGS-B", ACM Transactions on Mathematical Software 23(4), 1997.
    """

    batch_size: int
    tolerance: float
    max_epochs: int
    max_evaluations: int
    monitor: ClassVar = "loss"
    monitors_validation: ClassVar = False

    def prepare(self, state, n_samples):
        """Drop the averages and the optimizer's state, which belong to other solvers."""
        state.average = None
        state.optimizer_arrays = {}

    def epochs(self, trainer, on_epoch_begin):
        """Train, and yield an EpochReport per iteration.

        Between iterations, and however the training ends, the state holds the last iterate, never a trial point of the
        line search.

        Parameters
        ----------
        trainer : Trainer
        on_epoch_begin : callable
            Called without arguments before each report.

        Yields
        ------
        report : EpochReport

        Returns
        -------
        problem : str
            Why the result may not have converged; empty if it has, or was stopped.

        Raises
        ------
        NonFiniteLossError
            If the loss is not finite at the end.
        """
        state = trainer.state
        (batch,) = trainer.batches
        before = iterate = state.weights.theta.copy()
        objective = Objective(trainer.config, trainer.backend, state.weights, batch)
        options = {
            "maxiter": self.max_epochs,
            "maxfun": self.max_evaluations,
            "gtol": self.tolerance,
        }
        iterations = ScipyIterations(objective, before.astype(np.float64), options)
        start = perf_counter()
        try:
            while isinstance(event := iterations.advance(), Iterate):
                if not np.isfinite(event.loss):
                    iterate = before
                    raise divergence(event.loss, state.epoch + 1)
                # Only now: whether there is another iteration is not known before its end.
                on_epoch_begin()
                state.weights.theta[...] = iterate = event.theta
                state.epoch += 1
                state.samples_seen += batch.size
                state.loss = event.loss
                yield self._report(trainer, event, batch, start)
                if state.stopped:
                    return ""
                start = perf_counter()
            if not np.isfinite(event.fun):
                iterate = before
                raise divergence(event.fun, state.epoch + 1)
            iterate, state.loss = event.x, float(event.fun)
            return problem_of(event)
        finally:
            try:
                iterations.close()
            finally:  # close waits for an evaluation, and may be interrupted
                state.weights.theta[...] = iterate

    def _report(self, trainer, iterate, batch, start):
        """Return the EpochReport of an iteration that began at a time."""
        validated = evaluate(
            trainer.backend,
            trainer.validation,
            trainer.state.weights,
            trainer.config.network.loss_name,
        )
        return EpochReport(
            loss=iterate.loss,
            accuracy=iterate.n_correct / batch.total_weight,
            learning_rate=np.nan,
            val_loss=validated.loss,
            val_accuracy=validated.accuracy,
            seconds=perf_counter() - start,
        )


def divergence(loss, iteration):
    """Return the error for a loss that is not finite."""
    return NonFiniteLossError(
        f"The loss is not finite, {loss}, in iteration {iteration}: bring the features to a scale near one, for "
        "example with StandardScaler. The weights from before the training are kept."
    )


def problem_of(result):
    """Return why an OptimizeResult may not be a minimum; an empty string if it is."""
    if result.status == 0:
        return ""
    return (
        f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): {result.message}. "
        "Increase max_iter or max_fun, or bring the features to a scale near one."
    )


class Objective:
    """The mean loss of a batch plus ``alpha / 2 * sum(W**2) / weight``, W being all weights, and its gradient.

    Parameters
    ----------
    config : TrainingConfig
    backend : Backend
    weights : Weights
        Those of the backend's state; set to each point where the objective is evaluated.
    batch : Batch
    """

    def __init__(self, config, backend, weights, batch):
        self.n_weights = config.network.layout.n_weights
        self.alpha = config.alpha
        self.backend = backend
        self.weights = weights
        self.batch = batch

    def __call__(self, theta):
        """Return the BatchGradient at `theta`, with the L2 penalty in loss and gradient."""
        if theta is not self.weights.theta:
            self.weights.theta[...] = theta
        result = self.backend.gradient(self.batch)
        l2, W = self.alpha / result.weight, self.weights.theta[: self.n_weights]
        add_scaled(W, l2, result.gradient[: self.n_weights])
        return result._replace(loss=result.loss + l2 / 2 * sum_of_squares(W))


class Iterate(NamedTuple):
    """A point at the end of an iteration.

    Attributes
    ----------
    theta : ndarray of shape (n_parameters,)
    loss : float
    n_correct : float
    """

    theta: np.ndarray
    loss: float
    n_correct: float


class ScipyIterations:
    """The iterations of SciPy's minimizer, one at a time.

    SciPy calls back after each iteration, whereas a solver yields. Therefore SciPy runs in a thread of its own; the two
    threads take turns, so that only one of them is running at any time.

    Parameters
    ----------
    objective : Objective
    start : ndarray of float64 of shape (n_parameters,)
    options : dict
        Options of L-BFGS-B.
    """

    def __init__(self, objective, start, options):
        self._objective = objective
        self._last = None
        self._events, self._turns = SimpleQueue(), SimpleQueue()
        self._thread = Thread(target=self._minimize, args=(start, options), daemon=True)

    def advance(self):
        """Let SciPy run until its next event.

        Returns
        -------
        event : Iterate or OptimizeResult
            The end of an iteration, or the end of the minimization.
        """
        if self._thread.ident is None:
            self._thread.start()
        self._turns.put("continue")
        event = self._events.get()
        if isinstance(event, BaseException):
            raise event
        return event

    def close(self):
        """Stop SciPy before its next evaluation, and wait until it has stopped."""
        if self._thread.ident is not None:
            self._turns.put("stop")
            self._thread.join()

    # What runs in SciPy's thread

    def _minimize(self, start, options):
        try:
            self._await_turn()
            with np.errstate(over="ignore", invalid="ignore"):
                event = minimize(
                    self._evaluate,
                    start,
                    method="L-BFGS-B",
                    jac=True,
                    callback=self._end_iteration,
                    options=options,
                )
        except _StoppedError:
            return
        except BaseException as error:
            event = error
        self._events.put(event)

    def _await_turn(self):
        if self._turns.get() == "stop":
            raise _StoppedError

    def _hand_over(self, event):
        self._events.put(event)
        self._await_turn()

    def _evaluate(self, theta):
        """Return the loss and its gradient at `theta`."""
        if not self._turns.empty():  # out of turn, it can only be "stop"
            raise _StoppedError
        self._last = self._objective(theta)
        return self._last.loss, self._last.gradient.astype(np.float64)

    def _end_iteration(self, intermediate_result):
        """Hand over an iterate; SciPy chooses what it passes by the name of the parameter."""
        theta, loss = intermediate_result.x, float(intermediate_result.fun)
        if self._last.loss != loss:
            self._last = self._objective(theta)
        self._hand_over(Iterate(theta.copy(), loss, self._last.n_correct))


class _StoppedError(Exception):
    """The caller has closed the iterations."""
