"""Descriptions of networks as the drawing page contains them."""

from skmlp.export.network import fold_network
from skmlp.export.payload import describe_network
from skmlp.export.quantize import quantize_network


def describe(model, weights="int8"):
    """Return the description of the network of a fitted classifier."""
    return describe_network(quantize_network(fold_network(model), weights))
