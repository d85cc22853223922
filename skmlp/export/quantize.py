"""Rounding of the weights of a network to fewer bits.

Each row of a weight matrix, which belongs to one unit, is stored as rounded values and one scale: w = scale * value.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from skmlp.estimator.targets import TargetEncoding
from skmlp.export.network import DenseLayer, DenseNetwork, ImageInputs

MAX_INT8 = 127


@dataclass(frozen=True)
class WeightFormat:
    """Format in which weights are stored.

    Parameters
    ----------
    dtype : dtype
        Type of the stored values.
    compute_scales : callable
        Function that returns the scale of each row for the largest absolute value of each row, both in float64.
    """

    dtype: np.dtype
    compute_scales: Callable[[np.ndarray], np.ndarray]


def compute_float32_scales(row_maxima):
    """Return ones, because float32 represents weights of any magnitude."""
    return np.ones_like(row_maxima)


def compute_float16_scales(row_maxima):
    """Return the power of two of each row for which the largest value is at least 1 and less than 2.

    Multiplying by a power of two is exact. Without it, the weights for large features would be below the range of
    float16.
    """
    _, exponents = np.frexp(row_maxima)
    return np.ldexp(0.5, exponents)


def compute_int8_scales(row_maxima):
    """Return the scale of each row for which the largest value is 127."""
    return row_maxima / MAX_INT8


#: Formats by name.
WEIGHT_FORMATS = {
    "float32": WeightFormat(np.dtype(np.float32), compute_float32_scales),
    "float16": WeightFormat(np.dtype(np.float16), compute_float16_scales),
    "int8": WeightFormat(np.dtype(np.int8), compute_int8_scales),
}


@dataclass(frozen=True)
class QuantizedLayer:
    """Fully connected layer with rounded weights, ``a = f((scale value) x + b)``.

    Parameters
    ----------
    values : ndarray of shape (fan_out, fan_in)
        Rounded weights divided by the scales.
    scales : ndarray of shape (fan_out,) and dtype float32
        Positive scale of each row.
    biases : ndarray of shape (fan_out,) and dtype float32
    activation : str
        Name of the activation function f.
    """

    values: np.ndarray
    scales: np.ndarray
    biases: np.ndarray
    activation: str

    def restore(self):
        """Return the DenseLayer that is stored. Its weights are products of scales and values in float32."""
        weights = self.scales[:, np.newaxis] * self.values.astype(np.float32)
        return DenseLayer(weights, self.biases, self.activation)


@dataclass(frozen=True)
class QuantizedNetwork:
    """Network with rounded weights.

    Parameters
    ----------
    layers : tuple of QuantizedLayer
    targets : TargetEncoding
        Labels and the activation of the outputs.
    weights : str
        Name of the format of the weights.
    inputs : ImageInputs, default=None
        Computation of the inputs of the first layer from pixels.
    """

    layers: tuple[QuantizedLayer, ...]
    targets: TargetEncoding
    weights: str
    inputs: ImageInputs | None = None

    def restore(self):
        """Return the DenseNetwork that is stored, in float32, for example for `compute_probabilities`."""
        layers = tuple(layer.restore() for layer in self.layers)
        return DenseNetwork(layers, self.targets, self.inputs)


def quantize_network(network, weights="int8"):
    """Round the weights of a network.

    Parameters
    ----------
    network : DenseNetwork
        Result of `fold_network`.
    weights : {"float32", "float16", "int8"}, default="int8"
        Format of the weights. Biases are always stored as float32.

        - 'float32' rounds to 24 significant bits.
        - 'float16' rounds to 11 significant bits, and small weights of a row with large ones to fewer.
        - 'int8' rounds to multiples of a 127th of the largest absolute weight of the same row, which belongs to one
          unit. The error of a weight is at most half of this step.

    Returns
    -------
    quantized : QuantizedNetwork

    Raises
    ------
    ValueError
        If `weights` is not the name of a format, or if a weight or bias is not finite in float32.
    """
    if weights not in WEIGHT_FORMATS:
        names = ", ".join(map(repr, WEIGHT_FORMATS))
        raise ValueError(f"weights must be one of {names}, got {weights!r}.")
    check_range(network)
    weight_format = WEIGHT_FORMATS[weights]
    layers = tuple(quantize_layer(layer, weight_format) for layer in network.layers)
    return QuantizedNetwork(layers, network.targets, weights, network.inputs)


def quantize_layer(layer, weight_format):
    """Return the QuantizedLayer for a DenseLayer and a WeightFormat."""
    row_maxima = np.abs(layer.weights).max(axis=1).astype(np.float64)
    scales = weight_format.compute_scales(row_maxima).astype(np.float32)
    scales[scales == 0] = 1  # the weights of the row are zero or too small for float32
    values = layer.weights / scales[:, np.newaxis].astype(np.float64)
    if weight_format.dtype.kind == "i":
        values = np.clip(np.rint(values), -MAX_INT8, MAX_INT8)
    return QuantizedLayer(
        values.astype(weight_format.dtype),
        scales,
        layer.biases.astype(np.float32),
        layer.activation,
    )


def check_range(network):
    """Raise ValueError if a weight or bias of a DenseNetwork is not finite in float32."""
    limit = np.finfo(np.float32).max
    for array in (array for layer in network.layers for array in (layer.weights, layer.biases)):
        invalid = array[~(np.abs(array) <= limit)]
        if invalid.size:
            raise ValueError(
                "model must have weights and biases that are finite in float32, got "
                f"{invalid[0]} with input_scale and batch normalization included. Train it again with scaled features."
            )
