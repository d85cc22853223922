"""Join the parts of digits whose strokes are interrupted, and separate blots from digits."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from skmlp.digits.components import (
    Part,
    find_frame_components,
    is_compact,
    list_components,
    measure_mean_stroke_width,
    measure_thickness,
)
from skmlp.digits.contrast import EIGHT_NEIGHBORS

# Relative to the typical height of the digits
MAX_GAP = 0.3  # to a part above or below, such as the bar of a five
MAX_NEAR_GAP = 0.1  # to a part in any direction
MAX_BLOT_GAP = 0.06  # to a part that could also be a blot or a line below the digit
MAX_JOINED_WIDTH = 1.25
MIN_COMPLETE_HEIGHT = 0.75  # of parts that are digits by themselves
# Area of a blot relative to that of the digit, and its thickness relative to the stroke width
MAX_BLOT_AREA, MIN_BLOT_THICKNESS = 0.12, 1.4
MIN_UNDERLINE_ASPECT_RATIO = 2.2
MIN_OVERLAP = 0.5  # of the columns of stacked parts, relative to the narrower one


class Pair(NamedTuple):
    """Two parts, given by their indices, and the distance between them in pixels."""

    gap: float
    first: int
    second: int


def join_parts(parts, height, max_height):
    """Join the parts of digits, beginning with the nearest ones.

    Parameters
    ----------
    parts : list of Part
    height : float
        Typical height of the digits, in pixels.
    max_height : float
        Maximum height of joined parts, relative to the typical height.

    Returns
    -------
    digits : list of Part
    """
    digits = dict(enumerate(parts))
    digit_of_part = np.arange(len(parts))
    for gap, *pair in sorted(find_near_pairs(parts, height)):
        first, second = digit_of_part[pair].tolist()
        if first == second:
            continue
        joined = join(digits[first], digits[second])
        fits = joined.height <= max_height * height and joined.width <= MAX_JOINED_WIDTH * height
        if fits and belong_together(digits[first], digits[second], gap / height, height):
            digits[first] = joined
            del digits[second]
            digit_of_part[digit_of_part == second] = first
    return list(digits.values())


def find_near_pairs(parts, height):
    """Return a list of the pairs of parts that are near each other."""
    left, top, right, bottom = np.array([part.box for part in parts]).reshape(-1, 4).T
    pairs = []
    for i, part in enumerate(parts):
        columns_between = np.maximum(left, left[i]) - np.minimum(right, right[i])
        rows_between = np.maximum(top, top[i]) - np.minimum(bottom, bottom[i])
        is_near = np.maximum(columns_between, rows_between) <= MAX_GAP * height
        pairs += [
            Pair(measure_gap(part, parts[j]), i, j)
            for j in np.flatnonzero(is_near).tolist()
            if j > i
        ]
    return pairs


def belong_together(first, second, gap, height):
    """Return whether two parts are parts of one digit. The gap is relative to the typical height of digits."""
    smaller, larger = sorted((first, second), key=lambda part: part.area)
    may_be_beside = is_blot(smaller, larger) or is_underline(smaller, larger)
    if gap > (MAX_BLOT_GAP if may_be_beside else MAX_GAP):
        return False
    overlap = min(first.box.right, second.box.right) - max(first.box.left, second.box.left)
    is_stacked = overlap > MIN_OVERLAP * min(first.width, second.width)
    max_complete_height = MIN_COMPLETE_HEIGHT * height
    if gap <= MAX_NEAR_GAP:
        return is_stacked or min(first.height, second.height) < max_complete_height
    return is_stacked and smaller.height < max_complete_height


def is_blot(part, digit):
    """Return whether a part is compact, and smaller or thicker than a part of the digit."""
    return is_compact(part) and (
        part.area < MAX_BLOT_AREA * digit.area
        or measure_thickness(part) > MIN_BLOT_THICKNESS * measure_mean_stroke_width(digit)
    )


def is_underline(part, digit):
    """Return whether a part is wide, and extends below a digit."""
    return (
        part.width > MIN_UNDERLINE_ASPECT_RATIO * part.height and part.box.bottom > digit.box.bottom
    )


def measure_gap(first, second):
    """Return the number of pixels between the nearest pixels of two parts."""
    box = first.box.unite(second.box)
    distance = ndimage.distance_transform_edt(~first.place(box))
    return float(distance[second.place(box)].min()) - 1


def join(first, second):
    """Return the union of two parts."""
    box = first.box.unite(second.box)
    return Part(box, first.place(box) | second.place(box))


def remove_blots(mask):
    """Remove blots, and lines below the digit, from a mask.

    The largest part is the digit. If several parts have the same area, it is the one that begins in the uppermost row,
    and in the leftmost column of this row.

    Parameters
    ----------
    mask : ndarray of bool of shape (height, width)
        Mask of a digit and of what is beside it.

    Returns
    -------
    mask : ndarray of bool of shape (height, width) or None
        None if the mask contains a frame.
    """
    parts = list_components(mask)
    if find_frame_components(parts).any():
        return None
    digit = max(parts, key=lambda part: part.area)
    max_gap = MAX_BLOT_GAP * digit.height
    cleaned, pieces = mask.copy(), np.zeros_like(mask)
    for part in parts:
        if part is digit:
            continue
        if is_underline(part, digit) and measure_gap(part, digit) > max_gap:
            cleaned[part.box.slices] &= ~part.mask
        elif is_compact(part):  # a blot, or a piece of an interrupted stroke
            cleaned[part.box.slices] &= ~part.mask
            pieces[part.box.slices] |= part.mask
    return add_near_pieces(cleaned, pieces, digit.height)


def add_near_pieces(mask, pieces, height):
    """Add the pieces of interrupted strokes that are near a digit to its mask.

    Parameters
    ----------
    mask, pieces : ndarray of bool of shape (height, width)
    height : int
        Height of the digit, in pixels.
    """
    if not pieces.any():
        return mask
    is_near = ndimage.distance_transform_edt(~mask) <= MAX_BLOT_GAP * height + 1
    return mask | ndimage.binary_propagation(is_near & pieces, EIGHT_NEIGHBORS, pieces)
