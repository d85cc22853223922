"""Pictures of every format and mode, opened from files, bytes and streams; and those that must be refused."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from skmlp import normalize_digit
from skmlp.digits.picture import FORMATS, open_picture, to_uint8_gray

GRAY = np.arange(120, dtype=np.uint8).reshape(10, 12) * 2
LOSSLESS = [name for name in FORMATS if name != "JPEG"]


def encoded(picture, name="PNG", **options):
    """Return the bytes of a file."""
    file = BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


class Stream:
    """A stream that cannot seek, as standard input is when it is a pipe."""

    def __init__(self, content):
        self.content = content

    def read(self):
        return self.content


@pytest.mark.parametrize("name", LOSSLESS)
def test_every_format_is_read_from_every_source(name, tmp_path):
    content = encoded(Image.fromarray(GRAY), name, **({"lossless": True} if name == "WEBP" else {}))
    path = tmp_path / "picture"
    path.write_bytes(content)
    sources = [path, str(path), content, bytearray(content), memoryview(content)]
    for source in [*sources, BytesIO(content), Stream(content)]:
        np.testing.assert_array_equal(to_uint8_gray(open_picture(source)), GRAY, strict=True)
    with path.open("rb") as file:
        np.testing.assert_array_equal(to_uint8_gray(open_picture(file)), GRAY)


def test_jpeg_is_read():
    picture = open_picture(encoded(Image.fromarray(GRAY), "JPEG", quality=95))
    np.testing.assert_allclose(to_uint8_gray(picture), GRAY, atol=6)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [(1, lambda a: a), (3, lambda a: a[::-1, ::-1]), (6, np.rot90), (8, lambda a: np.rot90(a, 3))],
)
def test_pictures_are_turned_upright(orientation, turn):
    picture = Image.fromarray(turn(GRAY).copy())
    exif = picture.getexif()
    exif[0x0112] = orientation
    upright = open_picture(encoded(picture, exif=exif))
    np.testing.assert_array_equal(to_uint8_gray(upright), GRAY)


# Gray


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "RGBA", "LA", "CMYK"])
def test_modes_of_8_bits_keep_their_gray(mode):
    picture = Image.fromarray(GRAY).convert(mode)
    np.testing.assert_allclose(to_uint8_gray(picture), GRAY, atol=1)


def test_one_bit_becomes_black_and_white():
    picture = Image.fromarray(GRAY > 100)
    np.testing.assert_array_equal(to_uint8_gray(picture), np.where(GRAY > 100, 255, 0))


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
def test_16_bits_are_scaled(name):
    picture = open_picture(encoded(Image.fromarray(GRAY.astype(np.uint16) * 257 + 100), name))
    np.testing.assert_array_equal(to_uint8_gray(picture), GRAY, strict=True)


def test_32_bits_that_hold_16_are_scaled():
    picture = Image.fromarray(GRAY.astype(np.int32) * 257)
    np.testing.assert_array_equal(to_uint8_gray(picture), GRAY)


@pytest.mark.parametrize("background", [0, 99, 255])
def test_background_shows_where_a_picture_is_transparent(background):
    pixels = np.stack([GRAY, np.full_like(GRAY, 255)], axis=2)
    pixels[:5, :, 1] = 0
    expected = GRAY.copy()
    expected[:5] = background
    gray = to_uint8_gray(Image.fromarray(pixels, "LA"), background)
    np.testing.assert_array_equal(gray, expected, strict=True)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_background_shows_where_a_picture_has_the_transparent_gray(dtype):
    scale = np.iinfo(dtype).max // 255
    content = encoded(Image.fromarray(GRAY.astype(dtype) * scale), transparency=40 * scale)
    expected = np.where(GRAY == 40, 255, GRAY)
    np.testing.assert_array_equal(to_uint8_gray(open_picture(content), background=255), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 3), np.float32), "at most 16 bits. Got floats"),
        (np.full((3, 3), 70000, np.int32), "at most 16 bits. Got integers of 32 bits"),
        (np.full((3, 3), -1, np.int32), "at most 16 bits. Got integers of 32 bits"),
    ],
)
def test_pixels_of_unknown_range_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        to_uint8_gray(Image.fromarray(values))


# What is refused


class Named(BytesIO):
    name = "the stream"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a picture of a known format. It must be one of PNG, JPEG"),
        (b"seven", "not a picture of a known format"),
        (encoded(Image.fromarray(GRAY), "EPS"), "not a picture of a known format"),
        (encoded(Image.fromarray(GRAY))[:50], "the picture cannot be read .*complete"),
        (encoded(Image.fromarray(GRAY), "JPEG")[:-300], "the picture cannot be read .*complete"),
        (encoded(Image.fromarray(GRAY), "TIFF")[:40], "picture"),
    ],
    ids=["empty", "text", "EPS", "half a PNG", "half a JPEG", "half a TIFF"],
)
def test_damaged_files_are_refused_by_name(content, message, tmp_path):
    path = tmp_path / "digit.png"
    path.write_bytes(content)
    for source, name in (
        (path, r".*digit\.png"),
        (Named(content), "the stream"),
        (content, "picture"),
    ):
        with pytest.raises(ValueError, match=f"^{name}: .*{message}"):
            open_picture(source)
    with pytest.raises(ValueError, match=f"^stdin: .*{message}"):
        open_picture(content, name="stdin")


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_picture(tmp_path / "missing.png")


@pytest.mark.parametrize("side", [9_000, 12_000, 20_000])
def test_the_size_is_checked_before_anything_is_decoded(side, monkeypatch):
    content = encoded(Image.new("1", (side, side)))
    assert len(content) < 100_000

    def load(image):
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(ValueError, match=r"^bomb: .*pixels"):
        open_picture(content, name="bomb")
    with pytest.raises(ValueError, match="pixels"):
        normalize_digit(content)


def test_the_largest_size_can_be_set():
    content = encoded(Image.fromarray(GRAY))
    assert open_picture(content, max_pixels=120).size == (12, 10)
    with pytest.raises(ValueError, match=r"at most 119 pixels\. Got 10 x 12"):
        open_picture(content, max_pixels=119)
