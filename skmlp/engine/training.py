"""The one loop: a plain record of the training's state, and a generator that advances it by an epoch."""

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from skmlp.engine.batches import Batches, shuffled
from skmlp.engine.objective import Objective
from skmlp.engine.optimizers import flush_subnormals
from skmlp.engine.stopping import Plateau

SMALLEST_ADAPTIVE_RATE = 1e-6
ADAPTIVE_FACTOR = 5.0
FLUSH_INTERVAL = 100


class NonFiniteLossError(ValueError):
    """The loss or the weights are no longer finite; the state holds the weights from before the epoch."""


@dataclass
class TrainState:
    """Everything that changes while a network trains, and that training needs to go on exactly.

    Attributes
    ----------
    random_state : RandomState
        Draws the shuffles.
    theta : ndarray of shape (n_parameters,) or None
        The parameters; None while the estimator keeps them as `coefs_` and `intercepts_`.
    plateau : Plateau
    slots : dict of str to ndarray
        The optimizer's memory.
    order : ndarray of shape (n_samples,) or None
        The last epoch's permutation of the samples, which the next one permutes.
    step, epoch, samples_seen : int
        Optimizer steps, epochs and samples so far.
    rate_divisor : float
        By what plateaus have divided the learning rate.
    holdout_seed : int or None
        Decides which samples early stopping holds out, the same ones each time.
    best_theta : ndarray of shape (n_parameters,) or None
        The parameters of the epoch with the best score, where they are to be restored.
    """

    random_state: np.random.RandomState
    theta: np.ndarray | None = None
    plateau: Plateau | None = None
    slots: dict = field(default_factory=dict)
    order: np.ndarray | None = None
    step: int = 0
    epoch: int = 0
    samples_seen: int = 0
    rate_divisor: float = 1.0
    holdout_seed: int | None = None
    best_theta: np.ndarray | None = None


@dataclass(frozen=True)
class Problem:
    """What is trained, on what, and how; nothing in it changes but buffers.

    Attributes
    ----------
    objective : Objective
        Bound to the `theta` of the state.
    batches : Batches
        Of the training samples.
    validation : Batches or None
    optimizer : object with `slot_names` and `step`
    schedule : callable
        From the number of samples seen to the learning rate.
    shuffle : bool
    lower_rate_on_plateau : bool
        Whether a plateau lowers the learning rate before it ends the training.
    stop_on_validation : bool
        Whether progress is measured by the accuracy on the validation samples, and the best weights are kept;
        otherwise by the training loss.
    """

    objective: Objective
    batches: Batches
    validation: Batches | None
    optimizer: Any
    schedule: Any
    shuffle: bool
    lower_rate_on_plateau: bool
    stop_on_validation: bool


@dataclass(frozen=True)
class EpochReport:
    """What an epoch brought.

    Attributes
    ----------
    loss, accuracy : float
        Means over the training batches as they passed; the loss with its penalty.
    learning_rate, seconds : float
    val_loss, val_accuracy : float or None
        On the validation samples, after the epoch; the loss without the penalty.
    message : str
        What a plateau led to; empty if there was none.
    stop : bool
        Whether the training should end.
    """

    loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    message: str = ""
    stop: bool = False


def train(problem, state):
    """Advance `state` by one epoch per ``next()`` and yield its EpochReport, without an end of its own."""
    prepare(problem, state)
    work = np.empty_like(state.theta)
    while True:
        start = perf_counter()
        rate = problem.schedule(state.samples_seen) / state.rate_divisor
        loss, accuracy = run_epoch(problem, state, rate, work)
        val_loss, val_accuracy = validate(problem)
        score = val_accuracy if problem.stop_on_validation else -loss
        if state.plateau.update(score) and problem.stop_on_validation:
            state.best_theta = state.theta.copy()
        message, stop = react_to_plateau(problem, state, rate)
        seconds = perf_counter() - start
        yield EpochReport(loss, accuracy, rate, seconds, val_loss, val_accuracy, message, stop)


def prepare(problem, state):
    """Give the state what this problem needs and an earlier one has not left."""
    optimizer = problem.optimizer
    if set(state.slots) != set(optimizer.slot_names):
        state.slots = {name: np.zeros_like(state.theta) for name in optimizer.slot_names}
        state.step = 0
    # Memory-mapped pickles are read-only.
    state.slots = {name: np.require(slot, requirements="W") for name, slot in state.slots.items()}
    n_samples = len(problem.batches.samples)
    if problem.shuffle and (state.order is None or len(state.order) != n_samples):
        state.order = np.arange(n_samples)


def run_epoch(problem, state, rate, work):
    """Train on every batch once; give the mean loss and the accuracy over the batches as they passed."""
    if problem.shuffle:
        state.order = shuffled(state.order, state.random_state)
    order = state.order if problem.shuffle else None
    theta_before = state.theta.copy()
    loss = hits = weight = n_trained = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for number, batch in enumerate(problem.batches.in_order(order), start=1):
            if batch.total_weight == 0:
                continue
            evaluation = problem.objective(state.theta, batch)
            if not math.isfinite(evaluation.loss):
                fail(problem, state, theta_before, f"loss became {evaluation.loss}", number)
            state.step += 1
            problem.optimizer.step(
                state.theta, evaluation.gradient, rate, state.slots, state.step, work
            )
            if state.step % FLUSH_INTERVAL == 0:
                flush_subnormals(state.theta, *state.slots.values())
            loss += evaluation.loss * batch.size
            n_trained += batch.size
            hits += evaluation.hits
            weight += evaluation.weight
    if not np.isfinite(state.theta).all():
        fail(problem, state, theta_before, "weights became non-finite", number)
    state.epoch += 1
    state.samples_seen += len(problem.batches.samples)
    return loss / n_trained, hits / weight


def fail(problem, state, theta_before, what, batch_number):
    """Restore the weights from before the epoch, forget the optimizer's memory of what led here, and raise."""
    state.theta[...] = theta_before
    state.slots = {}
    raise NonFiniteLossError(
        f"The {what} in epoch {state.epoch + 1}, batch {batch_number} of {len(problem.batches)}: "
        "the training diverges. Lower learning_rate_init, or bring the features to a scale near one, for example "
        "with StandardScaler. The weights of the last whole epoch are kept."
    )


def validate(problem):
    """Loss and accuracy on the validation samples, or two Nones."""
    if problem.validation is None:
        return None, None
    return problem.objective.validate(problem.validation)


def react_to_plateau(problem, state, rate):
    """Stop, or lower the learning rate; give a message and whether to stop."""
    plateau = state.plateau
    if not plateau.reached:
        return "", False
    what = "Validation score" if problem.stop_on_validation else "Training loss"
    message = (
        f"{what} did not improve more than tol={plateau.tolerance:f} "
        f"for {plateau.patience} consecutive epochs."
    )
    if not problem.lower_rate_on_plateau:
        return f"{message} Stopping.", True
    if rate <= SMALLEST_ADAPTIVE_RATE:
        return f"{message} Learning rate too small. Stopping.", True
    plateau.stale_epochs = 0
    state.rate_divisor *= ADAPTIVE_FACTOR
    return f"{message} Setting learning rate to {rate / ADAPTIVE_FACTOR:f}", False
