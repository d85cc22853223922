"""Bilinear interpolation of images at given coordinates."""

import numpy as np

# Number of images processed together; their arrays fit into the cache
BLOCK_SIZE = 32


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
    coordinates[0] = np.arange(height)[:, np.newaxis]
    coordinates[1] = np.arange(width)
    return coordinates


def resample(images, coordinates, fill=0.0):
    """Sample images at `coordinates` by bilinear interpolation.

    Parameters
    ----------
    images : ndarray of float of shape (n_images, height, width)
    coordinates : ndarray of float of shape (2, n_images, new_height, new_width)
        Rows and columns. The array is overwritten.
    fill : float, default=0.0
        Value outside of the images.

    Returns
    -------
    resampled : ndarray of shape (n_images, new_height, new_width)
        Array with the dtype of `images`.
    """
    n_images, height, width = images.shape
    padded = np.full((n_images, height + 2, width + 2), fill, images.dtype)
    padded[:, 1:-1, 1:-1] = images
    rows, columns = coordinates
    # Coordinates outside of the padding are moved to its edge, but a pixel below and one to the right must exist.
    for axis, size in ((rows, height), (columns, width)):
        axis += 1
        np.clip(axis, 0, np.nextafter(np.float32(size + 1), np.float32(0)), out=axis)
    corner, corner_columns = np.floor(rows), np.floor(columns)
    rows -= corner
    columns -= corner_columns
    # Integers up to 2**24 are exact in float32, which is faster here than an integer type.
    corner *= width + 2
    corner += corner_columns
    corner = corner.astype(np.intp)
    corner += (np.arange(n_images) * padded[0].size)[:, np.newaxis, np.newaxis]
    flat = padded.reshape(-1)
    above = interpolate(flat.take(corner), flat[1:].take(corner), columns)
    lower = flat[width + 2 :]
    below = interpolate(lower.take(corner), lower[1:].take(corner), columns)
    return interpolate(above, below, rows)


def interpolate(first, second, fraction):
    """Compute first + fraction * (second - first); `second` is overwritten."""
    second -= first
    second *= fraction
    second += first
    return second
