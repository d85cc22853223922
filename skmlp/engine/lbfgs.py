"""Full-batch training with SciPy's implementation of L-BFGS-B."""

from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from time import perf_counter
from typing import ClassVar, NamedTuple

import numpy as np
from scipy.optimize import minimize

from skmlp.engine.evaluation import EpochReport
from skmlp.engine.products import add_scaled, sum_of_squares
from skmlp.exceptions import NonFiniteLossError


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory quasi-Newton method L-BFGS-B [1]_. An epoch is an iteration.

    Attributes
    ----------
    batch_size : int
        Number of training samples.
    tolerance : float
        Training stops when no component of the gradient exceeds this absolute value.
    max_epochs : int
        Maximum number of iterations.
    max_evaluations : int
        Maximum number of evaluations of the loss.
    monitor : str
        Monitored quantity, always the training loss.
    monitors_validation : bool
        Always False.
    uses_full_batches : bool
        Always True: each evaluation of the loss uses all samples.

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
    uses_full_batches: ClassVar = True

    def prepare(self, state, n_samples):
        """Discard the averaged weights and the optimizer state of other solvers."""
        state.average = None
        state.optimizer_arrays = {}

    def epochs(self, trainer, on_epoch_begin):
        """Train, and yield an EpochReport after each iteration.

        Whenever this generator is suspended or ends, the state contains the last iterate, never a trial point of the
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
        message : str
            Explanation if the result may not have converged; empty if it has converged or training was stopped.

        Raises
        ------
        NonFiniteLossError
            If the loss at the end of an iteration is not finite.
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
                    raise make_divergence_error(event.loss, state.epoch + 1)
                # Whether there is another iteration is known only when it has ended.
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
                raise make_divergence_error(event.fun, state.epoch + 1)
            iterate, state.loss = event.x, float(event.fun)
            return explain_nonconvergence(event)
        finally:
            try:
                iterations.close()
            finally:  # `close` waits for an evaluation to end, and may be interrupted
                state.weights.theta[...] = iterate

    def _report(self, trainer, iterate, batch, start):
        """Return the EpochReport of an iteration that started at the time `start`."""
        validation = trainer.evaluate()
        return EpochReport(
            loss=iterate.loss,
            accuracy=iterate.n_correct / batch.total_weight,
            learning_rate=np.nan,
            val_loss=validation.loss,
            val_accuracy=validation.accuracy,
            seconds=perf_counter() - start,
        )


def make_divergence_error(loss, iteration):
    """Return the exception for a loss that is not finite."""
    return NonFiniteLossError(
        f"The loss must be finite, got {loss} in iteration {iteration}. Training diverged, and the weights are reset "
        "to their values before training. Scale the features, for example with StandardScaler."
    )


def explain_nonconvergence(result):
    """Return why an OptimizeResult may not be a minimum, or an empty string if it has converged."""
    if result.status == 0:
        return ""
    return (
        f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): {result.message}. "
        "Increase max_iter or max_fun, or scale the features, for example with StandardScaler."
    )


class Objective:
    """Loss of a batch with an L2 penalty, and its gradient.

    The loss is the mean over the samples plus ``alpha / 2 * sum(W**2) / weight``, where W are the weights of the
    network and ``weight`` is the total sample weight.

    Parameters
    ----------
    config : TrainingConfig
    backend : Backend
    weights : Weights
        The weights of the backend's state, which are set to each point at which the objective is evaluated.
    batch : Batch
    """

    def __init__(self, config, backend, weights, batch):
        self.n_weights = config.network.layout.n_weights
        self.alpha = config.alpha
        self.backend = backend
        self.weights = weights
        self.batch = batch

    def __call__(self, theta):
        """Return the BatchGradient at `theta`, including the L2 penalty."""
        if theta is not self.weights.theta:
            self.weights.theta[...] = theta
        result = self.backend.gradient(self.batch)
        l2, W = self.alpha / result.weight, self.weights.theta[: self.n_weights]
        add_scaled(W, l2, result.gradient[: self.n_weights])
        return result._replace(loss=result.loss + l2 / 2 * sum_of_squares(W))


class Iterate(NamedTuple):
    """Result of an iteration.

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
    """Iterations of SciPy's minimizer, which run one at a time.

    SciPy reports iterations through a callback, but a solver yields them. SciPy therefore runs in a separate thread.
    The two threads alternate, so that only one of them runs at any time.

    Parameters
    ----------
    objective : Objective
    start : ndarray of float64 of shape (n_parameters,)
        Initial parameters.
    options : dict
        Options of L-BFGS-B.
    """

    def __init__(self, objective, start, options):
        self._objective = objective
        self._last = None
        self._events, self._turns = SimpleQueue(), SimpleQueue()
        self._thread = Thread(target=self._minimize, args=(start, options), daemon=True)

    def advance(self):
        """Run SciPy until the end of the next iteration or of the minimization.

        Returns
        -------
        event : Iterate or OptimizeResult
            An Iterate after an iteration, an OptimizeResult at the end of the minimization.
        """
        if self._thread.ident is None:
            self._thread.start()
        self._turns.put("continue")
        event = self._events.get()
        if isinstance(event, BaseException):
            raise event
        return event

    def close(self):
        """Stop SciPy before its next evaluation, and wait for its thread to end."""
        if self._thread.ident is not None:
            self._turns.put("stop")
            self._thread.join()

    # The following methods run in SciPy's thread.

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
        except MinimizationStoppedError:
            return
        except BaseException as error:
            event = error
        self._events.put(event)

    def _await_turn(self):
        if self._turns.get() == "stop":
            raise MinimizationStoppedError

    def _send_event(self, event):
        self._events.put(event)
        self._await_turn()

    def _evaluate(self, theta):
        """Return the loss at `theta` and its gradient as float64."""
        if not self._turns.empty():  # during an evaluation, only "stop" can be queued
            raise MinimizationStoppedError
        self._last = self._objective(theta)
        return self._last.loss, self._last.gradient.astype(np.float64)

    def _end_iteration(self, intermediate_result):
        """Pass an iterate to the calling thread.

        The name of the parameter makes SciPy pass an OptimizeResult instead of an array.
        """
        theta, loss = intermediate_result.x, float(intermediate_result.fun)
        if self._last.loss != loss:
            self._last = self._objective(theta)
        self._send_event(Iterate(theta.copy(), loss, self._last.n_correct))


class MinimizationStoppedError(Exception):
    """Raised in SciPy's thread to end it."""
