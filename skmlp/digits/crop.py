"""Contrast of ink in a picture without a margin, such as a digit cropped to its ink."""

import numpy as np
from scipy import ndimage

from skmlp.digits.contrast import (
    EIGHT_NEIGHBORS,
    MIN_CONTRAST,
    Contrast,
    estimate_ink_contrast,
    estimate_std,
    get_border,
    otsu_threshold,
    smooth,
)
from skmlp.digits.page import fit_background

# In parentheses: quantiles of the digits of MNIST, cropped to their ink.
# Correlation of neighboring pixels; 0 for independent noise (1 %: 0.5, with much noise)
MIN_NEIGHBOR_CORRELATION = 0.33
# Fraction of the variance that Otsu's threshold explains; 0.75 for a linear gradient (1 %: 0.86)
MIN_EXPLAINED_VARIANCE = 0.76
MAX_DISSIMILARITY = 1.0  # from a digit (99 %: 0.66)
MAX_STROKE_WIDTH = 0.7  # relative to the longer side (99 %: 0.35)
# Blurred strokes, as of a small image that was enlarged, explain less of the variance. They must resemble a digit more
# clearly. In parentheses: quantiles of scikit-learn's digits, cropped to their ink, enlarged by Lanczos interpolation.
MIN_EXPLAINED_VARIANCE_BLURRED = 0.68  # (1 %: 0.69)
MIN_DISSIMILARITY_RATIO_BLURRED = 1.7  # of the other level to the ink (5 %: 1.8)
MAX_STROKE_WIDTH_BLURRED = 0.45
MIN_BACKGROUND_FRACTION = 0.15  # of the pixels, to fit a surface to them
# By how much the fitted surface may exceed the brightness of the background, as a fraction of the range of the latter
MAX_EXTRAPOLATION = 0.5
NOISE_DISTANCE = 0.03  # of pixels with independent noise, relative to the longer side
UPSAMPLED_SIZE = 60  # pixels along the longer side, to measure strokes


def compute_crop_contrast(gray):
    """Compute the contrast in a picture with two levels of brightness, or return None if neither has strokes.

    Without a margin, the background cannot be identified by its position. The level whose shapes are more similar to a
    digit is the ink.
    """
    if compute_neighbor_correlation(gray) < MIN_NEIGHBOR_CORRELATION:
        return None
    smoothed = smooth(gray)
    threshold = otsu_threshold(smoothed)
    explained_variance = compute_explained_variance(smoothed, threshold)
    if explained_variance < MIN_EXPLAINED_VARIANCE_BLURRED:
        return None
    light = upsample(smooth(gray, 0.01)) > threshold
    if light.all() or not light.any():
        return None
    dissimilarities = measure_dissimilarity(light), measure_dissimilarity(~light)
    is_light_ink = dissimilarities[0] < dissimilarities[1]
    is_blurred = explained_variance < MIN_EXPLAINED_VARIANCE
    if not are_strokes(light if is_light_ink else ~light, dissimilarities, is_blurred):
        return None
    sign = 1 if is_light_ink else -1
    ink_mask = smoothed > threshold if is_light_ink else smoothed <= threshold
    background, noise = estimate_background(sign * gray, ~ink_mask)
    contrast, smoothed = sign * gray - background, sign * smoothed - background
    ink = estimate_ink_contrast(smoothed, ink_mask)
    return Contrast(contrast, smoothed, ink, noise) if ink > MIN_CONTRAST else None


def are_strokes(mask, dissimilarities, is_blurred):
    """Return whether the shapes of a mask are similar to a digit.

    Parameters
    ----------
    mask : ndarray of bool of shape (height, width)
        The brightness level that is more similar to a digit.
    dissimilarities : tuple of float
        Dissimilarity of both levels from a digit, in any order.
    is_blurred : bool
        Whether there is much brightness between the two levels.
    """
    best, other = sorted(dissimilarities)
    if best > MAX_DISSIMILARITY or (is_blurred and other < MIN_DISSIMILARITY_RATIO_BLURRED * best):
        return False
    max_width = MAX_STROKE_WIDTH_BLURRED if is_blurred else MAX_STROKE_WIDTH
    return measure_stroke_width(mask) <= max_width * max(mask.shape)


def estimate_background(brightness, mask):
    """Estimate the brightness of the background, as a number or a surface, and its noise, from the pixels of a mask."""
    interior = ndimage.binary_erosion(mask, border_value=1)
    if interior.any():
        mask = interior
    values = brightness[mask]
    noise = estimate_noise(brightness, mask)
    level = np.median(values)
    deviation = estimate_std(values - level)
    if mask.mean() >= MIN_BACKGROUND_FRACTION and deviation > 0:
        surface = fit_background(brightness, mask)
        surface_deviation = estimate_std(values - surface[mask])
        is_light_uneven = surface_deviation < 0.5 * deviation
        # A surface that fits the background in a few corners can be anything where the ink is.
        margin = MAX_EXTRAPOLATION * np.ptp(values)
        is_plausible = (
            np.min(values) - margin <= surface.min() <= surface.max() <= np.max(values) + margin
        )
        if is_light_uneven and is_plausible:
            return surface, min(noise, surface_deviation)
    return level, min(noise, deviation)


def estimate_noise(brightness, mask):
    """Estimate the standard deviation of noise from the differences of near pixels in a mask.

    Pale or blurred strokes in the mask change it little. Neighbors are not compared, because their noise is similar in
    blurred or compressed pictures.
    """
    distance = max(1, round(NOISE_DISTANCE * max(mask.shape)))
    differences = [
        (values[distance:] - values[:-distance])[inside[distance:] & inside[:-distance]]
        for values, inside in ((brightness, mask), (brightness.T, mask.T))
    ]
    differences = np.concatenate(differences)
    return estimate_std(differences) / np.sqrt(2) if differences.size else 0.0


def compute_neighbor_correlation(gray):
    """Return the correlation of vertical or horizontal neighbors, whichever is higher."""
    pairs = ((gray[1:], gray[:-1]), (gray[:, 1:], gray[:, :-1]))
    return max(compute_correlation(first, second) for first, second in pairs)


def compute_correlation(first, second):
    """Return the correlation of two arrays, or 0 if one of them is constant or empty."""
    if first.size == 0:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt(np.sum(first * first) * np.sum(second * second))
    return float(np.sum(first * second) / norm) if norm > 0 else 0.0


def compute_explained_variance(values, threshold):
    """Return the fraction of the variance that is between the groups below and above a threshold."""
    above = values > threshold
    fraction = above.mean()
    if not 0 < fraction < 1:
        return 0.0
    difference = values[above].mean() - values[~above].mean()
    return float(fraction * (1 - fraction) * difference**2 / values.var())


def upsample(gray):
    """Upsample a small picture by linear interpolation, so that its strokes are several pixels wide."""
    factor = round(UPSAMPLED_SIZE / max(gray.shape))
    if factor <= 1:
        return gray
    return ndimage.zoom(gray, factor, order=1, mode="nearest", grid_mode=True)


def measure_dissimilarity(mask):
    """Measure how dissimilar a mask is to a digit that fills the picture; a typical digit has about 0.25.

    Most of the ink of a digit is connected, its strokes have nearly constant width, and it touches the border of the
    picture at few places. The opposite is true for the background between the strokes and in the corners.
    """
    labels, n_components = ndimage.label(mask, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels.ravel(), minlength=n_components + 1)[1:]
    disconnected = 1 - areas.max() / areas.sum()
    # Half the stroke width along the center lines, which are the local maxima of the distance
    distance = ndimage.distance_transform_edt(np.pad(mask, 1))
    half_width = distance[(distance > 0) & (distance == ndimage.maximum_filter(distance, 3))]
    variation = half_width.std() / half_width.mean()
    return disconnected + variation + 0.4 * np.mean(get_border(mask))


def measure_stroke_width(mask):
    """Return the maximum stroke width: the diameter of the largest circle inside a mask."""
    return 2 * ndimage.distance_transform_edt(np.pad(mask, 1)).max()
