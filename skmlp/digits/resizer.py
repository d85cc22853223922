"""Transformer that changes the size of images."""

from functools import lru_cache
from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from skmlp.image_shape import check_image_shape, resolve_image_shape
from skmlp.sklearn_compat import DOC_LINK_TEMPLATE, check_feature_names_in, fit_context
from skmlp.typing import ArrayLike

BLOCK_SIZE = 4096  # images
# Means that end in .5 up to rounding errors are rounded down, whatever the order of summation is.
ROUNDING_OFFSET = 0.499


class ImageResizer(TransformerMixin, BaseEstimator):
    """Change the size of images, given as the rows of X, by averaging.

    Each new pixel is the mean of the area of the image that it covers. This is the first step of a
    :class:`~sklearn.pipeline.Pipeline` with a small network, which takes fewer pixels than MNIST has.

    Parameters
    ----------
    shape : (int, int), default=(16, 16)
        Height and width of the new images.
    image_shape : (int, int), default=None
        Height and width of the original images, whose pixels are in row-major order in X. None means square images.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height and width of the original images.
    n_features_in_ : int
        Number of pixels per image.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`. Defined only if all feature names of `X` are strings.

    See Also
    --------
    skmlp.normalize_digit : Convert a picture to an image of 28 x 28 pixels, as in MNIST.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import ImageResizer
    >>> image = np.array([[0, 0, 8, 8], [0, 0, 8, 8], [0, 4, 8, 0], [4, 0, 0, 8]], dtype=np.uint8)
    >>> ImageResizer((2, 2)).fit_transform(image.reshape(1, 16))
    array([[0, 8, 2, 4]], dtype=uint8)
    """

    _doc_link_module = "skmlp"
    _doc_link_template = DOC_LINK_TEMPLATE
    _parameter_constraints: ClassVar[dict] = {
        "shape": ["array-like"],
        "image_shape": ["array-like", None],
    }

    def __init__(
        self,
        shape: tuple[int, int] = (16, 16),
        *,
        image_shape: tuple[int, int] | None = None,
    ) -> None:
        self.shape = shape
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
        self : ImageResizer
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is invalid, or the number of features does not match `image_shape`.
        """
        samples = validate_data(self, X, dtype="numeric")
        check_image_shape(self.shape, "shape")
        self.image_shape_ = resolve_image_shape(self.image_shape, samples.shape[1])
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Change the size of images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Images, one per row.

        Returns
        -------
        X_resized : ndarray of shape (n_samples, n_pixels)
            Resized images, with the dtype of X if it is a float or uint8, whose values are rounded, else float64.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        ValueError
            If `X` is invalid.
        """
        check_is_fitted(self)
        samples = validate_data(self, X, dtype="numeric", reset=False)
        dtype = samples.dtype if samples.dtype.kind == "f" or samples.dtype == np.uint8 else float
        height, width = check_image_shape(self.shape, "shape")
        resized = np.empty((len(samples), height * width), dtype)
        for start in range(0, len(samples), BLOCK_SIZE):
            rows = slice(start, start + BLOCK_SIZE)
            resized[rows] = resize(samples[rows], self.image_shape_, (height, width))
        return resized

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the names of the new pixels.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the original pixels. They must match `feature_names_in_` if it is defined, and are not used.

        Returns
        -------
        names : ndarray of str
            Names such as 'pixel_0_15', with the row and the column.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        """
        check_is_fitted(self)
        check_feature_names_in(self, input_features)
        height, width = check_image_shape(self.shape, "shape")
        names = [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]
        return np.array(names, dtype=object)


def resize(samples, image_shape, shape):
    """Return images, one per row, of a new shape. The values of uint8 are rounded."""
    is_rounded = samples.dtype == np.uint8
    images = samples.reshape(-1, *image_shape).astype(choose_dtype(samples.dtype))
    rows, columns = (
        make_averages(*sizes).astype(images.dtype) for sizes in zip(image_shape, shape, strict=True)
    )
    resized = (rows @ images @ columns.T).reshape(len(samples), -1)
    return np.floor(resized + ROUNDING_OFFSET) if is_rounded else resized


def choose_dtype(dtype):
    """Return the dtype in which means of pixels are computed."""
    if dtype.kind == "f":
        return dtype
    return np.float32 if dtype == np.uint8 else np.float64


@lru_cache(maxsize=16)
def make_averages(size, new_size):
    """Return the matrix that averages pixels along one axis, of shape (new_size, size).

    New pixel i covers the interval from i s to (i + 1) s of the original pixels, where s = size / new_size. The weight
    of an original pixel is the fraction of the interval that it covers.
    """
    scale = size / new_size
    starts = scale * np.arange(new_size)[:, np.newaxis]
    pixels = np.arange(size)
    overlaps = np.minimum(starts + scale, pixels + 1) - np.maximum(starts, pixels)
    averages = np.maximum(overlaps, 0) / scale
    averages.flags.writeable = False
    return averages
