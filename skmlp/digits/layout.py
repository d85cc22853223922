"""Find the digits on a page: components of ink, joined and split."""

from typing import NamedTuple

import numpy as np

from skmlp.digits.components import Part, estimate_height, find_parts, is_digit
from skmlp.digits.joining import join_parts
from skmlp.digits.splitting import split_touching

# Heights of joined parts, relative to the typical height of the digits
MAX_JOINED_HEIGHT = 1.5
MAX_JOINED_HEIGHT_ALONE = (
    2.5  # if there is one digit, of which the largest part gives the typical height
)
N_ROUNDS = 3


class DigitOnPage(NamedTuple):
    """The largest digit on a page, and the lines around it.

    Attributes
    ----------
    mask : ndarray of bool of shape (height, width)
    lines : ndarray of bool of shape (height, width)
    """

    mask: np.ndarray
    lines: np.ndarray


def find_digits(contrast) -> list[Part]:
    """Find all digits on a page, in any order.

    Parameters
    ----------
    contrast : Contrast

    Returns
    -------
    digits : list of Part
    """
    parts, _ = find_parts(contrast)
    for _ in range(N_ROUNDS):  # joined parts give a better estimate of the height
        height = estimate_height(parts)
        parts = join_parts(parts, height, MAX_JOINED_HEIGHT)
    digits = [digit for part in parts for digit in split_touching(part, height)]
    return [digit for digit in digits if is_digit(digit, height)]


def find_largest_digit(contrast) -> DigitOnPage | None:
    """Find the digit of the largest height on a page, or return None if there is no digit.

    Parameters
    ----------
    contrast : Contrast

    Returns
    -------
    digit : DigitOnPage or None
    """
    parts, lines = find_parts(contrast)
    for _ in range(N_ROUNDS):
        height = max((part.height for part in parts), default=0)
        parts = join_parts(parts, height, MAX_JOINED_HEIGHT_ALONE)
    digits = [part for part in parts if is_digit(part, height)]
    if not digits:
        return None
    mask = np.zeros_like(lines)
    digit = max(digits, key=lambda digit: digit.height)
    mask[digit.box.slices] = digit.mask
    return DigitOnPage(mask, lines)
