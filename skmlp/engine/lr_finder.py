"""Learning-rate finder: record the loss while the learning rate increases from step to step."""

import math
from itertools import chain, repeat

import numpy as np

from skmlp.engine.batches import draw_order, prepare_order

SMOOTHING = 0.9
DIVERGENCE_FACTOR = 4.0


def run_lr_finder(trainer, rates):
    """Perform one step at each rate until the loss diverges, and return the smoothed losses.

    Parameters
    ----------
    trainer : Trainer
        Provides batches and backend. Its state is changed in place.
    rates : ndarray of shape (n_rates,)
        Increasing learning rates.

    Returns
    -------
    losses : ndarray of shape (n_losses,), n_losses <= n_rates
        Bias-corrected exponential moving average of the batch losses before each step.
    """
    state, batches = trainer.state, trainer.batches
    prepare_order(state, len(batches.samples))
    order = draw_order(batches.samples, trainer.config.solver.shuffle or True, state)
    augment = trainer.augmentation()
    all_batches = chain.from_iterable(
        batches.in_order(repeated, augment) for repeated in repeat(order)
    )
    losses, average, best = [], 0.0, math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for rate in rates:
            batch = next(batch for batch in all_batches if batch.total_weight)
            loss = trainer.backend.step(batch, float(rate)).loss
            average = SMOOTHING * average + (1 - SMOOTHING) * loss
            smoothed = average / (1 - SMOOTHING ** (len(losses) + 1))
            best = min(best, smoothed)
            if not smoothed < DIVERGENCE_FACTOR * best:
                break
            losses.append(smoothed)
    return np.array(losses)
