"""Model files: a fitted classifier in one file, which cannot contain code."""

from typing import Any

from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.files.encoding import (
    MAX_BYTES,
    encode,
    format_errors,
    hash_arrays,
    read_container,
    read_description,
    write_container,
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


def save_model(model: MLPDigitClassifier, path: PathLike) -> None:
    """Save a fitted classifier and its training history to a file.

    The file is written completely or not at all: an existing file at the same path is kept until the new one is
    complete. The states of the optimizer and of the random number generators are not saved. A loaded model makes
    bit-identical predictions; further training starts with a new optimizer state.

    Parameters
    ----------
    model : MLPDigitClassifier
        Fitted classifier.
    path : str or Path
        Path of the file, by convention with the suffix ``.safetensors``.

    Raises
    ------
    TypeError
        If `model` is not an MLPDigitClassifier, its classes are not numbers, booleans or strings, or a parameter is a
        custom callable.
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
    if type(model) is not MLPDigitClassifier:
        raise TypeError(
            f"model must be a fitted MLPDigitClassifier, got {type(model).__name__}. To save a Pipeline, pass its last "
            "step, the classifier."
        )
    check_is_fitted(model)
    write_container(path, {"kind": "model", **describe_estimator(model)}, collect_arrays(model))


def load_model(path: PathLike, *, max_bytes: int = MAX_BYTES) -> MLPDigitClassifier:
    """Load a classifier from a file written by `save_model`.

    Loading never runs code from the file and uses at most a small multiple of the file size in memory.

    Parameters
    ----------
    path : str or Path
        Path of the file.
    max_bytes : int, default=2147483648
        Maximum size of the file in bytes.

    Returns
    -------
    model : MLPDigitClassifier
        Fitted classifier.

    Raises
    ------
    ModelFormatError
        If the file is too large, is not a model file, is damaged, or has an unsupported version.
    OSError
        If the file cannot be read.

    See Also
    --------
    save_model : Save a fitted classifier, with an example.
    read_model_header : Read the description only.
    """
    with format_errors(path):
        container = read_container(path, "model", max_bytes)
        layout = check_shapes(container.description, container.arrays)
        container.check_digest()
        check_finite(container.arrays, layout)
        return build_estimator(MLPDigitClassifier, container.description, container.arrays, layout)


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
    """Return the SHA-256 digest of the weights of a fitted classifier.

    It does not depend on the history, which contains durations, so that two runs with the same result have the same
    digest.
    """
    arrays = collect_arrays(model)
    weights = ("coefs.", "intercepts.", "batch_norm.")
    return hash_arrays({name: each for name, each in arrays.items() if name.startswith(weights)})


def compute_file_size(model):
    """Return the number of bytes of the file of a fitted classifier, or None if it cannot be saved."""
    try:
        return len(encode({"kind": "model", **describe_estimator(model)}, collect_arrays(model)))
    except TypeError:
        return None
