"""Functions by which skl2onnx converts a classifier, for `MLPDigitClassifier.onnx_converter` and others."""

import numpy as np

from skmlp.export.network import fold_network
from skmlp.export.onnx_graph import (
    Graph,
    add_predictions,
    get_label_dtype,
    get_onnx_type,
    make_tensor,
)
from skmlp.export.onnx_network import add_network


def calculate_shapes(operator):
    """Set the types and shapes of the outputs of an operator of skl2onnx: the label and the probabilities."""
    from skl2onnx.common import data_types
    from skl2onnx.common.utils import check_input_and_output_numbers

    check_input_and_output_numbers(operator, input_count_range=1, output_count_range=2)
    targets = fold_network(operator.raw_operator).targets
    n_samples = operator.inputs[0].get_first_dimension()
    label_type = {
        "i": data_types.Int64TensorType,
        "f": data_types.DoubleTensorType,
        "b": data_types.BooleanTensorType,
        "O": data_types.StringTensorType,
    }[get_label_dtype(targets).kind]
    shape = [n_samples, len(targets.classes)]
    label, probabilities = operator.outputs
    label.type = label_type(shape if targets.multilabel else [n_samples])
    probabilities.type = data_types.FloatTensorType(shape)


def convert(scope, operator, container):
    """Add the operators of ONNX that compute the label and the probabilities to a container of skl2onnx."""
    network = fold_network(operator.raw_operator)
    label, probabilities = (output.full_name for output in operator.outputs)
    graph = Graph(prefix=f"{scope.get_unique_variable_name('mlp')}_")
    float32 = get_onnx_type(np.dtype(np.float32))
    features = graph.add("Cast", operator.inputs[0].full_name, to=float32)
    logits = add_network(graph, network, features)
    add_predictions(graph, network.targets, logits, label=label, probabilities=probabilities)
    for name, array in graph.constants.items():
        if array.dtype.kind == "O":  # the container does not copy the strings of a TensorProto
            strings = [label.encode() for label in array]
            container.add_initializer(name, get_onnx_type(array.dtype), array.shape, strings)
        else:
            container.add_initializer(name, None, None, make_tensor(name, array))
    for node in graph.nodes:
        container.add_node(
            node.operator,
            list(node.inputs),
            [node.output],
            name=scope.get_unique_operator_name(f"mlp_{node.operator}"),
            **node.attributes,
        )
