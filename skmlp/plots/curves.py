"""The training curves: loss and accuracy over the epochs, on the training set and on a second one."""

import numpy as np

TRAINING_COLOR = "#2a6fbb"
VALIDATION_COLOR = "#e0632b"
QUIET_GREY = "#666666"
MOST_MARKED_EPOCHS = 30


class TrainingCurveDisplay:
    """Curves of the loss and the accuracy over the epochs of a training run.

    Two panels, the loss and the accuracy, each with a line for the training set and, where one was
    recorded, a line for a second set with its best epoch marked. Create it with
    :meth:`from_estimator` or :meth:`from_history`.

    Parameters
    ----------
    loss, accuracy : array-like of shape (n_epochs,)
        Mean loss and accuracy on the training set, one value an epoch.
    val_loss, val_accuracy : array-like of shape (n_epochs,) or None, default=None
        The same on a second set, or `None` where there is none.
    validation_name : str, default="validation"
        What the legend calls the second set: "test", for one.

    Attributes
    ----------
    axes_ : ndarray of shape (2,)
        The matplotlib axes of the loss and of the accuracy, once drawn.
    figure_ : matplotlib Figure
        The figure they are in.

    Examples
    --------
    >>> from skmlp.plots.curves import TrainingCurveDisplay
    >>> history = {"loss": [1.2, 0.5, 0.3], "accuracy": [0.71, 0.88, 0.93]}
    >>> display = TrainingCurveDisplay.from_history(history)
    >>> display.axes_[1].get_ylabel()
    'accuracy'
    """

    def __init__(
        self, *, loss, accuracy, val_loss=None, val_accuracy=None, validation_name="validation"
    ):
        self.loss = loss
        self.accuracy = accuracy
        self.val_loss = val_loss
        self.val_accuracy = val_accuracy
        self.validation_name = validation_name

    @classmethod
    def from_estimator(cls, estimator, *, validation_name="validation", axes=None):
        """Draw the curves of a fitted estimator.

        Parameters
        ----------
        estimator : MLPDigitClassifier
            A fitted estimator; what is drawn is its `history_`.
        validation_name : str, default="validation"
            What the legend calls the second set.
        axes : array-like of two matplotlib axes, default=None
            Where the loss and the accuracy are drawn; a new figure if `None`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, drawn.

        Examples
        --------
        >>> from types import SimpleNamespace
        >>> from skmlp.plots.curves import TrainingCurveDisplay
        >>> fitted = SimpleNamespace(history_={"loss": [0.9, 0.4], "accuracy": [0.8, 0.9]})
        >>> TrainingCurveDisplay.from_estimator(fitted).accuracy
        array([0.8, 0.9])
        """
        if not hasattr(estimator, "history_"):
            raise ValueError(
                f"The curves need a fitted estimator with a history_; this "
                f"{type(estimator).__name__} has none. Call its fit first."
            )
        return cls.from_history(estimator.history_, validation_name=validation_name, axes=axes)

    @classmethod
    def from_history(cls, history, *, validation_name="validation", axes=None):
        """Draw the curves of a recorded history.

        Parameters
        ----------
        history : dict of equally long sequences
            With "loss" and "accuracy" and, for a second set, "val_loss" and "val_accuracy",
            one value an epoch. Other entries are left alone.
        validation_name : str, default="validation"
            What the legend calls the second set.
        axes : array-like of two matplotlib axes, default=None
            Where the loss and the accuracy are drawn; a new figure if `None`.

        Returns
        -------
        display : TrainingCurveDisplay
            The display, drawn.

        Examples
        --------
        >>> from skmlp.plots.curves import TrainingCurveDisplay
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
        _check_curves(curves)
        return cls(**curves, validation_name=validation_name).plot(axes=axes)

    def plot(self, axes=None):
        """Draw the two panels.

        Parameters
        ----------
        axes : array-like of two matplotlib axes, default=None
            Where the loss and the accuracy are drawn; a new figure if `None`.

        Returns
        -------
        self : TrainingCurveDisplay
            The display, with `axes_` and `figure_`.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from skmlp.plots.curves import TrainingCurveDisplay
        >>> figure = Figure(figsize=(10, 4), layout="constrained")
        >>> display = TrainingCurveDisplay(loss=[0.9, 0.4], accuracy=[0.8, 0.9])
        >>> display.plot(axes=figure.subplots(1, 2)).figure_ is figure
        True
        """
        axes = _new_axes() if axes is None else np.ravel(axes)
        if len(axes) != 2:
            raise ValueError(
                f"axes must be two matplotlib axes, for the loss and the accuracy; got {len(axes)}. "
                "Make them by `figure.subplots(1, 2)`."
            )
        self.axes_ = axes
        self.figure_ = axes[0].figure
        self._draw_panel(axes[0], "loss", self.loss, self.val_loss, np.nanargmin, "{:.4f}")
        _show_from_zero(axes[0])
        self._draw_panel(
            axes[1], "accuracy", self.accuracy, self.val_accuracy, np.nanargmax, "{:.2%}"
        )
        _show_percentages(axes[1])
        return self

    def _draw_panel(self, ax, name, training, validation, best_of, number):
        _draw_line(ax, training, TRAINING_COLOR, "training")
        if validation is not None:
            _draw_line(ax, validation, VALIDATION_COLOR, self.validation_name)
            _mark_best(ax, validation, best_of, number)
        _tidy(ax, name, len(training))


def _check_curves(curves):
    """Refuse a history that cannot be drawn."""
    missing = [name for name in ("loss", "accuracy") if name not in curves]
    if missing:
        raise ValueError(
            f"The history must have the entries 'loss' and 'accuracy'; missing: {missing}."
        )
    lengths = {name: len(curve) for name, curve in curves.items()}
    if len(set(lengths.values())) > 1 or lengths["loss"] == 0:
        raise ValueError(
            "The entries of the history must be equally long, with one value for each of at least "
            f"one epoch; got the lengths {lengths}."
        )


def _new_axes():
    import matplotlib.pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    return axes


def _draw_line(ax, curve, color, label):
    epochs = np.arange(1, len(curve) + 1)
    marker = "o" if len(curve) <= MOST_MARKED_EPOCHS else None
    ax.plot(epochs, curve, color=color, label=label, linewidth=1.8, marker=marker, markersize=4)


def _mark_best(ax, curve, best_of, number):
    """Ring the best epoch of the second set; its value stands in the legend, clear of the lines."""
    if np.all(np.isnan(curve)):
        return
    best = int(best_of(curve))
    value = number.format(curve[best]).replace("%", " %")
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


def _tidy(ax, name, n_epochs):
    ax.set(xlabel="epoch", ylabel=name)
    margin = max(0.5, 0.02 * n_epochs)
    ax.set_xlim(1 - margin, n_epochs + margin)
    ax.set_xticks(_epoch_ticks(n_epochs))
    ax.grid(axis="y", color="#dddddd", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(QUIET_GREY)
    ax.tick_params(color=QUIET_GREY, labelcolor=QUIET_GREY)
    ax.legend(frameon=False)


def _epoch_ticks(n_epochs):
    """Return the first epoch and about eight round ones, none so near the first as to touch it."""
    from matplotlib.ticker import MaxNLocator

    if n_epochs <= 10:
        return np.arange(1, n_epochs + 1)
    round_ticks = MaxNLocator(nbins=8, integer=True, steps=[1, 2, 5, 10]).tick_values(1, n_epochs)
    spacing = round_ticks[1] - round_ticks[0]
    inside = (round_ticks > spacing / 2) & (round_ticks <= n_epochs)
    return np.concatenate(([1], round_ticks[inside])).astype(int)


def _show_from_zero(ax):
    ax.update_datalim([(1, 0)])
    ax.autoscale_view(scalex=False)
    ax.set_ylim(bottom=0)


def _show_percentages(ax):
    bottom, top = ax.get_ylim()
    middle = (bottom + top) / 2
    # One epoch, or many alike, would be shown with ticks of a thousandth of a per cent.
    bottom, top = min(bottom, middle - 0.01), max(top, middle + 0.01)
    # An accuracy passes 100 % only by the margin that keeps the last points from being cut.
    ax.set_ylim(max(bottom, -0.02), min(top, 1 + 0.03 * (1 - max(bottom, 0.0))))
    ax.yaxis.set_major_formatter(lambda accuracy, _: f"{100 * accuracy:.4g} %")
