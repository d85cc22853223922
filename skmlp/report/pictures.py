"""Pictures in the page: samples and maps as PNG images, and charts as SVG elements."""

import base64
import io
import re
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

MAX_SIDE = 56  # pixels; larger images are reduced
MAX_THUMBNAIL_SIDE = 32
POSITIVE_COLOR, NEGATIVE_COLOR = (178, 24, 43), (33, 102, 172)  # as in matplotlib's RdBu
# Color of text and ticks while matplotlib draws. In the page, it is replaced by the color of the text.
TEXT_COLOR = "#010203"
IDENTIFIER = re.compile(r'(\bid="|url\(#|href="#)')
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
SIZE = re.compile(r' (?:width|height)="[\d.]+pt"')


class Picture(NamedTuple):
    """Image element of the page.

    Attributes
    ----------
    source : str
        Data URL of a PNG image.
    alternative : str
        Alternative text.
    """

    source: str
    alternative: str


@dataclass(frozen=True)
class ImageEncoder:
    """Encoder of samples as pictures with a light background.

    Parameters
    ----------
    shape : tuple of int
        Height and width.
    white : float
        Value of white pixels.
    black : float
        Value of black pixels.
    """

    shape: tuple[int, int]
    white: float
    black: float

    def encode(self, pixels, alternative, max_side=MAX_SIDE):
        """Return the Picture of a sample.

        Parameters
        ----------
        pixels : ndarray of shape (height * width,)
        alternative : str
            Alternative text.
        max_side : int, default=MAX_SIDE
            Maximum height and width. Larger images are reduced.
        """
        span = self.black - self.white or 1.0
        darkness = np.clip((pixels.reshape(self.shape) - self.white) / span, 0, 1)
        return make_picture(np.rint(255 * (1 - darkness)).astype(np.uint8), alternative, max_side)

    def encode_thumbnail(self, pixels, alternative):
        """Return a smaller Picture of a sample, for places with many of them."""
        return self.encode(pixels, alternative, MAX_THUMBNAIL_SIDE)

    def encode_map(self, values, alternative, limit=None):
        """Return the Picture of a value per pixel: red if positive, blue if negative, transparent if zero.

        Parameters
        ----------
        values : ndarray of shape (height * width,)
        alternative : str
            Alternative text.
        limit : float, default=None
            Absolute value of opaque pixels. None for the largest one.
        """
        limit = limit or float(np.abs(values).max()) or 1.0
        values = values.reshape(self.shape) / limit
        colors = np.where((values > 0)[..., np.newaxis], POSITIVE_COLOR, NEGATIVE_COLOR)
        opacity = np.rint(255 * np.minimum(np.abs(values), 1))
        pixels = np.dstack([colors, opacity]).astype(np.uint8)
        return make_picture(pixels, alternative, MAX_SIDE)


def make_picture(pixels, alternative, max_side):
    """Return the Picture of an array of pixels of type uint8, gray or with four channels."""
    from PIL import Image

    image = Image.fromarray(pixels)
    if max(image.size) > max_side:
        image.thumbnail((max_side, max_side))
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=9)
    encoded = base64.b64encode(file.getvalue()).decode()
    return Picture(f"data:image/png;base64,{encoded}", alternative)


def draw_chart(name, description, draw, size, n_panels=(1, 1), **subplots):
    """Return a chart as an SVG element.

    Parameters
    ----------
    name : str
        Unique name, from which the identifiers in the element are made.
    description : str
        Alternative text.
    draw : callable
        Function of the matplotlib axes.
    size : tuple of float
        Width and height in inches.
    n_panels : tuple of int, default=(1, 1)
        Number of rows and columns of axes.
    **subplots
        Arguments of `Figure.subplots`.

    Returns
    -------
    svg : markupsafe.Markup
        Equal charts give equal strings.
    """
    with use_page_style():
        figure = make_figure(size)
        draw(figure.subplots(*n_panels, **subplots))
        return convert_to_svg(figure, name, description)


def draw_charts(descriptions, draw, size):
    """Return charts, one for each of the axes of a display, as SVG elements.

    Parameters
    ----------
    descriptions : dict of str to str
        Unique name and alternative text of each chart.
    draw : callable
        Function of the array of matplotlib axes, one for each chart.
    size : tuple of float
        Width and height of a chart in inches.

    Returns
    -------
    charts : list of markupsafe.Markup
    """
    with use_page_style():
        figures = [make_figure(size) for _ in descriptions]
        draw(np.array([figure.subplots() for figure in figures]))
        return [
            convert_to_svg(figure, name, description)
            for figure, (name, description) in zip(figures, descriptions.items(), strict=True)
        ]


def make_figure(size):
    """Return an empty matplotlib figure that does not belong to pyplot."""
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def use_page_style():
    """Return a context in which matplotlib draws text as text, in a color that `convert_to_svg` replaces.

    The user's settings of matplotlib have no effect in it.
    """
    from matplotlib import style

    settings = ("text.color", "axes.labelcolor", "xtick.labelcolor", "ytick.labelcolor")
    return style.context(
        ["default", dict.fromkeys(settings, TEXT_COLOR) | {"svg.fonttype": "none"}]
    )


def convert_to_svg(figure, name, description):
    """Return a figure as an SVG element that uses the font, the text color and the width of the page."""
    from markupsafe import Markup, escape
    from matplotlib import rc_context

    file = io.StringIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = METADATA.sub("", svg)
    svg = IDENTIFIER.sub(rf"\g<1>{name}-", svg).replace(TEXT_COLOR, "currentColor")
    # Without a size, the viewBox determines the proportions and CSS the width.
    svg = SIZE.sub("", svg, count=2)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1))
