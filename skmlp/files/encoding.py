"""The encoding of models and checkpoints: safetensors files, which cannot contain code, with a description.

The description is a JSON string in the metadata of the file, with a SHA-256 over that string and all arrays.
"""

import contextlib
import hashlib
import json
import os
import stat
from typing import Any, NamedTuple

import numpy as np

from skmlp import __version__
from skmlp.exceptions import ModelFormatError
from skmlp.files.atomic import replacing

FORMAT_VERSION = 1
METADATA_KEY = "skmlp"
HEADER_LENGTH_BYTES = 8
MAX_BYTES = 2**31
NON_FINITE = ("inf", "-inf", "nan")
COPY_AGAIN = "Copy it again from its source, or save the model again."


class Container(NamedTuple):
    """The content of a file.

    Attributes
    ----------
    description : dict
        JSON values.
    arrays : dict of str to ndarray
    stated_digest : str
        The digest that the file states.
    """

    description: dict
    arrays: dict[str, Any]
    stated_digest: str

    def check_digest(self):
        """Raise ModelFormatError if the content differs from what was written."""
        if self.stated_digest != digest(self.description, self.arrays):
            raise ModelFormatError(
                f"the contents do not match their SHA-256: the file is damaged. {COPY_AGAIN}"
            )


def write_container(path, description, arrays):
    """Write a description and arrays to a file, completely or not at all.

    Parameters
    ----------
    path : str or Path
    description : dict
        Must have the key "kind".
    arrays : dict of str to ndarray
    """
    with replacing(path) as file:
        file.write(encode(description, arrays))


def encode(description, arrays):
    """Return the bytes of a file."""
    from safetensors.numpy import save

    arrays = {name: as_stored(array) for name, array in arrays.items()}
    description = {"format_version": FORMAT_VERSION, **description}
    description["sha256"] = digest(description, arrays)
    return save(arrays, metadata={METADATA_KEY: to_json(description)})


def as_stored(array):
    """Return an array as contiguous and little-endian: safetensors writes its bytes as they are in memory."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def number_to_json(value):
    """Convert a NumPy scalar to Python's, and a non-finite number, which JSON lacks, to a string."""
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def number_from_json(value):
    """Convert a JSON value to a number or None."""
    if value in NON_FINITE:
        return float(value)
    if value is not None and type(value) not in (int, float):
        raise ModelFormatError(f"expected a number, but got {value!r}.")
    return value


def to_json(description):
    """Return a description as a string, the same for equal descriptions."""
    return json.dumps(description, sort_keys=True, ensure_ascii=False, allow_nan=False)


def digest(description, arrays):
    """Compute the SHA-256 over a description and over the names, types, shapes and bytes of all arrays."""
    sha256 = hashlib.sha256(to_json(description).encode())
    for name in sorted(arrays):
        array = arrays[name]
        sha256.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(array.data)
    return sha256.hexdigest()


def read_container(path, kind, max_bytes=MAX_BYTES):
    """Read a file of a kind; its digest is not yet checked."""
    content = read_limited(path, max_bytes)
    description = description_in(content, kind)
    arrays = arrays_in(content)
    stated = description.pop("sha256", None)
    return Container(description, arrays, stated)


def read_description(path, kind, max_bytes=MAX_BYTES):
    """Read only the description, without checking its digest."""
    return description_in(read_limited(path, max_bytes), kind)


def read_limited(path, max_bytes):
    """Read a regular file of limited size."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelFormatError("not a regular file. Pass a file that skmlp.save_model wrote.")
        if status.st_size > max_bytes:
            raise ModelFormatError(
                f"the file has {status.st_size} bytes, more than max_bytes={max_bytes}. If you "
                f"trust it, pass max_bytes={status.st_size}."
            )
        return file.read()


def arrays_in(content):
    """Read the arrays of a file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelFormatError(
            f"the file is damaged or truncated ({error}). {COPY_AGAIN}"
        ) from error


def description_in(content, kind):
    """Read the description in the header of a file and check its version and kind."""
    length = int.from_bytes(content[:HEADER_LENGTH_BYTES], "little")
    header = content[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + length]
    if len(content) < HEADER_LENGTH_BYTES or len(header) < length or not header.startswith(b"{"):
        raise ModelFormatError(
            f"not a model file, or a truncated one: it should begin with a safetensors header, but it has "
            f"{len(content)} bytes that begin with {content[:16]!r}. "
            "Pass a file that skmlp.save_model or 'skmlp train' wrote."
        )
    try:
        description = json.loads(json.loads(header)["__metadata__"][METADATA_KEY])
        version = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFormatError(
            "a safetensors file, but not a model of skmlp, or a damaged one: its header has no valid description of a "
            "model. Pass a file that skmlp.save_model or 'skmlp train' wrote."
        ) from error
    if version != FORMAT_VERSION:
        raise ModelFormatError(
            f"the file has format version {version!r}, and skmlp {__version__} reads version {FORMAT_VERSION}. "
            "Load it with the version of skmlp that wrote it, or a newer one."
        )
    if description.get("kind") != kind:
        raise ModelFormatError(
            f"the file contains a {description.get('kind')}, not a {kind}. Models are read by skmlp.load_model, "
            "checkpoints by MLPDigitClassifier.resume."
        )
    return description


@contextlib.contextmanager
def naming(path):
    """Turn every fault that the body finds in a file into a ModelFormatError that names the file."""
    try:
        yield
    except ModelFormatError as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error.__cause__
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelFormatError(
            f"{os.fspath(path)}: the description of the model is invalid ({error!r})."
        ) from error
