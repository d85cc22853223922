"""Opening pictures in all formats from files, bytes and streams, and converting all modes to gray."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from skmlp import normalize_digit
from skmlp.digits.picture import FORMATS, open_picture, to_uint8_gray

GRAY = np.arange(120, dtype=np.uint8).reshape(10, 12) * 2
LOSSLESS_FORMATS = [file_format for file_format in FORMATS if file_format != "JPEG"]


def encode(picture, file_format="PNG", **options):
    """Return the contents of a picture file."""
    file = BytesIO()
    picture.save(file, file_format, **options)
    return file.getvalue()


class UnseekableStream:
    """Stream that is not seekable, like stdin if it is a pipe."""

    def __init__(self, content):
        self.content = content

    def read(self):
        return self.content


@pytest.mark.parametrize("file_format", LOSSLESS_FORMATS)
def test_open_picture_reads_every_format_from_every_source(file_format, tmp_path):
    options = {"lossless": True} if file_format == "WEBP" else {}
    content = encode(Image.fromarray(GRAY), file_format, **options)
    path = tmp_path / "picture"
    path.write_bytes(content)
    sources = [path, str(path), content, bytearray(content), memoryview(content)]
    for source in [*sources, BytesIO(content), UnseekableStream(content)]:
        np.testing.assert_array_equal(to_uint8_gray(open_picture(source)), GRAY, strict=True)
    with path.open("rb") as file:
        np.testing.assert_array_equal(to_uint8_gray(open_picture(file)), GRAY)


def test_open_picture_reads_jpeg():
    picture = open_picture(encode(Image.fromarray(GRAY), "JPEG", quality=95))
    np.testing.assert_allclose(to_uint8_gray(picture), GRAY, atol=6)


@pytest.mark.parametrize(
    ("orientation", "rotate"),
    [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, np.rot90), (8, lambda a: np.rot90(a, 3))],
)
def test_open_picture_applies_the_exif_orientation(orientation, rotate):
    picture = Image.fromarray(rotate(GRAY).copy())
    exif = picture.getexif()
    exif[0x0112] = orientation
    rotated = open_picture(encode(picture, exif=exif))
    np.testing.assert_array_equal(to_uint8_gray(rotated), GRAY)


# Gray


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "LA", "CMYK"])
def test_8_bit_modes_keep_their_gray_values(mode):
    picture = Image.fromarray(GRAY).convert(mode)
    np.testing.assert_allclose(to_uint8_gray(picture), GRAY, atol=1)


def test_1_bit_pixels_become_black_and_white():
    picture = Image.fromarray(GRAY > 100)
    np.testing.assert_array_equal(to_uint8_gray(picture), np.where(GRAY > 100, 255, 0))


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_16_bit_pixels_are_scaled(file_format):
    picture = open_picture(encode(Image.fromarray(GRAY.astype(np.uint16) * 257 + 100), file_format))
    np.testing.assert_array_equal(to_uint8_gray(picture), GRAY, strict=True)


def test_32_bit_pixels_with_16_bit_values_are_scaled():
    picture = Image.fromarray(GRAY.astype(np.int32) * 257)
    np.testing.assert_array_equal(to_uint8_gray(picture), GRAY)


@pytest.mark.parametrize("background", [0, 99, 255])
def test_transparent_pixels_get_the_background(background):
    pixels = np.stack([GRAY, np.full_like(GRAY, 255)], axis=2)
    pixels[:5, :, 1] = 0
    expected = GRAY.copy()
    expected[:5] = background
    gray = to_uint8_gray(Image.fromarray(pixels, "LA"), background)
    np.testing.assert_array_equal(gray, expected, strict=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_of_the_transparent_gray_value_get_the_background(dtype):
    scale = np.iinfo(dtype).max // 255
    content = encode(Image.fromarray(GRAY.astype(dtype) * scale), transparency=40 * scale)
    expected = np.where(GRAY == 40, 255, GRAY)
    np.testing.assert_array_equal(to_uint8_gray(open_picture(content), background=255), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 3), np.float32), "at most 16 bits, got floats"),
        (np.full((3, 3), 70000, np.int32), "at most 16 bits, got 32-bit integers"),
        (np.full((3, 3), -1, np.int32), "at most 16 bits, got 32-bit integers"),
    ],
)
def test_pixels_of_unknown_range_raise(values, message):
    with pytest.raises(ValueError, match=message):
        to_uint8_gray(Image.fromarray(values))


# Errors


class NamedStream(BytesIO):
    name = "the stream"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a picture in one of the formats PNG, JPEG"),
        (b"seven", "expected a picture in one of the formats"),
        (encode(Image.fromarray(GRAY), "EPS"), "expected a picture in one of the formats"),
        (encode(Image.fromarray(GRAY))[:50], "expected a valid picture.*complete"),
        (encode(Image.fromarray(GRAY), "JPEG")[:-300], "expected a valid picture.*complete"),
        (encode(Image.fromarray(GRAY), "TIFF")[:40], "picture"),
    ],
    ids=["empty", "text", "EPS", "truncated PNG", "truncated JPEG", "truncated TIFF"],
)
def test_errors_start_with_the_name_of_the_source(content, message, tmp_path):
    path = tmp_path / "digit.png"
    path.write_bytes(content)
    for source, name in (
        (path, r".*digit\.png"),
        (NamedStream(content), "the stream"),
        (content, "picture"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
            open_picture(source)
    with pytest.raises(ValueError, match=f"^stdin: .*{message}"):
        open_picture(content, name="stdin")


def test_missing_file_raises(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_picture(tmp_path / "missing.png")


@pytest.mark.parametrize("source", [0, None, [1]])
def test_source_of_unsupported_type_raises(source):
    with pytest.raises(TypeError, match=r"source must be a path, bytes or a binary stream, got "):
        open_picture(source)


@pytest.mark.parametrize("side", [9_000, 12_000, 20_000])
def test_size_is_checked_before_pixels_are_decoded(side, monkeypatch):
    content = encode(Image.new("1", (side, side)))
    assert len(content) < 100_000

    def load(image):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(ValueError, match=r"^bomb: .*pixels"):
        open_picture(content, name="bomb")
    with pytest.raises(ValueError, match="pixels"):
        normalize_digit(content)


def test_max_pixels_limits_the_size():
    content = encode(Image.fromarray(GRAY))
    assert open_picture(content, max_pixels=120).size == (12, 10)
    with pytest.raises(ValueError, match=r"at most 119 pixels, got 10 x 12"):
        open_picture(content, max_pixels=119)
