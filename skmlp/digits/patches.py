"""Augmentation steps that erase or invert a part of the image."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from skmlp.digits.distortion import (
    Distortion,
    check_finite,
    check_fraction,
    choose_images,
    compute_ink,
    measure_contrast,
)
from skmlp.typing import FloatArray


@dataclass(frozen=True)
class Patches(Distortion):
    """Random rectangle in a fraction of the images: erased, filled with noise [1]_, or inverted.

    A third of the rectangles is erased, that is, set to `fill`. In another third, each pixel has a random value between
    `fill` and the ink of the image. In the last third, ink and background are exchanged.

    Parameters
    ----------
    size : float, default=0.4
        Maximum height and width relative to the image, in the range [0, 1].
    inverted_size : float, default=1.0
        The same for inverted rectangles, which hide nothing.
    probability : float, default=0.5
        Fraction of the images that get a rectangle, in the range [0, 1].
    fill : float, default=0.0
        Value of the background.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

    References
    ----------
    .. [1] Zhong, Zheng, Kang, Li and Yang, "Random erasing data augmentation", AAAI 2020,
       https://arxiv.org/abs/1708.04896

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Patches
    >>> images = np.ones((1, 8, 8))
    >>> Patches(probability=1)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    size: float = 0.4
    inverted_size: float = 1.0
    probability: float = 0.5
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_fraction(self, "size", "inverted_size", "probability")

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Erase a rectangle of randomly chosen images, fill it with noise, or invert it."""
        chosen = choose_images(rng, len(images), self.probability)
        contrast = measure_contrast(images, self.fill)[chosen]
        ink = compute_ink(images[chosen], contrast, self.fill)
        kind = 3 * rng.random((len(chosen), 1, 1), dtype=np.float32)
        sizes = np.where(kind[:, 0] < 2, self.size, self.inverted_size)
        rows, columns = (draw_intervals(rng, sizes * length, length) for length in images.shape[1:])
        inside = rows[:, :, np.newaxis] & columns[:, np.newaxis, :]
        noise = rng.random(ink.shape, dtype=np.float32)
        changed = np.where(kind < 1, 0, np.where(kind < 2, noise, 1 - ink))
        images[chosen] = self.fill + contrast * np.where(inside, changed, ink)
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with rectangles of a scaled size, in the same fraction of the images."""
        return replace(
            self,
            size=min(self.size * strength, 1.0),
            inverted_size=min(self.inverted_size * strength, 1.0),
        )


@dataclass(frozen=True)
class InvertedMargins(Distortion):
    """Inverted margins at two opposite sides in a fraction of the images, as at the edges of a dark sheet of paper.

    Ink and background are exchanged in the columns at the left and at the right, or in the rows at the top and at the
    bottom, with equal probability. The ink of a pixel is its difference from `fill`, divided by the maximum difference
    in the image.

    Parameters
    ----------
    width : float, default=0.35
        Maximum width of each margin relative to the image, in the range [0, 1]. The widths of both margins are uniform
        between 0 and `width`.
    probability : float, default=0.5
        Fraction of the images that are changed, in the range [0, 1].
    fill : float, default=0.0
        Value of the background.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import InvertedMargins
    >>> images = np.eye(8)[np.newaxis]
    >>> InvertedMargins(probability=1)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    width: float = 0.35
    probability: float = 0.5
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_fraction(self, "width", "probability")

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Invert the margins of randomly chosen images."""
        chosen = choose_images(rng, len(images), self.probability)
        contrast = measure_contrast(images, self.fill)[chosen]
        ink = compute_ink(images[chosen], contrast, self.fill)
        sides, first, second = rng.random((3, len(chosen), 1, 1), dtype=np.float32)
        widths = self.width * first, self.width * second
        height, width = images.shape[1:]
        in_margin = np.where(
            sides < 0.5,
            find_margins(np.arange(width), width, widths),
            find_margins(np.arange(height)[:, np.newaxis], height, widths),
        )
        images[chosen] = self.fill + contrast * np.where(in_margin, 1 - ink, ink)
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with margins of a scaled width, in the same fraction of the images."""
        return replace(self, width=min(self.width * strength, 1.0))


def find_margins(position, size, widths):
    """Return which of the pixels at `position`, in rows or columns of `size` pixels, are in one of two margins.

    The widths of the margins are relative to the size.
    """
    first, second = widths
    center = position + np.float32(0.5)
    return (center < size * first) | (center > size - size * second)


def draw_intervals(rng, max_lengths, size):
    """Draw random intervals, with lengths up to `max_lengths`, as masks of shape (n_intervals, size).

    Parameters
    ----------
    rng : Generator
    max_lengths : ndarray of shape (n_intervals, 1)
    size : int
        Number of pixels in a row or column.
    """
    lengths, positions = rng.random((2, len(max_lengths), 1), dtype=np.float32)
    lengths *= max_lengths
    starts = positions * (size - lengths)
    centers = np.arange(size, dtype=np.float32) + np.float32(0.5)
    return (starts <= centers) & (centers < starts + lengths)
