"""Augmentation as a transformer, for use outside the classifier."""

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skmlp.digits.augment import digit_distortions
from skmlp.digits.shape import image_shape_of


class DigitAugmenter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Distorts images, one a row of X, by random shifts, rotations and the like.

    To train on distorted images, give the classifier its own `augmentation`, which draws them anew in each epoch. This
    transformer is for other estimators, for pictures of what is drawn, and to try how robust a model is. In a Pipeline
    it would distort what is to be predicted as well.

    Parameters
    ----------
    augmentation : callable, default=None
        Of ``skmlp.digits.augment``, or any function of images, of shape (n_images, height, width), and a NumPy
        Generator that gives such images. None for :func:`skmlp.digits.augment.digit_distortions`.
    image_shape : (int, int), default=None
        Height and width of the images, row by row in X; None for a square.
    random_state : int, RandomState instance or None, default=None
        An int gives the same distortions in each call of `transform`.

    Attributes
    ----------
    image_shape_ : tuple of int
        Height and width.
    n_features_in_ : int
        Number of pixels.

    See Also
    --------
    MLPDigitClassifier : Has a parameter `augmentation`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import DigitAugmenter
    >>> from skmlp.digits.augment import Shift
    >>> X, y = load_digits(return_X_y=True)
    >>> DigitAugmenter(Shift(1), random_state=0).fit_transform(X).shape
    (1797, 64)
    """

    def __init__(self, augmentation=None, *, image_shape=None, random_state=None):
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.random_state = random_state

    def fit(self, X, y=None):
        """Find out the shape of the images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
        y : None
            Ignored.

        Returns
        -------
        self : DigitAugmenter

        Raises
        ------
        ValueError
            If the features are no images of `image_shape`.
        """
        X = validate_data(self, X, dtype="numeric")
        self.image_shape_ = image_shape_of(self.image_shape, X.shape[1])
        return self

    def transform(self, X):
        """Distort images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)

        Returns
        -------
        X_distorted : ndarray of shape (n_samples, n_features)
            Of float64 if X is, else of float32.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        change = self.augmentation
        if change is None:
            change = digit_distortions(min(self.image_shape_))
        seed = check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32)
        images = X.astype(np.float64 if X.dtype == np.float64 else np.float32, copy=False)
        images = images.reshape(-1, *self.image_shape_)
        return np.asarray(change(images, np.random.default_rng(seed))).reshape(X.shape)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = True
        return tags
