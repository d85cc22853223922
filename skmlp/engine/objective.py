"""What every solver minimises: the loss of a batch and its gradient by the flat parameters."""

from typing import NamedTuple

import numpy as np

from skmlp.engine.kernels import numpy_kernels
from skmlp.engine.layers import Step
from skmlp.engine.network import build_training_network


class Evaluation(NamedTuple):
    """The objective at one point, on one batch.

    Attributes
    ----------
    loss : float
        Mean loss of the batch; with the L2 penalty where it is asked for.
    gradient : ndarray of shape (n_parameters,)
        Of `loss`; a buffer that the next evaluation overwrites and that the caller may overwrite.
    weight : float
        Sum of the sample weights of the batch.
    hits : float
        Weight of the samples that were classified rightly.
    """

    loss: float
    gradient: np.ndarray
    weight: float
    hits: float


class Objective:
    """Mean loss of a batch plus ``alpha / 2 * sum(W**2) / weight``, W being all weights, and its gradient.

    Parameters
    ----------
    layout : Layout
    design : Design
    loss : type with the interface of SoftmaxCrossEntropy
    alpha : float
        Strength of the L2 penalty. Like scikit-learn, it is divided by the weight of the batch.
    label_smoothing : float in [0, 1)
        Of the training loss; validation goes without.
    theta : ndarray of shape (n_parameters,)
        The parameters. The network is bound to this very array: who changes it in place changes the network.
    statistics : ndarray
        Running means and variances of batch normalisation, changed in place by each evaluation.
    generator : Generator
        Draws the dropout.
    kernels : module, default=numpy_kernels
    """

    def __init__(
        self,
        layout,
        design,
        loss,
        alpha,
        label_smoothing,
        theta,
        statistics,
        generator,
        kernels=numpy_kernels,
    ):
        self.theta = theta
        self.statistics = statistics
        self.loss = loss
        self.alpha = alpha
        self.label_smoothing = label_smoothing
        self.generator = generator
        self.kernels = kernels
        self._n_weights = layout.n_weights
        self._gradient = np.empty_like(theta)
        self.network = build_training_network(
            layout, theta, self._gradient, statistics, design, kernels
        )

    def __call__(self, theta, batch):
        """Evaluate the objective on a batch at `theta`."""
        if theta is not self.theta:
            self.theta[...] = theta
        evaluation = self.without_penalty(batch)
        strength = self.alpha / evaluation.weight
        squares = self.kernels.penalise(
            self.theta, evaluation.gradient, self._n_weights, strength, decay=1.0
        )
        return evaluation._replace(loss=evaluation.loss + strength / 2 * squares)

    def without_penalty(self, batch):
        """Evaluate the objective at the parameters as they are, but for the penalty, which an optimizer adds itself."""
        weight = batch.total_weight
        step = Step(self._shares(batch, weight), self.generator)
        logits = self.network.forward(batch.x, step)
        loss_sum, hits = self.loss.differentiate(
            logits, batch.targets, batch.weights, weight, self.label_smoothing, self.kernels
        )
        self.network.backward(logits, step)
        return Evaluation(loss_sum / weight, self._gradient, weight, hits)

    def validate(self, batches):
        """Mean loss, without penalty and smoothing, and accuracy over all batches, as in prediction."""
        total_weight = batches.samples.total_weight
        loss = hits = 0.0
        for batch in batches:
            logits = self.network.forward(batch.x)
            batch_loss, batch_hits = self.loss.differentiate(
                logits, batch.targets, batch.weights, total_weight, kernels=self.kernels
            )
            loss += batch_loss
            hits += batch_hits
        return loss / total_weight, hits / total_weight

    def _shares(self, batch, weight):
        if batch.weights is None:
            return np.full(batch.size, 1 / weight, self.theta.dtype)
        return (batch.weights / weight).astype(self.theta.dtype, copy=False)
