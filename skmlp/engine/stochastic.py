"""First-order solvers: the loop over epochs and batches."""

import math
from dataclasses import dataclass, replace
from numbers import Real
from time import perf_counter
from typing import Any

import numpy as np

from skmlp.engine.batches import shuffled
from skmlp.engine.evaluation import EpochReport, evaluate
from skmlp.engine.schedules import Position
from skmlp.engine.stopping import StoppingRule
from skmlp.engine.update import Update
from skmlp.exceptions import NonFiniteLossError


@dataclass(frozen=True)
class StochasticSolver:
    """Mini-batches, each followed by a step along its gradient.

    Attributes
    ----------
    update : Update
    schedule : callable
        From a Position to the learning rate.
    stopping : StoppingRule
    batch_size : int
    max_epochs : int
        Largest number of epochs of one call of `fit`.
    shuffle : bool
        Whether to shuffle the samples before each epoch.
    is_planned : bool
        Whether training for all epochs is intended, so that reaching the last one does not suggest a lack of
        convergence.
    """

    update: Update
    schedule: Any
    stopping: StoppingRule
    batch_size: int
    max_epochs: int
    shuffle: bool = True
    is_planned: bool = False

    @property
    def monitor(self):
        """The quantity of an EpochReport that decides when to stop."""
        return self.stopping.monitor

    @property
    def monitors_validation(self):
        """Whether the validation set decides when to stop."""
        return self.stopping.monitors_validation

    def prepare(self, state, n_samples):
        """Allocate what the training needs and an earlier one has not left in a TrainState."""
        self.update.prepare(state)
        if not self.stopping.reduces_rate:
            state.rate_divisor = 1.0
        if self.shuffle and (state.order is None or len(state.order) != n_samples):
            state.order = np.arange(n_samples)

    def epochs(self, trainer, on_epoch_begin):
        """Train, and yield an EpochReport per epoch.

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
        problem : str
            Why the result may not have converged; empty if it has, or was not meant to.
        """
        state = trainer.state
        while not state.ended:
            on_epoch_begin()
            start = perf_counter()
            report = self._train_epoch(trainer)
            validated = evaluate(
                trainer.backend,
                trainer.validation,
                state.prediction_weights,
                trainer.config.network.loss_name,
            )
            report = replace(report, val_loss=validated.loss, val_accuracy=validated.accuracy)
            message = self.stopping.end_epoch(report, state)
            yield replace(report, message=message, seconds=perf_counter() - start)
        if state.stopped or self.is_planned:
            return ""
        return (
            f"Stochastic Optimizer: Maximum iterations ({self.max_epochs}) reached and the optimization hasn't "
            "converged yet. Increase max_iter, or consider early_stopping=True."
        )

    def _train_epoch(self, trainer):
        """Train on every batch once, and return the means over the batches."""
        state, batches = trainer.state, trainer.batches
        if self.shuffle:
            state.order = shuffled(state.order, state.random_state)
        order = state.order if self.shuffle else None
        before = [weights.copy() for weights in state.trained_weights()]
        loss = n_correct = weight = n_trained = rate = 0
        with np.errstate(over="ignore", invalid="ignore"):
            for number, batch in enumerate(batches.in_order(order, trainer.augmentation())):
                rate = self._learning_rate(state, number, len(batches))
                if batch.total_weight == 0:
                    continue
                result = trainer.backend.step(batch, rate)
                if not math.isfinite(result.loss):
                    restore(before, state)
                    raise divergence(f"loss became {result.loss}", state, number, len(batches))
                loss += result.loss * batch.size
                n_trained += batch.size
                n_correct += result.n_correct
                weight += result.weight
        if not np.isfinite(state.weights.theta).all():
            restore(before, state)
            raise divergence("weights became non-finite", state, number, len(batches))
        state.epoch += 1
        state.samples_seen += len(batches.samples)
        state.loss = loss / n_trained
        return EpochReport(state.loss, n_correct / weight, rate)

    def _learning_rate(self, state, number, n_batches):
        """Return the learning rate of a batch, by its number in the epoch."""
        position = Position(
            state.step,
            state.epoch + number / n_batches,
            n_batches,
            state.n_epochs,
            state.samples_seen,
        )
        rate = self.schedule(position)
        if not (isinstance(rate, Real) and 0 <= rate < math.inf):
            raise ValueError(
                f"learning_rate must return a finite number of at least 0. {self.schedule!r} returned {rate!r} at "
                f"{position}."
            )
        return float(rate) / state.rate_divisor


def restore(before, state):
    """Put back the weights from before the epoch, and forget the optimizer's memory of what followed."""
    for weights, earlier in zip(state.trained_weights(), before, strict=True):
        weights.assign(earlier)
    state.optimizer_arrays = {}


def divergence(what, state, number, n_batches):
    """Return the error for a training that diverges."""
    return NonFiniteLossError(
        f"The {what} in epoch {state.epoch + 1}, batch {number + 1} of {n_batches}: the training diverges. Lower "
        "learning_rate_init, or bring the features to a scale near one, for example with StandardScaler. The weights "
        "of the last whole epoch are kept."
    )
