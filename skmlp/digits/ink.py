"""Separate the ink of a digit from the background of a picture.

The contrast is computed in one of three ways. `compute_page_contrast` is for pictures that are mostly background, such
as a photo of a page; it corrects smoothly varying light. `compute_local_contrast` also corrects the edges of shadows.
`compute_crop_contrast` is for pictures without a margin, such as a digit cropped to its ink, in which the ink may cover
more pixels than the background.
"""

import numpy as np
from scipy import ndimage

from skmlp.digits.components import list_components
from skmlp.digits.contrast import EIGHT_NEIGHBORS, get_border, scale_contrast
from skmlp.digits.crop import (
    MIN_NEIGHBOR_CORRELATION,
    compute_crop_contrast,
    compute_neighbor_correlation,
    measure_dissimilarity,
    measure_stroke_width,
)
from skmlp.digits.joining import add_near_pieces, remove_blots
from skmlp.digits.layout import DigitOnPage, find_largest_digit
from skmlp.digits.page import compute_page_contrast
from skmlp.digits.shadows import compute_local_contrast
from skmlp.exceptions import NoDigitError

# A sheet of paper on a table is wide, and much wider than the strokes of the digit on it.
MIN_SHEET_WIDTH = 0.3  # relative to the longer side
MIN_SHEET_TO_STROKE_RATIO = 3
MIN_DIGIT_HEIGHT_ON_SHEET = 0.15  # relative to the longer side
PALE = 0.2  # contrast of the edge of ink, relative to ink
EDGE_WIDTH = 3  # pixels
MAX_PALE_BORDER = 0.1  # fraction of the border that pale ruled lines may cover, but not a shadow
# Width of the border of a picture without a margin, which may have a small one: in pixels, and relative to the longer
# side, because the strokes of an enlarged digit have blurred edges
BORDER_WIDTH, RELATIVE_BORDER_WIDTH = 6, 0.06
MAX_OTHER_INK = 0.5  # area, relative to that of the digit
MAX_BLOT_SIZE = 0.35  # relative to the height of the digit
MAX_REST_OF_CROP = 0.25  # area of the ink without a digit, relative to the digit
# Ink that reaches only two opposite sides: its dissimilarity from a digit, in the resolution of the picture
# (scikit-learn's digits: at most 0.5), and the width of its strokes, relative to the width of the piece that was found
MAX_DISSIMILARITY_AT_TWO_SIDES = 0.6
MAX_STROKE_TO_PIECE_RATIO = 2
MIN_SIZE_WITH_LINES = 120  # pixels along the longer side
MAX_LINE_WIDTH = 0.05  # of printed lines, relative to the longer side
MIN_TABLE_BORDER = 0.9  # fraction of the border
MIN_PAPER_TO_STROKE_RATIO = 1.5
# Area of a connected component of a digit, and of pieces of interrupted strokes near it, relative to the largest one
MIN_COMPONENT_AREA, MIN_PIECE_AREA = 0.08, 0.01


def compute_ink(gray):
    """Compute the fraction of each pixel that is covered by ink.

    Parameters
    ----------
    gray : ndarray of shape (height, width)
        Brightness in any unit.

    Returns
    -------
    ink : ndarray of shape (height, width)
        Values from 0 to 1.

    Raises
    ------
    NoDigitError
        If nothing differs clearly from the background.
    """
    gray = gray / max(float(np.abs(gray).max()), np.finfo(np.float32).tiny)
    # The correlation of neighbors among n independent pixels has the standard deviation 1 / sqrt(n).
    is_noise = compute_neighbor_correlation(gray) < min(
        MIN_NEIGHBOR_CORRELATION, 4 / np.sqrt(gray.size)
    )
    page = None if is_noise else compute_page_contrast(gray)
    if page is not None and not is_border_dark(page):
        return normalize_contrast(page, segment_digit_on_page(page))
    crop = compute_crop_contrast(gray)
    is_on_table = page is not None and np.mean(get_border(page.ink_mask)) > MIN_TABLE_BORDER
    local = None if is_noise or is_on_table else compute_local_contrast(gray)
    digit = None if local is None else segment_isolated_digit(local)
    if digit is not None and not (crop is not None and is_piece_of_crop(digit, crop.ink_mask)):
        return normalize_contrast(local, digit.mask)
    if crop is not None and not is_wide(crop.ink_mask):
        return normalize_contrast(crop, segment_digit_without_margin(crop))
    digit_mask = None if page is None else segment_digit_on_page(page)
    if crop is not None and not is_digit_on_sheet(digit_mask, crop.ink_mask):
        return normalize_contrast(crop, segment_digit_without_margin(crop))
    if page is not None:
        return normalize_contrast(page, digit_mask)
    raise NoDigitError(
        "picture must show a digit that is clearly darker or lighter than the background, got a picture without one. "
        "Increase the contrast, or crop the picture to the digit."
    )


def is_border_dark(page):
    """Return whether ink at the border suggests ruled paper, a shadow, a table, or a picture without a margin."""
    return (
        get_border(page.ink_mask).any()
        or np.mean(get_border(page.smoothed > PALE * page.ink)) > MAX_PALE_BORDER
    )


def normalize_contrast(contrast, digit_mask):
    """Return the ink of a digit. The dilated mask includes the anti-aliased edges of the strokes."""
    mask = ndimage.binary_dilation(digit_mask, iterations=2)
    return scale_contrast(contrast.values, contrast.ink, contrast.noise, mask)


# Pictures with a margin


def segment_digit_on_page(contrast):
    """Return the mask of the digit among everything on a page that is as dark or light as ink."""
    strength = contrast.smoothed / contrast.ink
    mask, crosses = segment_digit(strength, PALE)
    cleaned = None if crosses or get_border(mask).any() else remove_blots(mask)
    if cleaned is not None:
        return cleaned
    digit = find_largest_digit(contrast)
    if digit is not None:
        return add_pale_edges(digit, contrast)
    if crosses:
        # Ruled lines may connect the digit to the border. A higher threshold removes them, as they are paler than ink.
        higher_mask, crosses = segment_digit(strength, 0.5)
        mask = mask if crosses else higher_mask
    return mask


def add_pale_edges(digit, contrast):
    """Return the mask of a digit with its pale edges, without lines."""
    pale = (contrast.smoothed > PALE * contrast.ink) & ~digit.lines
    return digit.mask | (ndimage.binary_dilation(digit.mask, iterations=EDGE_WIDTH) & pale)


def segment_isolated_digit(contrast):
    """Return a digit within a margin of background, as `DigitOnPage`, or None if there is none.

    Nothing else in the picture may be as dark or light as ink, except lines and blots.
    """
    digit = find_largest_digit(contrast)
    if digit is None or get_border(digit.mask).any():
        return None
    height = measure_height(digit.mask)
    if height < MIN_DIGIT_HEIGHT_ON_SHEET * max(digit.mask.shape):
        return None
    # Between the strokes of a digit without a margin, there is no paper that is wider than they are.
    paper = ~contrast.ink_mask | digit.lines
    if measure_stroke_width(paper) < MIN_PAPER_TO_STROKE_RATIO * measure_stroke_width(digit.mask):
        return None
    mask = add_pale_edges(digit, contrast)
    others = contrast.ink_mask & ~ndimage.binary_dilation(digit.lines | mask, iterations=2)
    large_area = sum(
        part.area
        for part in list_components(others)
        if max(part.mask.shape) > MAX_BLOT_SIZE * height
    )
    is_alone = large_area <= MAX_OTHER_INK * np.count_nonzero(digit.mask)
    return DigitOnPage(mask, digit.lines) if is_alone else None


def is_piece_of_crop(digit, ink_mask):
    """Return whether a digit is only a stroke, or a hole between strokes, of a larger one without a margin.

    Parameters
    ----------
    digit : DigitOnPage
    ink_mask : ndarray of bool of shape (height, width)
        Ink in the picture if it is a digit without a margin.
    """
    if not reaches_border(ink_mask, digit.mask):
        return False
    if has_printed_lines(digit):
        return False
    other_ink = ink_mask & ~digit.mask
    common_area = np.count_nonzero(ink_mask & digit.mask)
    is_piece = (
        common_area < 0.5 * np.count_nonzero(digit.mask)
        or np.count_nonzero(other_ink) > MAX_REST_OF_CROP * common_area
    )
    return is_piece and not is_digit_on_sheet(digit.mask, ink_mask)


def reaches_border(ink_mask, piece_mask):
    """Return whether ink is so near the border that it can be a digit without a margin.

    There is ink at all sides, or a single component at two opposite ones. In the second case, the ink must resemble a
    digit, and its strokes must not be much wider than the piece, as a shadow is.
    """
    if all(has_ink_at_sides(ink_mask)):
        return True
    top, bottom, left, right = has_ink_at_sides(select_largest_component(ink_mask))
    if not ((top and bottom) or (left and right)):
        return False
    max_width = MAX_STROKE_TO_PIECE_RATIO * measure_stroke_width(piece_mask)
    is_digit_like = measure_dissimilarity(ink_mask) <= MAX_DISSIMILARITY_AT_TWO_SIDES
    return is_digit_like and measure_stroke_width(ink_mask) <= max_width


def has_ink_at_sides(ink_mask):
    """Return whether there is ink near the upper, the lower, the left and the right side."""
    width = max(BORDER_WIDTH, round(RELATIVE_BORDER_WIDTH * max(ink_mask.shape)))
    sides = ink_mask[:width], ink_mask[-width:], ink_mask.T[:width], ink_mask.T[-width:]
    return [side.any() for side in sides]


def has_printed_lines(digit):
    """Return whether there are lines around a digit that are thinner than the strokes of a digit without a margin.

    In a small picture, lines cannot be distinguished from strokes.
    """
    longer_side = max(digit.lines.shape)
    if longer_side < MIN_SIZE_WITH_LINES or not digit.lines.any():
        return False
    return measure_stroke_width(digit.lines) <= MAX_LINE_WIDTH * longer_side


def measure_height(mask):
    """Return the number of rows from the first to the last one with pixels of a mask."""
    return np.ptp(np.flatnonzero(mask.any(axis=1))) + 1


def segment_digit(strength, threshold):
    """Return the mask of the connected components that form the digit, and whether the largest one crosses the picture.

    These are the largest connected component and all that are not much smaller. A component crosses the picture if it
    touches at least two sides. Then it is probably a ruled line or the table, and other components are preferred.
    """
    labels, n_components = ndimage.label(strength > threshold, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels[strength > 0.5], minlength=n_components + 1)
    sides = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    n_sides = sum(np.bincount(np.unique(side), minlength=n_components + 1) for side in sides)
    crosses = n_sides >= 2
    areas[0] = 0
    largest = np.argmax(np.where(crosses, 0.01, 1) * areas)
    may_be_selected = crosses <= crosses[largest]
    selected = (areas >= MIN_COMPONENT_AREA * areas[largest]) & may_be_selected
    selected[0] = False
    pieces = (areas >= MIN_PIECE_AREA * areas[largest]) & may_be_selected & ~selected
    mask = selected[labels]
    return add_near_pieces(mask, pieces[labels], measure_height(mask)), crosses[largest]


def is_wide(mask):
    """Return whether a mask is wide enough for a sheet of paper."""
    return measure_stroke_width(mask) >= MIN_SHEET_WIDTH * max(mask.shape)


def is_digit_on_sheet(digit_mask, sheet_mask):
    """Return whether a mask is a sheet of paper, with a digit on it that does not touch the border of the picture."""
    if digit_mask is None or get_border(digit_mask).any():
        return False
    longer_side = max(digit_mask.shape)
    if measure_height(digit_mask) < MIN_DIGIT_HEIGHT_ON_SHEET * longer_side:
        return False
    min_width = max(
        MIN_SHEET_WIDTH * longer_side, MIN_SHEET_TO_STROKE_RATIO * measure_stroke_width(digit_mask)
    )
    return measure_stroke_width(sheet_mask) >= min_width


def segment_digit_without_margin(contrast):
    """Return the mask of the digit in a picture without a margin, which includes its pale strokes.

    These are the large components of the ink, and everything that is not much paler than the edge of a stroke and
    connected to them.
    """
    mask = select_large_components(contrast.ink_mask)
    labels, n_components = ndimage.label(
        mask | (contrast.smoothed > PALE * contrast.ink), structure=EIGHT_NEIGHBORS
    )
    is_selected = np.zeros(n_components + 1, bool)
    is_selected[labels[mask]] = True
    return is_selected[labels]


def select_large_components(mask):
    """Return the mask of the largest connected component and all that are not much smaller."""
    labels, areas = label_components(mask)
    selected = areas >= MIN_COMPONENT_AREA * areas.max()
    selected[0] = False
    return selected[labels]


def select_largest_component(mask):
    """Return the mask of the largest connected component."""
    labels, areas = label_components(mask)
    return labels == np.argmax(areas)


def label_components(mask):
    """Return the number of the component of each pixel, and the area of each component, which is 0 for number 0."""
    labels, n_components = ndimage.label(mask, structure=EIGHT_NEIGHBORS)
    areas = np.bincount(labels.ravel(), minlength=n_components + 1)
    areas[0] = 0
    return labels, areas
