"""Batch normalization: forward and backward kernels, see `skmlp.engine.reference.layers.BatchNorm`.

Arrays have the shape ``(units, samples)``; each thread computes a range of units.
"""

from math import sqrt

from skmlp.engine.compiled.batches import convert
from skmlp.engine.compiled.kernels import Int, Reals, kernel, split
from skmlp.engine.compiled.simd import at, broadcast, lanes, load, store, total
from skmlp.engine.reference.layers import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM


@kernel
def normalize(
    x: Reals,
    normalized: Reals,
    mean: Reals,
    variance: Reals,
    inverse_std: Reals,
    fractions: Reals,
    gains: Reals,
    n_units: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute n = (x - mean) / sqrt(variance + epsilon), and turn x into gain * n.

    The statistics of the batch are mean = sum(fraction * x) and variance = sum(fraction * (x - mean)^2).
    """
    start, stop = split(n_units, 1, thread, n_threads)
    epsilon = convert(BATCH_NORM_EPSILON, x)
    one = convert(1, x)
    for i in range(start, stop):
        x_i, normalized_i = at(x, i * row), at(normalized, i * row)
        sums = broadcast(0, x)
        for j in range(0, row, lanes(x)):
            sums = sums + load(x_i, j) * load(fractions, j)
        mean[i] = total(sums)
        center, sums = broadcast(mean[i], x), broadcast(0, x)
        for j in range(0, row, lanes(x)):
            centered = load(x_i, j) - center
            store(centered, normalized_i, j)
            sums = sums + centered * centered * load(fractions, j)
        variance[i] = total(sums)
        inverse_std[i] = one / sqrt(variance[i] + epsilon)
        inverse, gain = broadcast(inverse_std[i], x), broadcast(gains[i], x)
        for j in range(0, row, lanes(x)):
            values = load(normalized_i, j) * inverse
            store(values, normalized_i, j)
            store(values * gain, x_i, j)


@kernel
def normalize_backward(
    delta: Reals,
    gains_gradient: Reals,
    normalized: Reals,
    inverse_std: Reals,
    fractions: Reals,
    gains: Reals,
    n_units: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute dL/dgain = sum(delta * n), and turn delta into dL/dx.

    dL/dx = gain / std * (delta - fraction * (sum(delta) + n * dL/dgain))
    """
    start, stop = split(n_units, 1, thread, n_threads)
    for i in range(start, stop):
        delta_i, normalized_i = at(delta, i * row), at(normalized, i * row)
        sums, products = broadcast(0, delta), broadcast(0, delta)
        for j in range(0, row, lanes(delta)):
            values = load(delta_i, j)
            sums = sums + values
            products = products + values * load(normalized_i, j)
        gains_gradient[i] = total(products)
        delta_sum, gain_gradient = (
            broadcast(total(sums), delta),
            broadcast(gains_gradient[i], delta),
        )
        scale = broadcast(gains[i] * inverse_std[i], delta)
        for j in range(0, row, lanes(delta)):
            mean_terms = load(fractions, j) * (delta_sum + load(normalized_i, j) * gain_gradient)
            store(scale * (load(delta_i, j) - mean_terms), delta_i, j)


@kernel
def update_statistics(
    running_mean: Reals,
    running_variance: Reals,
    mean: Reals,
    variance: Reals,
    n_units: Int,
    thread: Int,
    n_threads: Int,
):
    """Apply average = momentum * average + (1 - momentum) * value to the running mean and variance."""
    start, stop = split(n_units, 1, thread, n_threads)
    keep = convert(BATCH_NORM_MOMENTUM, mean)
    add = convert(1 - BATCH_NORM_MOMENTUM, mean)
    for i in range(start, stop):
        running_mean[i] = keep * running_mean[i] + add * mean[i]
        running_variance[i] = keep * running_variance[i] + add * variance[i]
