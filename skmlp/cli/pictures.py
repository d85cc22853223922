"""Images for `skmlp predict`, from IDX files and from PNG or JPEG pictures."""

import io
import math
import sys
import warnings

from skmlp.cli.failures import BAD_DATA, CommandError, failing_with

PICTURE_FORMATS = ("PNG", "JPEG")
IMAGE_SIZE = 28  # of MNIST
PICTURE_MAGICS = (b"\x89PNG", b"\xff\xd8\xff")


def read_images(path, n_pixels, *, dark_on_light=False, normalize=False):
    """Return the images of an IDX file or a picture, one a row of `n_pixels`.

    For a model of MNIST, pictures of another size are normalised, and with `normalize` all of them.
    """
    with failing_with(BAD_DATA):
        source, start = _open(path)
        if start.startswith(PICTURE_MAGICS):
            return _read_picture(source, path, n_pixels, dark_on_light, normalize)
        return _light_ink(_read_idx(source, path, n_pixels), path, dark_on_light)


def _light_ink(images, path, dark_on_light):
    """Return images whose ink is light."""
    if not dark_on_light:
        return images
    if images.dtype != "uint8":
        raise CommandError(BAD_DATA, f"{path}: --invert needs 8-bit pixels, got {images.dtype}")
    return 255 - images


def _open(path):
    """Return what to read, the path or all bytes of stdin for "-", and its first bytes."""
    if path == "-":
        content = sys.stdin.buffer.read()
        return content, content[:8]
    with open(path, "rb") as file:
        return path, file.read(8)


def _read_idx(source, path, n_pixels):
    from skmlp import read_idx

    images = read_idx(source)
    shape = images.shape
    if len(shape) == 1:
        raise CommandError(
            BAD_DATA, f"{path}: holds {shape[0]} labels or numbers; it must hold images"
        )
    if len(shape) == 2 and shape[1] != n_pixels and math.prod(shape) == n_pixels:
        return images.reshape(1, n_pixels)
    if math.prod(shape[1:]) != n_pixels:
        size = " x ".join(map(str, shape[1:]))
        raise CommandError(BAD_DATA, f"{path}: the images are {size}; {_needs(n_pixels)}")
    return images.reshape(len(images), n_pixels)


def _read_picture(source, path, n_pixels, dark_on_light, normalize):
    from PIL import Image

    file = source if source is path else io.BytesIO(source)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(file, formats=PICTURE_FORMATS) as picture:
                # Before a pixel is decoded: a small file can unpack to gigabytes.
                if n_pixels == IMAGE_SIZE**2 and (normalize or picture.size != (IMAGE_SIZE,) * 2):
                    return _normalized(picture, path)
                _check_size(picture.size, path, n_pixels)
                pixels = _grey_pixels(picture, dark_on_light).reshape(1, n_pixels)
                return _light_ink(pixels, path, dark_on_light)
        except (Image.DecompressionBombError, SyntaxError, OSError) as error:
            raise CommandError(
                BAD_DATA, f"{path}: the picture cannot be read ({error}); is the file whole?"
            ) from error


def _normalized(picture, path):
    """Return a picture of any size, of any ink, as the images of MNIST are."""
    from PIL import ImageOps

    from skmlp.digits.normalize import normalize_digit
    from skmlp.digits.picture import check_size

    try:
        check_size(picture.height, picture.width)
        return normalize_digit(ImageOps.exif_transpose(picture)).reshape(1, -1)
    except ValueError as error:
        raise CommandError(BAD_DATA, f"{path}: {error}") from error


def _check_size(size, path, n_pixels):
    width, height = size
    side = math.isqrt(n_pixels)
    square_wanted = side * side == n_pixels
    if (size != (side, side)) if square_wanted else (width * height != n_pixels):
        raise CommandError(
            BAD_DATA, f"{path}: the picture is {width} x {height}; {_needs(n_pixels)}"
        )


def _needs(n_pixels):
    side = math.isqrt(n_pixels)
    square = f", {side} x {side}" if side * side == n_pixels else ""
    return f"the model takes {n_pixels} pixels{square}: crop or resize it"


def _grey_pixels(picture, dark_on_light):
    """Return the picture as 8-bit grey; what is transparent becomes background."""
    import numpy as np
    from PIL import Image

    if picture.mode.startswith("I"):
        return (np.asarray(picture) >> 8).astype(np.uint8)  # PIL would cut 16 bits off at 255
    if picture.has_transparency_data:
        ink = picture.convert("RGBA")
        background = Image.new("RGBA", picture.size, "white" if dark_on_light else "black")
        picture = Image.alpha_composite(background, ink)
    return np.asarray(picture.convert("L"))
