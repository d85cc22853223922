"""Export to C source code with 8-bit weights, for microcontrollers."""

import math
from dataclasses import replace
from functools import cache
from typing import NamedTuple

import numpy as np
from sklearn.pipeline import Pipeline

from skmlp.digits.gradients import ROOT_OFFSET
from skmlp.engine.reference.activations import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.committee import is_network
from skmlp.export.c_inputs import describe_inputs
from skmlp.export.c_literals import format_float, format_values
from skmlp.export.c_steps import CONVERTERS, convert_steps, read_source
from skmlp.export.model_info import describe_model
from skmlp.export.network import fold_network
from skmlp.export.quantize import MAX_INT8, quantize_network
from skmlp.export.suggestions import suggest_network
from skmlp.files.atomic import atomic_write
from skmlp.model_parts import describe_type, find_core, is_committee, split_model
from skmlp.typing import PathLike

__all__ = ["CFootprint", "to_c"]

MAX_PIXEL = 255
FLOAT_SIZE = 4  # bytes
#: Functions of C by the name of the activation; 'identity' needs none.
ACTIVATION_EXPRESSIONS = {
    "logistic": "1 / (1 + expf(-z))",
    "tanh": "tanhf(z)",
    "relu": "z > 0 ? z : 0",
    "leaky_relu": f"z > 0 ? z : {LEAKY_SLOPE}f * z",
    "elu": "z > 0 ? z : expm1f(z)",
    "selu": f"{SELU_SCALE:.9f}f * (z > 0 ? z : {SELU_ALPHA:.9f}f * expm1f(z))",
    "gelu": f"z * 0.5f * erfcf(-z * {np.sqrt(0.5):.9f}f)",
    "silu": "z / (1 + expf(-z))",
    "softplus": "fmaxf(z, 0) + log1pf(expf(-fabsf(z)))",
}


class CFootprint(NamedTuple):
    """Memory that exported C code needs, without the machine code, which takes one to three kilobytes.

    Parameters
    ----------
    constants : int
        Bytes of weights, scales and biases, which most compilers for microcontrollers store in flash memory.
    stack : int
        Bytes for activations, for gradient features and their sums, and for the images after each step of a Pipeline,
        on the stack.
    """

    constants: int
    stack: int


def to_c(model: MLPDigitClassifier | Pipeline, path: PathLike) -> CFootprint:
    """Write C source code that predicts from 8-bit weights, for microcontrollers and other programs.

    The file contains the function ``int skmlp_predict(const uint8_t *pixels, float *probabilities)``, which stores the
    probability of each class and returns the index of the most probable one in the array ``skmlp_classes``. It is C99,
    allocates no memory, and needs no library but math.h. If the features are not integers from 0 to 255, so that
    `input_scale` is None or less than 1/255, the function is
    ``int skmlp_predict(const float *features, float *probabilities)``.

    The weights of each unit are rounded to multiples of a 127th of their largest absolute value. So the probabilities
    differ from those of the classifier; on MNIST, the accuracy changes by less than 0.1 percentage points.

    A Pipeline can contain :class:`skmlp.Deslant` and :class:`skmlp.ImageResizer`, whose code is included. They give the
    same pixels as in Python for images of dtype uint8. Each of them needs one byte of RAM per pixel of the new image,
    Deslant one more for each direction with a `spread`. Deslant needs the type double with 64 bits for a few operations
    per row, and for the mean and the standard deviation of each direction.

    Parameters
    ----------
    model : MLPDigitClassifier or :class:`sklearn.pipeline.Pipeline`
        Fitted classifier, or Pipeline that ends with one.
    path : str or Path
        Path of the C file. An existing file is replaced when the new one is complete.

    Returns
    -------
    footprint : CFootprint
        Named tuple of the number of bytes of `constants` and on the `stack`.

    Raises
    ------
    TypeError
        If `model` is another estimator, or a Pipeline with other transformers, or if a custom callable computes the
        `image_features`.
    NotFittedError
        If the model is not fitted.
    ValueError
        If the classifier has a single class, if the weights are not finite in float32, or if the `input_scale` of the
        classifier of a Pipeline does not show that its features are integers up to 255.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_onnx : Export to ONNX, with the weights in float32.

    References
    ----------
    .. [1] B. Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
           inference", CVPR 2018, https://arxiv.org/abs/1712.05877

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier
    >>> from skmlp.export import to_c
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier(
    ...     (32,), input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
    ... )
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     to_c(mlp.fit(X, y), Path(directory) / "digits.c")
    CFootprint(constants=2704, stack=128)
    """
    check_type(model)
    parts = split_model(model)
    transformers, mlp = parts.transformers, parts.classifier
    network = quantize_network(fold_network(mlp), "int8")
    if len(network.targets.classes) == 1:
        raise ValueError(
            "model must have at least two classes for C, got 1. A network is not needed to predict a constant."
        )
    steps = convert_steps(transformers, mlp)
    if steps:
        check_takes_pixels(mlp)
    inputs = describe_inputs(network.inputs, choose_source(steps, mlp.input_scale))
    footprint = measure_footprint(network, steps, inputs)
    info = describe_model(mlp)
    if steps:
        info = replace(info, image_shape=transformers[0].image_shape_)
    source = render(network, info, footprint, mlp.input_scale, steps, inputs)
    with atomic_write(path) as file:
        file.write(source.encode("ascii"))
    return footprint


def check_type(model):
    """Raise TypeError unless a model is a classifier, or a Pipeline that ends with one."""
    if is_network(model):
        return
    raise TypeError(
        "model must be a fitted MLPDigitClassifier, or a Pipeline that ends with one, got "
        f"{describe_type(model)}. {suggest_model(model)}"
    )


def suggest_model(model):
    """Return what to export instead of a model that does not end with a classifier."""
    core = find_core(model, "model")
    are_converted = all(type(each) in CONVERTERS for each in core.transformers)
    if is_committee(core.model) and core.has_transformers and are_converted:
        return "Pass a Pipeline of the transformers and a member of the committee."
    return suggest_network(model, "model")


def check_takes_pixels(mlp):
    """Raise ValueError unless the features of the classifier of a Pipeline are integers from 0 to 255."""
    if not fits_uint8(mlp.input_scale):
        raise ValueError(
            "input_scale of the classifier of a Pipeline must be the reciprocal of an integer up to 255 for C, which "
            f"takes images of 8-bit pixels, got {mlp.input_scale!r}. Train the Pipeline with input_scale=1/255 on "
            "pixels from 0 to 255, or use skmlp.export.to_onnx."
        )


def choose_source(steps, input_scale):
    """Return the name of the variable that contains the features of the classifier."""
    if steps:
        return f"image_{len(steps)}"
    return "pixels" if fits_uint8(input_scale) else "features"


def measure_footprint(network, steps, inputs):
    """Return the CFootprint of a QuantizedNetwork, of the list of StepSource before it, and of its InputSource."""
    constants = sum(
        layer.values.nbytes + layer.scales.nbytes + layer.biases.nbytes for layer in network.layers
    )
    n_floats = sum(compute_buffer_sizes(network)) + (not has_logit_per_class(network.targets))
    if inputs is not None:
        constants += FLOAT_SIZE * inputs.n_constants
        n_floats += inputs.size + inputs.n_sums
    return CFootprint(constants, FLOAT_SIZE * n_floats + sum(step.size for step in steps))


def has_logit_per_class(targets):
    """Return whether the probabilities of all classes are computed from their own logits, in place."""
    return targets.n_outputs == len(targets.classes)


def compute_buffer_sizes(network):
    """Return the sizes of the buffers for hidden activations, which consecutive layers use alternately."""
    sizes = [len(layer.biases) for layer in network.layers[:-1]]
    return [max(sizes[start::2]) for start in range(min(2, len(sizes)))]


def render(network, info, footprint, input_scale, steps, inputs):
    """Return the source code."""
    targets = network.targets
    n_features = network.layers[0].values.shape[1]
    if inputs is not None:
        n_features = math.prod(network.inputs.image_shape)
    names = {layer.activation for layer in network.layers} & set(ACTIVATION_EXPRESSIONS)
    activations = [name for name in ACTIVATION_EXPRESSIONS if name in names]
    takes_pixels = fits_uint8(input_scale)
    feature_type = "uint8_t" if takes_pixels else "float"
    first_source = choose_source(steps, input_scale) if inputs is None else "inputs"
    max_sum = n_features * MAX_INT8 * MAX_PIXEL
    return load_template("classifier.c").render(
        info=info,
        footprint=footprint,
        stack_contents=describe_stack(steps, inputs),
        feature_type=feature_type,
        features=choose_source([], input_scale),
        n_features=math.prod(info.image_shape) if steps else n_features,
        steps=steps,
        step_definitions=list(dict.fromkeys(step.definition for step in steps)),
        inputs=inputs,
        input_definition=inputs and define_gradients(inputs, feature_type),
        largest=f"{1 / input_scale:g}" if takes_pixels else None,
        image_shape=info.image_shape,
        labels=[f"    {quote(str(label))}" for label in info.labels],
        multilabel=targets.multilabel,
        layers=[
            describe_layer(network, index, first_source, takes_pixels and inputs is None)
            for index in range(len(network.layers))
        ],
        buffers=compute_buffer_sizes(network),
        activations=activations,
        activation_sources={name: define_activation(name) for name in activations},
        sum_type="int32_t" if max_sum <= np.iinfo(np.int32).max else "int64_t",
    )


def describe_stack(steps, inputs):
    """Return what is on the stack, as text."""
    contents = ["activations"]
    if inputs is not None:
        contents += ["features", "sums of gradients"]
    if steps:
        contents.append("images")
    *first, last = contents
    return f"{', '.join(first)} and {last}" if first else last


class LayerSource(NamedTuple):
    """Variables of the template for a layer: numbers, names and lists of constants in C."""

    fan_in: int
    fan_out: int
    activation: str
    function: str
    source: str
    target: str
    scales: str
    biases: str
    values: str


def fits_uint8(input_scale):
    """Return whether features that are scaled to the range from 0 to 1 are integers up to 255."""
    if input_scale is None:
        return False
    largest = 1 / input_scale
    return 1 <= round(largest) <= MAX_PIXEL and abs(largest - round(largest)) < 1e-6 * largest


def describe_layer(network, index, features, takes_pixels):
    """Return the LayerSource of a layer."""
    layer = network.layers[index]
    fan_out, fan_in = layer.values.shape
    is_first, is_last = index == 0, index == len(network.layers) - 1
    output = "probabilities" if has_logit_per_class(network.targets) else "&logit"
    return LayerSource(
        fan_in=fan_in,
        fan_out=fan_out,
        activation=layer.activation,
        function="apply_first_layer" if is_first and takes_pixels else "apply_layer",
        source=features if is_first else f"buffer_{2 - index % 2}",
        target=output if is_last else f"buffer_{1 + index % 2}",
        scales=format_values(map(format_float, layer.scales.tolist())),
        biases=format_values(map(format_float, layer.biases.tolist())),
        values=format_values(map(str, layer.values.ravel().tolist())),
    )


def define_gradients(inputs, feature_type):
    """Return the definitions of functions in C that compute gradient features."""
    return load_template("gradients.c").render(
        feature_type=feature_type,
        pixel_type="int" if feature_type == "uint8_t" else "float",
        n_columns=inputs.n_columns,
        offset=format_float(ROOT_OFFSET),
        offset_root=format_float(math.sqrt(ROOT_OFFSET)),
    )


def define_activation(name):
    """Return the definition of an activation function in C."""
    return f"static float apply_{name}(float z)\n{{\n    return {ACTIVATION_EXPRESSIONS[name]};\n}}"


def quote(text):
    """Return a string literal of C for the UTF-8 encoding of a text."""
    is_plain = [chr(byte).isalnum() or chr(byte) in " -_.,:;+*/()" for byte in range(128)]
    characters = (
        chr(byte) if byte < 128 and is_plain[byte] else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{"".join(characters)}"'


@cache
def load_template(name):
    """Return the jinja2 template of a file in the directory `c`."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(read_source(name))
