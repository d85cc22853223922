"""Augmentation steps that change the intensities of pixels."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from skmlp.digits.distortion import (
    Distortion,
    check_finite,
    check_fraction,
    check_non_negative,
    choose_images,
    compute_ink,
    measure_contrast,
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
