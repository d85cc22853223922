"""Pictures of low resolution: small ones, and those that were enlarged without interpolation."""

from itertools import islice

import numpy as np

# Digits that are drawn with more pixels along a side have a sufficient resolution.
MAX_LOW_RESOLUTION = 64
# Changes of brightness from row to row and from column to column; a drawing of a few rectangles has fewer.
MIN_EDGES = 7
# A picture whose longer side has fewer pixels than the box of a digit of MNIST is enlarged to at least twice this size.
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
        One pixel for each square. `picture` itself if it does not consist of such squares, or if there are more than 64
        from the first to the last one that differs from the background at the border.
    """
    rows = find_edges(picture)
    if len(rows) > MAX_LOW_RESOLUTION:
        return picture
    # Columns differ if they differ in one of the distinct rows.
    columns = find_edges(picture[np.append(0, rows)].swapaxes(0, 1))
    edges = rows, columns
    if len(rows) + len(columns) < MIN_EDGES or len(columns) > MAX_LOW_RESOLUTION:
        return picture
    side = np.gcd.reduce(np.concatenate([np.diff(positions) for positions in edges]))
    extent = max(np.ptp(positions) for positions in edges if positions.size)
    if side == 1 or extent > side * MAX_LOW_RESOLUTION:
        return picture
    starts = map(find_squares, edges, picture.shape, [side, side])
    return picture[np.ix_(*starts)]


def find_edges(lines):
    """Return the indices of the lines of pixels that differ from the ones before them, up to the 65th."""
    edges = (i for i in range(1, len(lines)) if not np.array_equal(lines[i - 1], lines[i]))
    return np.fromiter(islice(edges, MAX_LOW_RESOLUTION + 1), int)


def find_squares(edges, size, side):
    """Return the first row or column of each square of pixels. The first square may be cut off."""
    start = edges[0] % side if edges.size else 0
    first = np.arange(start, size, side)
    return first if start == 0 else np.append(0, first)


def enlarge_small_picture(gray):
    """Enlarge a small picture by Lanczos interpolation, which preserves the shapes of strokes of one pixel.

    Parameters
    ----------
    gray : ndarray of float32 of shape (height, width)

    Returns
    -------
    enlarged : ndarray of float32
        `gray` itself if its longer side has at least 20 pixels.
    """
    from PIL import Image

    height, width = gray.shape
    if max(height, width) >= MIN_SIZE:
        return gray
    factor = -(-ENLARGED_SIZE // max(height, width))
    size = width * factor, height * factor
    return np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.LANCZOS))
