"""Conversion of gradient features to a call of a function in C."""

from typing import NamedTuple

from skmlp.digits.gradients import N_DIRECTIONS, make_weights
from skmlp.export.c_literals import format_float, format_values


class InputSource(NamedTuple):
    """Variables of the template for ImageInputs: numbers, names and lists of constants in C."""

    source: str
    scale: str
    height: int
    width: int
    n_rows: int
    n_columns: int
    row_weights: str
    column_weights: str
    includes_pixels: bool

    @property
    def n_strengths(self):
        """Number of strengths of the gradient."""
        return N_DIRECTIONS * self.n_rows * self.n_columns

    @property
    def n_sums(self):
        """Number of sums of one row of pixels."""
        return N_DIRECTIONS * self.n_columns

    @property
    def size(self):
        """Number of inputs of the network."""
        return self.n_strengths + self.includes_pixels * self.height * self.width

    @property
    def n_constants(self):
        """Number of weights of pixels."""
        return self.n_rows * self.height + self.n_columns * self.width


def describe_inputs(inputs, source):
    """Return the InputSource of ImageInputs, which read the variable `source`; None without ImageInputs."""
    if inputs is None:
        return None
    weights = [
        format_values(map(format_float, make_weights(*sizes).ravel().tolist()))
        for sizes in zip(inputs.features.grid, inputs.image_shape, strict=True)
    ]
    return InputSource(
        source,
        format_float(inputs.scale),
        *inputs.image_shape,
        *inputs.features.grid,
        *weights,
        inputs.features.include_pixels,
    )
