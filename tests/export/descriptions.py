"""Descriptions of networks as the drawing page contains them."""

from skmlp.export.model_info import describe_model
from skmlp.export.network import fold_network
from skmlp.export.payload import describe_network
from skmlp.export.quantize import quantize_network


def describe(model, weights="int8", image_shape=None):
    """Return the description of the network of a fitted classifier."""
    network = quantize_network(fold_network(model), weights)
    return describe_network(network, describe_model(model, image_shape))
