"""Random changes of images that leave what they show: shifts, affine maps, elastic distortions, other pens.

Each step is a dataclass that is called with a batch of images and a random generator. A step moves the places from
which the pixels come; the moves of several steps are summed up, and the images are drawn anew only once. Then a step
may change the pixels.
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
    """What all steps share."""

    fill = 0.0

    def __call__(self, images, rng):
        """Distort images, each in its own way.

        Parameters
        ----------
        images : ndarray of shape (n_images, height, width)
        rng : Generator

        Returns
        -------
        distorted : ndarray of shape (n_images, height, width)
            Of float64 if `images` are, else of float32.
        """
        images = np.asarray(images)
        if images.ndim != 3:
            raise ValueError(
                f"images must have the shape (n_images, height, width). Got {images.shape}."
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
        """Move the places, of shape (2, n_images, height, width), from which the pixels come."""

    def redraw(self, images, rng):
        """Change the pixels of moved images, in their memory, and give them; most steps leave them."""
        return images

    @abstractmethod
    def scaled(self, strength):
        """Give a step that distorts by `strength` times as much."""


@dataclass(frozen=True)
class Shift(Distortion):
    """Shift each image by up to some pixels, up or down and to the left or the right.

    Parameters
    ----------
    pixels : float, default=2.0
        Largest shift in each direction; parts of pixels are interpolated.
    fill : float, default=0.0
        What comes in at the border.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.digits.augment import Shift
    >>> images = np.eye(8)[np.newaxis]
    >>> Shift(1.5)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    pixels: float = 2.0
    fill: float = 0.0

    def __post_init__(self):
        check_not_negative(self, "pixels")

    def displace(self, coordinates, rng):
        """Move all places of an image alike."""
        distances = uniform(rng, (2, coordinates.shape[1], 1, 1), self.pixels)
        coordinates += distances

    def scaled(self, strength):
        """Give a step with shorter or longer shifts."""
        return replace(self, pixels=self.pixels * strength)


@dataclass(frozen=True)
class Affine(Distortion):
    """Turn, stretch and slant each image about its centre.

    Parameters
    ----------
    rotation : float, default=12.0
        Largest angle in degrees, to either side.
    scale : float, default=0.12
        Largest part by which height and width, each by itself, grow or shrink, in [0, 1).
    shear : float, default=0.15
        Largest part of a pixel by which a row slides against the next one, to either side.
    fill : float, default=0.0
        What comes in at the border.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.digits.augment import Affine
    >>> images = np.eye(8)[np.newaxis]
    >>> Affine(rotation=20, scale=0, shear=0)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    rotation: float = 12.0
    scale: float = 0.12
    shear: float = 0.15
    fill: float = 0.0

    def __post_init__(self):
        check_not_negative(self, "rotation", "scale", "shear")
        if self.scale >= 1:
            raise ValueError(f"Affine: scale must be below 1. Got {self.scale!r}.")

    def displace(self, coordinates, rng):
        """Move a place p, seen from the centre, to [rotation][shear][1 / scale] p."""
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
        """Give a step with smaller or larger maps."""
        return replace(
            self,
            rotation=self.rotation * strength,
            scale=self.scale * strength,
            shear=self.shear * strength,
        )


@dataclass(frozen=True)
class Elastic(Distortion):
    """Distort each image like rubber, by a smooth random field of displacements [1]_.

    Uniform noise in [-1, 1], one number a pixel and direction, is smoothed by a Gaussian and multiplied by `alpha`.

    Parameters
    ----------
    sigma : float, default=4.0
        Standard deviation of the Gaussian in pixels: the larger, the smoother.
    alpha : float, default=30.0
        Strength. With sigma=4 and alpha=30 the displacements have a standard deviation of 1.2 pixels.
    fill : float, default=0.0
        What comes in at the border.

    References
    ----------
    .. [1] Simard, Steinkraus and Platt, "Best practices for convolutional neural networks applied to visual document
       analysis", ICDAR 2003.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.digits.augment import Elastic
    >>> images = np.eye(8)[np.newaxis]
    >>> Elastic(sigma=2, alpha=8)(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    sigma: float = 4.0
    alpha: float = 30.0
    fill: float = 0.0

    def __post_init__(self):
        check_not_negative(self, "sigma", "alpha")

    def displace(self, coordinates, rng):
        """Move each place by its own displacement."""
        coordinates += smooth_noise(rng, coordinates.shape, self.sigma, self.alpha)

    def scaled(self, strength):
        """Give a step with smaller or larger displacements."""
        return replace(self, alpha=self.alpha * strength)


@dataclass(frozen=True)
class Ink(Distortion):
    """Draw each image as if by another pen, thinner or thicker.

    The ink of a pixel is its difference to `fill`, as a part of the image's strongest one. A part is taken from it, and
    what is left multiplied, up to full ink: the grey borders of strokes vanish or become ink.

    Parameters
    ----------
    gain : float, default=3.0
        Largest factor, from 1; its logarithm is uniform.
    threshold : float, default=0.4
        Largest part that is taken, in [0, 1).
    fill : float, default=0.0
        The paper.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.digits.augment import Ink
    >>> image = np.array([[[0.0, 0.2, 0.6, 1.0]]])
    >>> Ink(gain=2, threshold=0)(image, np.random.default_rng(0)).round(2)
    array([[[0.  , 0.31, 0.93, 1.  ]]])
    """

    gain: float = 3.0
    threshold: float = 0.4
    fill: float = 0.0

    def __post_init__(self):
        check_not_negative(self, "gain", "threshold")
        if self.gain < 1:
            raise ValueError(f"Ink: gain must be at least 1. Got {self.gain!r}.")
        if self.threshold >= 1:
            raise ValueError(f"Ink: threshold must be below 1. Got {self.threshold!r}.")

    def displace(self, coordinates, rng):
        """Leave the places."""

    def redraw(self, images, rng):
        """Apply ink = gain (ink - threshold), from none to full."""
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
        """Give a step with pens that are more or less alike."""
        return replace(
            self, gain=self.gain**strength, threshold=min(self.threshold * strength, 0.99)
        )


@dataclass(frozen=True)
class Compose(Distortion):
    """Take several steps at once: their displacements are summed up, and the images are drawn anew once.

    Parameters
    ----------
    steps : sequence of steps
    fill : float, default=0.0
        What comes in at the border, whatever the steps say.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.digits.augment import Affine, Compose, Elastic, Shift
    >>> images = np.eye(8)[np.newaxis]
    >>> augmentation = Compose([Affine(), Shift(1), Elastic(sigma=2, alpha=8)])
    >>> augmentation(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    steps: tuple = ()
    fill: float = 0.0

    def __post_init__(self):
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            if not isinstance(step, Distortion):
                raise TypeError(
                    "Compose: steps must be steps of skmlp.digits.augment, such as Shift(2) or Elastic(). Got "
                    f"{step!r}."
                )

    def displace(self, coordinates, rng):
        """Move the places by all steps."""
        for step in self.steps:
            step.displace(coordinates, rng)

    def redraw(self, images, rng):
        """Change the pixels by all steps."""
        for step in self.steps:
            images = step.redraw(images, rng)
        return images

    def scaled(self, strength):
        """Give the same steps, each scaled."""
        return replace(self, steps=[step.scaled(strength) for step in self.steps])


@dataclass(frozen=True)
class Fading:
    """An augmentation that grows weaker towards the end of the training, when the network settles on real images.

    Parameters
    ----------
    augmentation : step
    final_strength : float, default=0.3
        What is left of it in the end, from 0 to 1.
    begin : float, default=0.7
        Part of the epochs that pass at full strength, from 0 to 1; from there it falls evenly.

    Examples
    --------
    >>> from skmlp.digits.augment import Fading, Shift
    >>> Fading(Shift(2), final_strength=0.5, begin=0.5).at(0.75)
    Shift(pixels=1.5, fill=0.0)
    """

    augmentation: Any
    final_strength: float = 0.3
    begin: float = 0.7

    def __post_init__(self):
        for name in ("final_strength", "begin"):
            value = getattr(self, name)
            if not (isinstance(value, Real) and 0 <= value <= 1):
                raise ValueError(f"Fading: {name} must be a number from 0 to 1. Got {value!r}.")
        if not isinstance(self.augmentation, Distortion):
            raise TypeError(
                f"Fading: augmentation must be a step of skmlp.digits.augment. Got {self.augmentation!r}."
            )

    def __call__(self, images, rng):
        """Distort images at full strength, as each step does."""
        return self.augmentation(images, rng)

    def at(self, progress):
        """Give the augmentation after a part of the training, from 0 to 1."""
        if progress <= self.begin:
            return self.augmentation
        fallen = (progress - self.begin) / (1 - self.begin)
        return self.augmentation.scaled(1 - fallen * (1 - self.final_strength))


def digit_distortions(side=28):
    """Give distortions that suit handwritten digits: turned, stretched, slanted, moved, bent, by another pen.

    Parameters
    ----------
    side : int, default=28
        Of the images in pixels, the shorter one of a rectangle: moves grow with it.

    Returns
    -------
    augmentation : Compose

    Examples
    --------
    >>> from skmlp.digits.augment import digit_distortions
    >>> digit_distortions(28).steps[1:3]
    (Shift(pixels=1.5, fill=0.0), Elastic(sigma=4.0, alpha=30.0, fill=0.0))
    """
    size = side / 28
    # The displacements of an elastic distortion are proportional to alpha / sigma.
    elastic = Elastic(sigma=4 * size, alpha=30 * size**2)
    affine = Affine(rotation=12, scale=0.12, shear=0.15)
    return Compose([affine, Shift(1.5 * size), elastic, Ink(gain=3, threshold=0.4)])


def uniform(rng, shape, limit):
    """Draw uniform float32 from -limit to limit."""
    values = rng.random(shape, dtype=np.float32)
    values -= 0.5
    values *= 2 * limit
    return values


def smooth_noise(rng, shape, sigma, alpha):
    """Draw uniform noise in [-1, 1], smooth its last two axes by a Gaussian, and multiply it by alpha."""
    *outer, height, width = shape
    # A byte is fine enough for what is summed up over dozens of places, and cheap to draw.
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
    """Give the matrix that smooths a row of pixels by a Gaussian; beyond the border there is nothing."""
    matrix = np.eye(size, dtype=np.float32)
    if sigma:
        matrix = gaussian_filter1d(matrix, sigma, axis=0, mode="constant")
    return matrix


def multiply(left, right):
    """Compute left @ right by SciPy's BLAS, as the training does: NumPy's threads would fight with its."""
    return blas.sgemm(1, right.T, left.T).T


def check_not_negative(step, *names):
    """Refuse parameters that are no finite numbers from zero."""
    for name in names:
        value = getattr(step, name)
        if not (isinstance(value, Real) and 0 <= value < np.inf):
            raise ValueError(
                f"{type(step).__name__}: {name} must be a finite number that is not negative. Got {value!r}."
            )
