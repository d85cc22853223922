"""Pictures of low resolution: small ones, and those that were enlarged without interpolation."""

from itertools import islice

import numpy as np

# Edges are changes from row to row or from column to column. A drawing of a rectangle has fewer, and digits of more
# pixels have a sufficient resolution.
MIN_PIXEL_EDGES, MAX_PIXEL_EDGES = 7, 64
# Maximum mean distance of edges, relative to the side of a square. In a drawing of rectangles, it is usually larger.
MAX_EDGE_DISTANCE = 2
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
        One pixel for each square. `picture` itself if it does not consist of such squares, or if more than 64 rows or
        columns of them differ from the ones before them.
    """
    rows = find_edges(picture)
    if len(rows) > MAX_PIXEL_EDGES:
        return picture
    # Columns differ if they differ in one of the distinct rows.
    columns = find_edges(picture[np.append(0, rows)].swapaxes(0, 1))
    if len(rows) + len(columns) < MIN_PIXEL_EDGES or len(columns) > MAX_PIXEL_EDGES:
        return picture
    distances = np.concatenate([np.diff(rows), np.diff(columns)])
    side = np.gcd.reduce(distances)
    if side == 1 or distances.mean() > side * MAX_EDGE_DISTANCE:
        return picture
    height, width, _ = picture.shape
    return picture[np.ix_(find_squares(rows, height, side), find_squares(columns, width, side))]


def find_edges(lines):
    """Return the indices of the lines of pixels that differ from the ones before them, up to the 65th."""
    edges = (i for i in range(1, len(lines)) if not np.array_equal(lines[i - 1], lines[i]))
    return np.fromiter(islice(edges, MAX_PIXEL_EDGES + 1), int)


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
