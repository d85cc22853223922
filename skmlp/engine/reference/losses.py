"""Losses on logits: the value, the gradient and the number of correct predictions of a batch.

A logit is the output of the last layer before softmax or the logistic function. Logits are ``(outputs, batch)``. With
label smoothing [1]_ the targets are ``(1 - smoothing) y + smoothing / n``, n being the number of classes, two for a
logistic output.

References
----------
.. [1] Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for computer vision", CVPR
   2016, https://arxiv.org/abs/1512.00567
"""

import numpy as np
from scipy.special import expit

from skmlp.engine.reference import numpy_kernels
from skmlp.engine.reference.numpy_kernels import LossSum


class SoftmaxCrossEntropy:
    """Cross-entropy of softmax probabilities; targets are class indices of shape (batch,)."""

    @staticmethod
    def differentiate(logits, targets, weights, total_weight, smoothing=0.0, kernels=numpy_kernels):
        """Turn logits into d loss / d logits = (p - y) weight / total_weight, and return the LossSum.

        y is one-hot or smoothed; weights of None are ones.
        """
        return kernels.softmax_cross_entropy(logits, targets, weights, total_weight, smoothing)

    @staticmethod
    def probabilities(logits):
        """Turn logits into probabilities, in place."""
        logits -= logits.max(axis=0)
        np.exp(logits, out=logits)
        logits /= logits.sum(axis=0)
        return inside_unit_interval(logits)

    @staticmethod
    def log_probabilities(logits):
        """Turn logits into logarithms of the probabilities, in place; accurate where these round to one as well."""
        logits -= logits.max(axis=0)
        logits -= np.log(np.exp(logits).sum(axis=0))
        smallest = np.log(np.finfo(logits.dtype).tiny)
        return np.maximum(logits, smallest, out=logits)


class LogisticCrossEntropy:
    """Cross-entropy of independent logistic outputs; targets are 0 or 1, of shape (outputs, batch)."""

    @staticmethod
    def differentiate(logits, targets, weights, total_weight, smoothing=0.0, kernels=numpy_kernels):
        """Turn logits into d loss / d logits = (p - y) weight / total_weight, and return the LossSum."""
        correct = ((logits > 0) == targets).all(axis=0)
        if smoothing:
            targets = targets * logits.dtype.type(1 - smoothing) + logits.dtype.type(smoothing / 2)
        # -log p = log(1 + exp(z)) - y z
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
        return inside_unit_interval(expit(logits, out=logits))

    @staticmethod
    def log_probabilities(logits):
        """Turn logits into logarithms of the probabilities, in place.

        They are the logarithms of the rounded probabilities, so that labels rank alike by both.
        """
        probabilities = LogisticCrossEntropy.probabilities(logits)
        return np.log(probabilities, out=probabilities)


class SingleClass:
    """Cross-entropy of a logistic output whose target is always 0, as there is only one class.

    The class is certain, and every sample is classified correctly, whatever the logit.
    """

    @staticmethod
    def differentiate(logits, targets, weights, total_weight, smoothing=0.0, kernels=numpy_kernels):
        """Turn logits into d loss / d logits, and return the LossSum."""
        loss_sum = LogisticCrossEntropy.differentiate(
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


def inside_unit_interval(probabilities):
    """Keep probabilities off zero and one, in place: no finite logit means certainty, whatever the rounding."""
    limits = np.finfo(probabilities.dtype)
    return np.clip(probabilities, limits.tiny, 1 - limits.epsneg, out=probabilities)


LOSSES = {
    "softmax": SoftmaxCrossEntropy,
    "logistic": LogisticCrossEntropy,
    "single_class": SingleClass,
}
