"""The reference backend: forward and backward passes through a chain of layers, and the update of the parameters."""

from functools import cached_property, partial

import numpy as np
from scipy.special import entr

from skmlp.engine.backend import BatchGradient, StepResult
from skmlp.engine.reference.layers import Step
from skmlp.engine.reference.losses import LOSSES
from skmlp.engine.reference.network import build_prediction_network, build_training_network
from skmlp.engine.reference.updater import Updater

# Norm of the random move from which the virtual adversarial direction is computed, relative to that of the perturbation
FIRST_MOVE = 0.4
CENTER_OF_BITS = (2**16 - 1) / 2


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
        return self._compute_gradient(batch)

    def step(self, batch, rate):
        """Perform a training step on a batch, and return the StepResult."""
        return self.update(self._compute_gradient(batch, self.network.update_statistics), rate)

    def update(self, result, rate):
        """Perform a training step with a BatchGradient, which is overwritten; return a StepResult."""
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

    def _make_adversarial_examples(self, x, delta):
        """Return samples, each perturbed in the direction of the gradient of its loss [1]_ [2]_.

        All perturbations have the norm `adversarial_norm`.

        Parameters
        ----------
        x : ndarray of shape (n_features, batch)
            Samples of the last forward pass.
        delta : ndarray of shape (n_outputs, batch)
            Gradient with respect to their logits; overwritten.

        References
        ----------
        .. [1] Goodfellow, Shlens and Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015,
           https://arxiv.org/abs/1412.6572
        .. [2] Miyato, Maeda, Koyama and Ishii, "Virtual adversarial training", IEEE TPAMI 41(8), 2019,
           https://arxiv.org/abs/1704.03976, which also uses the Euclidean norm.
        """
        return move(x, self.network.input_gradient(delta), self.config.adversarial_norm)

    @cached_property
    def _updater(self):
        # L-BFGS, which calls only `gradient`, has no Update.
        return Updater(self.config, self.state)

    def _compute_gradient(self, batch, after_first_pass=None):
        """Return the BatchGradient, where all passes use the same dropout masks.

        Parameters
        ----------
        batch : Batch
        after_first_pass : callable, default=None
            Called after the pass over the original samples. The statistics of batch normalization are those of this
            pass, as in prediction, not those of adversarial examples.
        """
        # The attribute `x` applies the augmentation, which uses the same generator, before masks are drawn.
        x, divergence = batch.x, None
        if self.config.virtual_adversarial_norm:
            start = self._draw_directions(x)
        compute_logits = self._prepare_passes(batch)
        logits = compute_logits(x)
        if after_first_pass is not None:
            after_first_pass()
        if self.config.virtual_adversarial_norm:
            divergence = partial(self._add_divergence, x, start, logits.copy(), compute_logits)
        loss, delta = self._compute_delta(logits, batch)
        if self.config.adversarial_norm:
            logits = compute_logits(self._make_adversarial_examples(x, delta))
            loss, delta = self._compute_delta(logits, batch)
        self.network.backward(delta)
        total, weight = loss.loss, batch.total_weight
        if divergence is not None:
            total += divergence(batch)
        return BatchGradient(total / weight, loss.n_correct, weight, self._gradient)

    def _prepare_passes(self, batch):
        """Return a function that computes the logits of samples, with the same dropout masks in each pass."""
        bits = self.state.generator.bit_generator
        if not self.config.perturbs_samples:  # there is one pass; saving the state would take time
            return partial(self._compute_logits, batch)
        before_masks = bits.state

        def compute_logits(x):
            bits.state = before_masks
            return self._compute_logits(batch, x)

        return compute_logits

    def _add_divergence(self, x, start, logits, compute_logits, batch):
        """Return the virtual adversarial loss [1]_, summed over a batch, and add its gradient.

        The loss of a sample is the Kullback-Leibler divergence of the predictions for the perturbed sample from those
        for the sample itself, which are constants. The perturbation that increases it most is approximated by one step
        of the power method: the gradient at a sample that is moved in a random direction.

        Parameters
        ----------
        x : ndarray of shape (n_features, batch)
        start : ndarray of shape (n_features, batch)
            Random directions.
        logits : ndarray of shape (n_outputs, batch)
            Logits of x; overwritten.
        compute_logits : callable
            Function of samples.
        batch : Batch

        References
        ----------
        .. [1] Miyato, Maeda, Koyama and Ishii, "Virtual adversarial training", IEEE TPAMI 41(8), 2019,
           https://arxiv.org/abs/1704.03976
        """
        norm, gradient = self.config.virtual_adversarial_norm, self._gradient.copy()
        loss = LOSSES[self.config.network.divergence_loss_name]
        probabilities = loss.probabilities(logits)
        targets = probabilities, batch.weights, batch.total_weight
        delta = compute_logits(move(x, start, norm * FIRST_MOVE))
        loss.loss_gradient(delta, *targets)
        delta = compute_logits(move(x, self.network.input_gradient(delta), norm))
        cross_entropy = loss.loss_gradient(delta, *targets).loss
        self.network.backward(delta)
        self._gradient += gradient
        return cross_entropy - sum_entropies(
            self.config.network.out_activation, probabilities, batch.weights
        )

    def _draw_directions(self, x):
        """Return random vectors, of the shape of the samples, with 16 random bits per feature."""
        n_features, n_samples = x.shape
        n_values = n_features * n_samples
        words = self.state.generator.bit_generator.random_raw(-(-n_values // 4))
        values = words.view(np.uint16)[:n_values].reshape(n_samples, n_features)
        return values.T - self._gradient.dtype.type(CENTER_OF_BITS)

    def _compute_logits(self, batch, x):
        """Return the logits of a batch with features x, in training mode."""
        weight, dtype = batch.total_weight, self._gradient.dtype
        if batch.weights is None:
            fractions = np.full(batch.size, 1 / weight, dtype)
        else:
            fractions = (batch.weights / weight).astype(dtype, copy=False)
        return self.network.forward(x, Step(fractions, self.state.generator))

    def _compute_delta(self, logits, batch):
        """Return the LossSum of a batch, and the gradient with respect to the logits, which it replaces."""
        loss = self.loss.loss_gradient(
            logits,
            batch.targets,
            batch.weights,
            batch.total_weight,
            self.config.label_smoothing,
        )
        return loss, logits


def move(x, directions, norm):
    """Return samples moved by `norm` in the given directions, which are overwritten."""
    norms = np.sqrt(np.einsum("ij,ij->j", directions, directions))
    # The gradient of a sample with zero weight is zero; the sample is not moved.
    norms[norms == 0] = np.inf
    directions *= norm / norms
    directions += x
    return directions


def sum_entropies(out_activation, probabilities, weights):
    """Return the entropies of predictions of shape (n_outputs, batch), weighted and summed over the batch."""
    entropies = entr(probabilities).sum(axis=0)
    if out_activation == "logistic":
        entropies += entr(1 - probabilities).sum(axis=0)
    return float(entropies.sum() if weights is None else entropies @ weights)


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
