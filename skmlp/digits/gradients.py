"""Gradient features: how much the intensity changes in each direction, in each part of an image."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from skmlp.digits.scratch import scratch
from skmlp.image_shape import is_positive_integer
from skmlp.typing import ArrayLike, FloatArray

N_DIRECTIONS = 8
MAX_POINTS = 64  # per row and column of the grid
# Added under the root, so that its derivative is finite
ROOT_OFFSET = 1e-4
# Standard deviation of the weights of the pixels around a grid point, divided by the distance of the points
RELATIVE_BLUR = 0.5
# Distance in standard deviations beyond which the weights are 0
MAX_DISTANCE = 9
# The temporary arrays for so many pixels take less than 2 MB in float32, the size of many L2 caches.
PIXELS_PER_BLOCK = 32 * 28 * 28


@dataclass(frozen=True)
class GradientFeatures:
    r"""Strength of the intensity gradient in eight directions, around the points of a grid.

    As the parameter `image_features` of :class:`skmlp.MLPDigitClassifier`, it makes these features the inputs of the
    network, instead of the pixels or in addition to them. They depend on which pixels are neighbors, which a dense
    layer does not know. A network becomes more sensitive to noise if its training images have none.

    Parameters
    ----------
    grid : (int, int), default=(9, 9)
        Numbers of rows and columns of the grid, each from 1 to 64.
    include_pixels : bool, default=False
        Whether the pixels follow the strengths of the gradient.

    Raises
    ------
    TypeError
        If `include_pixels` is not a boolean.
    ValueError
        If `grid` is not a pair of integers from 1 to 64.

    See Also
    --------
    skmlp.Deslant : Remove the slant of digits.

    Notes
    -----
    Let :math:`g` be the gradient of an image at a pixel, from Sobel filters whose weights are divided by 4; pixels
    outside of the image are 0. The vector is the sum of its components in the two nearest of eight directions, which
    are multiples of 45 degrees [1]_. For a direction :math:`u` and its normal :math:`n`, the component is

    .. math:: v_u = \max(0, g \cdot u - |g \cdot n|).

    The feature of a direction at a grid point is :math:`\sqrt{s + \epsilon} - \sqrt{\epsilon}`, where :math:`s` is the
    average of :math:`v_u` with Gaussian weights around the point, and :math:`\epsilon = 10^{-4}`, for pixels from
    0 to 1. The standard deviation of the weights is half of the distance of the grid points. The features are sorted by
    direction (right, down and right, down, ...), then by row and column of the grid.

    References
    ----------
    .. [1] Liu, Nakashima, Sako and Fujisawa, "Handwritten digit recognition: benchmarking of state-of-the-art
       techniques", Pattern Recognition 36(10), 2003, which calls them gradient features.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import GradientFeatures
    >>> images = np.zeros((1, 8, 8))
    >>> images[:, :, 4:] = 1  # an edge, from which the intensity increases to the right
    >>> features = GradientFeatures((2, 2))(images).reshape(8, 2, 2)
    >>> features[0].round(1)
    array([[0.4, 0.4],
           [0.4, 0.4]])
    """

    grid: tuple[int, int] = (9, 9)
    include_pixels: bool = False

    def __post_init__(self):
        object.__setattr__(self, "grid", check_grid(self.grid))
        if not isinstance(self.include_pixels, bool | np.bool_):
            raise TypeError(
                f"GradientFeatures: include_pixels must be True or False, got {self.include_pixels!r}."
            )
        object.__setattr__(self, "include_pixels", bool(self.include_pixels))

    def __call__(self, images: ArrayLike) -> FloatArray:
        """Compute the features of images.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width)
            Images, usually with pixels from 0 to 1.

        Returns
        -------
        features : ndarray of shape (n_images, n_features)
            Features of each image. float64 if `images` is float64, else float32.

        Raises
        ------
        ValueError
            If `images` does not have three dimensions.
        """
        checked = check_images(images)
        grid = Grid.for_images(checked, self.grid)
        features = np.empty((len(checked), self.count_features(checked.shape[1:])), checked.dtype)
        for block in split_into_blocks(checked):
            averages = grid.average(compute_gradient(checked[block]))
            features[block, : grid.n_strengths] = compute_roots(averages)
        if self.include_pixels:
            n_pixels = math.prod(checked.shape[1:])
            features[:, grid.n_strengths :] = checked.reshape(len(checked), n_pixels)
        return features

    def count_features(self, image_shape: tuple[int, int]) -> int:
        """Return the number of features of an image, without computing them.

        Parameters
        ----------
        image_shape : (int, int)
            Height and width of the image.

        Returns
        -------
        n_features : int
            Number of features.

        Examples
        --------
        >>> from skmlp import GradientFeatures
        >>> GradientFeatures((9, 9)).count_features((28, 28))  # 8 * 9 * 9
        648
        """
        n_pixels = math.prod(image_shape) if self.include_pixels else 0
        return N_DIRECTIONS * math.prod(self.grid) + n_pixels

    def backpropagate(self, images: ArrayLike, derivatives: ArrayLike) -> FloatArray:
        """Compute the derivatives of a quantity with respect to the pixels.

        Parameters
        ----------
        images : array-like of shape (n_images, height, width)
            Images.
        derivatives : array-like of shape (n_images, n_features)
            Derivatives of the quantity with respect to the features.

        Returns
        -------
        derivatives : ndarray of shape (n_images, height, width)
            Derivatives with respect to the pixels. float64 if `images` is float64, else float32.

        Raises
        ------
        ValueError
            If `images` does not have three dimensions, or there are not as many derivatives as features.

        Examples
        --------
        >>> import numpy as np
        >>> from skmlp import GradientFeatures
        >>> gradients = GradientFeatures((2, 2))
        >>> images = np.random.default_rng(0).random((3, 8, 8))
        >>> gradients.backpropagate(images, np.ones_like(gradients(images))).shape
        (3, 8, 8)
        """
        checked = check_images(images)
        given = np.asarray(derivatives, checked.dtype)
        expected = len(checked), self.count_features(checked.shape[1:])
        if given.shape != expected:
            raise ValueError(
                f"derivatives must have the shape {expected}, got {given.shape}. Pass one for each feature of each "
                "image."
            )
        grid = Grid.for_images(checked, self.grid)
        result = np.empty(checked.shape, checked.dtype)
        for block in split_into_blocks(checked):
            gradient = compute_gradient(checked[block])
            roots = 2 * np.sqrt(grid.average(gradient) + checked.dtype.type(ROOT_OFFSET))
            spread = grid.spread(given[block, : grid.n_strengths] / roots)
            result[block] = propagate_gradient(propagate_components(gradient, spread))
        if self.include_pixels:
            result += given[:, grid.n_strengths :].reshape(checked.shape)
        return result


def check_grid(grid):
    """Return a grid as a tuple of integers, or raise ValueError unless they are in the range."""
    sizes = tuple(grid) if isinstance(grid, Iterable) else ()
    is_valid = len(sizes) == 2 and all(map(is_positive_integer, sizes)) and max(sizes) <= MAX_POINTS
    if not is_valid:
        raise ValueError(
            f"GradientFeatures: grid must be two integers from 1 to {MAX_POINTS}, (rows, columns), got {grid!r}."
        )
    return tuple(map(int, sizes))


# Gaussian averages around the points of a grid


class Grid(NamedTuple):
    """Weights of the pixels around the points of a grid, in images with a border of one pixel, whose weight is 0.

    Attributes
    ----------
    rows : ndarray of shape (n_grid_rows, height + 2)
    columns : ndarray of shape (n_grid_columns, width + 2)
    """

    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def for_images(cls, images, shape):
        """Return the weights for images of shape (n_images, height, width)."""
        return cls(
            *(
                np.pad(make_weights(n_points, n_pixels), ((0, 0), (1, 1))).astype(images.dtype)
                for n_points, n_pixels in zip(shape, images.shape[1:], strict=True)
            )
        )

    @property
    def n_strengths(self):
        """Number of strengths of the gradient per image."""
        return N_DIRECTIONS * len(self.rows) * len(self.columns)

    def average(self, gradient):
        """Return the averages of the components of a gradient, of shape (n_images, n_strengths)."""
        n_images, (n_rows, _), (_, width) = len(gradient[0]), self.rows.shape, self.columns.shape
        sums = np.empty((n_images, N_DIRECTIONS, n_rows, width), gradient[0].dtype)
        for direction, component in iterate_components(gradient):
            np.matmul(self.rows, component, out=sums[:, direction])
        averages = sums.reshape(n_images, N_DIRECTIONS * n_rows, width) @ self.columns.T
        return averages.reshape(n_images, -1)

    def spread(self, derivatives):
        """Return the derivatives with respect to the components, from those with respect to the averages."""
        shape = len(derivatives), N_DIRECTIONS, len(self.rows), len(self.columns)
        return self.rows.T @ (derivatives.reshape(shape) @ self.columns)


@lru_cache(maxsize=16)
def make_weights(n_points, n_pixels):
    """Return the Gaussian weights of the pixels of a row around each grid point, of shape (n_points, n_pixels).

    Their sum is 1 for a row without borders.
    """
    distance = n_pixels / n_points
    points = distance * (np.arange(n_points)[:, np.newaxis] + 0.5) - 0.5
    deviation = RELATIVE_BLUR * distance
    z = (np.arange(n_pixels) - points) / deviation
    # Farther away, the weights are below 1e-17. In float32, some would be subnormal.
    is_near = np.abs(z) < MAX_DISTANCE
    weights = is_near * np.exp(-0.5 * (is_near * z) ** 2)
    weights /= deviation * np.sqrt(2 * np.pi)
    weights.flags.writeable = False
    return weights


# The gradient and its components


def compute_gradient(images):
    """Return the horizontal and the vertical derivatives of images, with a border of one pixel around each image.

    Each has the shape (n_images, height + 2, width + 2). The values of the border are finite, but have no meaning.
    """
    n_images, height, width = images.shape
    padded = scratch.empty("padded", (n_images, height + 2, width + 2), images.dtype)
    padded[...] = 0
    padded[:, 1:-1, 1:-1] = images
    width += 2
    # Operations on adjacent numbers are several times as fast as row by row. They ignore the ends of rows and images.
    pixels, n_inner = padded.reshape(-1), max(padded.size - 2 * (width + 1), 0)

    def shift(rows, columns):
        start = (1 + rows) * width + 1 + columns
        return pixels[start : start + n_inner]

    gradient = np.zeros((2, padded.size), padded.dtype)
    horizontal, vertical = gradient[:, width + 1 : -width - 1]
    falling, rising = scratch.empty("first", (2, n_inner), padded.dtype)
    np.subtract(shift(1, 1), shift(-1, -1), out=falling)
    np.subtract(shift(-1, 1), shift(1, -1), out=rising)
    # 2 * (right - left) + falling + rising
    np.subtract(shift(0, 1), shift(0, -1), out=horizontal)
    horizontal *= 2
    horizontal += falling
    horizontal += rising
    # 2 * (below - above) + falling - rising
    np.subtract(shift(1, 0), shift(-1, 0), out=vertical)
    vertical *= 2
    vertical += falling
    vertical -= rising
    gradient /= 4
    return gradient.reshape(2, *padded.shape)


def propagate_gradient(gradient):
    """Return the derivatives with respect to the pixels, from those with respect to the two of `compute_gradient`.

    Sobel filters are antisymmetric.
    """
    horizontal, vertical = (each[:, 1:-1, 1:-1] for each in gradient)
    pixels = -compute_gradient(horizontal)[0] - compute_gradient(vertical)[1]
    return pixels[:, 1:-1, 1:-1]


def iterate_components(gradient):
    """Yield each of the eight directions with the components of the vectors, which are overwritten by the next ones."""
    component, larger, distance = scratch.empty(
        "second", (3, *gradient[0].shape), gradient[0].dtype
    )
    for first, (along, across) in enumerate(rotate_axes(*gradient)):
        np.abs(across, out=distance)
        # max(0, along - distance)
        np.maximum(along, distance, out=larger)
        yield first, np.subtract(larger, distance, out=component)
        # The opposite direction, with the same normal
        np.maximum(np.negative(along, out=larger), distance, out=larger)
        yield first + N_DIRECTIONS // 2, np.subtract(larger, distance, out=component)


def propagate_components(gradient, derivatives):
    """Return the derivatives with respect to the gradient, from those with respect to the components."""
    axes = []
    for first, (along, across) in enumerate(rotate_axes(*gradient)):
        distance = np.abs(across)
        ahead = derivatives[:, first] * (along > distance)
        behind = derivatives[:, first + N_DIRECTIONS // 2] * (-along > distance)
        axes.append((ahead - behind, -np.sign(across) * (ahead + behind)))
    return rotate_back(axes)


def rotate_axes(horizontal, vertical):
    """Return vectors along and across the first four directions: right, down and right, down, down and left.

    The sign of those across is arbitrary, because only their absolute values are used.
    """
    root = horizontal.dtype.type(np.sqrt(0.5))
    falling, rising = (vertical + horizontal) * root, (vertical - horizontal) * root
    return (horizontal, vertical), (falling, rising), (vertical, horizontal), (rising, falling)


def rotate_back(axes):
    """Return the derivatives with respect to the horizontal and vertical parts, from those of `rotate_axes`."""
    (right, r), (falling, f), (down, d), (rising, i) = axes
    root = right.dtype.type(np.sqrt(0.5))
    # Those with respect to the sum and the difference of the parts
    total, difference = (falling + i) * root, (rising + f) * root
    return right + d + total - difference, down + r + total + difference


def compute_roots(averages):
    """Return the roots of averages, shifted so that 0 remains 0 and the derivative is finite."""
    offset = averages.dtype.type(ROOT_OFFSET)
    return np.sqrt(averages + offset) - np.sqrt(offset)


# Images


def check_images(images):
    """Return images as an array of float32 or float64, or raise ValueError or TypeError."""
    images = np.asarray(images)
    if images.ndim != 3:
        raise ValueError(
            f"images must have the shape (n_images, height, width), got {images.shape}. Use images.reshape."
        )
    if images.dtype.kind not in "buif":
        raise TypeError(
            f"images must contain real numbers, got the dtype {images.dtype}. Convert them to float32."
        )
    dtype = np.float64 if images.dtype == np.float64 else np.float32
    return images.astype(dtype, copy=False)


def split_into_blocks(images):
    """Return slices of images whose temporary arrays are small."""
    size = max(PIXELS_PER_BLOCK // max(math.prod(images.shape[1:]), 1), 1)
    return [slice(start, start + size) for start in range(0, len(images), size)]


# Features that the parameter `image_features` of the classifier accepts by name
IMAGE_FEATURES = {"gradients": GradientFeatures()}
