"""The page to draw on that the landing page embeds: a network is trained and exported when the site is built."""

import os
from pathlib import Path

from sklearn.datasets import load_digits

from skmlp import load_mnist
from skmlp.export import to_html
from skmlp.recipes import RECIPES


def write_drawing_page(app, exception):
    """Write draw.html with the classifier of the recipe `fast`.

    It is trained on MNIST or, without it, on scikit-learn's bundled digits.
    """
    if exception is not None or app.builder.format != "html":
        return
    mlp = RECIPES["fast"].make_classifier(0)
    try:
        X, y = load_mnist(os.environ["SKMLP_MNIST"], return_X_y=True)
    except FileNotFoundError:
        X, y = load_digits(return_X_y=True)
        mlp.set_params(input_scale=1 / 16, max_iter=60)
    to_html(mlp.fit(X, y), Path(app.outdir) / "draw.html")


def setup(app):
    """Register the handler."""
    app.connect("build-finished", write_drawing_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
