"""Losses of logits: the value, the gradient and the number of correct predictions of a batch.

Logits are the outputs of the last layer before softmax or the logistic function. They are C-contiguous arrays of shape
``(outputs, batch)``. Label smoothing [1]_ replaces the targets y by ``(1 - smoothing) y + smoothing / n``, where n is
the number of classes, or 2 for logistic outputs.

References
----------
.. [1] Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for computer vision", CVPR
   2016, https://arxiv.org/abs/1512.00567
"""

from typing import NamedTuple

import numpy as np
from scipy.special import expit


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


class SoftmaxCrossEntropy:
    """Cross-entropy of softmax probabilities. Targets are class indices of shape (batch,)."""

    @staticmethod
    def loss_gradient(logits, targets, weights, total_weight, smoothing=0.0):
        """Turn logits into d loss / d logits = (p - y) weight / total_weight, and return the LossSum.

        p = exp(z) / sum(exp(z)), -log p = log(sum(exp(z))) - z, and y is one-hot or smoothed. If the largest logit is
        not unique, the first of the tied classes is the prediction. If `weights` is None, all samples have the weight
        1.
        """
        batch_size = len(targets)
        target_positions = np.multiply(targets, batch_size, dtype=np.intp)
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

    @staticmethod
    def probabilities(logits):
        """Turn logits into probabilities, in place."""
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=0)
        return clip_probabilities(logits)

    @staticmethod
    def log_probabilities(logits):
        """Turn logits into log-probabilities, in place; also accurate for probabilities that round to 1."""
        logits -= logits.max(axis=0)
        logits -= np.log(np.exp(logits).sum(axis=0))
        smallest = np.log(np.finfo(logits.dtype).tiny)
        return np.maximum(logits, smallest, out=logits)


class SoftmaxCrossEntropyOfProbabilities:
    """Cross-entropy of softmax probabilities. Targets are class probabilities of shape (outputs, batch)."""

    @staticmethod
    def loss_gradient(logits, targets, weights, total_weight, smoothing=0.0):
        """Turn logits into d loss / d logits = (p - y) weight / total_weight, and return the LossSum.

        p = exp(z) / sum(exp(z)), and the loss of a sample is -sum(y log p) = log(sum(exp(z))) - sum(y z). The first of
        the classes with the largest probability in y is the correct one.
        """
        correct = logits.argmax(axis=0) == targets.argmax(axis=0)
        if smoothing:
            targets = targets * (1 - smoothing) + smoothing / len(targets)
        logits -= logits.max(axis=0)
        target_logits = np.einsum("ij,ij->j", targets, logits)
        np.exp(logits, out=logits)
        normalizers = np.add.reduce(logits, axis=0)
        losses = np.log(normalizers)
        losses -= target_logits
        logits /= normalizers
        logits -= targets
        if weights is not None:
            losses *= weights
            correct = weights[correct]
            logits *= weights
        logits /= total_weight
        return LossSum(float(losses.sum()), float(correct.sum()))

    probabilities = SoftmaxCrossEntropy.probabilities
    log_probabilities = SoftmaxCrossEntropy.log_probabilities


class LogisticCrossEntropy:
    """Cross-entropy of independent logistic outputs. Targets are from 0 to 1, of shape (outputs, batch)."""

    @staticmethod
    def loss_gradient(logits, targets, weights, total_weight, smoothing=0.0):
        """Turn logits into d loss / d logits = (p - y) weight / total_weight, and return the LossSum."""
        correct = ((logits > 0) == (targets > 0.5)).all(axis=0)
        if smoothing:
            targets = targets * logits.dtype.type(1 - smoothing) + logits.dtype.type(smoothing / 2)
        # -y log(p) - (1 - y) log(1 - p) = log(1 + exp(z)) - y z
        losses = (np.logaddexp(0, logits) - targets * logits).sum(axis=0)
        expit(logits, out=logits)
        logits -= targets
        if weights is not None:
            losses *= weights
            correct = weights[correct]
            logits *= weights
        logits /= total_weight
        return LossSum(float(losses.sum()), float(correct.sum()))

    @staticmethod
    def probabilities(logits):
        """Turn logits into probabilities, in place."""
        return clip_probabilities(expit(logits, out=logits))

    @staticmethod
    def log_probabilities(logits):
        """Turn logits into log-probabilities, in place.

        They are the logarithms of the rounded probabilities, so both give the same ranking of labels.
        """
        probabilities = LogisticCrossEntropy.probabilities(logits)
        return np.log(probabilities, out=probabilities)


class SingleClass:
    """Cross-entropy of a logistic output for data with a single class; the target is always 0.

    For any logit, the probability of the class is 1 and the sample is classified correctly.
    """

    @staticmethod
    def loss_gradient(logits, targets, weights, total_weight, smoothing=0.0):
        """Turn logits into d loss / d logits, and return the LossSum."""
        loss_sum = LogisticCrossEntropy.loss_gradient(
            logits, targets, weights, total_weight, smoothing
        )
        n_correct = logits.shape[1] if weights is None else weights.sum()
        return loss_sum._replace(n_correct=float(n_correct))

    @staticmethod
    def probabilities(logits):
        """Turn logits into ones, in place."""
        logits[...] = 1
        return logits

    @staticmethod
    def log_probabilities(logits):
        """Turn logits into zeros, in place."""
        logits[...] = 0
        return logits


def clip_probabilities(probabilities):
    """Clip probabilities to the open interval (0, 1), in place; rounding may have made them 0 or 1."""
    limits = np.finfo(probabilities.dtype)
    return np.clip(probabilities, limits.tiny, 1 - limits.epsneg, out=probabilities)


LOSSES = {
    "softmax": SoftmaxCrossEntropy,
    "softmax_of_probabilities": SoftmaxCrossEntropyOfProbabilities,
    "logistic": LogisticCrossEntropy,
    "single_class": SingleClass,
}
