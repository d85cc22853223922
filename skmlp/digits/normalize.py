"""A picture of one digit, from a camera, a scanner or a drawing program, made into what MNIST is made of."""

import math

import numpy as np
from scipy import ndimage

from skmlp.digits.picture import as_grey
from skmlp.exceptions import NoDigitError

# MNIST: the ink fits a box of 20 x 20 pixels, and its centre of mass is the centre of 28 x 28 (LeCun et al. 1998).
BOX_SIZE = 20
IMAGE_SIZE = 28
THINNEST_STROKE = 1.7  # pixels in the box; few digits of MNIST have thinner ones
FAINTEST_INK = 0.02  # of the brightness
# Powers of the row and of the column, together at most 2.
SECOND_DEGREE = ([0, 0, 0, 1, 1, 2], [0, 1, 2, 0, 1, 0])


def normalize_digit(picture):
    """Make a picture of one digit what the images of MNIST are [1]_.

    The picture turns grey, the background and its uneven light are taken away, whether the ink is darker or lighter is
    found out, and the ink is cut out, fitted into 20 x 20 pixels with its proportions kept, and put into 28 x 28 so
    that its centre of mass is in the middle.

    Parameters
    ----------
    picture : ndarray, PIL.Image.Image, str or Path
        Of shape (height, width), (height, width, 3) or (height, width, 4), the last of them opacity. Floats are
        brightness in any unit, integers and booleans too. Or an image of Pillow, or the name of a PNG, JPEG, BMP, GIF,
        TIFF, WebP or PPM file. From 8 x 8 to 80 million pixels, most of them background.

    Returns
    -------
    image : ndarray of shape (28, 28)
        uint8: 0 for the background, 255 for ink.

    Raises
    ------
    NoDigitError
        If the picture is blank, or nothing on it stands out from its noise.
    ValueError
        If it is no picture.
    OSError
        If the file cannot be read.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of
       the IEEE 86(11), 1998, section III.A.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import normalize_digit
    >>> paper = np.full((90, 60), 200, dtype=np.uint8)
    >>> paper[20:70, 28:34] = 40  # a one in dark ink
    >>> image = normalize_digit(paper)
    >>> image.shape, image.dtype, int(image.max()), int(image[0, 0])
    ((28, 28), dtype('uint8'), 255, 0)
    """
    ink = find_ink(as_grey(picture))
    fitted = fit_into_box(ink)
    return centred(fitted)


# Ink and background


def find_ink(grey):
    """Give how much ink there is at each pixel, from 0 to 1, or raise NoDigitError."""
    grey = grey / max(float(np.abs(grey).max()), np.finfo(np.float32).tiny)
    contrast = grey - background(grey)
    smooth = ndimage.gaussian_filter(contrast, max(grey.shape) / 250)
    if tail_weight(-smooth) > tail_weight(smooth):
        contrast, smooth = -contrast, -smooth
    full, noise = levels(smooth)
    if full <= 6 * noise:
        raise NoDigitError(
            "There is no digit on the picture: nothing stands out from the background. Give a picture with one digit, "
            "in ink that is clearly darker or lighter than the paper."
        )
    nothing = max(2 * noise, 0.02 * full)
    ink = np.clip((contrast - nothing) / (full - nothing), 0, 1)
    ink *= belongs_to_digit(smooth / full)
    return ink / ink.max()


def background(grey):
    """Fit the brightness of the paper by a surface of second degree, to the half of the pixels that it fits best."""
    powers = [np.linspace(-1, 1, size) ** [[0], [1], [2]] for size in grey.shape]
    # So smooth a surface needs few of the pixels; every tenth, say, might all be on the lines of squared paper.
    rng = np.random.default_rng(0)
    row, column = (rng.integers(size, size=min(grey.size, 4000)) for size in grey.shape)
    terms = powers[0][SECOND_DEGREE[0]][:, row] * powers[1][SECOND_DEGREE[1]][:, column]
    values = grey[row, column].astype(np.float64)
    distance = np.abs(values - np.median(values))
    for _ in range(8):
        paper = distance <= 2.5 * 1.4826 * np.median(distance)
        known = terms[:, paper]
        coefficients = np.linalg.lstsq(known @ known.T, known @ values[paper], rcond=None)[0]
        distance = np.abs(values - coefficients @ terms)
    surface = np.zeros((3, 3))
    surface[SECOND_DEGREE] = coefficients
    return (powers[0].T @ surface @ powers[1]).astype(np.float32)


def tail_weight(contrast):
    """Give how far the positive numbers reach, the far ones counting more."""
    positive = np.maximum(contrast, 0).ravel()
    return float(np.dot(positive * positive, positive))


def levels(contrast):
    """Give the contrast of full ink, and the spread of the contrast where there is none."""
    inked = contrast > max(FAINTEST_INK, otsu_threshold(contrast))
    if inked.all() or not inked.any():
        return 0.0, 0.0
    noise = 1.4826 * float(np.median(np.abs(contrast[~inked])))
    # Weighted: the edges of strokes, and ruled lines, are paler than ink.
    return float(np.average(contrast[inked], weights=contrast[inked] ** 4)), noise


def otsu_threshold(values, n_bins=256):
    """Give the threshold that parts numbers into two groups with the least variance within them [1]_.

    References
    ----------
    .. [1] Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and
       Cybernetics 9(1), 1979.
    """
    counts, edges = np.histogram(values, n_bins)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    sums = np.cumsum(counts * centres)
    above = values.size - below
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    between = np.nan_to_num(below * above * distance**2)
    return float(edges[1:-1][between.argmax()])


def belongs_to_digit(strength):
    """Tell which pixels are of the digit or next to it."""
    digit, crosses = blots_of_digit(strength, 0.2)
    if crosses:  # perhaps by the ruling of the paper, which is paler than ink
        darker, crosses = blots_of_digit(strength, 0.5)
        digit = digit if crosses else darker
    return ndimage.binary_dilation(digit, iterations=2)


def blots_of_digit(strength, level):
    """Find the largest blot and others that are not small beside it; tell whether they reach two sides.

    What reaches two sides of the picture is rather the ruling of the paper or the table that it lies on.
    """
    labels, n_blots = ndimage.label(strength > level, structure=np.ones((3, 3)))
    areas = np.bincount(labels[strength > 0.5], minlength=n_blots + 1)
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    reached = sum(np.bincount(np.unique(side), minlength=n_blots + 1) for side in sides)
    crosses = reached >= 2
    areas[0] = 0
    largest = np.argmax(np.where(crosses, 0.01, 1) * areas)
    kept = (areas >= 0.08 * areas[largest]) & (crosses <= crosses[largest])
    kept[0] = False
    return kept[labels], crosses[largest]


# The form of MNIST


def fit_into_box(ink):
    """Cut the ink out and scale its longer side to 20 pixels."""
    from PIL import Image

    ink = cut_out(ink)
    if max(ink.shape) == BOX_SIZE:  # an image of MNIST stays what it is
        return ink
    ink = np.pad(thickened(ink), 1 + max(ink.shape) // BOX_SIZE)
    starts, ends = np.transpose([extent(ink.max(axis=axis)) for axis in (1, 0)])
    scale = max(ends - starts) / BOX_SIZE
    size = np.maximum(1, np.rint((ends - starts) / scale))
    middle = (starts + ends) / 2
    top, left = middle - size * scale / 2
    bottom, right = middle + size * scale / 2
    height, width = size.astype(int).tolist()
    box = (left, top, right, bottom)
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.HAMMING, box))


def cut_out(ink):
    """Cut off the rows and columns around the ink that hold none of it."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.05) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def extent(profile):
    """Give where the most ink of each row, or column, first and last crosses 0.45, in fractions of a pixel."""
    inked = np.flatnonzero(profile > 0.45)
    first, last = inked[0], inked[-1]
    start = np.interp(0.45, profile[[first - 1, first]], [first - 0.5, first + 0.5])
    end = np.interp(0.45, profile[[last + 1, last]], [last + 1.5, last + 0.5])
    return start, end


def thickened(ink):
    """Widen the strokes if they are thinner, as a pen's may be, than those of MNIST."""
    inked = np.pad(ink > 0.5, 1)
    outline = inked & ~ndimage.binary_erosion(inked)
    width = 2 * inked.sum() / outline.sum()
    radius = (THINNEST_STROKE / BOX_SIZE * max(ink.shape) - width) / 2
    if radius <= 0:
        return ink
    ink = np.pad(ink, math.ceil(radius))
    distance = ndimage.distance_transform_edt(ink <= 0.5).astype(np.float32)
    return np.maximum(ink, np.clip(radius + 0.5 - distance, 0, 1))


def centred(fitted):
    """Put ink of at most 20 x 20 pixels into 28 x 28, its centre of mass in the middle."""
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    corner = []
    for size, centre in zip(fitted.shape, ndimage.center_of_mass(fitted), strict=True):
        start = round(IMAGE_SIZE / 2 - centre)
        corner.append(min(max(start, 0), IMAGE_SIZE - size))
    top, left = corner
    image[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return np.rint(image * (255 / image.max())).astype(np.uint8)
