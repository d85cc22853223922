"""Losses of logits: the gradient, the loss and the wrong predictions, see `skmlp.engine.reference.losses`.

Logits have the shape ``(outputs, samples)``; each thread computes a range of samples. The padding consists of samples
with the weight zero, whose gradient is zero.
"""

from skmlp.engine.compiled.kernels import Doubles, Int, Reals, inlined, kernel, split
from skmlp.engine.compiled.settings import SMOOTHING, TOTAL_WEIGHT
from skmlp.engine.compiled.simd import broadcast, lanes, load, store, where
from skmlp.engine.compiled.vector_math import exp, log, logistic, softplus


@kernel
def softmax_cross_entropy(
    logits: Reals,
    targets: Reals,
    weights: Reals,
    settings: Doubles,
    losses: Reals,
    wrong: Reals,
    n_classes: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Turn logits into d loss / d logits = (p - y) weight / total_weight.

    p = exp(z) / sum(exp(z)), -log p = log(sum(exp(z))) - z, and y is one-hot or smoothed. `targets` contains the class
    indices. If the largest logit is not unique, the first of the tied classes is the prediction.
    """
    start, stop = split(row, lanes(logits), thread, n_threads)
    smoothing = settings[SMOOTHING]
    for j in range(start, stop, lanes(logits)):
        largest, predicted = load(logits, j), broadcast(0, logits)
        for i in range(1, n_classes):
            z = load(logits, i * row + j)
            predicted, largest = where(z > largest, i, predicted), where(z > largest, z, largest)
        target, weight = load(targets, j), load(weights, j)
        normalizer, logit_sum = broadcast(0, logits), broadcast(0, logits)
        target_logit = broadcast(0, logits)
        for i in range(n_classes):
            z = load(logits, i * row + j) - largest
            logit_sum = logit_sum + z
            target_logit = where(target == i, z, target_logit)
            z = exp(z)
            normalizer = normalizer + z
            store(z, logits, i * row + j)
        target_logit = target_logit + smoothing * (logit_sum / n_classes - target_logit)
        store((log(normalizer) - target_logit) * weight, losses, j)
        store(where(predicted == target, 0, weight), wrong, j)

        fraction = weight / settings[TOTAL_WEIGHT]
        scale = fraction / normalizer
        smoothed, certain = fraction * (smoothing / n_classes), fraction * (1 - smoothing)
        for i in range(n_classes):
            y = smoothed + where(target == i, certain, 0)
            store(load(logits, i * row + j) * scale - y, logits, i * row + j)


@kernel
def softmax_cross_entropy_of_probabilities(
    logits: Reals,
    targets: Reals,
    weights: Reals,
    settings: Doubles,
    losses: Reals,
    wrong: Reals,
    n_classes: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Turn logits into d loss / d logits = (p - y) weight / total_weight.

    `targets` contains the class probabilities y, of shape ``(n_classes, samples)``, and the loss is -sum(y log p). The
    first of the classes with the largest probability is the correct one.
    """
    start, stop = split(row, lanes(logits), thread, n_threads)
    smoothing = settings[SMOOTHING]
    for j in range(start, stop, lanes(logits)):
        largest, predicted = load(logits, j), broadcast(0, logits)
        likeliest, target = load(targets, j), broadcast(0, logits)
        for i in range(1, n_classes):
            z, y = load(logits, i * row + j), load(targets, i * row + j)
            predicted, largest = where(z > largest, i, predicted), where(z > largest, z, largest)
            target, likeliest = where(y > likeliest, i, target), where(y > likeliest, y, likeliest)
        weight = load(weights, j)
        normalizer, target_logit = broadcast(0, logits), broadcast(0, logits)
        for i in range(n_classes):
            z, y = load(logits, i * row + j) - largest, load(targets, i * row + j)
            target_logit = target_logit + z * (y + smoothing * (1 / n_classes - y))
            z = exp(z)
            normalizer = normalizer + z
            store(z, logits, i * row + j)
        store((log(normalizer) - target_logit) * weight, losses, j)
        store(where(predicted == target, 0, weight), wrong, j)

        fraction = weight / settings[TOTAL_WEIGHT]
        scale = fraction / normalizer
        for i in range(n_classes):
            y = load(targets, i * row + j)
            y = (y + smoothing * (1 / n_classes - y)) * fraction
            store(load(logits, i * row + j) * scale - y, logits, i * row + j)


@inlined
def cross_entropy_of_labels(logits, targets, weights, settings, losses, wrong, n_outputs, row, j):
    """Compute a vector of samples of `logistic_cross_entropy`."""
    smoothing = settings[SMOOTHING]
    weight = load(weights, j)
    fraction = weight / settings[TOTAL_WEIGHT]
    loss, is_correct = broadcast(0, logits), weight
    for i in range(n_outputs):
        z, y = load(logits, i * row + j), load(targets, i * row + j)
        is_correct = where(z > 0, where(y > 0.5, is_correct, 0), where(y > 0.5, 0, is_correct))
        y = y * (1 - smoothing) + smoothing / 2
        loss = loss + (softplus(z) - y * z)
        store((logistic(z) - y) * fraction, logits, i * row + j)
    store(loss * weight, losses, j)
    store(weight - is_correct, wrong, j)


@kernel
def logistic_cross_entropy(
    logits: Reals,
    targets: Reals,
    weights: Reals,
    settings: Doubles,
    losses: Reals,
    wrong: Reals,
    n_outputs: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Turn logits into d loss / d logits = (p - y) weight / total_weight.

    p = 1 / (1 + exp(-z)), and the loss of an output is log(1 + exp(z)) - y z. `targets` contains y, from 0 to 1, of
    shape ``(outputs, samples)``.
    """
    start, stop = split(row, lanes(logits), thread, n_threads)
    for j in range(start, stop, lanes(logits)):
        cross_entropy_of_labels(
            logits, targets, weights, settings, losses, wrong, n_outputs, row, j
        )


@kernel
def single_class(
    logits: Reals,
    targets: Reals,
    weights: Reals,
    settings: Doubles,
    losses: Reals,
    wrong: Reals,
    n_outputs: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Do the same as `logistic_cross_entropy`, but count all samples as correct."""
    start, stop = split(row, lanes(logits), thread, n_threads)
    for j in range(start, stop, lanes(logits)):
        cross_entropy_of_labels(
            logits, targets, weights, settings, losses, wrong, n_outputs, row, j
        )
        store(broadcast(0, logits), wrong, j)


@kernel
def softmax(
    logits: Reals,
    weights: Reals,
    probabilities: Reals,
    entropies: Reals,
    n_classes: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute p = exp(z) / sum(exp(z)), and the weighted entropies -sum(p log p) = log(sum(exp(z))) - sum(p z)."""
    start, stop = split(row, lanes(logits), thread, n_threads)
    for j in range(start, stop, lanes(logits)):
        largest = load(logits, j)
        for i in range(1, n_classes):
            z = load(logits, i * row + j)
            largest = where(z > largest, z, largest)
        normalizer, logit_sum = broadcast(0, logits), broadcast(0, logits)
        for i in range(n_classes):
            z = load(logits, i * row + j) - largest
            e = exp(z)
            normalizer, logit_sum = normalizer + e, logit_sum + e * z
            store(e, probabilities, i * row + j)
        for i in range(n_classes):
            store(load(probabilities, i * row + j) / normalizer, probabilities, i * row + j)
        entropy = log(normalizer) - logit_sum / normalizer
        store(entropy * load(weights, j), entropies, j)


@kernel
def logistic_outputs(
    logits: Reals,
    weights: Reals,
    probabilities: Reals,
    entropies: Reals,
    n_outputs: Int,
    row: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute p = 1 / (1 + exp(-z)), and the weighted sums of the entropies log(1 + exp(z)) - p z of the outputs."""
    start, stop = split(row, lanes(logits), thread, n_threads)
    for j in range(start, stop, lanes(logits)):
        entropy = broadcast(0, logits)
        for i in range(n_outputs):
            z = load(logits, i * row + j)
            p = logistic(z)
            entropy = entropy + (softplus(z) - p * z)
            store(p, probabilities, i * row + j)
        store(entropy * load(weights, j), entropies, j)


@kernel
def add_divergence(
    losses: Reals, entropies: Reals, sums: Doubles, n_samples: Int, thread: Int, n_threads: Int
):
    """Add sum(losses - entropies) to the sum of the losses, on the first thread."""
    if thread == 0:
        divergence = 0.0
        for j in range(n_samples):
            divergence += losses[j] - entropies[j]
        sums[0] += divergence


@kernel
def add_up(losses: Reals, wrong: Reals, sums: Doubles, n_samples: Int, thread: Int, n_threads: Int):
    """Compute sums = sum(losses), sum(wrong), on the first thread."""
    if thread == 0:
        loss, n_wrong = 0.0, 0.0
        for j in range(n_samples):
            loss += losses[j]
            n_wrong += wrong[j]
        sums[0], sums[1] = loss, n_wrong
