"""Export to ONNX, for onnxruntime and other runtimes."""

import json
import math
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import DTypeLike
from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.committee import check_committee
from skmlp.estimator.targets import TargetEncoding
from skmlp.export.checks import Predictions, check_predictions, generate_samples, predict
from skmlp.export.model_info import describe_model
from skmlp.export.network import DenseNetwork, fold_network
from skmlp.export.onnx_graph import (
    Graph,
    add_average,
    add_label,
    add_predictions,
    add_probabilities,
    get_label_dtype,
    get_onnx_type,
    make_tensor,
)
from skmlp.export.onnx_network import add_network
from skmlp.export.onnx_steps import (
    add_steps,
    check_steps,
    choose_input_dtype,
    get_input_shape,
    restore_samples,
)
from skmlp.export.quantize import check_range
from skmlp.export.suggestions import are_converted_to_onnx, describe_other_model, suggest_committee
from skmlp.files.atomic import atomic_write
from skmlp.files.models import compute_model_digest
from skmlp.files.records import classes_to_json
from skmlp.model_parts import (
    ModelParts,
    get_classes,
    get_weights,
    is_committee,
    list_members,
    split_model,
    unfreeze,
)
from skmlp.typing import PathLike

if TYPE_CHECKING:
    from onnx import ModelProto
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import Pipeline

__all__ = ["to_onnx"]

# Versions of the operators and of the format that every onnxruntime since 1.9 (2021) accepts.
OPSET = 15
IR_VERSION = 8
INPUT, LABEL, PROBABILITIES = "X", "label", "probabilities"
INPUT_DTYPES = (np.dtype(np.float32), np.dtype(np.uint8))
CONVERT = "Use skl2onnx.to_onnx, which converts other estimators and calls the converter of MLPDigitClassifier."
# float32 rounds differently in other orders of summation. Errors of the conversion are much larger.
TOLERANCE = 1e-4


def to_onnx(
    estimator: "MLPDigitClassifier | Pipeline | VotingClassifier",
    path: PathLike | None = None,
    *,
    input_dtype: DTypeLike | None = None,
) -> "ModelProto":
    """Convert a classifier, a Pipeline that ends with one, or a committee of these, to an ONNX model.

    The model has one input, ``X``, with any number of samples. Its outputs are ``label``, with the labels as integers,
    floats, booleans or strings, and ``probabilities`` of shape (n_samples, n_classes). Batch normalization and
    `input_scale` are included in its weights, which are float32, and averaged weights are used if the classifier has
    them. The metadata contain the digest, the classes, the image shape and the version of skmlp.

    The conversion requires the packages onnx and onnxruntime, which the extra ``skmlp[onnx]`` installs. The predictions
    of the model in onnxruntime are compared with those of the estimator before the file is written.

    Parameters
    ----------
    estimator : MLPDigitClassifier, :class:`sklearn.pipeline.Pipeline` or :class:`sklearn.ensemble.VotingClassifier`
        Fitted classifier, or Pipeline of :class:`skmlp.IDXReader`, :class:`skmlp.ImageResizer`,
        :class:`skmlp.Deslant`, scalers of scikit-learn (StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler)
        and the classifier. For other transformers, use ``skl2onnx.to_onnx``, which finds the converter of the
        classifier by itself. Or committee, a VotingClassifier with ``voting="soft"`` of such classifiers or Pipelines,
        as :func:`skmlp.make_committee` returns it; its members share the input. Each of them can be frozen.
    path : str or Path, default=None
        Path of a file to write. An existing file is replaced when the new one is complete.
    input_dtype : {np.float32, np.uint8}, default=None
        Type of the samples. None for np.uint8 if a Pipeline begins with an IDXReader that scales pixels, and for
        np.float32 otherwise.

    Returns
    -------
    model : onnx.ModelProto
        The ONNX model, which is also written to `path` if that is given.

    Raises
    ------
    ImportError
        If onnx or onnxruntime is not installed.
    TypeError
        If `estimator`, a step of a Pipeline or a member of a committee is of another type, or if a custom callable
        computes the `image_features`.
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `input_dtype` is invalid, or the members of a committee do not fit together.
    ExportError
        If the probabilities differ on random samples by more than 1e-4.
    OSError
        If the file cannot be written.

    See Also
    --------
    to_sklearn : Export to scikit-learn's MLPClassifier.

    Examples
    --------
    .. code-block:: python

       to_onnx(mlp, "digits.onnx", input_dtype=np.uint8)
       session = onnxruntime.InferenceSession("digits.onnx")
       labels, probabilities = session.run(None, {"X": X_test})
    """
    check_dependencies()
    members = make_members(estimator)
    estimator = unfreeze(estimator)
    if input_dtype is None:
        input_dtype = choose_input_dtype([member.parts.transformers for member in members])
    dtype, shape = check_input_dtype(input_dtype), choose_input_shape(members)
    graph = Graph()
    targets = add_outputs(graph, estimator, members, dtype)
    model = make_model(graph, targets, (dtype, shape), describe_members(estimator, members))
    # A Pipeline whose last step does nothing does not predict.
    predictor = estimator if is_committee(estimator) else members[0].parts
    check_export(model, predictor, generate_input(members, dtype, shape))
    if path is not None:
        with atomic_write(path) as file:
            file.write(model.SerializeToString())
    return model


class OnnxMember(NamedTuple):
    """Classifier or Pipeline of an ONNX model, of which a committee has several.

    Parameters
    ----------
    parts : ModelParts
    network : DenseNetwork
        Network of the classifier.
    """

    parts: ModelParts
    network: DenseNetwork


def make_members(estimator):
    """Return the OnnxMember of a classifier or Pipeline in a list, or those of a committee."""
    check_type(estimator)
    model = unfreeze(estimator)
    if is_committee(model):
        check_committee(model)
    return list(map(make_member, list_members(model)))


def check_type(estimator):
    """Raise TypeError unless an estimator is a classifier, a Pipeline that ends with one, or a committee of these."""
    found = describe_other_model(estimator)
    if found is not None:
        raise TypeError(
            "estimator must be a fitted MLPDigitClassifier, a Pipeline that ends with one, or a VotingClassifier of "
            f"these, got {found}. "
            f"{suggest_committee(estimator, 'estimator', are_converted_to_onnx, CONVERT)}"
        )


def make_member(estimator):
    """Return the OnnxMember of a classifier or Pipeline, or raise an error if it cannot be exported."""
    parts = split_model(estimator)
    network = fold_network(parts.classifier)
    check_range(network)
    check_steps(parts.transformers)
    for transformer in parts.transformers:
        check_is_fitted(transformer)
    return OnnxMember(parts, network)


def add_outputs(graph, estimator, members, dtype):
    """Add the label and the probabilities of each sample to a graph, and return the TargetEncoding of the labels."""
    logits = [
        add_network(
            graph, member.network, add_steps(graph, member.parts.transformers, INPUT, dtype)
        )
        for member in members
    ]
    if is_committee(estimator):
        add_average_predictions(graph, estimator, members, logits)
        return TargetEncoding(estimator.classes_, multilabel=False)
    targets = members[0].network.targets
    add_predictions(graph, targets, logits[0], label=LABEL, probabilities=PROBABILITIES)
    return targets


def add_average_predictions(graph, committee, members, logits):
    """Add the label and the probabilities of a committee. The labels of its members may be other ones."""
    weights = get_weights(committee) or [1] * len(members)
    probabilities = [
        add_probabilities(graph, member.network.targets, each)
        for member, each in zip(members, logits, strict=True)
    ]
    add_average(graph, probabilities, weights, PROBABILITIES)
    add_label(graph, committee.classes_, PROBABILITIES, LABEL)


def choose_input_shape(members):
    """Return the shape of a sample: that which all members take, or rows of pixels if their shapes differ."""
    shapes = {get_input_shape(member.parts) for member in members}
    shape = shapes.pop()
    return shape if not shapes else (math.prod(shape),)


def check_dependencies():
    """Raise ImportError if a package is missing."""
    missing = [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise ImportError(
            f"to_onnx requires onnx and onnxruntime, but {' and '.join(missing)} cannot be found. Install both with "
            "'pip install \"skmlp[onnx]\"'."
        )


def check_input_dtype(input_dtype):
    """Return the dtype of the samples, or raise ValueError."""
    try:
        dtype = np.dtype(input_dtype)
    except TypeError:
        dtype = None
    if dtype not in INPUT_DTYPES:
        raise ValueError(f"input_dtype must be np.float32, np.uint8 or None, got {input_dtype!r}.")
    return dtype


def generate_input(members, dtype, shape):
    """Return random samples of a type and shape for a comparison of predictions, some for each member."""
    samples = []
    for member in members:
        transformers, mlp = member.parts.transformers, member.parts.classifier
        features = generate_samples(mlp.n_features_in_, mlp.input_scale)
        samples.append(restore_samples(transformers, features, dtype).reshape(-1, *shape))
    return np.concatenate(samples)


def describe_members(estimator, members):
    """Return the ModelInfo of an estimator. Its image shape is the one that the networks of all members have."""
    info, *others = [describe_model(member.parts.classifier) for member in members]
    if any(other.image_shape != info.image_shape for other in others):
        info = replace(info, image_shape=None)
    return replace(
        info,
        digest=compute_model_digest(estimator),
        labels=classes_to_json(get_classes(estimator))["labels"],
    )


def make_model(graph, targets, samples, info):
    """Return the ModelProto of a complete graph.

    Parameters
    ----------
    graph : Graph
    targets : TargetEncoding
    samples : tuple of dtype and tuple of int
        Type and shape of a sample.
    info : ModelInfo
    """
    from onnx import checker, helper

    dtype, shape = samples
    n_samples = "n_samples"
    label_shape = (n_samples, len(targets.classes)) if targets.multilabel else (n_samples,)
    make_value = helper.make_tensor_value_info
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node(node.operator, node.inputs, [node.output], **node.attributes)
                for node in graph.nodes
            ],
            "MLPDigitClassifier",
            inputs=[make_value(INPUT, get_onnx_type(dtype), (n_samples, *shape))],
            outputs=[
                make_value(LABEL, get_onnx_type(get_label_dtype(targets)), label_shape),
                make_value(
                    PROBABILITIES,
                    get_onnx_type(np.dtype(np.float32)),
                    (n_samples, len(targets.classes)),
                ),
            ],
            initializer=[make_tensor(name, array) for name, array in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="skmlp",
        producer_version=info.version,
    )
    helper.set_model_props(model, make_metadata(info))
    checker.check_model(model, full_check=True)
    return model


def make_metadata(info):
    """Return the metadata of a model for its ModelInfo. The values are strings, as ONNX requires."""
    return {
        "skmlp_digest": info.digest,
        "skmlp_version": info.version,
        "classes": json.dumps(info.labels),
        "image_shape": json.dumps(info.image_shape),
    }


def check_export(model, predictor, X):
    """Raise ExportError if onnxruntime predicts other probabilities than a committee, or the ModelParts of a model."""
    check_predictions(predict(predictor, X), predict_with_onnxruntime(model, X), TOLERANCE)


def convert_input(model, X):
    """Return samples with the type and the shape that a ModelProto takes."""
    from onnx.helper import tensor_dtype_to_np_dtype

    tensor = model.graph.input[0].type.tensor_type
    shape = [dimension.dim_value for dimension in tensor.shape.dim[1:]]
    return X.astype(tensor_dtype_to_np_dtype(tensor.elem_type)).reshape(-1, *shape)


def predict_with_onnxruntime(model, X):
    """Return the Predictions of a ModelProto in onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return Predictions(*session.run([LABEL, PROBABILITIES], {INPUT: X}))
