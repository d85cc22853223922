"""Separate the ink of a digit from the background of a picture.

The contrast is computed in one of two ways. `compute_page_contrast` is for pictures that are mostly background, such as
a photo of a page; it corrects uneven light. `compute_crop_contrast` is for pictures without a margin, such as a digit
cropped to its ink, in which the ink may cover more pixels than the background.
"""

from functools import partial
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from skmlp.exceptions import NoDigitError

MIN_CONTRAST = 0.02  # relative to the largest brightness
# Limits for pictures without a margin. In parentheses: quantiles of the digits of MNIST, cropped to their ink.
# Correlation of neighboring pixels; 0 for independent noise (1 %: 0.5, with much noise)
MIN_NEIGHBOR_CORRELATION = 0.33
# Fraction of the variance that Otsu's threshold explains; 0.75 for a linear gradient (1 %: 0.86)
MIN_EXPLAINED_VARIANCE = 0.76
MAX_DISSIMILARITY = 1.0  # from a digit (99 %: 0.66)
MAX_STROKE_WIDTH = 0.7  # relative to the longer side (99 %: 0.35)
MIN_BACKGROUND_FRACTION = 0.15  # of the pixels, to fit a surface to them
# A sheet of paper on a table is wide, and much wider than the strokes of the digit on it.
MIN_SHEET_WIDTH = 0.3  # relative to the longer side
MIN_SHEET_TO_STROKE_RATIO = 3
MIN_DIGIT_HEIGHT_ON_SHEET = 0.15  # relative to the longer side
MIN_COMPONENT_AREA = 0.08  # relative to the largest connected component
UPSAMPLED_SIZE = 60  # pixels along the longer side, to measure strokes
# Exponents of the row and column in a polynomial of degree 2
QUADRATIC_EXPONENTS = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0])
EIGHT_NEIGHBORS = np.ones((3, 3), bool)
# Steps of the sequence R2 of Martin Roberts, whose points fill a square evenly: 1 / x and 1 / x ** 2 for the plastic
# number x, the solution of x ** 3 = x + 1
R2_STEPS = 0.7548776662466927, 0.5698402909980532


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


def compute_ink(gray):
    """Compute the fraction of each pixel that is covered by ink.

    Parameters
    ----------
    gray : ndarray of shape (height, width)
        Brightness in any unit.

    Returns
    -------
    ink : ndarray of shape (height, width)
        Values from 0 to 1.

    Raises
    ------
    NoDigitError
        If nothing differs clearly from the background.
    """
    gray = gray / max(float(np.abs(gray).max()), np.finfo(np.float32).tiny)
    # The correlation of neighbors among n independent pixels has the standard deviation 1 / sqrt(n).
    is_noise = compute_neighbor_correlation(gray) < min(
        MIN_NEIGHBOR_CORRELATION, 4 / np.sqrt(gray.size)
    )
    page = None if is_noise else compute_page_contrast(gray)
    digit_mask = None if page is None else segment_digit_on_page(page.smoothed / page.ink)
    # Ink at the border of the page suggests a picture without a margin.
    if page is None or get_border(page.ink_mask).any():
        crop = compute_crop_contrast(gray)
        if crop is not None and not is_digit_on_sheet(digit_mask, crop.ink_mask):
            return normalize_contrast(crop, select_large_components(crop.ink_mask))
    if page is not None:
        return normalize_contrast(page, digit_mask)
    raise NoDigitError(
        "picture must show a digit that is clearly darker or lighter than the background, got a picture without one. "
        "Increase the contrast, or crop the picture to the digit."
    )


def normalize_contrast(contrast, digit_mask):
    """Scale the contrast to 0 for the background and 1 for ink, and remove everything outside of the digit."""
    lower = min(max(2 * contrast.noise, 0.02 * contrast.ink), 0.33 * contrast.ink)
    ink = np.clip((contrast.values - lower) / (contrast.ink - lower), 0, 1)
    # The dilated mask includes the anti-aliased edges of the strokes.
    ink *= ndimage.binary_dilation(digit_mask, iterations=2)
    return ink / ink.max()


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


# Pictures that are mostly background


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


def sum_positive_cubes(contrast):
    """Return the sum of the cubes of the positive values; cubes give high contrast more weight than large areas."""
    positive = np.maximum(contrast, 0).ravel()
    return float(np.dot(positive * positive, positive))


def segment_digit_on_page(strength):
    """Return the mask of the digit among everything on a page that is as dark or light as ink.

    Parameters
    ----------
    strength : ndarray of shape (height, width)
        Contrast relative to that of ink.

    Returns
    -------
    mask : ndarray of bool of shape (height, width)
    """
    mask, crosses = segment_digit(strength, 0.2)
    if crosses:
        # Ruled lines may connect the digit to the border. A higher threshold removes them, as they are paler than ink.
        higher_mask, crosses = segment_digit(strength, 0.5)
        mask = mask if crosses else higher_mask
    return mask


def segment_digit(strength, threshold):
    """Return the mask of the connected components that form the digit, and whether the largest one crosses the picture.

    These are the largest connected component and all that are not much smaller. A component crosses the picture if it
    touches at least two sides. Then it is probably a ruled line or the table, and other components are preferred.
    """
    labels, n_components = ndimage.label(strength > threshold, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels[strength > 0.5], minlength=n_components + 1)
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    n_sides = sum(np.bincount(np.unique(side), minlength=n_components + 1) for side in sides)
    crosses = n_sides >= 2
    areas[0] = 0
    largest = np.argmax(np.where(crosses, 0.01, 1) * areas)
    selected = (areas >= MIN_COMPONENT_AREA * areas[largest]) & (crosses <= crosses[largest])
    selected[0] = False
    return selected[labels], crosses[largest]


# Pictures without a margin


def compute_crop_contrast(gray):
    """Compute the contrast in a picture with two levels of brightness, or return None if neither has strokes.

    Without a margin, the background cannot be identified by its position. The level whose shapes are more similar to a
    digit is the ink.
    """
    if compute_neighbor_correlation(gray) < MIN_NEIGHBOR_CORRELATION:
        return None
    smoothed = smooth(gray)
    threshold = otsu_threshold(smoothed)
    if compute_explained_variance(smoothed, threshold) < MIN_EXPLAINED_VARIANCE:
        return None
    light = upsample(smooth(gray, 0.01)) > threshold
    if light.all() or not light.any():
        return None
    dissimilarities = measure_dissimilarity(light), measure_dissimilarity(~light)
    is_light_ink = dissimilarities[0] < dissimilarities[1]
    shapes = light if is_light_ink else ~light
    if min(dissimilarities) > MAX_DISSIMILARITY or measure_stroke_width(
        shapes
    ) > MAX_STROKE_WIDTH * max(shapes.shape):
        return None
    sign = 1 if is_light_ink else -1
    ink_mask = smoothed > threshold if is_light_ink else smoothed <= threshold
    background, noise = estimate_background(sign * gray, ~ink_mask)
    contrast, smoothed = sign * gray - background, sign * smoothed - background
    ink = estimate_ink_contrast(smoothed, ink_mask)
    return Contrast(contrast, smoothed, ink, noise) if ink > MIN_CONTRAST else None


def estimate_background(brightness, mask):
    """Estimate the brightness of the background, as a number or a surface, and its noise, from the pixels of a mask."""
    interior = ndimage.binary_erosion(mask, border_value=1)
    if interior.any():
        mask = interior
    level = np.median(brightness[mask])
    noise = estimate_std(brightness[mask] - level)
    if mask.mean() >= MIN_BACKGROUND_FRACTION and noise > 0:
        surface = fit_background(brightness, mask)
        surface_noise = estimate_std((brightness - surface)[mask])
        if surface_noise < 0.5 * noise:  # uneven light
            return surface, surface_noise
    return level, noise


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


def is_digit_on_sheet(digit_mask, sheet_mask):
    """Return whether a mask is a sheet of paper, with a digit on it that does not touch the border of the picture."""
    if digit_mask is None or get_border(digit_mask).any():
        return False
    longer_side = max(digit_mask.shape)
    digit_height = np.ptp(np.flatnonzero(digit_mask.any(axis=1))) + 1
    if digit_height < MIN_DIGIT_HEIGHT_ON_SHEET * longer_side:
        return False
    min_width = max(
        MIN_SHEET_WIDTH * longer_side, MIN_SHEET_TO_STROKE_RATIO * measure_stroke_width(digit_mask)
    )
    return measure_stroke_width(sheet_mask) >= min_width


def select_large_components(mask):
    """Return the mask of the largest connected component and all that are not much smaller."""
    labels, n_components = ndimage.label(mask, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels.ravel(), minlength=n_components + 1)
    areas[0] = 0
    selected = areas >= MIN_COMPONENT_AREA * areas.max()
    selected[0] = False
    return selected[labels]


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
