"""Augmentation steps that change the intensities of pixels."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from skmlp.digits.distortion import (
    Distortion,
    check_finite,
    check_fraction,
    check_non_negative,
)
from skmlp.typing import FloatArray


@dataclass(frozen=True)
class StrokeWidth(Distortion):
    """Random change of the stroke width of each image.

    The ink of a pixel is its difference from `fill`, divided by the maximum difference in the image. A random threshold
    is subtracted from the ink, and the result is multiplied by a random gain and clipped to [0, 1]. This changes the
    gray edges of strokes to background or to ink, so the strokes become thinner or thicker.

    Parameters
    ----------
    gain : float, default=3.0
        Maximum gain, at least 1. The logarithm of the gain is uniform between 0 and log(`gain`).
    threshold : float, default=0.4
        Maximum threshold, in the range [0, 1).
    fill : float, default=0.0
        Value of the background.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import StrokeWidth
    >>> image = np.array([[[0.0, 0.2, 0.6, 1.0]]])
    >>> StrokeWidth(gain=2, threshold=0)(image, np.random.default_rng(0)).round(2)
    array([[[0.  , 0.31, 0.93, 1.  ]]])
    """

    gain: float = 3.0
    threshold: float = 0.4
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_non_negative(self, "gain", "threshold")
        if self.gain < 1:
            raise ValueError(f"StrokeWidth: gain must be at least 1, got {self.gain!r}.")
        if self.threshold >= 1:
            raise ValueError(f"StrokeWidth: threshold must be less than 1, got {self.threshold!r}.")

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Apply ink = gain * (ink - threshold), clipped to [0, 1]."""
        thresholds, exponents = rng.random((2, len(images), 1, 1), dtype=np.float32)
        contrast = measure_contrast(images, self.fill)
        contrast[contrast == 0] = 1
        images -= self.fill + contrast * (self.threshold * thresholds)
        images *= self.gain**exponents / contrast
        np.clip(images, 0, 1, out=images)
        images *= contrast
        images += self.fill
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with a scaled threshold and logarithm of the gain."""
        return replace(
            self, gain=self.gain**strength, threshold=min(self.threshold * strength, 0.99)
        )


@dataclass(frozen=True)
class Noise(Distortion):
    """Random noise: Gaussian noise, shot noise and impulse noise, in a fraction of the images.

    The ink of a pixel is its difference from `fill`, divided by the maximum difference in the image. The noise is added
    to it, and the sum is clipped to [0, 1]. The strength of each kind is drawn for each image, uniformly between 0 and
    the maximum.

    Parameters
    ----------
    gaussian : float, default=0.3
        Maximum standard deviation of Gaussian noise, at least 0.
    shot : float, default=0.4
        Maximum standard deviation of shot noise in a pixel full of ink, at least 0. It is proportional to the square
        root of the ink, as that of the number of photons that a sensor counts.
    impulse : float, default=0.1
        Maximum fraction of the pixels that impulse noise replaces by ink or background, in the range [0, 1].
    probability : float, default=0.5
        Fraction of the images to which noise is added, in the range [0, 1].
    fill : float, default=0.0
        Value of the background.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Noise
    >>> images = np.eye(8)[np.newaxis]
    >>> Noise(probability=1)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    gaussian: float = 0.3
    shot: float = 0.4
    impulse: float = 0.1
    probability: float = 0.5
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_non_negative(self, "gaussian", "shot")
        check_fraction(self, "impulse", "probability")

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Add noise to the ink of randomly chosen images."""
        chosen = choose_images(rng, len(images), self.probability)
        strengths = rng.random((3, len(chosen), 1, 1), dtype=np.float32)
        contrast = measure_contrast(images, self.fill)[chosen]
        ink = compute_ink(images[chosen], contrast, self.fill)
        # The variances of independent noise add up.
        variance = (self.gaussian * strengths[0]) ** 2 + (self.shot * strengths[1]) ** 2 * ink
        ink += np.sqrt(variance) * rng.standard_normal(ink.shape, dtype=np.float32)
        np.clip(ink, 0, 1, out=ink)
        impulses = rng.random(ink.shape, dtype=np.float32)
        fraction = self.impulse * strengths[2]
        ink[impulses < fraction / 2] = 0
        ink[impulses >= 1 - fraction / 2] = 1
        images[chosen] = self.fill + contrast * ink
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with scaled noise, in the same fraction of the images."""
        return replace(
            self,
            gaussian=self.gaussian * strength,
            shot=self.shot * strength,
            impulse=min(self.impulse * strength, 1.0),
        )


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


@dataclass(frozen=True)
class Contrast(Distortion):
    """Random reduction of the contrast of each image.

    The difference of each pixel from `fill` is multiplied by a random factor.

    Parameters
    ----------
    reduction : float, default=0.6
        Maximum reduction, in the range [0, 1]. The factor is uniform between 1 - `reduction` and 1.
    fill : float, default=0.0
        Value of the background.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Contrast
    >>> image = np.array([[[0.0, 0.2, 0.6, 1.0]]])
    >>> Contrast(0.5)(image, np.random.default_rng(0)).round(2)
    array([[[0.  , 0.11, 0.34, 0.57]]])
    """

    reduction: float = 0.6
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_fraction(self, "reduction")

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Multiply the differences from the background by a factor for each image."""
        factors = 1 - self.reduction * rng.random((len(images), 1, 1), dtype=np.float32)
        images -= self.fill
        images *= factors
        images += self.fill
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with a scaled reduction."""
        return replace(self, reduction=min(self.reduction * strength, 1.0))


@dataclass(frozen=True)
class Brightness(Distortion):
    """Random change of the brightness of the background in a fraction of the images, which reduces the contrast.

    The ink of a pixel is its difference from `fill`, divided by the maximum difference in the image. A random offset is
    added to the ink of all pixels of the image, and the sum is clipped to [0, 1]. For the light digits of MNIST, the
    image becomes brighter.

    Parameters
    ----------
    offset : float, default=0.5
        Maximum offset, in the range [0, 1].
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
    >>> from skmlp.augment import Brightness
    >>> image = np.array([[[0.0, 0.2, 0.6, 1.0]]])
    >>> Brightness(0.5, probability=1)(image, np.random.default_rng(0)).round(2)
    array([[[0.32, 0.52, 0.92, 1.  ]]])
    """

    offset: float = 0.5
    probability: float = 0.5
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_fraction(self, "offset", "probability")

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Add an offset to the ink of randomly chosen images."""
        chosen = choose_images(rng, len(images), self.probability)
        offsets = self.offset * rng.random((len(chosen), 1, 1), dtype=np.float32)
        contrast = measure_contrast(images, self.fill)[chosen]
        ink = compute_ink(images[chosen], contrast, self.fill) + offsets
        images[chosen] = self.fill + contrast * np.clip(ink, 0, 1)
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with a scaled offset, in the same fraction of the images."""
        return replace(self, offset=min(self.offset * strength, 1.0))


@dataclass(frozen=True)
class Outline(Distortion):
    """Outlines instead of strokes in a fraction of the images, as in hollow fonts.

    The ink of a pixel is its difference from `fill`, divided by the maximum difference in the image. It is replaced by
    the magnitude of its gradient, computed from the differences between opposite neighbors, multiplied by a random gain
    between 0.5 and 1.5, and clipped to [0, 1].

    Parameters
    ----------
    probability : float, default=0.1
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
    >>> from skmlp.augment import Outline
    >>> image = np.array([[[0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0]]])
    >>> Outline(probability=1)(image, np.random.default_rng(0))
    array([[[0., 1., 1., 0., 1., 1., 0.]]])
    """

    probability: float = 0.1
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        check_fraction(self, "probability")

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Replace the ink of randomly chosen images by the magnitude of its gradient."""
        chosen = choose_images(rng, len(images), self.probability)
        gains = np.float32(0.5) + rng.random((len(chosen), 1, 1), dtype=np.float32)
        contrast = measure_contrast(images, self.fill)[chosen]
        ink = compute_ink(images[chosen], contrast, self.fill)
        padded = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
        vertical = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
        horizontal = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
        outlines = np.minimum(gains * np.hypot(vertical, horizontal), 1)
        images[chosen] = self.fill + contrast * outlines
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with a scaled probability."""
        return replace(self, probability=min(self.probability * strength, 1.0))


def measure_contrast(images, fill):
    """Return the difference from `fill` that is largest in magnitude, of shape (n_images, 1, 1)."""
    minimum = images.min(axis=(1, 2), keepdims=True) - fill
    maximum = images.max(axis=(1, 2), keepdims=True) - fill
    return np.where(maximum < -minimum, minimum, maximum)


def compute_ink(images, contrast, fill):
    """Return the difference of each pixel from `fill` relative to the contrast, which may be 0 for blank images."""
    return (images - fill) / np.where(contrast == 0, 1, contrast)


def choose_images(rng, n_images, probability):
    """Return the indices of images, each of which is chosen with a probability."""
    return np.flatnonzero(rng.random(n_images, dtype=np.float32) < probability)


def find_margins(position, size, widths):
    """Return which pixels, at a position in rows or columns of a size, are in one of two margins of relative widths."""
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
