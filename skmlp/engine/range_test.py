"""The learning-rate range test: train with a rate that rises from step to step, and watch the loss."""

import math
from itertools import chain, repeat

import numpy as np

from skmlp.engine.batches import shuffled
from skmlp.engine.training import augment_at

SMOOTHING = 0.9
DIVERGED = 4.0


def losses_at_rising_rates(problem, state, rates):
    """Take one step at each rate, and give the smoothed loss before it; end where the loss diverges.

    Parameters
    ----------
    problem : Problem
    state : TrainState
        Prepared; changed.
    rates : ndarray
        Rising learning rates.

    Returns
    -------
    losses : ndarray, no longer than `rates`
        Exponential moving averages of the batches' losses, corrected for their beginning.
    """
    state.order = shuffled(np.arange(len(problem.batches.samples)), state.random_state)
    augment = augment_at(problem.augmentation, state)
    batches = chain.from_iterable(
        problem.batches.in_order(order, augment) for order in repeat(state.order)
    )
    work = np.empty_like(state.theta)
    losses, average, best = [], 0.0, math.inf
    with np.errstate(over="ignore", invalid="ignore"):
        for rate in rates:
            batch = next(batch for batch in batches if batch.total_weight)
            evaluation = problem.objective(state.theta, batch)
            average = SMOOTHING * average + (1 - SMOOTHING) * evaluation.loss
            smoothed = average / (1 - SMOOTHING ** (len(losses) + 1))
            best = min(best, smoothed)
            if not smoothed < DIVERGED * best:
                break
            losses.append(smoothed)
            # The gradient has its penalty already.
            problem.update.apply(
                state,
                evaluation.gradient,
                float(rate),
                problem.layout,
                work,
                kernels=problem.objective.kernels,
            )
    return np.array(losses)
