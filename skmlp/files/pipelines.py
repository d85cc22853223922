"""The steps of a Pipeline before the classifier in a model file.

The file of a Pipeline is that of its classifier, whose description also contains one of the other steps. Transformers
of skmlp are described by JSON values. If there are others, all transformers are encoded by skops: the bytes of a file
of skops are one more array.
"""

import contextlib
import io
import zipfile
from importlib.util import find_spec

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from skmlp.exceptions import ModelFormatError
from skmlp.files.transformers import build_step, count_outputs, describe_step, is_own_step
from skmlp.model_parts import does_nothing
from skmlp.skops_types import SKOPS_TRUSTED_TYPES

DESCRIPTION_KEY = "pipeline"
ARRAY_NAME = "transformers"
JSON, SKOPS = "json", "skops"
CREATE_AGAIN = "Create the file again by skmlp.save_model."


def check_skops_is_installed(function, argument):
    """Raise ImportError if skops, which a function requires for an argument, is missing."""
    if find_spec("skops") is None:
        raise ImportError(
            f"{function} requires skops for {argument}, but it is not installed. Install it with 'pip install skops'."
        )


def encode_transformers(pipeline):
    """Return the description of the transformers of a Pipeline in JSON values, and their arrays by name.

    Raises
    ------
    NotFittedError
        If a transformer of skmlp is not fitted.
    TypeError
        If a transformer contains types that neither skops trusts nor SKOPS_TRUSTED_TYPES contains.
    ImportError
        If a transformer is not one of skmlp, and skops is not installed.
    """
    *steps, (classifier, _) = pipeline.steps
    if all(is_own_step(step) for _, step in steps):
        encoding, arrays = JSON, {}
        transformers = [describe_step(name, step) for name, step in steps]
    else:
        encoding, arrays = SKOPS, {ARRAY_NAME: encode_by_skops(steps)}
        transformers = [type(step).__name__ for _, step in steps]
    description = {"encoding": encoding, "transformers": transformers, "classifier": classifier}
    return description, arrays


def encode_by_skops(steps):
    """Return named transformers as an array of bytes."""
    check_skops_is_installed("save_model", "a Pipeline of other transformers than those of skmlp")
    from skops.io import dumps

    content = dumps(steps)
    unknown = find_unknown_types(content)
    if unknown:
        raise TypeError(
            "The transformers of the Pipeline must consist of types that skops trusts or SKOPS_TRUSTED_TYPES contains, "
            f"got {', '.join(unknown)}. Pass the last step, the classifier, and save the Pipeline by skops or joblib."
        )
    return np.frombuffer(content, np.uint8)


def build_pipeline(description, array, classifier):
    """Return the Pipeline of transformers, for their description and an array of bytes or None, and a classifier.

    Raises
    ------
    ModelFormatError
        If the description or the bytes are damaged, or contain types that are not trusted or objects that are not
        transformers.
    ImportError
        If the transformers are encoded by skops, which is not installed.
    """
    if description["encoding"] == JSON:
        steps = decode_json(description["transformers"], array, classifier)
    elif description["encoding"] == SKOPS:
        steps = decode_by_skops(array, description["transformers"])
    else:
        raise ModelFormatError(
            f"expected transformers encoded by {JSON} or {SKOPS}, got {description['encoding']!r}. Load the file with "
            "the version of skmlp that wrote it, or with a newer one."
        )
    steps.append((description["classifier"], classifier))
    check_names([name for name, _ in steps])
    return Pipeline(steps)


def decode_json(descriptions, array, classifier):
    """Return the names and transformers for their descriptions, each of which must fit the next step."""
    if array is not None:
        raise ModelFormatError(
            f"expected no array of transformers encoded by {JSON}, got one. {CREATE_AGAIN}"
        )
    steps = [build_step(each) for each in descriptions]
    n_features = None
    for step in (*(step for _, step in steps), classifier):
        n_expected = getattr(step, "n_features_in_", None)
        if None not in (n_features, n_expected) and n_features != n_expected:
            raise ModelFormatError(
                f"expected {n_expected} features for {type(step).__name__}, got {n_features} from the step before it. "
                f"{CREATE_AGAIN}"
            )
        n_features = count_outputs(step) or n_features
    return steps


def decode_by_skops(array, types):
    """Return the names and transformers in an array of bytes, which must be of the given types."""
    check_skops_is_installed("load_model", "a Pipeline of other transformers than those of skmlp")
    if array is None or array.dtype != np.uint8 or array.ndim != 1:
        found = "none" if array is None else f"{array.dtype} of shape {array.shape}"
        raise ModelFormatError(
            f"expected transformers as an array of bytes, got {found}. {CREATE_AGAIN}"
        )
    with convert_decoding_errors():
        steps = load_steps(array.tobytes())
    check_steps(steps, types)
    return steps


@contextlib.contextmanager
def convert_decoding_errors():
    """Convert all errors that the decoding of damaged or forged bytes raises to ModelFormatError."""
    try:
        yield
    except ModelFormatError:
        raise
    except (Exception, RecursionError, MemoryError) as error:
        raise ModelFormatError(
            f"expected transformers encoded by {SKOPS}, got damaged or other bytes ({error!r}). {CREATE_AGAIN}"
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


def check_steps(steps, types):
    """Raise ModelFormatError unless steps are named transformers of the given types."""
    if not isinstance(steps, list) or not all(map(is_step, steps)):
        raise ModelFormatError(
            f"expected a list of named transformers, got {steps!r:.200}. {CREATE_AGAIN}"
        )
    found = [type(transformer).__name__ for _, transformer in steps]
    if found != types:
        raise ModelFormatError(f"expected the transformers {types}, got {found}. {CREATE_AGAIN}")


def check_names(names, subject="steps"):
    """Raise ModelFormatError unless names can be those of the steps of a Pipeline or the members of a committee."""
    if not all(map(is_step_name, names)) or len(set(names)) < len(names):
        raise ModelFormatError(
            f"expected different names of {subject}, without '__', got {names}. {CREATE_AGAIN}"
        )


def is_step(step):
    """Return whether an object is a named transformer."""
    if not isinstance(step, tuple) or len(step) != 2:
        return False
    transformer = step[1]
    return does_nothing(transformer) or (
        isinstance(transformer, BaseEstimator) and hasattr(transformer, "transform")
    )


def is_step_name(name):
    """Return whether an object can be the name of a step of a Pipeline."""
    return isinstance(name, str) and "__" not in name


def find_unknown_types(content):
    """Return the names of the types in the bytes of a file of skops that are not trusted."""
    from skops.io import get_untrusted_types

    return sorted(set(get_untrusted_types(data=content)) - set(SKOPS_TRUSTED_TYPES))
