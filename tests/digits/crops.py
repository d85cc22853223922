"""Pictures without a margin that are difficult to normalize."""

import numpy as np
from scipy.ndimage import gaussian_filter


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
