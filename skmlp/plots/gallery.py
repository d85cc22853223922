"""Galleries of images with their true and predicted labels."""

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skmlp.colors import CORRECT_COLOR, WRONG_COLOR
from skmlp.image_shape import resolve_image_shape
from skmlp.plots.predictions import encode_predictions
from skmlp.plots.style import check_axes, hide_frame, make_axes
from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.base import BaseEstimator

Selection = Literal["mistakes", "all"]
SELECTIONS = ("mistakes", "all")


class DigitGalleryDisplay:
    """Grid of images with their true label, predicted label and the probability of the prediction.

    The title of an image is green if the prediction is correct, and orange if it is wrong. A wrong prediction is also
    marked by an arrow from the true to the predicted label. Create the display with :meth:`from_estimator` or
    :meth:`from_predictions`.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width)
        The images.
    y_true : array-like of shape (n_images,)
        True labels.
    y_pred : array-like of shape (n_images,)
        Predicted labels.
    confidence : array-like of shape (n_images,)
        Probabilities of the predicted labels, from 0 to 1.
    indices : array-like of shape (n_images,)
        Indices of the images among the samples from which they were selected.

    Attributes
    ----------
    axes_ : ndarray of shape (n_images,)
        The matplotlib axes of the images. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure or None
        The figure of these axes; None without images.
    images_ : list of matplotlib.image.AxesImage
        The images.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import DigitGalleryDisplay
    >>> X = np.eye(4).reshape(1, 16)
    >>> display = DigitGalleryDisplay.from_predictions(X, [7], [[0.2, 0.8]], classes=[7, 9])
    >>> display.axes_[0].get_title()
    '7 → 9  80 %'
    """

    def __init__(
        self,
        *,
        images: ArrayLike,
        y_true: ArrayLike,
        y_pred: ArrayLike,
        confidence: ArrayLike,
        indices: ArrayLike,
    ) -> None:
        self.images = images
        self.y_true = y_true
        self.y_pred = y_pred
        self.confidence = confidence
        self.indices = indices

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        X: ArrayLike,
        y: ArrayLike,
        *,
        select: Selection = "mistakes",
        label: Any = None,
        indices: ArrayLike | None = None,
        n_images: int = 20,
        n_columns: int = 5,
        image_shape: tuple[int, int] | None = None,
        ax: "Axes | ArrayLike | None" = None,
        image_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Show samples with the predictions of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier with `predict_proba` and `classes_`, or a pipeline that ends with one.
        X : array-like of shape (n_samples, n_features)
            Samples. Their features are the pixels of an image, row by row.
        y : array-like of shape (n_samples,)
            Labels.
        select : {'mistakes', 'all'}, default='mistakes'
            'mistakes' shows wrong predictions, those with the highest probability first. 'all' shows the samples in
            their order.
        label : object, default=None
            Show only samples with this true label.
        indices : array-like of int, default=None
            Indices of the samples to show. `select`, `label` and `n_images` are ignored.
        n_images : int, default=20
            Maximum number of images, at least 1.
        n_columns : int, default=5
            Number of images per row in a new figure, at least 1.
        image_shape : tuple of int, default=None
            Height and width of the images. None means square images.
        ax : array-like of matplotlib Axes, default=None
            The axes for the images, as many as there are images. If None, a new figure is created.
        image_kw : dict, default=None
            Arguments of `Axes.imshow`.

        Returns
        -------
        display : DigitGalleryDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If an argument is invalid, or a label is not a class of the estimator.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import DigitGalleryDisplay, MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(
        ...     input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
        ... )
        >>> mlp.fit(X[:1200], y[:1200])
        MLPDigitClassifier(...)
        >>> display = DigitGalleryDisplay.from_estimator(mlp, X[1200:], y[1200:], n_images=6)
        >>> all(display.y_true != display.y_pred)
        True
        """
        return cls.from_predictions(
            X,
            y,
            estimator.predict_proba(X),
            classes=estimator.classes_,
            select=select,
            label=label,
            indices=indices,
            n_images=n_images,
            n_columns=n_columns,
            image_shape=image_shape,
            ax=ax,
            image_kw=image_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        X: ArrayLike,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        select: Selection = "mistakes",
        label: Any = None,
        indices: ArrayLike | None = None,
        n_images: int = 20,
        n_columns: int = 5,
        image_shape: tuple[int, int] | None = None,
        ax: "Axes | ArrayLike | None" = None,
        image_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Show samples with their predicted probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples. Their features are the pixels of an image, row by row.
        y_true : array-like of shape (n_samples,)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes)
            Predicted probabilities.
        classes : array-like of shape (n_classes,), default=None
            Label of each column of `y_proba`. By default, the sorted labels in `y_true`.
        select : {'mistakes', 'all'}, default='mistakes'
            'mistakes' shows wrong predictions, those with the highest probability first. 'all' shows the samples in
            their order.
        label : object, default=None
            Show only samples with this true label.
        indices : array-like of int, default=None
            Indices of the samples to show. `select`, `label` and `n_images` are ignored.
        n_images : int, default=20
            Maximum number of images, at least 1.
        n_columns : int, default=5
            Number of images per row in a new figure, at least 1.
        image_shape : tuple of int, default=None
            Height and width of the images. None means square images.
        ax : array-like of matplotlib Axes, default=None
            The axes for the images, as many as there are images. If None, a new figure is created.
        image_kw : dict, default=None
            Arguments of `Axes.imshow`.

        Returns
        -------
        display : DigitGalleryDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If an argument is invalid, or a label is not one of the classes.

        Examples
        --------
        >>> import numpy as np
        >>> from skmlp import DigitGalleryDisplay
        >>> X, y_proba = np.zeros((3, 16)), [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]
        >>> DigitGalleryDisplay.from_predictions(X, [0, 0, 0], y_proba, classes=[0, 1]).indices
        array([1, 2])
        """
        predictions = encode_predictions(y_true, y_proba, classes)
        X = np.asarray(X)
        if X.ndim != 2 or len(X) != len(predictions.truth):
            raise ValueError(
                f"X must have the shape (n_samples, n_features) with {len(predictions.truth)} samples, as y_true, got "
                f"{X.shape}."
            )
        check_counts(n_images=n_images, n_columns=n_columns)
        if indices is None:
            chosen = select_samples(predictions, select, label)[:n_images]
        else:
            chosen = check_indices(indices, len(X))
        height, width = resolve_image_shape(image_shape, X.shape[1])
        display = cls(
            images=X[chosen].reshape(-1, height, width),
            y_true=predictions.classes[predictions.truth[chosen]],
            y_pred=predictions.classes[predictions.predicted[chosen]],
            confidence=predictions.confidence[chosen],
            indices=chosen,
        )
        return display.plot(ax, n_columns=n_columns, image_kw=image_kw)

    def plot(
        self,
        ax: "Axes | ArrayLike | None" = None,
        *,
        n_columns: int = 5,
        image_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the images.

        Parameters
        ----------
        ax : array-like of matplotlib Axes, default=None
            The axes for the images, as many as there are images. If None, a new figure is created.
        n_columns : int, default=5
            Number of images per row in a new figure, at least 1.
        image_kw : dict, default=None
            Arguments of `Axes.imshow`.

        Returns
        -------
        self : DigitGalleryDisplay
            The display, with the attributes of the plot.

        Raises
        ------
        ValueError
            If `ax` does not have one element per image.

        Examples
        --------
        >>> import numpy as np
        >>> from skmlp import DigitGalleryDisplay
        >>> display = DigitGalleryDisplay(
        ...     images=np.zeros((1, 8, 8)), y_true=[3], y_pred=[3], confidence=[0.97], indices=[0]
        ... )
        >>> display.plot().axes_[0].get_title()
        '3  97 %'
        """
        images = np.asarray(self.images)
        if ax is None:
            ax = make_grid(len(images), n_columns)
        self.axes_ = check_axes(ax, len(images), "one per image")
        self.figure_ = self.axes_[0].figure if len(images) else None
        self.images_ = []
        style = {"cmap": "gray_r", "interpolation": "nearest"} | dict(image_kw or {})
        labels_and_confidence = map(np.asarray, (self.y_true, self.y_pred, self.confidence))
        for panel, image, *labels in zip(self.axes_, images, *labels_and_confidence, strict=True):
            self.images_.append(panel.imshow(image, **style))
            hide_frame(panel)
            is_correct = labels[0] == labels[1]
            color = CORRECT_COLOR if is_correct else WRONG_COLOR
            panel.set_title(make_title(*labels), color=color, fontsize="medium")
        return self


def make_title(truth, predicted, confidence):
    """Return the title of an image."""
    labels = f"{truth}" if truth == predicted else f"{truth} → {predicted}"
    # A probability that rounds to 100 % is not certain.
    percentage = "> 99 %" if 0.995 <= confidence < 1 else f"{100 * confidence:.0f} %"
    return f"{labels}  {percentage}"


def make_grid(n_images, n_columns, size=(1.4, 1.6)):
    """Return the axes of a new figure with a number of images, each of a size in inches."""
    if not n_images:
        return []
    n_columns = min(n_columns, n_images)
    n_rows = -(-n_images // n_columns)
    axes = make_axes(n_rows, n_columns, size=size).ravel()
    for unused in axes[n_images:]:
        unused.remove()
    return axes[:n_images]


def select_samples(predictions, select, label):
    """Return the indices of samples in the order in which they are shown."""
    if select not in SELECTIONS:
        raise ValueError(f"select must be 'mistakes' or 'all', got {select!r}.")
    is_chosen = (
        ~predictions.is_correct if select == "mistakes" else np.ones(len(predictions.truth), bool)
    )
    if label is not None:
        if label not in predictions.classes:
            raise ValueError(
                f"label must be one of the classes, got {label!r}. The classes are {predictions.classes.tolist()}."
            )
        is_chosen = is_chosen & (predictions.classes[predictions.truth] == label)
    chosen = np.flatnonzero(is_chosen)
    if select == "mistakes":
        chosen = chosen[np.argsort(-predictions.confidence[chosen], kind="stable")]
    return chosen


def check_indices(indices, n_items, name="indices"):
    """Return indices as an array, and raise ValueError if one is out of range."""
    chosen = np.atleast_1d(np.asarray(indices))
    is_valid = chosen.ndim == 1 and chosen.size and chosen.dtype.kind in "iu"
    if not is_valid or np.any((chosen < -n_items) | (chosen >= n_items)):
        raise ValueError(
            f"{name} must be one or more integers of at least {-n_items} and less than {n_items}, got {indices!r}."
        )
    return chosen % n_items


def check_counts(**counts):
    """Raise ValueError unless arguments are integers of at least 1."""
    for name, count in counts.items():
        if isinstance(count, bool) or not isinstance(count, Integral) or count < 1:
            raise ValueError(f"{name} must be an integer of at least 1, got {count!r}.")
