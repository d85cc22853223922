"""The IDX format, in which MNIST and its relatives come: bytes to array and back.

An IDX file is ``00 00 <type> <ndim>``, then ndim sizes as big-endian uint32, then the data,
big-endian in C order.
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

import numpy as np

from skmlp.exceptions import IDXFormatError
from skmlp.files.atomic import replacing

_TYPES = {
    0x08: np.dtype(np.uint8),
    0x09: np.dtype(np.int8),
    0x0B: np.dtype(np.int16),
    0x0C: np.dtype(np.int32),
    0x0D: np.dtype(np.float32),
    0x0E: np.dtype(np.float64),
}
_CODES = {dtype: code for code, dtype in _TYPES.items()}
_TYPE_NAMES = ", ".join(f"{code:02X} {dtype}" for code, dtype in _TYPES.items())
_MAX_DIMS = 64
_MAX_BYTES = 2**31
_GZIP_MAGIC = b"\x1f\x8b"
_PIECE = 2**20

# What people hand over by mistake, by its first bytes.
_FOREIGN = {
    _GZIP_MAGIC: "gzip data inside gzip: decompress it once first",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"BZh": "bzip2 data: decompress it first",
    b"\xfd7zX": "xz data: decompress it first",
    b"\x93NUM": "a NumPy file: numpy.load reads it",
    b"<": "an HTML page, perhaps saved in place of a download",
    b"vers": "a Git LFS pointer: fetch the file itself with 'git lfs pull'",
}


@dataclass(frozen=True)
class IDXHeader:
    """What the header of an IDX file says.

    Parameters
    ----------
    dtype : numpy.dtype
        Type of the elements, in native byte order.
    shape : tuple of int
        Shape of the array, 1 to 64 sizes.
    compressed : bool
        Whether the source is compressed with gzip.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    compressed: bool

    @property
    def nbytes(self):
        """Bytes that the array takes in memory."""
        return self.dtype.itemsize * math.prod(self.shape)


def read_idx(source, *, mmap=False, max_bytes=_MAX_BYTES):
    """Read an array from an IDX file, gzipped or not.

    Gzip is recognised by its first bytes, whatever the file's name. Memory is taken as data
    arrive, never on the word of the header alone.

    Parameters
    ----------
    source : str, path-like, bytes-like or binary stream
        A file's path, the bytes themselves, or an open binary stream, read from where it stands
        to its end and not closed. A stream need not be seekable and may give short reads.
    mmap : bool, default=False
        Map the file into memory instead of reading it, read-only. For uncompressed files, given
        by their path.
    max_bytes : int, default=2147483648
        The largest array to put in memory, in bytes after decompression. A mapped file, which
        takes none, is not held to it.

    Returns
    -------
    array : ndarray, or numpy.memmap if `mmap`
        The array: uint8, int8, int16, int32, float32 or float64, with 1 to 64 dimensions. A
        read array is C-contiguous, writable and in native byte order; a mapped one is read-only
        and keeps the file's big-endian order.

    Raises
    ------
    IDXFormatError
        If the source is no well-formed IDX file, or holds more than `max_bytes`.
    FileNotFoundError
        If there is no file at that path.
    TypeError
        If `source` is of another type, or is no path while `mmap` is true.
    ValueError
        If `mmap` is true and the file is compressed.

    See Also
    --------
    read_idx_header : Shape and type alone, without the data.
    write_idx : The way back.

    References
    ----------
    .. [1] Y. LeCun, C. Cortes and C. J. C. Burges, "The MNIST database of handwritten digits",
       section "File formats for the MNIST database".

    Examples
    --------
    >>> from skmlp.digits.idx import read_idx
    >>> header = bytes([0, 0, 0x08, 2]) + bytes([0, 0, 0, 2]) + bytes([0, 0, 0, 3])
    >>> read_idx(header + bytes([0, 1, 2, 253, 254, 255]))
    array([[  0,   1,   2],
           [253, 254, 255]], dtype=uint8)
    """
    if mmap:
        return _map(source)
    with _opened(source) as idx:
        header = idx.read_header()
        if header.nbytes > max_bytes:
            raise IDXFormatError(
                f"{idx.name}: expected at most max_bytes={max_bytes} bytes of data, but the header "
                f"announces {header.nbytes}, {_describe(header)}; if that is right, raise "
                "max_bytes or pass mmap=True"
            )
        idx.check_length(header)
        data = idx.read_data(header)
    array = np.ndarray(header.shape, header.dtype.newbyteorder(">"), buffer=data)
    return array if array.dtype.isnative else array.byteswap(inplace=True).view(header.dtype)


def read_idx_header(source):
    """Read what the header of an IDX file says, and no more.

    Parameters
    ----------
    source : str, path-like, bytes-like or binary stream
        As for `read_idx`. A stream is left somewhere behind the header.

    Returns
    -------
    header : IDXHeader
        Its ``dtype``, ``shape``, ``compressed`` and ``nbytes``. The data are not looked at.

    Raises
    ------
    IDXFormatError
        If the header is not well-formed.
    FileNotFoundError
        If there is no file at that path.
    TypeError
        If `source` is of another type.

    Examples
    --------
    >>> from skmlp.digits.idx import read_idx_header
    >>> header = read_idx_header(bytes([0, 0, 0x0D, 1, 0, 0, 0, 5]))
    >>> header.dtype, header.shape, header.nbytes, header.compressed
    (dtype('float32'), (5,), 20, False)
    """
    with _opened(source) as idx:
        return idx.read_header()


def write_idx(target, array):
    """Write an array as an IDX file.

    A file appears under its name only when it is complete; the same array gives the same bytes.

    Parameters
    ----------
    target : str, path-like or binary stream
        Where to write. A path that ends in ``.gz`` is compressed with gzip, a stream never.
    array : array-like
        What to write: uint8, int8, int16, int32, float32 or float64 in any byte order and memory
        layout, with 1 to 64 dimensions.

    Raises
    ------
    TypeError
        If IDX has no such type, or `target` is neither a path nor a stream.
    ValueError
        If the array has no dimensions, or one of 2**32 or more.

    See Also
    --------
    read_idx : The way back.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> from skmlp.digits.idx import write_idx
    >>> stream = io.BytesIO()
    >>> write_idx(stream, np.array([1, -2], dtype=np.int16))
    >>> stream.getvalue().hex(" ")
    '00 00 0b 01 00 00 00 02 00 01 ff fe'
    """
    array = np.asarray(array)
    header = _encode_header(array)
    if isinstance(target, str | os.PathLike):
        path = Path(target)
        with replacing(path) as file:
            if path.suffix == ".gz":
                # No name and no time: equal arrays make equal files.
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
                    _write(packed, header, array)
            else:
                _write(file, header, array)
    elif hasattr(target, "write"):
        _write(target, header, array)
    else:
        raise TypeError(f"target must be a path or a binary stream, got {type(target).__name__}")


class _Input:
    """A source opened for reading: its name, its decompressed stream, its length where known."""

    def __init__(self, name, file, length):
        raw = _ReadAhead(file)
        self.name = name
        self.compressed = raw.magic == _GZIP_MAGIC
        self.length = None if self.compressed else length
        self._stream = io.BufferedReader(raw)
        if self.compressed:
            self._stream = gzip.GzipFile(fileobj=self._stream)

    def read_header(self):
        """Decode the header; everything that can be wrong with it is found here."""
        start = self._read_all(4, "a header of 8 bytes or more")
        if start[:2] != b"\0\0":
            raise IDXFormatError(
                f"{self.name}: expected the first two bytes of an IDX file, 00 00, got "
                f"{start[:2].hex(' ')}{_recognise(start)}"
            )
        code, ndim = start[2:]
        if code not in _TYPES:
            raise IDXFormatError(
                f"{self.name}: expected an element type among {_TYPE_NAMES}, got {code:02X}"
            )
        if not 1 <= ndim <= _MAX_DIMS:
            raise IDXFormatError(f"{self.name}: expected 1 to {_MAX_DIMS} dimensions, got {ndim}")
        sizes = self._read_all(4 * ndim, f"{ndim} sizes of 4 bytes each")
        header = IDXHeader(_TYPES[code], struct.unpack(f">{ndim}I", sizes), self.compressed)
        # NumPy's strides overflow before a zero makes the whole array empty.
        if header.dtype.itemsize * math.prod(size or 1 for size in header.shape) > sys.maxsize:
            raise IDXFormatError(
                f"{self.name}: expected sizes that an array can have, got {header.shape}"
            )
        return header

    def check_length(self, header):
        """Hold a known length against the header, before any data are read."""
        expected = 4 + 4 * len(header.shape) + header.nbytes
        if self.length is not None and self.length != expected:
            fault = "it is truncated" if self.length < expected else "it has trailing bytes"
            raise IDXFormatError(
                f"{self.name}: expected {expected} bytes, {_describe(header)}, got {self.length}: "
                f"{fault}"
            )

    def read_data(self, header):
        """Read the data piece by piece, and make sure that they end where they should."""
        data = bytearray()
        while missing := header.nbytes - len(data):
            piece = self._stream.read(min(_PIECE, missing))
            if not piece:
                raise IDXFormatError(
                    f"{self.name}: expected {header.nbytes} bytes of data, {_describe(header)}, "
                    f"got {len(data)}: it is truncated"
                )
            data += piece
        # In gzip data, this read also reaches the checksum.
        if self._stream.read(1):
            raise IDXFormatError(
                f"{self.name}: expected no more than {header.nbytes} bytes of data, "
                f"{_describe(header)}, got more: it has trailing bytes"
            )
        return data

    def _read_all(self, size, what):
        data = self._stream.read(size)
        if len(data) < size:
            raise IDXFormatError(
                f"{self.name}: expected {what}, got {len(data)} of {size} bytes: "
                + ("it is truncated" if data else "nothing is there")
            )
        return data


class _ReadAhead(io.RawIOBase):
    """Anything with ``read(n)`` as a raw stream whose first two bytes, `magic`, are known.

    Closing it leaves the stream underneath open.
    """

    def __init__(self, file):
        self._file = file
        self.magic = b""
        while len(self.magic) < 2 and (more := self._read(2 - len(self.magic))):
            self.magic += more
        self._pending = self.magic

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self._pending[: len(buffer)] or self._read(len(buffer))
        self._pending = self._pending[len(data) :]
        buffer[: len(data)] = data
        return len(data)

    def _read(self, size):
        data = self._file.read(size)
        if isinstance(data, str):
            raise TypeError("source is a text stream and must be a binary one: open it with 'rb'")
        return data or b""


@contextlib.contextmanager
def _opened(source):
    with contextlib.ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            name, file = os.fsdecode(source), stack.enter_context(open(source, "rb"))
            status = os.fstat(file.fileno())
            length = status.st_size if stat.S_ISREG(status.st_mode) else None
        elif isinstance(source, bytes | bytearray | memoryview):
            name, file = f"<{type(source).__name__}>", io.BytesIO(source)
            length = file.getbuffer().nbytes
        elif hasattr(source, "read"):
            # A stream is named after its file where it has one; its length is not to be trusted:
            # GzipFile, for one, passes off its compressed file's as its own.
            name = getattr(source, "name", None)
            name = name if isinstance(name, str) else f"<{type(source).__name__}>"
            file, length = source, None
        else:
            raise TypeError(
                "source must be a path, bytes or an open binary stream, got "
                f"{type(source).__name__}"
            )
        try:
            yield _Input(name, file, length)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise IDXFormatError(
                f"{name}: expected intact gzip data, got damaged or truncated ones ({error})"
            ) from error


def _map(source):
    if not isinstance(source, str | os.PathLike):
        raise TypeError(f"mmap=True needs the path of a file, got {type(source).__name__}")
    with _opened(source) as idx:
        header = idx.read_header()
        if idx.length is None:
            found = "gzip data" if idx.compressed else "a pipe or device"
            raise ValueError(
                f"{idx.name}: mmap=True needs an uncompressed regular file, got {found}; "
                "decompress it first, or leave mmap=False"
            )
        idx.check_length(header)
    return np.memmap(
        source,
        dtype=header.dtype.newbyteorder(">"),
        mode="r",
        offset=4 + 4 * len(header.shape),
        shape=header.shape,
    )


def _describe(header):
    return f"{header.dtype} of shape {header.shape}"


def _recognise(start):
    for magic, what in _FOREIGN.items():
        if start.startswith(magic):
            return f"; this looks like {what}"
    if start[2:] == b"\0\0" and start[1] in _TYPES:
        return "; this looks like a little-endian header, and IDX is big-endian"
    return ""


def _encode_header(array):
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        nearest = {"b": "uint8", "i": "int32", "u": "int32", "f": "float32"}.get(array.dtype.kind)
        raise TypeError(
            f"array must be of a type that IDX has ({', '.join(map(str, _CODES))}), got "
            f"{array.dtype}"
            + (f"; convert it first, perhaps by array.astype(np.{nearest})" if nearest else "")
        )
    if not 1 <= array.ndim <= _MAX_DIMS:
        raise ValueError(
            f"array must have 1 to {_MAX_DIMS} dimensions, got {array.ndim}; "
            "np.atleast_1d(array) gives a number one"
        )
    if max(array.shape) >= 2**32:
        raise ValueError(f"array must have sizes below 2**32, got shape {array.shape}")
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, code, array.ndim, *array.shape)


def _write(stream, header, array):
    stream.write(header)
    # The buffered iterator turns any layout and byte order into big-endian pieces in C order.
    pieces = np.nditer(
        array,
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_dtypes=[array.dtype.newbyteorder(">")],
        casting="equiv",
        order="C",
        buffersize=_PIECE,
    )
    for piece in pieces:
        stream.write(piece.tobytes())
