"""Training curves: loss and accuracy per epoch, on the training set and on the validation set."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

import numpy as np

from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from sklearn.base import BaseEstimator

TRAINING_COLOR = "#2a6fbb"
VALIDATION_COLOR = "#e0632b"
FRAME_COLOR = "#666666"
MAX_EPOCHS_WITH_MARKERS = 30


class TrainingCurveDisplay:
    """Plot of the loss and the accuracy per epoch of a training run.

    The plot has one panel for the loss and one for the accuracy. Each panel shows a line for the training set and,
    if its values are given, a line for the validation set on which the best epoch is marked. Create the display with
    :meth:`from_estimator` or :meth:`from_history`.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Mean loss on the training set.
    accuracy : array-like of shape (n_epochs,)
        Accuracy on the training set, from 0 to 1.
    val_loss : array-like of shape (n_epochs,), default=None
        Mean loss on the validation set.
    val_accuracy : array-like of shape (n_epochs,), default=None
        Accuracy on the validation set, from 0 to 1.
    validation_name : str, default='validation'
        Label of the validation set in the legend, for example 'test'.

    Attributes
    ----------
    axes_ : ndarray of shape (2,)
        The matplotlib axes of the loss and of the accuracy. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure
        The figure of these axes. Set by :meth:`plot`.

    Examples
    --------
    >>> from skmlp import TrainingCurveDisplay
    >>> history = {"loss": [1.2, 0.5, 0.3], "accuracy": [0.71, 0.88, 0.93]}
    >>> display = TrainingCurveDisplay.from_history(history)
    >>> display.axes_[1].get_ylabel()
    'accuracy'
    """

    def __init__(
        self,
        *,
        loss: ArrayLike,
        accuracy: ArrayLike,
        val_loss: ArrayLike | None = None,
        val_accuracy: ArrayLike | None = None,
        validation_name: str = "validation",
    ) -> None:
        self.loss = loss
        self.accuracy = accuracy
        self.val_loss = val_loss
        self.val_accuracy = val_accuracy
        self.validation_name = validation_name

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        *,
        validation_name: str = "validation",
        axes: "Sequence[Axes] | np.ndarray | None" = None,
    ) -> Self:
        """Plot the training history of a fitted estimator.

        Parameters
        ----------
        estimator : MLPDigitClassifier
            Fitted estimator, whose `history_` is plotted.
        validation_name : str, default='validation'
            Label of the validation set in the legend.
        axes : array-like of matplotlib Axes, of size 2, default=None
            The axes for the loss and for the accuracy. If None, a new figure is created.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, with `axes_` and `figure_` set.

        Raises
        ------
        ValueError
            If `estimator` is not fitted, or `axes` does not have size 2.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from skmlp import TrainingCurveDisplay
        >>> fitted = SimpleNamespace(history_={"loss": [0.9, 0.4], "accuracy": [0.8, 0.9]})
        >>> TrainingCurveDisplay.from_estimator(fitted).accuracy
        array([0.8, 0.9])
        """
        if not hasattr(estimator, "history_"):
            raise ValueError(
                f"estimator must be fitted, got {type(estimator).__name__} without the attribute history_. Call fit "
                "first."
            )
        return cls.from_history(estimator.history_, validation_name=validation_name, axes=axes)

    @classmethod
    def from_history(
        cls,
        history: Mapping[str, ArrayLike],
        *,
        validation_name: str = "validation",
        axes: "Sequence[Axes] | np.ndarray | None" = None,
    ) -> Self:
        """Plot a training history.

        Parameters
        ----------
        history : dict of str to array-like of shape (n_epochs,)
            Must have the keys 'loss' and 'accuracy', and may have 'val_loss' and 'val_accuracy'. Other keys are
            ignored.
        validation_name : str, default='validation'
            Label of the validation set in the legend.
        axes : array-like of matplotlib Axes, of size 2, default=None
            The axes for the loss and for the accuracy. If None, a new figure is created.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, with `axes_` and `figure_` set.

        Raises
        ------
        ValueError
            If `history` lacks the loss or the accuracy, its values are empty or differ in length, or `axes` does not
            have size 2.

        Examples
        --------
        >>> from skmlp import TrainingCurveDisplay
        >>> history = {"loss": [0.9, 0.4], "accuracy": [0.8, 0.9], "val_accuracy": [0.7, 0.8]}
        >>> display = TrainingCurveDisplay.from_history(history, validation_name="test")
        >>> [text.get_text() for text in display.axes_[1].get_legend().get_texts()]
        ['training', 'test', 'best: 80.00 % at epoch 2']
        """
        curves = {
            name: np.asarray(history[name], dtype=float)
            for name in ("loss", "accuracy", "val_loss", "val_accuracy")
            if name in history
        }
        check_curves(curves)
        return cls(**curves, validation_name=validation_name).plot(axes=axes)

    def plot(self, axes: "Sequence[Axes] | np.ndarray | None" = None) -> Self:
        """Plot the loss and the accuracy.

        Parameters
        ----------
        axes : array-like of matplotlib Axes, of size 2, default=None
            The axes for the loss and for the accuracy. If None, a new figure is created.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with `axes_` and `figure_` set.

        Raises
        ------
        ValueError
            If `axes` does not have size 2.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from skmlp import TrainingCurveDisplay
        >>> figure = Figure(figsize=(10, 4), layout="constrained")
        >>> display = TrainingCurveDisplay(loss=[0.9, 0.4], accuracy=[0.8, 0.9])
        >>> display.plot(axes=figure.subplots(1, 2)).figure_ is figure
        True
        """
        panels = make_axes() if axes is None else np.ravel(np.asarray(axes))
        if len(panels) != 2:
            raise ValueError(
                f"axes must be two matplotlib axes, got {len(panels)}. Create them with "
                "figure.subplots(1, 2)."
            )
        self.axes_: np.ndarray = panels
        self.figure_: Figure | SubFigure = panels[0].figure
        self._draw_panel(panels[0], "loss", self.loss, self.val_loss, np.nanargmin, "{:.4f}")
        start_y_axis_at_zero(panels[0])
        self._draw_panel(
            panels[1], "accuracy", self.accuracy, self.val_accuracy, np.nanargmax, "{:.2%}"
        )
        format_y_axis_as_percentages(panels[1])
        return self

    def _draw_panel(self, ax, name, training, validation, argbest, value_format):
        draw_line(ax, training, TRAINING_COLOR, "training")
        if validation is not None:
            draw_line(ax, validation, VALIDATION_COLOR, self.validation_name)
            mark_best_epoch(ax, validation, argbest, value_format)
        format_axes(ax, name, len(training))


def check_curves(curves):
    """Raise ValueError if the curves lack the loss or the accuracy, are empty or differ in length."""
    missing = [name for name in ("loss", "accuracy") if name not in curves]
    if missing:
        raise ValueError(
            f"history must have the keys 'loss' and 'accuracy', got {list(curves)}. "
            f"Add {', '.join(map(repr, missing))}."
        )
    lengths = {name: len(curve) for name, curve in curves.items()}
    if len(set(lengths.values())) > 1 or lengths["loss"] == 0:
        raise ValueError(
            f"The values of history must have equal lengths of at least 1, got the lengths {lengths}."
        )


def make_axes():
    """Return the axes of a new pyplot figure."""
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    return axes


def draw_line(ax, curve, color, label):
    """Draw a curve over the epochs, with markers if there are few of them."""
    epochs = np.arange(1, len(curve) + 1)
    marker = "o" if len(curve) <= MAX_EPOCHS_WITH_MARKERS else None
    ax.plot(epochs, curve, color=color, label=label, linewidth=1.8, marker=marker, markersize=4)


def mark_best_epoch(ax, curve, argbest, value_format):
    """Mark the best epoch with a circle, and add its value to the legend."""
    if np.all(np.isnan(curve)):
        return
    best = int(argbest(curve))
    value = value_format.format(curve[best]).replace("%", " %")
    ax.plot(
        best + 1,
        curve[best],
        linestyle="none",
        marker="o",
        markersize=9,
        markerfacecolor="none",
        markeredgecolor=VALIDATION_COLOR,
        markeredgewidth=1.6,
        clip_on=False,
        label=f"best: {value} at epoch {best + 1}",
    )


def format_axes(ax, name, n_epochs):
    """Set the labels, limits, ticks, grid and legend of a panel."""
    ax.set(xlabel="epoch", ylabel=name)
    margin = max(0.5, 0.02 * n_epochs)
    ax.set_xlim(1 - margin, n_epochs + margin)
    ax.set_xticks(choose_epoch_ticks(n_epochs))
    ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FRAME_COLOR)
    ax.tick_params(color=FRAME_COLOR, labelcolor=FRAME_COLOR)
    ax.legend(frameon=False)


def choose_epoch_ticks(n_epochs):
    """Return the first epoch and about eight round numbers, without those too close to the first epoch."""
    from matplotlib.ticker import MaxNLocator

    if n_epochs <= 10:
        return np.arange(1, n_epochs + 1)
    round_ticks = MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]).tick_values(1, n_epochs)
    spacing = round_ticks[1] - round_ticks[0]
    is_kept = (round_ticks > spacing / 2) & (round_ticks <= n_epochs)
    return np.concatenate(([1], round_ticks[is_kept])).astype(int)


def start_y_axis_at_zero(ax):
    """Extend the y axis to zero."""
    ax.update_datalim([(1, 0)])
    ax.autoscale_view(scalex=False)
    ax.set_ylim(bottom=0)


def format_y_axis_as_percentages(ax):
    """Show the accuracies as percentages."""
    bottom, top = ax.get_ylim()
    center = (bottom + top) / 2
    # Without a minimum range, nearly equal accuracies have ticks at thousandths of a percent.
    bottom, top = min(bottom, center - 0.01), max(top, center + 0.01)
    # The small margin above 100 % keeps markers there from being clipped.
    ax.set_ylim(max(bottom, -0.02), min(top, 1 + 0.03 * (1 - max(bottom, 0.0))))
    ax.yaxis.set_major_formatter(lambda accuracy, _: f"{100 * accuracy:.4g} %")
