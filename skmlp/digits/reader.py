"""IDXReader: the first step of a Pipeline, which converts IDX files or images to rows of floats."""

import os
from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skmlp.digits.idx import read_idx
from skmlp.sklearn_compat import Options, StrOptions, fit_context


class IDXReader(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Convert images, in IDX files or arrays, to rows of floats for an estimator.

    As the first step of a :class:`~sklearn.pipeline.Pipeline` it lets ``fit`` and ``predict``
    take the path of a file. It accepts arrays too, so that the same pipeline works where rows are
    selected by index, as in :class:`~sklearn.model_selection.GridSearchCV`.

    The reader has no state to learn: ``transform`` works without ``fit``; after ``fit`` it also checks
    that the images have the same size.

    Parameters
    ----------
    scale : bool, default=True
        Whether to divide uint8, the type of pixels, by 255. Other types are never scaled.
    dtype : {np.float32, np.float64}, default=np.float32
        Type of the result, as a type, a :class:`numpy.dtype` or a name.

    Attributes
    ----------
    image_shape_ : tuple (height, width) or None
        Shape of the images seen in ``fit``; None if they were rows.
    n_features_in_ : int
        Number of pixels of an image seen in ``fit``.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if ``fit`` saw a data frame.

    See Also
    --------
    skmlp.read_idx : Read the array of a file.
    skmlp.load_mnist : Load images and labels.

    Examples
    --------
    >>> from skmlp.digits.reader import IDXReader
    >>> two_images = bytes.fromhex("00000803 00000002 00000001 00000003 0033ff ff3300")
    >>> reader = IDXReader()
    >>> reader.fit_transform(two_images)
    array([[0. , 0.2, 1. ],
           [1. , 0.2, 0. ]], dtype=float32)
    >>> reader.image_shape_
    (1, 3)
    >>> reader.get_feature_names_out()
    array(['pixel_0_0', 'pixel_0_1', 'pixel_0_2'], dtype=object)
    """

    _parameter_constraints: ClassVar[dict] = {
        "scale": ["boolean"],
        "dtype": [
            Options(type, {np.float32, np.float64}),
            Options(np.dtype, {np.dtype(np.float32), np.dtype(np.float64)}),
            StrOptions({"float32", "float64"}),
        ],
    }

    def __init__(self, scale=True, dtype=np.float32):
        self.scale = scale
        self.dtype = dtype

    def fit(self, X, y=None):
        """Determine the size of the images.

        Parameters
        ----------
        X : str, path-like, bytes-like, binary stream or array-like
            An IDX file, as for :func:`skmlp.read_idx`, or an array, with images of shape
            (n_samples, height, width) or rows of shape (n_samples, n_features). A stream can be
            read once only: use ``fit_transform``.
        y : None
            Ignored.

        Returns
        -------
        self : IDXReader
            The reader itself.
        """
        self.fit_transform(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X, y=None):
        """Determine the size of the images and return them as rows.

        Parameters
        ----------
        X : str, path-like, bytes-like, binary stream or array-like
            As for ``fit``; read once.
        y : None
            Ignored.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            The rows, of type `dtype`.
        """
        rows, image_shape = _as_rows(X)
        rows = self._convert(rows, reset=True)
        self.image_shape_ = image_shape
        return rows

    def transform(self, X):
        """Return images as rows.

        Parameters
        ----------
        X : str, path-like, bytes-like, binary stream or array-like
            As for ``fit``.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            The rows, of type `dtype`. An array that needs no conversion is not copied.

        Raises
        ------
        IDXFormatError
            If X is not a valid IDX file.
        ValueError
            If X does not contain images, or their size is not that in ``fit``.
        """
        rows, image_shape = _as_rows(X)
        fitted_shape = getattr(self, "image_shape_", None)
        if fitted_shape and image_shape and image_shape != fitted_shape:
            raise ValueError(
                f"X must hold images of shape {fitted_shape}, as in fit, got {image_shape}"
            )
        return self._convert(rows, reset=False)

    def get_feature_names_out(self, input_features=None):
        """Name the columns of the result.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names to use; they must match ``feature_names_in_`` where that is known.

        Returns
        -------
        feature_names_out : ndarray of shape (n_features,), of str objects
            The data frame's names if ``fit`` saw one, ``pixel_0_0``, ``pixel_0_1``, ... (row,
            column) if it saw images, else ``x0``, ``x1``, ...

        Raises
        ------
        NotFittedError
            If ``fit`` was not called: the number of columns is not known.
        """
        if input_features is None and getattr(self, "image_shape_", None):
            return np.array(pixel_names(*self.image_shape_), dtype=object)
        return super().get_feature_names_out(input_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _convert(self, rows, reset):
        if reset or hasattr(self, "n_features_in_"):
            rows = validate_data(self, rows, reset=reset)
        else:
            # Unfitted, there are no names to compare with; validate_data would warn of that.
            rows = check_array(rows, estimator=self, input_name="X")
        if self.scale and rows.dtype == np.uint8:
            return np.divide(rows, 255, dtype=self.dtype)
        # A finite float64 may be infinite as float32: refused, so NumPy need not warn.
        with np.errstate(over="ignore"):
            return check_array(rows, dtype=self.dtype, estimator=self, input_name="X")


def pixel_names(height, width):
    """Name the pixels of an image row by row, as in :func:`sklearn.datasets.load_digits`.

    Parameters
    ----------
    height, width : int
        Size of the image.

    Returns
    -------
    names : list of str
        Names of the height * width pixels.

    Examples
    --------
    >>> from skmlp.digits.reader import pixel_names
    >>> pixel_names(2, 2)
    ['pixel_0_0', 'pixel_0_1', 'pixel_1_0', 'pixel_1_1']
    """
    return [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]


def _as_rows(X):
    """Return X with an image in each row, and the images' shape where X says it."""
    is_source = isinstance(X, str | os.PathLike | bytes | bytearray | memoryview)
    # A data frame may have a column named read.
    if is_source or callable(getattr(X, "read", None)):
        X = read_idx(X)
        if X.ndim == 1:
            raise ValueError(
                "X must hold images, (n_samples, height, width) or (n_samples, n_features), but "
                f"the IDX file has shape {X.shape}: is it a file of labels?"
            )
    elif isinstance(X, list | tuple):
        X = np.asarray(X)
    if getattr(X, "ndim", 2) != 3:
        return X, None
    n_samples, height, width = X.shape
    return X.reshape(n_samples, height * width), (height, width)
