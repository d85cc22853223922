"""The network: a chain of layers and their buffers."""

from skmlp.engine.parameters import Views
from skmlp.engine.reference.layers import Activation, BatchNorm, Dropout, Linear


def build_training_network(config, weights, gradient):
    """Return a network for training whose layers use views of flat vectors.

    Parameters
    ----------
    config : NetworkConfig
    weights : Weights
        The network uses these arrays without copying them.
    gradient : ndarray of shape (n_parameters,)
        Output of `Network.backward`.

    Returns
    -------
    network : Network
    """
    layout, dtype = config.layout, gradient.dtype
    parameters, gradients = layout.views(weights.theta), layout.views(gradient)
    statistics = layout.statistics_views(weights.statistics)
    layers = []
    if config.input_dropout:
        # A batch is gathered sample by sample, so its transpose is F-ordered.
        layers.append(Dropout(config.input_dropout, layout.layer_sizes[0], dtype, order="F"))
    for i, n_units in enumerate(layout.hidden_sizes):
        layers.append(Linear(parameters.weights[i], gradients.weights[i]))
        biases, biases_gradients = parameters.biases, gradients.biases
        if config.batch_norm:
            layers.append(
                BatchNorm(
                    parameters.gains[i],
                    statistics.means[i],
                    statistics.variances[i],
                    gradients.gains[i],
                )
            )
            biases, biases_gradients = parameters.shifts, gradients.shifts
        layers.append(Activation(config.activations[i], biases[i], biases_gradients[i]))
        if config.dropout[i]:
            layers.append(Dropout(config.dropout[i], n_units, dtype))
    layers.append(Linear(parameters.weights[-1], gradients.weights[-1]))
    layers.append(Activation("identity", parameters.biases[-1], gradients.biases[-1]))
    return Network(layers)


def build_prediction_network(activations, parameters, statistics):
    """Return a network for prediction, with batch normalization folded into the fully connected layers.

    Parameters
    ----------
    activations : sequence of str
        Names of the activations of the hidden layers.
    parameters : Views
        The arrays are copied only if batch normalization changes them.
    statistics : StatisticsViews

    Returns
    -------
    network : Network
    """
    parameters = fold_batch_norm(parameters, statistics)
    layers = []
    for name, matrix, vector in zip(
        (*activations, "identity"), parameters.weights, parameters.biases, strict=True
    ):
        layers += [Linear(matrix), Activation(name, vector)]
    return Network(layers)


def fold_batch_norm(parameters, statistics):
    """Return the Views of a network without batch normalization that is equivalent in prediction.

    Parameters
    ----------
    parameters : Views
        The arrays are copied only if batch normalization changes them.
    statistics : StatisticsViews

    Returns
    -------
    folded : Views
    """
    weights, biases = list(parameters.weights), list(parameters.biases)
    if parameters.gains:
        norms = map(BatchNorm, parameters.gains, statistics.means, statistics.variances)
        folded = [
            norm.fold_into(*arrays)
            for norm, *arrays in zip(norms, weights[:-1], parameters.shifts, strict=True)
        ]
        weights[:-1] = [matrix for matrix, _ in folded]
        biases[:-1] = [vector for _, vector in folded]
    return Views(weights, biases, [], [])


class Network:
    """Chain of layers that computes logits.

    Parameters
    ----------
    layers : list of layers
    """

    def __init__(self, layers):
        self.layers = layers
        self._first_linear = next(i for i, layer in enumerate(layers) if type(layer) is Linear)
        self._batch_norms = [i for i, layer in enumerate(layers) if type(layer) is BatchNorm]
        self._buffers_by_batch_size = {}
        self._buffers = None

    def forward(self, x, step=None):
        """Compute the logits of a batch.

        Parameters
        ----------
        x : ndarray or sparse matrix of shape (n_features, batch)
        step : Step, default=None
            None in prediction.

        Returns
        -------
        logits : ndarray of shape (n_outputs, batch)
            Internal buffer, overwritten by the next pass over a batch of the same size.
        """
        self._buffers = self._get_buffers(x.shape[1])
        for layer, buffers in zip(self.layers, self._buffers, strict=True):
            x = layer.forward(x, buffers, step)
        return x

    def backward(self, delta):
        """Compute the gradient with respect to all parameters for the batch of the last forward pass.

        Parameters
        ----------
        delta : ndarray of shape (n_outputs, batch)
            Gradient with respect to the logits; overwritten.
        """
        first = self._first_linear
        for i in range(len(self.layers) - 1, first, -1):
            delta = self.layers[i].backward(delta, self._buffers[i])
        self.layers[first].parameter_gradient(delta, self._buffers[first])

    def input_gradient(self, delta):
        """Return the gradient with respect to the samples of the last forward pass.

        Parameters
        ----------
        delta : ndarray of shape (n_outputs, batch)
            Gradient with respect to the logits; overwritten.

        Returns
        -------
        gradient : ndarray of shape (n_features, batch)
            Internal buffer.
        """
        for layer, buffers in zip(reversed(self.layers), reversed(self._buffers), strict=True):
            delta = layer.input_gradient(delta, buffers)
        return delta

    def update_statistics(self):
        """Update the running statistics of batch normalization from the batch of the last forward pass."""
        for i in self._batch_norms:
            self.layers[i].update_statistics(self._buffers[i])

    def hidden_activations(self, x):
        """Return copies of the activations of each hidden layer, computed in prediction mode."""
        activations = []
        for layer, buffers in zip(self.layers, self._get_buffers(x.shape[1]), strict=True):
            x = layer.forward(x, buffers, None)
            if type(layer) is Activation:
                activations.append(x.copy())
        return activations[:-1]

    def _get_buffers(self, batch_size):
        if batch_size not in self._buffers_by_batch_size:
            self._buffers_by_batch_size[batch_size] = [
                layer.allocate(batch_size) for layer in self.layers
            ]
        return self._buffers_by_batch_size[batch_size]
