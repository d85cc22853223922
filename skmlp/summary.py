"""The summary of a network: a table of its layers, output shapes and parameter counts."""

from dataclasses import dataclass
from html import escape

import numpy as np

HEADINGS = ("layer", "output shape", "parameters")


@dataclass(frozen=True)
class Summary:
    """A table of the layers of a network; printed as text, shown as HTML in a notebook.

    Attributes
    ----------
    rows : tuple of tuple (str, int, int)
        Name, number of outputs and number of parameters of each layer.
    dtype : dtype
        Of the parameters.
    """

    rows: tuple
    dtype: np.dtype

    @property
    def n_parameters(self):
        """Number of parameters of all layers."""
        return sum(parameters for _, _, parameters in self.rows)

    @property
    def n_bytes(self):
        """Memory that the parameters take."""
        return self.n_parameters * self.dtype.itemsize

    def __str__(self):
        cells = [HEADINGS, *self._cells()]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            f"{name:<{widths[0]}}  {shape:<{widths[1]}}  {parameters:>{widths[2]}}"
            for name, shape, parameters in cells
        ]
        rule = "-" * len(lines[0])
        return "\n".join([lines[0], rule, *lines[1:], rule, self._total()])

    def __repr__(self):
        return str(self)

    def _repr_html_(self):
        def row(cells, tag):
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

        body = "".join(row(cells, "td") for cells in self._cells())
        return (
            f"<table><thead>{row(HEADINGS, 'th')}</thead><tbody>{body}</tbody>"
            f'<tfoot><tr><td colspan="3">{escape(self._total())}</td></tr></tfoot></table>'
        )

    def _cells(self):
        return [(name, f"(n, {units:,})", f"{count:,}") for name, units, count in self.rows]

    def _total(self):
        return (
            f"{self.n_parameters:,} parameters, {self.n_bytes / 2**20:.2f} MB as {self.dtype.name}"
        )


def summarise(layout, design, out_activation, dtype):
    """Make the summary of a network.

    Parameters
    ----------
    layout : Layout
    design : Design
    out_activation : str
    dtype : dtype
    """
    rows = [("input", layout.layer_sizes[0], 0)]
    if design.input_dropout:
        rows.append((f"dropout {design.input_dropout:g}", layout.layer_sizes[0], 0))
    for i, (fan_out, fan_in) in enumerate(layout.shapes.weights):
        rows.append(("dense", fan_out, fan_out * fan_in + fan_out))
        if i == len(layout.hidden_sizes):
            rows.append((out_activation, fan_out, 0))
            break
        if layout.batch_norm:
            rows.append(("batch norm", fan_out, 2 * fan_out))
        rows.append((design.activations[i], fan_out, 0))
        if design.dropout[i]:
            rows.append((f"dropout {design.dropout[i]:g}", fan_out, 0))
    return Summary(tuple(rows), np.dtype(dtype))
