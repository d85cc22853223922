"""Random distortions of images that keep what they show: shifts, affine maps, elastic distortions, stroke widths.

Each step is a dataclass that is called with a batch of images and a random generator. A step displaces the coordinates
that the pixels are sampled from; the displacements of several steps are added, and the images are interpolated once.
After that a step may change the pixels.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
from scipy.linalg import blas
from scipy.ndimage import gaussian_filter1d

from skmlp.digits.resample import BLOCK_SIZE, identity_coordinates, resample


class Distortion(ABC):
    """A step of an augmentation."""

    fill = 0.0

    def __call__(self, images, rng):
        """Distort each image by its own random numbers.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width)
        rng : Generator

        Returns
        -------
        distorted : ndarray of shape (n_images, height, width)
            float64 if `images` are, else float32.
        """
        images = np.asarray(images)
        if images.ndim != 3:
            raise ValueError(
                f"images must have the shape (n_images, height, width). Got {images.shape}; use images.reshape."
            )
        images = images.astype(np.result_type(images, np.float32), copy=False)
        distorted = np.empty_like(images)
        for start in range(0, len(images), BLOCK_SIZE):
            block = images[start : start + BLOCK_SIZE]
            coordinates = identity_coordinates(*block.shape)
            self.displace(coordinates, rng)
            moved = resample(block, coordinates, self.fill)
            distorted[start : start + BLOCK_SIZE] = self.redraw(moved, rng)
        return distorted

    @abstractmethod
    def displace(self, coordinates, rng):
        """Displace the coordinates that pixels are sampled from, of shape (2, n_images, height, width), in place."""

    def redraw(self, images, rng):
        """Change the pixels of displaced images in place and return them; most steps change nothing."""
        return images

    @abstractmethod
    def scaled(self, strength):
        """Return a step that distorts by `strength` times as much."""


@dataclass(frozen=True)
class Shift(Distortion):
    """Shift each image by up to some pixels, up or down and to the left or the right.

    Parameters
    ----------
    pixels : float, default=2.0
        Largest shift in each direction; fractions of a pixel are interpolated.
    fill : float, default=0.0
        Value outside of the images.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Shift
    >>> images = np.eye(8)[np.newaxis]
    >>> Shift(1.5)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    pixels: float = 2.0
    fill: float = 0.0

    def __post_init__(self):
        check_numbers(self, "fill")
        check_not_negative(self, "pixels")

    def displace(self, coordinates, rng):
        """Displace all coordinates of an image equally."""
        distances = uniform(rng, (2, coordinates.shape[1], 1, 1), self.pixels)
        coordinates += distances

    def scaled(self, strength):
        """Return a step with shorter or longer shifts."""
        return replace(self, pixels=self.pixels * strength)


@dataclass(frozen=True)
class Affine(Distortion):
    """Rotate, scale and shear each image about its center.

    Parameters
    ----------
    rotation : float, default=12.0
        Largest angle in degrees, in either direction.
    scale : float, default=0.12
        Largest fraction by which height and width, independently, grow or shrink, in [0, 1).
    shear : float, default=0.15
        Largest shift of a row relative to the next one, in pixels, in either direction.
    fill : float, default=0.0
        Value outside of the images.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Affine
    >>> images = np.eye(8)[np.newaxis]
    >>> Affine(rotation=20, scale=0, shear=0)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    rotation: float = 12.0
    scale: float = 0.12
    shear: float = 0.15
    fill: float = 0.0

    def __post_init__(self):
        check_numbers(self, "fill")
        check_not_negative(self, "rotation", "scale", "shear")
        if self.scale >= 1:
            raise ValueError(f"Affine: scale must be below 1. Got {self.scale!r}.")

    def displace(self, coordinates, rng):
        """Map coordinates p relative to the center to [rotation][shear][1 / scale] p."""
        _, n_images, height, width = coordinates.shape
        angles = uniform(rng, n_images, np.radians(self.rotation))
        slants = uniform(rng, n_images, self.shear)
        by_rows, by_columns = 1 / (1 + uniform(rng, (2, n_images), self.scale))
        cosines, sines = np.cos(angles), np.sin(angles)
        places = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
        # [cos -sin] [1     0] [by_rows          0]
        # [sin  cos] [slant 1] [0       by_columns]
        map_of_rows = (cosines - sines * slants) * by_rows - 1, -sines * by_columns
        map_of_columns = (sines + cosines * slants) * by_rows, cosines * by_columns - 1
        for coordinate, factors in zip(coordinates, (map_of_rows, map_of_columns), strict=True):
            of_rows, of_columns = (
                np.multiply.outer(factor, place).astype(np.float32)
                for factor, place in zip(factors, places, strict=True)
            )
            coordinate += of_rows[:, :, np.newaxis]
            coordinate += of_columns[:, np.newaxis, :]

    def scaled(self, strength):
        """Return a step with smaller or larger maps."""
        return replace(
            self,
            rotation=self.rotation * strength,
            scale=self.scale * strength,
            shear=self.shear * strength,
        )


@dataclass(frozen=True)
class Elastic(Distortion):
    """Distort each image by a smooth random displacement field [1]_.

    Uniform noise in [-1, 1], one number per pixel and direction, is smoothed by a Gaussian and multiplied by `alpha`.

    Parameters
    ----------
    sigma : float, default=4.0
        Standard deviation of the Gaussian in pixels: the larger, the smoother.
    alpha : float, default=30.0
        Strength. With sigma=4 and alpha=30, displacements have a standard deviation of 1.2 pixels.
    fill : float, default=0.0
        Value outside of the images.

    References
    ----------
    .. [1] Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
       analysis", ICDAR 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Elastic
    >>> images = np.eye(8)[np.newaxis]
    >>> Elastic(sigma=2, alpha=8)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    sigma: float = 4.0
    alpha: float = 30.0
    fill: float = 0.0

    def __post_init__(self):
        check_numbers(self, "fill")
        check_not_negative(self, "sigma", "alpha")

    def displace(self, coordinates, rng):
        """Displace the coordinates by a random field."""
        coordinates += smooth_noise(rng, coordinates.shape, self.sigma, self.alpha)

    def scaled(self, strength):
        """Return a step with smaller or larger displacements."""
        return replace(self, alpha=self.alpha * strength)


@dataclass(frozen=True)
class StrokeWidth(Distortion):
    """Make the strokes of each image thinner or thicker.

    The ink of a pixel is its difference from `fill`, divided by the largest difference of the image. A threshold is
    subtracted from it, and the rest is multiplied by a gain and clipped to [0, 1]: the gray edges of strokes become
    background or ink.

    Parameters
    ----------
    gain : float, default=3.0
        Largest gain, at least 1; the logarithm of the gain is uniform from 0.
    threshold : float, default=0.4
        Largest threshold, in [0, 1).
    fill : float, default=0.0
        Value of the background.

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
        check_numbers(self, "fill")
        check_not_negative(self, "gain", "threshold")
        if self.gain < 1:
            raise ValueError(f"StrokeWidth: gain must be at least 1. Got {self.gain!r}.")
        if self.threshold >= 1:
            raise ValueError(f"StrokeWidth: threshold must be below 1. Got {self.threshold!r}.")

    def displace(self, coordinates, rng):
        """Leave the coordinates."""

    def redraw(self, images, rng):
        """Apply ink = gain (ink - threshold), clipped to [0, 1]."""
        thresholds, exponents = rng.random((2, len(images), 1, 1), dtype=np.float32)
        images -= self.fill
        lightest, darkest = (
            limit(images, axis=(1, 2), keepdims=True) for limit in (np.min, np.max)
        )
        full = np.where(darkest < -lightest, lightest, darkest)
        full[full == 0] = 1
        images /= full
        images -= self.threshold * thresholds
        images *= self.gain**exponents
        np.clip(images, 0, 1, out=images)
        images *= full
        images += self.fill
        return images

    def scaled(self, strength):
        """Return a step that changes the strokes less or more."""
        return replace(
            self, gain=self.gain**strength, threshold=min(self.threshold * strength, 0.99)
        )


@dataclass(frozen=True)
class Compose(Distortion):
    """Combine several steps: their displacements are added, and the images are interpolated once.

    Parameters
    ----------
    steps : sequence of steps
    fill : float, default=0.0
        Value outside of the images; the `fill` of the steps is not used for it.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Affine, Compose, Elastic, Shift
    >>> images = np.eye(8)[np.newaxis]
    >>> augmentation = Compose([Affine(), Shift(1), Elastic(sigma=2, alpha=8)])
    >>> augmentation(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    steps: tuple = ()
    fill: float = 0.0

    def __post_init__(self):
        check_numbers(self, "fill")
        if not isinstance(self.steps, list | tuple):
            raise TypeError(
                f"Compose: steps must be a list or tuple of steps of skmlp.augment. Got {self.steps!r}."
            )
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            check_step(self, "each of steps", step)

    def displace(self, coordinates, rng):
        """Displace the coordinates by all steps."""
        for step in self.steps:
            step.displace(coordinates, rng)

    def redraw(self, images, rng):
        """Change the pixels by all steps."""
        for step in self.steps:
            images = step.redraw(images, rng)
        return images

    def scaled(self, strength):
        """Return the same steps, each scaled."""
        return replace(self, steps=[step.scaled(strength) for step in self.steps])


@dataclass(frozen=True)
class DigitDistortions(Distortion):
    """Distort handwritten digits: affine maps, shifts, elastic distortions and stroke widths that suit MNIST.

    Distances grow with the images: the steps that are right for 28 x 28 pixels are scaled by the shorter side of the
    images divided by 28.

    Parameters
    ----------
    strength : float, default=1.0
        Factor for all distortions.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import DigitDistortions
    >>> images = np.eye(8)[np.newaxis]
    >>> DigitDistortions()(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    >>> DigitDistortions(0.5).for_side(28).steps[1]
    Shift(pixels=0.75, fill=0.0)
    """

    strength: float = 1.0

    def __post_init__(self):
        check_not_negative(self, "strength")

    def for_side(self, side):
        """Return the steps for images of a size.

        Parameters
        ----------
        side : int
            The shorter side of the images in pixels.

        Returns
        -------
        steps : Compose
        """
        return digit_steps(side, self.strength)

    def displace(self, coordinates, rng):
        """Displace the coordinates by the steps for images of this size."""
        self.for_side(min(coordinates.shape[2:])).displace(coordinates, rng)

    def redraw(self, images, rng):
        """Change the stroke widths."""
        return self.for_side(min(images.shape[1:])).redraw(images, rng)

    def scaled(self, strength):
        """Return a step with weaker or stronger distortions."""
        return replace(self, strength=self.strength * strength)


@dataclass(frozen=True)
class Annealed:
    """Reduce the strength of an augmentation toward the end of the training, so that it ends on nearly real images.

    Parameters
    ----------
    augmentation : step
    final_strength : float, default=0.3
        Strength at the end of the training, from 0 to 1.
    begin : float, default=0.7
        Fraction of the epochs at full strength, from 0 to 1; after it the strength decreases linearly.

    Examples
    --------
    >>> from skmlp.augment import Annealed, Shift
    >>> Annealed(Shift(2), final_strength=0.5, begin=0.5).at(0.75)
    Shift(pixels=1.5, fill=0.0)
    """

    augmentation: Any
    final_strength: float = 0.3
    begin: float = 0.7

    def __post_init__(self):
        check_not_negative(self, "final_strength", "begin")
        for name in ("final_strength", "begin"):
            if getattr(self, name) > 1:
                raise ValueError(
                    f"Annealed: {name} must be a number from 0 to 1. Got {getattr(self, name)!r}."
                )
        check_step(self, "augmentation", self.augmentation)

    def __call__(self, images, rng):
        """Distort images at full strength, as each step does."""
        return self.augmentation(images, rng)

    def at(self, progress):
        """Return the augmentation after a fraction of the training, from 0 to 1."""
        if progress <= self.begin:
            return self.augmentation
        annealed = (progress - self.begin) / (1 - self.begin)
        return self.augmentation.scaled(1 - annealed * (1 - self.final_strength))


@lru_cache(maxsize=64)
def digit_steps(side, strength):
    """Make the steps of `DigitDistortions` for images of a size."""
    size = side / 28
    # The displacements of an elastic distortion are proportional to alpha / sigma.
    elastic = Elastic(sigma=4 * size, alpha=30 * size**2)
    affine = Affine(rotation=12, scale=0.12, shear=0.15)
    steps = Compose([affine, Shift(1.5 * size), elastic, StrokeWidth(gain=3, threshold=0.4)])
    return steps.scaled(strength)


def uniform(rng, shape, limit):
    """Draw uniform float32 from -limit to limit."""
    values = rng.random(shape, dtype=np.float32)
    values -= 0.5
    values *= 2 * limit
    return values


def smooth_noise(rng, shape, sigma, alpha):
    """Draw uniform noise in [-1, 1], smooth its last two axes by a Gaussian, and multiply it by `alpha`."""
    *outer, height, width = shape
    # The sum over dozens of pixels needs no more than 8 bits of each, and bytes are fast to draw.
    size = int(np.prod(shape))
    noise = np.frombuffer(rng.bytes(size), np.int8).astype(np.float32)
    noise += 0.5
    noise = noise.reshape(-1, width)
    by_columns = multiply(noise, smoothing_matrix(width, sigma))
    turned = by_columns.reshape(-1, height, width).transpose(0, 2, 1).reshape(-1, height)
    by_rows = multiply(turned, smoothing_matrix(height, sigma))
    by_rows *= alpha / 127.5
    return by_rows.reshape(*outer, width, height).swapaxes(-1, -2)


@lru_cache(maxsize=16)
def smoothing_matrix(size, sigma):
    """Compute the matrix that smooths a row of pixels by a Gaussian, with zeros outside of the row."""
    matrix = np.eye(size, dtype=np.float32)
    if sigma:
        matrix = gaussian_filter1d(matrix, sigma, axis=0, mode="constant")
    return matrix


def multiply(left, right):
    """Compute left @ right with SciPy's BLAS, as the training does, so that no threads of another BLAS compete."""
    return blas.sgemm(1, right.T, left.T).T


def check_numbers(step, *names):
    """Check that parameters are finite numbers."""
    for name in names:
        value = getattr(step, name)
        if not is_number(value) or not np.isfinite(value):
            raise ValueError(
                f"{type(step).__name__}: {name} must be a finite number. Got {value!r}."
            )


def check_not_negative(step, *names):
    """Check that parameters are finite numbers and not negative."""
    for name in names:
        value = getattr(step, name)
        if not is_number(value) or not 0 <= value < np.inf:
            raise ValueError(
                f"{type(step).__name__}: {name} must be a finite number that is not negative. Got {value!r}."
            )


def is_number(value):
    """Return whether a value is a real number and not a boolean."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def check_step(step, name, value):
    """Check that a parameter is a step that can be combined and scaled."""
    if not isinstance(value, Distortion):
        raise TypeError(
            f"{type(step).__name__}: {name} must be a step of skmlp.augment, such as Shift(2) or DigitDistortions(). "
            f"Got {value!r}."
        )


# Augmentations that have a name, for the parameter `augmentation` of estimators
AUGMENTATIONS = {"digits": DigitDistortions()}
