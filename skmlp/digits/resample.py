"""Bilinear interpolation of images at displaced coordinates."""

import numpy as np

# Number of images processed together, so that their arrays stay in the processor's cache
BLOCK_SIZE = 32


def identity_coordinates(n_images, height, width):
    """Return the coordinates of each pixel of each image.

    Parameters
    ----------
    n_images, height, width : int

    Returns
    -------
    coordinates : ndarray of shape (2, n_images, height, width)
        Row and column, float32.
    """
    coordinates = np.empty((2, n_images, height, width), np.float32)
    coordinates[0] = np.arange(height)[:, np.newaxis]
    coordinates[1] = np.arange(width)
    return coordinates


def resample(images, coordinates, fill=0.0):
    """Sample images at `coordinates` by bilinear interpolation.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
        Floats.
    coordinates : ndarray of shape (2, n_images, new_height, new_width)
        Rows and columns, floats; overwritten.
    fill : float, default=0.0
        Value outside of the images.

    Returns
    -------
    resampled : ndarray of shape (n_images, new_height, new_width)
        Of the dtype of `images`.
    """
    n_images, height, width = images.shape
    padded = np.full((n_images, height + 2, width + 2), fill, images.dtype)
    padded[:, 1:-1, 1:-1] = images
    rows, columns = coordinates
    # Coordinates beyond the padding get its value. A pixel below and one on the right must exist.
    for axis, size in ((rows, height), (columns, width)):
        axis += 1
        np.clip(axis, 0, np.nextafter(np.float32(size + 1), np.float32(0)), out=axis)
    corner, whole_columns = np.floor(rows), np.floor(columns)
    rows -= corner
    columns -= whole_columns
    # Whole numbers up to 2^24 are exact in float32, which is faster than integers here.
    corner *= width + 2
    corner += whole_columns
    corner = corner.astype(np.intp)
    corner += (np.arange(n_images) * padded[0].size)[:, np.newaxis, np.newaxis]
    flat = padded.reshape(-1)
    above = between(flat.take(corner), flat[1:].take(corner), columns)
    lower = flat[width + 2 :]
    below = between(lower.take(corner), lower[1:].take(corner), columns)
    return between(above, below, rows)


def between(first, second, fraction):
    """Compute first + fraction (second - first), in the memory of `second`."""
    second -= first
    second *= fraction
    second += first
    return second
