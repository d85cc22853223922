"""The shape of images whose pixels are the features of samples."""

import math
from numbers import Integral


def image_shape_of(image_shape, n_features):
    """Return height and width of images.

    Parameters
    ----------
    image_shape : (int, int) or None
        The parameter of the estimator; None for a square.
    n_features : int
        Number of pixels.

    Raises
    ------
    ValueError
        If `image_shape` is not two positive integers, or does not have `n_features` pixels.
    """
    if image_shape is None:
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(
                f"augmentation needs images, but {n_features} features are not a square image. Set "
                "image_shape=(height, width), or augmentation=None."
            )
        return side, side
    shape = tuple(image_shape)
    if len(shape) != 2 or not all(is_size(size) for size in shape):
        raise ValueError(
            f"image_shape must be two positive integers, (height, width). Got {image_shape!r}."
        )
    height, width = (int(size) for size in shape)
    if height * width != n_features:
        raise ValueError(
            f"image_shape={image_shape!r} has {height * width} pixels, but X has {n_features} features."
        )
    return height, width


def is_size(value):
    """Return whether a value is a positive integer and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0
