"""Mini-batch training with a first-order optimizer: the loop over epochs and batches."""

import math
from dataclasses import dataclass, replace
from numbers import Real
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

import numpy as np

from skmlp.engine.batches import draw_order, prepare_order
from skmlp.engine.evaluation import EpochReport
from skmlp.engine.schedules import Position
from skmlp.engine.stopping import StoppingRule
from skmlp.engine.update import Update
from skmlp.exceptions import NonFiniteLossError


class Step(NamedTuple):
    """Step of an epoch.

    Attributes
    ----------
    number : int
        Index of the batch in the epoch.
    batch : Batch
    rate : float
        Learning rate.
    """

    number: int
    batch: Any
    rate: float


@dataclass(frozen=True)
class StochasticSolver:
    """Mini-batch solver, which performs an optimizer step for each batch.

    Attributes
    ----------
    update : Update
        Computation of a step from a gradient.
    schedule : callable
        Learning-rate schedule: ``schedule(position)`` returns the learning rate at a Position.
    stopping : StoppingRule
    batch_size : int
    max_epochs : int
        Maximum number of epochs in one call to `fit`.
    shuffle : bool or "blocks"
        Whether to shuffle the samples before each epoch, all together or window by window, see BlockOrder.
    trains_all_epochs : bool
        Whether training is meant to last for `max_epochs` epochs, so that reaching the last one does not indicate a
        lack of convergence.
    uses_full_batches : bool
        Always False.
    """

    update: Update
    schedule: Any
    stopping: StoppingRule
    batch_size: int
    max_epochs: int
    shuffle: Any = True
    trains_all_epochs: bool = False
    uses_full_batches: ClassVar = False

    @property
    def monitor(self):
        """Monitored quantity, a field of EpochReport."""
        return self.stopping.monitor

    @property
    def monitors_validation(self):
        """Whether the monitored quantity is measured on the validation set."""
        return self.stopping.monitors_validation

    def prepare(self, state, n_samples):
        """Prepare a TrainState for training, and keep the values from earlier training that are still valid."""
        self.update.prepare(state)
        if not self.stopping.reduces_rate:
            state.rate_divisor = 1.0
        if self.shuffle is True:
            prepare_order(state, n_samples)

    def epochs(self, trainer, on_epoch_begin):
        """Train, and yield an EpochReport after each epoch.

        Parameters
        ----------
        trainer : Trainer
        on_epoch_begin : callable
            Called without arguments before each epoch.

        Yields
        ------
        report : EpochReport

        Returns
        -------
        message : str
            Explanation if the result may not have converged; empty if training was stopped or has ended as planned.

        Raises
        ------
        NonFiniteLossError
            If the loss or the weights are not finite.
        """
        state = trainer.state
        while not state.ended:
            on_epoch_begin()
            start = perf_counter()
            report = trainer.train_epoch()
            validation = trainer.evaluate()
            report = replace(report, val_loss=validation.loss, val_accuracy=validation.accuracy)
            message = self.stopping.end_epoch(report, state)
            yield replace(report, message=message, seconds=perf_counter() - start)
        if state.stopped or self.trains_all_epochs:
            return ""
        return (
            f"Stochastic Optimizer: Maximum iterations ({self.max_epochs}) reached and the optimization hasn't "
            "converged yet. Increase max_iter, or consider early_stopping=True."
        )

    def train_epoch(self, trainer):
        """Perform a step on each batch of a Trainer, and return an EpochReport without validation."""
        state, batches = trainer.state, trainer.batches
        order = draw_order(batches.samples, self.shuffle, state) if self.shuffle else None
        before = [weights.copy() for weights in state.trained_weights()]
        loss = n_correct = weight = n_trained = 0
        with np.errstate(over="ignore", invalid="ignore"):
            for steps in self._split_into_calls(trainer, order):
                results = trainer.backend.steps(
                    [step.batch for step in steps], [step.rate for step in steps]
                )
                for step, result in zip(steps, results, strict=True):
                    if not math.isfinite(result.loss):
                        restore_weights(before, state)
                        fault = f"loss must be finite, got {result.loss}"
                        raise make_divergence_error(fault, state, step.number, len(batches))
                    loss += result.loss * step.batch.size
                    n_trained += step.batch.size
                    n_correct += result.n_correct
                    weight += result.weight
        if not np.isfinite(state.weights.theta).all():
            restore_weights(before, state)
            raise make_divergence_error(
                "weights must be finite, got NaN or infinity", state, step.number, len(batches)
            )
        state.epoch += 1
        state.samples_seen += len(batches.samples)
        state.loss = loss / n_trained
        return EpochReport(state.loss, n_correct / weight, step.rate)

    def _split_into_calls(self, trainer, order):
        """Yield lists of Steps, each for one call of the backend. Batches of weight zero are skipped."""
        state, batches, steps = trainer.state, trainer.batches, []
        n_batches, max_steps = len(batches), trainer.backend.max_steps
        for number, batch in enumerate(batches.in_order(order, trainer.augmentation())):
            if batch.total_weight == 0:
                continue
            rate = self.learning_rate(state, state.step + len(steps), number, n_batches)
            steps.append(Step(number, batch, rate))
            if len(steps) == max_steps:
                yield steps
                steps = []
        if steps:
            yield steps

    def learning_rate(self, state, step, number, n_batches):
        """Return the learning rate of a step, on the batch with the given index in the epoch."""
        position = Position(
            step,
            state.epoch + number / n_batches,
            n_batches,
            state.n_epochs,
            state.samples_seen,
        )
        rate = self.schedule(position)
        if not (isinstance(rate, Real) and 0 <= rate < math.inf):
            raise ValueError(
                f"learning_rate must return a finite number of at least 0, got {rate!r} from {self.schedule!r} at "
                f"{position}."
            )
        return float(rate) / state.rate_divisor


def restore_weights(before, state):
    """Restore the weights from before the epoch, and discard the optimizer state."""
    for weights, earlier in zip(state.trained_weights(), before, strict=True):
        weights.assign(earlier)
    state.optimizer_arrays = {}


def make_divergence_error(fault, state, number, n_batches):
    """Return the exception for a loss or weights that are not finite."""
    return NonFiniteLossError(
        f"The {fault} in epoch {state.epoch + 1}, batch {number + 1} of {n_batches}. Training diverged, and "
        "the weights of the last complete epoch are kept. Decrease learning_rate_init, or scale the features, for "
        "example with StandardScaler."
    )
