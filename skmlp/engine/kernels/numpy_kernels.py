"""The kernels in NumPy: always there, and the reference for the compiled ones.

Every array that a function names first is changed in place; `work` is memory of the same shape that it may overwrite.
Activations are ``(units, batch)``.
"""

import numpy as np

from skmlp.engine.activations import ACTIVATIONS
from skmlp.engine.parameters import cache_sized_parts
from skmlp.engine.products import add_scaled, multiply_vector, sum_of_squares

# Activations


def activate(name, z, biases, work):
    """Compute a = f(z + b)."""
    z += biases[:, np.newaxis]
    ACTIVATIONS[name].forward(z, work)


def activate_backward(name, delta, a, biases_gradient, work, ones):
    """Turn dL/da into dL/dz = dL/da f'(z), and compute dL/db = sum(dL/dz)."""
    ACTIVATIONS[name].backward(a, delta, work)
    # A product with ones is the fastest sum over the batch.
    multiply_vector(delta, ones, biases_gradient)


# The loss


def softmax_cross_entropy(logits, targets, weights, total_weight, smoothing):
    """Turn logits into d loss / d logits = (p - y) weight / total_weight; give the summed loss and the hits.

    p = exp(z) / sum(exp(z)), -log p = log(sum(exp(z))) - z, y one-hot or smoothed.
    """
    batch_size = len(targets)
    target_positions = targets * batch_size
    target_positions += np.arange(batch_size)
    flat = logits.reshape(-1)

    logits -= logits.max(axis=0)
    target_logits = flat.take(target_positions)
    hits = target_logits == 0  # the largest logit is now zero
    if smoothing:
        mean_logits = logits.mean(axis=0)
        target_logits += smoothing * (mean_logits - target_logits)
    np.exp(logits, out=logits)
    normalisers = np.add.reduce(logits, axis=0)
    losses = np.log(normalisers)
    losses -= target_logits

    normalisers *= total_weight
    if weights is not None:
        losses *= weights
        hits = weights[hits]
        logits *= weights
    logits /= normalisers
    shares = (1 if weights is None else weights) / total_weight
    flat[target_positions] -= (1 - smoothing) * shares
    if smoothing:
        logits -= shares * (smoothing / len(logits))
    return float(losses.sum()), float(hits.sum())


# Dropout


def drop(out, kept, x, bits, threshold, scale):
    """Compute kept = bits >= threshold and out = kept x scale."""
    np.greater_equal(bits, threshold, out=kept)
    np.multiply(x, kept, out=out)
    out *= scale


def drop_backward(delta, kept, scale):
    """Compute dL/dx = kept dL/dout scale."""
    delta *= kept
    delta *= scale


# Batch normalisation


def normalise(normal, out, mean, variance, inverse_deviation, x, shares, gains, epsilon):
    """Compute n = (x - mean) / sqrt(variance + epsilon) and out = gain n, of the batch.

    mean = sum(share x), variance = sum(share (x - mean)^2)
    """
    multiply_vector(x, shares, mean)
    np.subtract(x, mean[:, np.newaxis], out=normal)
    np.multiply(normal, normal, out=out)
    multiply_vector(out, shares, variance)
    np.add(variance, epsilon, out=inverse_deviation)
    np.sqrt(inverse_deviation, out=inverse_deviation)
    np.reciprocal(inverse_deviation, out=inverse_deviation)
    normal *= inverse_deviation[:, np.newaxis]
    np.multiply(normal, gains[:, np.newaxis], out=out)


def normalise_backward(
    delta, gains_gradient, shifts_gradient, normal, gains, inverse_deviation, shares, work, ones
):
    """Compute dL/dgain = sum(delta n) and dL/dx = gain / deviation (delta - share (dL/dshift + n dL/dgain)).

    dL/dshift = sum(delta) is the gradient of the biases that are added next.
    """
    np.multiply(delta, normal, out=work)
    multiply_vector(work, ones, gains_gradient)
    np.multiply(normal, gains_gradient[:, np.newaxis], out=work)
    work += shifts_gradient[:, np.newaxis]
    work *= shares
    delta -= work
    delta *= (gains * inverse_deviation)[:, np.newaxis]


# Updates: theta moves along the gradient of the loss plus penalty / 2 sum(W**2), the first n_weights of theta being W,
# which shrink by the factor `decay` as well. Each gives sum(W**2) from before, zero without a penalty.


def penalise(theta, gradient, n_weights, penalty, decay):
    """Add d/dW [penalty / 2 sum(W**2)] = penalty W to the gradient, shrink W, and give sum(W**2) from before."""
    weights = theta[:n_weights]
    squares = 0.0
    if penalty:
        squares = sum_of_squares(weights)
        add_scaled(weights, penalty, gradient[:n_weights])
    if decay != 1:
        weights *= decay
    return squares


def sgd(theta, gradient, velocity, n_weights, penalty, decay, scalars):
    """Apply v = momentum v - rate g; theta += v, or momentum v - rate g with Nesterov's momentum."""
    rate, momentum, nesterov = scalars
    squares = penalise(theta, gradient, n_weights, penalty, decay)
    velocity *= momentum
    add_scaled(gradient, -rate, velocity)
    if nesterov:
        add_scaled(velocity, momentum, theta)
        add_scaled(gradient, -rate, theta)
    else:
        add_scaled(velocity, 1, theta)
    return squares


def adam(theta, gradient, first, second, n_weights, penalty, decay, scalars):
    """Apply m = keep m + add g; v = b2 v + g^2; theta -= rate m / (sqrt(v) + epsilon)."""
    keep_1, add_1, keep_2, rate, epsilon = scalars
    squares = penalise(theta, gradient, n_weights, penalty, decay)
    if keep_1 != 1:
        first *= keep_1
    add_scaled(gradient, add_1, first)
    for part in cache_sized_parts(len(theta)):
        denominators = root_of_second_moment(gradient[part], second[part], keep_2, epsilon)
        np.divide(first[part], denominators, out=denominators)
    add_scaled(gradient, -rate, theta)
    return squares


def nadam(theta, gradient, first, second, work, n_weights, penalty, decay, scalars):
    """Apply m = b1 m + g; v = b2 v + g^2; theta -= (rate m + gradient_rate g) / (sqrt(v) + epsilon)."""
    keep_1, keep_2, rate, gradient_rate, epsilon = scalars
    squares = penalise(theta, gradient, n_weights, penalty, decay)
    first *= keep_1
    add_scaled(gradient, 1, first)
    np.multiply(gradient, gradient_rate, out=work)
    add_scaled(first, rate, work)
    for part in cache_sized_parts(len(theta)):
        work[part] /= root_of_second_moment(gradient[part], second[part], keep_2, epsilon)
    add_scaled(work, -1, theta)
    return squares


def rmsprop(theta, gradient, second, work, n_weights, penalty, decay, scalars):
    """Apply v = decay v + g^2; theta -= rate g / (sqrt(v) + epsilon)."""
    keep, rate, epsilon = scalars
    squares = penalise(theta, gradient, n_weights, penalty, decay)
    work[...] = gradient
    for part in cache_sized_parts(len(theta)):
        gradient[part] /= root_of_second_moment(work[part], second[part], keep, epsilon)
    add_scaled(gradient, -rate, theta)
    return squares


def root_of_second_moment(gradient, second, keep, epsilon):
    """Apply v = keep v + g^2 and turn g into sqrt(v) + epsilon."""
    np.multiply(gradient, gradient, out=gradient)
    second *= keep
    second += gradient
    np.sqrt(second, out=gradient)
    gradient += epsilon
    return gradient


def move_average(average, values, decay):
    """Apply average = decay average + (1 - decay) value."""
    average *= decay
    add_scaled(values, 1 - decay, average)


def flush(values, smallest, work):
    """Set the numbers to zero that are smaller than `smallest`."""
    for part in cache_sized_parts(len(values)):
        sizes = np.abs(values[part], out=work[: len(values[part])])
        np.copyto(values[part], 0, where=sizes < smallest)
