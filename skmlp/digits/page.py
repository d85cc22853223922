"""Contrast of ink in a picture that is mostly background, with smoothly varying light."""

from functools import partial

import numpy as np

from skmlp.digits.contrast import (
    MIN_CONTRAST,
    Contrast,
    estimate_ink_contrast,
    estimate_std,
    otsu_threshold,
    smooth,
    sum_positive_cubes,
)

# Exponents of the row and column in a polynomial of degree 2
QUADRATIC_EXPONENTS = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0])
# Steps of the sequence R2 of Martin Roberts, whose points fill a square evenly: 1 / x and 1 / x ** 2 for the plastic
# number x, the solution of x ** 3 = x + 1
R2_STEPS = 0.7548776662466927, 0.5698402909980532


def compute_page_contrast(gray):
    """Compute the contrast in a picture that is mostly background, or return None if there is no clear contrast."""
    contrast = gray - fit_background(gray)
    smoothed = smooth(contrast)
    if sum_positive_cubes(-smoothed) > sum_positive_cubes(smoothed):  # dark ink
        contrast, smoothed = -contrast, -smoothed
    ink_mask = smoothed > max(MIN_CONTRAST, otsu_threshold(smoothed))
    if ink_mask.all() or not ink_mask.any():
        return None
    ink, noise = estimate_ink_contrast(smoothed, ink_mask), estimate_std(smoothed[~ink_mask])
    return Contrast(contrast, smoothed, ink, noise) if ink > 6 * noise else None


def fit_background(gray, mask=None, n_pixels=4000):
    """Fit a polynomial of degree 2 to the brightness of the background, by robust least squares.

    Parameters
    ----------
    gray : ndarray of shape (height, width)
    mask : ndarray of bool of shape (height, width), default=None
        Pixels that belong to the background. By default, pixels that deviate from the fit are excluded iteratively.
    n_pixels : int, default=4000
        Maximum number of pixels to use.

    Returns
    -------
    background : ndarray of shape (height, width)
    """
    powers = [np.linspace(-1, 1, size) ** [[0], [1], [2]] for size in gray.shape]
    # A sample of the pixels suffices for a smooth surface. It is quasi-random, because a regular grid could coincide
    # with the lines of ruled paper.
    if mask is None:
        n_pixels = min(gray.size, n_pixels)
        row, column = map(partial(spread_indices, n_pixels), gray.shape, R2_STEPS)
    else:
        row, column = np.nonzero(mask)
        if len(row) > n_pixels:
            sample = spread_indices(n_pixels, len(row), R2_STEPS[0])
            row, column = row[sample], column[sample]
    terms = powers[0][QUADRATIC_EXPONENTS[0]][:, row] * powers[1][QUADRATIC_EXPONENTS[1]][:, column]
    values = gray[row, column].astype(np.float64)
    residuals = np.abs(values - np.median(values))
    for _ in range(8):
        inliers = residuals <= 2.5 * estimate_std(residuals)
        inlier_terms = terms[:, inliers]
        coefficients = np.linalg.lstsq(
            inlier_terms @ inlier_terms.T, inlier_terms @ values[inliers], rcond=None
        )[0]
        residuals = np.abs(values - coefficients @ terms)
    surface = np.zeros((3, 3))
    surface[QUADRATIC_EXPONENTS] = coefficients
    return (powers[0].T @ surface @ powers[1]).astype(np.float32)


def spread_indices(n_indices, size, step):
    """Return indices from 0 to `size` - 1 that are spread evenly, but not regularly, by an irrational step."""
    return ((0.5 + step * np.arange(n_indices)) % 1 * size).astype(np.intp)
