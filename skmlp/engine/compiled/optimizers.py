"""Optimizers: the update of a range of parameters, see `skmlp.engine.optimizers`.

A step function has the arguments g, the gradient with that of the penalty, the moments m and v, and the coefficients in
the order of the named tuple of the optimizer. It returns the change of theta and the new moments.
"""

from skmlp.engine.compiled.kernels import Doubles, Int, Reals, inlined, kernel
from skmlp.engine.compiled.settings import COEFFICIENTS, DECAY, GRADIENT_SCALE, L2
from skmlp.engine.compiled.simd import (
    broadcast,
    lanes,
    load,
    load_first,
    sqrt,
    store,
    store_first,
    total,
)


def define_optimizer(step, n_moments):
    """Return the kernel of a step function.

    Parameters
    ----------
    step : callable
    n_moments : int
        Number of moments that the step function uses.
    """
    step = inlined(step)

    @inlined
    def apply(w, g, m, v, scale, l2, decay, c):
        change, m, v = step(g * scale + w * l2, m, v, c[0], c[1], c[2], c[3], c[4])
        return w * decay + change, m, v

    @kernel
    def update(
        theta: Reals,
        gradient: Reals,
        first: Reals,
        second: Reals,
        settings: Doubles,
        squares: Doubles,
        n: Int,
    ):
        """Update n parameters, and compute the sum of their squares before the step."""
        # The compiler would read the settings again after each store, which might change them.
        scale = broadcast(settings[GRADIENT_SCALE], theta)
        l2 = broadcast(settings[L2], theta)
        decay = broadcast(settings[DECAY], theta)
        coefficients = (
            broadcast(settings[COEFFICIENTS], theta),
            broadcast(settings[COEFFICIENTS + 1], theta),
            broadcast(settings[COEFFICIENTS + 2], theta),
            broadcast(settings[COEFFICIENTS + 3], theta),
            broadcast(settings[COEFFICIENTS + 4], theta),
        )
        n_lanes = lanes(theta)
        n_full = n // n_lanes * n_lanes
        sums = broadcast(0, theta)
        m = v = sums
        for i in range(0, n_full, n_lanes):
            w = load(theta, i)
            sums = sums + w * w
            if n_moments > 0:
                m = load(first, i)
            if n_moments > 1:
                v = load(second, i)
            w, m, v = apply(w, load(gradient, i), m, v, scale, l2, decay, coefficients)
            store(w, theta, i)
            if n_moments > 0:
                store(m, first, i)
            if n_moments > 1:
                store(v, second, i)
        left = n - n_full
        if left:
            w = load_first(theta, n_full, left)
            sums = sums + w * w
            if n_moments > 0:
                m = load_first(first, n_full, left)
            if n_moments > 1:
                v = load_first(second, n_full, left)
            g = load_first(gradient, n_full, left)
            w, m, v = apply(w, g, m, v, scale, l2, decay, coefficients)
            store_first(w, theta, n_full, left)
            if n_moments > 0:
                store_first(m, first, n_full, left)
            if n_moments > 1:
                store_first(v, second, n_full, left)
        squares[0] = total(sums)

    return update


def sgd_step(g, m, v, momentum, rate, velocity_step, gradient_step, unused):
    """M = momentum * m - rate * g; theta += velocity_step * m - gradient_step * g."""
    m = momentum * m - rate * g
    return velocity_step * m - gradient_step * g, m, v


def adam_step(g, m, v, keep_first, add_first, keep_second, rate, epsilon):
    """M = keep_first * m + add_first * g; v = keep_second * v + g^2; theta -= rate * m / (sqrt(v) + epsilon)."""
    m = keep_first * m + add_first * g
    v = keep_second * v + g * g
    return -rate * m / (sqrt(v) + epsilon), m, v


def nadam_step(g, m, v, keep_first, keep_second, rate, gradient_rate, epsilon):
    """M = keep_first * m + g; v = keep_second * v + g^2.

    Then theta -= (rate * m + gradient_rate * g) / (sqrt(v) + epsilon).
    """
    m = keep_first * m + g
    v = keep_second * v + g * g
    return -(rate * m + gradient_rate * g) / (sqrt(v) + epsilon), m, v


def rmsprop_step(g, v, unused_moment, keep, rate, epsilon, unused_1, unused_2):
    """V = keep * v + g^2; theta -= rate * g / (sqrt(v) + epsilon)."""
    v = keep * v + g * g
    return -rate * g / (sqrt(v) + epsilon), v, unused_moment


sgd = define_optimizer(sgd_step, 1)
adam = define_optimizer(adam_step, 2)
nadam = define_optimizer(nadam_step, 2)
rmsprop = define_optimizer(rmsprop_step, 1)
