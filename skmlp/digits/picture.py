"""A picture of any kind, read and made grey."""

from pathlib import Path

import numpy as np

from skmlp.exceptions import NoDigitError

# Larger pictures are made about as small as this at once: a digit needs no more.
WORKING_SIZE = 300
SMALLEST_HEIGHT, SMALLEST_WIDTH = 8, 2
LARGEST_PICTURE = 80_000_000
SLIMMEST_PICTURE = 30  # times as long as wide
GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# Pillow knows more formats; for some it runs other programs.
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")


def as_grey(picture):
    """Turn a picture of any kind into a float array of brightness, small enough to work on."""
    if isinstance(picture, str | Path):
        picture = read_picture(picture)
    if not isinstance(picture, np.ndarray):
        picture = pillow_as_array(picture)
    if picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4)):
        raise ValueError(
            "A picture must have the shape (height, width), (height, width, 3) or (height, width, 4). Got "
            f"{picture.shape}."
        )
    if picture.dtype.kind not in "biuf":
        raise ValueError(f"A picture must be made of real numbers. Got {picture.dtype}.")
    check_size(picture.shape[0], picture.shape[1])
    largest = 255 if picture.dtype == np.uint8 else max(1, picture.max())
    small = reduced(np.atleast_3d(picture))
    if not np.isfinite(small).all():
        raise ValueError("A picture must be made of finite numbers. Got NaN or infinity.")
    return mixed(small, float(largest))


def check_size(height, width):
    """Refuse pictures that are too small or slim to show a digit, or too large for the memory."""
    if height < SMALLEST_HEIGHT or width < SMALLEST_WIDTH:
        raise ValueError(
            f"A picture must be at least {SMALLEST_HEIGHT} pixels high and {SMALLEST_WIDTH} pixels wide. Got "
            f"{height} x {width}."
        )
    if height * width > LARGEST_PICTURE:
        raise ValueError(
            f"A picture must have at most {LARGEST_PICTURE:,} pixels. Got {height} x {width}: make it smaller."
        )
    if max(height, width) > SLIMMEST_PICTURE * min(height, width):
        raise ValueError(
            f"A picture must be at most {SLIMMEST_PICTURE} times as long as wide. Got {height} x {width}: cut the "
            "digit out."
        )


def reduced(picture):
    """Average blocks of pixels so that the longer side comes near the working size, and give float32."""
    factor = max(1, round(max(picture.shape) / WORKING_SIZE))
    height, width = (size // factor for size in picture.shape[:2])
    whole = picture[: height * factor, : width * factor]
    total = np.zeros((height, width, picture.shape[2]), np.float32)
    for row in range(factor):
        for column in range(factor):
            total += whole[row::factor, column::factor]
    return total / factor**2


def mixed(picture, largest):
    """Mix colours into grey; what is transparent shows paper that is far from the ink."""
    if picture.shape[2] == 1:
        return picture[:, :, 0]
    grey = picture[:, :, :3] @ GREY
    if picture.shape[2] == 3:
        return grey
    opacity = picture[:, :, 3] / largest
    if not opacity.any():
        raise NoDigitError("The picture is transparent everywhere: there is no digit on it.")
    paper = 0.0 if np.average(grey, weights=opacity) > largest / 2 else largest
    return grey * opacity + paper * (1 - opacity)


def read_picture(path):
    """Read a file by Pillow, turned as the camera was held."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            # Before a pixel is decoded: a small file can unpack to gigabytes.
            check_size(image.height, image.width)
            return ImageOps.exif_transpose(image).copy()
    except UnidentifiedImageError:
        raise ValueError(
            f"{path}: this is no picture of a known format: {', '.join(FORMATS)}."
        ) from None
    except (ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path}: {error}") from None


def pillow_as_array(picture):
    """Turn an image of Pillow into an array."""
    from PIL import Image

    if not isinstance(picture, Image.Image):
        raise TypeError(
            f"A picture must be a NumPy array, an image of Pillow, or the name of a file. Got {type(picture).__name__}."
        )
    if picture.mode.startswith(("I", "F")):  # 16 bits and more
        return np.asarray(picture, dtype=np.float32)
    return np.asarray(picture.convert("RGBA" if picture.has_transparency_data else "RGB"))
