"""What every solver minimises: the loss of a batch and its gradient by the flat parameters."""

from typing import NamedTuple

import numpy as np

from skmlp.engine.network import Network


class Evaluation(NamedTuple):
    """The objective at one point, on one batch.

    Attributes
    ----------
    loss : float
        Mean loss of the batch with the L2 penalty.
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
    activation : str
    loss : type with the interface of SoftmaxCrossEntropy
    alpha : float
        Strength of the L2 penalty. Like scikit-learn, it is divided by the weight of the batch.
    theta : ndarray of shape (n_parameters,)
        The parameters. The network is bound to this very array: who changes it in place changes the network.
    """

    def __init__(self, layout, activation, loss, alpha, theta):
        self.theta = theta
        self.loss = loss
        self.alpha = alpha
        self._gradient = np.empty_like(theta)
        self._weights = theta[: layout.n_weights]
        self._weights_gradient = self._gradient[: layout.n_weights]
        self._penalty_gradient = np.empty_like(self._weights)
        self.network = Network(*layout.views(theta), activation, layout.views(self._gradient))

    def __call__(self, theta, batch):
        """Evaluate the objective on a batch at `theta`."""
        if theta is not self.theta:
            self.theta[...] = theta
        weight = batch.total_weight
        logits = self.network.forward(batch.x)
        loss_sum, hits = self.loss.differentiate(logits, batch.targets, batch.weights, weight)
        self.network.backward(batch.x, logits)

        # d/dW [alpha / 2 * sum(W**2) / weight] = alpha / weight * W
        np.multiply(self._weights, self.alpha / weight, out=self._penalty_gradient)
        self._weights_gradient += self._penalty_gradient
        penalty = self.alpha / 2 * float(np.dot(self._weights, self._weights))
        return Evaluation((loss_sum + penalty) / weight, self._gradient, weight, hits)

    def validate(self, batches):
        """Mean loss, without the penalty, and accuracy over all batches at the current parameters."""
        total_weight = batches.samples.total_weight
        loss = hits = 0.0
        for batch in batches:
            logits = self.network.forward(batch.x)
            batch_loss, batch_hits = self.loss.differentiate(
                logits, batch.targets, batch.weights, total_weight
            )
            loss += batch_loss
            hits += batch_hits
        return loss / total_weight, hits / total_weight
