"""Transformer that removes the slant of digits, and adjusts their size."""

from numbers import Real
from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skmlp.digits.moments import STEPS_PER_PIXEL, compute_ink, divide, find_exponents
from skmlp.digits.spread import check_spread, scale_to_spread
from skmlp.image_shape import resolve_image_shape
from skmlp.sklearn_compat import DOC_LINK_TEMPLATE, Interval, fit_context
from skmlp.typing import ArrayLike

# The temporary arrays for so many pixels mostly fit into the cache.
PIXELS_PER_BLOCK = 128 * 28 * 28


class Deslant(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    r"""Remove the slant of digits, given as the rows of X, and scale them to the same size.

    The rows of an image are shifted so that its principal axis becomes upright: after the transformation, the
    horizontal and the vertical position of the ink are uncorrelated [1]_. The value of a pixel is the amount of ink;
    the background must be 0. This is the first step of a :class:`~sklearn.pipeline.Pipeline` with a classifier. It
    helps small networks most.

    With `spread`, the digits are then scaled and centered, vertically, horizontally or both, so that the positions of
    their ink have the same mean and standard deviation in each direction. Noise counts as ink, and makes digits
    smaller.

    Parameters
    ----------
    max_shear : float, default=1.0
        Maximum shift per row, in pixels, at least 0. Digits with a stronger slant, of more than 45 degrees by default,
        are sheared by this amount.
    spread : (float or None, float or None), default=(None, None)
        Standard deviations of the rows and the columns of the ink to which digits are scaled, divided by the height and
        the width of the images, in the range (0, 1). (0.2, 0.15) is suitable for MNIST. None does not change the size
        and the position in the direction.
    image_shape : (int, int), default=None
        Height and width of the images, whose pixels are in row-major order in X. None means square images.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height and width of the images.
    n_features_in_ : int
        Number of pixels per image.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`. Defined only if all feature names of `X` are strings.

    See Also
    --------
    skmlp.augment.Upright : Remove the slant of distorted digits in training.
    normalize_digit : Convert a picture to an image of 28 x 28 pixels, as in MNIST.
    DigitAugmenter : Distort images by random transformations.

    Notes
    -----
    Let :math:`i` and :math:`j` be the row and the column of a pixel, and let means and covariances be weighted by the
    absolute values of the pixels. Then row :math:`i` of the new image is row :math:`i` of the original one, sampled at
    the columns :math:`j + s (i - \bar i)`, where :math:`s = \operatorname{cov}(i, j) / \operatorname{var}(i)`. The
    samples are interpolated linearly between neighboring columns; they are 0 outside of the image. Blank images do not
    change.

    With a horizontal `spread` of :math:`t`, the columns of the sheared image of width :math:`n` are then sampled at
    :math:`\bar j + f (j - (n - 1) / 2)`. Here, :math:`\bar j` and :math:`\sigma` are the mean and the standard
    deviation of the columns of the ink, and :math:`f = \sigma / (t n)`, limited to 0.5 to 1.5. The rows are sampled
    likewise. This is moment normalization [2]_. Parts of digits that reach beyond the image are cut off.

    References
    ----------
    .. [1] LeCun, Bottou, Bengio and Haffner, "Gradient-based learning applied to document recognition", Proceedings of
       the IEEE 86(11), 1998, section III.A, which calls it deslanting.
    .. [2] Casey, "Moment normalization of handprinted characters", IBM Journal of Research and Development 14(5), 1970.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import Deslant
    >>> slash = np.array([[0, 0, 9], [0, 9, 0], [9, 0, 0]], dtype=np.uint8)
    >>> Deslant().fit_transform(slash.reshape(1, 9)).reshape(3, 3)
    array([[0, 9, 0],
           [0, 9, 0],
           [0, 9, 0]], dtype=uint8)
    """

    _doc_link_module = "skmlp"
    _doc_link_template = DOC_LINK_TEMPLATE
    _parameter_constraints: ClassVar[dict] = {
        "max_shear": [Interval(Real, 0, None, closed="left")],
        "spread": ["array-like"],
        "image_shape": ["array-like", None],
    }

    def __init__(
        self,
        max_shear: float = 1.0,
        *,
        spread: tuple[float | None, float | None] = (None, None),
        image_shape: tuple[int, int] | None = None,
    ) -> None:
        self.max_shear = max_shear
        self.spread = spread
        self.image_shape = image_shape

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Determine the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Images, one per row.
        y : None
            Ignored.

        Returns
        -------
        self : Deslant
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is invalid, or the number of features does not match `image_shape`.
        """
        samples = validate_data(self, X, dtype="numeric")
        check_spread(self.spread)
        self.image_shape_ = resolve_image_shape(self.image_shape, samples.shape[1])
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Remove the slant of digits, and scale them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Images, one per row.

        Returns
        -------
        X_upright : ndarray of shape (n_samples, n_features)
            Upright images, with the dtype of X if it is a float or uint8, whose values are rounded, else float64.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        ValueError
            If `X` is invalid.
        """
        check_is_fitted(self)
        samples = validate_data(self, X, dtype="numeric", reset=False)
        spread = check_spread(self.spread)
        dtype = samples.dtype if samples.dtype.kind == "f" or samples.dtype == np.uint8 else float
        images = samples.reshape(-1, *self.image_shape_)
        upright = np.empty(images.shape, dtype)
        block_size = max(PIXELS_PER_BLOCK // samples.shape[1], 1)
        for start in range(0, len(images), block_size):
            block = slice(start, start + block_size)
            deslant(images[block], self.max_shear, spread, out=upright[block])
        return upright.reshape(samples.shape)


def deslant(images, max_shear, spread, out):
    """Shear and scale images, and write them to `out`."""
    if images.dtype.kind == "f":
        # The difference of two pixels must be finite.
        excess = np.maximum(find_exponents(images) - np.finfo(images.dtype).maxexp + 1, 0)
        if excess.any():
            deslant(np.ldexp(images, -excess), max_shear, spread, out)
            np.ldexp(out, excess, out=out)
            return
    shift_rows(images, compute_shifts(images, max_shear), out)
    scale_to_spread(out, spread)


def compute_shifts(images, max_shear):
    """Return how far to the right each row must be sampled, in pixels, as an array of shape (n_images, height)."""
    n_images, height, width = images.shape
    ink = compute_ink(images)
    columns = np.stack([np.ones(width), np.arange(width)], axis=1).astype(ink.dtype)
    moments = (ink.reshape(-1, width) @ columns).reshape(n_images, height, 2).astype(float)
    row_ink, column_moments = moments[..., 0], moments[..., 1]
    total = row_ink.sum(axis=1, keepdims=True)
    rows = np.arange(height)
    # Distances from the mean row, variances and covariances, multiplied by powers of the total. For uint8, these are
    # sums of integers, which are exact in any order.
    distances = total * rows - row_ink @ rows[:, np.newaxis]
    variances = np.sum(row_ink * rows * distances, axis=1, keepdims=True)
    covariances = np.sum(column_moments * distances, axis=1, keepdims=True)
    shears = np.clip(divide(covariances, variances), -max_shear, max_shear)
    return np.rint(shears * divide(distances, total) * STEPS_PER_PIXEL) / STEPS_PER_PIXEL


def shift_rows(images, shifts, out):
    """Sample the rows of images at shifted columns by linear interpolation, and write them to `out`."""
    n_images, height, width = images.shape
    padded = np.zeros((n_images, height, width + 2), images.dtype)
    padded[..., 1:-1] = images
    whole = np.floor(shifts)
    # Column j of the new image lies between the columns j + whole and j + whole + 1 of the original one. All columns
    # outside of the image are represented by the padding.
    indices = np.clip(whole, -width - 1, width).astype(np.intp)[..., np.newaxis] + np.arange(
        1, width + 2
    )
    np.clip(indices, 0, width + 1, out=indices)
    indices += np.arange(0, padded.size, width + 2).reshape(n_images, height, 1)
    is_rounded = out.dtype == np.uint8
    samples = padded.reshape(-1).take(indices, mode="clip")
    samples = samples.astype(np.float32 if is_rounded else out.dtype, copy=False)
    first, fractions = samples[..., :-1], (shifts - whole)[..., np.newaxis]
    interpolated = np.diff(samples, axis=2)
    interpolated *= fractions.astype(interpolated.dtype)
    interpolated += first
    if is_rounded:
        interpolated += 0.5
    out[...] = interpolated
