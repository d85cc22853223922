"""Operators of ONNX that compute the predictions of a network.

Only operators of opset 13 are used, which all current runtimes support.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Node:
    """Operator with the names of its inputs and its output.

    Parameters
    ----------
    operator : str
        Name of the operator in ONNX.
    inputs : tuple of str
    output : str
    attributes : dict
    """

    operator: str
    inputs: tuple[str, ...]
    output: str
    attributes: dict[str, Any]


@dataclass
class Graph:
    """Graph that is being built.

    Parameters
    ----------
    prefix : str, default=""
        Prefix of the names of all values except the outputs, which makes them unique in a larger graph.

    Attributes
    ----------
    nodes : list of Node
        In an order in which they can be computed.
    constants : dict of str to ndarray
    """

    prefix: str = ""
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, operator, *inputs, output=None, **attributes):
        """Add an operator, and return the name of its output. Arrays among the inputs become constants."""
        names = tuple(
            self.add_constant(value) if isinstance(value, np.ndarray) else value for value in inputs
        )
        output = output or f"{self.prefix}{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(Node(operator, names, output, attributes))
        return output

    def add_constant(self, array):
        """Add an array, and return its name."""
        name = f"{self.prefix}constant_{len(self.constants)}"
        self.constants[name] = array
        return name


def to_float32(values):
    """Return an array of dtype float32, for constants."""
    return np.asarray(values, np.float32)


def add_predictions(graph, targets, logits, *, label, probabilities):
    """Add the label and the probabilities of each sample to a graph.

    Parameters
    ----------
    graph : Graph
    targets : TargetEncoding
    logits : str
        Name of the logits.
    label, probabilities : str
        Names of the outputs.
    """
    if targets.multilabel:
        positive = graph.add("Greater", logits, to_float32(0))
        graph.add("Cast", positive, output=label, to=get_onnx_type(np.dtype(np.int64)))
        graph.add("Sigmoid", logits, output=probabilities)
        return
    logits = add_class_logits(graph, targets, logits)
    graph.add("Softmax", logits, output=probabilities, axis=1)
    add_label(graph, targets.classes, logits, label)


def add_probabilities(graph, targets, logits):
    """Add the probabilities of the classes to a graph, for targets with one label per sample."""
    return graph.add("Softmax", add_class_logits(graph, targets, logits), axis=1)


def add_class_logits(graph, targets, logits):
    """Add logits whose softmax is the probability of each class, for the logits of a network with one label."""
    if len(targets.classes) == 2:
        # The softmax of (0, z) is (1 - p, p) for p = sigmoid(z).
        return graph.add("Concat", graph.add("Mul", logits, to_float32(0)), logits, axis=1)
    if len(targets.classes) == 1:
        return graph.add("Mul", logits, to_float32(0))
    return logits


def add_label(graph, classes, scores, output):
    """Add the label with the largest score to a graph."""
    index = graph.add("ArgMax", scores, axis=1, keepdims=0)
    graph.add("Gather", convert_labels(classes), index, output=output, axis=0)


def add_average(graph, values, weights, output):
    """Add the weighted average of values to a graph."""
    fractions = np.asarray(weights, float) / np.sum(weights)
    terms = [
        graph.add("Mul", value, to_float32(fraction))
        for value, fraction in zip(values, fractions, strict=True)
    ]
    graph.add("Sum", *terms, output=output)


def convert_labels(classes):
    """Return the classes as an array of a type of ONNX: int64, double, bool or strings.

    Integers that are not within the range of int64 become strings.
    """
    if classes.dtype.kind in "iu" and classes.max() <= np.iinfo(np.int64).max:
        return classes.astype(np.int64)
    if classes.dtype.kind == "f":
        return classes.astype(np.float64)
    if classes.dtype.kind == "b":
        return classes
    return np.array([str(label) for label in classes], dtype=object)


def get_label_dtype(targets):
    """Return the dtype of the labels: that of `convert_labels`, or int64 if multilabel."""
    return np.dtype(np.int64) if targets.multilabel else convert_labels(targets.classes).dtype


def get_onnx_type(dtype):
    """Return the number of the type of ONNX for a dtype, where object means strings."""
    from onnx import TensorProto
    from onnx.helper import np_dtype_to_tensor_dtype

    return TensorProto.STRING if dtype.kind == "O" else np_dtype_to_tensor_dtype(dtype)


def make_tensor(name, array):
    """Return the TensorProto of a constant."""
    from onnx.helper import make_tensor
    from onnx.numpy_helper import from_array

    if array.dtype.kind == "O":
        strings = [label.encode() for label in array]
        return make_tensor(name, get_onnx_type(array.dtype), array.shape, strings)
    return from_array(np.ascontiguousarray(array), name)
