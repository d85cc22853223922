"""The reference backend: forward and backward through a chain of layers, then an update of the flat vector."""

import numpy as np

from skmlp.engine.backend import BatchGradient, StepResult
from skmlp.engine.reference.layers import Step
from skmlp.engine.reference.losses import LOSSES
from skmlp.engine.reference.network import build_prediction_network, build_training_network

SUBNORMAL_INTERVAL = 100


class ReferenceBackend:
    """A network of layers bound to the weights of a TrainState.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    kernels : module
        The element-wise kernels.
    """

    def __init__(self, config, state, kernels):
        self.config = config
        self.state = state
        self.kernels = kernels
        self.loss = LOSSES[config.network.loss_name]
        self._gradient = np.empty_like(state.weights.theta)
        self._work = np.empty_like(state.weights.theta)
        self.network = build_training_network(
            config.network, state.weights, self._gradient, kernels
        )

    def gradient(self, batch):
        """Return the BatchGradient at the weights of the state."""
        x = self.adversarial(batch) if self.config.adversarial_norm else batch.x
        return self._gradient_at(x, batch)

    def step(self, batch, rate):
        """Move the state by a training step on a batch, and return the StepResult."""
        result = self._gradient_and_statistics(batch)
        update, l2 = self.config.solver.update, self.config.alpha / result.weight
        layout = self.config.network.layout
        squares = update.apply(
            self.state, result.gradient, self._work, rate, layout, l2, self.kernels
        )
        if self.state.step % SUBNORMAL_INTERVAL == 0:
            update.zero_subnormals(self.state, self._work, self.kernels)
        return StepResult(result.loss + l2 / 2 * squares, result.n_correct, result.weight)

    def logits(self, batches, weights):
        """Yield each batch with its logits in prediction."""
        network, layout = self.config.network, self.config.network.layout
        predicting = build_prediction_network(
            network.activations,
            layout.views(weights.theta),
            layout.statistics_views(weights.statistics),
            self.kernels,
        )
        for batch in batches:
            yield batch, predicting.forward(batch.x)

    def adversarial(self, batch):
        """Return the samples of a batch, each moved by a fixed distance to where its loss grows fastest [1]_ [2]_.

        The direction is computed with the dropout masks that the step on the moved samples uses as well.

        References
        ----------
        .. [1] Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015,
           https://arxiv.org/abs/1412.6572
        .. [2] Miyato, Maeda, Koyama and Ishii, "Virtual adversarial training", IEEE TPAMI 41(8), 2019,
           https://arxiv.org/abs/1704.03976, which uses the Euclidean norm, as here.
        """
        # Gathered before the masks are drawn: augmentation draws from the same stream.
        x = batch.x
        bit_generator = self.state.generator.bit_generator
        before_masks = bit_generator.state
        _, delta = self._forward(x, batch)
        bit_generator.state = before_masks
        directions = self.network.input_gradient(delta)
        norms = np.sqrt(np.einsum("ij,ij->j", directions, directions))
        # A sample of weight zero has no gradient, and is not moved.
        norms[norms == 0] = np.inf
        directions *= self.config.adversarial_norm / norms
        directions += x
        return directions

    def _gradient_and_statistics(self, batch):
        """Return the BatchGradient, and move the running statistics of batch normalization.

        They follow the samples as they are, which prediction sees, not those that `adversarial` has moved.
        """
        if not self.config.adversarial_norm:
            result = self._gradient_at(batch.x, batch)
            self.network.update_statistics()
            return result
        x = self.adversarial(batch)
        self.network.update_statistics()
        return self._gradient_at(x, batch)

    def _gradient_at(self, x, batch):
        """Return the BatchGradient of a batch with features x."""
        loss, delta = self._forward(x, batch)
        self.network.backward(delta)
        weight = batch.total_weight
        return BatchGradient(loss.loss / weight, loss.n_correct, weight, self._gradient)

    def _forward(self, x, batch):
        """Return the LossSum of a batch with features x, and the gradient of the mean loss by the logits."""
        weight, dtype = batch.total_weight, self._gradient.dtype
        if batch.weights is None:
            fractions = np.full(batch.size, 1 / weight, dtype)
        else:
            fractions = (batch.weights / weight).astype(dtype, copy=False)
        logits = self.network.forward(x, Step(fractions, self.state.generator))
        loss = self.loss.differentiate(
            logits,
            batch.targets,
            batch.weights,
            weight,
            self.config.label_smoothing,
            self.kernels,
        )
        return loss, logits
