"""Random distortions of images: shifts, affine transformations, elastic distortions and changes of the stroke width.

Each augmentation step is a dataclass that is called with a batch of images and a random generator. A step displaces the
coordinates at which the images are sampled. The displacements of several steps are added, and the images are
interpolated once. Then a step may change the intensities of the pixels.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from numbers import Real
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skmlp.digits.resample import make_identity_coordinates, resample
from skmlp.digits.scratch import scratch
from skmlp.typing import ArrayLike, FloatArray

# The temporary arrays for so many pixels mostly fit into the cache; a smaller number increases the overhead.
PIXELS_PER_BLOCK = 64 * 28 * 28
# OpenBLAS computes a product with at most so many multiplications on the calling thread. Threads of NumPy's BLAS would
# compete for the cores with those of SciPy's, which training uses.
MAX_MULTIPLICATIONS = 2**18


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

    @abstractmethod
    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Displace sampling coordinates, of shape (2, n_images, height, width), in place."""

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return `images`, which may be modified in place, with changed intensities. By default, change nothing."""
        return images

    @abstractmethod
    def scaled(self, strength: float) -> Self:
        """Return a copy of the step whose distortions are multiplied by `strength`."""


@dataclass(frozen=True)
class Shift(Distortion):
    """Random shift of each image.

    Parameters
    ----------
    pixels : float, default=2.0
        Maximum shift along each axis, in pixels, at least 0. Shifts by a fraction of a pixel are interpolated.
    fill : float, default=0.0
        Value outside of the images.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

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
        check_finite(self, "fill")
        check_non_negative(self, "pixels")

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Displace all coordinates of an image by the same distance."""
        coordinates += draw_uniform(rng, (2, coordinates.shape[1], 1, 1), self.pixels)

    def scaled(self, strength: float) -> Self:
        """Return a copy with scaled shifts."""
        return replace(self, pixels=self.pixels * strength)


@dataclass(frozen=True)
class Affine(Distortion):
    """Random rotation, scaling and shearing of each image about its center.

    Parameters
    ----------
    rotation : float, default=12.0
        Maximum angle in either direction, in degrees, at least 0.
    scale : float, default=0.12
        Maximum relative change of the height and, independently, of the width, in the range [0, 1).
    shear : float, default=0.15
        Maximum horizontal shift per row in either direction, in pixels, at least 0.
    fill : float, default=0.0
        Value outside of the images.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

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
        check_finite(self, "fill")
        check_non_negative(self, "rotation", "scale", "shear")
        if self.scale >= 1:
            raise ValueError(f"Affine: scale must be less than 1, got {self.scale!r}.")

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Map coordinates relative to the center by the matrix product of rotation, shear and inverse scale."""
        _, n_images, height, width = coordinates.shape
        limits = np.radians(self.rotation), self.shear, self.scale, self.scale
        angles, shears, *scales = draw_uniform(rng, (4, n_images), np.array(limits)[:, np.newaxis])
        row_factors, column_factors = (1 / (1 + scale) for scale in scales)
        cosines, sines = np.cos(angles), np.sin(angles)
        # [cos -sin] [1     0] [row_factor             0]
        # [sin  cos] [shear 1] [0          column_factor]
        matrices = np.empty((2, n_images, 2), np.float32)
        matrices[0, :, 0] = (cosines - sines * shears) * row_factors - 1
        matrices[0, :, 1] = -sines * column_factors
        matrices[1, :, 0] = (sines + cosines * shears) * row_factors
        matrices[1, :, 1] = cosines * column_factors - 1
        displacements = scratch.empty("first", (2, n_images, height * width))
        np.matmul(matrices, make_centered_grid(height, width), out=displacements)
        coordinates += displacements.reshape(coordinates.shape)

    def scaled(self, strength: float) -> Self:
        """Return a copy with scaled rotation, scale and shear."""
        return replace(
            self,
            rotation=self.rotation * strength,
            scale=self.scale * strength,
            shear=self.shear * strength,
        )


@dataclass(frozen=True)
class Elastic(Distortion):
    """Elastic distortion of each image by a smooth random displacement field [1]_.

    Uniform noise in [-1, 1], one value per pixel and axis, is smoothed by a Gaussian filter and multiplied by `alpha`.

    Parameters
    ----------
    sigma : float, default=4.0
        Standard deviation of the Gaussian filter, in pixels, at least 0. Larger values give smoother displacements.
    alpha : float, default=30.0
        Factor of the displacements, at least 0. For sigma=4 and alpha=30, their standard deviation is 1.2 pixels.
    fill : float, default=0.0
        Value outside of the images.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

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
        check_finite(self, "fill")
        check_non_negative(self, "sigma", "alpha")

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Displace the coordinates by a smooth random field."""
        coordinates += draw_smooth_noise(rng, coordinates.shape, self.sigma, self.alpha)

    def scaled(self, strength: float) -> Self:
        """Return a copy with scaled displacements."""
        return replace(self, alpha=self.alpha * strength)


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

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Do nothing: the step changes intensities only."""

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Apply ink = gain * (ink - threshold), clipped to [0, 1]."""
        thresholds, exponents = rng.random((2, len(images), 1, 1), dtype=np.float32)
        minimum = images.min(axis=(1, 2), keepdims=True) - self.fill
        maximum = images.max(axis=(1, 2), keepdims=True) - self.fill
        contrast = np.where(maximum < -minimum, minimum, maximum)
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
class Compose(Distortion):
    """Combination of several steps, with added displacements and a single interpolation.

    Parameters
    ----------
    steps : list or tuple of augmentation steps, default=()
        Steps to combine.
    fill : float, default=0.0
        Value outside of the images. The `fill` of the steps is not used there.

    Raises
    ------
    TypeError
        If `steps` is not a list or tuple of augmentation steps.
    ValueError
        If `fill` is not a finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp.augment import Affine, Compose, Elastic, Shift
    >>> images = np.eye(8)[np.newaxis]
    >>> augmentation = Compose([Affine(), Shift(1), Elastic(sigma=2, alpha=8)])
    >>> augmentation(images, np.random.default_rng(0)).shape
    (1, 8, 8)
    """

    steps: Sequence[Distortion] = ()
    fill: float = 0.0

    def __post_init__(self):
        check_finite(self, "fill")
        if not isinstance(self.steps, list | tuple):
            raise TypeError(
                f"Compose: steps must be a list or tuple of augmentation steps, got {self.steps!r}."
            )
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            check_step(self, "each element of steps", step)

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Add the displacements of all steps."""
        for step in self.steps:
            step.displace(coordinates, rng)

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Apply the changes of all steps in turn."""
        for step in self.steps:
            images = step.transform_intensities(images, rng)
        return images

    def scaled(self, strength: float) -> Self:
        """Return a copy with scaled steps."""
        return replace(self, steps=[step.scaled(strength) for step in self.steps])


@dataclass(frozen=True)
class DigitDistortions(Distortion):
    """Combination of affine, shift, elastic and stroke-width distortions for handwritten digits.

    The parameters are chosen for MNIST, whose images have 28 x 28 pixels. For other images, distances are multiplied by
    the length of the shorter side divided by 28.

    Parameters
    ----------
    strength : float, default=1.0
        Factor of all distortions, at least 0.

    Raises
    ------
    ValueError
        If a parameter is not finite or out of range.

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
        check_non_negative(self, "strength")

    def for_side(self, side: int) -> Compose:
        """Return the steps for images of a given size.

        Parameters
        ----------
        side : int
            Length of the shorter side of the images, in pixels.

        Returns
        -------
        steps : Compose
            The combined steps.
        """
        return make_digit_distortions(side, self.strength)

    def displace(self, coordinates: FloatArray, rng: np.random.Generator) -> None:
        """Add the displacements of all steps."""
        self.for_side(min(coordinates.shape[2:])).displace(coordinates, rng)

    def transform_intensities(self, images: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Change the stroke widths."""
        return self.for_side(min(images.shape[1:])).transform_intensities(images, rng)

    def scaled(self, strength: float) -> Self:
        """Return a copy with a scaled strength."""
        return replace(self, strength=self.strength * strength)


@dataclass(frozen=True)
class Annealed:
    """Augmentation whose strength is annealed, that is, decreases toward the end of training.

    Parameters
    ----------
    augmentation : augmentation step
        Step to anneal.
    final_strength : float, default=0.3
        Relative strength at the end of training, in the range [0, 1].
    begin : float, default=0.7
        Fraction of the epochs with full strength, in the range [0, 1]. After them, the strength decreases linearly.

    Raises
    ------
    TypeError
        If `augmentation` is not an augmentation step.
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> from skmlp.augment import Annealed, Shift
    >>> Annealed(Shift(2), final_strength=0.5, begin=0.5).at(0.75)
    Shift(pixels=1.5, fill=0.0)
    """

    augmentation: Distortion
    final_strength: float = 0.3
    begin: float = 0.7

    def __post_init__(self):
        check_non_negative(self, "final_strength", "begin")
        for name in ("final_strength", "begin"):
            if getattr(self, name) > 1:
                raise ValueError(
                    f"Annealed: {name} must be a number in the range [0, 1], got {getattr(self, name)!r}."
                )
        check_step(self, "augmentation", self.augmentation)

    def __call__(self, images: ArrayLike, rng: np.random.Generator) -> FloatArray:
        """Distort images at full strength, like `augmentation` itself."""
        return self.augmentation(images, rng)

    def at(self, progress: float) -> Distortion:
        """Return the augmentation with the strength at a given time.

        Parameters
        ----------
        progress : float
            Completed fraction of the training run, in the range [0, 1].

        Returns
        -------
        augmentation : augmentation step
            The scaled augmentation.
        """
        if progress <= self.begin:
            return self.augmentation
        fraction = (progress - self.begin) / (1 - self.begin)
        return self.augmentation.scaled(1 - fraction * (1 - self.final_strength))


@lru_cache(maxsize=64)
def make_digit_distortions(side, strength):
    """Make the steps of `DigitDistortions` for images with a given shorter side."""
    size = side / 28
    # The displacements of an elastic distortion are proportional to alpha / sigma.
    elastic = Elastic(sigma=4 * size, alpha=30 * size**2)
    affine = Affine(rotation=12, scale=0.12, shear=0.15)
    steps = Compose([affine, Shift(1.5 * size), elastic, StrokeWidth(gain=3, threshold=0.4)])
    return steps.scaled(strength)


def draw_uniform(rng, shape, limit):
    """Draw uniform random numbers from -limit to limit, as float32."""
    values = rng.random(shape, dtype=np.float32)
    values -= 0.5
    values *= 2 * limit
    return values


def draw_smooth_noise(rng, shape, sigma, alpha):
    """Draw uniform noise in [-1, 1], smooth its last two axes by a Gaussian filter, and multiply it by `alpha`.

    The result is a temporary array of `scratch`.
    """
    *_, height, width = shape
    # 8 random bits per pixel suffice, because the filter sums over dozens of pixels. Whole words are fast to draw.
    n_pixels = math.prod(shape)
    words = rng.integers(2**64, size=-(-n_pixels // 8), dtype=np.uint64)
    noise, smoothed = scratch.empty("first", shape), scratch.empty("second", shape)
    np.add(words.view(np.int8)[:n_pixels].reshape(shape), np.float32(0.5), out=noise)
    # The matrices of the filters are symmetric.
    vertical, horizontal = (make_smoothing_matrix(size, sigma) for size in (height, width))
    for columns in split_products(width, height**2):
        np.matmul(vertical, noise[..., columns], out=smoothed[..., columns])
    for rows in split_products(height, width**2):
        np.matmul(smoothed[..., rows, :], horizontal, out=noise[..., rows, :])
    noise *= alpha / 127.5
    return noise


def split_products(size, n_multiplications):
    """Split rows or columns, with a number of multiplications for each, so that BLAS uses one thread per product."""
    step = max(MAX_MULTIPLICATIONS // n_multiplications, 1)
    return [slice(start, start + step) for start in range(0, size, step)]


@lru_cache(maxsize=16)
def make_centered_grid(height, width):
    """Return the row and the column of each pixel relative to the center of the image, of shape (2, n_pixels)."""
    rows, columns = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    grid = np.stack(np.meshgrid(rows, columns, indexing="ij"))
    return grid.reshape(2, -1).astype(np.float32)


@lru_cache(maxsize=16)
def make_smoothing_matrix(size, sigma):
    """Make the matrix of a Gaussian filter for a row of pixels, with zeros outside of the row."""
    matrix = np.eye(size, dtype=np.float32)
    if sigma:
        matrix = gaussian_filter1d(matrix, sigma, axis=0, mode="constant")
    return matrix


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


def is_number(value):
    """Return whether a value is a real number other than a boolean."""
    return isinstance(value, Real) and not isinstance(value, bool | np.bool_)


def check_step(step, name, value):
    """Raise TypeError unless a parameter is an augmentation step that can be combined and scaled."""
    if not isinstance(value, Distortion):
        raise TypeError(
            f"{type(step).__name__}: {name} must be an augmentation step, such as Shift(2) or DigitDistortions(), got "
            f"{value!r}."
        )


# Augmentations that the parameter `augmentation` of estimators accepts by name
AUGMENTATIONS = {"digits": DigitDistortions()}
