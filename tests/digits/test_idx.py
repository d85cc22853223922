"""The IDX format, held against files made by hand."""

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

# Each file as the format's description has it, and the array that it stands for.
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
PACKING = {"plain": lambda data: data, "gzip": gzip.compress}


class Trickle:
    """A stream that cannot seek and gives one to three bytes a read."""

    def __init__(self, data):
        self._pieces = io.BytesIO(data)
        self._sizes = itertools.cycle([1, 2, 3])

    def read(self, size):
        return self._pieces.read(min(size, next(self._sizes)))


def as_path(data, tmp_path):
    # A misleading name: gzip is known by its first bytes.
    path = tmp_path / ("plain.gz" if data[:2] != b"\x1f\x8b" else "packed")
    path.write_bytes(data)
    return path


SOURCES = {
    "path": as_path,
    "str": lambda data, tmp_path: str(as_path(data, tmp_path)),
    "bytes": lambda data, tmp_path: data,
    "bytearray": lambda data, tmp_path: bytearray(data),
    "memoryview": lambda data, tmp_path: memoryview(data),
    "BytesIO": lambda data, tmp_path: io.BytesIO(data),
    "trickle": lambda data, tmp_path: Trickle(data),
}


def announce(code, *sizes):
    return struct.pack(f">4B{len(sizes)}I", 0, 0, code, len(sizes), *sizes)


@pytest.fixture(params=PACKING)
def pack(request):
    return PACKING[request.param]


@pytest.fixture(params=FILES)
def file(request):
    return FILES[request.param]


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_reads_every_type_from_every_source(file, pack, make, tmp_path):
    data, expected = file
    array = read_idx(make(pack(data), tmp_path))
    assert type(array) is np.ndarray
    assert array.dtype == expected.dtype
    assert array.dtype.isnative
    assert array.flags.c_contiguous
    assert array.flags.writeable
    np.testing.assert_array_equal(array, expected, strict=True)


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_reads_a_header_without_its_data(file, pack, make, tmp_path):
    data, expected = file
    header = read_idx_header(make(pack(data[: 4 + 4 * expected.ndim]), tmp_path))
    assert header.dtype == expected.dtype
    assert header.shape == expected.shape
    assert header.nbytes == expected.nbytes
    assert header.compressed == (pack is gzip.compress)


@pytest.mark.parametrize("opener", [open, gzip.open], ids=["open", "gzip.open"])
def test_reads_a_stream_from_where_it_stands_and_leaves_it_open(opener, tmp_path):
    data, expected = FILES["int16"]
    with opener(tmp_path / "stream", "wb") as stream:
        stream.write(b"before" + data)
    with opener(tmp_path / "stream", "rb") as stream:
        stream.read(6)
        np.testing.assert_array_equal(read_idx(stream), expected)
        assert not stream.closed


def test_reads_gzip_data_in_several_members():
    data, expected = FILES["int32"]
    members = gzip.compress(data[:9]) + gzip.compress(b"") + gzip.compress(data[9:])
    np.testing.assert_array_equal(read_idx(members), expected)


def test_reads_a_named_pipe(tmp_path):
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    data, expected = FILES["int32"]
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    np.testing.assert_array_equal(read_idx(pipe), expected)
    writer.join()


# What is wrong, the bytes, and what the message must say.
MALFORMED = {
    "nothing": (b"", "expected a header .* got 0 of 4 bytes: nothing is there"),
    "one byte": (b"\0", "expected a header .* got 1 of 4 bytes: it is truncated"),
    "three bytes": (b"\0\0\x08", "expected a header .* got 3 of 4 bytes"),
    "first byte": (b"\1\0\x08\1\0\0\0\1\0", "expected the first two bytes .* 00 00, got 01 00"),
    "second byte": (b"\0\1\x08\1\0\0\0\1\0", "expected the first two bytes .* 00 00, got 00 01"),
    "little-endian": (b"\1\x08\0\0\1\0\0\0\0", "got 01 08; .* little-endian"),
    "PNG": (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    "JPEG": (b"\xff\xd8\xff\xe0\0\x10JFIF", "a JPEG picture"),
    "zip": (b"PK\x03\x04\x14\0", "a zip archive: unpack it"),
    "bzip2": (b"BZh91AY&SY", "bzip2 data"),
    "xz": (b"\xfd7zXZ\0", "xz data"),
    "npy": (b"\x93NUMPY\1\0", "numpy.load"),
    "HTML": (b"<!DOCTYPE html>", "an HTML page"),
    "LFS": (b"version https://git-lfs", "git lfs pull"),
    "type 00": (announce(0x00, 1) + b"\0", "expected an element type among 08 uint8, .* got 00"),
    "type 0A": (announce(0x0A, 1) + b"\0", "expected an element type .* got 0A"),
    "type FF": (announce(0xFF, 1) + b"\0", "expected an element type .* got FF"),
    "0 dimensions": (announce(0x08) + b"\0", "expected 1 to 64 dimensions, got 0"),
    "65 dimensions": (announce(0x08, *[1] * 65) + b"\0", "expected 1 to 64 dimensions, got 65"),
    "255 dimensions": (announce(0x08, *[1] * 255), "expected 1 to 64 dimensions, got 255"),
    "no sizes": (b"\0\0\x08\3", "expected 3 sizes of 4 bytes each, got 0 of 12 bytes"),
    "short sizes": (b"\0\0\x08\3\0\0\0\1\0", "expected 3 sizes .* got 5 of 12 bytes"),
    "over max_bytes": (announce(0x0E, 2**28 + 1), "max_bytes=2147483648 .* 2147483656.* raise max"),
    "over 64 bits": (announce(0x08, *[2**32 - 1] * 64), "expected sizes that an array can have"),
    "over 64 bits, empty": (announce(0x08, 0, *[2**32 - 1] * 3), "expected sizes that an array"),
    "no data": (announce(0x0C, 2), "int32 of shape .2,., got .*: it is truncated"),
    "truncated": (announce(0x0C, 2) + bytes(7), "int32 of shape .2,., got .*: it is truncated"),
    "trailing": (announce(0x0C, 2) + bytes(9), "int32 of shape .2,., got .* has trailing bytes"),
    "trailing, empty": (announce(0x08, 0) + bytes(1), "got .*: it has trailing bytes"),
}


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED)
def test_refuses_malformed_files(data, message, pack, make, tmp_path):
    source = make(pack(data), tmp_path)
    with pytest.raises(IDXFormatError, match=message) as refusal:
        read_idx(source)
    name = str(source) if isinstance(source, os.PathLike | str) else f"<{type(source).__name__}>"
    assert str(refusal.value).startswith(f"{name}: ")


@pytest.mark.parametrize("size", range(len(FILES["int32"][0])))
def test_refuses_every_truncation(size, pack):
    with pytest.raises(IDXFormatError):
        read_idx(pack(FILES["int32"][0][:size]))


PACKED = gzip.compress(FILES["float64"][0], mtime=0)


@pytest.mark.parametrize("size", range(2, len(PACKED)))
def test_refuses_every_truncation_of_gzip_data(size):
    with pytest.raises(IDXFormatError, match="expected intact gzip data, got damaged or truncated"):
        read_idx(Trickle(PACKED[:size]))


@pytest.mark.parametrize("position", range(len(PACKED)))
def test_damaged_gzip_data_are_refused_or_harmless(position):
    for mask in (0x01, 0x10, 0xFF):
        damaged = bytearray(PACKED)
        damaged[position] ^= mask
        try:
            array = read_idx(damaged)
        except IDXFormatError:
            continue
        # A few bytes of gzip's header, such as its time, mean nothing to the data.
        assert 2 < position < 10
        np.testing.assert_array_equal(array, FILES["float64"][1])


@pytest.mark.parametrize(
    ("packed", "message"),
    [
        (PACKED[:-8] + bytes(4) + PACKED[-4:], "CRC"),
        (PACKED[:-4] + bytes(4), "length"),
        (PACKED + b"junk", "[Nn]ot a gzipped file"),
    ],
    ids=["checksum", "length", "junk behind"],
)
def test_says_what_is_wrong_with_gzip_data(packed, message):
    with pytest.raises(IDXFormatError, match=message):
        read_idx(packed)


def test_names_gzip_inside_gzip():
    with pytest.raises(IDXFormatError, match="gzip data inside gzip"):
        read_idx(gzip.compress(PACKED))


GIBIBYTE = announce(0x08, 2**30)
BOMB = gzip.compress(announce(0x08, 3) + bytes(2**26))


@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize(
    "data",
    [GIBIBYTE + bytes(12), gzip.compress(GIBIBYTE + bytes(12)), BOMB],
    ids=["lying header", "lying header, gzipped", "gzip bomb"],
)
def test_takes_no_memory_on_the_word_of_a_header(data, make, tmp_path):
    source = make(data, tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(IDXFormatError):
            read_idx(source)
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_max_bytes_counts_decompressed_data(pack):
    data, expected = FILES["float64"]
    np.testing.assert_array_equal(read_idx(pack(data), max_bytes=16), expected)
    with pytest.raises(IDXFormatError, match=r"max_bytes=15 bytes .* announces 16"):
        read_idx(pack(data), max_bytes=15)


@pytest.mark.parametrize("read", [read_idx, read_idx_header])
def test_refuses_what_is_no_source(read, tmp_path):
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "missing")
    with pytest.raises(TypeError, match=r"source must be a path, bytes .* got int"):
        read(3)
    with pytest.raises(TypeError, match="open it with 'rb'"):
        read(io.StringIO("text"))


def test_maps_every_type(file, tmp_path):
    data, expected = file
    array = read_idx(as_path(data, tmp_path), mmap=True)
    assert isinstance(array, np.memmap)
    assert not array.flags.writeable
    assert array.dtype == expected.dtype.newbyteorder(">")
    np.testing.assert_array_equal(array, expected)


def test_maps_nothing_but_plain_files(tmp_path):
    with pytest.raises(ValueError, match=r"mmap=True needs an uncompressed .* got gzip data"):
        read_idx(as_path(PACKED, tmp_path), mmap=True)
    for source in (PACKED, io.BytesIO(PACKED)):
        with pytest.raises(TypeError, match=r"mmap=True needs the path of a file, got [Bb]ytes"):
            read_idx(source, mmap=True)


@pytest.mark.parametrize(
    ("data", "message"), [MALFORMED[k] for k in ("zip", "truncated", "trailing", "nothing")]
)
def test_maps_no_malformed_file(data, message, tmp_path):
    with pytest.raises(IDXFormatError, match=message):
        read_idx(as_path(data, tmp_path), mmap=True)


def test_maps_more_than_max_bytes(tmp_path):
    data, expected = FILES["float64"]
    np.testing.assert_array_equal(
        read_idx(as_path(data, tmp_path), mmap=True, max_bytes=1), expected
    )


@pytest.mark.parametrize("order", ["<", ">"])
def test_writes_every_type_in_either_byte_order(file, order, tmp_path):
    expected, array = file
    array = array.astype(array.dtype.newbyteorder(order))
    stream = io.BytesIO()
    write_idx(stream, array)
    assert stream.getvalue() == expected
    write_idx(tmp_path / "plain", array)
    assert (tmp_path / "plain").read_bytes() == expected
    write_idx(str(tmp_path / "packed.gz"), array)
    packed = (tmp_path / "packed.gz").read_bytes()
    assert gzip.decompress(packed) == expected
    assert packed[:8] == b"\x1f\x8b\x08\0" + bytes(4), "no name and no time"


LAYOUTS = {
    "C": lambda a: a,
    "F": np.asfortranarray,
    "transposed": lambda a: a.T,
    "strided": lambda a: a[::2, 1::3],
    "reversed": lambda a: a[::-1, :, ::-1],
    "broadcast": lambda a: np.broadcast_to(a[0], (4, *a[0].shape)),
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
}


@pytest.mark.parametrize("shape", [(3, 4, 5), (700, 61, 31)], ids=["small", "in pieces"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_writes_every_layout(layout, shape):
    array = layout(np.arange(np.prod(shape), dtype=np.int32).reshape(shape))
    stream = io.BytesIO()
    write_idx(stream, array)
    assert stream.getvalue() == announce(0x0C, *array.shape) + array.astype(">i4").tobytes("C")


@pytest.mark.parametrize(
    ("array", "mend"),
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
def test_writes_no_other_type(array, mend, tmp_path):
    with pytest.raises(TypeError, match=f"array must be of a type that IDX has .*{mend}"):
        write_idx(tmp_path / "file", array)
    assert not list(tmp_path.iterdir())


def test_writes_no_impossible_shape():
    with pytest.raises(ValueError, match=r"1 to 64 dimensions, got 0; np\.atleast_1d"):
        write_idx(io.BytesIO(), np.uint8(3))
    with pytest.raises(ValueError, match=re.escape("below 2**32, got shape (4294967296,)")):
        write_idx(io.BytesIO(), np.broadcast_to(np.uint8(0), (2**32,)))


def test_writes_to_paths_and_streams_only():
    with pytest.raises(TypeError, match="target must be a path or a binary stream, got int"):
        write_idx(3, np.zeros(1, np.uint8))


@pytest.mark.parametrize("name", ["file", "file.gz"])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_write_leaves_everything_as_it_was(name, step, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("disk full")

    (tmp_path / name).write_bytes(b"old")
    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="disk full"):
        write_idx(tmp_path / name, np.zeros(3, np.uint8))
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == b"old"


def test_a_written_file_replaces_the_old_with_the_usual_permissions(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    (tmp_path / "file").write_bytes(b"old")
    write_idx(tmp_path / "file", np.zeros(3, np.uint8))
    assert (tmp_path / "file").read_bytes() == announce(0x08, 3) + bytes(3)
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode
    assert len(list(tmp_path.iterdir())) == 2


def test_errors_are_value_errors():
    assert issubclass(IDXFormatError, ValueError)
