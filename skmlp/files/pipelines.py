"""The steps of a Pipeline before the classifier in a model file, encoded by skops.

The file of a Pipeline is that of its classifier, with one more array: the transformers as the bytes of a file of skops.
The description of the file says so.
"""

import io
import zipfile
from importlib.util import find_spec

import numpy as np
from sklearn.pipeline import Pipeline

from skmlp.exceptions import ModelFormatError
from skmlp.skops_types import SKOPS_TRUSTED_TYPES

DESCRIPTION_KEY = "pipeline"
ARRAY_NAME = "transformers"
ENCODING = "skops"


def check_skops_is_installed(function):
    """Raise ImportError if skops is missing."""
    if find_spec("skops") is None:
        raise ImportError(
            f"{function} requires skops for a Pipeline, but it is not installed. Install it with 'pip install skops'."
        )


def encode_transformers(pipeline):
    """Return the transformers of a Pipeline as an array of bytes, and their description in JSON values.

    Raises
    ------
    TypeError
        If a transformer contains types that neither skops trusts nor SKOPS_TRUSTED_TYPES contains.
    """
    from skops.io import dumps

    content = dumps(pipeline.steps[:-1])
    unknown = find_unknown_types(content)
    if unknown:
        raise TypeError(
            "The transformers of the Pipeline must consist of types that skops trusts or SKOPS_TRUSTED_TYPES contains, "
            f"got {', '.join(unknown)}. Pass the last step, the classifier, and save the Pipeline by skops or joblib."
        )
    description = {
        "encoding": ENCODING,
        "transformers": [type(transformer).__name__ for _, transformer in pipeline.steps[:-1]],
        "classifier": pipeline.steps[-1][0],
    }
    return np.frombuffer(content, np.uint8), description


def decode_pipeline(array, description, classifier, max_bytes):
    """Return the Pipeline of transformers, from an array of bytes and their description, and a classifier.

    Raises
    ------
    ModelFormatError
        If the bytes are damaged or too large, or contain types that are not trusted.
    """
    if description["encoding"] != ENCODING or array.dtype != np.uint8 or array.ndim != 1:
        raise ModelFormatError(
            f"expected transformers encoded by {ENCODING}, got {description['encoding']!r}. Load the file with the "
            "version of skmlp that wrote it, or with a newer one."
        )
    content = array.tobytes()
    check_uncompressed_size(content, max_bytes)
    steps = load_steps(content)
    pipeline = Pipeline([*steps, (description["classifier"], classifier)])
    names = [type(transformer).__name__ for _, transformer in steps]
    if names != description["transformers"]:
        raise ModelFormatError(
            f"expected the transformers {description['transformers']}, got {names}. Create the file again."
        )
    return pipeline


def check_uncompressed_size(content, max_bytes):
    """Raise ModelFormatError if the bytes of a file of skops are more than `max_bytes` when they are decompressed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(member.file_size for member in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ModelFormatError(
            f"expected transformers encoded by {ENCODING}, got other bytes ({error}). Create the file again."
        ) from error
    if size > max_bytes:
        raise ModelFormatError(
            f"expected transformers of at most {max_bytes} bytes, got {size}. Pass max_bytes={size} if you trust the "
            "file."
        )


def load_steps(content):
    """Return the list of names and transformers in the bytes of a file of skops."""
    from skops.io import loads

    unknown = find_unknown_types(content)
    if unknown:
        raise ModelFormatError(
            "expected transformers of types that skops trusts or SKOPS_TRUSTED_TYPES contains, got "
            f"{', '.join(unknown)}, which are not trusted. Pass a file written by skmlp.save_model."
        )
    steps = loads(content, trusted=list(SKOPS_TRUSTED_TYPES))
    is_list = isinstance(steps, list) and all(
        isinstance(step, tuple) and len(step) == 2 and isinstance(step[0], str) for step in steps
    )
    if not is_list:
        raise ModelFormatError(
            f"expected a list of named transformers, got {type(steps).__name__}. Create the file again."
        )
    return steps


def find_unknown_types(content):
    """Return the names of the types in the bytes of a file of skops that are not trusted."""
    from skops.io import get_untrusted_types

    return sorted(set(get_untrusted_types(data=content)) - set(SKOPS_TRUSTED_TYPES))
