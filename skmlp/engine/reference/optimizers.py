"""Update rules of the optimizers, see `skmlp.engine.optimizers`.

A function changes theta and the moments in place, given the gradient, which includes that of the L2 penalty, and the
named tuple of coefficients of the optimizer. It overwrites the gradient and `work`, a buffer of the same size.
"""

import numpy as np

from skmlp.engine.parameters import split_into_blocks
from skmlp.engine.products import add_scaled


def sgd(theta, gradient, moments, work, coefficients):
    """Apply v = momentum * v - rate * g; theta += velocity_step * v - gradient_step * g."""
    (velocity,) = moments
    velocity *= coefficients.momentum
    add_scaled(gradient, -coefficients.rate, velocity)
    add_scaled(velocity, coefficients.velocity_step, theta)
    if coefficients.gradient_step:
        add_scaled(gradient, -coefficients.gradient_step, theta)


def adam(theta, gradient, moments, work, coefficients):
    """Apply m = keep_first * m + add_first * g; v = keep_second * v + g^2.

    Then theta -= rate * m / (sqrt(v) + epsilon).
    """
    first, second = moments
    if coefficients.keep_first != 1:
        first *= coefficients.keep_first
    add_scaled(gradient, coefficients.add_first, first)
    for block in split_into_blocks(len(theta)):
        divisors = update_second_moment(
            gradient[block], second[block], coefficients.keep_second, coefficients.epsilon
        )
        np.divide(first[block], divisors, out=divisors)
    add_scaled(gradient, -coefficients.rate, theta)


def nadam(theta, gradient, moments, work, coefficients):
    """Apply m = keep_first * m + g; v = keep_second * v + g^2.

    Then theta -= (rate * m + gradient_rate * g) / (sqrt(v) + epsilon).
    """
    first, second = moments
    first *= coefficients.keep_first
    add_scaled(gradient, 1, first)
    np.multiply(gradient, coefficients.gradient_rate, out=work)
    add_scaled(first, coefficients.rate, work)
    for block in split_into_blocks(len(theta)):
        work[block] /= update_second_moment(
            gradient[block], second[block], coefficients.keep_second, coefficients.epsilon
        )
    add_scaled(work, -1, theta)


def rmsprop(theta, gradient, moments, work, coefficients):
    """Apply v = keep * v + g^2; theta -= rate * g / (sqrt(v) + epsilon)."""
    (second,) = moments
    work[...] = gradient
    for block in split_into_blocks(len(theta)):
        gradient[block] /= update_second_moment(
            work[block], second[block], coefficients.keep, coefficients.epsilon
        )
    add_scaled(gradient, -coefficients.rate, theta)


def update_second_moment(gradient, second, keep, epsilon):
    """Apply v = keep * v + g^2, replace g by sqrt(v) + epsilon, and return it."""
    np.multiply(gradient, gradient, out=gradient)
    second *= keep
    second += gradient
    np.sqrt(second, out=gradient)
    gradient += epsilon
    return gradient


# The rules by the attribute `kernel` of the optimizers.
UPDATE_RULES = {"sgd": sgd, "adam": adam, "nadam": nadam, "rmsprop": rmsprop}
