"""L-BFGS: the same objective, on all samples at once, handed to SciPy's optimizer."""

from time import perf_counter

import numpy as np
from scipy.optimize import minimize

from skmlp.engine.training import EpochReport
from skmlp.exceptions import NonFiniteLossError


def train_lbfgs(problem, state, *, tolerance, max_iterations, max_evaluations, on_iteration):
    """Minimise the objective over all samples; ``state.theta`` holds the result.

    Parameters
    ----------
    problem : Problem
        Its batches are one batch of all samples.
    state : TrainState
    tolerance : float
        For the largest component of the projected gradient.
    max_iterations, max_evaluations : int
        Limits on iterations and on evaluations of the objective.
    on_iteration : callable
        Called with the EpochReport of each iteration; its true value ends the training.

    Returns
    -------
    result : scipy.optimize.OptimizeResult

    Raises
    ------
    NonFiniteLossError
        If the loss is not finite at the end.

    References
    ----------
    Zhu, Byrd, Lu and Nocedal, "Algorithm 778: L-BFGS-B", ACM Transactions on Mathematical Software 23(4), 1997.
    """
    (batch,) = problem.batches
    theta_before = state.theta.copy()
    iteration = Iteration(problem, state, batch, on_iteration)
    with np.errstate(over="ignore", invalid="ignore"):
        result = minimize(
            iteration.evaluate,
            state.theta.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=iteration.end,
            options={
                "maxiter": max_iterations,
                "maxfun": max_evaluations,
                "gtol": tolerance,
            },
        )
    if not np.isfinite(result.fun):
        state.theta[...] = theta_before
        raise NonFiniteLossError(
            f"The loss is not finite, {result.fun}, in iteration {result.nit + 1}: bring the features to a scale near "
            "one, for example with StandardScaler. The weights from before the training are kept."
        )
    state.theta[...] = result.x
    return result


class Iteration:
    """What SciPy calls: the objective, and the end of an iteration."""

    def __init__(self, problem, state, batch, on_iteration):
        self.problem = problem
        self.state = state
        self.batch = batch
        self.on_iteration = on_iteration
        self.start = perf_counter()
        self.last = None

    def evaluate(self, theta):
        """Give the loss and its gradient at `theta`."""
        self.last = self.problem.objective(theta, self.batch)
        return self.last.loss, self.last.gradient.astype(np.float64)

    def end(self, intermediate_result):
        """Report an iteration; SciPy reads the name of the parameter to choose what it gives."""
        if self.last.loss != intermediate_result.fun:
            self.evaluate(intermediate_result.x)
        self.state.theta[...] = intermediate_result.x
        self.state.epoch += 1
        self.state.samples_seen += self.batch.size
        val_loss, val_accuracy = (
            self.problem.objective.validate(self.problem.validation)
            if self.problem.validation
            else (None, None)
        )
        now = perf_counter()
        report = EpochReport(
            loss=float(intermediate_result.fun),
            accuracy=self.last.hits / self.last.weight,
            learning_rate=np.nan,
            seconds=now - self.start,
            val_loss=val_loss,
            val_accuracy=val_accuracy,
        )
        self.start = now
        if self.on_iteration(report):
            raise StopIteration
