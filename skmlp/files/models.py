"""Model files: a fitted classifier in one file that can hold data but no code."""

from sklearn.utils.validation import check_is_fitted

from skmlp.classifier import MLPDigitClassifier
from skmlp.files.encoding import (
    MAX_BYTES,
    naming,
    read_container,
    read_description,
    write_container,
)
from skmlp.files.records import arrays_of, build, check_finite, check_shapes, describe

__all__ = ["load_model", "read_model_header", "save_model"]


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
    if type(model) is not MLPDigitClassifier:
        raise TypeError(
            f"save_model takes a fitted MLPDigitClassifier. Got {type(model).__name__}. Of a Pipeline, save the "
            "classifier, its last step."
        )
    check_is_fitted(model)
    write_container(path, {"kind": "model", **describe(model)}, arrays_of(model))


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
    with naming(path):
        container = read_container(path, "model", max_bytes)
        layout = check_shapes(container.description, container.arrays)
        container.check_digest()
        check_finite(container.arrays, layout)
        return build(MLPDigitClassifier, container.description, container.arrays, layout)


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
    with naming(path):
        return read_description(path, "model", max_bytes)
