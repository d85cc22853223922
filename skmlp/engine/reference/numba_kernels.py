"""Element-wise and reduction kernels compiled by numba, with the names and formulas of the NumPy kernels.

One compiled loop replaces several NumPy operations. The loops are single-threaded because a second thread pool would
compete with that of BLAS for the cores. Where compilation is not faster, the NumPy kernel is used: for example, tanh
and exp already use vector instructions in NumPy.
"""

import math

import numba
import numpy as np

from skmlp.engine.reference import numpy_kernels
from skmlp.engine.reference.activations import LEAKY_SLOPE
from skmlp.engine.reference.normal_distribution import (
    DENSITY_AT_ZERO,
    TAIL_COEFFICIENTS,
    TAIL_SLOPE,
    unnormalized_density,
)
from skmlp.engine.reference.numpy_kernels import LossSum

# Reordering sums allows vector instructions. The flags that assume finite numbers are left out because training checks
# the loss for NaN and infinity.
FAST_MATH = {"contract", "arcp", "nsz", "reassoc"}


def compiled(function):
    """Compile a function at its first call for each combination of types, and cache it on disk if possible."""
    options = {"nogil": True, "error_model": "numpy", "fastmath": FAST_MATH}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no writable cache directory
        return numba.njit(**options)(function)


# Activations


@compiled
def activate_identity(z, biases):
    """Replace z by a = z + b."""
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += biases[i]


@compiled
def activate_identity_backward(delta, biases_gradient, a):
    """Compute dL/db; dL/dz is dL/da."""
    for i in range(a.shape[0]):
        total = delta.dtype.type(0)
        for j in range(a.shape[1]):
            total += delta[i, j]
        biases_gradient[i] = total


@compiled
def activate_relu(z, biases):
    """Replace z by a = max(0, z + b)."""
    zero = z.dtype.type(0)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            value = z[i, j] + biases[i]
            # Comparisons with NaN are false; NaN must be propagated.
            z[i, j] = zero if value < zero else value


@compiled
def activate_relu_backward(delta, biases_gradient, a):
    """Turn dL/da into dL/dz, and compute dL/db."""
    zero = delta.dtype.type(0)
    for i in range(a.shape[0]):
        total = zero
        for j in range(a.shape[1]):
            value = delta[i, j] if a[i, j] > zero else zero
            delta[i, j] = value
            total += value
        biases_gradient[i] = total


@compiled
def activate_leaky_relu(z, biases):
    """Replace z by a = max(z + b, 0.01 (z + b))."""
    slope = z.dtype.type(LEAKY_SLOPE)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            value = z[i, j] + biases[i]
            z[i, j] = value * slope if value < 0 else value


@compiled
def activate_leaky_relu_backward(delta, biases_gradient, a):
    """Turn dL/da into dL/dz, and compute dL/db."""
    slope = delta.dtype.type(LEAKY_SLOPE)
    for i in range(a.shape[0]):
        total = delta.dtype.type(0)
        for j in range(a.shape[1]):
            value = delta[i, j] if a[i, j] > 0 else delta[i, j] * slope
            delta[i, j] = value
            total += value
        biases_gradient[i] = total


@compiled
def activate_gelu(z, density):
    """Replace z by a = z Phi(z), and the unnormalized density of z by da/dz = Phi(z) + z phi(z)."""
    one, density_at_zero = z.dtype.type(1), z.dtype.type(DENSITY_AT_ZERO)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            x = z[i, j]
            t = one / (one + TAIL_SLOPE * abs(x))
            tail = t * TAIL_COEFFICIENTS[0]
            for k in range(1, len(TAIL_COEFFICIENTS)):
                tail = (tail + TAIL_COEFFICIENTS[k]) * t
            tail *= density[i, j]
            # Comparisons with NaN are false; NaN must be propagated.
            cdf = one - tail if x > 0 else tail
            density[i, j] = density_at_zero * density[i, j] * x + cdf
            z[i, j] = x * cdf


# Forward and backward kernels that process activation and biases in one loop.
FUSED = {
    "identity": (activate_identity, activate_identity_backward),
    "relu": (activate_relu, activate_relu_backward),
    "leaky_relu": (activate_leaky_relu, activate_leaky_relu_backward),
}


def activate(z, name, biases, work):
    """Replace z by a = f(z + b)."""
    if name in FUSED:
        FUSED[name][0](z, biases)
    elif name == "gelu" and z.dtype == np.float32:
        z += biases[:, np.newaxis]
        unnormalized_density(z, out=work)
        activate_gelu(z, work)
    else:
        numpy_kernels.activate(z, name, biases, work)


def activate_backward(delta, biases_gradient, name, a, work, ones):
    """Turn dL/da into dL/dz, and compute dL/db."""
    if name in FUSED:
        FUSED[name][1](delta, biases_gradient, a)
    else:
        numpy_kernels.activate_backward(delta, biases_gradient, name, a, work, ones)


# Loss


@compiled
def softmax_cross_entropy(logits, targets, weights, total_weight, smoothing):
    """Turn logits into d loss / d logits, and return the LossSum. If `weights` is None, all samples have the weight 1.

    An empty array instead of None would make the loss depend on its address: the compiled code takes another path, with
    another order of the sum, if the range of `batch` weights from that address overlaps another array.
    """
    real = logits.dtype.type
    n_classes, batch_size = logits.shape
    largest = np.empty(batch_size, logits.dtype)
    normalizer = np.zeros(batch_size, logits.dtype)
    target_logit = np.empty(batch_size, logits.dtype)
    smoothed = real(smoothing / n_classes)
    loss = n_correct = 0.0

    for j in range(batch_size):
        largest[j] = logits[0, j]
    for i in range(1, n_classes):
        for j in range(batch_size):
            value = logits[i, j]
            # Comparisons with NaN are false, so a NaN in `value` is not skipped.
            largest[j] = largest[j] if largest[j] >= value else value
    for j in range(batch_size):
        target_logit[j] = logits[targets[j], j] - largest[j]
        if target_logit[j] == 0:
            is_first = True  # of tied classes, the first is the prediction
            for i in range(targets[j]):
                is_first &= logits[i, j] != largest[j]
            if is_first:
                n_correct += 1.0 if weights is None else weights[j]
    if smoothing:
        for j in range(batch_size):
            mean = real(0)
            for i in range(n_classes):
                mean += logits[i, j] - largest[j]
            target_logit[j] += real(smoothing) * (mean / real(n_classes) - target_logit[j])
    for i in range(n_classes):
        for j in range(batch_size):
            value = math.exp(logits[i, j] - largest[j])
            logits[i, j] = value
            normalizer[j] += value
    for j in range(batch_size):
        weight = real(1) if weights is None else weights[j]
        loss += (math.log(normalizer[j]) - target_logit[j]) * weight
        fraction = weight / real(total_weight)
        normalizer[j] = fraction / normalizer[j]
        largest[j] = fraction
    for i in range(n_classes):
        for j in range(batch_size):
            logits[i, j] = logits[i, j] * normalizer[j] - smoothed * largest[j]
    for j in range(batch_size):
        logits[targets[j], j] -= real(1 - smoothing) * largest[j]
    return LossSum(loss, n_correct)


# Dropout


def drop(out, mask, x, bits, threshold, scale):
    """Compute mask = bits >= threshold and out = mask * x * scale."""
    order = "C" if out.flags.c_contiguous else "F"
    drop_loop(*(array.ravel(order) for array in (out, mask, x, bits)), threshold, scale)


@compiled
def drop_loop(out, mask, x, bits, threshold, scale):
    """Compute `drop` for flat arrays."""
    scale = out.dtype.type(scale)
    for i in range(len(out)):
        mask[i] = bits[i] >= threshold
        out[i] = x[i] * scale if mask[i] else out.dtype.type(0)


def drop_backward(delta, mask, scale):
    """Turn dL/dy, where y is the output of `drop`, into dL/dx = mask * dL/dy * scale."""
    drop_backward_loop(delta.ravel(order="K"), mask.ravel(order="K"), scale)


@compiled
def drop_backward_loop(delta, mask, scale):
    """Compute `drop_backward` for flat arrays."""
    scale = delta.dtype.type(scale)
    for i in range(len(delta)):
        delta[i] = delta[i] * scale if mask[i] else delta.dtype.type(0)


# Batch normalization


@compiled
def normalize(normalized, out, mean, variance, inverse_std, x, fractions, gains, epsilon):
    """Compute n = (x - mean) / sqrt(variance + epsilon) and out = gain * n."""
    real = x.dtype.type
    for i in range(x.shape[0]):
        total = real(0)
        for j in range(x.shape[1]):
            total += x[i, j] * fractions[j]
        squares = real(0)
        for j in range(x.shape[1]):
            normalized[i, j] = x[i, j] - total
            squares += normalized[i, j] * normalized[i, j] * fractions[j]
        mean[i], variance[i] = total, squares
        inverse = real(1) / math.sqrt(squares + real(epsilon))
        inverse_std[i] = inverse
        for j in range(x.shape[1]):
            normalized[i, j] *= inverse
            out[i, j] = normalized[i, j] * gains[i]


def normalize_backward(
    delta, gains_gradient, normalized, gains, inverse_std, fractions, work, ones
):
    """Compute dL/dgain = sum(delta * n), and turn delta into dL/dx."""
    normalize_backward_loop(delta, gains_gradient, normalized, gains, inverse_std, fractions)


@compiled
def normalize_backward_loop(delta, gains_gradient, normalized, gains, inverse_std, fractions):
    """Compute `normalize_backward` without buffers."""
    for i in range(delta.shape[0]):
        total = delta_sum = delta.dtype.type(0)
        for j in range(delta.shape[1]):
            total += delta[i, j] * normalized[i, j]
            delta_sum += delta[i, j]
        gains_gradient[i] = total
        scale = gains[i] * inverse_std[i]
        for j in range(delta.shape[1]):
            delta[i, j] = scale * (
                delta[i, j] - fractions[j] * (delta_sum + normalized[i, j] * total)
            )


# Updates. The coefficients are cast to the dtype of theta because mixed precision slows down the loops.


@compiled
def sgd(theta, gradient, velocity, penalty, coefficients):
    """Apply v = momentum * v - rate * g; theta += velocity_step * v - gradient_step * g."""
    real = theta.dtype.type
    momentum, rate = real(coefficients.momentum), real(coefficients.rate)
    velocity_step = real(coefficients.velocity_step)
    gradient_step = real(coefficients.gradient_step)
    l2, decay = real(penalty.l2), real(penalty.decay)
    squares = real(0)
    for i in range(penalty.n_weights):
        g = gradient[i] + l2 * theta[i]
        squares += theta[i] * theta[i]
        velocity[i] = momentum * velocity[i] - rate * g
        theta[i] = theta[i] * decay + velocity_step * velocity[i] - gradient_step * g
    for i in range(penalty.n_weights, len(theta)):
        velocity[i] = momentum * velocity[i] - rate * gradient[i]
        theta[i] += velocity_step * velocity[i] - gradient_step * gradient[i]
    return squares


@compiled
def adam(theta, gradient, first, second, penalty, coefficients):
    """Apply m = keep_first * m + add_first * g; v = keep_second * v + g^2.

    Then theta -= rate * m / (sqrt(v) + epsilon).
    """
    real = theta.dtype.type
    keep_first, add_first = real(coefficients.keep_first), real(coefficients.add_first)
    keep_second = real(coefficients.keep_second)
    rate, epsilon = real(coefficients.rate), real(coefficients.epsilon)
    l2, decay = real(penalty.l2), real(penalty.decay)
    squares = real(0)
    for i in range(penalty.n_weights):
        g = gradient[i] + l2 * theta[i]
        squares += theta[i] * theta[i]
        first[i] = keep_first * first[i] + add_first * g
        second[i] = keep_second * second[i] + g * g
        theta[i] = theta[i] * decay - rate * first[i] / (math.sqrt(second[i]) + epsilon)
    for i in range(penalty.n_weights, len(theta)):
        g = gradient[i]
        first[i] = keep_first * first[i] + add_first * g
        second[i] = keep_second * second[i] + g * g
        theta[i] -= rate * first[i] / (math.sqrt(second[i]) + epsilon)
    return squares


@compiled
def nadam(theta, gradient, first, second, work, penalty, coefficients):
    """Apply m = keep_first * m + g; v = keep_second * v + g^2.

    Then theta -= (rate * m + gradient_rate * g) / (sqrt(v) + epsilon).
    """
    real = theta.dtype.type
    keep_first, keep_second = real(coefficients.keep_first), real(coefficients.keep_second)
    rate, gradient_rate = real(coefficients.rate), real(coefficients.gradient_rate)
    epsilon = real(coefficients.epsilon)
    squares = penalize_loop(theta, gradient, penalty)
    for i in range(len(theta)):
        g = gradient[i]
        first[i] = keep_first * first[i] + g
        second[i] = keep_second * second[i] + g * g
        theta[i] -= (rate * first[i] + gradient_rate * g) / (math.sqrt(second[i]) + epsilon)
    return squares


@compiled
def penalize_loop(theta, gradient, penalty):
    """Compute `penalize` in one loop, to be called by other compiled functions."""
    real = theta.dtype.type
    l2, decay = real(penalty.l2), real(penalty.decay)
    squares = real(0)
    for i in range(penalty.n_weights):
        squares += theta[i] * theta[i]
        gradient[i] += l2 * theta[i]
        theta[i] *= decay
    return squares


@compiled
def rmsprop(theta, gradient, second, work, penalty, coefficients):
    """Apply v = keep * v + g^2; theta -= rate * g / (sqrt(v) + epsilon)."""
    real = theta.dtype.type
    keep, rate = real(coefficients.keep), real(coefficients.rate)
    epsilon = real(coefficients.epsilon)
    squares = penalize_loop(theta, gradient, penalty)
    for i in range(len(theta)):
        second[i] = keep * second[i] + gradient[i] * gradient[i]
        theta[i] -= rate * gradient[i] / (math.sqrt(second[i]) + epsilon)
    return squares


def move_average(average, values, decay):
    """Apply average = decay * average + (1 - decay) * value."""
    real = average.dtype.type
    move_average_loop(average, values, real(decay), real(1 - decay))


@compiled
def move_average_loop(average, values, keep, add):
    """Apply average = keep * average + add * value."""
    for i in range(len(average)):
        average[i] = keep * average[i] + add * values[i]


penalize = numpy_kernels.penalize


def zero_below(values, smallest, work):
    """Set the values whose magnitude is less than `smallest` to zero."""
    zero_below_loop(values, values.dtype.type(smallest))


@compiled
def zero_below_loop(values, smallest):
    """Compute `zero_below` without a buffer."""
    zero = values.dtype.type(0)
    for i in range(len(values)):
        values[i] = zero if abs(values[i]) < smallest else values[i]
