"""Plot of a learning-rate search."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skmlp.colors import TRAINING_COLOR, VALIDATION_COLOR
from skmlp.plots.style import check_axes, format_axes, make_axes, merge_style
from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.base import BaseEstimator


class LearningRateDisplay:
    """Loss as a function of the learning rate, and the suggested learning rate.

    The losses are those of `MLPDigitClassifier.find_learning_rate`, which increases the learning rate from batch to
    batch. A good rate is in the range in which the loss falls, below the rate at which it begins to rise. Create the
    display with :meth:`from_estimator` or :meth:`from_curve`.

    Parameters
    ----------
    learning_rates : array-like of shape (n_steps,)
        Learning rates.
    losses : array-like of shape (n_steps,)
        Smoothed training loss at each rate.
    suggestion : float
        Suggested learning rate.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    line_ : matplotlib.lines.Line2D
        The line of the losses.
    suggestion_ : matplotlib.lines.Line2D
        The vertical line at the suggested learning rate.

    Examples
    --------
    >>> from skmlp import LearningRateDisplay
    >>> rates, losses = [1e-3, 1e-2, 1e-1], [2.3, 1.1, 3.0]
    >>> display = LearningRateDisplay(learning_rates=rates, losses=losses, suggestion=3e-3).plot()
    >>> display.ax_.get_xlabel()
    'learning rate'
    """

    def __init__(self, *, learning_rates: ArrayLike, losses: ArrayLike, suggestion: float) -> None:
        self.learning_rates = learning_rates
        self.losses = losses
        self.suggestion = suggestion

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        ax: "Axes | None" = None,
        line_kw: Mapping[str, Any] | None = None,
        **search: Any,
    ) -> Self:
        """Search a learning rate and plot the losses.

        Parameters
        ----------
        estimator : MLPDigitClassifier
            Classifier, fitted or not. It does not change.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training samples.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each sample. None means equal weights.
        ax : matplotlib.axes.Axes, default=None
            The axes. If None, a new figure is created.
        line_kw : dict, default=None
            Arguments of `Axes.plot` for the losses.
        **search
            Arguments `min_rate`, `max_rate` and `n_steps` of `MLPDigitClassifier.find_learning_rate`.

        Returns
        -------
        display : LearningRateDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If parameters or data are invalid.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import LearningRateDisplay, MLPDigitClassifier
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(input_scale=1 / 16, random_state=0)
        >>> 1e-4 < LearningRateDisplay.from_estimator(mlp, X, y).suggestion < 1e-1
        True
        """
        curve = estimator.find_learning_rate(X, y, sample_weight, **search)
        return cls.from_curve(curve, ax=ax, line_kw=line_kw)

    @classmethod
    def from_curve(
        cls,
        curve: Any,
        *,
        ax: "Axes | None" = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the result of `MLPDigitClassifier.find_learning_rate`.

        Parameters
        ----------
        curve : LearningRateCurve
            Result of the search.
        ax : matplotlib.axes.Axes, default=None
            The axes. If None, a new figure is created.
        line_kw : dict, default=None
            Arguments of `Axes.plot` for the losses.

        Returns
        -------
        display : LearningRateDisplay
            The display, which is plotted.

        Examples
        --------
        >>> import numpy as np
        >>> from skmlp import LearningRateDisplay
        >>> from skmlp.estimator.learning_rate import LearningRateCurve
        >>> curve = LearningRateCurve(np.geomspace(1e-4, 1, 50), np.linspace(2.3, 0.5, 50))
        >>> LearningRateDisplay.from_curve(curve).suggestion == curve.suggestion
        True
        """
        display = cls(
            learning_rates=curve.learning_rates, losses=curve.losses, suggestion=curve.suggestion
        )
        return display.plot(ax, line_kw=line_kw)

    def plot(self, ax: "Axes | None" = None, *, line_kw: Mapping[str, Any] | None = None) -> Self:
        """Plot the losses.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes. If None, a new figure is created.
        line_kw : dict, default=None
            Arguments of `Axes.plot` for the losses.

        Returns
        -------
        self : LearningRateDisplay
            The display, with the attributes of the plot.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from skmlp import LearningRateDisplay
        >>> ax = Figure().subplots()
        >>> display = LearningRateDisplay(
        ...     learning_rates=[0.01, 0.1], losses=[1.0, 2.0], suggestion=0.01
        ... )
        >>> display.plot(ax).ax_ is ax
        True
        """
        from matplotlib.lines import Line2D

        if ax is None:
            ax = make_axes(1, 1, size=(6, 4))
        (self.ax_,) = check_axes(ax, 1, "for the losses")
        self.figure_ = self.ax_.figure
        style = {"color": TRAINING_COLOR, "linewidth": 1.8, "label": "training loss"}
        (self.line_,) = self.ax_.plot(
            self.learning_rates, self.losses, **merge_style(style, line_kw, Line2D)
        )
        self.suggestion_ = self.ax_.axvline(
            self.suggestion,
            color=VALIDATION_COLOR,
            linestyle=(0, (4, 3)),
            label=f"suggestion: {self.suggestion:.2g}",
        )
        self.ax_.set(xscale="log", xlabel="learning rate", ylabel="loss")
        # A diverging loss would hide the range in which it falls.
        losses = np.asarray(self.losses, dtype=float)
        lowest, fall = np.nanmin(losses), losses[0] - np.nanmin(losses)
        if fall > 0:
            self.ax_.set_ylim(max(0, lowest - 0.1 * fall), losses[0] + 0.3 * fall)
        format_axes(self.ax_)
        self.ax_.legend(frameon=False)
        return self
