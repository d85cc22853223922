"""Summary of a network: a table of its layers, output shapes and parameter counts."""

from dataclasses import dataclass
from html import escape
from numbers import Integral
from typing import NamedTuple

import numpy as np

from skmlp.engine.config import NetworkConfig
from skmlp.estimator import fitted
from skmlp.estimator.config import make_network_config, parse_activations, parse_dropout
from skmlp.estimator.targets import TargetEncoding

HEADINGS = ("layer", "output shape", "parameters")


class Row(NamedTuple):
    """A row of the table, which describes one layer.

    Attributes
    ----------
    name : str
        Name of the layer.
    n_outputs : int
        Number of outputs of the layer.
    n_parameters : int
        Number of parameters of the layer.
    """

    name: str
    n_outputs: int
    n_parameters: int


@dataclass(frozen=True)
class Summary:
    """Table of the layers of a network. It is printed as text and displayed as HTML in notebooks.

    Attributes
    ----------
    rows : tuple of Row
        Named tuples (name, n_outputs, n_parameters), one per layer.
    dtype : dtype
        Data type of the parameters.
    n_parameters : int
        Total number of parameters.
    n_bytes : int
        Memory size of the parameters in bytes.
    """

    rows: tuple[Row, ...]
    dtype: np.dtype

    @property
    def n_parameters(self) -> int:
        """Total number of parameters."""
        return sum(row.n_parameters for row in self.rows)

    @property
    def n_bytes(self) -> int:
        """Memory size of the parameters in bytes."""
        return self.n_parameters * self.dtype.itemsize

    def __str__(self) -> str:
        cells = [HEADINGS, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {parameters:>{widths[2]}}"
            for name, shape, parameters in cells
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:], rule, self._total()])

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return self.to_html()

    def to_html(self) -> str:
        """Return the table as HTML.

        Returns
        -------
        html : str
            A ``<table>`` element.
        """

        def table_row(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(table_row(cells, "td") for cells in self._cells())
        return (
            f"<table><thead>{table_row(HEADINGS, 'th')}</thead><tbody>{body}</tbody>"
            f'<tfoot><tr><td colspan="3">{escape(self._total())}</td></tr></tfoot></table>'
        )

    def _cells(self):
        return [(row.name, f"(n, {row.n_outputs:,})", f"{row.n_parameters:,}") for row in self.rows]

    def _total(self):
        return (
            f"{self.n_parameters:,} parameters, {self.n_bytes / 2**20:.2f} MiB as {self.dtype.name}"
        )


def summarize_fitted(estimator):
    """Return the Summary of a fitted classifier. Layers and sizes are those of the fitted weights."""
    layout, params = fitted.get_layout(estimator), estimator
    n_hidden = len(layout.hidden_sizes)
    config = NetworkConfig(
        layer_sizes=layout.layer_sizes,
        activations=parse_activations(params.activation, n_hidden),
        out_activation=estimator.out_activation_,
        dropout=parse_dropout(params.dropout, n_hidden),
        input_dropout=float(params.input_dropout),
        batch_norm=layout.batch_norm,
    )
    n_pixels = None if params.image_features is None else estimator.n_features_in_
    return summarize(config, estimator.coefs_[0].dtype, n_pixels)


def summarize_unfitted(params, n_features, n_classes):
    """Return the Summary of the network that constructor parameters define.

    Raises
    ------
    ValueError
        If `n_features` or `n_classes` is not an integer of at least 1, or if a parameter is invalid.
    """
    for name, number in {"n_features": n_features, "n_classes": n_classes}.items():
        if isinstance(number, bool) or not isinstance(number, Integral) or number < 1:
            raise ValueError(
                f"{name} must be an integer of at least 1 before fit, got {number!r}. Pass {name} to summary."
            )
    targets = TargetEncoding(np.arange(n_classes), multilabel=False)
    n_pixels = None if params.image_features is None else int(n_features)
    return summarize(make_network_config(params, targets, int(n_features)), np.float32, n_pixels)


def summarize(config, dtype, n_pixels=None):
    """Return the Summary of a NetworkConfig with parameters of some dtype.

    `n_pixels` is the number of pixels of an image if the inputs of the network are image features.
    """
    layout = config.layout
    rows = [Row("input", layout.layer_sizes[0] if n_pixels is None else n_pixels, 0)]
    if n_pixels is not None:
        rows.append(Row("image features", layout.layer_sizes[0], 0))
    if config.input_dropout:
        rows.append(Row(f"dropout {config.input_dropout:g}", layout.layer_sizes[0], 0))
    for i, (fan_out, fan_in) in enumerate(layout.shapes.weights):
        is_output = i == len(layout.hidden_sizes)
        has_biases = is_output or not config.batch_norm
        rows.append(Row("dense", fan_out, fan_out * fan_in + fan_out * has_biases))
        if is_output:
            rows.append(Row(config.out_activation, fan_out, 0))
            break
        if config.batch_norm:
            rows.append(Row("batch norm", fan_out, 2 * fan_out))
        rows.append(Row(config.activations[i], fan_out, 0))
        if config.dropout[i]:
            rows.append(Row(f"dropout {config.dropout[i]:g}", fan_out, 0))
    return Summary(tuple(rows), np.dtype(dtype))
