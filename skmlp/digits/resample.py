"""Images drawn anew from other places of the same images."""

import numpy as np

# How many images are worked on together: their arrays stay within the processor's cache.
BLOCK_SIZE = 32


def identity_coordinates(n_images, height, width):
    """Give the place of each pixel of each image.

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
    """Draw images whose pixels come from `coordinates` of the given ones, by bilinear interpolation.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width)
        Of floats.
    coordinates : ndarray of shape (2, n_images, new_height, new_width)
        Rows and columns, of floats; overwritten.
    fill : float, default=0.0
        What surrounds the images.

    Returns
    -------
    resampled : ndarray of shape (n_images, new_height, new_width)
        Of the type of `images`.
    """
    n_images, height, width = images.shape
    padded = np.full((n_images, height + 2, width + 2), fill, images.dtype)
    padded[:, 1:-1, 1:-1] = images
    rows, columns = coordinates
    # What is farther away than the frame is like the frame. A pixel below and one on the right must be left.
    for places, size in ((rows, height), (columns, width)):
        places += 1
        np.clip(places, 0, np.nextafter(np.float32(size + 1), np.float32(0)), out=places)
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


def between(first, second, part):
    """Give first + part (second - first), in the memory of `second`."""
    second -= first
    second *= part
    second += first
    return second
