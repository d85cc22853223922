"""The shape of images whose pixels are the features of samples."""

import math
from numbers import Integral


def image_shape_of(image_shape, n_features):
    """Give height and width of images.

    Parameters
    ----------
    image_shape : (int, int) or None
        What the user says; None for a square.
    n_features : int
        Number of pixels.

    Raises
    ------
    ValueError
        If that many pixels are no such image.
    """
    if image_shape is None:
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(
                f"augmentation needs images, but {n_features} features are no square image. Give "
                "image_shape=(height, width), or leave augmentation out."
            )
        return side, side
    shape = tuple(image_shape)
    if len(shape) != 2 or not all(isinstance(size, Integral) and size > 0 for size in shape):
        raise ValueError(
            f"image_shape must be two positive integers, (height, width). Got {image_shape!r}."
        )
    if shape[0] * shape[1] != n_features:
        raise ValueError(
            f"image_shape={image_shape!r} is {shape[0] * shape[1]} pixels, but there are {n_features} features."
        )
    return int(shape[0]), int(shape[1])
