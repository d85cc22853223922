"""Element-wise and reduction kernels compiled by numba, with the names and formulas of the NumPy kernels.

One compiled loop replaces several NumPy operations. The loops use one thread: a second thread pool would compete with
BLAS's for the cores. Where a compiled loop gains nothing, as with exp and tanh, for which NumPy has vector
instructions, the kernel is NumPy's.
"""

import math

import numba
import numpy as np

from skmlp.engine.reference import numpy_kernels
from skmlp.engine.reference.activations import LEAKY_SLOPE
from skmlp.engine.reference.normal_distribution import DENSITY_AT_ZERO, TAIL, TAIL_SLOPE, bell
from skmlp.engine.reference.numpy_kernels import LossSum

# Reordered sums let the compiler use vector instructions. NaN and infinity keep their meaning: training checks for
# them.
FAST_MATH = {"contract", "arcp", "nsz", "reassoc"}


def compiled(function):
    """Compile a function at its first call for each type of arrays, and cache the result on disk if possible."""
    options = {"nogil": True, "error_model": "numpy", "fastmath": FAST_MATH}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no directory that can be written to
        return numba.njit(**options)(function)


# Activations


@compiled
def _identity(z, biases):
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            z[i, j] += biases[i]


@compiled
def _identity_backward(delta, biases_gradient, a):
    for i in range(a.shape[0]):
        total = delta.dtype.type(0)
        for j in range(a.shape[1]):
            total += delta[i, j]
        biases_gradient[i] = total


@compiled
def _relu(z, biases):
    zero = z.dtype.type(0)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            value = z[i, j] + biases[i]
            # A comparison with NaN is false, and NaN must pass.
            z[i, j] = zero if value < zero else value


@compiled
def _relu_backward(delta, biases_gradient, a):
    zero = delta.dtype.type(0)
    for i in range(a.shape[0]):
        total = zero
        for j in range(a.shape[1]):
            value = delta[i, j] if a[i, j] > zero else zero
            delta[i, j] = value
            total += value
        biases_gradient[i] = total


@compiled
def _leaky_relu(z, biases):
    slope = z.dtype.type(LEAKY_SLOPE)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            value = z[i, j] + biases[i]
            z[i, j] = value * slope if value < 0 else value


@compiled
def _leaky_relu_backward(delta, biases_gradient, a):
    slope = delta.dtype.type(LEAKY_SLOPE)
    for i in range(a.shape[0]):
        total = delta.dtype.type(0)
        for j in range(a.shape[1]):
            value = delta[i, j] if a[i, j] > 0 else delta[i, j] * slope
            delta[i, j] = value
            total += value
        biases_gradient[i] = total


@compiled
def _gelu_of_bell(z, bell_of_z):
    one, density_at_zero = z.dtype.type(1), z.dtype.type(DENSITY_AT_ZERO)
    for i in range(z.shape[0]):
        for j in range(z.shape[1]):
            x = z[i, j]
            t = one / (one + TAIL_SLOPE * abs(x))
            tail = t * TAIL[0]
            for k in range(1, len(TAIL)):
                tail = (tail + TAIL[k]) * t
            tail *= bell_of_z[i, j]
            # A comparison with NaN is false, and NaN must pass.
            below = one - tail if x > 0 else tail
            bell_of_z[i, j] = density_at_zero * bell_of_z[i, j] * x + below
            z[i, j] = x * below


FUSED = {
    "identity": (_identity, _identity_backward),
    "relu": (_relu, _relu_backward),
    "leaky_relu": (_leaky_relu, _leaky_relu_backward),
}


def activate(z, name, biases, work):
    """Compute a = f(z + b)."""
    if name in FUSED:
        FUSED[name][0](z, biases)
    elif name == "gelu" and z.dtype == np.float32:
        z += biases[:, np.newaxis]
        bell(z, out=work)
        _gelu_of_bell(z, work)
    else:
        numpy_kernels.activate(z, name, biases, work)


def activate_backward(delta, biases_gradient, name, a, work, ones):
    """Turn dL/da into dL/dz, and compute dL/db."""
    if name in FUSED:
        FUSED[name][1](delta, biases_gradient, a)
    else:
        numpy_kernels.activate_backward(delta, biases_gradient, name, a, work, ones)


# The loss


def softmax_cross_entropy(logits, targets, weights, total_weight, smoothing):
    """Turn logits into d loss / d logits; return the LossSum."""
    if weights is None:
        weights = np.empty(0, logits.dtype)
    return _softmax_of_columns(logits, targets, weights, total_weight, smoothing)


@compiled
def _softmax_of_columns(logits, targets, weights, total_weight, smoothing):
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
            # NaN must not be passed over.
            largest[j] = largest[j] if largest[j] >= value else value
    for j in range(batch_size):
        target_logit[j] = logits[targets[j], j] - largest[j]
        if target_logit[j] == 0:
            is_first = True  # of equal logits, the first one is the prediction
            for i in range(targets[j]):
                is_first &= logits[i, j] != largest[j]
            if is_first:
                n_correct += weights[j] if len(weights) else 1.0
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
        weight = weights[j] if len(weights) else real(1)
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


def drop(out, kept, x, bits, threshold, scale):
    """Compute kept = bits >= threshold and out = kept x scale."""
    order = "C" if out.flags.c_contiguous else "F"
    _drop_flat(*(array.ravel(order) for array in (out, kept, x, bits)), threshold, scale)


@compiled
def _drop_flat(out, kept, x, bits, threshold, scale):
    scale = out.dtype.type(scale)
    for i in range(len(out)):
        kept[i] = bits[i] >= threshold
        out[i] = x[i] * scale if kept[i] else out.dtype.type(0)


def drop_backward(delta, kept, scale):
    """Compute dL/dx = kept dL/dout scale."""
    _drop_backward_flat(delta.ravel(order="K"), kept.ravel(order="K"), scale)


@compiled
def _drop_backward_flat(delta, kept, scale):
    scale = delta.dtype.type(scale)
    for i in range(len(delta)):
        delta[i] = delta[i] * scale if kept[i] else delta.dtype.type(0)


# Batch normalization


@compiled
def normalize(normal, out, mean, variance, inverse_deviation, x, fractions, gains, epsilon):
    """Compute n = (x - mean) / sqrt(variance + epsilon) and out = gain n, of the batch."""
    real = x.dtype.type
    for i in range(x.shape[0]):
        total = real(0)
        for j in range(x.shape[1]):
            total += x[i, j] * fractions[j]
        squares = real(0)
        for j in range(x.shape[1]):
            normal[i, j] = x[i, j] - total
            squares += normal[i, j] * normal[i, j] * fractions[j]
        mean[i], variance[i] = total, squares
        inverse = real(1) / math.sqrt(squares + real(epsilon))
        inverse_deviation[i] = inverse
        for j in range(x.shape[1]):
            normal[i, j] *= inverse
            out[i, j] = normal[i, j] * gains[i]


def normalize_backward(
    delta, gains_gradient, normal, gains, inverse_deviation, fractions, work, ones
):
    """Compute dL/dgain = sum(delta n) and dL/dx = gain / deviation (delta - fraction (sum(delta) + n dL/dgain))."""
    _normalize_backward_rows(delta, gains_gradient, normal, gains, inverse_deviation, fractions)


@compiled
def _normalize_backward_rows(delta, gains_gradient, normal, gains, inverse_deviation, fractions):
    for i in range(delta.shape[0]):
        total = delta_sum = delta.dtype.type(0)
        for j in range(delta.shape[1]):
            total += delta[i, j] * normal[i, j]
            delta_sum += delta[i, j]
        gains_gradient[i] = total
        scale = gains[i] * inverse_deviation[i]
        for j in range(delta.shape[1]):
            delta[i, j] = scale * (delta[i, j] - fractions[j] * (delta_sum + normal[i, j] * total))


# Updates. The coefficients are cast to the type of theta: float64 would make the loops slow.


@compiled
def sgd(theta, gradient, velocity, penalty, coefficients):
    """Apply v = momentum v - rate g; theta += velocity_step v - gradient_step g."""
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
    """Apply m = keep_first m + add_first g; v = keep_second v + g^2; theta -= rate m / (sqrt(v) + epsilon)."""
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
    """Apply m = keep_first m + g; v = keep_second v + g^2.

    Then theta -= (rate m + gradient_rate g) / (sqrt(v) + epsilon).
    """
    real = theta.dtype.type
    keep_first, keep_second = real(coefficients.keep_first), real(coefficients.keep_second)
    rate, gradient_rate = real(coefficients.rate), real(coefficients.gradient_rate)
    epsilon = real(coefficients.epsilon)
    squares = _penalize(theta, gradient, penalty)
    for i in range(len(theta)):
        g = gradient[i]
        first[i] = keep_first * first[i] + g
        second[i] = keep_second * second[i] + g * g
        theta[i] -= (rate * first[i] + gradient_rate * g) / (math.sqrt(second[i]) + epsilon)
    return squares


@compiled
def _penalize(theta, gradient, penalty):
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
    """Apply v = keep v + g^2; theta -= rate g / (sqrt(v) + epsilon)."""
    real = theta.dtype.type
    keep, rate = real(coefficients.keep), real(coefficients.rate)
    epsilon = real(coefficients.epsilon)
    squares = _penalize(theta, gradient, penalty)
    for i in range(len(theta)):
        second[i] = keep * second[i] + gradient[i] * gradient[i]
        theta[i] -= rate * gradient[i] / (math.sqrt(second[i]) + epsilon)
    return squares


def move_average(average, values, decay):
    """Apply average = decay average + (1 - decay) value."""
    real = average.dtype.type
    _move_average_loop(average, values, real(decay), real(1 - decay))


@compiled
def _move_average_loop(average, values, keep, add):
    for i in range(len(average)):
        average[i] = keep * average[i] + add * values[i]


penalize = numpy_kernels.penalize


def zero_below(values, smallest, work):
    """Set the numbers to zero whose absolute value is less than `smallest`."""
    _zero_below_loop(values, values.dtype.type(smallest))


@compiled
def _zero_below_loop(values, smallest):
    zero = values.dtype.type(0)
    for i in range(len(values)):
        values[i] = zero if abs(values[i]) < smallest else values[i]
