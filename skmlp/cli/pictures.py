"""Images for `skmlp predict`, from IDX files and from PNG or JPEG pictures."""

import math
import sys

from skmlp.cli.errors import BAD_DATA, CommandError, command_errors, one_line

PICTURE_MAGICS = (b"\x89PNG", b"\xff\xd8\xff")
MNIST_SIDE = 28


def read_images(path, n_pixels, *, dark_on_light=False, normalize=False):
    """Return the images of an IDX file or a picture, one per row of `n_pixels`.

    For a model of MNIST, pictures of another size are normalized, and all pictures with `normalize`.
    """
    with command_errors(BAD_DATA):
        source, start = _open(path)
        if start.startswith(PICTURE_MAGICS):
            return _read_picture(source, path, n_pixels, dark_on_light, normalize)
        return _inverted(_read_idx(source, path, n_pixels), path, dark_on_light)


def _open(path):
    """Return the path, or all bytes of stdin for "-", and the first bytes."""
    if path == "-":
        content = sys.stdin.buffer.read()
        return content, content[:8]
    with open(path, "rb") as file:
        return path, file.read(8)


def _inverted(images, path, dark_on_light):
    """Return images of light digits on a dark background."""
    if not dark_on_light:
        return images
    if images.dtype != "uint8":
        raise CommandError(BAD_DATA, f"{path}: --invert needs 8-bit pixels, got {images.dtype}")
    return 255 - images


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
        raise CommandError(BAD_DATA, f"{path}: the images are {size}; {_requirement(n_pixels)}")
    return images.reshape(len(images), n_pixels)


def _read_picture(source, path, n_pixels, dark_on_light, normalize):
    from skmlp import normalize_digit
    from skmlp.digits.picture import open_picture, to_uint8_gray

    picture = open_picture(source, name=path)
    try:
        if n_pixels == MNIST_SIDE**2 and (normalize or picture.size != (MNIST_SIDE, MNIST_SIDE)):
            return normalize_digit(picture).reshape(1, n_pixels)
        _check_size(picture.size, path, n_pixels)
        pixels = to_uint8_gray(picture, background=255 if dark_on_light else 0)
    except ValueError as error:
        raise CommandError(BAD_DATA, f"{path}: {one_line(error)}") from error
    return _inverted(pixels.reshape(1, n_pixels), path, dark_on_light)


def _check_size(size, path, n_pixels):
    width, height = size
    side = math.isqrt(n_pixels)
    is_square = side * side == n_pixels
    if (size != (side, side)) if is_square else (width * height != n_pixels):
        raise CommandError(
            BAD_DATA, f"{path}: the picture is {width} x {height}; {_requirement(n_pixels)}"
        )


def _requirement(n_pixels):
    side = math.isqrt(n_pixels)
    square = f", {side} x {side}" if side * side == n_pixels else ""
    return f"the model takes {n_pixels} pixels{square}: crop or resize it"
