"""Dask arrays of IDX files, which each worker reads itself."""

import os
from collections.abc import Sequence
from numbers import Integral
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from skmlp.digits.idx import DEFAULT_MAX_BYTES, IDXHeader, read_idx_header
from skmlp.digits.idx import read_idx as read_idx_file
from skmlp.exceptions import IDXFormatError
from skmlp.typing import PathLike

if TYPE_CHECKING:
    from dask.array import Array


def read_idx(
    paths: PathLike | Sequence[PathLike],
    *,
    chunks: int | str = "auto",
    max_bytes: int = DEFAULT_MAX_BYTES,
) -> "Array":
    """Return a dask array of one or several IDX files, in which the blocks are read by the workers.

    Only the headers are read at once. All workers must have access to the files under the same paths. Blocks of an
    uncompressed file are mapped into memory, so that the operating system reads what is used and can release it
    again. A file that is compressed with gzip is decompressed as a whole by one worker; divide large data into several
    compressed files.

    Parameters
    ----------
    paths : path-like, or sequence of path-like
        Path of a file, or of the files that contain consecutive parts of the array.
    chunks : int or 'auto', default='auto'
        Number of elements of the first axis in a block, such as images or labels. 'auto' means about 128 MiB, the
        default of Dask.
    max_bytes : int, default=2147483648
        Largest size of a compressed file, in bytes after decompression.

    Returns
    -------
    array : dask.array.Array
        Array with the shape and the type of the data, divided into blocks along the first axis.

    Raises
    ------
    IDXFormatError
        If a header is invalid, or the files contain data of different types or shapes. Errors of the data are raised
        when a block is computed.
    FileNotFoundError
        If a file does not exist.
    ValueError
        If there are no paths, or `chunks` is invalid.

    See Also
    --------
    skmlp.read_idx : Read an IDX file as a NumPy array.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from skmlp import write_idx
    >>> from skmlp.dask import read_idx
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = Path(directory) / "images"
    ...     write_idx(path, np.arange(24, dtype=np.uint8).reshape(6, 2, 2))
    ...     images = read_idx(path, chunks=4).reshape(6, 4)
    ...     print(images.chunks)
    ...     print(images[4:].compute())
    ((4, 2), (4,))
    [[16 17 18 19]
     [20 21 22 23]]
    """
    import dask.array as da

    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    if not paths:
        raise ValueError("paths must contain at least one path, got none.")
    is_count = isinstance(chunks, Integral) and not isinstance(chunks, bool) and chunks > 0
    if chunks != "auto" and not is_count:
        raise ValueError(f"chunks must be 'auto' or an integer of at least 1, got {chunks!r}.")
    absolute = [Path(path).absolute() for path in paths]
    headers = [read_idx_header(path) for path in absolute]
    check_same_form(absolute, headers)
    arrays = [
        make_array(path, header, chunks, max_bytes)
        for path, header in zip(absolute, headers, strict=True)
    ]
    return da.concatenate(arrays)


def check_same_form(paths: list[Path], headers: list[IDXHeader]) -> None:
    """Raise IDXFormatError if a file differs from the first one in the type or in the shape of its elements."""
    first = headers[0]
    for path, header in zip(paths, headers, strict=True):
        if (header.dtype, header.shape[1:]) != (first.dtype, first.shape[1:]):
            raise IDXFormatError(
                f"{path}: expected elements of type {first.dtype} and shape {first.shape[1:]}, as in {paths[0]}, got "
                f"{header.dtype} and {header.shape[1:]}."
            )


def make_array(path: Path, header: IDXHeader, chunks: int | str, max_bytes: int) -> "Array":
    """Return the dask array of one file."""
    import dask.array as da
    from dask.array.core import normalize_chunks

    name, shape = f"read-idx-{uuid4().hex}", header.shape
    blocks = normalize_chunks((chunks, *[-1] * (len(shape) - 1)), shape=shape, dtype=header.dtype)
    stops = np.cumsum(blocks[0]).tolist()
    rows = [slice(stop - size, stop) for stop, size in zip(stops, blocks[0], strict=True)]
    zeros = (0,) * (len(shape) - 1)
    if header.compressed:
        file = f"decompress-{name}"
        graph: dict[Any, Any] = {file: (decompress_file, path, max_bytes)}
        graph |= {(name, i, *zeros): (getitem, file, each) for i, each in enumerate(rows)}
    else:
        graph = {(name, i, *zeros): (map_block, path, each) for i, each in enumerate(rows)}
    return da.Array(graph, name, blocks, dtype=header.dtype)


def decompress_file(path: Path, max_bytes: int) -> np.ndarray:
    """Return the array of a compressed IDX file."""
    return read_idx_file(path, max_bytes=max_bytes)


def map_block(path: Path, rows: slice) -> np.ndarray:
    """Return a part of an IDX file that is mapped into memory, or a copy of it in the native byte order."""
    block = np.asarray(read_idx_file(path, mmap=True)[rows])
    return block.astype(block.dtype.newbyteorder("="), copy=False)
