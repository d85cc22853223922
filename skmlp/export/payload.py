"""The description of a network for the drawing page, which page/network.js reads."""

import base64
import zlib

from skmlp.digits.gradients import RELATIVE_BLUR, ROOT_OFFSET
from skmlp.estimator.prediction import get_loss_name
from skmlp.export.quantize import WEIGHT_FORMATS

MAX_SAFE_INTEGER = 2**53 - 1  # larger integers are not exact in JavaScript
# Replaces the digits of Python's base 85 that have a meaning in HTML or in JavaScript strings.
HTML_SAFE_DIGITS = bytes.maketrans(b"$&<>`", b",.:[]")


def describe_network(network):
    """Describe a network for the drawing page.

    Parameters
    ----------
    network : QuantizedNetwork

    Returns
    -------
    description : dict
        JSON values. 'data' contains the numbers, see `pack_numbers`.
    """
    return {
        "weights": network.weights,
        "outActivation": get_loss_name(network.targets),
        "multilabel": network.targets.multilabel,
        "imageFeatures": None if network.inputs is None else describe_inputs(network.inputs),
        "layers": [
            {
                "fanIn": layer.values.shape[1],
                "fanOut": layer.values.shape[0],
                "activation": layer.activation,
            }
            for layer in network.layers
        ],
        "data": encode_text(pack_numbers(network)),
    }


def describe_inputs(inputs):
    """Return the parameters of ImageInputs as JSON values."""
    return {
        "scale": inputs.scale,
        "shape": inputs.image_shape,
        "grid": inputs.features.grid,
        "includePixels": inputs.features.include_pixels,
        "relativeBlur": RELATIVE_BLUR,
        "rootOffset": ROOT_OFFSET,
    }


def convert_label(label):
    """Return a label, as a string if it is an integer that is not exact in JavaScript."""
    return str(label) if isinstance(label, int) and abs(label) > MAX_SAFE_INTEGER else label


def pack_numbers(network):
    """Return the numbers of a QuantizedNetwork as little-endian bytes.

    First the biases and the scales of each layer as float32, then the values of each layer, column by column: those of
    a column have similar sizes, because they belong to the same input, which makes the compressed data 4 % smaller.
    """
    arrays = [
        array.astype("<f4") for layer in network.layers for array in (layer.biases, layer.scales)
    ]
    dtype = WEIGHT_FORMATS[network.weights].dtype.newbyteorder("<")
    arrays += [layer.values.T.astype(dtype) for layer in network.layers]
    return b"".join(array.tobytes() for array in arrays)


def encode_text(data):
    """Compress bytes with zlib, and return them as a string in base 85, which is 6 % shorter than in base 64."""
    return base64.b85encode(zlib.compress(data, 9)).translate(HTML_SAFE_DIGITS).decode("ascii")
