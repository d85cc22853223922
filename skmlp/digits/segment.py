"""Find the digits in a picture of a page or a form field, and convert them to the format of MNIST."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import ndimage

from skmlp.digits.components import Box, Part
from skmlp.digits.contrast import Contrast, estimate_ink_contrast, scale_contrast
from skmlp.digits.layout import find_digits
from skmlp.digits.normalize import center_ink, fit_to_box
from skmlp.digits.picture import convert_to_gray, load_pixels
from skmlp.digits.shadows import compute_local_contrast
from skmlp.typing import Source

if TYPE_CHECKING:
    from PIL import Image

# Larger pictures are downsampled so that the longer side has about this many pixels.
PAGE_SIZE = 1400
MARGIN = 2  # pixels around the mask of a digit that belong to the edge of its strokes
# Relative to the height of the digits
MAX_LINE_OFFSET = 0.6  # vertical distance of a digit from its line
MIN_NEIGHBOR_DISTANCE, MAX_NEIGHBOR_DISTANCE = 0.3, 4
MIN_NEIGHBORS = 5  # pairs of digits that determine the slope of the lines
N_NEIGHBORS = 3  # digits at the end of a line that determine its position


class FoundDigit(NamedTuple):
    """A digit that `segment_digits` found in a picture.

    Parameters
    ----------
    image : ndarray of shape (28, 28)
        Normalized image as uint8, as returned by :func:`skmlp.normalize_digit`.
    box : Box
        Position in the picture, in pixels: `left`, `top`, `right` and `bottom`, where `right` and `bottom` are
        exclusive. So ``picture[box.top:box.bottom, box.left:box.right]`` shows the digit.
    line : int
        Number of the line of digits, from 0 at the top.
    """

    image: np.ndarray
    box: Box
    line: int


def segment_digits(picture: "np.ndarray | Image.Image | Source") -> list[FoundDigit]:
    """Find all digits in a picture, and convert them to the format of the images of MNIST.

    The picture shows digits on a page, such as a sheet of paper, a board or a form, with a margin around the digits. It
    may have shadows, ruled or squared paper, printed frames, and blots that are smaller than the digits. The digits
    must have similar heights of at least 12 pixels. Strokes that are interrupted are joined, and digits that touch each
    other are split where their strokes meet. Letters and other signs are not distinguished from digits.

    Parameters
    ----------
    picture : ndarray, PIL.Image.Image, str, path-like, bytes-like or binary stream
        As for :func:`skmlp.normalize_digit`. Pictures of more than 2,100 pixels along the longer side are downsampled
        to about 1,400.

    Returns
    -------
    digits : list of FoundDigit
        Digits in reading order: lines from top to bottom, and from left to right in a line. Lines may be slanted. The
        list is empty if no digits were found.

    Raises
    ------
    NoDigitError
        If all pixels of the picture are transparent.
    ValueError
        If `picture` has an unsupported shape, size, dtype or file format, or is damaged.
    TypeError
        If `picture` has an unsupported type.
    OSError
        If the file cannot be read.

    See Also
    --------
    normalize_digit : Convert a picture of one digit, which may be cropped to the digit.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import segment_digits
    >>> page = np.full((100, 160), 200, dtype=np.uint8)
    >>> page[20:80, 100:107] = 40  # a 1 in dark ink
    >>> page[30:80, 30:70] = 40  # a 0
    >>> page[37:73, 37:63] = 200
    >>> for digit in segment_digits(page):
    ...     print(digit.box, digit.line, digit.image.shape)
    Box(left=30, top=30, right=70, bottom=80) 0 (28, 28)
    Box(left=100, top=20, right=107, bottom=80) 0 (28, 28)
    """
    gray, factor = convert_to_gray(load_pixels(picture), PAGE_SIZE)
    contrast = compute_local_contrast(gray)
    if contrast is None:
        return []
    digits = find_digits(contrast)
    lines = sort_in_reading_order([digit.box for digit in digits])
    return [
        FoundDigit(
            image=normalize_part(contrast, digits[index]),
            box=Box(*(factor * position for position in digits[index].box)),
            line=number,
        )
        for number, line in enumerate(lines)
        for index in line
    ]


def normalize_part(contrast: Contrast, digit: Part):
    """Convert a digit on a page to the format of MNIST.

    The contrast of its ink is that of the digit, because a page may have digits by several pens.
    """
    ink = estimate_ink_contrast(contrast.smoothed[digit.box.slices], digit.mask)
    values = contrast.smoothed if contrast.is_noisy else contrast.values
    window = np.pad(values, MARGIN)[
        digit.box.top : digit.box.bottom + 2 * MARGIN, digit.box.left : digit.box.right + 2 * MARGIN
    ]
    mask = ndimage.binary_dilation(np.pad(digit.mask, MARGIN), iterations=MARGIN)
    return center_ink(fit_to_box(scale_contrast(window, ink, contrast.noise, mask)))


def sort_in_reading_order(boxes: list[Box]):
    """Sort digits into lines.

    Parameters
    ----------
    boxes : list of Box

    Returns
    -------
    lines : list of list of int
        Indices of the digits in each line.
    """
    if not boxes:
        return []
    left, top, right, bottom = np.array(boxes).T
    x, y = (left + right) / 2, (top + bottom) / 2
    height = float(np.median(bottom - top))
    y = y - estimate_slope(x, y, height) * x
    lines: list[list[int]] = []
    for index in np.argsort(x, kind="stable").tolist():
        offsets = [abs(y[index] - np.mean(y[line[-N_NEIGHBORS:]])) for line in lines]
        if offsets and min(offsets) < MAX_LINE_OFFSET * height:
            lines[int(np.argmin(offsets))].append(index)
        else:
            lines.append([index])
    return sorted(lines, key=lambda line: np.mean(y[line]))


def estimate_slope(x, y, height):
    """Estimate the slope of the lines: the median of the slopes between a digit and the next one to its right."""
    slopes = []
    for i in range(len(x)):
        dx, dy = x - x[i], y - y[i]
        is_near = (dx > MIN_NEIGHBOR_DISTANCE * height) & (dx < MAX_NEIGHBOR_DISTANCE * height)
        neighbors = np.flatnonzero(is_near & (np.abs(dy) < MAX_LINE_OFFSET * height))
        if len(neighbors):
            nearest = neighbors[np.argmin(dx[neighbors])]
            slopes.append(dy[nearest] / dx[nearest])
    return float(np.median(slopes)) if len(slopes) >= MIN_NEIGHBORS else 0.0
