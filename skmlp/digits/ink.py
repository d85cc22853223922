"""The ink of a picture: how much of it there is at each pixel.

There are two models of a picture. `contrast_on_page` is for pictures that are mostly background, such as a photo of a
page, and removes uneven light. `contrast_of_crop` is for pictures without a margin, such as a digit cropped to its ink,
in which the ink may cover more pixels than the background.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from skmlp.exceptions import NoDigitError

FAINTEST_INK = 0.02  # of the brightness
# Limits for a picture without a margin. Crops of MNIST's digits stay within the quantiles in parentheses.
# Correlation of neighbors: 0 for independent noise (1 %: 0.5, with much noise)
SMALLEST_CORRELATION = 0.33
# Fraction of the variance that two brightnesses explain: 0.75 for a linear gradient (1 %: 0.86)
SMALLEST_SEPARATION = 0.76
LARGEST_UNLIKENESS = 1.0  # of the shapes of the ink to a digit (99 %: 0.66)
WIDEST_STROKE = 0.7  # of the longer side (99 %: 0.35)
SMALLEST_PAPER = 0.15  # of the pixels, to fit a surface to
# A sheet of paper on a table is wide, and much wider than the strokes of the digit on it.
NARROWEST_SHEET = 0.3  # of the longer side
SHEET_TO_STROKE = 3
SMALLEST_DIGIT_ON_SHEET = 0.15  # of the longer side
CROP_SIZE = 60  # pixels; smaller crops are enlarged to find their strokes
# Powers of the row and of the column, together at most 2.
SECOND_DEGREE = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0])
EIGHT_NEIGHBORS = np.ones((3, 3), bool)


class Contrast(NamedTuple):
    """Difference from the background, positive where there is ink.

    Attributes
    ----------
    exact : ndarray of shape (height, width)
        At each pixel.
    smooth : ndarray of shape (height, width)
        The same, with less noise.
    full : float
        Contrast of full ink.
    noise : float
        Standard deviation where there is no ink.
    """

    exact: np.ndarray
    smooth: np.ndarray
    full: float
    noise: float


def find_ink(gray):
    """Compute how much ink there is at each pixel.

    Parameters
    ----------
    gray : ndarray of shape (height, width)
        Brightness in any unit.

    Returns
    -------
    ink : ndarray of shape (height, width)
        From 0 to 1.

    Raises
    ------
    NoDigitError
        If nothing stands out from the background.
    """
    gray = gray / max(float(np.abs(gray).max()), np.finfo(np.float32).tiny)
    # Of n independent pixels, the correlation of neighbors has the standard deviation 1 / sqrt(n).
    is_noise = neighbor_correlation(gray) < min(SMALLEST_CORRELATION, 4 / np.sqrt(gray.size))
    page = None if is_noise else contrast_on_page(gray)
    digit = None if page is None else blots_on_page(page.smooth / page.full)
    if page is None or (border(page.smooth) > 0.5 * page.full).any():  # perhaps without a margin
        crop = contrast_of_crop(gray)
        if crop is not None and not is_on_sheet(digit, crop.smooth > 0.5 * crop.full):
            return amount_of_ink(crop, main_blots(crop.smooth > 0.5 * crop.full))
    if page is not None:
        return amount_of_ink(page, digit)
    raise NoDigitError(
        "There is no digit on the picture: nothing stands out from the background. Pass a picture of one digit, "
        "in ink that is clearly darker or lighter than the background."
    )


def amount_of_ink(contrast, digit):
    """Scale contrast to 0 for the background and 1 for full ink, and remove what is not near the digit."""
    lowest = min(max(2 * contrast.noise, 0.02 * contrast.full), 0.33 * contrast.full)
    ink = np.clip((contrast.exact - lowest) / (contrast.full - lowest), 0, 1)
    ink *= ndimage.binary_dilation(digit, iterations=2)
    return ink / ink.max()


def smoothed(gray, sigma=0.004):
    """Reduce noise by a Gaussian whose `sigma` is given as a fraction of the longer side; a stroke is wider."""
    return ndimage.gaussian_filter(gray, sigma * max(gray.shape))


def full_contrast(contrast, inked):
    """Estimate the contrast of full ink; the edges of strokes, and ruled lines, are paler."""
    return float(np.average(contrast[inked], weights=contrast[inked] ** 4))


def spread(values):
    """Estimate the standard deviation around 0 by the median of the absolute values."""
    return 1.4826 * float(np.median(np.abs(values)))


def border(picture):
    """Return the outermost pixels of a picture."""
    return np.concatenate([picture[0], picture[-1], picture[1:-1, 0], picture[1:-1, -1]])


# Pictures that are mostly background


def contrast_on_page(gray):
    """Compute the contrast against paper that covers most of the picture; None if nothing stands out."""
    contrast = gray - background(gray)
    smooth = smoothed(contrast)
    if tail_weight(-smooth) > tail_weight(smooth):
        contrast, smooth = -contrast, -smooth
    inked = smooth > max(FAINTEST_INK, otsu_threshold(smooth))
    if inked.all() or not inked.any():
        return None
    full, noise = full_contrast(smooth, inked), spread(smooth[~inked])
    return Contrast(contrast, smooth, full, noise) if full > 6 * noise else None


def background(gray, paper=None, n_pixels=4000):
    """Fit the brightness of the paper by a surface of second degree.

    Parameters
    ----------
    gray : ndarray of shape (height, width)
    paper : ndarray of bool of shape (height, width), default=None
        Pixels known to be paper; None for the half of the pixels that a surface fits best.
    n_pixels : int, default=4000
        Number of pixels that are used.

    Returns
    -------
    background : ndarray of shape (height, width)
    """
    powers = [np.linspace(-1, 1, size) ** [[0], [1], [2]] for size in gray.shape]
    # So smooth a surface needs few of the pixels; every tenth, say, might all be on the lines of squared paper.
    rng = np.random.default_rng(0)
    if paper is None:
        row, column = (rng.integers(size, size=min(gray.size, n_pixels)) for size in gray.shape)
    else:
        row, column = np.nonzero(paper)
        if len(row) > n_pixels:
            row, column = (
                places[rng.integers(len(row), size=n_pixels)] for places in (row, column)
            )
    terms = powers[0][SECOND_DEGREE[0]][:, row] * powers[1][SECOND_DEGREE[1]][:, column]
    values = gray[row, column].astype(np.float64)
    distance = np.abs(values - np.median(values))
    for _ in range(8):
        fitted = distance <= 2.5 * spread(distance)
        known = terms[:, fitted]
        coefficients = np.linalg.lstsq(known @ known.T, known @ values[fitted], rcond=None)[0]
        distance = np.abs(values - coefficients @ terms)
    surface = np.zeros((3, 3))
    surface[SECOND_DEGREE] = coefficients
    return (powers[0].T @ surface @ powers[1]).astype(np.float32)


def tail_weight(contrast):
    """Return the sum of the cubes of the positive numbers: large contrast counts more than large areas."""
    positive = np.maximum(contrast, 0).ravel()
    return float(np.dot(positive * positive, positive))


def blots_on_page(strength):
    """Return the mask of the digit among everything on a page that has the color of ink."""
    digit, crosses = blots_of_digit(strength, 0.2)
    if crosses:  # perhaps by the ruling of the paper, which is paler than ink
        darker, crosses = blots_of_digit(strength, 0.5)
        digit = digit if crosses else darker
    return digit


def blots_of_digit(strength, level):
    """Return the mask of the largest blot and of those that are not small beside it, and whether they reach two sides.

    What reaches two sides of the picture is more likely the ruling of the paper or the table under it.
    """
    labels, n_blots = ndimage.label(strength > level, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels[strength > 0.5], minlength=n_blots + 1)
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    reached = sum(np.bincount(np.unique(side), minlength=n_blots + 1) for side in sides)
    crosses = reached >= 2
    areas[0] = 0
    largest = np.argmax(np.where(crosses, 0.01, 1) * areas)
    kept = (areas >= 0.08 * areas[largest]) & (crosses <= crosses[largest])
    kept[0] = False
    return kept[labels], crosses[largest]


# Pictures without a margin


def contrast_of_crop(gray):
    """Compute the contrast in a picture of two brightnesses, one of them the ink; None if it shows no strokes.

    The ink is whichever of the two looks more like a digit: without a margin, nothing else shows which one it is.
    """
    if neighbor_correlation(gray) < SMALLEST_CORRELATION:
        return None
    smooth = smoothed(gray)
    threshold = otsu_threshold(smooth)
    if separation(smooth, threshold) < SMALLEST_SEPARATION:
        return None
    shapes = enlarged(smoothed(gray, 0.01)) > threshold
    if shapes.all() or not shapes.any():
        return None
    light, dark = unlikeness(shapes), unlikeness(~shapes)
    ink = shapes if light < dark else ~shapes
    if min(light, dark) > LARGEST_UNLIKENESS or stroke_width(ink) > WIDEST_STROKE * max(ink.shape):
        return None
    sign = 1 if light < dark else -1
    inked = smooth > threshold if light < dark else smooth <= threshold
    paper, noise = level_of_paper(sign * gray, ~inked)
    contrast, smooth = sign * gray - paper, sign * smooth - paper
    full = full_contrast(smooth, inked)
    return Contrast(contrast, smooth, full, noise) if full > FAINTEST_INK else None


def level_of_paper(brightness, paper):
    """Estimate the brightness of the paper, a number or a surface, and its noise from the pixels of a mask."""
    inside = ndimage.binary_erosion(paper, border_value=1)
    if inside.any():
        paper = inside
    level = np.median(brightness[paper])
    noise = spread(brightness[paper] - level)
    if paper.mean() >= SMALLEST_PAPER and noise > 0:
        surface = background(brightness, paper)
        rest = spread((brightness - surface)[paper])
        if rest < 0.5 * noise:  # the light is uneven
            return surface, rest
    return level, noise


def neighbor_correlation(gray):
    """Return the correlation of pixels with the next one below or on the right, the larger of the two."""
    pairs = ((gray[1:], gray[:-1]), (gray[:, 1:], gray[:, :-1]))
    return max(correlation(first, second) for first, second in pairs)


def correlation(first, second):
    """Return the correlation of two arrays, 0 if one of them is constant or empty."""
    if first.size == 0:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    norm = np.sqrt(np.sum(first * first) * np.sum(second * second))
    return float(np.sum(first * second) / norm) if norm > 0 else 0.0


def separation(values, threshold):
    """Return the fraction of the variance that a threshold explains."""
    above = values > threshold
    fraction = above.mean()
    if not 0 < fraction < 1:
        return 0.0
    difference = values[above].mean() - values[~above].mean()
    return float(fraction * (1 - fraction) * difference**2 / values.var())


def enlarged(gray):
    """Interpolate a small picture, so that its strokes have a width of several pixels."""
    factor = round(CROP_SIZE / max(gray.shape))
    if factor <= 1:
        return gray
    return ndimage.zoom(gray, factor, order=1, mode="nearest", grid_mode=True)


def unlikeness(shapes):
    """Measure how unlike a digit that fills its picture the shapes of a mask are: from 0, about 0.25 for a digit.

    The ink of a digit is mostly connected, its strokes have nearly the same width everywhere, and it touches the
    border at a few places only. The background between the strokes and in the corners is the opposite of it.
    """
    labels, n_blots = ndimage.label(shapes, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels.ravel(), minlength=n_blots + 1)[1:]
    disconnected = 1 - areas.max() / areas.sum()
    # Half the width of the strokes, along their center lines
    distance = ndimage.distance_transform_edt(np.pad(shapes, 1))
    half_width = distance[(distance > 0) & (distance == ndimage.maximum_filter(distance, 3))]
    variation = half_width.std() / half_width.mean()
    return disconnected + variation + 0.4 * np.mean(border(shapes))


def stroke_width(shapes):
    """Return the largest width of strokes: the diameter of the largest circle in a mask."""
    return 2 * ndimage.distance_transform_edt(np.pad(shapes, 1)).max()


def is_on_sheet(digit, sheet):
    """Return whether a mask is a sheet of paper, with a digit on it that does not reach the border of the picture."""
    if digit is None or border(digit).any():
        return False
    side = max(digit.shape)
    height = np.ptp(np.flatnonzero(digit.any(axis=1))) + 1
    if height < SMALLEST_DIGIT_ON_SHEET * side:
        return False
    narrowest = max(NARROWEST_SHEET * side, SHEET_TO_STROKE * stroke_width(digit))
    return stroke_width(sheet) >= narrowest


def main_blots(inked):
    """Return the mask of the largest blot and of those that are not small beside it."""
    labels, n_blots = ndimage.label(inked, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels.ravel(), minlength=n_blots + 1)
    areas[0] = 0
    kept = areas >= 0.08 * areas.max()
    kept[0] = False
    return kept[labels]


def otsu_threshold(values, n_bins=256):
    """Compute the threshold that splits numbers into two groups with the least variance within them [1]_.

    References
    ----------
    .. [1] Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
       Cybernetics 9(1), 1979.
    """
    counts, edges = np.histogram(values, n_bins)
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * centers)
    above = values.size - below
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    between = np.nan_to_num(below * above * distance**2)
    return float(edges[1:-1][between.argmax()])
