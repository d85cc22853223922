"""Images for `skmlp predict`, from IDX files and from PNG or JPEG pictures."""

import io
import math
import sys

from skmlp.cli.errors import (
    BAD_DATA,
    CommandError,
    format_error,
    suggest_formats,
    translate_errors,
)
from skmlp.formatting import format_count

PICTURE_MAGICS = (b"\x89PNG", b"\xff\xd8\xff")
MNIST_SIDE = 28


def read_images(path, model, *, dark_on_light=False, normalize=False):
    """Return the images of an IDX file or a picture, in rows of as many pixels as a model takes.

    Images of another size are resized if the model stores its image shape. Pictures of another size are normalized
    first, also for a model of MNIST. With `normalize`, all pictures are.
    """
    with translate_errors(BAD_DATA):
        source, magic = open_source(path)
        if magic.startswith(PICTURE_MAGICS):
            return read_picture(source, path, model, dark_on_light, normalize)
        with suggest_formats(magic, "an IDX, PNG or JPEG file"):
            images = read_idx_images(source, path, model)
        return invert_pixels(images, path, dark_on_light)


def open_source(path):
    """Return the path, or a stream of the content of stdin for "-", and the first bytes."""
    if path == "-":
        stream = io.BytesIO(sys.stdin.buffer.read())
        stream.name = path  # for error messages
        return stream, stream.getvalue()[:8]
    with open(path, "rb") as file:
        return path, file.read(8)


def invert_pixels(images, path, dark_on_light):
    """Return images of light digits on a dark background."""
    if not dark_on_light:
        return images
    if images.dtype != "uint8":
        raise CommandError(
            BAD_DATA,
            f"{path}: the pixels must be uint8 for --invert, got {images.dtype}. "
            "Convert them to integers from 0 to 255.",
        )
    return 255 - images


def read_idx_images(source, path, model):
    """Return the images of an IDX file."""
    from skmlp import read_idx

    images = read_idx(source)
    shape, n_pixels = images.shape, model.n_features_in_
    if len(shape) == 1:
        raise CommandError(
            BAD_DATA,
            f"{path}: expected images, got a list of {format_count(shape[0], 'number')}. "
            "Pass a file of images, not of labels.",
        )
    if len(shape) == 2 and shape[1] != n_pixels and math.prod(shape) == n_pixels:
        return images.reshape(1, n_pixels)
    if math.prod(shape[1:]) == n_pixels:
        return images.reshape(len(images), n_pixels)
    if len(shape) == 3 and model.image_shape is not None:
        return resize(images, model.image_shape)
    raise CommandError(BAD_DATA, describe_wrong_size(path, n_pixels, "images", shape[1:]))


def resize(images, shape):
    """Return images of shape (n_images, height, width), resized, with one per row."""
    from skmlp import ImageResizer

    resizer = ImageResizer(shape, image_shape=images.shape[1:])
    return resizer.fit_transform(images.reshape(len(images), -1))


def read_picture(source, path, model, dark_on_light, normalize):
    """Return the image of a PNG or JPEG file."""
    from skmlp import normalize_digit
    from skmlp.digits.picture import open_picture, to_uint8_gray

    picture = open_picture(source, name=path)
    n_pixels, mnist_shape = model.n_features_in_, (MNIST_SIDE, MNIST_SIDE)
    image_shape = mnist_shape if n_pixels == MNIST_SIDE**2 else model.image_shape
    try:
        if image_shape is not None and (normalize or picture.size[::-1] != image_shape):
            return resize(normalize_digit(picture)[None], image_shape)
        check_size(picture.size, path, n_pixels)
        pixels = to_uint8_gray(picture, background=255 if dark_on_light else 0)
    except ValueError as error:
        raise CommandError(BAD_DATA, f"{path}: {format_error(error)}") from error
    return invert_pixels(pixels.reshape(1, n_pixels), path, dark_on_light)


def check_size(size, path, n_pixels):
    """Raise an error unless a picture has the size of the model's images."""
    width, height = size
    side = math.isqrt(n_pixels)
    is_square = side * side == n_pixels
    if (size != (side, side)) if is_square else (width * height != n_pixels):
        raise CommandError(BAD_DATA, describe_wrong_size(path, n_pixels, "image", size))


def describe_wrong_size(path, n_pixels, subject, size):
    """Return the error message for images of a wrong size."""
    side = math.isqrt(n_pixels)
    expected = f"be {side} x {side}" if side * side == n_pixels else f"have {n_pixels}"
    found = " x ".join(map(str, size))
    return (
        f"{path}: the {subject} must {expected} pixels for this model, got {found}. "
        f"Crop or resize the {subject}."
    )
