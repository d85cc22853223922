"""The page of `skmlp export --html` and `skmlp draw`."""

from pathlib import Path

from skmlp.cli.datasets import PASS_SCALE, warn_about_unscaled_pixels
from skmlp.cli.errors import BAD_MODEL, CANNOT_WRITE, CommandError, translate_errors
from skmlp.cli.model_files import is_classifier, make_view
from skmlp.cli.options import Option
from skmlp.cli.values import make_choice_type
from skmlp.formatting import format_size

WEIGHTS = Option(
    make_choice_type(("int8", "float16", "float32")),
    "Number format of the weights on the page: int8, float16 or float32. int8 gives the smallest file. "
    "[default: int8, or float32 if the features are not images]",
    "output",
    "FORMAT",
)
MAX_PIXEL = 255
N_IMAGES = 5  # as many as a page has samples for its self-test
SET_SCALES = "set the input_scale of its networks in Python and save it again"  # --scale requires a classifier


def write_page(model, path, weights, program, X=None):
    """Write the page for a model, and return what to print about it.

    `X` are samples for the range of the pixels. Without them, pixels of a model without `input_scale` range from 0 to
    255.
    """
    from skmlp.export import to_html

    view = make_view(model)
    if X is None and view.input_scale is None:
        check_features_are_pixels(view)
        X = generate_pixels(view.n_features_in_)
        remedy = PASS_SCALE if is_classifier(model) else SET_SCALES
        warn_about_unscaled_pixels(X, [view], program, remedy)
    with (
        translate_errors(CANNOT_WRITE, OSError),
        translate_errors(BAD_MODEL, (ValueError, TypeError)),
    ):
        to_html(model, path, weights=weights, X=X)
    return f"Written to {path} ({format_size(Path(path).stat().st_size)}). Open it in a browser"


def generate_pixels(n_pixels):
    """Return images of 8-bit pixels for the range and the self-test of a page: a black, a white and random ones."""
    import numpy as np

    images = np.random.default_rng(0).integers(0, MAX_PIXEL + 1, (N_IMAGES, n_pixels), np.uint8)
    images[0], images[-1] = 0, MAX_PIXEL
    return images


def check_features_are_pixels(model):
    """Raise an error if the features of a model are not the pixels of images."""
    from skmlp.image_shape import find_image_shape

    if find_image_shape(None, model) is None:
        scale = ", or pass --scale 1 if they range from 0 to 1" if is_classifier(model) else ""
        raise CommandError(
            BAD_MODEL,
            "the model must have an input_scale, or pixels of images as features, got "
            f"{model.n_features_in_} features of unknown range. Use skmlp.export.to_html(model, path, X=X) in Python, "
            f"with training samples that determine the ranges{scale}.",
        )
