"""Model files: a fitted classifier in one file, which cannot contain code."""

from sklearn.utils.validation import check_is_fitted

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.files.encoding import (
    MAX_BYTES,
    naming,
    read_container,
    read_description,
    write_container,
)
from skmlp.files.records import arrays_of, build, check_finite, check_shapes, description_of

__all__ = ["load_model", "read_model_header", "save_model"]


def save_model(model, path):
    """Save a fitted classifier, with its history, to a file.

    The file is written completely or not at all: an earlier file at the same path stays until the new one is complete.
    What only training needs, the state of the optimizer and of the random streams, is not saved: a loaded model gives
    the same predictions to the last bit, and continues training with a fresh optimizer.

    Parameters
    ----------
    model : MLPDigitClassifier
        Fitted.
    path : str or Path
        By convention it ends in ``.safetensors``.

    Raises
    ------
    TypeError
        If `model` is not an MLPDigitClassifier, or its classes have a type that cannot be saved.
    NotFittedError
        If it is not fitted.
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
            f"model must be a fitted MLPDigitClassifier. Got {type(model).__name__}. For a Pipeline, save the "
            "classifier, its last step."
        )
    check_is_fitted(model)
    write_container(path, {"kind": "model", **description_of(model)}, arrays_of(model))


def load_model(path, *, max_bytes=MAX_BYTES):
    """Load a classifier from a file that `save_model` wrote.

    Loading a file never runs code from it, and takes no more memory than a small multiple of its size.

    Parameters
    ----------
    path : str or Path
    max_bytes : int, default=2**31
        The largest size of a file that is read, in bytes.

    Returns
    -------
    model : MLPDigitClassifier
        Fitted.

    Raises
    ------
    ModelFormatError
        If the file is too large, not a model file, damaged, or of another version.
    OSError
        If the file cannot be read.

    See Also
    --------
    save_model : Save a model, with an example.
    """
    with naming(path):
        container = read_container(path, "model", max_bytes)
        layout = check_shapes(container.description, container.arrays)
        container.check_digest()
        check_finite(container.arrays, layout)
        return build(MLPDigitClassifier, container.description, container.arrays, layout)


def read_model_header(path, *, max_bytes=MAX_BYTES):
    """Read the description in a model file.

    Parameters
    ----------
    path : str or Path
    max_bytes : int, default=2**31
        The largest size of a file that is read, in bytes.

    Returns
    -------
    description : dict
        With the keys "format_version", "parameters", "layer_sizes", "classes", "versions" and more.

    Raises
    ------
    ModelFormatError
        If the file is too large, not a model file, or of another version. Damage to the arrays is not detected.
    OSError
        If the file cannot be read.
    """
    with naming(path):
        return read_description(path, "model", max_bytes)
