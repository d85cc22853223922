"""Losses on logits: the value, the gradient and the number of hits of a batch in one pass.

A logit is the output of the last layer before softmax or the logistic function. Logits are ``(outputs, batch)``.
`differentiate` overwrites them by the gradient of the mean loss and returns the *sum* of the loss over the batch and
the weight of the samples that are classified rightly; weights of None mean ones. With label smoothing [1]_ the targets
are ``(1 - smoothing) y + smoothing / n``, n being the number of classes, two for a logistic output.

References
----------
.. [1] Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception architecture for computer vision", CVPR
   2016, https://arxiv.org/abs/1512.00567
"""

import numpy as np
from scipy.special import expit, log_expit

from skmlp.engine.kernels import numpy_kernels


class SoftmaxCrossEntropy:
    """Cross-entropy of softmax probabilities; targets are class indices of shape (batch,)."""

    out_activation = "softmax"

    @staticmethod
    def differentiate(logits, targets, weights, total_weight, smoothing=0.0, kernels=numpy_kernels):
        """Turn logits into d loss / d logits = (p - y) weight / total_weight, y being one-hot or smoothed."""
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
        """Turn logits into log-probabilities, in place."""
        logits -= logits.max(axis=0)
        logits -= np.log(np.exp(logits).sum(axis=0))
        return above_log_of_zero(logits)


class LogisticCrossEntropy:
    """Cross-entropy of independent logistic outputs; targets are 0 or 1, of shape (outputs, batch)."""

    out_activation = "logistic"

    @staticmethod
    def differentiate(logits, targets, weights, total_weight, smoothing=0.0, kernels=numpy_kernels):
        """Turn logits into d loss / d logits = (p - y) weight / total_weight."""
        hits = ((logits > 0) == targets).all(axis=0)
        if smoothing:
            targets = targets * logits.dtype.type(1 - smoothing) + logits.dtype.type(smoothing / 2)
        # -log p = log(1 + exp(z)) - y z
        losses = (np.logaddexp(0, logits) - targets * logits).sum(axis=0)
        expit(logits, out=logits)
        logits -= targets
        if weights is not None:
            losses *= weights
            hits = weights[hits]
            logits *= weights
        logits /= total_weight
        return float(losses.sum()), float(hits.sum())

    @staticmethod
    def probabilities(logits):
        """Turn logits into probabilities, in place."""
        return inside_unit_interval(expit(logits, out=logits))

    @staticmethod
    def log_probabilities(logits):
        """Turn logits into log-probabilities, in place."""
        return above_log_of_zero(log_expit(logits, out=logits))


def inside_unit_interval(probabilities):
    """Keep probabilities off zero and one, in place: no finite logit is certainty, and rounding must not make it so."""
    limits = np.finfo(probabilities.dtype)
    return np.clip(probabilities, limits.tiny, 1 - limits.epsneg, out=probabilities)


def above_log_of_zero(log_probabilities):
    """Keep log-probabilities where `inside_unit_interval` keeps probabilities, in place."""
    smallest = np.log(np.finfo(log_probabilities.dtype).tiny)
    return np.maximum(log_probabilities, smallest, out=log_probabilities)


LOSSES = {loss.out_activation: loss for loss in (SoftmaxCrossEntropy, LogisticCrossEntropy)}
