"""Open picture files safely, and convert pictures to gray."""

import os
import struct
import warnings
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from skmlp.exceptions import NoDigitError
from skmlp.typing import Source

if TYPE_CHECKING:
    from PIL import Image

# Larger pictures are downsampled so that the longer side has about this many pixels, which suffices for a digit.
WORKING_SIZE = 300
MIN_HEIGHT, MIN_WIDTH = 8, 2
MAX_PIXELS = 80_000_000
MAX_ASPECT_RATIO = 30
LUMA_WEIGHTS = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# For some of the other formats, Pillow runs external programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


def open_picture(
    source: Source, *, max_pixels: int = MAX_PIXELS, name: str | None = None
) -> "Image.Image":
    """Open a picture with Pillow, with checks for untrusted files.

    Only formats that Pillow decodes itself are accepted. The size is checked before any pixel is decoded, because a
    small file can decompress to gigabytes. The picture is rotated according to its EXIF orientation.

    Parameters
    ----------
    source : str, path-like, bytes-like or binary stream
        Path of a PNG, JPEG, BMP, GIF, TIFF, WebP or PPM file, its contents, or an open binary stream.
    max_pixels : int, default=80_000_000
        Maximum number of pixels, height times width.
    name : str, default=None
        Name of the source in error messages. By default the path, or the name of the stream if it has one.

    Returns
    -------
    picture : PIL.Image.Image
        The first frame, decoded.

    Raises
    ------
    ValueError
        If the source is not a picture in one of these formats, is damaged, or has too many pixels. The message starts
        with the name of the source.
    OSError
        If the file cannot be opened, for example because it does not exist.
    TypeError
        If `source` has an unsupported type.

    See Also
    --------
    to_uint8_gray : Convert a picture to an array.

    Examples
    --------
    >>> import io
    >>> from PIL import Image
    >>> from skmlp.digits.picture import open_picture
    >>> file = io.BytesIO()
    >>> Image.new("L", (30, 20)).save(file, "PNG")
    >>> open_picture(file.getvalue()).size
    (30, 20)
    """
    if isinstance(source, str | os.PathLike):
        with open(source, "rb") as file:
            return decode_picture(file, max_pixels, name or os.fspath(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return decode_picture(BytesIO(source), max_pixels, name or "picture")
    if callable(getattr(source, "read", None)):
        name = name or getattr(source, "name", None) or "picture"
        return decode_picture(BytesIO(source.read()), max_pixels, name)
    raise TypeError(
        f"source must be a path, bytes or a binary stream, got {type(source).__name__}."
    )


def decode_picture(file, max_pixels, name):
    """Decode a seekable binary file as described in `open_picture`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns about large pictures before their size can be checked, and about damaged metadata.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > max_pixels:
                    raise ValueError(
                        f"expected a picture of at most {max_pixels:,} pixels, got {image.height} x {image.width}. "
                        "Reduce its size."
                    )
                return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise ValueError(
            f"{name}: expected a picture in one of the formats {', '.join(FORMATS)}, got another format or a damaged "
            "file. Convert the picture to PNG."
        ) from None
    except Image.DecompressionBombError as error:
        raise ValueError(
            f"{name}: expected a picture that Pillow accepts, got one that is too large ({error}). Reduce its size."
        ) from None
    except (OSError, SyntaxError, EOFError, struct.error, zlib.error) as error:
        raise ValueError(
            f"{name}: expected a valid picture, got damaged or truncated data ({error}). Check that the file is "
            "complete."
        ) from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def to_uint8_gray(picture: "Image.Image", background: int = 0) -> np.ndarray:
    """Convert a Pillow image to 8-bit gray.

    Parameters
    ----------
    picture : PIL.Image.Image
        Image in any mode. 16-bit pixels are scaled to 8 bits.
    background : int, default=0
        Gray value, from 0 to 255, of the background behind transparent pixels.

    Returns
    -------
    gray : ndarray of shape (height, width)
        Gray values as uint8.

    Raises
    ------
    ValueError
        If the pixels are floats or exceed 16 bits, because their range is unknown.

    Examples
    --------
    >>> from PIL import Image
    >>> from skmlp.digits.picture import to_uint8_gray
    >>> to_uint8_gray(Image.new("RGBA", (3, 1), (0, 0, 0, 0)), background=255)
    array([[255, 255, 255]], dtype=uint8)
    """
    from PIL import Image

    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture)
        if picture.mode == "F" or values.min() < 0 or values.max() > 65535:
            raise ValueError(
                "picture must have pixels of at most 16 bits, got "
                f"{'floats' if picture.mode == 'F' else '32-bit integers'}. Convert it to 8 or 16 bits."
            )
        gray = np.rint(values / 257).astype(np.uint8)
        transparent = picture.info.get("transparency")
        if isinstance(transparent, int):
            gray[values == transparent] = background
        return gray
    if picture.has_transparency_data:
        backdrop = Image.new("RGBA", picture.size, (background,) * 3)
        picture = Image.alpha_composite(backdrop, picture.convert("RGBA"))
    return np.array(picture.convert("L"))


class GrayPicture(NamedTuple):
    """A downsampled picture.

    Attributes
    ----------
    gray : ndarray of shape (height, width)
        Brightness as float32, in the unit of the original picture.
    factor : int
        Number of rows and columns of the given pixels per pixel of the result.
    """

    gray: np.ndarray
    factor: int


def load_pixels(picture):
    """Return the pixels of a picture.

    Parameters
    ----------
    picture : ndarray, PIL.Image.Image, str, path-like, bytes-like or binary stream
        As for :func:`skmlp.normalize_digit`.

    Returns
    -------
    pixels : ndarray of shape (height, width, n_channels)
    """
    from PIL import Image

    if isinstance(picture, str | os.PathLike | bytes | bytearray | memoryview) or callable(
        getattr(picture, "read", None)
    ):
        picture = open_picture(picture)
    if isinstance(picture, Image.Image):
        check_size(picture.height, picture.width)  # before a lazily loaded image is decoded
        picture = pillow_to_array(picture)
    if not isinstance(picture, np.ndarray):
        raise TypeError(
            "picture must be a NumPy array, a Pillow image, a path, bytes or a binary stream, got "
            f"{type(picture).__name__}."
        )
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4)):
        raise ValueError(
            "picture must have the shape (height, width) or (height, width, n_channels) with 1, 3 or 4 channels, got "
            f"{picture.shape}."
        )
    if picture.dtype.kind not in "biuf":
        raise ValueError(f"picture must contain real numbers, got {picture.dtype}.")
    check_size(picture.shape[0], picture.shape[1])
    return np.atleast_3d(picture)


def convert_to_gray(pixels, working_size=WORKING_SIZE):
    """Convert a picture to gray, downsampled to a working size.

    Parameters
    ----------
    pixels : ndarray of shape (height, width, n_channels)
    working_size : int, default=300
        Approximate number of pixels along the longer side of the result. Smaller pictures are not changed.

    Returns
    -------
    gray_picture : GrayPicture
    """
    max_value = 255 if pixels.dtype == np.uint8 else max(1, pixels.max())
    factor = max(1, min(round(max(pixels.shape[:2]) / working_size), *pixels.shape[:2]))
    downsampled = downsample(pixels, factor)
    if not np.isfinite(downsampled).all():
        raise ValueError("picture must contain finite numbers, got NaN or infinity.")
    return GrayPicture(convert_channels_to_gray(downsampled, float(max_value)), factor)


def pillow_to_array(picture):
    """Convert a Pillow image to an array of shape (height, width) or (height, width, n_channels)."""
    if picture.mode.startswith(("I", "F")):  # 16 bits or more
        return np.asarray(picture, dtype=np.float32)
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def check_size(height, width):
    """Raise ValueError if a picture is too small or too large, or its aspect ratio is not that of a digit.

    The minimum width is smaller than the minimum height, because a 1 that is cropped to its ink is narrow.
    """
    if height < MIN_HEIGHT or width < MIN_WIDTH:
        raise ValueError(
            f"picture must be at least {MIN_HEIGHT} pixels high and {MIN_WIDTH} pixels wide, got {height} x {width} "
            "(height x width). Use a higher resolution."
        )
    if height * width > MAX_PIXELS:
        raise ValueError(
            f"picture must have at most {MAX_PIXELS:,} pixels, got {height} x {width}. Reduce its size."
        )
    if max(height, width) > MAX_ASPECT_RATIO * min(height, width):
        raise ValueError(
            f"picture must have a longer side of at most {MAX_ASPECT_RATIO} times the shorter side, got {height} x "
            f"{width}. Crop it to the digit."
        )


def downsample(picture, factor):
    """Average blocks of pixels.

    Parameters
    ----------
    picture : ndarray of shape (height, width, n_channels)
    factor : int

    Returns
    -------
    downsampled : ndarray of shape (height // factor, width // factor, n_channels)
        Means of blocks of factor x factor pixels, as float32.
    """
    height, width = (size // factor for size in picture.shape[:2])
    cropped = picture[: height * factor, : width * factor]
    total = np.zeros((height, width, picture.shape[2]), np.float32)
    for row in range(factor):
        for column in range(factor):
            total += cropped[row::factor, column::factor]
    return total / factor**2


def convert_channels_to_gray(picture, max_value):
    """Convert the channels of a picture to gray; transparent pixels get a background that contrasts with the others."""
    if picture.shape[2] == 1:
        return picture[:, :, 0]
    gray = picture[:, :, :3] @ LUMA_WEIGHTS
    if picture.shape[2] == 3:
        return gray
    opacity = picture[:, :, 3] / max_value
    if not opacity.any():
        raise NoDigitError("picture must show a digit, got only transparent pixels.")
    background = 0.0 if np.average(gray, weights=opacity) > max_value / 2 else max_value
    return gray * opacity + background * (1 - opacity)
