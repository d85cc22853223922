"""Conversion of a network to operators of ONNX."""

import numpy as np

from skmlp.engine.reference.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from skmlp.export.onnx_gradients import add_image_inputs
from skmlp.export.onnx_graph import to_float32


def add_gelu(graph, z):
    """Add a = z (1 + erf(z / sqrt(2))) / 2."""
    erf = graph.add("Erf", graph.add("Mul", z, to_float32(np.sqrt(0.5))))
    return graph.add(
        "Mul", graph.add("Mul", z, to_float32(0.5)), graph.add("Add", erf, to_float32(1))
    )


#: Functions that add the activation of a value to a graph, by name.
ACTIVATIONS = {
    "identity": lambda graph, z: z,
    "logistic": lambda graph, z: graph.add("Sigmoid", z),
    "tanh": lambda graph, z: graph.add("Tanh", z),
    "relu": lambda graph, z: graph.add("Relu", z),
    "leaky_relu": lambda graph, z: graph.add("LeakyRelu", z, alpha=LEAKY_SLOPE),
    "elu": lambda graph, z: graph.add("Elu", z, alpha=1.0),
    "selu": lambda graph, z: graph.add("Selu", z, alpha=SELU_ALPHA, gamma=SELU_SCALE),
    "gelu": add_gelu,
    "silu": lambda graph, z: graph.add("Mul", z, graph.add("Sigmoid", z)),
    "softplus": lambda graph, z: graph.add("Softplus", z),
}


def add_network(graph, network, features):
    """Add a DenseNetwork to a graph, with float32 weights.

    Parameters
    ----------
    graph : Graph
    network : DenseNetwork
    features : str
        Name of the features, of shape (n_samples, n_features) and dtype float32.

    Returns
    -------
    logits : str
        Name of the logits, of shape (n_samples, n_outputs).
    """
    a = features if network.inputs is None else add_image_inputs(graph, network.inputs, features)
    for layer in network.layers:
        product = graph.add("MatMul", a, to_float32(layer.weights.T))
        z = graph.add("Add", product, to_float32(layer.biases))
        a = ACTIVATIONS[layer.activation](graph, z)
    return a
