"""Reliability diagrams: the accuracy of predictions as a function of their probability."""

from collections.abc import Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from skmlp.colors import NEUTRAL_COLOR, TRAINING_COLOR
from skmlp.plots.predictions import encode_predictions
from skmlp.plots.style import check_axes, format_axes, make_axes, merge_style
from skmlp.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.base import BaseEstimator

Strategy = Literal["uniform", "quantile"]
STRATEGIES = ("uniform", "quantile")


class ReliabilityDisplay:
    """Reliability diagram of the most probable class of a multiclass classifier [1]_.

    Samples are divided into bins by their confidence, the probability of the predicted class. The upper panel shows the
    accuracy of each bin against its mean confidence. The points of a calibrated classifier are on the diagonal, and
    those of an overconfident classifier are below it. The lower panel shows the number of samples per bin. Create the
    display with :meth:`from_estimator` or :meth:`from_predictions`. scikit-learn's ``CalibrationDisplay`` is for binary
    classifiers.

    Parameters
    ----------
    confidence : array-like of shape (n_bins,)
        Mean confidence of each bin, from 0 to 1; NaN for an empty bin.
    accuracy : array-like of shape (n_bins,)
        Fraction of the samples of each bin that are predicted correctly; NaN for an empty bin.
    counts : array-like of shape (n_bins,)
        Number of samples of each bin.
    edges : array-like of shape (n_bins + 1,)
        Edges of the bins, from 0 to 1.
    expected_calibration_error : float
        Mean of abs(accuracy - confidence) over the bins, weighted by their counts.
    log_loss : float
        Mean of -log(probability of the true class).
    brier_score : float
        Mean of the sum over the classes of (probability - 1 for the true class)^2, from 0 to 2.
    name : str, default=None
        Name of the classifier in the legend.

    Attributes
    ----------
    axes_ : ndarray of shape (2,)
        The matplotlib axes of the diagram and of the counts. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure
        The figure of these axes.
    line_ : matplotlib.lines.Line2D
        The line of the accuracies.
    diagonal_ : matplotlib.lines.Line2D
        The line of perfect calibration.
    bars_ : matplotlib.container.BarContainer
        The bars of the counts.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger, "On calibration of modern neural networks", ICML 2017,
       https://arxiv.org/abs/1706.04599

    Examples
    --------
    >>> from skmlp import ReliabilityDisplay
    >>> y_proba = [[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]
    >>> display = ReliabilityDisplay.from_predictions([0, 1, 1], y_proba, n_bins=5)
    >>> display.counts
    array([0, 0, 0, 2, 1])
    >>> round(display.expected_calibration_error, 3)
    0.2
    """

    def __init__(
        self,
        *,
        confidence: ArrayLike,
        accuracy: ArrayLike,
        counts: ArrayLike,
        edges: ArrayLike,
        expected_calibration_error: float,
        log_loss: float,
        brier_score: float,
        name: str | None = None,
    ) -> None:
        self.confidence = confidence
        self.accuracy = accuracy
        self.counts = counts
        self.edges = edges
        self.expected_calibration_error = expected_calibration_error
        self.log_loss = log_loss
        self.brier_score = brier_score
        self.name = name

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        X: ArrayLike,
        y: ArrayLike,
        *,
        n_bins: int = 10,
        strategy: Strategy = "uniform",
        name: str | None = None,
        ax: "Axes | ArrayLike | None" = None,
        line_kw: Mapping[str, Any] | None = None,
        bar_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the reliability diagram of a fitted classifier.

        Parameters
        ----------
        estimator : estimator
            Fitted classifier with `predict_proba` and `classes_`, or a pipeline that ends with one.
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Samples that were not used for training.
        y : array-like of shape (n_samples,)
            Labels.
        n_bins : int, default=10
            Number of bins, at least 1.
        strategy : {'uniform', 'quantile'}, default='uniform'
            Whether all bins have the same width, or about the same number of samples.
        name : str, default=None
            Name in the legend. By default, the name of the class of the estimator.
        ax : array-like of matplotlib Axes, of size 2, default=None
            The axes for the diagram and for the counts. If None, a new figure is created.
        line_kw, bar_kw : dict, default=None
            Arguments of `Axes.plot` for the accuracies, and of `Axes.bar` for the counts.

        Returns
        -------
        display : ReliabilityDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If an argument is invalid, or a label is not a class of the estimator.

        Examples
        --------
        >>> from sklearn.datasets import load_digits
        >>> from skmlp import MLPDigitClassifier, ReliabilityDisplay
        >>> X, y = load_digits(return_X_y=True)
        >>> mlp = MLPDigitClassifier(
        ...     input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
        ... )
        >>> display = ReliabilityDisplay.from_estimator(
        ...     mlp.fit(X[:1200], y[:1200]), X[1200:], y[1200:]
        ... )
        >>> int(display.counts.sum())
        597
        """
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            classes=estimator.classes_,
            n_bins=n_bins,
            strategy=strategy,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            line_kw=line_kw,
            bar_kw=bar_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true: ArrayLike,
        y_proba: ArrayLike,
        *,
        classes: ArrayLike | None = None,
        n_bins: int = 10,
        strategy: Strategy = "uniform",
        name: str | None = None,
        ax: "Axes | ArrayLike | None" = None,
        line_kw: Mapping[str, Any] | None = None,
        bar_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the reliability diagram of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels.
        y_proba : array-like of shape (n_samples, n_classes)
            Predicted probabilities.
        classes : array-like of shape (n_classes,), default=None
            Label of each column of `y_proba`. By default, the sorted labels in `y_true`.
        n_bins : int, default=10
            Number of bins, at least 1.
        strategy : {'uniform', 'quantile'}, default='uniform'
            Whether all bins have the same width, or about the same number of samples.
        name : str, default=None
            Name in the legend.
        ax : array-like of matplotlib Axes, of size 2, default=None
            The axes for the diagram and for the counts. If None, a new figure is created.
        line_kw, bar_kw : dict, default=None
            Arguments of `Axes.plot` for the accuracies, and of `Axes.bar` for the counts.

        Returns
        -------
        display : ReliabilityDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If an argument is invalid, or a label is not one of the classes.

        Examples
        --------
        >>> from skmlp import ReliabilityDisplay
        >>> display = ReliabilityDisplay.from_predictions(["a", "b"], [[0.6, 0.4], [0.5, 0.5]])
        >>> round(display.log_loss, 4)
        0.602
        """
        predictions = encode_predictions(y_true, y_proba, classes)
        display = cls(**compute_reliability(predictions, n_bins, strategy), name=name)
        return display.plot(ax, line_kw=line_kw, bar_kw=bar_kw)

    def plot(
        self,
        ax: "Axes | ArrayLike | None" = None,
        *,
        line_kw: Mapping[str, Any] | None = None,
        bar_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Plot the diagram and the counts.

        Parameters
        ----------
        ax : array-like of matplotlib Axes, of size 2, default=None
            The axes for the diagram and for the counts. If None, a new figure is created.
        line_kw, bar_kw : dict, default=None
            Arguments of `Axes.plot` for the accuracies, and of `Axes.bar` for the counts.

        Returns
        -------
        self : ReliabilityDisplay
            The display, with the attributes of the plot.

        Raises
        ------
        ValueError
            If `ax` does not have size 2.

        Examples
        --------
        >>> from matplotlib.figure import Figure
        >>> from skmlp import ReliabilityDisplay
        >>> display = ReliabilityDisplay.from_predictions([0, 1], [[0.9, 0.1], [0.4, 0.6]])
        >>> figure = Figure()
        >>> display.plot(figure.subplots(2)).figure_ is figure
        True
        """
        from matplotlib.lines import Line2D
        from matplotlib.patches import Rectangle

        if ax is None:
            ratios = {"height_ratios": (3, 1), "sharex": True}
            ax = make_axes(2, 1, size=(5, 3), **ratios)
        self.axes_ = check_axes(ax, 2, "for the diagram and for the counts")
        diagram, histogram = self.axes_
        self.figure_ = diagram.figure
        (self.diagonal_,) = diagram.plot(
            [0, 1], [0, 1], color=NEUTRAL_COLOR, linestyle=(0, (4, 3)), label="perfect calibration"
        )
        line = {"color": TRAINING_COLOR, "marker": "o", "linewidth": 1.8, "markersize": 5}
        is_used = np.asarray(self.counts) > 0
        (self.line_,) = diagram.plot(
            np.asarray(self.confidence)[is_used],
            np.asarray(self.accuracy)[is_used],
            **merge_style(line | {"label": self._make_label()}, line_kw, Line2D),
        )
        edges = np.asarray(self.edges)
        bar = {
            "width": np.diff(edges),
            "align": "edge",
            "facecolor": TRAINING_COLOR,
            "edgecolor": NEUTRAL_COLOR,
            "linewidth": 0.5,
        }
        self.bars_ = histogram.bar(edges[:-1], self.counts, **merge_style(bar, bar_kw, Rectangle))
        diagram.set(ylabel="accuracy", xlim=(0, 1), ylim=(-0.02, 1.02))
        diagram.legend(frameon=False)
        histogram.set(
            xlabel="probability of the predicted class", ylabel="samples", yscale="symlog"
        )
        histogram.set_ylim(bottom=0)
        for panel in self.axes_:
            format_axes(panel)
        return self

    def _make_label(self):
        scores = (
            f"ECE {self.expected_calibration_error:.4f}, log loss {self.log_loss:.4f}, "
            f"Brier {self.brier_score:.4f}"
        )
        return scores if self.name is None else f"{self.name}\n{scores}"


def compute_reliability(predictions, n_bins=10, strategy="uniform"):
    """Return the arguments of ReliabilityDisplay for Predictions, by name."""
    check_bins(n_bins, strategy)
    confidence = predictions.confidence
    edges = make_edges(confidence, n_bins, strategy)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, n_bins - 1)
    counts = np.bincount(bins, minlength=n_bins)
    with np.errstate(invalid="ignore"):  # empty bins
        mean_confidence = np.bincount(bins, confidence, n_bins) / counts
        accuracy = np.bincount(bins, predictions.is_correct, n_bins) / counts
    gaps = np.nan_to_num(np.abs(accuracy - mean_confidence))
    return {
        "confidence": mean_confidence,
        "accuracy": accuracy,
        "counts": counts,
        "edges": edges,
        "expected_calibration_error": float(gaps @ counts / counts.sum()),
        "log_loss": predictions.log_loss,
        "brier_score": predictions.brier_score,
    }


def check_bins(n_bins, strategy):
    """Raise ValueError unless the number of bins and the strategy are valid."""
    if isinstance(n_bins, bool) or not isinstance(n_bins, Integral) or n_bins < 1:
        raise ValueError(f"n_bins must be an integer of at least 1, got {n_bins!r}.")
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be 'uniform' or 'quantile', got {strategy!r}.")


def make_edges(confidence, n_bins, strategy):
    """Return the edges of bins from 0 to 1."""
    if strategy == "uniform":
        return np.linspace(0, 1, n_bins + 1)
    edges = np.quantile(confidence, np.linspace(0, 1, n_bins + 1))
    edges[0], edges[-1] = 0, 1
    return edges
