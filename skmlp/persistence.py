"""Model files: a fitted classifier in one safetensors file, which can hold data but no code.

The arrays are the weights, the biases and the history; the file's metadata hold one JSON text with everything else
and a SHA-256 over that text and all arrays.
"""

import hashlib
import json
import os
import platform
import stat

import numpy as np
import scipy
import sklearn

from skmlp.atomic import replacing
from skmlp.classifier import MLPDigitClassifier
from skmlp.engine.parameters import Layout
from skmlp.targets import TargetEncoding

FORMAT_VERSION = 1
METADATA_KEY = "skmlp"
HEADER_LENGTH_BYTES = 8
MAX_BYTES = 2**31
NUMBERS = ("n_iter_", "t_", "loss_", "best_loss_", "best_validation_score_")
CLASS_TYPES = "?bBhHiIlLqQefd"
INFINITIES = ("inf", "-inf", "nan")
COPY_AGAIN = "Copy it again from where it came, or save the model again."


class ModelFormatError(ValueError):
    """A file is no model file, or a damaged one, or one of another version."""


def save_model(model, path):
    """Save a fitted classifier, with its history, to a file.

    The file appears whole or not at all: an earlier one at the same place stays until the new one is complete. What
    only training needs, the optimizer's memory and the state of the shuffles, is not saved: a loaded model predicts
    the same to the last bit, and when it trains on, it does so with a fresh optimizer.

    Parameters
    ----------
    model : MLPDigitClassifier
        Fitted.
    path : str or Path
        By custom it ends in ``.safetensors``.

    Raises
    ------
    TypeError
        If `model` is no MLPDigitClassifier, or its classes are of a type that the file cannot hold.
    NotFittedError
        If it is not fitted.
    OSError
        If the file cannot be written.

    See Also
    --------
    load_model : The way back.

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
    from safetensors.numpy import save
    from sklearn.utils.validation import check_is_fitted

    if type(model) is not MLPDigitClassifier:
        raise TypeError(
            f"save_model takes a fitted MLPDigitClassifier. Got {type(model).__name__}. Of a Pipeline, save the "
            "classifier, its last step."
        )
    check_is_fitted(model)
    arrays = {name: as_stored(array) for name, array in arrays_of(model).items()}
    description = describe(model)
    description["sha256"] = digest(description, arrays)
    content = save(arrays, metadata={METADATA_KEY: as_json(description)})
    with replacing(path) as file:
        file.write(content)


def load_model(path, *, max_bytes=MAX_BYTES):
    """Load a classifier from a file that `save_model` wrote.

    No file can run code, and none can take more memory than a small multiple of its own size.

    Parameters
    ----------
    path : str or Path
    max_bytes : int, default=2**31
        The largest file that is read.

    Returns
    -------
    model : MLPDigitClassifier
        Fitted.

    Raises
    ------
    ModelFormatError
        If the file is too large, no model file, damaged, or of another version.
    OSError
        If the file cannot be read.

    See Also
    --------
    save_model : With an example.
    """
    content = read_limited(path, max_bytes)
    try:
        return decode(content)
    except ModelFormatError as error:
        raise ModelFormatError(f"{os.fspath(path)}: {error}") from error.__cause__


def read_model_header(path, *, max_bytes=MAX_BYTES):
    """Read what a model file says of itself.

    Parameters
    ----------
    path : str or Path
    max_bytes : int, default=2**31
        The largest file that is read.

    Returns
    -------
    description : dict
        With the keys "format_version", "parameters", "layer_sizes", "classes", "versions" and more.

    Raises
    ------
    ModelFormatError
        If the file is too large, no model file, or of another version. Damage to the arrays is not noticed.
    OSError
        If the file cannot be read.
    """
    content = read_limited(path, max_bytes)
    try:
        return description_in(content)
    except ModelFormatError as error:
        raise ModelFormatError(f"{os.fspath(path)}: {error}") from error.__cause__


# From the estimator to the file


def arrays_of(model):
    """Name the arrays of a fitted classifier."""
    arrays = {f"coefs.{i}": coef for i, coef in enumerate(model.coefs_)}
    arrays |= {f"intercepts.{i}": intercept for i, intercept in enumerate(model.intercepts_)}
    arrays |= {f"history.{name}": np.array(column) for name, column in model.history_.items()}
    if model.validation_scores_ is not None:
        arrays["validation_scores"] = np.array(model.validation_scores_)
    return arrays


def as_stored(array):
    """Make an array contiguous and little-endian: safetensors writes the bytes as they lie."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def describe(model):
    """Put everything of a fitted classifier that is no array into values that JSON knows."""
    names = getattr(model, "feature_names_in_", None)
    return {
        "format_version": FORMAT_VERSION,
        "estimator": type(model).__name__,
        "parameters": {
            name: plain_parameter(name, value)
            for name, value in model.get_params(deep=False).items()
        },
        "layer_sizes": [model.n_features_in_, *(len(biases) for biases in model.intercepts_)],
        "out_activation": model.out_activation_,
        "classes": plain_classes(model.classes_),
        "feature_names": None if names is None else names.tolist(),
        "numbers": {name: plain_number(getattr(model, name, None)) for name in NUMBERS},
        "history": list(model.history_),
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
            "scikit-learn": sklearn.__version__,
            "skmlp": own_version(),
        },
    }


def own_version():
    """Give the version of this package."""
    from skmlp import __version__

    return __version__


def plain_parameter(name, value):
    """Turn a parameter into a value that JSON knows."""
    if isinstance(value, np.random.RandomState):
        _, keys, position, has_gauss, cached_gaussian = value.get_state(legacy=True)
        return {"MT19937": [keys.tolist(), position, has_gauss, cached_gaussian]}
    if name == "hidden_layer_sizes" and np.ndim(value):
        return np.asarray(value, int).tolist()
    return plain_number(value)


def plain_number(value):
    """Turn a NumPy scalar into Python's, and an infinite number, which JSON has not, into text."""
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def plain_classes(classes):
    """Turn class labels into their type and a list."""
    if classes.dtype.char in CLASS_TYPES:
        return {"type": classes.dtype.name, "labels": classes.tolist()}
    labels = classes.tolist()
    if all(isinstance(label, str) for label in labels):
        return {"type": "object" if classes.dtype == object else "str", "labels": labels}
    raise TypeError(
        f"The classes of a saved model must be numbers, booleans or strings. Got classes of type {classes.dtype}: "
        f"{labels[:3]}. Encode them first, for example with sklearn.preprocessing.LabelEncoder."
    )


def as_json(description):
    """Write a description as text, the same for the same description."""
    return json.dumps(description, sort_keys=True, ensure_ascii=False, allow_nan=False)


def digest(description, arrays):
    """Compute the SHA-256 over a description and over the names, types, shapes and bytes of all arrays."""
    sha256 = hashlib.sha256(as_json(description).encode())
    for name in sorted(arrays):
        array = arrays[name]
        sha256.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(array.data)
    return sha256.hexdigest()


# From the file to the estimator


def read_limited(path, max_bytes):
    """Read a regular file that is not too large."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelFormatError(
                f"{os.fspath(path)}: no regular file. Give a file that skmlp.save_model wrote."
            )
        if status.st_size > max_bytes:
            raise ModelFormatError(
                f"{os.fspath(path)}: the file has {status.st_size} bytes, more than max_bytes={max_bytes}. If you "
                f"trust it, allow max_bytes={status.st_size}."
            )
        return file.read()


def decode(content):
    """Make the estimator from the bytes of a file, after every check."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    description = description_in(content)
    try:
        arrays = load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelFormatError(
            f"the file is damaged or cut short ({error}). {COPY_AGAIN}"
        ) from error
    try:
        layout = check_shapes(description, arrays)
        stated = description.pop("sha256")
        if stated != digest(description, arrays):
            raise ModelFormatError(
                f"the contents do not match their SHA-256: the file is damaged. {COPY_AGAIN}"
            )
        if not all(np.isfinite(arrays[name]).all() for name in parameter_names(layout)):
            raise ModelFormatError(
                "there are weights that are not finite, so the model is of no use."
            )
        return build(description, arrays, layout)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, ModelFormatError):
            raise
        raise ModelFormatError(
            f"the description of the model makes no sense ({error!r})."
        ) from error


def description_in(content):
    """Read the description in the header of a file and check that it is of this version."""
    length = int.from_bytes(content[:HEADER_LENGTH_BYTES], "little")
    header = content[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + length]
    if len(content) < HEADER_LENGTH_BYTES or len(header) < length or not header.startswith(b"{"):
        raise ModelFormatError(
            f"no model file, or one cut short: it should begin with a safetensors header, but it has {len(content)} "
            f"bytes that begin with {content[:16]!r}. Give a file that skmlp.save_model or 'skmlp train' wrote."
        )
    try:
        description = json.loads(json.loads(header)["__metadata__"][METADATA_KEY])
        version = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFormatError(
            "a safetensors file, but no model of skmlp, or a damaged one: its header holds no readable description of "
            "a model. Give a file that skmlp.save_model or 'skmlp train' wrote."
        ) from error
    if version != FORMAT_VERSION:
        raise ModelFormatError(
            f"the file has format version {version!r}, and skmlp {own_version()} reads version {FORMAT_VERSION}. "
            "Load it with the skmlp that wrote it, or a newer one."
        )
    return description


def parameter_names(layout):
    """Name the arrays of the weights and biases."""
    numbers = range(len(layout.shapes))
    return [f"coefs.{i}" for i in numbers] + [f"intercepts.{i}" for i in numbers]


def check_shapes(description, arrays):
    """Check that the arrays are those that the description speaks of; give their layout."""
    layout = Layout(tuple(description["layer_sizes"]))
    expected = {}
    for i, (fan_out, fan_in) in enumerate(layout.shapes):
        expected |= {f"coefs.{i}": (fan_in, fan_out), f"intercepts.{i}": (fan_out,)}
    n_epochs = len(arrays.get("history.loss", ()))
    expected |= {f"history.{name}": (n_epochs,) for name in description["history"]}
    if "validation_scores" in arrays:
        expected["validation_scores"] = (len(arrays["validation_scores"]),)
    found = {name: array.shape for name, array in arrays.items()}
    sizes_are_whole = all(type(size) is int and size > 0 for size in layout.layer_sizes)
    if not sizes_are_whole or not layout.shapes or found != expected:
        raise ModelFormatError(
            f"the arrays should have the shapes {expected}, but have {found}. {COPY_AGAIN}"
        )
    types = {arrays[name].dtype for name in parameter_names(layout)}
    if len(types) != 1 or not types <= {np.dtype(np.float32), np.dtype(np.float64)}:
        raise ModelFormatError(
            f"weights should be all float32 or all float64, but are {sorted(map(str, types))}."
        )
    return layout


def build(description, arrays, layout):
    """Make the estimator from checked parts."""
    parameters = description["parameters"]
    model = MLPDigitClassifier(**{name: own_parameter(value) for name, value in parameters.items()})
    model._validate_params()

    multilabel = description["out_activation"] == "logistic" and layout.layer_sizes[-1] > 1
    encoding = TargetEncoding(own_classes(description["classes"]), multilabel)
    if (encoding.out_activation, encoding.n_outputs) != (
        description["out_activation"],
        layout.layer_sizes[-1],
    ):
        raise ModelFormatError(
            f"{len(encoding.classes)} classes do not go with {layout.layer_sizes[-1]} outputs and the activation "
            f"{description['out_activation']!r}."
        )
    model.classes_ = encoding.classes
    model.out_activation_ = encoding.out_activation
    model.n_outputs_ = encoding.n_outputs
    model.n_features_in_ = layout.layer_sizes[0]
    model.n_layers_ = len(layout.layer_sizes)
    if description["feature_names"] is not None:
        names = np.array(own_names(description["feature_names"]), dtype=object)
        if names.shape != (model.n_features_in_,):
            raise ModelFormatError(
                f"{len(names)} feature names do not go with {model.n_features_in_} features."
            )
        model.feature_names_in_ = names
    for name in NUMBERS:
        setattr(model, name, own_number(description["numbers"][name]))

    layers = range(len(layout.shapes))
    model.coefs_ = [arrays[f"coefs.{i}"] for i in layers]
    model.intercepts_ = [arrays[f"intercepts.{i}"] for i in layers]
    model.history_ = {name: arrays[f"history.{name}"].tolist() for name in description["history"]}
    model.loss_curve_ = list(model.history_["loss"])
    scores = arrays.get("validation_scores")
    model.validation_scores_ = None if scores is None else scores.tolist()
    return model


def own_parameter(value):
    """Turn a value that JSON knows back into a parameter."""
    if isinstance(value, dict):
        random_state = np.random.RandomState()
        random_state.set_state(("MT19937", *value["MT19937"]))
        return random_state
    if isinstance(value, list):
        return tuple(value)
    return float(value) if value in INFINITIES else value


def own_number(value):
    """Turn a value that JSON knows back into a number or None."""
    if value in INFINITIES:
        return float(value)
    if value is not None and type(value) not in (int, float):
        raise ModelFormatError(f"a number should stand where {value!r} stands.")
    return value


def own_names(values):
    """Check a list of strings."""
    if not all(isinstance(value, str) for value in values):
        raise ModelFormatError(f"strings should stand where {values!r} stand.")
    return values


def own_classes(stored):
    """Turn a type and a list back into class labels."""
    labels = stored["labels"]
    if stored["type"] in ("str", "object"):
        return np.array(own_names(labels), dtype=stored["type"])
    dtype = np.dtype(stored["type"])
    classes = np.array(labels, dtype=dtype)
    if dtype.char not in CLASS_TYPES or classes.ndim != 1:
        raise ModelFormatError(f"classes cannot be {labels!r} of the type {stored['type']!r}.")
    return classes
