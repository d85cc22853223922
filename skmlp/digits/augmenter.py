"""Augmentation as a transformer, for use outside of the classifier."""

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skmlp.digits.augment import AUGMENTATIONS
from skmlp.digits.shape import image_shape_of
from skmlp.sklearn_compat import StrOptions, fit_context


class DigitAugmenter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Distort images, one per row of X, by random shifts, rotations and the like.

    To train on distorted images, use the parameter `augmentation` of the classifier, which distorts them again in each
    epoch. This transformer is for other estimators, for plots of distorted images, and to test how robust a model is.
    In a :class:`~sklearn.pipeline.Pipeline` it distorts the samples to predict as well.

    Parameters
    ----------
    augmentation : {'digits'}, callable or None, default='digits'
        As for :class:`skmlp.MLPDigitClassifier`: 'digits' is :class:`skmlp.augment.DigitDistortions`. A callable is a
        step of :mod:`skmlp.augment`, or a function of images of shape (n_images, height, width) and a NumPy Generator
        that returns such images. None returns the images unchanged.
    image_shape : (int, int), default=None
        Height and width of the images, whose rows follow each other in X; None for square images.
    random_state : int, RandomState instance or None, default=None
        Seed of the distortions. Pass an int for the same distortions in each call of `transform`.

    Attributes
    ----------
    image_shape_ : tuple of int or None
        Height and width; None if both `augmentation` and `image_shape` are None.
    n_features_in_ : int
        Number of pixels.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if X is a data frame.

    See Also
    --------
    MLPDigitClassifier : Has a parameter `augmentation`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import DigitAugmenter
    >>> X, y = load_digits(return_X_y=True)
    >>> DigitAugmenter(random_state=0).fit_transform(X).shape
    (1797, 64)
    """

    _parameter_constraints: ClassVar[dict] = {
        "augmentation": [StrOptions(set(AUGMENTATIONS)), callable, None],
        "image_shape": ["array-like", None],
        "random_state": ["random_state"],
    }

    def __init__(self, augmentation="digits", *, image_shape=None, random_state=None):
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.random_state = random_state

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Determine the shape of the images.

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
            If a parameter is invalid, or the features are not images of `image_shape`.
        """
        X = validate_data(self, X, dtype="numeric")
        if self.augmentation is None and self.image_shape is None:
            self.image_shape_ = None
        else:
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
            float64 if X is, else float32. If `augmentation` is None, a copy of X.
        """
        check_is_fitted(self)
        X = validate_data(self, X, dtype="numeric", reset=False)
        augmentation = self.augmentation
        if augmentation is None:
            return X.copy()
        if isinstance(augmentation, str):
            augmentation = AUGMENTATIONS[augmentation]
        seed = check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32)
        # A copy: a function may distort its images in place.
        images = X.astype(np.float64 if X.dtype == np.float64 else np.float32)
        images = images.reshape(-1, *self.image_shape_)
        distorted = np.asarray(augmentation(images, np.random.default_rng(seed)))
        if distorted.shape != images.shape:
            raise ValueError(
                f"augmentation must return images of the shape {images.shape} that it gets. {augmentation!r} returned "
                f"{distorted.shape}."
            )
        return distorted.reshape(X.shape)
