"""The reference backend: forward and backward passes through a chain of layers, and the update of the parameters."""

from functools import cached_property

import numpy as np

from skmlp.engine.backend import BatchGradient, StepResult
from skmlp.engine.reference.layers import Step
from skmlp.engine.reference.losses import LOSSES
from skmlp.engine.reference.network import build_prediction_network, build_training_network
from skmlp.engine.reference.updater import Updater


class ReferenceBackend:
    """Backend for a network of layers that uses and updates the weights of a TrainState.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    """

    max_steps = 1

    def __init__(self, config, state):
        self.config = config
        self.state = state
        self.loss = LOSSES[config.network.loss_name]
        self._gradient = np.empty_like(state.weights.theta)
        self.network = build_training_network(config.network, state.weights, self._gradient)

    def gradient(self, batch):
        """Return the BatchGradient at the current weights."""
        x = self.adversarial_examples(batch) if self.config.adversarial_norm else batch.x
        return self._gradient_at(x, batch)

    def step(self, batch, rate):
        """Perform a training step on a batch, and return the StepResult."""
        return self.update(self._training_gradient(batch), rate)

    def update(self, result, rate):
        """Perform a training step with a BatchGradient, which is overwritten, and return the StepResult."""
        penalty = self._updater.apply(result.gradient, rate, result.weight)
        return StepResult(result.loss + penalty, result.n_correct, result.weight)

    def steps(self, batches, rates):
        """Perform a training step on each batch, and return a list of StepResults."""
        return [self.step(batch, rate) for batch, rate in zip(batches, rates, strict=True)]

    def logits(self, batches, weights):
        """Yield each batch with its logits, computed in prediction mode."""
        network, layout = self.config.network, self.config.network.layout
        predictor = ReferencePredictor(
            network.activations,
            layout.views(weights.theta),
            layout.statistics_views(weights.statistics),
        )
        for batch in batches:
            yield batch, predictor.logits(batch)

    def adversarial_examples(self, batch):
        """Return the samples of a batch, each perturbed in the direction of the gradient of its loss [1]_ [2]_.

        All perturbations have the norm `adversarial_norm`. The gradient is computed with the dropout masks that the
        next forward pass draws.

        References
        ----------
        .. [1] Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015,
           https://arxiv.org/abs/1412.6572
        .. [2] Miyato, Maeda, Koyama and Ishii, "Virtual adversarial training", IEEE TPAMI 41(8), 2019,
           https://arxiv.org/abs/1704.03976, which also uses the Euclidean norm.
        """
        # The attribute `x` applies the augmentation, which uses the same generator, before its state is saved.
        x = batch.x
        bit_generator = self.state.generator.bit_generator
        before_masks = bit_generator.state
        _, delta = self._forward(x, batch)
        bit_generator.state = before_masks
        directions = self.network.input_gradient(delta)
        norms = np.sqrt(np.einsum("ij,ij->j", directions, directions))
        # The gradient of a sample with zero weight is zero; the sample is not perturbed.
        norms[norms == 0] = np.inf
        directions *= self.config.adversarial_norm / norms
        directions += x
        return directions

    @cached_property
    def _updater(self):
        # L-BFGS, which calls only `gradient`, has no Update.
        return Updater(self.config, self.state)

    def _training_gradient(self, batch):
        """Return the BatchGradient, and update the running statistics of batch normalization.

        The statistics are computed from the original samples, as in prediction, not from the adversarial examples.
        """
        if not self.config.adversarial_norm:
            result = self._gradient_at(batch.x, batch)
            self.network.update_statistics()
            return result
        x = self.adversarial_examples(batch)
        self.network.update_statistics()
        return self._gradient_at(x, batch)

    def _gradient_at(self, x, batch):
        """Return the BatchGradient of a batch with features x."""
        loss, delta = self._forward(x, batch)
        self.network.backward(delta)
        weight = batch.total_weight
        return BatchGradient(loss.loss / weight, loss.n_correct, weight, self._gradient)

    def _forward(self, x, batch):
        """Return the LossSum of a batch with features x, and the gradient with respect to the logits."""
        weight, dtype = batch.total_weight, self._gradient.dtype
        if batch.weights is None:
            fractions = np.full(batch.size, 1 / weight, dtype)
        else:
            fractions = (batch.weights / weight).astype(dtype, copy=False)
        logits = self.network.forward(x, Step(fractions, self.state.generator))
        loss = self.loss.loss_gradient(
            logits,
            batch.targets,
            batch.weights,
            weight,
            self.config.label_smoothing,
        )
        return loss, logits


class ReferencePredictor:
    """Network for prediction.

    Parameters
    ----------
    activations : sequence of str
        Names of the activations of the hidden layers.
    parameters : Views
    statistics : StatisticsViews
    """

    def __init__(self, activations, parameters, statistics):
        self._network = build_prediction_network(activations, parameters, statistics)

    def logits(self, batch):
        """Return the logits of a batch, of shape (n_outputs, batch_size), in a buffer that the next call overwrites."""
        return self._network.forward(batch.x)
