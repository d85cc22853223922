"""Colors of the displays."""

import pytest
from matplotlib.colors import to_rgb

from skmlp.colors import COLORS
from skmlp.plots.style import check_axes

BACKGROUNDS = {"light": "#ffffff", "dark": "#1e1e1e"}


def compute_luminance(color):
    """Return the relative luminance of WCAG 2.1."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), channels, strict=True))


@pytest.mark.parametrize("background", BACKGROUNDS.values(), ids=BACKGROUNDS)
@pytest.mark.parametrize("color", COLORS)
def test_colors_are_legible(color, background):
    dark, light = sorted((compute_luminance(color), compute_luminance(background)))
    assert (light + 0.05) / (dark + 0.05) >= 3


def test_number_of_axes_is_checked():
    with pytest.raises(ValueError, match=r"ax must contain 2 matplotlib axes, for this, got 1"):
        check_axes(object(), 2, "for this")
