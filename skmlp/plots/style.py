"""Figures and drawing helpers that the displays share.

Text and spines that have no color of their own use those of the current matplotlib style, so that the displays are
legible on light and on dark backgrounds, like the colors of `skmlp.colors`.
"""

import numpy as np

from skmlp.colors import NEUTRAL_COLOR

GRID = {"color": NEUTRAL_COLOR, "alpha": 0.3, "linewidth": 0.8}
# Map for values of both signs. Zero is the middle of the scale.
DIVERGING_MAP = "RdBu_r"


def make_axes(n_rows, n_columns, *, size, **kwargs):
    """Return an array of the axes of a new pyplot figure.

    Parameters
    ----------
    n_rows, n_columns : int
    size : tuple of float
        Width and height of one of the axes in inches.
    **kwargs
        Arguments of `matplotlib.pyplot.subplots`.
    """
    import matplotlib.pyplot as plt

    width, height = size
    _, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=(n_columns * width, n_rows * height),
        squeeze=False,
        layout="constrained",
        **kwargs,
    )
    return axes


def check_axes(ax, n_axes, what):
    """Return matplotlib axes as an array, and raise ValueError unless there are `n_axes`.

    Parameters
    ----------
    ax : Axes or array-like of Axes
    n_axes : int
    what : str
        What they are for, in the message.
    """
    axes = np.ravel(np.asarray(ax, dtype=object))
    if len(axes) != n_axes:
        raise ValueError(
            f"ax must contain {n_axes} matplotlib axes, {what}, got {len(axes)}. Create them with "
            f"figure.subplots(1, {n_axes}).ravel()."
        )
    return axes


def merge_style(default, given, artist):
    """Return default arguments of matplotlib, replaced by given ones, which may be abbreviated as in "lw".

    Parameters
    ----------
    default : dict
    given : dict or None
    artist : type
        Class of the artist, for example `matplotlib.lines.Line2D`.
    """
    from matplotlib.cbook import normalize_kwargs

    return default | normalize_kwargs(dict(given or {}), artist)


def format_axes(ax):
    """Draw a frame on the left and at the bottom only, and a light horizontal grid."""
    ax.grid(axis="y", **GRID)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(NEUTRAL_COLOR)
    ax.tick_params(color=NEUTRAL_COLOR)


def hide_frame(ax):
    """Hide the ticks and spines of axes that show an image."""
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
