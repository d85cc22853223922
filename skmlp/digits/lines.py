"""Remove ruled lines and printed frames from a mask of ink."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import ndimage

SLOPES = np.linspace(-0.06, 0.06, 9)
MIN_RULING = 0.35  # length relative to the side of the picture
MIN_RULING_LENGTH = 20  # pixels
# Lines on paper are narrower than the strokes of a digit that fills the picture.
MAX_RULING_WIDTH = 0.03  # relative to the longer side of the picture
MIN_RULING_WIDTH = 3  # pixels to which the limit above is increased in small pictures
MIN_LINE = 2.2  # length relative to the height of digits
MIN_FRAME_SIDE = 1.12  # length of lines that end at other lines, relative to the height of digits
EXTRA_WIDTH = 2  # pixels by which a line may be wider than usual


class Runs(NamedTuple):
    """Vertical runs of the pixels of a mask.

    Attributes
    ----------
    number : ndarray of int of shape (height, width)
        Number of the run of each pixel, from 1; 0 outside of the mask.
    length : ndarray of int of shape (n_runs + 1,)
        Number of pixels of each run; 0 for pixels outside of the mask.
    """

    number: np.ndarray
    length: np.ndarray


def find_rulings(mask):
    """Find lines that are long relative to the picture.

    Parameters
    ----------
    mask : ndarray of bool of shape (height, width)

    Returns
    -------
    rulings : ndarray of bool of shape (height, width)
        Pixels of lines, except where strokes cross them.
    """
    return find_horizontal_rulings(mask) | find_horizontal_rulings(mask.T).T


def find_horizontal_rulings(mask):
    """Find nearly horizontal lines that are long and end at the border of the picture."""
    lines = find_lines(mask, max(MIN_RULING_LENGTH, round(MIN_RULING * mask.shape[1])))
    max_width = max(MIN_RULING_WIDTH, MAX_RULING_WIDTH * max(mask.shape))
    return widen_lines(mask, select_lines(lines, np.inf, make_border(mask.shape)), max_width)


def find_frames(mask, digit_height):
    """Find lines that are long relative to digits, and the sides of frames around digits.

    Parameters
    ----------
    mask : ndarray of bool of shape (height, width)
    digit_height : float
        Typical height of the digits, in pixels.

    Returns
    -------
    frames : ndarray of bool of shape (height, width)
        Pixels of lines, except where strokes cross them.
    """
    min_length = max(12, round(MIN_FRAME_SIDE * digit_height))
    horizontal, vertical = find_lines(mask, min_length), find_lines(mask.T, min_length)
    selected = [
        select_lines(
            lines,
            MIN_LINE * digit_height,
            ndimage.binary_dilation(others.T, np.ones((5, 5))) | make_border(lines.shape),
        )
        for lines, others in ((horizontal, vertical), (vertical, horizontal))
    ]
    return widen_lines(mask, selected[0]) | widen_lines(mask.T, selected[1]).T


def make_border(shape):
    """Return a mask of the first and last columns."""
    border = np.zeros(shape, bool)
    border[:, :3] = border[:, -3:] = True
    return border


def find_lines(mask, length):
    """Return the pixels of a mask that are on a nearly horizontal line of at least `length` pixels."""
    thick = mask.copy()  # bridges the steps of slanted lines
    thick[1:] |= mask[:-1]
    thick[:-1] |= mask[1:]
    found = np.zeros_like(mask)
    for slope in SLOPES:
        shift = np.rint(slope * (np.arange(mask.shape[1]) - mask.shape[1] / 2)).astype(int)
        sheared = shift_columns(thick, shift)
        row, column = np.nonzero(open_rows(sheared, length))
        found[row + shift[column], column] = True
    return found & mask


def shift_columns(mask, shift):
    """Shift each column of a mask upward by a number of pixels. Neighboring columns often have the same number."""
    height, reach = len(mask), np.abs(shift).max()
    padded = np.pad(mask, ((reach, reach), (0, 0)))
    shifted = np.empty_like(mask)
    limits = [0, *(np.flatnonzero(np.diff(shift)) + 1).tolist(), len(shift)]
    for start, stop in pairwise(limits):
        first = reach + shift[start]
        shifted[:, start:stop] = padded[first : first + height, start:stop]
    return shifted


def open_rows(mask, length):
    """Return the pixels of runs of at least `length` pixels in the rows of a mask."""
    if length > mask.shape[1]:
        return np.zeros_like(mask)
    eroded = combine_windows(np.logical_and, mask, length)
    padded = np.pad(eroded, ((0, 0), (length - 1, length - 1)))
    return combine_windows(np.logical_or, padded, length)


def combine_windows(operation, mask, length):
    """Combine the pixels of each window of `length` pixels in the rows of a mask, in windows of doubled length."""
    combined = 1
    while combined < length:
        step = min(combined, length - combined)
        mask = operation(mask[:, :-step], mask[:, step:])
        combined += step
    return mask


def find_runs(mask):
    """Find the vertical runs of the pixels of a mask."""
    height, width = mask.shape
    columns = np.zeros((width, height + 1), np.int8)  # with a gap after each column
    columns[:, :height] = mask.T
    flat = columns.ravel()
    changes = np.flatnonzero(np.diff(flat, prepend=0))
    starts, ends = changes[::2], changes[1::2]
    marks = np.zeros(flat.size, np.int32)
    marks[starts] = 1
    index = (np.cumsum(marks, dtype=np.int32) * flat).reshape(width, height + 1)[:, :height].T
    return Runs(index, np.concatenate([[0], ends - starts]))


def select_lines(lines, min_length, ends):
    """Select horizontal lines that are long, or of which the left and right end are in the mask `ends`."""
    labels, n_lines = ndimage.label(lines, structure=np.ones((3, 3), bool))
    selected = np.zeros(n_lines + 1, bool)
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        width = columns.stop - columns.start
        if width >= min_length:
            selected[number] = True
            continue
        margin = max(2, width // 12)
        inside = labels[rows, columns] == number
        meets = ends[rows, columns] & inside
        selected[number] = meets[:, :margin].any() and meets[:, -margin:].any()
    return selected[labels]


def widen_lines(mask, lines, max_width=np.inf):
    """Widen horizontal lines to their full width in a mask, except where strokes cross them.

    A vertical run of pixels belongs to a line if it is not longer than is usual for this line. Lines that are wider
    than `max_width` are omitted.
    """
    runs = find_runs(mask)
    labels, _ = ndimage.label(lines, structure=np.ones((3, 3), bool))
    is_line = np.zeros(len(runs.length), bool)
    for number, part in enumerate(ndimage.find_objects(labels), start=1):
        on_line = np.unique(runs.number[part][labels[part] == number])
        lengths = runs.length[on_line]
        if np.median(lengths) <= max_width:
            is_line[on_line[lengths <= np.median(lengths) + EXTRA_WIDTH]] = True
    return is_line[runs.number]
