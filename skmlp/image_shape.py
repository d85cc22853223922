"""The shape of images whose pixels are the features of a sample."""

import math
from collections.abc import Iterable
from numbers import Integral


def resolve_image_shape(image_shape, n_features):
    """Return the height and width of the images.

    Parameters
    ----------
    image_shape : (int, int) or None
        Parameter of the estimator or display. None means square images.
    n_features : int
        Number of pixels.

    Returns
    -------
    height : int
    width : int

    Raises
    ------
    ValueError
        If `image_shape` is not a pair of positive integers whose product is `n_features`, or is None and `n_features`
        is not a square number.
    """
    if image_shape is None:
        side = math.isqrt(n_features)
        if side * side != n_features:
            raise ValueError(
                f"X must have a square number of features if image_shape is None, got {n_features}. Set "
                "image_shape=(height, width)."
            )
        return side, side
    shape = tuple(image_shape) if isinstance(image_shape, Iterable) else ()
    if len(shape) != 2 or not all(is_positive_integer(size) for size in shape):
        raise ValueError(
            f"image_shape must be two positive integers, (height, width), got {image_shape!r}."
        )
    height, width = (int(size) for size in shape)
    if height * width != n_features:
        raise ValueError(
            f"image_shape must have {n_features} pixels, one per feature of X, got {image_shape!r}."
        )
    return height, width


def is_positive_integer(value):
    """Return whether a value is a positive integer other than a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0
