"""The steps of a Pipeline before the classifier in a model file, encoded by skops.

The file of a Pipeline is that of its classifier, with one more array: the transformers as the bytes of a file of skops.
The description of the file says so.
"""

import contextlib
import io
import zipfile
from importlib.util import find_spec

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skmlp.exceptions import ModelFormatError
from skmlp.skops_types import SKOPS_TRUSTED_TYPES

DESCRIPTION_KEY = "pipeline"
ARRAY_NAME = "transformers"
ENCODING = "skops"
CREATE_AGAIN = "Create the file again by skmlp.save_model."


def check_skops_is_installed(function, argument):
    """Raise ImportError if skops, which a function requires for an argument, is missing."""
    if find_spec("skops") is None:
        raise ImportError(
            f"{function} requires skops for {argument}, but it is not installed. Install it with 'pip install skops'."
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


def decode_pipeline(array, description, classifier):
    """Return the Pipeline of transformers, from an array of bytes and their description, and a classifier.

    Raises
    ------
    ModelFormatError
        If the bytes are damaged, or contain types that are not trusted or objects that are not transformers.
    """
    if array is None or array.dtype != np.uint8 or array.ndim != 1:
        found = "none" if array is None else f"{array.dtype} of shape {array.shape}"
        raise ModelFormatError(
            f"expected transformers as an array of bytes, got {found}. {CREATE_AGAIN}"
        )
    if description["encoding"] != ENCODING:
        raise ModelFormatError(
            f"expected transformers encoded by {ENCODING}, got {description['encoding']!r}. Load the file with the "
            "version of skmlp that wrote it, or with a newer one."
        )
    with convert_decoding_errors():
        steps = load_steps(array.tobytes())
    check_steps(steps, description)
    return Pipeline([*steps, (description["classifier"], classifier)])


@contextlib.contextmanager
def convert_decoding_errors():
    """Convert all errors that the decoding of damaged or forged bytes raises to ModelFormatError."""
    try:
        yield
    except ModelFormatError:
        raise
    except (Exception, RecursionError, MemoryError) as error:
        raise ModelFormatError(
            f"expected transformers encoded by {ENCODING}, got damaged or other bytes ({error!r}). {CREATE_AGAIN}"
        ) from error


def load_steps(content):
    """Return the object in the bytes of a file of skops, which should be a list of names and transformers."""
    from skops.io import loads

    check_is_not_compressed(content)
    unknown = find_unknown_types(content)
    if unknown:
        raise ModelFormatError(
            "expected transformers of types that skops trusts or SKOPS_TRUSTED_TYPES contains, got "
            f"{', '.join(unknown)}, which are not trusted. Pass a file written by skmlp.save_model."
        )
    return loads(content, trusted=list(SKOPS_TRUSTED_TYPES))


def check_is_not_compressed(content):
    """Raise ModelFormatError if a member of a zip archive is compressed, because it could take any memory."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ModelFormatError(
            f"expected transformers without compression, got compressed ones. {CREATE_AGAIN}"
        )


def check_steps(steps, description):
    """Raise ModelFormatError unless steps are those of a Pipeline and agree with their description."""
    if not isinstance(steps, list) or not all(map(is_step, steps)):
        raise ModelFormatError(
            f"expected a list of named transformers, got {steps!r:.200}. {CREATE_AGAIN}"
        )
    types = [type(transformer).__name__ for _, transformer in steps]
    if types != description["transformers"]:
        raise ModelFormatError(
            f"expected the transformers {description['transformers']}, got {types}. {CREATE_AGAIN}"
        )
    names = [*(name for name, _ in steps), description["classifier"]]
    if not all(map(is_step_name, names)) or len(set(names)) < len(names):
        raise ModelFormatError(
            f"expected different names of steps, without '__', got {names}. {CREATE_AGAIN}"
        )


def is_step(step):
    """Return whether an object is a named transformer."""
    if not isinstance(step, tuple) or len(step) != 2:
        return False
    transformer = step[1]
    return transformer in (None, "passthrough") or (
        isinstance(transformer, BaseEstimator) and hasattr(transformer, "transform")
    )


def is_step_name(name):
    """Return whether an object can be the name of a step of a Pipeline."""
    return isinstance(name, str) and "__" not in name


def find_unknown_types(content):
    """Return the names of the types in the bytes of a file of skops that are not trusted."""
    from skops.io import get_untrusted_types

    return sorted(set(get_untrusted_types(data=content)) - set(SKOPS_TRUSTED_TYPES))
