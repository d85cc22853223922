"""Encoding of models and checkpoints as safetensors files, which cannot contain code.

The metadata of a file contains a description: a JSON string, with a SHA-256 digest of that string and of all arrays.
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
from skmlp.files.atomic import atomic_write

FORMAT_VERSION = 1
METADATA_KEY = "skmlp"
HEADER_LENGTH_BYTES = 8
MAX_BYTES = 2**31
NON_FINITE = ("inf", "-inf", "nan")
COPY_AGAIN = "Copy the file again from its source, or create it again."
USE_VALID_FILE = {
    "model": "Pass a file written by skmlp.save_model or 'skmlp train'.",
    "checkpoint": "Pass a file written by skmlp.callbacks.Checkpoint or 'skmlp train --checkpoint'.",
}


class Container(NamedTuple):
    """Content of a file.

    Attributes
    ----------
    description : dict
        JSON values.
    arrays : dict of str to ndarray
    stored_digest : str or None
        Digest stored in the file, if any.
    """

    description: dict[str, Any]
    arrays: dict[str, np.ndarray]
    stored_digest: str | None

    def check_digest(self):
        """Raise ModelFormatError if the content does not match its digest."""
        if self.stored_digest != compute_digest(self.description, self.arrays):
            raise ModelFormatError(
                f"expected content that matches its SHA-256 digest, got damaged content. {COPY_AGAIN}"
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
    with atomic_write(path) as file:
        file.write(encode(description, arrays))


def encode(description, arrays):
    """Return a description and arrays as the bytes of a file."""
    from safetensors.numpy import save

    arrays = {name: to_storage_layout(array) for name, array in arrays.items()}
    description = {"format_version": FORMAT_VERSION, **description}
    description["sha256"] = compute_digest(description, arrays)
    return save(arrays, metadata={METADATA_KEY: to_json(description)})


def to_storage_layout(array):
    """Return an array as C-contiguous and little-endian, because safetensors writes its memory unchanged."""
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))


def number_to_json(value):
    """Convert a NumPy scalar to a Python scalar, and a non-finite number, which JSON cannot express, to a string."""
    value = value.item() if isinstance(value, np.generic) else value
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def number_from_json(value):
    """Convert a JSON value to a number or None."""
    if value in NON_FINITE:
        return float(value)
    if value is not None and type(value) not in (int, float):
        raise ModelFormatError(f"expected a number, got {value!r}. {COPY_AGAIN}")
    return value


def to_json(description):
    """Return a description as a JSON string; equal descriptions give equal strings."""
    return json.dumps(description, sort_keys=True, ensure_ascii=False, allow_nan=False)


def compute_digest(description, arrays):
    """Compute the SHA-256 digest of a description and of the names, dtypes, shapes and bytes of all arrays."""
    return hash_arrays(arrays, to_json(description))


def hash_arrays(arrays, text=""):
    """Return the SHA-256 digest of a text and of the names, dtypes, shapes and bytes of arrays."""
    sha256 = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = to_storage_layout(arrays[name])
        sha256.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        sha256.update(array.data)
    return sha256.hexdigest()


def read_container(path, kind, max_bytes=MAX_BYTES):
    """Read a file of kind "model" or "checkpoint", without checking its digest."""
    content = read_regular_file(path, kind, max_bytes)
    description = decode_description(content, kind)
    arrays = decode_arrays(content)
    stored_digest = description.pop("sha256", None)
    return Container(description, arrays, stored_digest)


def read_description(path, kind, max_bytes=MAX_BYTES):
    """Read only the description of a file, without checking its digest."""
    return decode_description(read_regular_file(path, kind, max_bytes), kind)


def read_regular_file(path, kind, max_bytes):
    """Return the bytes of a file, or raise ModelFormatError if it is not regular or has more than `max_bytes`."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ModelFormatError(
                f"expected a regular file, got a pipe or a device. {USE_VALID_FILE[kind]}"
            )
        if status.st_size > max_bytes:
            fix = (
                f" Pass max_bytes={status.st_size} if you trust the file."
                if kind == "model"
                else ""
            )
            raise ModelFormatError(
                f"expected at most {max_bytes} bytes, got {status.st_size}.{fix}"
            )
        return file.read()


def decode_arrays(content):
    """Return the arrays in the bytes of a file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return load(content)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ModelFormatError(
            f"expected intact arrays, got damaged or truncated data ({error}). {COPY_AGAIN}"
        ) from error


def decode_description(content, kind):
    """Return the description in the header of a file, after checking its version and kind."""
    length = int.from_bytes(content[:HEADER_LENGTH_BYTES], "little")
    header = content[HEADER_LENGTH_BYTES : HEADER_LENGTH_BYTES + length]
    if len(content) < HEADER_LENGTH_BYTES or len(header) < length or not header.startswith(b"{"):
        raise ModelFormatError(
            f"expected a {kind} with a safetensors header, got {len(content)} bytes that start with {content[:16]!r}. "
            f"{USE_VALID_FILE[kind]}"
        )
    try:
        description = json.loads(json.loads(header)["__metadata__"][METADATA_KEY])
        version = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFormatError(
            f"expected the description of a {kind} in the header, got a safetensors file without a valid one. "
            f"{USE_VALID_FILE[kind]}"
        ) from error
    if version != FORMAT_VERSION:
        raise ModelFormatError(
            f"expected format version {FORMAT_VERSION}, which skmlp {__version__} reads, got {version!r}. Load the "
            "file with the version of skmlp that wrote it, or with a newer one."
        )
    if description.get("kind") != kind:
        raise ModelFormatError(
            f"expected a {kind}, got a {description.get('kind')}. Use skmlp.load_model for models and "
            "MLPDigitClassifier.resume for checkpoints."
        )
    return description


@contextlib.contextmanager
def format_errors(path):
    """Convert the errors that the body raises for an invalid file to ModelFormatError, and prefix the path."""
    try:
        yield
    except ModelFormatError as error:
        raise type(error)(f"{os.fspath(path)}: {error}") from error.__cause__
    except (
        *(KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError),
        RecursionError,  # a description that is nested too deeply
    ) as error:
        raise ModelFormatError(
            f"{os.fspath(path)}: expected a valid description, got an invalid one ({error!r}). {COPY_AGAIN}"
        ) from error
