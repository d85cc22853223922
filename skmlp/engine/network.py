"""The network: a chain of layers and the memory that they need."""

from dataclasses import dataclass

from skmlp.engine.kernels import numpy_kernels
from skmlp.engine.layers import Activate, BatchNorm, Dense, Dropout


@dataclass(frozen=True)
class Design:
    """What the layers are, beyond their sizes.

    Attributes
    ----------
    activations : tuple of str
        Of each hidden layer.
    dropout : tuple of float
        Rate of each hidden layer.
    input_dropout : float
    differentiates_inputs : bool
        Whether the gradient by the samples is wanted as well.
    """

    activations: tuple[str, ...]
    dropout: tuple[float, ...]
    input_dropout: float = 0.0
    differentiates_inputs: bool = False


def build_training_network(layout, parameters, gradient, statistics, design, kernels=numpy_kernels):
    """Make a network whose layers are bound to views of flat vectors.

    Parameters
    ----------
    layout : Layout
    parameters, gradient : ndarray of shape (n_parameters,)
        The network follows changes of the parameters in place, and writes the gradient.
    statistics : ndarray
        Running means and variances of the batch normalisation, as `Layout.statistics_views` sees them.
    design : Design
    kernels : module, default=numpy_kernels

    Returns
    -------
    network : Network
    """
    dtype = parameters.dtype
    views, gradients = layout.views(parameters), layout.views(gradient)
    means, variances = layout.statistics_views(statistics) if layout.batch_norm else ([], [])
    n_hidden = len(layout.hidden_sizes)
    # A batch is gathered row by row, so that its samples lie side by side.
    orders = ["F" if design.differentiates_inputs else None] + ["C"] * n_hidden
    layers = []
    if design.input_dropout:
        n_features = layout.layer_sizes[0]
        layers.append(Dropout(design.input_dropout, n_features, dtype, kernels, order="F"))
    for i in range(n_hidden):
        n_units = layout.hidden_sizes[i]
        biases = views.biases[i], gradients.biases[i]
        idle_gradient = biases[1] if layout.batch_norm else None
        layers.append(Dense(views.weights[i], gradients.weights[i], orders[i], idle_gradient))
        if layout.batch_norm:
            biases = views.shifts[i], gradients.shifts[i]
            layers.append(
                BatchNorm(
                    views.gains[i], means[i], variances[i], gradients.gains[i], biases[1], kernels
                )
            )
        layers.append(Activate(design.activations[i], *biases, kernels))
        if design.dropout[i]:
            layers.append(Dropout(design.dropout[i], n_units, dtype, kernels))
    layers.append(Dense(views.weights[-1], gradients.weights[-1], orders[-1]))
    layers.append(Activate("identity", views.biases[-1], gradients.biases[-1], kernels))
    return Network(layers)


def build_prediction_network(weights, biases, activations):
    """Make a network that only predicts: dense layers and activations.

    Parameters
    ----------
    weights, biases : list of ndarray
        Of each layer, of shapes (fan_out, fan_in) and (fan_out,).
    activations : sequence of str
        Names of the activations of the hidden layers.
    """
    layers = []
    for name, matrix, vector in zip((*activations, "identity"), weights, biases, strict=True):
        layers += [Dense(matrix), Activate(name, vector)]
    return Network(layers)


class Network:
    """A chain of layers that ends in logits.

    Parameters
    ----------
    layers : list of layers
    """

    def __init__(self, layers):
        self.layers = layers
        self._memories = {}
        self._inputs = []

    def forward(self, x, step=None):
        """Compute the logits of a batch.

        Parameters
        ----------
        x : ndarray or sparse matrix of shape (n_features, batch)
        step : Step, default=None
            None to predict.

        Returns
        -------
        logits : ndarray of shape (n_outputs, batch)
            Memory of the network, overwritten by its next pass over a batch of the same size.
        """
        self._inputs = []
        for layer, memory in zip(self.layers, self._memory(x.shape[1]), strict=True):
            self._inputs.append(x)
            x = layer.forward(x, memory, step)
        return x

    def backward(self, logits_gradient, step):
        """Write the gradients by all parameters, for the batch and the step of the last forward pass.

        Returns
        -------
        gradient : ndarray of shape (n_features, batch) or None
            By the samples, where the network was designed to give it; memory of the network.
        """
        memories = self._memory(logits_gradient.shape[1])
        outputs = [*self._inputs[1:], logits_gradient]
        delta = logits_gradient
        for layer, memory, x, out in zip(
            reversed(self.layers),
            reversed(memories),
            reversed(self._inputs),
            reversed(outputs),
            strict=True,
        ):
            delta = layer.backward(x, out, delta, memory, step)
            if delta is None:
                break
        return delta

    def hidden_outputs(self, x):
        """Compute the activations of each hidden layer for a batch, without dropout, as copies."""
        self.forward(x)
        outputs = [*self._inputs[1:]]
        return [
            outputs[i].copy()
            for i, layer in enumerate(self.layers[:-1])
            if isinstance(layer, Activate)
        ]

    def _memory(self, batch_size):
        memory = self._memories.get(batch_size)
        if memory is None:
            memory = [layer.allocate(batch_size) for layer in self.layers]
            self._memories[batch_size] = memory
        return memory


def folded(layout, parts, statistics):
    """Give weights and biases of dense layers that predict like a network with batch normalisation.

    Parameters
    ----------
    layout : Layout
    parts : Views
    statistics : ndarray
    """
    if not layout.batch_norm:
        return parts.weights, parts.biases
    means, variances = layout.statistics_views(statistics)
    weights, biases = [], []
    for i in range(len(layout.hidden_sizes)):
        norm = BatchNorm(parts.gains[i], means[i], variances[i])
        folded_parts = norm.fold_into(parts.weights[i], parts.shifts[i])
        for together, own in zip((weights, biases), folded_parts, strict=True):
            together.append(own)
    return weights + parts.weights[-1:], biases + parts.biases[-1:]
