"""Pictures of low resolution: small ones, and those that were enlarged without interpolation."""

from itertools import islice

import numpy as np

# Pictures of digits of more pixels have a sufficient resolution.
MAX_LOW_RESOLUTION = 64
# Changes of brightness from row to row and from column to column; a drawing of a few rectangles has fewer.
MIN_EDGES = 7
# A picture of fewer pixels than the box of a digit of MNIST is enlarged to at least twice its size.
MIN_SIZE, ENLARGED_SIZE = 20, 40


def merge_equal_pixels(picture):
    """Undo an enlargement without interpolation, which makes a square of equal pixels of each pixel.

    The picture may be cropped anywhere afterwards.

    Parameters
    ----------
    picture : ndarray of shape (height, width, n_channels)

    Returns
    -------
    merged : ndarray of shape (n_rows, n_columns, n_channels)
        One pixel for each square, or `picture` itself if there are no such squares, or more than 64 in a row or column.
    """
    shape = picture.shape[:2]
    edges = [find_edges(picture, axis) for axis in (0, 1)]
    n_edges = [len(positions) for positions in edges]
    if sum(n_edges) < MIN_EDGES or max(n_edges) > MAX_LOW_RESOLUTION:
        return picture
    side = np.gcd.reduce(np.concatenate([np.diff(positions) for positions in edges]))
    if side == 1 or max(shape) > side * MAX_LOW_RESOLUTION:
        return picture
    rows, columns = (find_squares(*each, side) for each in zip(edges, shape, strict=True))
    return picture[np.ix_(rows, columns)]


def find_edges(picture, axis):
    """Return the rows (`axis` 0) or columns (1) that differ from the ones before them, up to the 65th."""
    lines = np.moveaxis(picture, axis, 0)
    edges = (i for i in range(1, len(lines)) if not np.array_equal(lines[i - 1], lines[i]))
    return np.fromiter(islice(edges, MAX_LOW_RESOLUTION + 1), int)


def find_squares(edges, size, side):
    """Return the first row or column of each square of pixels. The first square may be cut off."""
    start = edges[0] % side if edges.size else 0
    first = np.arange(start, size, side)
    return first if start == 0 else np.concatenate([[0], first])


def enlarge_small_picture(gray):
    """Enlarge a small picture by Lanczos interpolation, which preserves the shapes of strokes of one pixel.

    Parameters
    ----------
    gray : ndarray of float32 of shape (height, width)

    Returns
    -------
    enlarged : ndarray of float32
        `gray` itself if a digit of MNIST fits into it.
    """
    from PIL import Image

    height, width = gray.shape
    if max(height, width) >= MIN_SIZE:
        return gray
    factor = -(-ENLARGED_SIZE // max(height, width))
    size = width * factor, height * factor
    return np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.LANCZOS))
