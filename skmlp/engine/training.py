"""The one loop: a plain record of the training's state, and a generator that advances it by an epoch."""

import math
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from time import perf_counter
from typing import Any

import numpy as np

from skmlp.engine.batches import Augmentation, Batches, shuffled
from skmlp.engine.objective import Objective
from skmlp.engine.parameters import Layout
from skmlp.engine.schedules import Position
from skmlp.engine.stopping import Plateau
from skmlp.engine.update import Update
from skmlp.exceptions import NonFiniteLossError

SMALLEST_ADAPTIVE_RATE = 1e-6
ADAPTIVE_FACTOR = 5.0
FLUSH_INTERVAL = 100


@dataclass
class TrainState:
    """Everything that changes while a network trains, and that training needs to go on exactly.

    Attributes
    ----------
    random_state : RandomState
        Draws what scikit-learn draws: the shuffles.
    generator : Generator
        Draws what scikit-learn does not: dropout.
    theta : ndarray of shape (n_parameters,) or None
        The parameters; None while the estimator keeps them.
    statistics : ndarray or None
        Running means and variances of batch normalisation; None while the estimator keeps them.
    average_theta, average_statistics : ndarray or None
        Their exponential moving averages, where prediction uses these; None while the estimator keeps them.
    plateau : Plateau
    slots : dict of str to ndarray
        The optimizer's memory.
    order : ndarray of shape (n_samples,) or None
        The last epoch's permutation of the samples, which the next one permutes.
    step, epoch, samples_seen : int
        Optimizer steps, epochs and samples so far.
    n_epochs : int
        Epochs at which the training will end at the latest, for the schedules.
    stopped : bool
        Whether a rule has ended the training.
    rate_divisor : float
        By what plateaus have divided the learning rate.
    watched : str or None
        The score of the validation that `plateau` and `best` are about; None for the training loss.
    holdout_seed : int or None
        Decides which samples early stopping holds out, the same ones each time.
    kernels : str or None
        The set of kernels that the training began with.
    best : tuple of ndarray or None
        The parameters and statistics of the epoch with the best score, where they are to be restored.
    """

    random_state: np.random.RandomState
    generator: np.random.Generator
    theta: np.ndarray | None = None
    statistics: np.ndarray | None = None
    average_theta: np.ndarray | None = None
    average_statistics: np.ndarray | None = None
    plateau: Plateau | None = None
    slots: dict = field(default_factory=dict)
    order: np.ndarray | None = None
    step: int = 0
    epoch: int = 0
    samples_seen: int = 0
    n_epochs: int = 0
    stopped: bool = False
    rate_divisor: float = 1.0
    watched: str | None = None
    holdout_seed: int | None = None
    kernels: str | None = None
    best: tuple | None = None

    def arrays(self):
        """Give the parameters, the statistics and, where there are any, their averages."""
        arrays = (self.theta, self.statistics, self.average_theta, self.average_statistics)
        return [array for array in arrays if array is not None]

    def lend(self):
        """Leave out the arrays that the estimator keeps between calls: those that predict."""
        if self.average_theta is None:
            self.theta = self.statistics = None
        else:
            self.average_theta = self.average_statistics = None

    def take_back(self, theta, statistics):
        """Take the arrays that predict back from the estimator."""
        if self.theta is None:
            self.theta, self.statistics = theta, statistics
        else:
            self.average_theta, self.average_statistics = theta, statistics

    def predicting(self):
        """Give the parameters and statistics that prediction uses."""
        if self.average_theta is None:
            return self.theta, self.statistics
        return self.average_theta, self.average_statistics


@dataclass(frozen=True)
class Problem:
    """What is trained, on what, and how; nothing in it changes but buffers.

    Attributes
    ----------
    layout : Layout
    objective : Objective
        Bound to the `theta` and the `statistics` of the state.
    batches : Batches
        Of the training samples.
    validation : Batches or None
    augmentation : Augmentation or None
        Of the training samples.
    update : Update or None
        None for L-BFGS.
    schedule : callable
        From a Position to the learning rate.
    shuffle : bool
    lower_rate_on_plateau : bool
        Whether a plateau lowers the learning rate before it ends the training.
    stop_on_validation : bool
        Whether progress is measured on the validation samples, and the best weights are kept; otherwise by the
        training loss.
    monitor : {'accuracy', 'loss'}
        What is measured on the validation samples.
    """

    layout: Layout
    objective: Objective
    batches: Batches
    validation: Batches | None
    augmentation: Augmentation | None
    update: Update | None
    schedule: Any
    shuffle: bool
    lower_rate_on_plateau: bool
    stop_on_validation: bool
    monitor: str


@dataclass(frozen=True)
class EpochReport:
    """What an epoch brought.

    Attributes
    ----------
    loss, accuracy : float
        Means over the training batches as they passed; the loss with its penalty.
    learning_rate, seconds : float
        The learning rate at the end of the epoch.
    val_loss, val_accuracy : float or None
        On the validation samples, after the epoch; the loss without the penalty.
    message : str
        What a plateau led to; empty if there was none.
    """

    loss: float
    accuracy: float
    learning_rate: float
    seconds: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    message: str = ""


def train(problem, state):
    """Advance a prepared `state` by one epoch per ``next()`` and yield its EpochReport, without an end of its own."""
    work = np.empty_like(state.theta)
    while True:
        start = perf_counter()
        loss, accuracy, rate = run_epoch(problem, state, work)
        val_loss, val_accuracy = validate(problem, state)
        if state.plateau.update(score(problem, loss, val_loss, val_accuracy)):
            keep_best(problem, state)
        message, state.stopped = react_to_plateau(problem, state, rate)
        seconds = perf_counter() - start
        yield EpochReport(loss, accuracy, rate, seconds, val_loss, val_accuracy, message)


def prepare(plan, state, n_samples):
    """Give the state what this training needs and an earlier one has not left; `plan` knows `update` and `shuffle`."""
    # Memory-mapped pickles are read-only.
    for name in ("theta", "statistics", "average_theta", "average_statistics"):
        array = getattr(state, name)
        setattr(state, name, array if array is None else np.require(array, requirements="W"))
    state.slots = {name: np.require(slot, requirements="W") for name, slot in state.slots.items()}
    if plan.update is not None:
        optimizer = plan.update.optimizer
        if set(state.slots) != set(optimizer.slot_names):
            state.slots = optimizer.new_slots(state.theta)
            state.step = 0
    if plan.update is None or plan.update.ema_decay is None:
        state.average_theta = state.average_statistics = None
    elif state.average_theta is None:
        state.average_theta = state.theta.copy()
        state.average_statistics = state.statistics.copy()
    if plan.shuffle and (state.order is None or len(state.order) != n_samples):
        state.order = np.arange(n_samples)


def run_epoch(problem, state, work):
    """Train on every batch once; give mean loss and accuracy over the batches as they passed, and the last rate."""
    if problem.shuffle:
        state.order = shuffled(state.order, state.random_state)
    order = state.order if problem.shuffle else None
    augment = augment_at(problem.augmentation, state)
    kernels = problem.objective.kernels
    before = [array.copy() for array in state.arrays()]
    n_batches, n_samples = len(problem.batches), len(problem.batches.samples)
    loss = hits = weight = rate = n_trained = 0
    with np.errstate(over="ignore", invalid="ignore"):
        for number, batch in enumerate(problem.batches.in_order(order, augment)):
            position = Position(
                state.step,
                state.epoch + number / n_batches,
                n_batches,
                state.n_epochs,
                state.samples_seen,
            )
            rate = rate_at(problem.schedule, position) / state.rate_divisor
            if batch.total_weight == 0:
                continue
            evaluation = problem.objective.without_penalty(batch)
            penalty = problem.objective.alpha / evaluation.weight
            squares = problem.update.apply(
                state, evaluation.gradient, rate, problem.layout, work, penalty, kernels
            )
            batch_loss = evaluation.loss + penalty / 2 * squares
            if not math.isfinite(batch_loss):
                fail(problem, state, before, f"loss became {batch_loss}", number)
            if state.step % FLUSH_INTERVAL == 0:
                flush(state, work, kernels)
            loss += batch_loss * batch.size
            n_trained += batch.size
            hits += evaluation.hits
            weight += evaluation.weight
    if not np.isfinite(state.theta).all():
        fail(problem, state, before, "weights became non-finite", number)
    state.epoch += 1
    state.samples_seen += n_samples
    return loss / n_trained, hits / weight, rate


def flush(state, work, kernels):
    """Set numbers to zero before they, or their squares, become subnormal: arithmetic on those is many times slower.

    The weights of a pixel that is never inked have no gradient but the penalty's, and shrink for ever, all at the same
    pace. What is set to zero is far below the rounding of any sum that it takes part in.
    """
    smallest_normal = float(np.finfo(state.theta.dtype).tiny)
    kernels.flush(state.theta, smallest_normal**0.25, work)
    for name, slot in state.slots.items():
        # Squares are small by nature.
        kernels.flush(slot, smallest_normal ** (0.75 if name == "second_moment" else 0.375), work)


def augment_at(augmentation, state):
    """Give what changes the batches of the coming epoch, or None."""
    if augmentation is None:
        return None
    progress = min(1.0, state.epoch / state.n_epochs) if state.n_epochs else 0.0
    return augmentation.at(progress, state.generator)


def rate_at(schedule, position):
    """Ask a schedule, which may be a function of the user's, for the learning rate of a step."""
    rate = schedule(position)
    if not (isinstance(rate, Real) and 0 <= rate < math.inf):
        raise ValueError(
            f"learning_rate must give a finite number that is not negative. {schedule!r} gave {rate!r} at {position}."
        )
    return float(rate)


def fail(problem, state, before, what, number):
    """Restore the weights from before the epoch, forget the optimizer's memory of what led here, and raise."""
    for array, earlier in zip(state.arrays(), before, strict=True):
        array[...] = earlier
    state.slots = {}
    raise NonFiniteLossError(
        f"The {what} in epoch {state.epoch + 1}, batch {number + 1} of {len(problem.batches)}: "
        "the training diverges. Lower learning_rate_init, or bring the features to a scale near one, for example "
        "with StandardScaler. The weights of the last whole epoch are kept."
    )


def validate(problem, state):
    """Loss and accuracy on the validation samples, or two Nones."""
    if problem.validation is None:
        return None, None
    with predicting_weights(state):
        return problem.objective.validate(problem.validation)


@contextmanager
def predicting_weights(state):
    """Put the parameters and statistics that prediction uses where the network is, for a while."""
    trained = state.theta, state.statistics
    copies = [array.copy() for array in trained]
    for array, averaged in zip(trained, state.predicting(), strict=True):
        array[...] = averaged
    try:
        yield
    finally:
        for array, copy in zip(trained, copies, strict=True):
            array[...] = copy


def score(problem, loss, val_loss, val_accuracy):
    """Give what is to be maximised."""
    if not problem.stop_on_validation:
        return -loss
    return val_accuracy if problem.monitor == "accuracy" else -val_loss


def keep_best(problem, state):
    """Keep the weights of the best epoch, where they are to be restored."""
    if problem.stop_on_validation:
        state.best = tuple(array.copy() for array in state.predicting())


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
