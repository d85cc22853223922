"""Export to one HTML page on which a user draws images, or moves sliders, and sees the network predict.

The sources of the page are in the directory `page`: a template, a style sheet and JavaScript modules, which are joined
to one script.
"""

import base64
import hashlib
import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from sklearn.pipeline import Pipeline

from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.export.page_data import make_page_data
from skmlp.files.atomic import atomic_write
from skmlp.typing import ArrayLike, PathLike

if TYPE_CHECKING:
    from sklearn.ensemble import VotingClassifier

__all__ = ["to_html"]

# The module that only pages of networks with `image_features` use
GRADIENTS = "gradients.js"
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ", re.MULTILINE)
INDENTATION = re.compile(r"^ +", re.MULTILINE)
# Comments of a style sheet, and spaces, line breaks and semicolons that have no effect. Strings contain none of these
# beside punctuation.
STYLE_SPACE = re.compile(
    r"^ *(?:/\*.*?\*/)\n|^ +|(?<=[{}(,:;])\s+|\s+(?=[{)])|;\s*(?=\})", re.MULTILINE | re.DOTALL
)
# Strings of a script are kept. The sources contain no other text with quotes, such as regular expressions, and all
# statements end with a semicolon or a brace.
STRING = r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`'
SCRIPT_COMMENT = re.compile(rf"({STRING})|/\*.*?\*/|//[^\n]*", re.DOTALL)
SCRIPT_SPACE = re.compile(
    rf"({STRING})|\s*(=>|[=!<>]=+|&&|\|\||\?\?|[=,:;?<>{{}}()\[\]*])\s*|\s*\n\s*", re.DOTALL
)


def to_html(
    model: "MLPDigitClassifier | Pipeline | VotingClassifier",
    path: PathLike,
    *,
    weights: str | None = None,
    X: ArrayLike | None = None,
    image_shape: tuple[int, int] | bool | None = None,
) -> None:
    """Write a page on which one can draw a digit and see the network read it.

    The page is one file. It makes no network requests and works from a local disk, also on phones. Drawings, pictures
    and photos are converted as by :func:`skmlp.normalize_digit` for images of 28 x 28 pixels, and scaled to the size
    of the images otherwise. If the features are not images, the page has a slider for each feature. The page shows the
    probabilities, the activations and weights of all units, the strongest paths to the prediction, and the parts of
    the image that matter.

    The page of a committee shows the average of the probabilities of its networks, and what each of them predicts. The
    units, paths and parts of the image are those of one network, which the user selects. The page does not contain
    networks with a weight of 0.

    Scripts can use ``window.skmlp``: ``predict(pixels)`` returns the probabilities for the pixels of an image, row by
    row and from 0 to 255, or for the features if they are not images; ``normalize(imageData)`` returns the pixels for a
    drawing; ``classes``, ``version``, ``digest`` and ``selfTest`` describe the model. The event ``skmlp-ready`` of the
    document reports that it is available.

    Parameters
    ----------
    model : MLPDigitClassifier, :class:`sklearn.pipeline.Pipeline` or :class:`sklearn.ensemble.VotingClassifier`
        Fitted classifier, or Pipeline of :class:`skmlp.Deslant` and a classifier. The page then deslants and scales
        each image as the Pipeline does, and shows the result. Or committee, a VotingClassifier with ``voting="soft"``
        of such classifiers and Pipelines, as :func:`skmlp.make_committee` returns it. Each of them can be frozen.
    path : str or Path
        Path of the HTML file. An existing file is replaced when the new one is complete.
    weights : {'int8', 'float16', 'float32'}, default=None
        Number format of the weights. 'int8' has one scale per unit, and gives the smallest file; the probabilities of
        'float32' are equal to those of `predict_proba` except for rounding. None for 'int8' for images, and 'float32'
        for features that are not images, whose weights can have very different sizes.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        Samples, which determine the range of the features. Required if no classifier on the page has an `input_scale`.
        Without them, features range from 0 to ``1 / input_scale``, for a committee to the largest of these values. Five
        samples per network are stored in the page for its self-test.
    image_shape : tuple of int or False, default=None
        Height and width of the images. None for the `image_shape` of the classifier or, if it has none, square images
        of at least 5 x 5 pixels. False for sliders. Required if the members of a committee have different ones. The
        images for :class:`skmlp.Deslant` and the `image_features` of a classifier have one shape only.

    Raises
    ------
    NotFittedError
        If the model is not fitted.
    TypeError
        If `model`, or a member of a committee, is another estimator, a Pipeline with other transformers, or a
        classifier whose `image_features` are a callable other than :class:`skmlp.GradientFeatures`.
    ValueError
        If an argument is invalid, if `X` is required or all its pixels are equal, if the members of a committee do not
        fit together, or if there are more than 200 features that are not pixels.
    OSError
        If the file cannot be written.

    See Also
    --------
    skmlp.write_report : Write a report on the accuracy and the mistakes of a classifier.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import load_digits
    >>> from skmlp import MLPDigitClassifier
    >>> from skmlp.export import to_html
    >>> X, y = load_digits(return_X_y=True)
    >>> mlp = MLPDigitClassifier(
    ...     input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
    ... ).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = Path(directory) / "draw.html"
    ...     to_html(mlp, path)
    ...     path.stat().st_size < 200_000
    True
    """
    page = make_page_data(model, weights, X, image_shape)
    with atomic_write(path) as file:
        file.write(render(page).encode())


def render(page):
    """Return the page for its data."""
    networks = [each["network"] for each in page["members"]]
    has_gradients = [network["imageFeatures"] is not None for network in networks]
    style = STYLE_SPACE.sub("", read_source("page.css"))
    script = join_modules("page.js", () if any(has_gradients) else (GRADIENTS,))
    n_layers = [len(network["layers"]) for network in networks]
    hashes = {name: hash_source(source) for name, source in (("style", style), ("script", script))}
    return (
        make_environment()
        .from_string(INDENTATION.sub("", read_source("page.html")))
        .render(
            page=page,
            page_json=escape_json(page),
            style=mark_safe(style),
            script=mark_safe(script),
            policy=(
                f"default-src 'none'; style-src '{hashes['style']}'; script-src '{hashes['script']}'; "
                "img-src data:; base-uri 'none'; form-action 'none'"
            ),
            title=choose_title(page),
            summaries=list(map(summarize_member, page["members"])),
            weights=networks[0]["weights"],
            n_gradient_networks=sum(has_gradients),
            pixel_inputs=describe_pixel_inputs(networks),
            has_hidden_layers=max(n_layers) > 1,
            has_network_without_hidden_layers=min(n_layers) == 1,
            has_single_score=len(page["classes"]) == 2 and not networks[0]["multilabel"],
        )
    )


def summarize_member(member):
    """Return what the page says about a member, for the template."""
    layers = member["network"]["layers"]
    return {
        "name": member["name"],
        "layers": "\N{EN DASH}".join(
            str(size) for size in [layer["fanIn"] for layer in layers] + [layers[-1]["fanOut"]]
        ),
        "n_parameters": sum(layer["fanOut"] * (layer["fanIn"] + 1) for layer in layers),
        "percentage": f"{100 * member['fraction']:.3g}",
        "is_upright": member["deslant"] is not None,
        "is_scaled": member["deslant"] is not None and any(member["deslant"]["spread"]),
        "inputs": summarize_inputs(member["network"]["imageFeatures"]),
    }


def summarize_inputs(image_features):
    """Return what the page says about the inputs of a network, empty if they are the features."""
    if image_features is None:
        return ""
    rows, columns = image_features["grid"]
    return (
        f"gradients at {rows} x {columns} points{' and pixels' * image_features['includePixels']}"
    )


def describe_pixel_inputs(networks):
    """Return how many of the networks with `image_features` take the pixels, too: "all", "some" or "none"."""
    features = [each["imageFeatures"] for each in networks if each["imageFeatures"] is not None]
    n_included = sum(each["includePixels"] for each in features)
    if n_included == 0:
        return "none"
    return "all" if n_included == len(features) else "some"


def choose_title(page):
    """Return the title of a page for its data."""
    if page["input"]["kind"] == "table":
        return "Explore a network" if len(page["members"]) == 1 else "Explore a committee"
    return "Draw a digit" if page["input"]["examples"] else "Draw an image"


@cache
def make_environment():
    """Return the jinja2 environment. All text is escaped."""
    from jinja2 import Environment, StrictUndefined

    return Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def read_source(name):
    """Return the text of a file in the directory `page`."""
    return resources.files("skmlp.export").joinpath("page", name).read_text(encoding="utf-8")


def join_modules(name, unused=()):
    """Return a JavaScript module and all that it imports, as one script.

    The names at the top level of all modules are distinct, so that imports and exports can be left out.

    Parameters
    ----------
    name : str
        Name of the module.
    unused : sequence of str, default=()
        Names of modules to leave out, of which the page uses nothing.
    """
    sources = {}

    def add(module):
        if module not in sources and module not in unused:
            source = read_source(module)
            sources[module] = None  # modules may not import each other in a cycle
            for imported in IMPORT.findall(source):
                add(imported)
            del sources[module]
            sources[module] = EXPORT.sub("", IMPORT.sub("", source))

    add(name)
    return f'"use strict";\n{{{shorten("".join(sources.values()))}}}\n'


def shorten(script):
    """Return a script without comments and without spaces around punctuation, less than two thirds of its size."""
    script = SCRIPT_COMMENT.sub(lambda match: match[1] or "", script)
    return SCRIPT_SPACE.sub(lambda match: match[1] or match[2] or "\n", script)


def hash_source(source):
    """Return the hash of an inline script or style sheet for a content security policy."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def escape_json(value):
    """Return JSON that is safe inside of a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return mark_safe(text.replace("<", "\\u003c"))


def mark_safe(text):
    """Mark text that needs no escaping."""
    from markupsafe import Markup

    return Markup(text)
