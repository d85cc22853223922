"""Transformer that augments images, for use outside of the classifier."""

from collections.abc import Callable
from typing import ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from skmlp.digits.augment import AUGMENTATIONS
from skmlp.image_shape import resolve_image_shape
from skmlp.sklearn_compat import DOC_LINK_TEMPLATE, StrOptions, fit_context
from skmlp.typing import ArrayLike, FloatArray, RandomState


class DigitAugmenter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Distort images, given as the rows of X, by random transformations.

    To train :class:`~skmlp.MLPDigitClassifier` on augmented images, use its parameter `augmentation`, which draws new
    distortions in each epoch. This transformer is for other estimators, for plots, and for tests of robustness. In a
    :class:`~sklearn.pipeline.Pipeline`, it distorts the samples passed to `predict` as well.

    Parameters
    ----------
    augmentation : {'digits'}, callable or None, default='digits'
        Augmentation to apply, as for :class:`skmlp.MLPDigitClassifier`. 'digits' means
        :class:`skmlp.augment.DigitDistortions`. A callable is a step of :mod:`skmlp.augment`, or a function that takes
        images of shape (n_images, height, width) and a :class:`numpy.random.Generator`, and returns images of the same
        shape. None means no distortion.
    image_shape : (int, int), default=None
        Height and width of the images, whose pixels are in row-major order in X. None means square images.
    random_state : int, RandomState instance or None, default=None
        Seed of the distortions. Pass an int for the same distortions in each call to `transform`.

    Attributes
    ----------
    image_shape_ : tuple of int or None
        Height and width of the images. None if both `augmentation` and `image_shape` are None.
    n_features_in_ : int
        Number of pixels per image.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of features seen during `fit`. Defined only if all feature names of `X` are strings.

    See Also
    --------
    MLPDigitClassifier : Classifier that can augment its training samples.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import DigitAugmenter
    >>> X, y = load_digits(return_X_y=True)
    >>> DigitAugmenter(random_state=0).fit_transform(X).shape
    (1797, 64)
    """

    _doc_link_module = "skmlp"
    _doc_link_template = DOC_LINK_TEMPLATE
    _parameter_constraints: ClassVar[dict] = {
        "augmentation": [StrOptions(set(AUGMENTATIONS)), callable, None],
        "image_shape": ["array-like", None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        augmentation: str
        | Callable[[FloatArray, np.random.Generator], ArrayLike]
        | None = "digits",
        *,
        image_shape: tuple[int, int] | None = None,
        random_state: RandomState = None,
    ) -> None:
        self.augmentation = augmentation
        self.image_shape = image_shape
        self.random_state = random_state

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
        self : DigitAugmenter
            The fitted transformer.

        Raises
        ------
        ValueError
            If a parameter is invalid, or the number of features does not match `image_shape`.
        """
        samples = validate_data(self, X, dtype="numeric")
        if self.augmentation is not None or self.image_shape is not None:
            self.image_shape_ = resolve_image_shape(self.image_shape, samples.shape[1])
        else:
            self.image_shape_ = None
        return self

    def transform(self, X: ArrayLike) -> np.ndarray:
        """Distort images.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Images, one per row.

        Returns
        -------
        X_distorted : ndarray of shape (n_samples, n_features)
            Distorted images, as float64 if X is float64, else float32. If `augmentation` is None, a copy of X.

        Raises
        ------
        NotFittedError
            If the transformer is not fitted.
        ValueError
            If `X` is invalid, or `augmentation` returns images of a different shape.
        """
        check_is_fitted(self)
        samples = validate_data(self, X, dtype="numeric", reset=False)
        augmentation = self.augmentation
        if augmentation is None:
            return samples.copy()
        if isinstance(augmentation, str):
            augmentation = AUGMENTATIONS[augmentation]
        seed = check_random_state(self.random_state).randint(2**32, size=4, dtype=np.uint32)
        # A copy, because a user-defined function may modify the images.
        images = samples.astype(np.float64 if samples.dtype == np.float64 else np.float32)
        images = images.reshape(-1, *self.image_shape_)
        distorted = np.asarray(augmentation(images, np.random.default_rng(seed)))
        if distorted.shape != images.shape:
            raise ValueError(
                f"augmentation must return images of shape {images.shape}, got {distorted.shape} from {augmentation!r}."
            )
        return distorted.reshape(samples.shape)
