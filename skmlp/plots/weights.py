"""Images of the weights of the first layer."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skmlp.image_shape import resolve_image_shape
from skmlp.plots.gallery import check_counts, check_indices, make_grid
from skmlp.plots.style import DIVERGING_MAP, check_axes, hide_frame
from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.base import BaseEstimator


class WeightImageDisplay:
    """Weights of units of the first layer, as images on one symmetric scale.

    A unit responds to an image in which the pixels with positive weights (red) are dark and those with negative weights
    (blue) are light. Create the display with :meth:`from_estimator`.

    Parameters
    ----------
    weights : array-like of shape (n_units, height, width)
        Weights of each unit.
    units : array-like of shape (n_units,)
        Indices of the units.

    Attributes
    ----------
    axes_ : ndarray of shape (n_units,)
        The matplotlib axes of the images. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.
    images_ : list of matplotlib.image.AxesImage
        The images.
    colorbar_ : matplotlib.colorbar.Colorbar or None
        The scale of the weights; None if `ax` was given to :meth:`plot`.

    Examples
    --------
    >>> import numpy as np
    >>> from skmlp import WeightImageDisplay
    >>> display = WeightImageDisplay(weights=np.eye(4)[np.newaxis] - 0.5, units=[3]).plot()
    >>> display.images_[0].get_clim()
    (-0.5, 0.5)
    """

    def __init__(self, *, weights: ArrayLike, units: ArrayLike) -> None:
        self.weights = weights
        self.units = units

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        *,
        units: ArrayLike | None = None,
        n_units: int = 32,
        n_columns: int = 8,
        image_shape: tuple[int, int] | None = None,
        ax: "Axes | ArrayLike | None" = None,
        image_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Show weights of the first layer of a fitted network.

        Parameters
        ----------
        estimator : MLPDigitClassifier
            Fitted classifier with ``image_features=None``; another network with the attribute `coefs_` is accepted
            too.
        units : array-like of int, default=None
            Indices of the units to show. By default, the units whose weights have the largest norms, in descending
            order.
        n_units : int, default=32
            Maximum number of units if `units` is None, at least 1.
        n_columns : int, default=8
            Number of images per row in a new figure, at least 1.
        image_shape : tuple of int, default=None
            Height and width of the images. None means square images.
        ax : array-like of matplotlib Axes, default=None
            The axes for the images, as many as there are units. If None, a new figure is created.
        image_kw : dict, default=None
            Arguments of `Axes.imshow`.

        Returns
        -------
        display : WeightImageDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If `estimator` is not fitted, its inputs are image features instead of pixels, or an argument is
            invalid.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier, WeightImageDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(
        ...     input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
        ... )
        >>> WeightImageDisplay.from_estimator(mlp.fit(X, y), n_units=10).weights.shape
        (10, 8, 8)
        """
        if not hasattr(estimator, "coefs_"):
            raise ValueError(
                f"estimator must be fitted, got {type(estimator).__name__} without the attribute coefs_. Call fit "
                "first."
            )
        if getattr(estimator, "image_features", None) is not None:
            raise ValueError(
                "image_features of the estimator must be None, so that its weights belong to pixels, got "
                f"{estimator.image_features!r}. Use skmlp.SaliencyDisplay, which shows the pixels on which predictions "
                "depend."
            )
        check_counts(n_units=n_units, n_columns=n_columns)
        weights = np.asarray(estimator.coefs_[0]).T
        if units is None:
            norms = np.linalg.norm(weights, axis=1)
            chosen = np.argsort(-norms, kind="stable")[:n_units]
        else:
            chosen = check_indices(units, len(weights), name="units")
        height, width = resolve_image_shape(image_shape, weights.shape[1])
        display = cls(weights=weights[chosen].reshape(-1, height, width), units=chosen)
        return display.plot(ax, n_columns=n_columns, image_kw=image_kw)

    def plot(
        self,
        ax: "Axes | ArrayLike | None" = None,
        *,
        n_columns: int = 8,
        image_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the images.

        Parameters
        ----------
        ax : array-like of matplotlib Axes, default=None
            The axes for the images, as many as there are units. If None, a new figure is created, with the scale.
        n_columns : int, default=8
            Number of images per row in a new figure, at least 1.
        image_kw : dict, default=None
            Arguments of `Axes.imshow`.

        Returns
        -------
        self : WeightImageDisplay
            The display, with the attributes of the plot.

        Raises
        ------
        ValueError
            If `ax` does not have one element per unit.

        Examples
        --------
        >>> import numpy as np
        >>> from skmlp import WeightImageDisplay
        >>> WeightImageDisplay(
        ...     weights=np.ones((2, 4, 4)), units=[0, 5]
        ... ).plot().axes_[1].get_title()
        '5'
        """
        weights, is_new = np.asarray(self.weights), ax is None
        if is_new:
            ax = make_grid(len(weights), n_columns, size=(1.0, 1.15))
        self.axes_ = check_axes(ax, len(weights), "one per unit")
        self.figure_ = self.axes_[0].figure
        limit = float(np.abs(weights).max()) or 1.0
        style = {"cmap": DIVERGING_MAP, "interpolation": "nearest", "vmin": -limit, "vmax": limit}
        self.images_ = []
        for panel, image, unit in zip(self.axes_, weights, np.asarray(self.units), strict=True):
            self.images_.append(panel.imshow(image, **style | dict(image_kw or {})))
            hide_frame(panel)
            panel.set_title(str(unit), fontsize="small")
        self.colorbar_ = None
        if is_new:
            self.colorbar_ = self.figure_.colorbar(
                self.images_[0], ax=list(self.axes_), label="weight", fraction=0.05, aspect=30
            )
        return self
