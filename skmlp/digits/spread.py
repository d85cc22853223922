"""Scaling of digits to the same spread of their ink."""

from numbers import Real

import numpy as np

from skmlp.digits.moments import STEPS_PER_PIXEL, compute_ink, divide

# Limits of the distance between the sampled columns, in pixels: a digit becomes at most twice as wide or high, and at
# least 2/3 times.
MIN_STEP, MAX_STEP = 0.5, 1.5
# Memory is bounded by the number of weights of the interpolation at a time.
WEIGHTS_PER_BLOCK = 128 * 28 * 28


def check_spread(spread, name="spread"):
    """Return a spread as a pair, or raise ValueError unless it consists of two numbers in the range (0, 1) or None.

    Parameters
    ----------
    spread : object
        Value of a parameter.
    name : str, default="spread"
        Name of the parameter.
    """
    is_sequence = isinstance(spread, list | tuple | np.ndarray) and np.ndim(spread) == 1
    values = tuple(spread) if is_sequence else ()
    is_valid = all(each is None or (isinstance(each, Real) and 0 < each < 1) for each in values)
    if len(values) != 2 or not is_valid:
        raise ValueError(
            f"{name} must be two numbers in the range (0, 1) or None, the vertical and the horizontal standard "
            f"deviation of the ink, got {spread!r}. Use (0.2, 0.15) for digits as in MNIST."
        )
    return tuple(None if each is None else float(each) for each in values)


def scale_to_spread(images, spread):
    """Scale and center images in place, horizontally, then vertically.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
        The values of uint8 are rounded after each of the two steps.
    spread : (float or None, float or None)
        Standard deviations of the rows and the columns of the ink, relative to the height and the width of the images.
        None does not change the rows or the columns.
    """
    vertical, horizontal = spread
    if horizontal is not None:
        scale_columns(images, horizontal)
    if vertical is not None:
        scale_columns(images.transpose(0, 2, 1), vertical)


def scale_columns(images, spread):
    """Scale and center images in place, horizontally."""
    block_size = max(WEIGHTS_PER_BLOCK // images.shape[2] ** 2, 1)
    for start in range(0, len(images), block_size):
        block = images[start : start + block_size]
        interpolate_columns(block, compute_positions(block, spread))


def interpolate_columns(images, positions):
    """Replace the columns of images by those at the given positions, interpolated linearly.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
    positions : ndarray of shape (n_images, width)
        In columns. The values are 0 outside of the image.
    """
    is_rounded = images.dtype == np.uint8
    dtype = np.float32 if is_rounded else images.dtype
    columns = np.arange(images.shape[2])[:, np.newaxis]
    # A column contributes to those at a distance of less than one pixel.
    weights = (columns - positions[:, np.newaxis]).astype(dtype)
    np.subtract(1, np.abs(weights, out=weights), out=weights)
    np.maximum(weights, 0, out=weights)
    interpolated = images.astype(dtype, copy=False) @ weights
    if is_rounded:
        interpolated += 0.5
    images[...] = interpolated


def compute_positions(images, spread):
    """Return where the columns of the new images are sampled, as an array of shape (n_images, width)."""
    width = images.shape[2]
    column_ink = compute_ink(images).sum(axis=1).astype(float)
    columns = np.arange(width)
    # For uint8, these are integers, which are exact in any order.
    total, first, second = (column_ink @ columns**power for power in range(3))
    variance = divide(total * second - first * first, total * total)
    with np.errstate(over="ignore"):  # the ratio is limited
        ratio = np.sqrt(np.maximum(variance, 0)) / (spread * width)
    step = np.clip(ratio, MIN_STEP, MAX_STEP)
    middle = (width - 1) / 2
    center, step = (
        np.rint(np.where(total > 0, values, default) * STEPS_PER_PIXEL)[:, np.newaxis]
        / STEPS_PER_PIXEL
        for values, default in ((divide(first, total), middle), (step, 1))
    )
    return center + step * (columns - middle)
