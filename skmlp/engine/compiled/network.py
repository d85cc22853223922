"""A compiled network for batches of one size: its layers, and the regions of the forward and the backward pass."""

import numpy as np

from skmlp.engine.compiled.inputs import Norms, concatenate_rows, make_inputs
from skmlp.engine.compiled.layers import BatchNorm, Dense, Dropout
from skmlp.engine.compiled.program import PerStep
from skmlp.engine.compiled.settings import N_LOSS_SETTINGS, SMOOTHING, TOTAL_WEIGHT
from skmlp.engine.reference import layers as reference


class TrainingNetwork:
    """Network for training on batches of one size.

    Parameters
    ----------
    config : TrainingConfig
    weights : Weights
        Parameters and running statistics; used without copying.
    gradient : ndarray of shape (n_parameters,)
        Output of the backward pass.
    shape : BatchShape
    source : Source
        Kind of samples.

    Attributes
    ----------
    inputs : Inputs
    layers : list of Dense
    sums : PerStep
        Sum of the losses, and total weight of the wrong predictions.
    """

    def __init__(self, config, weights, gradient, shape, source):
        network = config.network
        layout = network.layout
        parameters, gradients = layout.views(weights.theta), layout.views(gradient)
        statistics = layout.statistics_views(weights.statistics)
        self._shape = shape
        self._config = config
        n_target_rows = 1 if network.has_class_indices else layout.layer_sizes[-1]
        self._targets = shape.allocate_per_step(n_target_rows, shape.row)
        self._weights, self._fractions = (shape.allocate_per_step(shape.row) for _ in range(2))
        self._settings = PerStep(np.zeros((shape.n_steps, N_LOSS_SETTINGS)))
        self.sums = PerStep(np.zeros((shape.n_steps, 2)))
        self._losses, self._wrong = shape.allocate(shape.row), shape.allocate(shape.row)
        self._divergence = None
        if config.virtual_adversarial_norm:
            self._divergence = Divergence(network, shape, self._weights)
        self.inputs = make_inputs(
            shape,
            source,
            layout.layer_sizes[0],
            make_dropout(network.input_dropout, shape),
            Norms(config.adversarial_norm, config.virtual_adversarial_norm),
        )
        last = Dense(
            shape,
            parameters.weights[-1],
            parameters.biases[-1],
            "identity",
            (gradients.weights[-1], gradients.biases[-1]),
        )
        last.delta = last.out  # the gradient with respect to the logits replaces them
        self.layers = [*self._make_hidden_layers(parameters, gradients, statistics), last]

    def _make_hidden_layers(self, parameters, gradients, statistics):
        network, shape, layers = self._config.network, self._shape, []
        for i, n_units in enumerate(network.layout.hidden_sizes):
            batch_norm, biases, biases_gradients = None, parameters.biases, gradients.biases
            if network.batch_norm:
                biases, biases_gradients = parameters.shifts, gradients.shifts
                batch_norm = BatchNorm(
                    shape,
                    parameters.gains[i],
                    gradients.gains[i],
                    statistics.means[i],
                    statistics.variances[i],
                    self._fractions,
                )
            dropout = make_dropout(network.dropout[i], shape)
            if dropout is not None:
                dropout = Dropout(shape, dropout, n_units, shape.n_samples, step=1)
            layers.append(
                Dense(
                    shape,
                    parameters.weights[i],
                    biases[i],
                    network.activations[i],
                    (gradients.weights[i], biases_gradients[i]),
                    batch_norm,
                    dropout,
                )
            )
        return layers

    def load(self, batches, samples, generator):
        """Set the batches of the next run, and draw the random bits of dropout.

        Parameters
        ----------
        batches : list of Batch
        samples : inputs.Samples
            Samples of all batches.
        generator : Generator
        """
        self.inputs.set(samples)
        n_steps, n = len(batches), self._shape.n_samples
        dataset = batches[0].samples
        rows = concatenate_rows(dataset.X, [batch.rows for batch in batches])
        targets = dataset.targets[rows].reshape(n_steps, n, -1)
        self._targets.array[:n_steps, :, :n] = targets.transpose(0, 2, 1)
        weights = self._weights.array[:n_steps]
        weights[:, :n] = 1 if dataset.weights is None else dataset.weights[rows].reshape(-1, n)
        settings = self._settings.array[:n_steps]
        settings[:, TOTAL_WEIGHT] = [batch.total_weight for batch in batches]
        settings[:, SMOOTHING] = self._config.label_smoothing
        if self._divergence is not None:
            self._divergence.set(settings[:, TOTAL_WEIGHT])
        np.divide(
            weights,
            settings[:, [TOTAL_WEIGHT]],
            out=self._fractions.array[:n_steps],
            casting="same_kind",
        )
        dropouts = [layer.dropout for layer in self.layers if layer.dropout is not None]
        for step in range(n_steps):
            for part in (self.inputs, *dropouts):
                part.draw(step, generator)

    def run_pass(self):
        """Return the regions that compute the loss of the gathered samples, and its gradients with respect to outputs.

        They also keep the predictions if the divergence from them is needed.
        """
        keep = [] if self._divergence is None else [self._divergence.keep(self.layers[-1].out)]
        return [*self._forward(keep + self._loss()), *self._backward(self._add_up())]

    def run_pass_over_moved(self):
        """Return the regions that compute the loss of the moved samples, and its gradients with respect to outputs."""
        return [*self._forward(self._loss(), moved=True), *self._backward(self._add_up())]

    def run_divergence_pass(self, *, is_last):
        """Return the regions that compute the divergence of the moved samples, and its gradients.

        Parameters
        ----------
        is_last : bool
            Whether to add the divergence to the loss.
        """
        divergence = self._divergence
        add = [divergence.add(self.sums)] if is_last else []
        loss = [divergence.compute(self.layers[-1].out)]
        return [*self._forward(loss, moved=True), *self._backward(add)]

    def _forward(self, loss, *, moved=False):
        inputs = self.inputs
        regions, previous = [inputs.prepare_moved() if moved else inputs.prepare()], None
        for layer, operand in zip(self.layers, self.operands(moved=moved), strict=True):
            calls = layer.forward(operand)
            if previous is not None:
                calls.append(previous.transpose())
            regions.append(calls)
            previous = layer
        return [*regions, loss]

    def operands(self, *, moved):
        """Return the Operand of each layer in a pass over the gathered or the moved samples."""
        inputs = self.inputs
        samples = inputs.as_moved_operand() if moved else inputs.as_operand()
        return [samples, *(layer.as_operand() for layer in self.layers[:-1])]

    def _backward(self, add_up):
        *hidden, last = self.layers
        # All threads read the gradient with respect to the logits in the first region. The kernel of the identity
        # does not write it, but only computes the gradient of the biases.
        regions, calls, following = [], [*last.activation_backward(), *add_up], last
        for layer in reversed(hidden):
            regions.append(calls + layer.backward(following))
            calls, following = [], layer
        return [*regions, calls] if calls else regions

    def update_statistics(self):
        """Return the calls that update the running statistics of batch normalization."""
        return [
            layer.batch_norm.update_statistics()
            for layer in self.layers
            if layer.batch_norm is not None
        ]

    def move_along_gradient(self, *, virtual=False):
        """Return the regions that move the samples after a pass, see `DenseInputs.move_along_gradient`."""
        return self.inputs.move_along_gradient(self.layers[0], virtual)

    def parameter_gradients(self, *, moved):
        """Return the calls that compute the gradients with respect to the weights after a pass, see `operands`."""
        return [
            operand.compute_gradient(layer.delta, layer.weights_gradient)
            for layer, operand in zip(self.layers, self.operands(moved=moved), strict=True)
        ]

    def _loss(self):
        logits = self.layers[-1].out
        return [
            self._shape.call(
                f"losses.{LOSS_KERNELS[self._config.network.loss_name]}",
                logits,
                self._targets,
                self._weights,
                self._settings,
                self._losses,
                self._wrong,
                *logits.shape,
            )
        ]

    def _add_up(self):
        arrays = self._losses, self._wrong, self.sums
        return [self._shape.call("losses.add_up", *arrays, self._shape.n_samples)]


class Divergence:
    """Kullback-Leibler divergence of predictions from those of an earlier pass.

    Parameters
    ----------
    network : NetworkConfig
    shape : BatchShape
    weights : PerStep
        Weight of each sample.
    """

    def __init__(self, network, shape, weights):
        self._shape = shape
        self._weights = weights
        self._names = [f"losses.{name}" for name in get_divergence_kernels(network)]
        self._probabilities = shape.allocate(network.layout.layer_sizes[-1], shape.row)
        self._entropies, self._losses, self._unused = (shape.allocate(shape.row) for _ in range(3))
        self._settings = PerStep(np.zeros((shape.n_steps, N_LOSS_SETTINGS)))

    def set(self, total_weights):
        """Set the total weight of the batch of each step."""
        self._settings.array[: len(total_weights), TOTAL_WEIGHT] = total_weights

    def keep(self, logits):
        """Return the call that keeps the predictions, and their entropies."""
        arrays = self._weights, self._probabilities, self._entropies
        return self._shape.call(self._names[0], logits, *arrays, *logits.shape)

    def compute(self, logits):
        """Return the call that turns logits into the gradient of the divergence with respect to them."""
        arrays = self._probabilities, self._weights, self._settings, self._losses, self._unused
        return self._shape.call(self._names[1], logits, *arrays, *logits.shape)

    def add(self, sums):
        """Return the call that adds the divergences to the sum of the losses."""
        arrays = self._losses, self._entropies, sums
        return self._shape.call("losses.add_divergence", *arrays, self._shape.n_samples)


def get_divergence_kernels(network):
    """Return the names of the kernels of a Divergence: the predictions, and the loss with predictions as targets."""
    keep = "softmax" if network.out_activation == "softmax" else "logistic_outputs"
    return keep, LOSS_KERNELS[network.divergence_loss_name]


LOSS_KERNELS = {
    "softmax": "softmax_cross_entropy",
    "softmax_of_probabilities": "softmax_cross_entropy_of_probabilities",
    "logistic": "logistic_cross_entropy",
    "single_class": "single_class",
}


def make_dropout(rate, shape):
    """Return the threshold and the scale of dropout, as a layer of the reference backend; None for no dropout."""
    return reference.Dropout(rate, 0, shape.dtype) if rate else None
