"""HTML representation of a fitted classifier: its layers and its training curve."""

import math

from skmlp.colors import TRAINING_COLOR, VALIDATION_COLOR

WIDTH, HEIGHT, MARGIN = 300, 110, 14
MAX_POINTS = 200
CURVES = (("loss", "training", TRAINING_COLOR), ("val_loss", "validation", VALIDATION_COLOR))


def render_training(summary, history):
    """Return HTML with the layers and the loss per epoch of a fitted classifier.

    Parameters
    ----------
    summary : Summary
    history : dict of str to list of float
        Training history.

    Returns
    -------
    html : str
        Without scripts, external resources and colors of text, so that it fits light and dark pages.
    """
    return (
        '<details class="skmlp-training"><summary>Layers and training</summary>'
        f"{summary.to_html()}{draw_loss(history)}</details>"
    )


def draw_loss(history):
    """Return an SVG image of the loss per epoch, or an empty string if no epoch has been completed."""
    curves = [
        (label, color, history[name]) for name, label, color in CURVES if has_values(history, name)
    ]
    if not curves:
        return ""
    n_epochs = len(curves[0][2])
    highest = max(value for _, _, values in curves for value in values if math.isfinite(value)) or 1
    description = "; ".join(
        f"{label} {find_last(values):.4f} after {n_epochs} epochs" for label, _, values in curves
    )
    lines = "".join(draw_line(values, highest, color) for _, color, values in curves)
    labels = "".join(
        f'<text x="{WIDTH - MARGIN}" y="{MARGIN + 13 * i}" text-anchor="end" fill="{color}">{label} '
        f"{find_last(values):.4f}</text>"
        for i, (label, color, values) in enumerate(curves)
    )
    bottom = HEIGHT - MARGIN
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="Loss per epoch: {description}" font-size="11" font-family="sans-serif">'
        f'<path d="M{MARGIN} {MARGIN}V{bottom}H{WIDTH - MARGIN}" fill="none" stroke="currentColor" '
        f'stroke-opacity="0.4"/>{lines}{labels}'
        f'<text x="{MARGIN}" y="{HEIGHT - 2}" fill="currentColor">loss, epochs 1 to {n_epochs}</text></svg>'
    )


def has_values(history, name):
    """Return whether a history contains a finite value of a curve."""
    return any(map(math.isfinite, history.get(name, ())))


def find_last(values):
    """Return the last finite value."""
    return next(value for value in reversed(values) if math.isfinite(value))


def draw_line(values, highest, color):
    """Return an SVG line through the finite values of a curve; long curves are drawn with every n-th value."""
    step = -(-len(values) // MAX_POINTS)
    width, height = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    points = [
        f"{MARGIN + width * i / max(len(values) - 1, 1):.1f},{HEIGHT - MARGIN - height * value / highest:.1f}"
        for i, value in enumerate(values)
        if math.isfinite(value) and (i % step == 0 or i == len(values) - 1)
    ]
    if len(points) == 1:
        x, y = points[0].split(",")
        return f'<circle cx="{x}" cy="{y}" r="2.5" fill="{color}"/>'
    return (
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}" stroke-width="1.8"/>'
    )
