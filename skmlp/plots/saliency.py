"""Saliency maps: the pixels on which a prediction depends."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skmlp.colors import NEUTRAL_COLOR
from skmlp.image_shape import resolve_image_shape
from skmlp.plots.gallery import check_counts
from skmlp.plots.style import DIVERGING_MAP, check_axes, hide_frame, make_axes
from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.base import BaseEstimator

TITLES = ("image", "gradient x input", "occlusion")
MAX_OCCLUDED = 2**24  # pixels of the images that are predicted at a time


class SaliencyDisplay:
    """Images with maps of the pixels on which a prediction depends.

    Each row shows an image and two maps. *Gradient times input* [1]_ is the product of each pixel and the derivative of
    the logit of the class with respect to it. *Occlusion* [2]_ is the decrease of the log-probability of the class if a
    square around the pixel is replaced by the background. In red areas, the ink supports the class; in blue areas, it
    opposes the class. Each map has its own symmetric scale. Create the display with :meth:`from_estimator`.

    Parameters
    ----------
    images : array-like of shape (n_images, height, width)
        The images.
    gradient_times_input : array-like of shape (n_images, height, width)
        Products of the pixels and their gradients.
    occlusion : array-like of shape (n_images, height, width)
        Decrease of the log-probability if a square around the pixel is occluded.
    labels : array-like of shape (n_images,)
        Class of each image to which the maps refer.

    Attributes
    ----------
    axes_ : ndarray of shape (n_images, 3)
        The matplotlib axes. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.
    images_ : ndarray of shape (n_images, 3)
        The `matplotlib.image.AxesImage` of each of the axes.

    References
    ----------
    .. [1] Shrikumar, Greenside, Shcherbina and Kundaje, "Not just a black box: learning important features through
       propagating activation differences", 2016, https://arxiv.org/abs/1605.01713
    .. [2] Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014,
       https://arxiv.org/abs/1311.2901

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import SaliencyDisplay
    >>> maps = np.zeros((1, 8, 8))
    >>> display = SaliencyDisplay(
    ...     images=maps, gradient_times_input=maps, occlusion=maps, labels=[3]
    ... )
    >>> [ax.get_title() for ax in display.plot().axes_[0]]
    ['image', 'gradient x input', 'occlusion']
    """

    def __init__(
        self,
        *,
        images: ArrayLike,
        gradient_times_input: ArrayLike,
        occlusion: ArrayLike,
        labels: ArrayLike,
    ) -> None:
        self.images = images
        self.gradient_times_input = gradient_times_input
        self.occlusion = occlusion
        self.labels = labels

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        patch_size: int = 5,
        background: float = 0.0,
        image_shape: tuple[int, int] | None = None,
        ax: "Axes | ArrayLike | None" = None,
        image_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Compute and plot the maps of some images.

        Parameters
        ----------
        estimator : MLPDigitClassifier
            Fitted classifier.
        X : array-like of shape (n_images, n_features)
            A few samples. Their features are the pixels of an image, row by row.
        y : array-like of shape (n_images,), default=None
            Class to which the maps of each image refer. By default, the predicted class.
        patch_size : int, default=5
            Length of the side of the occluded square in pixels, at least 1.
        background : float, default=0.0
            Value of occluded pixels.
        image_shape : tuple of int, default=None
            Height and width of the images. None means square images.
        ax : array-like of matplotlib Axes, of size 3 * n_images, default=None
            The axes, three for each image. If None, a new figure is created.
        image_kw : dict, default=None
            Arguments of `Axes.imshow` for the maps.

        Returns
        -------
        display : SaliencyDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If an argument is invalid, or a label is not a class of the estimator.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier, SaliencyDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(
        ...     input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
        ... )
        >>> SaliencyDisplay.from_estimator(mlp.fit(X, y), X[:2], patch_size=3).occlusion.shape
        (2, 8, 8)
        """
        check_counts(patch_size=patch_size)
        X = np.asarray(X)
        labels = estimator.predict(X) if y is None else np.asarray(y)
        if labels.ndim != 1:
            raise ValueError(
                f"y must have the shape (n_images,), got {labels.shape}. Multilabel classifiers are not supported."
            )
        gradients = estimator.input_gradients(X, labels)
        height, width = resolve_image_shape(image_shape, X.shape[1])
        images = X.reshape(-1, height, width)
        display = cls(
            images=images,
            gradient_times_input=(gradients * X).reshape(images.shape),
            occlusion=compute_occlusion(estimator, images, labels, patch_size, background),
            labels=labels,
        )
        return display.plot(ax, image_kw=image_kw)

    def plot(
        self,
        ax: "Axes | ArrayLike | None" = None,
        *,
        image_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the images and maps.

        Parameters
        ----------
        ax : array-like of matplotlib Axes, of size 3 * n_images, default=None
            The axes, three for each image. If None, a new figure is created.
        image_kw : dict, default=None
            Arguments of `Axes.imshow` for the maps.

        Returns
        -------
        self : SaliencyDisplay
            The display, with the attributes of the plot.

        Raises
        ------
        ValueError
            If `ax` has the wrong size.

        Examples
        --------
        >>> import numpy as np
        >>> from skmlp import SaliencyDisplay
        >>> maps = np.ones((2, 8, 8))
        >>> display = SaliencyDisplay(
        ...     images=maps, gradient_times_input=maps, occlusion=maps, labels=[3, 5]
        ... )
        >>> display.plot().axes_[1, 0].get_ylabel()
        '5'
        """
        images = np.asarray(self.images)
        if ax is None:
            ax = make_axes(len(images), 3, size=(1.7, 1.7))
        self.axes_ = check_axes(ax, 3 * len(images), "three per image").reshape(-1, 3)
        self.figure_ = self.axes_[0, 0].figure
        self.images_ = np.empty(self.axes_.shape, dtype=object)
        maps = zip(
            images, np.asarray(self.gradient_times_input), np.asarray(self.occlusion), strict=True
        )
        for i, (image, *saliency) in enumerate(maps):
            panels = self.axes_[i]
            self.images_[i, 0] = panels[0].imshow(image, cmap="gray_r", interpolation="nearest")
            for j, values in enumerate(saliency, 1):
                self.images_[i, j] = draw_map(panels[j], values, image, dict(image_kw or {}))
            for panel in panels:
                hide_frame(panel)
            panels[0].set_ylabel(
                str(np.asarray(self.labels)[i]), rotation=0, labelpad=12, va="center"
            )
        for panel, title in zip(self.axes_[0], TITLES, strict=True):
            panel.set_title(title, fontsize="medium")
        return self


def draw_map(ax, values, image, image_kw):
    """Draw a saliency map with the outline of the image, and return the map."""
    limit = float(np.abs(values).max()) or 1.0
    style = {"cmap": DIVERGING_MAP, "interpolation": "nearest", "vmin": -limit, "vmax": limit}
    drawn = ax.imshow(values, **style | image_kw)
    low, high = float(image.min()), float(image.max())
    if low < high and min(image.shape) > 1:
        ax.contour(image, levels=[(low + high) / 2], colors=NEUTRAL_COLOR, linewidths=0.8)
    return drawn


def compute_occlusion(estimator, images, labels, patch_size, background, stride=1):
    """Return the decrease of the log-probability of a class if squares of each image are occluded.

    Parameters
    ----------
    estimator : estimator
        Classifier with `predict_log_proba` and `classes_`.
    images : ndarray of shape (n_images, height, width)
    labels : ndarray of shape (n_images,)
    patch_size : int
        Length of the side of the square around each pixel.
    background : float
        Value of occluded pixels.
    stride : int, default=1
        Only the squares around every `stride`-th pixel along each axis are occluded, for large images. The pixels below
        and to the right get the same value.

    Returns
    -------
    decreases : ndarray of shape (n_images, height, width)
    """
    n_images, height, width = images.shape
    columns = np.searchsorted(estimator.classes_, labels)
    masks = make_occlusion_masks(height, width, patch_size, stride)
    flat = images.reshape(n_images, -1)
    original = estimator.predict_log_proba(flat)[np.arange(n_images), columns]
    decreases = np.empty((n_images, len(masks)))
    n_masks = max(1, MAX_OCCLUDED // flat.shape[1])
    for i in range(n_images):
        for start in range(0, len(masks), n_masks):
            chosen = slice(start, start + n_masks)
            occluded = np.where(masks[chosen], background, flat[i])
            log_probabilities = estimator.predict_log_proba(occluded)[:, columns[i]]
            decreases[i, chosen] = original[i] - log_probabilities
    decreases = decreases.reshape(n_images, -1, len(range(0, width, stride)))
    return decreases.repeat(stride, axis=1).repeat(stride, axis=2)[:, :height, :width]


def make_occlusion_masks(height, width, patch_size, stride):
    """Return a boolean mask of shape (height * width,) for the square around every `stride`-th pixel."""
    before = patch_size // 2

    def cover(size):
        distance = np.arange(size) - np.arange(0, size, stride)[:, np.newaxis]
        return (distance >= -before) & (distance < patch_size - before)

    in_rows, in_columns = cover(height), cover(width)
    masks = in_rows[:, np.newaxis, :, np.newaxis] & in_columns[np.newaxis, :, np.newaxis, :]
    return masks.reshape(-1, height * width)
