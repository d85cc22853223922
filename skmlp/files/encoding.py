"""The file that models and checkpoints are kept in: safetensors with a description, which can hold data but no code.

The description is one JSON text in the file's metadata, with a SHA-256 over that text and all arrays.
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
NOT_FINITE = ("inf", "-inf", "nan")
COPY_AGAIN = "Copy it again from where it came, or save the model again."


class Container(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    description : dict
        Values that JSON knows.
    arrays : dict of str to ndarray
    stated_digest : str
        What the file says that `digest` should give.
    """

    description: dict
    arrays: dict[str, Any]
    stated_digest: str

    def check_digest(self):
        """Raise if the contents are not what they were when they were written."""
        if self.stated_digest != digest(self.description, self.arrays):
            raise ModelFormatError(
                f"the contents do not match their SHA-256: the file is damaged. {COPY_AGAIN}"
            )


def write_container(path, description, arrays):
    """Write a description and arrays to a file, whole or not at all.

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
    """Give the bytes of a file."""
    from safetensors.numpy import save

    arrays = {name: as_stored(array) for name, array in arrays.items()}
    description = {"format_version": FORMAT_VERSION, **description}
    description["sha256"] = digest(description, arrays)
    return save(arrays, metadata={METADATA_KEY: as_json(description)})


def as_stored(array):
    """Make an array contiguous and little-endian: safetensors writes the bytes as they lie."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def plain_number(value):
    """Turn a NumPy scalar into Python's, and an infinite number, which JSON has not, into text."""
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def own_number(value):
    """Turn a value that JSON knows back into a number or None."""
    if value in NOT_FINITE:
        return float(value)
    if value is not None and type(value) not in (int, float):
        raise ModelFormatError(f"a number should stand where {value!r} stands.")
    return value


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


def read_container(path, kind, max_bytes=MAX_BYTES):
    """Read a file of a kind; its digest is not checked yet."""
    content = read_limited(path, max_bytes)
    description = description_in(content, kind)
    arrays = arrays_in(content)
    stated = description.pop("sha256", None)
    return Container(description, arrays, stated)


def read_description(path, kind, max_bytes=MAX_BYTES):
    """Read the description alone, which may be damaged."""
    return description_in(read_limited(path, max_bytes), kind)


def read_limited(path, max_bytes):
    """Read a regular file that is not too large."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelFormatError("no regular file. Give a file that skmlp.save_model wrote.")
        if status.st_size > max_bytes:
            raise ModelFormatError(
                f"the file has {status.st_size} bytes, more than max_bytes={max_bytes}. If you "
                f"trust it, allow max_bytes={status.st_size}."
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
            f"the file is damaged or cut short ({error}). {COPY_AGAIN}"
        ) from error


def description_in(content, kind):
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
            f"the file has format version {version!r}, and skmlp {__version__} reads version {FORMAT_VERSION}. "
            "Load it with the skmlp that wrote it, or a newer one."
        )
    if description.get("kind") != kind:
        raise ModelFormatError(
            f"the file holds a {description.get('kind')}, not a {kind}. Models are read by skmlp.load_model, "
            "checkpoints by MLPDigitClassifier.resume."
        )
    return description


@contextlib.contextmanager
def naming(path):
    """Make every fault that the body finds in a file one ModelFormatError that names the file."""
    try:
        yield
    except ModelFormatError as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error.__cause__
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelFormatError(
            f"{os.fspath(path)}: the description of the model makes no sense ({error!r})."
        ) from error
