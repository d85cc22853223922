"""Training curves: loss, accuracy and learning rate per epoch, of one training run or of several."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from skmlp.colors import COLORS, NEUTRAL_COLOR, TRAINING_COLOR, VALIDATION_COLOR
from skmlp.plots.style import format_axes, make_axes, merge_style
from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.base import BaseEstimator

MAX_EPOCHS_WITH_MARKERS = 30
REQUIRED_CURVES = ("loss", "accuracy")
OPTIONAL_CURVES = ("val_loss", "val_accuracy", "learning_rate")
PANEL_NAMES = {"loss": "loss", "accuracy": "accuracy", "learning_rate": "learning rate"}
# Function that finds the best epoch, and format of its value.
BEST = {"loss": (np.nanargmin, "{:.4f}"), "accuracy": (np.nanargmax, "{:.2%}")}
TRAINING_STYLE = {"linestyle": (0, (2, 1.5)), "alpha": 0.8}  # with several runs


class TrainingCurveDisplay:
    """Plot of the loss, the accuracy and the learning rate per epoch of one training run or of several.

    The plot has a panel for the loss, one for the accuracy and, if it is known, one for the learning rate. It shows the
    values on the training set and, if they are given, those on the validation set, on which the best epoch is marked.
    With several runs, each has its own color, and the lines of the training set are dotted. Create the display with
    :meth:`from_estimator`, :meth:`from_history` or :meth:`from_histories`.

    Parameters
    ----------
    histories : dict of str to dict of str to array-like of shape (n_epochs,)
        History of each run by the name of the run. A history must have the keys 'loss' and 'accuracy', from 0 to 1, and
        may have 'val_loss', 'val_accuracy' and 'learning_rate'. Other keys are ignored.
    validation_name : str, default='validation'
        Label of the validation set in the legend, for example 'test'.

    Attributes
    ----------
    axes_ : ndarray of shape (2,) or (3,)
        The matplotlib axes of the loss, the accuracy and the learning rate. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.
    lines_ : dict of (str, str) to matplotlib.lines.Line2D
        The line of each run and key of its history, for example ``lines_["first", "val_loss"]``.
    best_ : dict of (str, str) to matplotlib.lines.Line2D
        The marker of the best epoch of each run, for the keys 'val_loss' and 'val_accuracy'.

    Raises
    ------
    ValueError
        If there are no histories, or a history lacks the loss or the accuracy, is empty, or contains values of
        different lengths.

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
        histories: Mapping[str, Mapping[str, ArrayLike]],
        *,
        validation_name: str = "validation",
    ) -> None:
        if not histories:
            raise ValueError("histories must contain at least one history, got none.")
        self.histories = {name: select_curves(history) for name, history in histories.items()}
        self.validation_name = validation_name

    @property
    def n_panels(self) -> int:
        """Number of panels: 3 if the learning rate of a run is known, otherwise 2."""
        return 2 + any("learning_rate" in history for history in self.histories.values())

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        *,
        validation_name: str = "validation",
        ax: "Axes | ArrayLike | None" = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the training history of a fitted estimator.

        Parameters
        ----------
        estimator : MLPDigitClassifier
            Fitted estimator, whose `history_` is plotted.
        validation_name : str, default='validation'
            Label of the validation set in the legend.
        ax : array-like of matplotlib Axes, of size 2 or 3, default=None
            The axes for the loss, the accuracy and the learning rate. With two axes, the learning rate is not plotted.
            If None, a new figure is created.
        line_kw : dict, default=None
            Arguments of `Axes.plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If `estimator` is not fitted, or `ax` has the wrong size.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from skmlp import TrainingCurveDisplay
        >>> fitted = SimpleNamespace(history_={"loss": [0.9, 0.4], "accuracy": [0.8, 0.9]})
        >>> display = TrainingCurveDisplay.from_estimator(fitted)
        >>> len(display.axes_)
        2
        """
        if not hasattr(estimator, "history_"):
            raise ValueError(
                f"estimator must be fitted, got {type(estimator).__name__} without the attribute history_. Call fit "
                "first."
            )
        return cls.from_history(
            estimator.history_, validation_name=validation_name, ax=ax, line_kw=line_kw
        )

    @classmethod
    def from_history(
        cls,
        history: Mapping[str, ArrayLike],
        *,
        validation_name: str = "validation",
        ax: "Axes | ArrayLike | None" = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot a training history.

        Parameters
        ----------
        history : dict of str to array-like of shape (n_epochs,)
            Must have the keys 'loss' and 'accuracy', and may have 'val_loss', 'val_accuracy' and 'learning_rate'.
        validation_name : str, default='validation'
            Label of the validation set in the legend.
        ax : array-like of matplotlib Axes, of size 2 or 3, default=None
            The axes for the loss, the accuracy and the learning rate. With two axes, the learning rate is not plotted.
            If None, a new figure is created.
        line_kw : dict, default=None
            Arguments of `Axes.plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If `history` is invalid, or `ax` has the wrong size.

        Examples
        --------
        >>> from skmlp import TrainingCurveDisplay
        >>> history = {"loss": [0.9, 0.4], "accuracy": [0.8, 0.9], "val_accuracy": [0.7, 0.8]}
        >>> display = TrainingCurveDisplay.from_history(history, validation_name="test")
        >>> [text.get_text() for text in display.axes_[1].get_legend().get_texts()]
        ['training', 'test', 'best: 80.00 % at epoch 2']
        """
        display = cls({"": history}, validation_name=validation_name)
        return display.plot(ax, line_kw=line_kw)

    @classmethod
    def from_histories(
        cls,
        histories: Mapping[str, Mapping[str, ArrayLike]],
        *,
        validation_name: str = "validation",
        ax: "Axes | ArrayLike | None" = None,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the histories of several training runs.

        Parameters
        ----------
        histories : dict of str to dict
            History of each run by the name of the run, which is shown in the legend. See :meth:`from_history`.
        validation_name : str, default='validation'
            Label of the validation set in the legend.
        ax : array-like of matplotlib Axes, of size 2 or 3, default=None
            The axes for the loss, the accuracy and the learning rate. With two axes, the learning rate is not plotted.
            If None, a new figure is created.
        line_kw : dict, default=None
            Arguments of `Axes.plot`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If there is no history, a history is invalid, or `ax` has the wrong size.

        Examples
        --------
        >>> from skmlp import TrainingCurveDisplay
        >>> adam = {"loss": [0.9, 0.4], "accuracy": [0.8, 0.9], "val_accuracy": [0.7, 0.8]}
        >>> sgd = {"loss": [1.5, 0.9], "accuracy": [0.6, 0.7], "val_accuracy": [0.5, 0.7]}
        >>> display = TrainingCurveDisplay.from_histories({"Adam": adam, "SGD": sgd})
        >>> display.lines_["SGD", "val_accuracy"].get_label()
        'SGD, validation, best: 70.00 % at epoch 2'
        """
        return cls(histories, validation_name=validation_name).plot(ax, line_kw=line_kw)

    def plot(
        self,
        ax: "Axes | ArrayLike | None" = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the curves.

        Parameters
        ----------
        ax : array-like of matplotlib Axes, of size 2 or 3, default=None
            The axes for the loss, the accuracy and the learning rate. With two axes, the learning rate is not plotted.
            If None, a new figure is created.
        line_kw : dict, default=None
            Arguments of `Axes.plot`.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with the attributes of the plot.

        Raises
        ------
        ValueError
            If `ax` has the wrong size.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from skmlp import TrainingCurveDisplay
        >>> figure = Figure(figsize=(10, 4), layout="constrained")
        >>> display = TrainingCurveDisplay({"": {"loss": [0.9, 0.4], "accuracy": [0.8, 0.9]}})
        >>> display.plot(figure.subplots(1, 2)).figure_ is figure
        True
        """
        if ax is None:
            ax = make_axes(1, self.n_panels, size=(4.8, 3.8))
        self.axes_ = check_panels(ax, self.n_panels)
        self.figure_ = self.axes_[0].figure
        self.lines_: dict = {}
        self.best_: dict = {}
        for panel, key in zip(self.axes_, PANEL_NAMES, strict=False):
            self._draw_panel(panel, key, line_kw)
        start_y_axis_at_zero(self.axes_[0])
        format_y_axis_as_percentages(self.axes_[1])
        for panel in self.axes_[2:]:
            panel.set_ylim(bottom=0)
            panel.ticklabel_format(axis="y", scilimits=(-3, 4))
        return self

    def _draw_panel(self, ax, key, line_kw):
        from matplotlib.lines import Line2D

        n_epochs = 0
        for number, (name, history) in enumerate(self.histories.items()):
            n_epochs = max(n_epochs, len(history["loss"]))
            for curve in (key, f"val_{key}"):
                if curve in history:
                    style = merge_style(self._choose_style(number, curve), line_kw, Line2D)
                    self._draw_curve(ax, name, curve, history[curve], style)
        ax.set(xlabel="epoch", ylabel=PANEL_NAMES[key])
        margin = max(0.5, 0.02 * n_epochs)
        ax.set_xlim(1 - margin, n_epochs + margin)
        ax.set_xticks(choose_epoch_ticks(n_epochs))
        format_axes(ax)
        if len(self.histories) > 1:
            if key in BEST:
                ax.plot([], [], color=NEUTRAL_COLOR, label="training", **TRAINING_STYLE)
            # Below the axes, where a long legend hides nothing
            ax.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.14))
        elif key in BEST:
            ax.legend(frameon=False)

    def _choose_style(self, number, curve):
        """Return the color and line style of a curve."""
        is_validation = curve.startswith("val_")
        if len(self.histories) == 1:
            return {"color": VALIDATION_COLOR if is_validation else TRAINING_COLOR}
        color = {"color": COLORS[number % len(COLORS)]}
        return color if is_validation or curve == "learning_rate" else color | TRAINING_STYLE

    def _draw_curve(self, ax, name, curve, values, style):
        """Draw a curve, and mark the best epoch of a validation curve."""
        marker = "o" if len(values) <= MAX_EPOCHS_WITH_MARKERS else None
        label, best = self._make_label(name, curve), None
        if curve.startswith("val_") and not np.all(np.isnan(values)):
            best = describe_best(curve, values)
            if name:
                label = f"{label}, {best.text}"
        style = {"linewidth": 1.8, "marker": marker, "markersize": 4, "label": label} | style
        (line,) = ax.plot(np.arange(1, len(values) + 1), values, **style)
        self.lines_[name, curve] = line
        if best is not None:
            (self.best_[name, curve],) = ax.plot(
                best.epoch,
                best.value,
                linestyle="none",
                marker="o",
                markersize=9,
                markerfacecolor="none",
                markeredgecolor=line.get_color(),
                markeredgewidth=1.6,
                clip_on=False,
                label="_" if name else best.text,
            )

    def _make_label(self, name, curve):
        """Return the label of a curve in the legend; labels that begin with an underscore are not shown."""
        if curve.startswith("val_"):
            return f"{name}, {self.validation_name}" if name else self.validation_name
        if curve == "learning_rate":
            return name or "_"
        if len(self.histories) == 1:
            return f"{name}, training" if name else "training"
        # With a validation set, the line of the training set has the same color.
        return "_" if f"val_{curve}" in self.histories[name] else name


class BestEpoch(NamedTuple):
    """Best epoch of a curve.

    Attributes
    ----------
    epoch : int
    value : float
    text : str
        Description for the legend.
    """

    epoch: int
    value: float
    text: str


def describe_best(curve, values):
    """Return the BestEpoch of the values on the validation set."""
    find_best, value_format = BEST[curve.removeprefix("val_")]
    best = int(find_best(values))
    value = value_format.format(values[best]).replace("%", " %")
    return BestEpoch(best + 1, values[best], f"best: {value} at epoch {best + 1}")


def select_curves(history):
    """Return the known curves of a history as arrays.

    Learning rates that are all NaN, as with lbfgs, are left out. Raise ValueError if the loss or the accuracy is
    missing, or if curves are empty or differ in length.
    """
    curves = {
        name: np.asarray(history[name], dtype=float)
        for name in (*REQUIRED_CURVES, *OPTIONAL_CURVES)
        if name in history
    }
    missing = [name for name in REQUIRED_CURVES if name not in curves]
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
    if np.all(np.isnan(curves.get("learning_rate", np.nan))):
        curves.pop("learning_rate", None)
    return curves


def check_panels(ax, n_panels):
    """Return axes as an array, and raise ValueError if their number is wrong."""
    axes = np.ravel(np.asarray(ax, dtype=object))
    if not 2 <= len(axes) <= n_panels:
        raise ValueError(
            "ax must be two matplotlib axes, for the loss and the accuracy, or three if the learning rate is known, "
            f"got {len(axes)}. Create them with figure.subplots(1, 2)."
        )
    return axes


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
