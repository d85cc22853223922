"""Convert a picture of one digit, from a camera, a scanner or a drawing program, to the form of MNIST."""

import math

import numpy as np
from scipy import ndimage

from skmlp.digits.ink import find_ink
from skmlp.digits.picture import to_gray

# MNIST: the ink fits a box of 20 x 20 pixels, and its center of mass is the center of 28 x 28 (LeCun et al. 1998).
BOX_SIZE = 20
IMAGE_SIZE = 28
THINNEST_STROKE = 1.7  # pixels in the box; few digits of MNIST have thinner strokes


def normalize_digit(picture):
    """Convert a picture of one digit to the form of MNIST's images [1]_.

    The picture is converted to gray, and the background and its uneven light are removed. Whether the ink is darker or
    lighter than the background is detected. The ink is cropped, scaled to 20 x 20 pixels with its proportions kept, and
    placed in 28 x 28 pixels so that its center of mass is in the middle.

    The digit may be anywhere on a larger page, or cropped to its ink with no margin. Without a margin the light must
    be even, and the ink is what looks like the strokes of a digit: connected and of even width.

    Parameters
    ----------
    picture : ndarray, PIL.Image.Image, str, path-like, bytes-like or binary stream
        An array of shape (height, width), (height, width, 3) or (height, width, 4), where the last channel is opacity,
        of floats, integers or booleans: brightness in any unit. Or an image of Pillow. Or a PNG, JPEG, BMP, GIF, TIFF,
        WebP or PPM file: its path, its contents, or a stream. The height must be at least 8 pixels, the width 2, the
        longer side at most 30 times the shorter one; at most 80 million pixels.

    Returns
    -------
    image : ndarray of shape (28, 28)
        uint8: 0 for the background, 255 for ink.

    Raises
    ------
    NoDigitError
        If the picture is blank, or nothing on it stands out from the noise.
    ValueError
        If it is not a picture, or has a size or a file format that is not supported.
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
    >>> paper[20:70, 28:34] = 40  # a 1 in dark ink
    >>> image = normalize_digit(paper)
    >>> image.shape, image.dtype, int(image.max()), int(image[0, 0])
    ((28, 28), dtype('uint8'), 255, 0)
    """
    ink = find_ink(to_gray(picture))
    fitted = fit_into_box(ink)
    return center(fitted)


def fit_into_box(ink):
    """Crop the ink and scale its longer side to 20 pixels."""
    from PIL import Image

    ink = cropped(ink)
    if max(ink.shape) == BOX_SIZE:  # an image of MNIST is not interpolated
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


def cropped(ink):
    """Remove the rows and columns around the ink."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.05) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def extent(profile):
    """Return where the maxima of the rows, or columns, first and last cross 0.45, with subpixel accuracy."""
    inked = np.flatnonzero(profile > 0.45)
    first, last = inked[0], inked[-1]
    start = np.interp(0.45, profile[[first - 1, first]], [first - 0.5, first + 0.5])
    end = np.interp(0.45, profile[[last + 1, last]], [last + 1.5, last + 0.5])
    return start, end


def thickened(ink):
    """Widen the strokes if they are thinner than those of MNIST."""
    inked = np.pad(ink > 0.5, 1)
    outline = inked & ~ndimage.binary_erosion(inked)
    width = 2 * inked.sum() / outline.sum()
    radius = (THINNEST_STROKE / BOX_SIZE * max(ink.shape) - width) / 2
    if radius <= 0:
        return ink
    ink = np.pad(ink, math.ceil(radius))
    distance = ndimage.distance_transform_edt(ink <= 0.5).astype(np.float32)
    return np.maximum(ink, np.clip(radius + 0.5 - distance, 0, 1))


def center(fitted):
    """Place ink of at most 20 x 20 pixels in 28 x 28, with its center of mass in the middle."""
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    corner = []
    for size, middle in zip(fitted.shape, ndimage.center_of_mass(fitted), strict=True):
        start = round(IMAGE_SIZE / 2 - middle)
        corner.append(min(max(start, 0), IMAGE_SIZE - size))
    top, left = corner
    image[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
    return np.rint(image * (255 / image.max())).astype(np.uint8)
