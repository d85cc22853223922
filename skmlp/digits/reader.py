"""Transformer that converts IDX files or images to a matrix of floats, one row per image."""

import os
from typing import ClassVar, Self

import numpy as np
from numpy.typing import DTypeLike
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_array
from sklearn.utils.validation import validate_data

from skmlp.digits.idx import read_idx
from skmlp.sklearn_compat import DOC_LINK_TEMPLATE, Options, StrOptions, fit_context
from skmlp.typing import ArrayLike, FloatArray, Source


class IDXReader(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Convert images, in IDX files or arrays, to a matrix of floats with one row per image.

    As the first step of a :class:`~sklearn.pipeline.Pipeline`, the transformer allows `fit` and `predict` to be
    called with the path of a file. It also accepts arrays, so that the same pipeline can be used where samples are
    selected by index, as in :class:`~sklearn.model_selection.GridSearchCV`.

    The transformer is stateless: `transform` can be called without `fit`. After `fit`, `transform` also checks
    that the images have the same shape.

    Parameters
    ----------
    scale : bool, default=True
        Whether to divide pixels of type uint8 by 255. Other types are not scaled.
    dtype : {np.float32, np.float64}, default=np.float32
        Type of the result: a type, a :class:`numpy.dtype` or a name.

    Attributes
    ----------
    image_shape_ : tuple (height, width) or None
        Shape of the images passed to `fit`; None if `X` was two-dimensional.
    n_features_in_ : int
        Number of pixels per image.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`. Defined only if all feature names of `X` are strings.

    See Also
    --------
    skmlp.read_idx : Read the array of a file.
    skmlp.load_mnist : Load the images and labels of MNIST or a compatible dataset.

    Examples
    --------
    >>> from skmlp import IDXReader
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

    _doc_link_module = "skmlp"
    _doc_link_template = DOC_LINK_TEMPLATE
    _parameter_constraints: ClassVar[dict] = {
        "scale": ["boolean"],
        "dtype": [
            Options(type, {np.float32, np.float64}),
            Options(np.dtype, {np.dtype(np.float32), np.dtype(np.float64)}),
            StrOptions({"float32", "float64"}),
        ],
    }

    def __init__(self, scale: bool = True, dtype: DTypeLike = np.float32) -> None:
        self.scale = scale
        self.dtype = dtype

    def fit(self, X: Source | ArrayLike, y: object = None) -> Self:
        """Determine the shape of the images.

        Parameters
        ----------
        X : str, path-like, bytes-like, binary stream or array-like
            IDX file, as for :func:`skmlp.read_idx`, or array, of shape (n_samples, height, width) or
            (n_samples, n_features). A stream can be read only once; use `fit_transform` for it.
        y : None
            Ignored.

        Returns
        -------
        self : IDXReader
            The fitted transformer.

        Raises
        ------
        IDXFormatError
            If `X` is not a valid IDX file.
        ValueError
            If a parameter is invalid, or `X` does not contain images.
        FileNotFoundError
            If the file does not exist.
        """
        self.fit_transform(X)
        return self

    @fit_context(prefer_skip_nested_validation=True)
    def fit_transform(self, X: Source | ArrayLike, y: object = None) -> FloatArray:
        """Determine the shape of the images and convert them.

        Parameters
        ----------
        X : str, path-like, bytes-like, binary stream or array-like
            As for `fit`. Read only once.
        y : None
            Ignored.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            The images, one per row, of type `dtype`.

        Raises
        ------
        IDXFormatError
            If `X` is not a valid IDX file.
        ValueError
            If a parameter is invalid, or `X` does not contain images.
        FileNotFoundError
            If the file does not exist.
        """
        rows, image_shape = flatten_images(X)
        rows = self._convert(rows, reset=True)
        self.image_shape_ = image_shape
        return rows

    def transform(self, X: Source | ArrayLike) -> FloatArray:
        """Convert images to a matrix.

        Parameters
        ----------
        X : str, path-like, bytes-like, binary stream or array-like
            As for `fit`.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features)
            The images, one per row, of type `dtype`. An array that needs no conversion is not copied.

        Raises
        ------
        IDXFormatError
            If `X` is not a valid IDX file.
        ValueError
            If `X` does not contain images, or their shape differs from that of the images passed to `fit`.
        FileNotFoundError
            If the file does not exist.
        """
        rows, image_shape = flatten_images(X)
        fitted_shape = getattr(self, "image_shape_", None)
        if fitted_shape and image_shape and image_shape != fitted_shape:
            raise ValueError(
                f"X must contain images of shape {fitted_shape}, as in fit, got {image_shape}."
            )
        return self._convert(rows, reset=False)

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> np.ndarray:
        """Return the feature names of the result.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names to use. They must match `feature_names_in_` if it is defined.

        Returns
        -------
        feature_names_out : ndarray of shape (n_features,), of str objects
            If `input_features` is None: ``pixel_0_0``, ``pixel_0_1``, ... (row, column) after `fit` on images,
            `feature_names_in_` after `fit` on a data frame, else ``x0``, ``x1``, ....

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        """
        if input_features is None and getattr(self, "image_shape_", None):
            return np.array(make_pixel_names(*self.image_shape_), dtype=object)
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
            # validate_data would warn about feature names, because an unfitted transformer has none.
            rows = check_array(rows, estimator=self, input_name="X")
        if self.scale and rows.dtype == np.uint8:
            return np.divide(rows, 255, dtype=self.dtype)
        # check_array raises an error for values that overflow in float32; NumPy's warning is redundant.
        with np.errstate(over="ignore"):
            return check_array(rows, dtype=self.dtype, estimator=self, input_name="X")


def make_pixel_names(height, width):
    """Return the names of the pixels of an image row by row, as in :func:`sklearn.datasets.load_digits`.

    Parameters
    ----------
    height : int
        Height of the image.
    width : int
        Width of the image.

    Returns
    -------
    names : list of str
        Names of the height * width pixels.

    Examples
    --------
    >>> from skmlp.digits.reader import make_pixel_names
    >>> make_pixel_names(2, 2)
    ['pixel_0_0', 'pixel_0_1', 'pixel_1_0', 'pixel_1_1']
    """
    return [f"pixel_{row}_{column}" for row in range(height) for column in range(width)]


def flatten_images(X):
    """Return X with one image per row, and the shape of the images, or None if X is two-dimensional."""
    is_source = isinstance(X, str | os.PathLike | bytes | bytearray | memoryview)
    # A data frame can have a column named "read", which is not callable.
    if is_source or callable(getattr(X, "read", None)):
        X = read_idx(X)
        if X.ndim == 1:
            raise ValueError(
                "X must have the shape (n_samples, height, width) or (n_samples, n_features), got an IDX file of shape "
                f"{X.shape}. Check that it is not a file of labels."
            )
    elif isinstance(X, list | tuple):
        X = np.asarray(X)
    if getattr(X, "ndim", 2) != 3:
        return X, None
    n_samples, height, width = X.shape
    return X.reshape(n_samples, height * width), (height, width)
