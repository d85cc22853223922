"""Contrast of ink on its background, and statistics of it."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

MIN_CONTRAST = 0.02  # relative to the largest brightness
EIGHT_NEIGHBORS = np.ones((3, 3), bool)


class Contrast(NamedTuple):
    """Difference between a picture and its background, positive for ink.

    Attributes
    ----------
    values : ndarray of shape (height, width)
        Contrast of each pixel.
    smoothed : ndarray of shape (height, width)
        The same, smoothed to reduce noise.
    ink : float
        Contrast of a pixel that is fully covered by ink.
    noise : float
        Standard deviation in the background.
    """

    values: np.ndarray
    smoothed: np.ndarray
    ink: float
    noise: float

    @property
    def ink_mask(self):
        """Mask of the pixels of which more than half is covered by ink."""
        return self.smoothed > 0.5 * self.ink

    @property
    def is_noisy(self):
        """Whether noise would be visible in the ink."""
        return self.noise > 0.08 * self.ink


def smooth(gray, sigma=0.004):
    """Reduce noise by a Gaussian filter with `sigma` relative to the longer side, less than the width of a stroke."""
    return ndimage.gaussian_filter(gray, sigma * max(gray.shape))


def estimate_ink_contrast(contrast, mask):
    """Estimate the contrast of ink as a mean over a mask, in which pale edges and ruled lines have low weights."""
    return float(np.average(contrast[mask], weights=contrast[mask] ** 4))


def estimate_std(values):
    """Estimate the standard deviation around 0 robustly, by the median of the absolute values."""
    return 1.4826 * float(np.median(np.abs(values)))


def get_border(picture):
    """Return the outermost pixels of a picture."""
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


def sum_positive_cubes(contrast):
    """Return the sum of the cubes of the positive values; cubes give high contrast more weight than large areas."""
    positive = np.maximum(contrast, 0).ravel()
    return float(np.dot(positive * positive, positive))


def otsu_threshold(values, n_bins=256):
    """Compute the threshold that splits values into two groups with minimum variance within the groups [1]_.

    References
    ----------
    .. [1] Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
       Cybernetics 9(1), 1979.
    """
    counts, edges = np.histogram(values, n_bins)
    centers = (edges[:-1] + edges[1:]) / 2
    n_below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * centers)
    n_above = values.size - n_below
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums[:-1] / n_below - (sums[-1] - sums[:-1]) / n_above
    variance_between = np.nan_to_num(n_below * n_above * distance**2)
    return float(edges[1:-1][variance_between.argmax()])


def scale_contrast(values, ink, noise, mask):
    """Scale contrast to 0 for the background and 1 for ink, and remove everything outside of a mask.

    Parameters
    ----------
    values : ndarray of shape (height, width)
        Contrast.
    ink : float
        Contrast of a pixel that is fully covered by ink.
    noise : float
        Standard deviation in the background.
    mask : ndarray of bool of shape (height, width)
        Mask of the digit and the edges of its strokes.

    Returns
    -------
    ink : ndarray of shape (height, width)
        The fraction of each pixel that is covered by ink.
    """
    lower = min(max(2 * noise, 0.02 * ink), 0.33 * ink)
    scaled = np.clip((values - lower) / (ink - lower), 0, 1) * mask
    return scaled / scaled.max()
