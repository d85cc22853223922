"""The IDX format of MNIST and compatible datasets: read and write arrays.

An IDX file consists of the bytes ``00 00 <type> <ndim>``, ndim sizes as big-endian uint32, and the data, big-endian in
C order.
"""

import contextlib
import gzip
import io
import math
import os
import stat
import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from skmlp.exceptions import IDXFormatError
from skmlp.files.atomic import atomic_write
from skmlp.typing import ArrayLike, PathLike, Source

DTYPES = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
TYPE_CODES = {dtype: code for code, dtype in DTYPES.items()}
MAX_NDIM = 64  # NumPy's limit
DEFAULT_MAX_BYTES = 2**31
CHUNK_SIZE = 2**20
GZIP_MAGIC = b"\x1f\x8b"

# Common mistakes, by the first bytes of the file
OTHER_FORMATS = {
    GZIP_MAGIC: "gzip data inside gzip data. Decompress it once first.",
    b"\x89PNG": "a PNG image.",
    b"\xff\xd8\xff": "a JPEG image.",
    b"PK\x03\x04": "a zip archive. Extract it first.",
    b"BZh": "bzip2 data. Decompress it first.",
    b"\xfd7zX": "xz data. Decompress it first.",
    b"\x93NUM": "a NumPy file. Use numpy.load.",
    b"<": "an HTML page, perhaps saved in place of a download. Download the file again.",
    b"vers": "a Git LFS pointer. Fetch the file with 'git lfs pull'.",
}


@dataclass(frozen=True)
class IDXHeader:
    """Header of an IDX file.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the elements, in native byte order.
    shape : tuple of int
        Shape of the array, with 1 to 64 dimensions.
    compressed : bool
        Whether the source is compressed with gzip.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    compressed: bool

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_idx(
    source: Source, *, mmap: bool = False, max_bytes: int = DEFAULT_MAX_BYTES
) -> np.ndarray:
    """Read an array from an IDX file [1]_, compressed with gzip or not.

    Compression is detected from the first bytes, not from the file name. Memory is allocated as data arrives, so a
    header that declares more data than the file contains does not cause a large allocation.

    Parameters
    ----------
    source : str, path-like, bytes-like or binary stream
        Path of a file, its contents, or an open binary stream. A stream is read from its current position to its end
        and is not closed. It does not have to be seekable, and may return fewer bytes than requested.
    mmap : bool, default=False
        Whether to map the file into memory, read-only, instead of reading it. Requires the path of an uncompressed
        file.
    max_bytes : int, default=2147483648
        Largest size of the array, in bytes after decompression. Ignored if `mmap` is true.

    Returns
    -------
    array : ndarray, or numpy.memmap if `mmap`
        Array of uint8, int8, int16, int32, float32 or float64, with 1 to 64 dimensions. It is C-contiguous, writable
        and in native byte order. A mapped array is read-only and big-endian like the file.

    Raises
    ------
    IDXFormatError
        If the source is not a valid IDX file, or contains more than `max_bytes` of data.
    FileNotFoundError
        If the file does not exist.
    TypeError
        If `source` has an unsupported type, or is not a path although `mmap` is true.
    ValueError
        If `mmap` is true and the file is compressed or not a regular file.

    See Also
    --------
    read_idx_header : Read the shape and type only.
    write_idx : Write an array as an IDX file.

    References
    ----------
    .. [1] LeCun, Cortes and Burges, "The MNIST database of handwritten digits", section "File formats for the MNIST
       database".

    Examples
    --------
    >>> from skmlp import read_idx
    >>> header = bytes([0, 0, 0x08, 2]) + bytes([0, 0, 0, 2]) + bytes([0, 0, 0, 3])
    >>> read_idx(header + bytes([0, 1, 2, 253, 254, 255]))
    array([[  0,   1,   2],
           [253, 254, 255]], dtype=uint8)
    """
    if mmap:
        return map_file(source)
    with open_source(source) as idx:
        header = idx.read_header()
        if header.nbytes > max_bytes:
            raise IDXFormatError(
                f"{idx.name}: expected at most max_bytes={max_bytes} bytes of data, got a header that declares "
                f"{header.nbytes} bytes for {describe(header)}. If the header is correct, increase max_bytes or use "
                "mmap=True."
            )
        idx.check_length(header)
        data = idx.read_data(header)
    array = np.ndarray(header.shape, header.dtype.newbyteorder(">"), buffer=data)
    return array if array.dtype.isnative else array.byteswap(inplace=True).view(header.dtype)


def read_idx_header(source: Source) -> IDXHeader:
    """Read the header of an IDX file, without the data.

    Parameters
    ----------
    source : str, path-like, bytes-like or binary stream
        As for `read_idx`. The position of a stream after the call is unspecified.

    Returns
    -------
    header : IDXHeader
        Its attributes are ``dtype``, ``shape``, ``compressed`` and ``nbytes``. Whether the data match it is not
        checked.

    Raises
    ------
    IDXFormatError
        If the header is not valid.
    FileNotFoundError
        If the file does not exist.
    TypeError
        If `source` has an unsupported type.

    See Also
    --------
    read_idx : Read the array.

    Examples
    --------
    >>> from skmlp import read_idx_header
    >>> header = read_idx_header(bytes([0, 0, 0x0D, 1, 0, 0, 0, 5]))
    >>> header.dtype, header.shape, header.nbytes, header.compressed
    (dtype('float32'), (5,), 20, False)
    """
    with open_source(source) as idx:
        return idx.read_header()


def write_idx(target: PathLike | BinaryIO, array: ArrayLike) -> None:
    """Write an array as an IDX file.

    A file is replaced only after the new one is complete. Equal arrays give identical files.

    Parameters
    ----------
    target : str, path-like or binary stream
        Where to write. A file whose name ends with ``.gz`` is compressed with gzip; a stream is not.
    array : array-like
        Array of uint8, int8, int16, int32, float32 or float64, in any byte order and memory layout, with 1 to 64
        dimensions.

    Raises
    ------
    TypeError
        If IDX does not support the dtype of the array, or `target` is neither a path nor a stream.
    ValueError
        If the array has no dimensions, or a dimension of 2**32 or more elements.

    See Also
    --------
    read_idx : Read an array from an IDX file.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from skmlp import write_idx
    >>> stream = io.BytesIO()
    >>> write_idx(stream, np.array([1, -2], dtype=np.int16))
    >>> stream.getvalue().hex(" ")
    '00 00 0b 01 00 00 00 02 00 01 ff fe'
    """
    array = np.asarray(array)
    header = encode_header(array)
    if isinstance(target, str | os.PathLike):
        path = Path(target)
        with atomic_write(path) as file:
            if path.suffix == ".gz":
                # Without a name and a time, so that equal arrays give identical files
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                    write_array(compressed, header, array)
            else:
                write_array(file, header, array)
    elif hasattr(target, "write"):
        write_array(target, header, array)
    else:
        raise TypeError(f"target must be a path or a binary stream, got {type(target).__name__}.")


class IDXStream:
    """Decompressed stream of an IDX file, with its name and its length, if known."""

    def __init__(self, name, file, length):
        raw = PeekableStream(file)
        self.name = name
        self.compressed = raw.magic == GZIP_MAGIC
        self.length = None if self.compressed else length
        self._stream = io.BufferedReader(raw)
        if self.compressed:
            self._stream = gzip.GzipFile(fileobj=self._stream)

    def read_header(self):
        """Read and validate the header."""
        start = self._read_exactly(4, "a header of at least 8 bytes")
        if start[:2] != b"\0\0":
            raise IDXFormatError(
                f"{self.name}: expected an IDX file, which starts with 00 00, got {start[:2].hex(' ')}."
                f"{identify_format(start)}"
            )
        code, ndim = start[2:]
        if code not in DTYPES:
            codes = ", ".join(f"{code:02X} ({dtype})" for code, dtype in DTYPES.items())
            raise IDXFormatError(
                f"{self.name}: expected one of the type codes {codes}, got {code:02X}."
            )
        if not 1 <= ndim <= MAX_NDIM:
            raise IDXFormatError(f"{self.name}: expected 1 to {MAX_NDIM} dimensions, got {ndim}.")
        sizes = self._read_exactly(4 * ndim, f"{ndim} sizes of 4 bytes each")
        header = IDXHeader(DTYPES[code], struct.unpack(f">{ndim}I", sizes), self.compressed)
        # A size of 0 makes the array empty, but NumPy multiplies the other sizes before.
        if header.dtype.itemsize * math.prod(size or 1 for size in header.shape) > sys.maxsize:
            raise IDXFormatError(
                f"{self.name}: expected a shape that NumPy supports, got {header.shape}."
            )
        return header

    def check_length(self, header):
        """Check the length of the source, if it is known, before any data is read."""
        expected = 4 + 4 * len(header.shape) + header.nbytes
        if self.length is not None and self.length != expected:
            problem = "is truncated" if self.length < expected else "has trailing bytes"
            raise IDXFormatError(
                f"{self.name}: expected {expected} bytes for {describe(header)}, got {self.length}. "
                f"The file {problem}."
            )

    def read_data(self, header):
        """Read the data in chunks, and check that the source ends after it."""
        data = bytearray()
        while missing := header.nbytes - len(data):
            chunk = self._stream.read(min(CHUNK_SIZE, missing))
            if not chunk:
                raise IDXFormatError(
                    f"{self.name}: expected {header.nbytes} bytes of data for {describe(header)}, got {len(data)}. "
                    "The file is truncated."
                )
            data += chunk
        # For gzip data, this read also verifies the checksum.
        if self._stream.read(1):
            raise IDXFormatError(
                f"{self.name}: expected {header.nbytes} bytes of data for {describe(header)}, got more. "
                "The file has trailing bytes."
            )
        return data

    def _read_exactly(self, size, expected):
        data = self._stream.read(size)
        if len(data) < size:
            problem = "truncated" if data else "empty or truncated"
            raise IDXFormatError(
                f"{self.name}: expected {expected}, got {len(data)} of {size} bytes. The file is {problem}."
            )
        return data


class PeekableStream(io.RawIOBase):
    """Raw stream that reads from any object with a method ``read`` and exposes the first two bytes as `magic`.

    Closing it does not close the object.
    """

    def __init__(self, file):
        self._file = file
        self.magic = b""
        while len(self.magic) < 2 and (more := self._read(2 - len(self.magic))):
            self.magic += more
        self._pending = self.magic

    def readable(self):
        """Return True."""
        return True

    def readinto(self, buffer):
        """Read at most as many bytes as the buffer can store, and return their number."""
        data = self._pending[: len(buffer)] or self._read(len(buffer))
        self._pending = self._pending[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def _read(self, size):
        data = self._file.read(size)
        if isinstance(data, str):
            raise TypeError(
                "source must be a binary stream, got a text stream. Open the file with mode 'rb'."
            )
        return data or b""


@contextlib.contextmanager
def open_source(source):
    """Open a source as an `IDXStream`, and convert errors of gzip to IDXFormatError."""
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            name, file = os.fsdecode(source), stack.enter_context(open(source, "rb"))
            status = os.fstat(file.fileno())
            length = status.st_size if stat.S_ISREG(status.st_mode) else None
        elif isinstance(source, bytes | bytearray | memoryview):
            name, file = f"<{type(source).__name__}>", io.BytesIO(source)
            length = file.getbuffer().nbytes
        elif hasattr(source, "read"):
            name = getattr(source, "name", None)
            name = name if isinstance(name, str) else f"<{type(source).__name__}>"
            # The length is not taken from the file descriptor: that of a GzipFile refers to the compressed file.
            file, length = source, None
        else:
            raise TypeError(
                f"source must be a path, bytes or a binary stream, got {type(source).__name__}."
            )
        try:
            yield IDXStream(name, file, length)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise IDXFormatError(
                f"{name}: expected valid gzip data, got damaged or truncated data ({error})."
            ) from error


def map_file(source):
    """Map the data of an uncompressed IDX file into memory, read-only."""
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"source must be a path if mmap=True, got {type(source).__name__}.")
    with open_source(source) as idx:
        header = idx.read_header()
        if idx.length is None:
            found = "gzip data" if idx.compressed else "a pipe or device"
            fix = "Decompress the file or use" if idx.compressed else "Use"
            raise ValueError(
                f"{idx.name}: expected an uncompressed regular file for mmap=True, got {found}. {fix} mmap=False."
            )
        idx.check_length(header)
    return np.memmap(
        source,
        dtype=header.dtype.newbyteorder(">"),
        mode="r",
        offset=4 + 4 * len(header.shape),
        shape=header.shape,
    )


def describe(header):
    """Describe the array that a header declares, for error messages."""
    return f"an array of {header.dtype} with shape {header.shape}"


def identify_format(start):
    """Return a sentence about the probable format of a file that starts with these 4 bytes, or an empty string."""
    for magic, description in OTHER_FORMATS.items():
        if start.startswith(magic):
            return f" The file appears to be {description}"
    if start[2:] == b"\0\0" and start[1] in DTYPES:
        return " The header appears to be little-endian. IDX files are big-endian."
    return ""


def encode_header(array):
    """Encode the header for an array, or raise an error if IDX does not support its dtype or shape."""
    code = TYPE_CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        names = ", ".join(map(str, TYPE_CODES))
        nearest = {"b": "uint8", "i": "int32", "u": "int32", "f": "float32"}.get(array.dtype.kind)
        fix = f" Convert it, for example with array.astype(np.{nearest})." if nearest else ""
        raise TypeError(f"array must have one of the dtypes {names}, got {array.dtype}.{fix}")
    if array.ndim == 0:
        raise ValueError(
            f"array must have 1 to {MAX_NDIM} dimensions, got 0. Use np.atleast_1d(array)."
        )
    if max(array.shape) >= 2**32:
        raise ValueError(
            f"array must have fewer than 2**32 elements along each axis, got shape {array.shape}."
        )
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)


def write_array(stream, header, array):
    """Write an encoded header and the data of an array."""
    stream.write(header)
    # The buffered iterator converts any memory layout and byte order to big-endian chunks in C order.
    chunks = np.nditer(
        array,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_dtypes=[array.dtype.newbyteorder(">")],
        casting="equiv",
        order="C",
        buffersize=CHUNK_SIZE,
    )
    for chunk in chunks:
        stream.write(chunk.tobytes())
