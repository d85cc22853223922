"""Pictures of any kind: open files safely, and convert pictures to gray."""

import os
import struct
import warnings
import zlib
from io import BytesIO

import numpy as np

from skmlp.exceptions import NoDigitError

# A larger picture is reduced to about this size: a digit needs no more.
WORKING_SIZE = 300
SMALLEST_HEIGHT, SMALLEST_WIDTH = 8, 2
LARGEST_PICTURE = 80_000_000
LARGEST_ASPECT_RATIO = 30
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# Pillow knows more formats; for some of them it runs other programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


def open_picture(source, *, max_pixels=LARGEST_PICTURE, name=None):
    """Open a picture with Pillow, safely.

    Only formats that Pillow decodes itself are accepted. The size is checked before a pixel is decoded, because a small
    file can decompress to gigabytes. The picture is turned upright as its EXIF orientation says.

    Parameters
    ----------
    source : str, path-like, bytes-like or binary stream
        A PNG, JPEG, BMP, GIF, TIFF, WebP or PPM file, its contents, or a stream of them.
    max_pixels : int, default=80_000_000
        Largest number of pixels that is decoded.
    name : str, default=None
        Name of the source in error messages; by default the path, or the name of the stream if it has one.

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
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(BytesIO(source), max_pixels, name or "picture")
    if callable(getattr(source, "read", None)):
        name = name or getattr(source, "name", None) or "picture"
        return decode(BytesIO(source.read()), max_pixels, name)
    with open(source, "rb") as file:
        return decode(file, max_pixels, name or os.fspath(source))


def decode(file, max_pixels, name):
    """Decode a seekable binary file as `open_picture` describes."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns of many pixels before it can be asked for their number, and of damaged metadata.
            warnings.simplefilter("ignore")
            with Image.open(file, formats=FORMATS) as image:
                if image.width * image.height > max_pixels:
                    raise ValueError(
                        f"the picture must have at most {max_pixels:,} pixels. Got {image.height} x {image.width}: "
                        "reduce its size."
                    )
                return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise ValueError(
            f"{name}: not a picture of a known format. It must be one of {', '.join(FORMATS)}."
        ) from None
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: {error}") from None
    except (OSError, SyntaxError, EOFError, struct.error, zlib.error) as error:
        raise ValueError(
            f"{name}: the picture cannot be read ({error}). Check that the file is complete."
        ) from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def to_uint8_gray(picture, background=0):
    """Convert an image of Pillow to 8-bit gray.

    Parameters
    ----------
    picture : PIL.Image.Image
        Pictures with 16 bits are scaled to 8 bits.
    background : int, default=0
        Gray value, from 0 to 255, that shows where the picture is transparent.

    Returns
    -------
    gray : ndarray of shape (height, width)
        uint8.

    Raises
    ------
    ValueError
        If the pixels are floats or have more than 16 bits, whose range is not known.

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
                "A picture must have pixels of at most 16 bits. Got "
                f"{'floats' if picture.mode == 'F' else 'integers of 32 bits'}: convert it to 8 or 16 bits."
            )
        gray = np.rint(values / 257).astype(np.uint8)
        transparent = picture.info.get("transparency")
        if isinstance(transparent, int):
            gray[values == transparent] = background
        return gray
    if picture.has_transparency_data:
        behind = Image.new("RGBA", picture.size, (background,) * 3)
        picture = Image.alpha_composite(behind, picture.convert("RGBA"))
    return np.array(picture.convert("L"))


def to_gray(picture):
    """Convert a picture of any kind to an array of brightness, reduced to the working size.

    Parameters
    ----------
    picture : ndarray, PIL.Image.Image, str, path-like, bytes-like or binary stream
        As for :func:`skmlp.normalize_digit`.

    Returns
    -------
    gray : ndarray of shape (height, width)
        float32, in the unit of the picture.
    """
    from PIL import Image

    if isinstance(picture, str | os.PathLike | bytes | bytearray) or callable(
        getattr(picture, "read", None)
    ):
        picture = open_picture(picture)
    if isinstance(picture, Image.Image):
        check_size(picture.height, picture.width)  # a file may not be decoded yet
        picture = array_from_pillow(picture)
    if not isinstance(picture, np.ndarray):
        raise TypeError(
            "A picture must be a NumPy array, an image of Pillow, or a file: a path, bytes or a binary stream. Got "
            f"{type(picture).__name__}."
        )
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4)):
        raise ValueError(
            "A picture must have the shape (height, width), (height, width, 3) or (height, width, 4). Got "
            f"{picture.shape}."
        )
    if picture.dtype.kind not in "biuf":
        raise ValueError(f"A picture must consist of real numbers. Got {picture.dtype}.")
    check_size(picture.shape[0], picture.shape[1])
    largest = 255 if picture.dtype == np.uint8 else max(1, picture.max())
    small = reduced(np.atleast_3d(picture))
    if not np.isfinite(small).all():
        raise ValueError("A picture must consist of finite numbers. Got NaN or infinity.")
    return mix_channels(small, float(largest))


def array_from_pillow(picture):
    """Convert an image of Pillow to an array of shape (height, width) or (height, width, n_channels)."""
    if picture.mode.startswith(("I", "F")):  # 16 bits and more
        return np.asarray(picture, dtype=np.float32)
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))


def check_size(height, width):
    """Check that a picture is large enough to show a digit, has the proportions of one, and fits into memory.

    A picture may be narrow, as a one cropped to its ink is, but not low.
    """
    if height < SMALLEST_HEIGHT or width < SMALLEST_WIDTH:
        raise ValueError(
            f"A picture must be at least {SMALLEST_HEIGHT} pixels high and {SMALLEST_WIDTH} pixels wide. Got "
            f"{height} x {width} (height x width): use a higher resolution."
        )
    if height * width > LARGEST_PICTURE:
        raise ValueError(
            f"A picture must have at most {LARGEST_PICTURE:,} pixels. Got {height} x {width}: reduce its size."
        )
    if max(height, width) > LARGEST_ASPECT_RATIO * min(height, width):
        raise ValueError(
            f"The longer side of a picture must be at most {LARGEST_ASPECT_RATIO} times the shorter one. Got "
            f"{height} x {width}: crop it to the digit."
        )


def reduced(picture):
    """Average blocks of pixels so that the longer side is near the working size.

    Parameters
    ----------
    picture : ndarray of shape (height, width, n_channels)

    Returns
    -------
    reduced : ndarray of shape (height // factor, width // factor, n_channels)
        float32.
    """
    factor = max(1, min(round(max(picture.shape) / WORKING_SIZE), *picture.shape[:2]))
    height, width = (size // factor for size in picture.shape[:2])
    whole = picture[: height * factor, : width * factor]
    total = np.zeros((height, width, picture.shape[2]), np.float32)
    for row in range(factor):
        for column in range(factor):
            total += whole[row::factor, column::factor]
    return total / factor**2


def mix_channels(picture, largest):
    """Mix color channels into gray; where the picture is transparent, the background is far from the ink."""
    if picture.shape[2] == 1:
        return picture[:, :, 0]
    gray = picture[:, :, :3] @ LUMA
    if picture.shape[2] == 3:
        return gray
    opacity = picture[:, :, 3] / largest
    if not opacity.any():
        raise NoDigitError("There is no digit on the picture: it is transparent everywhere.")
    background = 0.0 if np.average(gray, weights=opacity) > largest / 2 else largest
    return gray * opacity + background * (1 - opacity)
