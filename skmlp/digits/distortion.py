"""Base class of augmentation steps, and validation of their parameters."""

import math
from abc import ABC, abstractmethod
from numbers import Real
from typing import Self

import numpy as np

from skmlp.digits.resample import make_identity_coordinates, resample
from skmlp.typing import ArrayLike, FloatArray

# The temporary arrays for so many pixels mostly fit into the cache; a smaller number increases the overhead.
PIXELS_PER_BLOCK = 64 * 28 * 28


class Distortion(ABC):
    """Base class of augmentation steps."""

    fill: float = 0.0

    def __call__(self, images: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Distort each image with different random numbers.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width)
            Images to distort. They are not modified.
        rng : numpy.random.Generator
            Source of random numbers.

        Returns
        -------
        distorted : ndarray of shape (n_images, height, width)
            float64 if `images` is float64, else float32.

        Raises
        ------
        ValueError
            If `images` does not have three dimensions.
        """
        images = np.asarray(images)
        if images.ndim != 3:
            raise ValueError(
                f"images must have the shape (n_images, height, width), got {images.shape}. Use images.reshape."
            )
        images = images.astype(np.result_type(images, np.float32), copy=False)
        distorted = np.empty(images.shape, images.dtype)
        block_size = max(PIXELS_PER_BLOCK // max(math.prod(images.shape[1:]), 1), 1)
        for start in range(0, len(images), block_size):
            block = slice(start, start + block_size)
            self._distort(images[block], rng, distorted[block])
        return distorted

    def _distort(self, images, rng, out):
        """Write the distorted images of a block to `out`."""
        coordinates = make_identity_coordinates(*images.shape)
        self.displace(coordinates, rng)
        resample(images, coordinates, self.fill, out=out)
        transformed = self.transform_intensities(out, rng)
        if transformed is not out:
            out[...] = transformed

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:  # noqa: B027
        """Displace sampling coordinates, of shape (2, n_images, height, width), in place. By default, do nothing."""

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return `images`, which may be modified in place, with changed intensities. By default, change nothing."""
        return images

    def at(self, progress: float) -> "Distortion":
        """Return the step to use when a fraction of the training run is complete, by default the step itself."""
        return self

    @abstractmethod
    def scaled(self, strength: float) -> Self:
        """Return a copy of the step whose distortions are multiplied by `strength`."""


def draw_uniform(rng, shape, limit):
    """Draw uniform random numbers from -limit to limit, as float32."""
    values = rng.random(shape, dtype=np.float32)
    values -= 0.5
    values *= 2 * limit
    return values


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


def check_finite(step, *names):
    """Raise ValueError unless parameters are finite numbers."""
    for name in names:
        value = getattr(step, name)
        if not is_number(value) or not np.isfinite(value):
            raise ValueError(
                f"{type(step).__name__}: {name} must be a finite number, got {value!r}."
            )


def check_non_negative(step, *names):
    """Raise ValueError unless parameters are finite numbers of at least 0."""
    for name in names:
        value = getattr(step, name)
        if not is_number(value) or not 0 <= value < np.inf:
            raise ValueError(
                f"{type(step).__name__}: {name} must be a finite number of at least 0, got {value!r}."
            )


def check_fraction(step, *names):
    """Raise ValueError unless parameters are numbers from 0 to 1."""
    for name in names:
        value = getattr(step, name)
        if not is_number(value) or not 0 <= value <= 1:
            raise ValueError(
                f"{type(step).__name__}: {name} must be a number in the range [0, 1], got {value!r}."
            )


def is_number(value):
    """Return whether a value is a real number other than a boolean."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)
