"""Augmentation steps that displace pixels: shifts, affine transformations and elastic distortions."""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Self

import numpy as np
from scipy.ndimage import gaussian_filter1d

from skmlp.digits.distortion import (
    Distortion,
    check_finite,
    check_non_negative,
    draw_uniform,
)
from skmlp.digits.scratch import scratch
from skmlp.typing import FloatArray

# OpenBLAS computes a product with at most so many multiplications on the calling thread. Threads of NumPy's BLAS would
# compete for the cores with those of SciPy's, which training uses.
MAX_MULTIPLICATIONS = 2**18


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
