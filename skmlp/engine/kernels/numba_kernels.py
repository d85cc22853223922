"""The kernels compiled by numba: one loop where NumPy takes several passes, with its names and formulas.

One thread: a further pool of threads would fight with BLAS's for the cores. Where a compiled loop gains nothing, as
with exp and tanh, for which NumPy has vector instructions, the kernel is NumPy's.
"""

import math

import numba
import numpy as np

from skmlp.engine.activations import LEAKY_SLOPE
from skmlp.engine.kernels import numpy_kernels
from skmlp.engine.normal_distribution import DENSITY_AT_ZERO, TAIL, TAIL_SLOPE, bell

# Reordered sums let the compiler use vector instructions. NaN and infinity keep their meaning: the training looks for
# them.
FAST_MATH = {"contract", "arcp", "nsz", "reassoc"}


def compiled(function):
    """Compile a function at its first call for each type of arrays, and keep the result on disk if possible."""
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
def _identity_backward(delta, a, biases_gradient):
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
def _relu_backward(delta, a, biases_gradient):
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
def _leaky_relu_backward(delta, a, biases_gradient):
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


def activate(name, z, biases, work):
    """Compute a = f(z + b)."""
    if name in FUSED:
        FUSED[name][0](z, biases)
    elif name == "gelu" and z.dtype == np.float32:
        z += biases[:, np.newaxis]
        bell(z, out=work)
        _gelu_of_bell(z, work)
    else:
        numpy_kernels.activate(name, z, biases, work)


def activate_backward(name, delta, a, biases_gradient, work, ones):
    """Turn dL/da into dL/dz, and compute dL/db."""
    if name in FUSED:
        FUSED[name][1](delta, a, biases_gradient)
    else:
        numpy_kernels.activate_backward(name, delta, a, biases_gradient, work, ones)


# The loss


def softmax_cross_entropy(logits, targets, weights, total_weight, smoothing):
    """Turn logits into d loss / d logits; give the summed loss and the hits."""
    if weights is None:
        weights = np.empty(0, logits.dtype)
    return _softmax_of_columns(logits, targets, weights, total_weight, smoothing)


@compiled
def _softmax_of_columns(logits, targets, weights, total_weight, smoothing):
    real = logits.dtype.type
    n_classes, batch_size = logits.shape
    largest = np.empty(batch_size, logits.dtype)
    normaliser = np.zeros(batch_size, logits.dtype)
    target_logit = np.empty(batch_size, logits.dtype)
    smoothed = real(smoothing / n_classes)
    loss = hits = 0.0

    for j in range(batch_size):
        largest[j] = logits[0, j]
    for i in range(1, n_classes):
        for j in range(batch_size):
            value = logits[i, j]
            # NaN must not be passed over.
            largest[j] = largest[j] if largest[j] >= value else value
    for j in range(batch_size):
        target_logit[j] = logits[targets[j], j] - largest[j]
    if smoothing:
        for j in range(batch_size):
            mean = real(0)
            for i in range(n_classes):
                mean += logits[i, j] - largest[j]
            hits += (weights[j] if len(weights) else 1.0) * (target_logit[j] == 0)
            target_logit[j] += real(smoothing) * (mean / real(n_classes) - target_logit[j])
    for i in range(n_classes):
        for j in range(batch_size):
            value = math.exp(logits[i, j] - largest[j])
            logits[i, j] = value
            normaliser[j] += value
    for j in range(batch_size):
        weight = weights[j] if len(weights) else real(1)
        loss += (math.log(normaliser[j]) - target_logit[j]) * weight
        if not smoothing:
            hits += weight * (target_logit[j] == 0)
        share = weight / real(total_weight)
        normaliser[j] = share / normaliser[j]
        largest[j] = share
    for i in range(n_classes):
        for j in range(batch_size):
            logits[i, j] = logits[i, j] * normaliser[j] - smoothed * largest[j]
    for j in range(batch_size):
        logits[targets[j], j] -= real(1 - smoothing) * largest[j]
    return loss, hits


# Dropout


def drop(out, kept, x, bits, threshold, scale):
    """Compute kept = bits >= threshold and out = kept x scale."""
    _drop_flat(*(array.ravel(order="K") for array in (out, kept, x, bits)), threshold, scale)


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


# Batch normalisation


@compiled
def normalise(normal, out, mean, variance, inverse_deviation, x, shares, gains, epsilon):
    """Compute n = (x - mean) / sqrt(variance + epsilon) and out = gain n, of the batch."""
    real = x.dtype.type
    for i in range(x.shape[0]):
        total = real(0)
        for j in range(x.shape[1]):
            total += x[i, j] * shares[j]
        squares = real(0)
        for j in range(x.shape[1]):
            normal[i, j] = x[i, j] - total
            squares += normal[i, j] * normal[i, j] * shares[j]
        mean[i], variance[i] = total, squares
        inverse = real(1) / math.sqrt(squares + real(epsilon))
        inverse_deviation[i] = inverse
        for j in range(x.shape[1]):
            normal[i, j] *= inverse
            out[i, j] = normal[i, j] * gains[i]


def normalise_backward(
    delta, gains_gradient, shifts_gradient, normal, gains, inverse_deviation, shares, work, ones
):
    """Compute dL/dgain = sum(delta n) and dL/dx = gain / deviation (delta - share (dL/dshift + n dL/dgain))."""
    _normalise_backward_rows(
        delta, gains_gradient, shifts_gradient, normal, gains, inverse_deviation, shares
    )


@compiled
def _normalise_backward_rows(
    delta, gains_gradient, shifts_gradient, normal, gains, inverse_deviation, shares
):
    for i in range(delta.shape[0]):
        total = delta.dtype.type(0)
        for j in range(delta.shape[1]):
            total += delta[i, j] * normal[i, j]
        gains_gradient[i] = total
        scale = gains[i] * inverse_deviation[i]
        shift = shifts_gradient[i]
        for j in range(delta.shape[1]):
            delta[i, j] = scale * (delta[i, j] - shares[j] * (shift + normal[i, j] * total))


# Updates


def sgd(theta, gradient, velocity, n_weights, penalty, decay, scalars):
    """Apply v = momentum v - rate g; theta += v, or momentum v - rate g with Nesterov's momentum."""
    rate, momentum, nesterov = scalars
    # theta += of_velocity v - of_gradient g
    of_velocity, of_gradient = (momentum, rate) if nesterov else (1, 0)
    scalars = penalty, decay, rate, momentum, of_velocity, of_gradient
    return _sgd_loop(theta, gradient, velocity, n_weights, *map(theta.dtype.type, scalars))


@compiled
def _sgd_loop(
    theta, gradient, velocity, n_weights, penalty, decay, rate, momentum, of_velocity, of_gradient
):
    squares = theta.dtype.type(0)
    for i in range(n_weights):
        g = gradient[i] + penalty * theta[i]
        squares += theta[i] * theta[i]
        velocity[i] = momentum * velocity[i] - rate * g
        theta[i] = theta[i] * decay + of_velocity * velocity[i] - of_gradient * g
    for i in range(n_weights, len(theta)):
        velocity[i] = momentum * velocity[i] - rate * gradient[i]
        theta[i] += of_velocity * velocity[i] - of_gradient * gradient[i]
    return squares


def adam(theta, gradient, first, second, n_weights, penalty, decay, scalars):
    """Apply m = keep m + add g; v = b2 v + g^2; theta -= rate m / (sqrt(v) + epsilon)."""
    scalars = map(theta.dtype.type, (penalty, decay, *scalars))
    return _adam_loop(theta, gradient, first, second, n_weights, *scalars)


@compiled
def _adam_loop(
    theta, gradient, first, second, n_weights, penalty, decay, keep, add, b2, rate, epsilon
):
    squares = theta.dtype.type(0)
    for i in range(n_weights):
        g = gradient[i] + penalty * theta[i]
        squares += theta[i] * theta[i]
        first[i] = keep * first[i] + add * g
        second[i] = b2 * second[i] + g * g
        theta[i] = theta[i] * decay - rate * first[i] / (math.sqrt(second[i]) + epsilon)
    for i in range(n_weights, len(theta)):
        g = gradient[i]
        first[i] = keep * first[i] + add * g
        second[i] = b2 * second[i] + g * g
        theta[i] -= rate * first[i] / (math.sqrt(second[i]) + epsilon)
    return squares


def nadam(theta, gradient, first, second, work, n_weights, penalty, decay, scalars):
    """Apply m = b1 m + g; v = b2 v + g^2; theta -= (rate m + gradient_rate g) / (sqrt(v) + epsilon)."""
    scalars = map(theta.dtype.type, (penalty, decay, *scalars))
    return _nadam_loop(theta, gradient, first, second, n_weights, *scalars)


@compiled
def _nadam_loop(
    theta, gradient, first, second, n_weights, penalty, decay, b1, b2, rate, gradient_rate, epsilon
):
    squares = _penalise_loop(theta, gradient, n_weights, penalty, decay)
    for i in range(len(theta)):
        g = gradient[i]
        first[i] = b1 * first[i] + g
        second[i] = b2 * second[i] + g * g
        theta[i] -= (rate * first[i] + gradient_rate * g) / (math.sqrt(second[i]) + epsilon)
    return squares


@compiled
def _penalise_loop(theta, gradient, n_weights, penalty, decay):
    squares = theta.dtype.type(0)
    for i in range(n_weights):
        squares += theta[i] * theta[i]
        gradient[i] += penalty * theta[i]
        theta[i] *= decay
    return squares


def rmsprop(theta, gradient, second, work, n_weights, penalty, decay, scalars):
    """Apply v = decay v + g^2; theta -= rate g / (sqrt(v) + epsilon)."""
    scalars = map(theta.dtype.type, (penalty, decay, *scalars))
    return _rmsprop_loop(theta, gradient, second, n_weights, *scalars)


@compiled
def _rmsprop_loop(theta, gradient, second, n_weights, penalty, decay, keep, rate, epsilon):
    squares = _penalise_loop(theta, gradient, n_weights, penalty, decay)
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


penalise = numpy_kernels.penalise


def flush(values, smallest, work):
    """Set the numbers to zero that are smaller than `smallest`."""
    _flush_loop(values, values.dtype.type(smallest))


@compiled
def _flush_loop(values, smallest):
    zero = values.dtype.type(0)
    for i in range(len(values)):
        values[i] = zero if abs(values[i]) < smallest else values[i]
