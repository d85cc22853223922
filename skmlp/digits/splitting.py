"""Split digits that touch each other."""

from typing import NamedTuple

import numpy as np

from skmlp.digits.components import Box, Part, list_components, measure_mean_stroke_width

# Relative to the typical height of the digits
MIN_SPLIT_WIDTH = 1.0
MIN_SURE_WIDTH = 1.35  # of two digits or more
MIN_HALF_HEIGHT = 0.8
MARGIN, WINDOW, STEP = 0.12, 0.5, 0.1  # of the columns in which a seam is searched
# Cost of a seam relative to the stroke width. A path between two digits crosses little ink; one through a digit crosses
# a stroke, or two on the sides of a loop.
MAX_COST, MAX_SURE_COST = 0.8, 1.5
IMBALANCE_COST = 0.3  # of the logarithm of the ratio of the widths of two digits
SIDEWAYS_COST = 0.02


class Seam(NamedTuple):
    """Path from the top to the bottom of a mask.

    Attributes
    ----------
    columns : ndarray of int of shape (height,)
        First column to the right of the path in each row.
    cost : float
        Number of pixels of ink on the path.
    """

    columns: np.ndarray
    cost: float


class Split(NamedTuple):
    """Two halves of a part, and the cost of the seam between them relative to the stroke width."""

    cost: float
    halves: tuple[Part, Part]


def split_touching(part, height):
    """Split a part that is too wide for one digit where a path from top to bottom crosses little ink.

    Parameters
    ----------
    part : Part
    height : float
        Typical height of the digits, in pixels.

    Returns
    -------
    digits : list of Part
        Digits from left to right, or only the part if it cannot be split safely.
    """
    if part.width < MIN_SPLIT_WIDTH * height:
        return [part]
    splits = find_splits(part, height)
    if not splits:
        return [part]
    best = min(splits, key=lambda split: split.cost)
    return [digit for half in best.halves for digit in split_touching(half, height)]


def find_splits(part, height):
    """Return a list of the plausible ways to split a part."""
    is_sure = part.width > MIN_SURE_WIDTH * height
    max_cost = MAX_SURE_COST if is_sure else MAX_COST
    stroke_width = measure_mean_stroke_width(part)
    margin, window = round(MARGIN * height), max(6, round(WINDOW * height))
    splits = []
    for start in range(margin, part.width - margin - window // 2, max(1, round(STEP * height))):
        seam = find_seam(part.mask, start, min(start + window, part.width - 1))
        cost = seam.cost / stroke_width
        halves = cut(part, seam) if cost <= max_cost else ()
        if halves and all(find_main_height(half) >= MIN_HALF_HEIGHT * height for half in halves):
            if part.width < 2 * MIN_SURE_WIDTH * height:  # probably two digits
                cost += IMBALANCE_COST * abs(np.log(halves[0].width / halves[1].width))
            splits.append(Split(cost, halves))
    return splits


def find_seam(mask, start, end):
    """Find the path through the columns from `start` to `end` - 1 that crosses the least ink.

    Dynamic programming: the cost of the best path to a pixel is the ink in this pixel plus the minimum cost of the best
    paths to the three pixels above it.
    """
    ink = mask[:, start:end].astype(float)
    costs = ink.copy()
    for row in range(1, len(ink)):
        costs[row] += find_predecessors(costs[row - 1]).min(axis=0)
    column = int(costs[-1].argmin())
    columns = np.empty(len(ink), int)
    for row in range(len(ink) - 1, -1, -1):
        columns[row] = start + column
        if row > 0:
            column += int(find_predecessors(costs[row - 1])[:, column].argmin()) - 1
    return Seam(columns, float(costs[-1].min()))


def find_predecessors(costs):
    """Return the costs of the paths from the pixels above and to the left, above, and above and to the right."""
    padded = np.pad(costs, 1, constant_values=np.inf)
    return np.stack([padded[:-2] + SIDEWAYS_COST, costs, padded[2:] + SIDEWAYS_COST])


def cut(part, seam):
    """Return the two parts on the sides of a seam, or an empty tuple if there is no ink on one of the sides."""
    is_left = np.arange(part.width) < seam.columns[:, np.newaxis]
    halves = part.mask & is_left, part.mask & ~is_left
    if not all(half.any() for half in halves):
        return ()
    return tuple(crop(part.box, half) for half in halves)


def crop(box, mask):
    """Return the part of a mask in a box, cropped to its pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    first_row, last_row, first_column, last_column = map(
        int, (rows[0], rows[-1], columns[0], columns[-1])
    )
    cropped = Box(
        box.left + first_column,
        box.top + first_row,
        box.left + last_column + 1,
        box.top + last_row + 1,
    )
    return Part(cropped, mask[first_row : last_row + 1, first_column : last_column + 1])


def find_main_height(part):
    """Return the height of the largest connected component of a part."""
    return max(list_components(part.mask), key=lambda component: component.area).height
