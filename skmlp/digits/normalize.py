"""Convert a picture of one digit, such as a photo, a scan or a drawing, to the format of MNIST."""

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from skmlp.digits.ink import compute_ink
from skmlp.digits.low_resolution import enlarge_small_picture, merge_equal_pixels
from skmlp.digits.picture import convert_to_gray, load_pixels
from skmlp.digits.strokes import sharpen_edges, thicken_strokes, thin_strokes
from skmlp.typing import Source

if TYPE_CHECKING:
    from PIL import Image

# Images of MNIST: the ink fits into 20 x 20 pixels, and its center of mass is the center of 28 x 28 pixels.
BOX_SIZE = 20
IMAGE_SIZE = 28
STROKE_SCALE = 3  # pixels per pixel of the box in which strokes are thinned
EDGE_LEVEL = 0.45  # ink at the edge of a stroke
# The center of mass of a symmetric digit can be halfway between two pixels, up to rounding errors, which this exceeds.
CENTER_TOLERANCE = 1e-4


def normalize_digit(picture: "np.ndarray | Image.Image | Source") -> np.ndarray:
    """Convert a picture of one digit to the format of the images of MNIST [1]_.

    The picture is converted to gray, and the background is subtracted, with correction of uneven light. Ink that is
    darker or lighter than the background is detected automatically. The ink is cropped, scaled to fit into 20 x 20
    pixels with its aspect ratio preserved, and placed in an image of 28 x 28 pixels with its center of mass in the
    center. Strokes that are thinner, much thicker or more blurred than those of MNIST are adjusted.

    The digit may be anywhere on a larger page, or cropped to its ink without a margin. A picture without a margin must
    be evenly lit. In it, the ink is identified by the shape of strokes: connected and of even width.

    If the picture was enlarged without interpolation, so that it consists of squares of equal pixels, each square is
    replaced by one pixel first, unless the digit has more than about 64 of them along a side. A picture whose longer
    side has fewer than 20 pixels, such as an image of 8 x 8 pixels, is enlarged by Lanczos interpolation.

    Parameters
    ----------
    picture : ndarray, PIL.Image.Image, str, path-like, bytes-like or binary stream
        One of the following:

        - an array of floats, integers or booleans, of shape (height, width) or (height, width, n_channels) with 1, 3 or
          4 channels, with brightness in any unit; a fourth channel is opacity;
        - a Pillow image;
        - a PNG, JPEG, BMP, GIF, TIFF, WebP or PPM file: its path, its contents, or an open binary stream.

        The picture must be at least 8 pixels high and 2 pixels wide, and have at most 80 million pixels. Its longer
        side must be at most 30 times its shorter side.

    Returns
    -------
    image : ndarray of shape (28, 28)
        Pixels as uint8: 0 for the background, 255 for ink.

    Raises
    ------
    NoDigitError
        If the picture is blank, or nothing in it differs clearly from noise.
    ValueError
        If `picture` has an unsupported shape, size, dtype or file format, or is damaged.
    TypeError
        If `picture` has an unsupported type.
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
    >>> page = np.full((90, 60), 200, dtype=np.uint8)
    >>> page[20:70, 28:34] = 40  # a 1 in dark ink
    >>> image = normalize_digit(page)
    >>> image.shape, image.dtype, int(image.max()), int(image[0, 0])
    ((28, 28), dtype('uint8'), 255, 0)
    """
    pixels = merge_equal_pixels(load_pixels(picture))
    gray = enlarge_small_picture(convert_to_gray(pixels).gray)
    return center_ink(fit_to_box(compute_ink(gray)))


def fit_to_box(ink):
    """Crop the picture to its ink, adjust the strokes, and scale the longer side to 20 pixels."""
    ink = crop_to_ink(ink)
    if max(ink.shape) == BOX_SIZE:  # as in the images of MNIST; interpolation would blur the ink
        return ink
    return scale_ink(adjust_strokes(ink), BOX_SIZE)


def adjust_strokes(ink):
    """Thicken thin strokes, or sharpen blurred ones and thin thick ones."""
    thickened = thicken_strokes(ink, max(ink.shape) / BOX_SIZE)
    if thickened is not ink:
        return thickened
    scaled = scale_ink(ink, STROKE_SCALE * BOX_SIZE)
    adjusted = thin_strokes(sharpen_edges(scaled, STROKE_SCALE), STROKE_SCALE)
    return ink if adjusted is scaled else adjusted


def scale_ink(ink, size):
    """Scale ink so that its longer side is `size` pixels long, without a margin."""
    from PIL import Image

    ink = np.pad(ink, 1 + max(ink.shape) // BOX_SIZE)
    starts, ends = np.transpose([find_extent(ink.max(axis=axis)) for axis in (1, 0)])
    scale = max(ends - starts) / size
    shape = np.maximum(1, np.rint((ends - starts) / scale))
    middle = (starts + ends) / 2
    top, left = middle - shape * scale / 2
    bottom, right = middle + shape * scale / 2
    height, width = shape.astype(int).tolist()
    box = (left, top, right, bottom)
    return np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.HAMMING, box))


def crop_to_ink(ink):
    """Remove rows and columns without ink around the digit."""
    rows, columns = (np.flatnonzero(ink.max(axis=axis) > 0.05) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def find_extent(profile):
    """Return where a profile, the maxima of rows or columns, first and last crosses the edge level, interpolated."""
    inside = np.flatnonzero(profile > EDGE_LEVEL)
    first, last = inside[0], inside[-1]
    start = np.interp(EDGE_LEVEL, profile[[first - 1, first]], [first - 0.5, first + 0.5])
    end = np.interp(EDGE_LEVEL, profile[[last + 1, last]], [last + 1.5, last + 0.5])
    return start, end


def center_ink(ink):
    """Place ink of at most 20 x 20 pixels in an image of 28 x 28 pixels, with its center of mass in the center."""
    image = np.zeros((IMAGE_SIZE, IMAGE_SIZE), np.float32)
    corner = []
    for size, middle in zip(ink.shape, ndimage.center_of_mass(ink), strict=True):
        start = round(IMAGE_SIZE / 2 - middle - CENTER_TOLERANCE)
        corner.append(min(max(start, 0), IMAGE_SIZE - size))
    top, left = corner
    image[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return np.rint(image * (255 / image.max())).astype(np.uint8)
