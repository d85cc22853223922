"""The IDX format, compared with files written by hand."""

import gzip
import io
import itertools
import os
import re
import struct
import threading
import tracemalloc

import numpy as np
import pytest

from skmlp.digits.idx import read_idx, read_idx_header, write_idx
from skmlp.exceptions import IDXFormatError

# Bytes of each file in hexadecimal, according to the specification, and its array.
FILES = {
    "uint8": (
        "00000802 00000002 00000003 000102 fdfeff",
        np.array([[0, 1, 2], [253, 254, 255]], dtype=np.uint8),
    ),
    "int8": ("00000901 00000003 7f80ff", np.array([127, -128, -1], dtype=np.int8)),
    "int16": ("00000b01 00000002 0102 fffe", np.array([258, -2], dtype=np.int16)),
    "int32": (
        "00000c03 00000001 00000002 00000001 01020304 ffffffff",
        np.array([[[16909060], [-1]]], dtype=np.int32),
    ),
    "float32": ("00000d01 00000002 3f800000 c0200000", np.array([1, -2.5], dtype=np.float32)),
    "float64": (
        "00000e01 00000002 3ff0000000000000 bff8000000000000",
        np.array([1, -1.5], dtype=np.float64),
    ),
    "empty": ("00000803 00000000 0000001c 0000001c", np.empty((0, 28, 28), dtype=np.uint8)),
    "empty-float": ("00000d02 00000003 00000000", np.empty((3, 0), dtype=np.float32)),
    "64-dimensions": ("00000b40" + "00000001" * 64 + "0007", np.full((1,) * 64, 7, np.int16)),
}
FILES = {name: (bytes.fromhex(text), array) for name, (text, array) in FILES.items()}
COMPRESSIONS = {"uncompressed": lambda data: data, "gzip": gzip.compress}


class ShortReadStream:
    """Stream that is not seekable and returns one to three bytes per read."""

    def __init__(self, data):
        self._file = io.BytesIO(data)
        self._sizes = itertools.cycle([1, 2, 3])

    def read(self, size):
        return self._file.read(min(size, next(self._sizes)))


def write_file(data, tmp_path):
    # The name is misleading, because compression must be detected from the first bytes.
    path = tmp_path / ("uncompressed.gz" if data[:2] != b"\x1f\x8b" else "compressed")
    path.write_bytes(data)
    return path


SOURCES = {
    "path": write_file,
    "str": lambda data, tmp_path: str(write_file(data, tmp_path)),
    "bytes": lambda data, tmp_path: data,
    "bytearray": lambda data, tmp_path: bytearray(data),
    "memoryview": lambda data, tmp_path: memoryview(data),
    "BytesIO": lambda data, tmp_path: io.BytesIO(data),
    "short reads": lambda data, tmp_path: ShortReadStream(data),
}


def make_header(code, *sizes):
    return struct.pack(f">4B{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


@pytest.fixture(params=COMPRESSIONS)
def compress(request):
    return COMPRESSIONS[request.param]


@pytest.fixture(params=FILES)
def file(request):
    return FILES[request.param]


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_read_idx_reads_every_dtype_from_every_source(file, compress, make, tmp_path):
    data, expected = file
    array = read_idx(make(compress(data), tmp_path))
    assert type(array) is np.ndarray
    assert array.dtype == expected.dtype
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert array.flags.writeable
    np.testing.assert_array_equal(array, expected, strict=True)


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_read_idx_header_does_not_need_the_data(file, compress, make, tmp_path):
    data, expected = file
    header = read_idx_header(make(compress(data[: 4 + 4 * expected.ndim]), tmp_path))
    assert header.dtype == expected.dtype
    assert header.shape == expected.shape
    assert header.nbytes == expected.nbytes
    assert header.compressed == (compress is gzip.compress)


@pytest.mark.parametrize("opener", [open, gzip.open], ids=["open", "gzip.open"])
def test_read_idx_reads_a_stream_from_its_position_and_does_not_close_it(opener, tmp_path):
    data, expected = FILES["int16"]
    with opener(tmp_path / "stream", "wb") as stream:
        stream.write(b"before" + data)
    with opener(tmp_path / "stream", "rb") as stream:
        stream.read(6)
        np.testing.assert_array_equal(read_idx(stream), expected)
        assert not stream.closed


def test_read_idx_reads_gzip_data_with_several_members():
    data, expected = FILES["int32"]
    members = gzip.compress(data[:9]) + gzip.compress(b"") + gzip.compress(data[9:])
    np.testing.assert_array_equal(read_idx(members), expected)


def test_read_idx_reads_a_named_pipe(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("needs named pipes")
    data, expected = FILES["int32"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    np.testing.assert_array_equal(read_idx(pipe), expected)
    writer.join()


# Bytes of malformed files, and patterns of the expected messages.
MALFORMED = {
    "empty": (b"", "expected a header .* got 0 of 4 bytes. The file is empty or truncated."),
    "one byte": (b"\0", "expected a header .* got 1 of 4 bytes. The file is truncated."),
    "three bytes": (b"\0\0\x08", "expected a header .* got 3 of 4 bytes"),
    "first byte": (
        b"\1\0\x08\1\0\0\0\1\0",
        "starts with 00 00, got 01 00",
    ),
    "second byte": (
        b"\0\1\x08\1\0\0\0\1\0",
        "starts with 00 00, got 00 01",
    ),
    "little-endian": (b"\1\x08\0\0\1\0\0\0\0", "got 01 08.* little-endian"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG image"),
    "zip": (b"PK\x03\x04\x14\0", "a zip archive. Extract it first"),
    "bzip2": (b"BZh91AY&SY", "bzip2 data"),
    "xz": (b"\xfd7zXZ\0", "xz data"),
    "npy": (b"\x93NUMPY\1\0", "numpy.load"),
    "HTML": (b"<!DOCTYPE html>", "an HTML page"),
    "LFS": (b"version https://git-lfs", "git lfs pull"),
    "type 00": (
        make_header(0x00, 1) + b"\0",
        "type codes 08 .uint8., .* got 00",
    ),
    "type 0A": (make_header(0x0A, 1) + b"\0", "expected one of the type codes .* got 0A"),
    "type FF": (make_header(0xFF, 1) + b"\0", "expected one of the type codes .* got FF"),
    "0 dimensions": (make_header(0x08) + b"\0", "expected 1 to 64 dimensions, got 0"),
    "65 dimensions": (make_header(0x08, *[1] * 65) + b"\0", "expected 1 to 64 dimensions, got 65"),
    "255 dimensions": (make_header(0x08, *[1] * 255), "expected 1 to 64 dimensions, got 255"),
    "no sizes": (b"\0\0\x08\3", "expected 3 sizes of 4 bytes each, got 0 of 12 bytes"),
    "short sizes": (b"\0\0\x08\3\0\0\0\1\0", "expected 3 sizes .* got 5 of 12 bytes"),
    "over max_bytes": (
        make_header(0x0E, 2**28 + 1),
        "max_bytes=2147483648 .* 2147483656.* increase max",
    ),
    "over 64 bits": (make_header(0x08, *[2**32 - 1] * 64), "expected a shape that NumPy supports"),
    "over 64 bits, empty": (
        make_header(0x08, 0, *[2**32 - 1] * 3),
        "expected a shape that NumPy supports",
    ),
    "no data": (make_header(0x0C, 2), "int32 with shape .2,., got .*is truncated"),
    "truncated": (make_header(0x0C, 2) + bytes(7), "int32 with shape .2,., got .*is truncated"),
    "trailing": (
        make_header(0x0C, 2) + bytes(9),
        "int32 with shape .2,., got .*has trailing bytes",
    ),
    "trailing, empty": (make_header(0x08, 0) + bytes(1), "got .*has trailing bytes"),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED)
def test_read_idx_raises_on_malformed_files(data, message, compress, make, tmp_path):
    source = make(compress(data), tmp_path)
    with pytest.raises(IDXFormatError, match=message) as exc_info:
        read_idx(source)
    name = str(source) if isinstance(source, os.PathLike | str) else f"<{type(source).__name__}>"
    assert str(exc_info.value).startswith(f"{name}: ")


@pytest.mark.parametrize("size", range(len(FILES["int32"][0])))
def test_read_idx_raises_on_truncated_data(size, compress):
    with pytest.raises(IDXFormatError):
        read_idx(compress(FILES["int32"][0][:size]))


GZIPPED = gzip.compress(FILES["float64"][0], mtime=0)


@pytest.mark.parametrize("size", range(2, len(GZIPPED)))
def test_read_idx_raises_on_truncated_gzip_data(size):
    with pytest.raises(IDXFormatError, match="expected valid gzip data, got damaged or truncated"):
        read_idx(ShortReadStream(GZIPPED[:size]))


@pytest.mark.parametrize("position", range(len(GZIPPED)))
def test_read_idx_raises_on_damaged_gzip_data_unless_the_array_is_unaffected(position):
    for mask in (0x01, 0x10, 0xFF):
        damaged = bytearray(GZIPPED)
        damaged[position] ^= mask
        try:
            array = read_idx(damaged)
        except IDXFormatError:
            continue
        # Some bytes of gzip's header, such as the time, do not affect the data.
        assert 2 < position < 10
        np.testing.assert_array_equal(array, FILES["float64"][1])


@pytest.mark.parametrize(
    ("compressed", "message"),
    [
        (GZIPPED[:-8] + bytes(4) + GZIPPED[-4:], "CRC"),
        (GZIPPED[:-4] + bytes(4), "length"),
        (GZIPPED + b"junk", "a gzipped file"),
    ],
    ids=["checksum", "length", "trailing data"],
)
def test_read_idx_reports_the_error_of_gzip(compressed, message):
    with pytest.raises(IDXFormatError, match=message):
        read_idx(compressed)


def test_read_idx_raises_on_gzip_data_inside_gzip_data():
    with pytest.raises(IDXFormatError, match="gzip data inside gzip"):
        read_idx(gzip.compress(GZIPPED))


HEADER_OF_1_GIB = make_header(0x08, 2**30)
GZIP_BOMB = gzip.compress(make_header(0x08, 3) + bytes(2**26))


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    "data",
    [HEADER_OF_1_GIB + bytes(12), gzip.compress(HEADER_OF_1_GIB + bytes(12)), GZIP_BOMB],
    ids=["wrong header", "wrong header, gzip", "gzip bomb"],
)
def test_read_idx_does_not_allocate_memory_for_missing_data(data, make, tmp_path):
    source = make(data, tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(IDXFormatError):
            read_idx(source)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_max_bytes_limits_the_size_of_decompressed_data(compress):
    data, expected = FILES["float64"]
    np.testing.assert_array_equal(read_idx(compress(data), max_bytes=16), expected)
    with pytest.raises(IDXFormatError, match=r"max_bytes=15 bytes .* declares 16"):
        read_idx(compress(data), max_bytes=15)


@pytest.mark.parametrize("read", [read_idx, read_idx_header])
def test_reading_raises_on_invalid_sources(read, tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")
    with pytest.raises(TypeError, match=r"source must be a path, bytes .* got int"):
        read(3)
    with pytest.raises(TypeError, match="Open the file with mode 'rb'"):
        read(io.StringIO("text"))


def test_mmap_maps_every_dtype(file, tmp_path):
    data, expected = file
    array = read_idx(write_file(data, tmp_path), mmap=True)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert array.dtype == expected.dtype.newbyteorder(">")
    np.testing.assert_array_equal(array, expected)


def test_mmap_raises_unless_the_source_is_an_uncompressed_file(tmp_path):
    with pytest.raises(ValueError, match=r"expected an uncompressed .* got gzip data"):
        read_idx(write_file(GZIPPED, tmp_path), mmap=True)
    for source in (GZIPPED, io.BytesIO(GZIPPED)):
        with pytest.raises(TypeError, match=r"source must be a path if mmap=True, got [Bb]ytes"):
            read_idx(source, mmap=True)


@pytest.mark.parametrize(
    ("data", "message"), [MALFORMED[k] for k in ("zip", "truncated", "trailing", "empty")]
)
def test_mmap_raises_on_malformed_files(data, message, tmp_path):
    with pytest.raises(IDXFormatError, match=message):
        read_idx(write_file(data, tmp_path), mmap=True)


def test_mmap_ignores_max_bytes(tmp_path):
    data, expected = FILES["float64"]
    np.testing.assert_array_equal(
        read_idx(write_file(data, tmp_path), mmap=True, max_bytes=1), expected
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_write_idx_writes_every_dtype_in_both_byte_orders(file, order, tmp_path):
    expected, array = file
    array = array.astype(array.dtype.newbyteorder(order))
    stream = io.BytesIO()
    write_idx(stream, array)
    assert stream.getvalue() == expected
    write_idx(tmp_path / "uncompressed", array)
    assert (tmp_path / "uncompressed").read_bytes() == expected
    write_idx(str(tmp_path / "compressed.gz"), array)
    compressed = (tmp_path / "compressed.gz").read_bytes()
    assert gzip.decompress(compressed) == expected
    assert compressed[:8] == b"\x1f\x8b\x08\0" + bytes(4), "name or time is stored"


LAYOUTS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "transposed": lambda a: a.T,
    "strided": lambda a: a[::2, 1::3],
    "reversed": lambda a: a[::-1, :, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[0], (4, *a[0].shape)),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
}


@pytest.mark.parametrize("shape", [(3, 4, 5), (700, 61, 31)], ids=["one chunk", "several chunks"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_write_idx_writes_every_memory_layout(layout, shape):
    array = layout(np.arange(np.prod(shape), dtype=np.int32).reshape(shape))
    stream = io.BytesIO()
    write_idx(stream, array)
    assert stream.getvalue() == make_header(0x0C, *array.shape) + array.astype(">i4").tobytes("C")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(2, np.int64), "np.int32"),
        (np.zeros(2, np.uint16), "np.int32"),
        (np.zeros(2, bool), "np.uint8"),
        (np.zeros(2, np.float16), "np.float32"),
        (np.zeros(2, complex), "got complex128"),
        (np.zeros(2, object), "got object"),
        (np.zeros(2, "U3"), "got <U3"),
        (np.zeros(2, "M8[s]"), "got datetime64"),
        (np.zeros(2, [("a", "u1")]), "got .*'a'"),
        ([1, 2], "np.int32"),
    ],
)
def test_write_idx_raises_on_unsupported_dtypes(array, message, tmp_path):
    with pytest.raises(TypeError, match=f"array must have one of the dtypes .*{message}"):
        write_idx(tmp_path / "file", array)
    assert not list(tmp_path.iterdir())


def test_write_idx_raises_on_unsupported_shapes():
    with pytest.raises(ValueError, match=r"1 to 64 dimensions, got 0\. Use np\.atleast_1d"):
        write_idx(io.BytesIO(), np.uint8(3))
    with pytest.raises(
        ValueError,
        match=re.escape("fewer than 2**32 elements along each axis, got shape (4294967296,)"),
    ):
        write_idx(io.BytesIO(), np.broadcast_to(np.uint8(0), (2**32,)))


def test_write_idx_raises_on_invalid_targets():
    with pytest.raises(TypeError, match="target must be a path or a binary stream, got int"):
        write_idx(3, np.zeros(1, np.uint8))


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_keeps_the_existing_file(name, step, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_idx(tmp_path / name, np.zeros(3, np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_write_idx_replaces_a_file_with_default_permissions(tmp_path):
    (tmp_path / "other").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"old")
    write_idx(tmp_path / "file", np.zeros(3, np.uint8))
    assert (tmp_path / "file").read_bytes() == make_header(0x08, 3) + bytes(3)
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "other").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


def test_idx_format_error_is_a_value_error():
    assert issubclass(IDXFormatError, ValueError)
