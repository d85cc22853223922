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
    adversarial_norm : float, default=0.0
        By how much each sample is moved to where its loss grows fastest; needs a design that differentiates inputs.
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
        adversarial_norm=0.0,
    ):
        self.theta = theta
        self.statistics = statistics
        self.loss = loss
        self.alpha = alpha
        self.label_smoothing = label_smoothing
        self.generator = generator
        self.kernels = kernels
        self.adversarial_norm = adversarial_norm
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
        if self.adversarial_norm:
            batch = self.adversarial(batch)
        loss_sum, hits, _ = self._differentiate(batch, learns=True)
        weight = batch.total_weight
        return Evaluation(loss_sum / weight, self._gradient, weight, hits)

    def adversarial(self, batch):
        """Move each sample by a vector of a fixed length to where its loss grows fastest [1]_ [2]_.

        References
        ----------
        .. [1] Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015,
           https://arxiv.org/abs/1412.6572
        .. [2] Miyato, Maeda, Koyama and Ishii, "Virtual adversarial training", IEEE TPAMI 41(8), 2019,
           https://arxiv.org/abs/1704.03976, which takes the Euclidean length, as here.
        """
        _, _, directions = self._differentiate(batch, learns=False)
        lengths = np.sqrt(np.einsum("ij,ij->j", directions, directions))
        # A sample without weight has no gradient, and stays where it is.
        lengths[lengths == 0] = np.inf
        directions *= self.adversarial_norm / lengths
        directions += batch.x
        return batch._replace(x=directions)

    def _differentiate(self, batch, learns):
        """Run forward and backward; give the summed loss, the hits, and the gradient by the samples if there is one."""
        weight = batch.total_weight
        step = Step(self._shares(batch, weight), self.generator, learns)
        logits = self.network.forward(batch.x, step)
        loss_sum, hits = self.loss.differentiate(
            logits, batch.targets, batch.weights, weight, self.label_smoothing, self.kernels
        )
        return loss_sum, hits, self.network.backward(logits, step)

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
