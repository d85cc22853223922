"""Ink as the weight of pixels in means and covariances of their positions."""

import numpy as np

# Products of two moments are finite in float64 if the pixels are less than 2**400, and positive if they are more than
# 2**-400.
MAX_INK_EXPONENT = 400
# Positions are multiples of 1 / 256 pixel, so that the interpolation of integers is exact in float32: up to 65,535 at a
# position, and of uint8 at a product of a position and an integer.
STEPS_PER_PIXEL = 256


def compute_ink(images):
    """Return the absolute values of the pixels as float64, or as float32 for uint8, whose sums of one row are exact."""
    if images.dtype == np.uint8:
        return images.astype(np.float32)
    if images.dtype.kind == "f":
        exponents = find_exponents(images)
        is_extreme = np.abs(exponents) > MAX_INK_EXPONENT
        if is_extreme.any():  # Means and ratios do not depend on the scale.
            images = np.ldexp(images, np.where(is_extreme, -exponents, 0))
    return np.abs(images, dtype=float)


def divide(numerators, denominators):
    """Divide element by element; the quotient is 0 where the denominator is."""
    zeros = np.zeros(numerators.shape)
    return np.divide(numerators, denominators, out=zeros, where=denominators > 0)


def find_exponents(images):
    """Return the smallest exponents of 2 that give powers above all absolute values of each image."""
    axes = {"axis": (1, 2), "keepdims": True}
    return np.frexp(np.maximum(images.max(**axes), -images.min(**axes)))[1]
