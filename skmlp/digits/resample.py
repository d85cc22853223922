"""Bilinear interpolation of images at given coordinates."""

import numpy as np

from skmlp.digits.scratch import scratch


def make_identity_coordinates(n_images, height, width):
    """Return the coordinates of all pixels.

    Parameters
    ----------
    n_images : int
    height : int
    width : int

    Returns
    -------
    coordinates : ndarray of shape (2, n_images, height, width)
        Row and column of each pixel, as float32.
    """
    coordinates = np.empty((2, n_images, height, width), np.float32)
    coordinates[0] = np.arange(height, dtype=np.float32)[:, np.newaxis]
    coordinates[1] = np.arange(width, dtype=np.float32)
    return coordinates


def resample(images, coordinates, fill=0.0, out=None):
    """Sample images at `coordinates` by bilinear interpolation.

    Parameters
    ----------
    images : ndarray of float of shape (n_images, height, width)
    coordinates : ndarray of float32 of shape (2, n_images, new_height, new_width)
        Rows and columns. The array is overwritten.
    fill : float, default=0.0
        Value outside of the images.
    out : ndarray of shape (n_images, new_height, new_width), default=None
        Array for the result, with the dtype of `images`. None for a new array.

    Returns
    -------
    resampled : ndarray of shape (n_images, new_height, new_width)
        Array with the dtype of `images`.
    """
    n_images, height, width = images.shape
    padded = scratch.empty("padded", (n_images, height + 2, width + 2), images.dtype)
    padded[...] = fill
    padded[:, 1:-1, 1:-1] = images
    # Coordinates outside of the padding are moved to its edge, but a pixel below and one to the right must exist.
    for axis, size in zip(coordinates, (height, width), strict=True):
        np.clip(axis, -1, np.nextafter(np.float32(size), np.float32(0)), out=axis)
    corners = np.floor(coordinates, out=scratch.empty("first", coordinates.shape))
    coordinates -= corners
    rows, columns = coordinates
    # Integers up to 2**24 are exact in float32, which is faster here than an integer type.
    corner, corner_columns = corners
    corner *= width + 2
    corner += corner_columns
    indices = scratch.empty("second", corner.shape, np.intp)
    indices[...] = corner
    first_pixels = np.arange(n_images) * (height + 2) * (width + 2) + width + 3
    indices += first_pixels[:, np.newaxis, np.newaxis]

    def interpolate_columns(first, out):
        right = scratch.empty("right", corner.shape, images.dtype)
        # With mode="raise", `take` would first fill a temporary buffer. All indices are valid.
        flat[first:].take(indices, out=out, mode="clip")
        flat[first + 1 :].take(indices, out=right, mode="clip")
        return interpolate(out, right, columns)

    flat = padded.reshape(-1)
    if out is None:
        out = np.empty(corner.shape, images.dtype)
    above = interpolate_columns(0, out)
    below = interpolate_columns(width + 2, scratch.empty("first", corner.shape, images.dtype))
    return interpolate(above, below, rows)


def interpolate(first, second, fraction):
    """Compute first + fraction * (second - first) in `first`; `second` is overwritten."""
    second -= first
    second *= fraction
    first += second
    return first
