"""Model files: a fitted classifier, or a Pipeline that ends with one, in one file, which cannot contain code."""

from typing import Any

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.config import parse_activations
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
from skmlp.files.pipelines import (
    ARRAY_NAME,
    DESCRIPTION_KEY,
    check_skops_is_installed,
    decode_pipeline,
    encode_transformers,
)
from skmlp.files.records import (
    build_estimator,
    check_finite,
    check_shapes,
    collect_arrays,
    describe_estimator,
)
from skmlp.typing import PathLike

__all__ = ["load_model", "read_model_header", "save_model"]


def save_model(model: MLPDigitClassifier | Pipeline, path: PathLike) -> None:
    """Save a fitted classifier, or a Pipeline that ends with one, and its training history to a file.

    The file is written completely or not at all: an existing file at the same path is kept until the new one is
    complete. The states of the optimizer and of the random number generators are not saved. A loaded model makes
    bit-identical predictions; further training starts with a new optimizer state.

    The transformers of a Pipeline are encoded by skops, which must be installed. They must consist of types that skops
    trusts, such as the estimators of scikit-learn, or that ``skmlp.SKOPS_TRUSTED_TYPES`` contains. The parameters
    `memory`, `transform_input` and `verbose` of the Pipeline are not saved.

    Parameters
    ----------
    model : MLPDigitClassifier or :class:`sklearn.pipeline.Pipeline`
        Fitted classifier, or Pipeline whose last step is one.
    path : str or Path
        Path of the file, by convention with the suffix ``.safetensors``.

    Raises
    ------
    TypeError
        If `model` is of another type, its classes are not numbers, booleans or strings, a parameter is a custom
        callable, or a transformer contains a custom type.
    ImportError
        If `model` is a Pipeline and skops is not installed.
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
    >>> model = MLPDigitClassifier(input_scale=1 / 16, learning_rate_init=0.01, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_model(model, Path(directory) / "digits.safetensors")
    ...     loaded = load_model(Path(directory) / "digits.safetensors")
    >>> bool((loaded.predict(X) == model.predict(X)).all())
    True
    """
    classifier = model.steps[-1][1] if type(model) is Pipeline and model.steps else model
    if type(classifier) is not MLPDigitClassifier:
        raise TypeError(
            "model must be a fitted MLPDigitClassifier, or a Pipeline that ends with one, got "
            f"{describe_type(model)}. Save other estimators by skops or joblib."
        )
    check_is_fitted(classifier)
    description = {"kind": "model", **describe_estimator(classifier)}
    arrays = collect_arrays(classifier)
    if classifier is not model:
        check_skops_is_installed("save_model", "a Pipeline")
        arrays[ARRAY_NAME], description[DESCRIPTION_KEY] = encode_transformers(model)
    write_container(path, description, arrays)


def describe_type(model):
    """Return the name of the type of a model, and of the last step of a Pipeline of scikit-learn."""
    if type(model) is Pipeline and model.steps:
        return f"a Pipeline that ends with {type(model.steps[-1][1]).__name__}"
    return f"{type(model).__module__}.{type(model).__qualname__}"


def load_model(path: PathLike, *, max_bytes: int = MAX_BYTES) -> MLPDigitClassifier | Pipeline:
    """Load a classifier or a Pipeline from a file written by `save_model`.

    Loading never runs code from the file and uses at most a small multiple of the file size in memory.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    max_bytes : int, default=2147483648
        Maximum size of the file in bytes.

    Returns
    -------
    model : MLPDigitClassifier or :class:`sklearn.pipeline.Pipeline`
        Fitted classifier, or the Pipeline that was saved.

    Raises
    ------
    ModelFormatError
        If the file is too large, is not a model file, is damaged, has an unsupported version, or contains a transformer
        of a type that is not trusted.
    ImportError
        If the file contains a Pipeline and skops is not installed.
    OSError
        If the file cannot be read.

    See Also
    --------
    save_model : Save a fitted classifier, with an example.
    read_model_header : Read the description only.
    """
    with format_errors(path):
        container = read_container(path, "model", max_bytes)
        description, arrays = container.description, dict(container.arrays)
        is_pipeline = DESCRIPTION_KEY in description
        transformers = arrays.pop(ARRAY_NAME, None) if is_pipeline else None
        layout = check_shapes(description, arrays)
        container.check_digest()
        check_finite(arrays, layout)
        classifier = build_estimator(MLPDigitClassifier, description, arrays, layout)
        if not is_pipeline:
            return classifier
        check_skops_is_installed("load_model", "a Pipeline")
        return decode_pipeline(transformers, description[DESCRIPTION_KEY], classifier)


def read_model_header(path: PathLike, *, max_bytes: int = MAX_BYTES) -> dict[str, Any]:
    """Read the description of a classifier from its file, without decoding the arrays.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    max_bytes : int, default=2147483648
        Maximum size of the file in bytes.

    Returns
    -------
    description : dict
        JSON values. The keys include 'format_version', 'parameters', 'layer_sizes', 'classes' and 'versions'.

    Raises
    ------
    ModelFormatError
        If the file is too large, is not a model file, or has an unsupported version. Damaged arrays are not detected.
    OSError
        If the file cannot be read.

    See Also
    --------
    load_model : Load the classifier.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier, read_model_header, save_model
    >>> model = MLPDigitClassifier(batch_size=64, n_iter_no_change=None, max_iter=1).fit(*load_digits(return_X_y=True))
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save_model(model, Path(directory) / "digits.safetensors")
    ...     header = read_model_header(Path(directory) / "digits.safetensors")
    >>> header["layer_sizes"]
    [64, 100, 10]
    """
    with format_errors(path):
        return read_description(path, "model", max_bytes)


def compute_model_digest(model):
    """Return the SHA-256 digest of what determines the predictions of a fitted classifier.

    These are the weights, the activations, the scale of the features and the classes. The digest does not depend on the
    history, which contains durations, so that two runs with the same result have the same digest.
    """
    settings = {
        "activations": parse_activations(model.activation, len(model.coefs_) - 1),
        "out_activation": model.out_activation_,
        "input_scale": model.input_scale and float(model.input_scale),
        "classes": list(map(repr, model.classes_.tolist())),
    }
    names = ("coefs.", "intercepts.", "batch_norm.")
    arrays = {name: each for name, each in collect_arrays(model).items() if name.startswith(names)}
    return hash_arrays(arrays, to_json(settings))


def compute_file_size(model):
    """Return the number of bytes of the file of a fitted classifier, or None if it cannot be saved."""
    try:
        return len(encode({"kind": "model", **describe_estimator(model)}, collect_arrays(model)))
    except TypeError:
        return None
