"""Pictures without a margin that are difficult to normalize."""

import numpy as np
from scipy.ndimage import gaussian_filter, zoom
from sklearn.datasets import load_digits


def draw_bar_with_little_background(sigma):
    """Draw a cropped 1 with gray edges, with background in three corners of different brightness."""
    rows, columns = np.mgrid[:100, :25]
    crop = np.ones((100, 25))
    crop[:, :5] = 0.55
    crop[(rows + columns < 9) | (99 - rows + columns < 16)] = 0
    crop[52:76, 20:] = 0
    return gaussian_filter(crop, sigma, mode="nearest")


def draw_bar_with_gray_edges():
    """Draw a cropped 1 whose background becomes brighter toward the ink."""
    crop = np.ones((100, 40))
    crop[:, :5] = np.linspace(0, 0.4, 5)
    crop[:, -5:] = np.linspace(0.4, 0, 5)
    return crop


# Zeros among scikit-learn's digits with a side that is paler than the rest and, cropped, touches the border
ZEROS_WITH_PALE_SIDES = (256, 311, 328, 335, 357, 812, 1229, 1425, 1464, 1697, 1745)


def enlarge_bundled_digit(index, margin=None):
    """Enlarge one of scikit-learn's digits of 8 x 8 pixels, with dark ink, by cubic interpolation.

    It has a margin of so many of its pixels, or is cropped to its ink if `margin` is None.
    """
    ink = load_digits().images[index] / 16
    if margin is None:
        rows, columns = (np.flatnonzero((ink > 0.15).any(axis=axis)) for axis in (1, 0))
        ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    else:
        ink = np.pad(ink, margin)
    return 1 - zoom(ink, 16, order=3, grid_mode=True, mode="nearest").clip(0, 1)


def draw_four(height):
    """Draw an open 4 of rectangles in dark ink, `height` pixels high, on a page of 100 x 100 pixels."""
    page = np.full((100, 100), 220, np.uint8)
    bottom, bar = 10 + height, 10 + height // 2
    page[10 : bar + 4, 20:25] = page[bar : bar + 4, 20:55] = page[10:bottom, 42:47] = 30
    return page
