"""Model files: a fitted classifier, Pipeline or committee in one file, which cannot contain code."""

from typing import TYPE_CHECKING, Any

from sklearn.frozen import FrozenEstimator

from skmlp.estimator import fitted
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.config import parse_activations
from skmlp.files.classifiers import (
    Record,
    decode_single,
    encode_single,
    is_classifier,
)
from skmlp.files.committees import (
    MEMBERS_KEY,
    decode_committee,
    encode_committee,
    weights_to_json,
)
from skmlp.files.encoding import (
    MAX_BYTES,
    encode,
    format_errors,
    hash_arrays,
    read_container,
    read_description,
    to_json,
    write_container,
)
from skmlp.files.records import collect_arrays, describe_versions, parameter_to_json
from skmlp.model_parts import (
    COMMITTEE_OF_PIPELINES,
    describe_type,
    find_core,
    get_weights,
    is_committee,
    list_members,
    split_model,
)
from skmlp.typing import PathLike

if TYPE_CHECKING:
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import Pipeline

__all__ = ["load_model", "read_model_header", "save_model"]


def save_model(model: "MLPDigitClassifier | Pipeline | VotingClassifier", path: PathLike) -> None:
    """Save a fitted classifier, a Pipeline that ends with one, or a committee of these, to a file.

    The file is written completely or not at all: an existing file at the same path is kept until the new one is
    complete. The training history is saved; the states of the optimizer and of the random number generators are not. A
    loaded model makes bit-identical predictions; further training starts with a new optimizer state.

    The transformers of a Pipeline can be those of skmlp. If there are others, all are encoded by skops, which must be
    installed. They must consist of types that skops trusts, such as the estimators of scikit-learn, or that
    ``skmlp.SKOPS_TRUSTED_TYPES`` contains. The parameters `memory`, `transform_input` and `verbose` of a Pipeline,
    `n_jobs` and `verbose` of a VotingClassifier, and the output format of `set_output` are not saved.

    Parameters
    ----------
    model : MLPDigitClassifier, :class:`sklearn.pipeline.Pipeline` or :class:`sklearn.ensemble.VotingClassifier`
        Fitted classifier, Pipeline whose last step is one, or committee: a VotingClassifier with ``voting="soft"``
        whose members are such classifiers or Pipelines, which may be frozen, as :func:`skmlp.make_committee` returns
        it.
    path : str or Path
        Path of the file, by convention with the suffix ``.safetensors``.

    Raises
    ------
    TypeError
        If `model` or one of its members is of another type, its classes are not numbers, booleans or strings, a
        parameter is a custom callable, or a transformer contains a custom type.
    ValueError
        If the members of a committee do not fit together, or its `voting` is not 'soft', or if `image_features` of a
        classifier was changed since training.
    ImportError
        If a Pipeline contains a transformer that is not one of skmlp, and skops is not installed.
    NotFittedError
        If `model` is not fitted.
    OSError
        If the file cannot be written.

    See Also
    --------
    load_model : Load the file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier, load_model, save_model
    >>> X, y = load_digits(return_X_y=True)
    >>> model = MLPDigitClassifier(
    ...     input_scale=1 / 16, learning_rate_init=0.01, random_state=0
    ... ).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_model(model, Path(directory) / "digits.safetensors")
    ...     loaded = load_model(Path(directory) / "digits.safetensors")
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    record = encode_model(model)
    write_container(path, make_description(record), record.arrays)


def encode_model(model):
    """Return the Record of a fitted model."""
    if is_classifier(model):
        return encode_single(model)
    if is_committee(model):
        return encode_committee(model)
    raise TypeError(
        "model must be a fitted MLPDigitClassifier, or a Pipeline that ends with one, or a VotingClassifier of these, "
        f"got {describe_type(model)}. {suggest_model(model, 'model')}"
    )


def suggest_model(model, name):
    """Return what to save instead of a model, which is the variable `name` of the caller."""
    if is_classifier(model) or is_committee(model):
        return f"Pass {name}."
    if isinstance(model, FrozenEstimator):
        return suggest_model(model.estimator, f"{name}.estimator")
    core = find_core(model, name)
    if not (type(core.model) is MLPDigitClassifier or is_committee(core.model)):
        return "Save other estimators by skops or joblib."
    if not core.has_transformers:
        return f"Pass {core.expression}."
    if is_committee(core.model):
        return COMMITTEE_OF_PIPELINES
    return f"Pass a Pipeline of all transformers and {core.expression}."


def make_description(record):
    """Return the description of a model file for the Record of the model."""
    return {"kind": "model", **record.description, "versions": describe_versions()}


def load_model(
    path: PathLike, *, max_bytes: int = MAX_BYTES
) -> "MLPDigitClassifier | Pipeline | VotingClassifier":
    """Load a classifier, a Pipeline or a committee from a file written by `save_model`.

    Loading never runs code from the file and uses at most a small multiple of the file size in memory.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    max_bytes : int, default=2147483648
        Maximum size of the file in bytes.

    Returns
    -------
    model : MLPDigitClassifier, :class:`sklearn.pipeline.Pipeline` or :class:`sklearn.ensemble.VotingClassifier`
        Fitted classifier, Pipeline or committee that was saved.

    Raises
    ------
    ModelFormatError
        If the file is too large, is not a model file, is damaged, has an unsupported version, or contains a transformer
        of a type that is not trusted.
    ImportError
        If the file contains transformers that are not those of skmlp, and skops is not installed.
    OSError
        If the file cannot be read.

    See Also
    --------
    save_model : Save a fitted classifier, with an example.
    read_model_header : Read the description only.
    """
    with format_errors(path):
        container = read_container(path, "model", max_bytes)
        container.check_digest()
        return decode_model(Record(container.description, container.arrays))


def decode_model(record):
    """Return the model of a Record, or raise ModelFormatError if it is invalid."""
    decode = decode_committee if MEMBERS_KEY in record.description else decode_single
    return decode(record)


def read_model_header(path: PathLike, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read the description of a model from its file, without decoding the arrays.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    max_bytes : int, default=2147483648
        Maximum size of the file in bytes.

    Returns
    -------
    description : dict
        JSON values. The keys include 'format_version', 'classes' and 'versions'; for a classifier or a Pipeline also
        'parameters' and 'layer_sizes'; for a Pipeline 'pipeline'; and for a committee 'weights' and 'members', a list
        of the descriptions of the members.

    Raises
    ------
    ModelFormatError
        If the file is too large, is not a model file, or has an unsupported version. Damaged arrays are not detected.
    OSError
        If the file cannot be read.

    See Also
    --------
    load_model : Load the model.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier, read_model_header, save_model
    >>> model = MLPDigitClassifier(
    ...     batch_size=64, n_iter_no_change=None, max_iter=1
    ... ).fit(*load_digits(return_X_y=True))
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_model(model, Path(directory) / "digits.safetensors")
    ...     header = read_model_header(Path(directory) / "digits.safetensors")
    >>> header["layer_sizes"]
    [64, 100, 10]
    """
    with format_errors(path):
        return read_description(path, "model", max_bytes)


def compute_model_digest(model):
    """Return the SHA-256 digest of what determines the predictions of a fitted model.

    These are the weights, the activations, the scale of the features and the classes. The digest does not depend on the
    history, which contains durations, so that two runs with the same result have the same digest. The digest of a
    Pipeline is that of its classifier; the digest of a committee covers those of its members.
    """
    if is_committee(model):
        return compute_committee_digest(model)
    return compute_classifier_digest(split_model(model).classifier)


def compute_committee_digest(committee):
    """Return the digest of a fitted committee."""
    settings = {
        "members": list(map(compute_model_digest, list_members(committee))),
        "weights": weights_to_json(get_weights(committee)),
        "classes": list(map(repr, committee.classes_.tolist())),
    }
    return hash_arrays({}, to_json(settings))


def compute_classifier_digest(mlp):
    """Return the digest of a fitted classifier."""
    settings = {
        "activations": parse_activations(mlp.activation, len(mlp.coefs_) - 1),
        "out_activation": mlp.out_activation_,
        "input_scale": mlp.input_scale and float(mlp.input_scale),
        "classes": list(map(repr, mlp.classes_.tolist())),
    }
    extraction = fitted.get_extraction(mlp)
    if extraction is not None:
        settings |= {
            "image_features": describe_callable(extraction.compute),
            "image_shape": extraction.image_shape,
        }
    names = ("coefs.", "intercepts.", "batch_norm.")
    arrays = {name: each for name, each in collect_arrays(mlp).items() if name.startswith(names)}
    return hash_arrays(arrays, to_json(settings))


def describe_callable(function):
    """Return a JSON value that describes a callable: that of a dataclass that can be saved, or the name of another."""
    try:
        return parameter_to_json("image_features", function)
    except TypeError:
        named = function if hasattr(function, "__qualname__") else type(function)
        return f"{named.__module__}.{named.__qualname__}"


def compute_file_size(model):
    """Return the number of bytes of the file of a fitted model, or None if it cannot be saved."""
    try:
        record = encode_model(model)
    except TypeError:
        return None
    return len(encode(make_description(record), record.arrays))
