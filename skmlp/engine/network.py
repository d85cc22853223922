"""The network: a chain of layers and every buffer that they need."""

from dataclasses import dataclass

import numpy as np

from skmlp.engine.activations import ACTIVATIONS
from skmlp.engine.layers import Dense


@dataclass(frozen=True)
class Buffers:
    """Memory for one batch size: what a step writes, allocated once."""

    outputs: list[np.ndarray]
    deltas: list[np.ndarray]
    work: list[np.ndarray]
    ones: np.ndarray


class Network:
    """Dense layers in a row; the last one gives logits.

    Parameters
    ----------
    weights, biases : list of ndarray
        Of each layer, of shapes (fan_out, fan_in) and (fan_out,).
    activation : str
        Name of the activation of the hidden layers.
    gradients : tuple of two lists of ndarray, default=None
        Where `backward` writes the gradients by weights and biases; None for a network that only predicts.
    """

    def __init__(self, weights, biases, activation, gradients=None):
        n_hidden = len(weights) - 1
        activations = [ACTIVATIONS[activation]] * n_hidden + [ACTIVATIONS["identity"]]
        gradients = gradients or ([None] * len(weights), [None] * len(weights))
        self.layers = [
            Dense(*parts) for parts in zip(weights, biases, activations, *gradients, strict=True)
        ]
        self.dtype = weights[0].dtype
        self._buffers = {}

    def forward(self, x):
        """Compute the logits of a batch.

        Parameters
        ----------
        x : ndarray or sparse matrix of shape (n_features, batch)

        Returns
        -------
        logits : ndarray of shape (n_outputs, batch)
            A buffer of the network, overwritten by its next pass over a batch of the same size.
        """
        outputs = self._buffers_for(x.shape[1]).outputs
        for layer, output in zip(self.layers, outputs, strict=True):
            layer.forward(x, output)
            x = output
        return x

    def backward(self, x, logits_gradient):
        """Write the gradients by all parameters, for the batch of the last forward pass."""
        buffers = self._buffers_for(x.shape[1])
        delta = logits_gradient
        for i in reversed(range(len(self.layers))):
            input_of_layer, delta_x = (
                (buffers.outputs[i - 1], buffers.deltas[i - 1]) if i else (x, None)
            )
            self.layers[i].backward(
                input_of_layer, buffers.outputs[i], delta, buffers.work[i], buffers.ones, delta_x
            )
            delta = delta_x

    def _buffers_for(self, batch_size):
        buffers = self._buffers.get(batch_size)
        if buffers is None:
            buffers = self._buffers[batch_size] = self._allocate(batch_size)
        return buffers

    def _allocate(self, batch_size):
        def one_a_layer(layers):
            return [np.empty((len(layer.weights), batch_size), self.dtype) for layer in layers]

        trains = self.layers[-1].weights_gradient is not None
        return Buffers(
            outputs=one_a_layer(self.layers),
            deltas=one_a_layer(self.layers[:-1]) if trains else [],
            work=one_a_layer(self.layers) if trains else [],
            ones=np.ones(batch_size, self.dtype),
        )
