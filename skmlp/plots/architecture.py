"""Drawing of the layers of a network."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from skmlp.colors import NEUTRAL_COLOR, TRAINING_COLOR, VALIDATION_COLOR
from skmlp.plots.style import check_axes, make_axes, merge_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from sklearn.base import BaseEstimator

BOX_WIDTH = 0.3  # the distance of the layers is 1


class Layer(NamedTuple):
    """A layer of a network, as it is drawn.

    Attributes
    ----------
    n_units : int
        Number of outputs of the layer.
    n_parameters : int
        Number of parameters of the layer.
    operations : tuple of str
        What follows the product with the weights, for example ``("batch norm", "relu", "dropout 0.2")``.
    """

    n_units: int
    n_parameters: int
    operations: tuple[str, ...]


class ArchitectureDisplay:
    """Drawing of the layers of a network: sizes, activations, batch normalization, dropout and numbers of parameters.

    Each layer is a box, and so are image features that are inputs of the network. The height of a box grows
    with the logarithm of the number of units, which is above it; what follows the product with the weights is below it.
    The numbers between the boxes are those of the parameters. Create the display with :meth:`from_estimator`.

    Parameters
    ----------
    layers : sequence of Layer
        Named tuples (n_units, n_parameters, operations), from the input to the output.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes. Set by :meth:`plot`.
    figure_ : matplotlib.figure.Figure
        The figure of the axes.
    boxes_ : list of matplotlib.patches.Rectangle
        The boxes of the layers.
    texts_ : list of matplotlib.text.Text
        The numbers of units, the operations, and the numbers of parameters.

    Examples
    --------
    >>> from skmlp import ArchitectureDisplay, MLPDigitClassifier
    >>> mlp = MLPDigitClassifier((512, 128), dropout=0.2)
    >>> display = ArchitectureDisplay.from_estimator(mlp, n_features=784, n_classes=10)
    >>> display.layers[1]
    Layer(n_units=512, n_parameters=401920, operations=('relu', 'dropout 0.2'))
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers

    @classmethod
    def from_estimator(
        cls,
        estimator: "BaseEstimator",
        *,
        n_features: int | None = None,
        n_classes: int | None = None,
        ax: "Axes | None" = None,
        box_kw: Mapping[str, Any] | None = None,
    ) -> Self:
        """Draw the network of a classifier.

        Parameters
        ----------
        estimator : MLPDigitClassifier
            Classifier.
        n_features, n_classes : int, default=None
            Numbers of features and classes. Required if the classifier is not fitted, and ignored otherwise.
        ax : matplotlib.axes.Axes, default=None
            The axes. If None, a new figure is created.
        box_kw : dict, default=None
            Arguments of `matplotlib.patches.Rectangle`.

        Returns
        -------
        display : ArchitectureDisplay
            The display, which is plotted.

        Raises
        ------
        ValueError
            If the classifier is not fitted and `n_features` or `n_classes` is missing, or a parameter is invalid.

        Examples
        --------
        >>> from skmlp import ArchitectureDisplay, MLPDigitClassifier
        >>> mlp = MLPDigitClassifier(())
        >>> len(ArchitectureDisplay.from_estimator(mlp, n_features=64, n_classes=10).boxes_)
        2
        """
        summary = estimator.summary(n_features, n_classes)
        return cls(group_rows(summary.rows)).plot(ax, box_kw=box_kw)

    def plot(self, ax: "Axes | None" = None, *, box_kw: Mapping[str, Any] | None = None) -> Self:
        """Draw the layers.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes. If None, a new figure is created.
        box_kw : dict, default=None
            Arguments of `matplotlib.patches.Rectangle`.

        Returns
        -------
        self : ArchitectureDisplay
            The display, with the attributes of the plot.

        Examples
        --------
        >>> from skmlp import ArchitectureDisplay
        >>> from skmlp.plots.architecture import Layer
        >>> layers = [Layer(64, 0, ("input",)), Layer(10, 650, ("softmax",))]
        >>> [text.get_text() for text in ArchitectureDisplay(layers).plot().texts_]
        ['64', 'input', '10', 'softmax', '650']
        """
        from matplotlib.patches import Polygon, Rectangle

        if ax is None:
            ax = make_axes(1, 1, size=(1.6 * len(self.layers), 3.2))
        (self.ax_,) = check_axes(ax, 1, "for the drawing")
        self.figure_ = self.ax_.figure
        self.boxes_: list = []
        self.texts_: list = []
        heights = [0.3 + 0.25 * np.log2(layer.n_units) for layer in self.layers]
        for i, (layer, height) in enumerate(zip(self.layers, heights, strict=True)):
            is_end = i in (0, len(self.layers) - 1)
            style = {
                "facecolor": VALIDATION_COLOR if is_end else TRAINING_COLOR,
                "edgecolor": "none",
            }
            box = Rectangle(
                (i - BOX_WIDTH / 2, -height / 2),
                BOX_WIDTH,
                height,
                **merge_style(style, box_kw, Rectangle),
            )
            self.boxes_.append(self.ax_.add_patch(box))
            self._write(i, height / 2 + 0.08, f"{layer.n_units:,}", va="bottom", weight="bold")
            self._write(i, -height / 2 - 0.08, "\n".join(layer.operations), va="top")
        for i, (left, right) in enumerate(pairwise(heights)):
            start, stop = i + BOX_WIDTH / 2, i + 1 - BOX_WIDTH / 2
            corners = [(start, left / 2), (stop, right / 2), (stop, -right / 2), (start, -left / 2)]
            self.ax_.add_patch(Polygon(corners, facecolor=NEUTRAL_COLOR, alpha=0.25, linewidth=0))
            self._write(
                i + 0.5, 0, f"{self.layers[i + 1].n_parameters:,}", va="center", size="small"
            )
        n_lines = max(len(layer.operations) for layer in self.layers)
        margin = max(heights) / 2 + 0.5
        self.ax_.set(xlim=(-0.6, len(self.layers) - 0.4), ylim=(-margin - 0.35 * n_lines, margin))
        self.ax_.set_axis_off()
        n_parameters = sum(layer.n_parameters for layer in self.layers)
        self.ax_.set_title(f"{n_parameters:,} parameters", fontsize="medium")
        return self

    def _write(self, x, y, text, **style):
        self.texts_.append(self.ax_.text(x, y, text, ha="center", **style))


def group_rows(rows):
    """Return the Layers of the rows of a summary: inputs and dense layers with the operations that follow them."""
    layers: list[Layer] = []
    for row in rows:
        if row.name in ("input", "image features", "dense"):
            operations = () if row.name == "dense" else (row.name,)
            layers.append(Layer(row.n_outputs, row.n_parameters, operations))
        else:
            last = layers.pop()
            layers.append(
                Layer(
                    last.n_units, last.n_parameters + row.n_parameters, (*last.operations, row.name)
                )
            )
    return tuple(layers)
