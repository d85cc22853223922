"""Adjust the strokes of a digit to those of MNIST: their width, and the width of their edges."""

import math

import numpy as np
from scipy import ndimage

# In pixels of an image of MNIST
MIN_MEAN_STROKE_WIDTH = 1.7  # few digits of MNIST have thinner strokes
MAX_MEAN_STROKE_WIDTH = 3.3
MAX_EDGE_WIDTH = 1.7
# Fraction of the excess width that is removed. Thinning interrupts strokes of uneven width.
THINNING = 0.7
MAX_SHARPENING = 4
PIVOT = 0.6  # ink that sharpening does not change; above 0.5 because blur fills the holes of digits


def sharpen_edges(ink, pixel):
    """Make blurred edges of strokes as sharp as those of MNIST.

    Parameters
    ----------
    ink : ndarray of shape (height, width)
        The fraction of each pixel that is covered by ink.
    pixel : float
        Size of a pixel of MNIST, in pixels of `ink`.

    Returns
    -------
    sharpened : ndarray of shape (height, width)
        `ink` itself if its edges are sharp.
    """
    slope = min(measure_edge_width(ink) / (MAX_EDGE_WIDTH * pixel), MAX_SHARPENING)
    if slope <= 1:
        return ink
    return np.clip(PIVOT + slope * (ink - PIVOT), 0, 1)


def thin_strokes(ink, pixel):
    """Thin strokes that are thicker than most of MNIST, by a gray-level erosion.

    The parameters and the result are as in `sharpen_edges`.
    """
    radius = THINNING * (measure_mean_stroke_width(ink > 0.5) - MAX_MEAN_STROKE_WIDTH * pixel) / 2
    if radius <= 0:
        return ink
    smaller, fraction = math.floor(radius), radius % 1
    eroded = (1 - fraction) * erode(ink, smaller) + fraction * erode(ink, smaller + 1)
    return eroded / eroded.max() if eroded.any() else ink


def erode(ink, radius):
    """Return the minimum of the ink in a circle around each pixel. There is no ink outside of the picture."""
    distances = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1])
    return ndimage.minimum_filter(ink, footprint=distances <= radius, mode="constant")


def thicken_strokes(ink, pixel):
    """Thicken strokes that are thinner than those of MNIST.

    The parameters are as in `sharpen_edges`. The result is larger than `ink` if strokes were thickened.
    """
    mask = np.pad(ink > 0.5, 1)
    width = 2 * mask.sum() / find_outline(mask).sum()
    radius = (MIN_MEAN_STROKE_WIDTH * pixel - width) / 2
    if radius <= 0:
        return ink
    ink = np.pad(ink, math.ceil(radius))
    distance = ndimage.distance_transform_edt(ink <= 0.5).astype(np.float32)
    return np.maximum(ink, np.clip(radius + 0.5 - distance, 0, 1))  # with anti-aliased edges


def measure_mean_stroke_width(mask):
    """Return the mean width of strokes: the mean diameter of the circles around their center lines."""
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))
    is_center = (distance > 0) & (distance == ndimage.maximum_filter(distance, 3))
    # The center of a stroke of 3 pixels has the distance 2, and that of a stroke of 4 pixels too.
    return 2 * distance[is_center].mean() - 0.5


def measure_edge_width(ink):
    """Return the mean width of the edges of strokes, on which the ink increases from 0 to 1."""
    # The integral of x * (1 - x) from 0 to 1 is 1 / 6.
    return 6 * float(np.sum(ink * (1 - ink))) / find_outline(np.pad(ink > 0.5, 1)).sum()


def find_outline(mask):
    """Return the pixels of a mask next to pixels outside of it."""
    return mask & ~ndimage.binary_erosion(mask)
