"""Contrast of ink on a background with shadows.

The background is a morphological closing of the brightness: each pixel gets the brightness to which the darkest spot
that contains it and is wider than the strokes is filled. A closing removes everything that is narrower than its window,
such as strokes, and preserves the edges of larger areas, such as shadows.
"""

import numpy as np
from scipy import ndimage

from skmlp.digits.contrast import (
    MIN_CONTRAST,
    Contrast,
    estimate_ink_contrast,
    estimate_std,
    otsu_threshold,
    sum_positive_cubes,
)

MIN_WINDOW = 25  # pixels
MAX_WINDOW = 0.3  # relative to the shorter side
# The window is wide enough if one of twice the width increases the area of ink at most by this factor.
MAX_GROWTH = 1.12
MIN_BACKGROUND = 0.1  # relative to the brightest background
COARSE_SIZE, COARSE_WINDOW = 64, 21  # pixels
SMOOTHING = 0.8, 1.5, 2.5  # pixels; the first one at which the ink exceeds the noise
MIN_SIGNAL_TO_NOISE = 9


def compute_local_contrast(gray):
    """Compute the contrast of ink on a background that may have shadows, or return None if there is no clear contrast.

    For dark ink, the contrast is the fraction of the light that the ink absorbs, which does not depend on shadows. For
    light ink, it is the difference of brightness.

    Parameters
    ----------
    gray : ndarray of shape (height, width)
        Brightness in any unit.

    Returns
    -------
    contrast : Contrast or None
    """
    gray = gray - min(0.0, float(gray.min()))
    if not gray.any():
        return None
    gray = gray / float(gray.max())
    is_light = is_ink_light(gray)
    contrast = None
    for sigma in SMOOTHING:
        smoothed = ndimage.gaussian_filter(gray, sigma)
        background = fit_closing(-smoothed if is_light else smoothed)
        contrast = compare_with_background(
            gray, smoothed, -background if is_light else background, is_light
        )
        if contrast is not None and contrast.ink > MIN_SIGNAL_TO_NOISE * contrast.noise:
            break
    return contrast


def is_ink_light(gray):
    """Return whether the ink is lighter than the median of its surroundings, which are mostly background."""
    step = max(1, round(max(gray.shape) / COARSE_SIZE))
    smoothed = ndimage.gaussian_filter(gray, 0.8)
    coarse = smoothed[step // 2 :: step, step // 2 :: step]
    difference = coarse - ndimage.median_filter(coarse, COARSE_WINDOW, mode="nearest")
    return sum_positive_cubes(difference) > sum_positive_cubes(-difference)


def fit_closing(gray):
    """Return the closing of the brightness by the smallest window that is wider than the strokes."""
    window, limit = MIN_WINDOW, max(MIN_WINDOW, MAX_WINDOW * min(gray.shape))
    background, area = close(gray, window)
    while 2 * window <= limit:
        window *= 2
        wider, wider_area = close(gray, window)
        if wider_area <= MAX_GROWTH * area:
            break
        background, area = wider, wider_area
    return background


def close(gray, window):
    """Return the closing by a square window, and the area of what is clearly darker than the closing."""
    closed = ndimage.minimum_filter(ndimage.maximum_filter(gray, window), window)
    contrast = closed - gray
    return closed, np.count_nonzero(contrast > max(MIN_CONTRAST, otsu_threshold(contrast)))


def compare_with_background(gray, smoothed, background, is_light):
    """Return the contrast of ink, relative to the background for dark ink, or None if there is no clear contrast."""
    if is_light:
        values, smoothed = gray - background, smoothed - background
    else:
        background = np.maximum(background, MIN_BACKGROUND * background.max())
        values, smoothed = 1 - gray / background, 1 - smoothed / background
    mask = smoothed > max(MIN_CONTRAST, otsu_threshold(smoothed))
    if mask.all() or not mask.any():
        return None
    # With noise, the closing is brighter than the mean of the background.
    level = float(np.median(smoothed[~mask]))
    values, smoothed = values - level, smoothed - level
    ink, noise = estimate_ink_contrast(smoothed, mask), estimate_std(smoothed[~mask])
    return Contrast(values, smoothed, ink, noise) if ink > max(MIN_CONTRAST, 5 * noise) else None
