"""Connected components of the ink on a page, and which of them may be digits."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from skmlp.digits.contrast import EIGHT_NEIGHBORS, Contrast
from skmlp.digits.lines import find_frames, find_rulings

MIN_STRENGTH = 0.4  # contrast relative to that of ink
MIN_SIGMAS = 3.5  # contrast relative to the standard deviation of the noise
PALE = 0.5  # lines are found at this fraction of the minimum contrast
MIN_PIXELS = 8  # height of a digit
# Relative to the typical height of the digits
MIN_PART_SIZE, MIN_HEIGHT, MAX_HEIGHT = 0.1, 0.55, 2.2
MAX_THICKNESS = 0.6
MAX_ASPECT_RATIO = 2  # width of a digit relative to its height
LINE_ASPECT_RATIO = 3  # of the remains of a line
NARROW = 6  # height relative to the width of the sides of frames, and of some ones
COMPACT = 2  # length of a blot relative to its thickness
# A frame contains a component of this height relative to its own, or several of the other height.
MIN_CONTENT_HEIGHT, MIN_SMALL_CONTENT_HEIGHT, MIN_SMALL_CONTENTS = 0.5, 0.1, 3


class Box(NamedTuple):
    """Rectangle of pixels.

    Attributes
    ----------
    left, top : int
        First column and row.
    right, bottom : int
        Column and row after the last ones.
    """

    left: int
    top: int
    right: int
    bottom: int

    @property
    def slices(self):
        """Slices of the rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def unite(self, other):
        """Return the smallest box that contains both boxes."""
        return Box(*map(min, self[:2], other[:2]), *map(max, self[2:], other[2:]))


class Part(NamedTuple):
    """A digit or a part of it.

    Attributes
    ----------
    box : Box
    mask : ndarray of bool of shape (height, width)
        Pixels of ink within the box.
    """

    box: Box
    mask: np.ndarray

    @property
    def height(self):
        """Height of the box."""
        return self.mask.shape[0]

    @property
    def width(self):
        """Width of the box."""
        return self.mask.shape[1]

    @property
    def area(self):
        """Number of pixels of ink."""
        return np.count_nonzero(self.mask)

    def place(self, box):
        """Return the mask in a larger box."""
        placed = np.zeros((box.bottom - box.top, box.right - box.left), bool)
        row, column = self.box.top - box.top, self.box.left - box.left
        placed[row : row + self.height, column : column + self.width] = self.mask
        return placed


class Parts(NamedTuple):
    """Components of a page that may be digits or parts of them, and the lines between them.

    Attributes
    ----------
    parts : list of Part
    lines : ndarray of bool of shape (height, width)
        Ruled lines and printed frames.
    """

    parts: list[Part]
    lines: np.ndarray


def find_parts(contrast: Contrast) -> Parts:
    """Find the connected components of ink that may be digits or parts of digits.

    Parameters
    ----------
    contrast : Contrast

    Returns
    -------
    parts : Parts
    """
    strength = contrast.smoothed / contrast.ink
    threshold = max(MIN_STRENGTH, MIN_SIGMAS * contrast.noise / contrast.ink)
    mask, pale_mask = strength > threshold, strength > PALE * threshold
    lines = find_rulings(pale_mask)
    lines |= find_frames(pale_mask, estimate_height(list_components(mask & ~lines)))
    components = list_components(mask & ~lines)
    height = estimate_height(components)
    near_lines = ndimage.binary_dilation(lines, iterations=3)
    parts = [
        part
        for part, is_frame in zip(components, find_frame_components(components), strict=True)
        if not is_frame
        and MIN_PART_SIZE * height <= max(part.mask.shape)
        and part.height <= MAX_HEIGHT * height
        and count_sides(part.box, mask.shape) < 2
        and not is_rest_of_line(part, near_lines, height)
    ]
    return Parts(parts, lines)


def list_components(mask):
    """Return the connected components of a mask, as a list of `Part`."""
    labels, _ = ndimage.label(mask, structure=EIGHT_NEIGHBORS)
    return [
        Part(
            Box(columns.start, rows.start, columns.stop, rows.stop), labels[rows, columns] == label
        )
        for label, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1)
    ]


def estimate_height(parts):
    """Return the typical height of the parts that may be digits: the median, weighted by the square of the height."""
    height, width = np.array([part.mask.shape for part in parts]).reshape(-1, 2).T
    is_candidate = (
        (height >= MIN_PIXELS) & (width < NARROW * height) & ~find_frame_components(parts)
    )
    # Sides of frames are narrow. So are some ones, but there are usually other digits.
    is_wide = is_candidate & (height < NARROW * width)
    heights = np.sort(height[is_wide if is_wide.any() else is_candidate])
    if len(heights) == 0:
        return float(MIN_PIXELS)
    weights = np.cumsum(heights.astype(float) ** 2)
    return float(heights[np.searchsorted(weights, weights[-1] / 2)])


def find_frame_components(parts):
    """Return which components are printed frames, because their boxes contain other components of considerable size."""
    left, top, right, bottom = np.array([part.box for part in parts]).reshape(-1, 4).T
    height = bottom - top
    is_frame = np.zeros(len(parts), bool)
    for i in np.flatnonzero(height > MIN_PIXELS):
        is_inside = (left > left[i]) & (right < right[i]) & (top > top[i]) & (bottom < bottom[i])
        content_heights = height[is_inside]
        is_small = content_heights >= max(MIN_PIXELS, MIN_SMALL_CONTENT_HEIGHT * height[i])
        is_frame[i] = (
            np.any(content_heights > MIN_CONTENT_HEIGHT * height[i])
            or np.count_nonzero(is_small) >= MIN_SMALL_CONTENTS
        )
    return is_frame


def count_sides(box, shape):
    """Return how many sides of the picture a box touches."""
    return (box.left == 0) + (box.top == 0) + (box.bottom == shape[0]) + (box.right == shape[1])


def is_rest_of_line(part, near_lines, height):
    """Return whether a part is the rest of a line: flat, or short and narrow, and next to the line."""
    is_flat = part.width > LINE_ASPECT_RATIO * part.height
    is_narrow = part.height > LINE_ASPECT_RATIO * part.width and part.height < MIN_HEIGHT * height
    return (is_flat or is_narrow) and bool(near_lines[part.box.slices][part.mask].any())


def is_digit(part, height):
    """Return whether a part has the size of a digit, of which `height` is the typical height."""
    return (
        part.height >= max(MIN_PIXELS, MIN_HEIGHT * height)
        and part.width <= MAX_ASPECT_RATIO * part.height
        and measure_thickness(part) < MAX_THICKNESS * height
    )


def is_compact(part):
    """Return whether a part is about as thick as it is long, as a blot is."""
    return max(part.mask.shape) < COMPACT * measure_thickness(part)


def measure_thickness(part):
    """Return the maximum stroke width: the diameter of the largest circle inside the mask."""
    return 2 * ndimage.distance_transform_edt(np.pad(part.mask, 1)).max()


def measure_mean_stroke_width(part):
    """Estimate the mean stroke width from the area and the length of the outline."""
    mask = np.pad(part.mask, 1)
    outline = mask & ~ndimage.binary_erosion(mask)
    return 2 * np.count_nonzero(mask) / np.count_nonzero(outline)
