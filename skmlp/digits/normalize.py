"""A picture of one digit, from a camera, a scanner or a drawing program, made into what MNIST is made of."""

import math

import numpy as np
from scipy import ndimage

from skmlp.digits.ink import find_ink
from skmlp.digits.picture import as_grey

# MNIST: the ink fits a box of 20 x 20 pixels, and its centre of mass is the centre of 28 x 28 (LeCun et al. 1998).
BOX_SIZE = 20
IMAGE_SIZE = 28
THINNEST_STROKE = 1.7  # pixels in the box; few digits of MNIST have thinner ones


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
