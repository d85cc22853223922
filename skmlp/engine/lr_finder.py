"""The learning-rate finder: training with a rate that rises from step to step, while the loss is recorded."""

import math
from itertools import chain, repeat

import numpy as np

from skmlp.engine.batches import shuffled

SMOOTHING = 0.9
DIVERGENCE_FACTOR = 4.0


def losses_at_rising_rates(trainer, rates):
    """Take one step at each rate, and return the smoothed loss before it; end where the loss diverges.

    Parameters
    ----------
    trainer : Trainer
        Its state is changed.
    rates : ndarray
        Rising learning rates.

    Returns
    -------
    losses : ndarray, no longer than `rates`
        Exponential moving averages of the losses of the batches, corrected for their initial value of zero.
    """
    state, batches = trainer.state, trainer.batches
    state.order = shuffled(np.arange(len(batches.samples)), state.random_state)
    augment = trainer.augmentation()
    all_batches = chain.from_iterable(
        batches.in_order(order, augment) for order in repeat(state.order)
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
