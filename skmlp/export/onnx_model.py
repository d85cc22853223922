"""Export to ONNX, for onnxruntime and other runtimes."""

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.export.checks import Predictions, check_predictions, generate_samples, predict
from skmlp.export.model_info import describe_model
from skmlp.export.network import fold_network
from skmlp.export.onnx_graph import (
    Graph,
    add_network,
    add_predictions,
    get_label_dtype,
    get_onnx_type,
    make_tensor,
)
from skmlp.export.onnx_steps import (
    add_steps,
    check_steps,
    choose_input_dtype,
    get_input_shape,
    restore_samples,
    split_pipeline,
)
from skmlp.export.quantize import check_range
from skmlp.files.atomic import atomic_write
from skmlp.typing import PathLike

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["to_onnx"]

# Versions of the operators and of the format that every onnxruntime since 1.9 (2021) accepts.
OPSET = 15
IR_VERSION = 8
INPUT, LABEL, PROBABILITIES = "X", "label", "probabilities"
INPUT_DTYPES = (np.dtype(np.float32), np.dtype(np.uint8))
# float32 rounds differently in other orders of summation. Errors of the conversion are much larger.
TOLERANCE = 1e-4


def to_onnx(
    estimator: MLPDigitClassifier | Pipeline,
    path: PathLike | None = None,
    *,
    input_dtype: DTypeLike | None = None,
) -> "ModelProto":
    """Convert a classifier, or a Pipeline that ends with one, to an ONNX model.

    The model has one input, ``X``, with any number of samples. Its outputs are ``label``, with the labels as integers,
    floats, booleans or strings, and ``probabilities`` of shape (n_samples, n_classes). Batch normalization and
    `input_scale` are included in its weights, which are float32, and averaged weights are used if the classifier has
    them. The metadata contain the digest, the classes, the image shape and the version of skmlp.

    The conversion requires the packages onnx and onnxruntime, which the extra ``skmlp[onnx]`` installs. The predictions
    of the model in onnxruntime are compared with those of the estimator before the file is written.

    Parameters
    ----------
    estimator : MLPDigitClassifier or :class:`sklearn.pipeline.Pipeline`
        Fitted classifier, or Pipeline of :class:`skmlp.IDXReader`, :class:`skmlp.ImageResizer`,
        :class:`skmlp.Deslant`, scalers of scikit-learn (StandardScaler, MinMaxScaler, MaxAbsScaler and RobustScaler)
        and the classifier. For other transformers, use ``skl2onnx.to_onnx``, which finds the converter of the
        classifier by itself.
    path : str or Path, default=None
        Path of a file to write. An existing file is replaced when the new one is complete.
    input_dtype : {np.float32, np.uint8}, default=None
        Type of the samples. None for np.uint8 if the Pipeline begins with an IDXReader that scales pixels, and for
        np.float32 otherwise.

    Returns
    -------
    model : onnx.ModelProto

    Raises
    ------
    ImportError
        If onnx or onnxruntime is not installed.
    TypeError
        If `estimator` or a step of the Pipeline is of another type.
    NotFittedError
        If the estimator is not fitted.
    ValueError
        If `input_dtype` is invalid.
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
    transformers, mlp = split_pipeline(estimator)
    network = fold_network(mlp)
    check_range(network)
    check_steps(transformers)
    for transformer in transformers:
        check_is_fitted(transformer)
    dtype = check_input_dtype(
        choose_input_dtype(transformers) if input_dtype is None else input_dtype
    )
    graph = Graph()
    features = add_steps(graph, transformers, INPUT, dtype)
    logits = add_network(graph, network, features)
    add_predictions(graph, network.targets, logits, label=LABEL, probabilities=PROBABILITIES)
    model = make_model(
        graph, network, (dtype, get_input_shape(transformers, mlp)), describe_model(mlp)
    )
    check_export(model, estimator, restore_samples(transformers, generate_features(mlp), dtype))
    if path is not None:
        with atomic_write(path) as file:
            file.write(model.SerializeToString())
    return model


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


def generate_features(mlp):
    """Return random features for a comparison of predictions."""
    return generate_samples(mlp.n_features_in_, mlp.input_scale)


def make_model(graph, network, samples, info):
    """Return the ModelProto of a complete graph.

    Parameters
    ----------
    graph : Graph
    network : DenseNetwork
    samples : tuple of dtype and tuple of int
        Type and shape of a sample.
    info : ModelInfo
    """
    from onnx import checker, helper

    dtype, shape = samples
    targets = network.targets
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


def check_export(model, estimator, X):
    """Raise ExportError if onnxruntime predicts other probabilities than the estimator."""
    check_predictions(predict(estimator, X), predict_with_onnxruntime(model, X), TOLERANCE)


def predict_with_onnxruntime(model, X):
    """Return the Predictions of a ModelProto in onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return Predictions(*session.run([LABEL, PROBABILITIES], {INPUT: X}))
