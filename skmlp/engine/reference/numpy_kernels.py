"""Element-wise and reduction kernels in NumPy: always available, and the reference for the compiled kernels.

The leading array arguments of a kernel are modified in place. `work` is a scratch buffer. Activations have the shape
``(units, batch)``.
"""

from typing import NamedTuple

import numpy as np

from skmlp.engine.parameters import split_into_blocks
from skmlp.engine.products import add_scaled, multiply_vector, sum_of_squares
from skmlp.engine.reference.activations import ACTIVATIONS

# Activations


def activate(z, name, biases, work):
    """Replace z by a = f(z + b)."""
    z += biases[:, np.newaxis]
    ACTIVATIONS[name].forward(z, work)


def activate_backward(delta, biases_gradient, name, a, work, ones):
    """Turn dL/da into dL/dz = dL/da f'(z + b), and compute dL/db = sum(dL/dz)."""
    ACTIVATIONS[name].backward(a, delta, work)
    # A matrix-vector product with ones is the fastest way to sum over the batch.
    multiply_vector(delta, ones, biases_gradient)


# Loss


class LossSum(NamedTuple):
    """Sums of the loss and of the correct predictions over a batch.

    Attributes
    ----------
    loss : float
        Sum of the losses of the samples, weighted by the sample weights.
    n_correct : float
        Total weight of the samples whose class, or set of labels, is predicted correctly.
    """

    loss: float
    n_correct: float


def softmax_cross_entropy(logits, targets, weights, total_weight, smoothing):
    """Turn logits into d loss / d logits = (p - y) weight / total_weight, and return the LossSum.

    p = exp(z) / sum(exp(z)), -log p = log(sum(exp(z))) - z, and y is one-hot or smoothed. If the largest logit is not
    unique, the first of the tied classes is the prediction.
    """
    batch_size = len(targets)
    target_positions = targets * batch_size
    target_positions += np.arange(batch_size)
    flat = logits.reshape(-1)

    logits -= logits.max(axis=0)
    target_logits = flat.take(target_positions)
    correct = target_logits == 0  # the largest logit is now zero
    has_ties = np.count_nonzero(logits) < logits.size - batch_size
    if has_ties:
        correct = logits.argmax(axis=0) == targets
    if smoothing:
        mean_logits = logits.mean(axis=0)
        target_logits += smoothing * (mean_logits - target_logits)
    np.exp(logits, out=logits)
    normalizers = np.add.reduce(logits, axis=0)
    losses = np.log(normalizers)
    losses -= target_logits

    normalizers *= total_weight
    if weights is not None:
        losses *= weights
        correct = weights[correct]
        logits *= weights
    logits /= normalizers
    fractions = (1 if weights is None else weights) / total_weight
    flat[target_positions] -= (1 - smoothing) * fractions
    if smoothing:
        logits -= fractions * (smoothing / len(logits))
    return LossSum(float(losses.sum()), float(correct.sum()))


# Dropout


def drop(out, mask, x, bits, threshold, scale):
    """Compute mask = bits >= threshold and out = mask * x * scale."""
    np.greater_equal(bits, threshold, out=mask)
    np.multiply(x, mask, out=out)
    out *= scale


def drop_backward(delta, mask, scale):
    """Turn dL/dy, where y is the output of `drop`, into dL/dx = mask * dL/dy * scale."""
    delta *= mask
    delta *= scale


# Batch normalization


def normalize(normalized, out, mean, variance, inverse_std, x, fractions, gains, epsilon):
    """Compute n = (x - mean) / sqrt(variance + epsilon) and out = gain * n.

    The statistics of the batch are mean = sum(fraction * x) and variance = sum(fraction * (x - mean)^2).
    """
    multiply_vector(x, fractions, mean)
    np.subtract(x, mean[:, np.newaxis], out=normalized)
    np.multiply(normalized, normalized, out=out)
    multiply_vector(out, fractions, variance)
    np.add(variance, epsilon, out=inverse_std)
    np.sqrt(inverse_std, out=inverse_std)
    np.reciprocal(inverse_std, out=inverse_std)
    normalized *= inverse_std[:, np.newaxis]
    np.multiply(normalized, gains[:, np.newaxis], out=out)


def normalize_backward(
    delta, gains_gradient, normalized, gains, inverse_std, fractions, work, ones
):
    """Compute dL/dgain = sum(delta * n), and turn delta into dL/dx.

    dL/dx = gain / std * (delta - fraction * (sum(delta) + n * dL/dgain)), where std = sqrt(variance + epsilon)
    """
    np.multiply(delta, normalized, out=work)
    multiply_vector(work, ones, gains_gradient)
    delta_sums = np.empty_like(gains_gradient)
    multiply_vector(delta, ones, delta_sums)
    np.multiply(normalized, gains_gradient[:, np.newaxis], out=work)
    work += delta_sums[:, np.newaxis]
    work *= fractions
    delta -= work
    delta *= (gains * inverse_std)[:, np.newaxis]


# Updates. The first n_weights elements of theta are the weights W. The gradient of l2 / 2 * sum(W**2) is added to the
# gradient of the loss, and W is multiplied by `decay`. Each function returns sum(W**2) before the step; the value is
# undefined if l2 is zero.


def penalize(theta, gradient, penalty):
    """Add d/dW [l2 / 2 * sum(W**2)] = l2 * W to the gradient, decay W, and return the previous sum(W**2)."""
    weights = theta[: penalty.n_weights]
    squares = 0.0
    if penalty.l2:
        squares = sum_of_squares(weights)
        add_scaled(weights, penalty.l2, gradient[: penalty.n_weights])
    if penalty.decay != 1:
        weights *= penalty.decay
    return squares


def sgd(theta, gradient, velocity, penalty, coefficients):
    """Apply v = momentum * v - rate * g; theta += velocity_step * v - gradient_step * g."""
    squares = penalize(theta, gradient, penalty)
    velocity *= coefficients.momentum
    add_scaled(gradient, -coefficients.rate, velocity)
    add_scaled(velocity, coefficients.velocity_step, theta)
    if coefficients.gradient_step:
        add_scaled(gradient, -coefficients.gradient_step, theta)
    return squares


def adam(theta, gradient, first, second, penalty, coefficients):
    """Apply m = keep_first * m + add_first * g; v = keep_second * v + g^2.

    Then theta -= rate * m / (sqrt(v) + epsilon).
    """
    squares = penalize(theta, gradient, penalty)
    if coefficients.keep_first != 1:
        first *= coefficients.keep_first
    add_scaled(gradient, coefficients.add_first, first)
    for block in split_into_blocks(len(theta)):
        divisors = update_second_moment(
            gradient[block], second[block], coefficients.keep_second, coefficients.epsilon
        )
        np.divide(first[block], divisors, out=divisors)
    add_scaled(gradient, -coefficients.rate, theta)
    return squares


def nadam(theta, gradient, first, second, work, penalty, coefficients):
    """Apply m = keep_first * m + g; v = keep_second * v + g^2.

    Then theta -= (rate * m + gradient_rate * g) / (sqrt(v) + epsilon).
    """
    squares = penalize(theta, gradient, penalty)
    first *= coefficients.keep_first
    add_scaled(gradient, 1, first)
    np.multiply(gradient, coefficients.gradient_rate, out=work)
    add_scaled(first, coefficients.rate, work)
    for block in split_into_blocks(len(theta)):
        work[block] /= update_second_moment(
            gradient[block], second[block], coefficients.keep_second, coefficients.epsilon
        )
    add_scaled(work, -1, theta)
    return squares


def rmsprop(theta, gradient, second, work, penalty, coefficients):
    """Apply v = keep * v + g^2; theta -= rate * g / (sqrt(v) + epsilon)."""
    squares = penalize(theta, gradient, penalty)
    work[...] = gradient
    for block in split_into_blocks(len(theta)):
        gradient[block] /= update_second_moment(
            work[block], second[block], coefficients.keep, coefficients.epsilon
        )
    add_scaled(gradient, -coefficients.rate, theta)
    return squares


def update_second_moment(gradient, second, keep, epsilon):
    """Apply v = keep * v + g^2, replace g by sqrt(v) + epsilon, and return it."""
    np.multiply(gradient, gradient, out=gradient)
    second *= keep
    second += gradient
    np.sqrt(second, out=gradient)
    gradient += epsilon
    return gradient


def move_average(average, values, decay):
    """Apply average = decay * average + (1 - decay) * value."""
    average *= decay
    add_scaled(values, 1 - decay, average)


def zero_below(values, smallest, work):
    """Set the values whose magnitude is less than `smallest` to zero."""
    for block in split_into_blocks(len(values)):
        magnitudes = np.abs(values[block], out=work[: len(values[block])])
        np.copyto(values[block], 0, where=magnitudes < smallest)
