"""The shape of images whose pixels are the features of a sample."""

import math
from collections.abc import Iterable
from numbers import Integral

MIN_IMAGE_SIDE = 5  # pixels; a smaller square number of features is probably no image


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
    height, width = check_image_shape(image_shape)
    if height * width != n_features:
        raise ValueError(
            f"image_shape must have {n_features} pixels, one per feature of X, got {image_shape!r}."
        )
    return height, width


def check_image_shape(shape, name="image_shape"):
    """Return a height and width as integers, or raise ValueError unless they are two positive integers.

    Parameters
    ----------
    shape : object
        Value of a parameter.
    name : str, default="image_shape"
        Name of the parameter.
    """
    sizes = tuple(shape) if isinstance(shape, Iterable) else ()
    if len(sizes) != 2 or not all(is_positive_integer(size) for size in sizes):
        raise ValueError(f"{name} must be two positive integers, (height, width), got {shape!r}.")
    return tuple(int(size) for size in sizes)


def find_image_shape(image_shape, mlp):
    """Return the height and width of the images, or None if the features are not images.

    Parameters
    ----------
    image_shape : (int, int), False or None
        Argument of a public function. False if the features are not images, None for the `image_shape` of the
        classifier or, if it has none, square images.
    mlp : MLPDigitClassifier
        Fitted classifier.

    Returns
    -------
    image_shape : tuple of int or None

    Raises
    ------
    ValueError
        If the shape is not a pair of positive integers whose product is the number of features.
    """
    if image_shape is False:
        return None
    if image_shape is None:
        image_shape = mlp.image_shape
    if image_shape is None:
        side = math.isqrt(mlp.n_features_in_)
        is_square = side**2 == mlp.n_features_in_ and side >= MIN_IMAGE_SIDE
        return (side, side) if is_square else None
    return resolve_image_shape(image_shape, mlp.n_features_in_)


def is_positive_integer(value):
    """Return whether a value is a positive integer other than a boolean."""
    return isinstance(value, Integral) and not isinstance(value, bool) and value > 0
