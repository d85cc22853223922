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

import numpy as np
from scipy.sparse import issparse
from sklearn.pipeline import Pipeline

from skmlp.digits.deslant import Deslant
from skmlp.digits.normalize import IMAGE_SIZE
from skmlp.estimator.classifier import MLPDigitClassifier
from skmlp.estimator.committee import is_network
from skmlp.estimator.prediction import load_samples
from skmlp.export.checks import generate_samples
from skmlp.export.model_info import describe_model
from skmlp.export.network import compute_probabilities, fold_network
from skmlp.export.payload import describe_network, encode_text
from skmlp.export.quantize import quantize_network
from skmlp.files.atomic import atomic_write
from skmlp.image_shape import find_image_shape
from skmlp.model_parts import is_committee, split_model
from skmlp.typing import ArrayLike, PathLike

__all__ = ["to_html"]

MAX_SLIDERS = 200
N_SAMPLES = 5  # of the self-test
DIGITS = [str(digit) for digit in range(10)]
EXAMPLE = 3  # the digit that the page draws when it is opened
IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export ", re.MULTILINE)
# Comments on lines of their own. No string of the sources continues on another line.
COMMENT = re.compile(r"^ *(?:/\*.*?\*/|//[^\n]*)\n", re.MULTILINE | re.DOTALL)
# Indentation, and line breaks after characters after which they have no effect. A comment behind code does not end with
# these characters.
INDENTATION = re.compile(r"^ +|(?<=[{(\[,;])\n *", re.MULTILINE)


def to_html(
    model: MLPDigitClassifier | Pipeline,
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

    Scripts can use ``window.skmlp``: ``predict(pixels)`` returns the probabilities for the pixels of an image, row by
    row and from 0 to 255, or for the features if they are not images; ``normalize(imageData)`` returns the pixels for a
    drawing; ``classes``, ``version``, ``digest`` and ``selfTest`` describe the model. The event ``skmlp-ready`` of the
    document reports that it is available.

    Parameters
    ----------
    model : MLPDigitClassifier or :class:`sklearn.pipeline.Pipeline`
        Fitted classifier, or Pipeline of :class:`skmlp.Deslant` and a classifier. The page then deslants each image,
        and shows the upright one.
    path : str or Path
        Path of the HTML file. An existing file is replaced when the new one is complete.
    weights : {'int8', 'float16', 'float32'}, default=None
        Number format of the weights. 'int8' has one scale per unit, and gives the smallest file; the probabilities of
        'float32' are equal to those of `predict_proba` except for rounding. None for 'int8' for images, and 'float32'
        for features that are not images, whose weights can have very different sizes.
    X : {array-like, sparse matrix} of shape (n_samples, n_features), default=None
        Samples, which determine the range of the features. Required if the classifier has no `input_scale`. Without
        them, features range from 0 to ``1 / input_scale``. Five samples are stored in the page for its self-test.
    image_shape : tuple of int or False, default=None
        Height and width of the images. None for the `image_shape` of the classifier or, if it has none, square images
        of at least 5 x 5 pixels. False for sliders.

    Raises
    ------
    NotFittedError
        If the classifier is not fitted.
    TypeError
        If `model` is another estimator, or a Pipeline with other transformers.
    ValueError
        If an argument is invalid, if `X` is required, or if there are more than 200 features that are not pixels.
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
    deslanter, mlp = get_deslanter(model), split_model(model).classifier
    if deslanter is not None:
        image_shape = check_same_shape(image_shape, deslanter.image_shape_)
        X = None if X is None else deslanter.transform(X)
    folded = fold_network(mlp)
    info = describe_model(mlp, image_shape)
    network = quantize_network(folded, weights or choose_weights(mlp, image_shape))
    X = None if X is None else convert_samples(mlp, X)
    page = {
        "network": describe_network(network, info),
        "input": describe_input(mlp, info, X, deslanter),
        "samples": make_self_test(mlp, network, X),
    }
    with atomic_write(path) as file:
        file.write(render(page).encode())


def check_type(model):
    """Raise TypeError unless a model is a classifier, or a Pipeline that ends with one."""
    if is_network(model):
        return
    hint = ""
    if is_committee(model):
        hint = (
            " The page shows the units of one network. Pass a member, such as model.estimators_[0], or a network that "
            "has learned the predictions of the committee."
        )
    raise TypeError(
        "model must be a fitted MLPDigitClassifier, or a Pipeline of Deslant and such a classifier, got "
        f"{model!r:.200}.{hint}"
    )


def get_deslanter(model):
    """Return the Deslant of a Pipeline, or None; raise TypeError if there are other transformers."""
    check_type(model)
    transformers = split_model(model).transformers
    if len(transformers) > 1 or not all(isinstance(each, Deslant) for each in transformers):
        names = ", ".join(type(each).__name__ for each in transformers)
        raise TypeError(
            f"A Pipeline must consist of Deslant and a classifier, got the transformers {names}. To export the "
            "classifier alone, pass its last step."
        )
    return transformers[0] if transformers else None


def check_same_shape(image_shape, expected):
    """Return the shape of the images that a Deslant takes; raise ValueError if `image_shape` is another one."""
    if image_shape is not None and (not image_shape or tuple(image_shape) != expected):
        raise ValueError(
            f"image_shape must be None or {expected}, the shape of the images that Deslant takes, got {image_shape!r}."
        )
    return expected


def choose_weights(mlp, image_shape=None):
    """Return the default format of the weights: the weights of features that are not pixels differ much in size."""
    return "float32" if find_image_shape(image_shape, mlp) is None else "int8"


def convert_samples(mlp, X):
    """Return validated samples as an array."""
    X = load_samples(mlp, X)
    return X.toarray() if issparse(X) else np.asarray(X)


def describe_input(mlp, info, X, deslanter=None):
    """Return how samples are entered: by drawing, or by a slider for each feature."""
    if info.image_shape is not None:
        smallest, largest = find_range(mlp, X)
        are_digits = list(map(str, info.labels)) == DIGITS
        return {
            "kind": "drawing",
            "shape": info.image_shape,
            "smallest": smallest,
            "largest": largest,
            "isMnist": info.image_shape == (IMAGE_SIZE, IMAGE_SIZE),
            "maxShear": None if deslanter is None else float(deslanter.max_shear),
            "examples": DIGITS if are_digits else [],
            "example": EXAMPLE if are_digits else None,
        }
    if mlp.n_features_in_ > MAX_SLIDERS:
        raise ValueError(
            f"mlp must have at most {MAX_SLIDERS} features if they are not images, got {mlp.n_features_in_}. Set "
            "image_shape=(height, width) if the features are pixels."
        )
    return {"kind": "table", "features": describe_features(mlp, X), "example": None}


def find_range(mlp, X):
    """Return the smallest and the largest value of the features."""
    if X is not None:
        return float(X.min()), float(X.max())
    if mlp.input_scale is None:
        raise ValueError(
            "X must contain samples if the classifier has no input_scale, got None. Pass some training samples, which "
            "determine the range of the features."
        )
    return 0.0, 1 / mlp.input_scale


def describe_features(mlp, X):
    """Return the name, the range and the initial value of each feature."""
    names = getattr(
        mlp, "feature_names_in_", [f"Feature {i + 1}" for i in range(mlp.n_features_in_)]
    )
    if X is None:
        lower, upper = (np.full(len(names), limit) for limit in find_range(mlp, X))
        middle = (lower + upper) / 2
    else:
        lower, upper, middle = X.min(axis=0), X.max(axis=0), np.median(X, axis=0)
    ranges = zip(names, lower.tolist(), upper.tolist(), middle.tolist(), strict=True)
    return [
        {"name": str(name), "min": low, "max": high, "value": value}
        for name, low, high, value in ranges
    ]


def make_self_test(mlp, network, X):
    """Return samples and their probabilities, which the page compares with its own."""
    if X is None:
        samples = generate_samples(mlp.n_features_in_, mlp.input_scale, N_SAMPLES)
    else:
        samples = X[np.linspace(0, len(X) - 1, N_SAMPLES).astype(int)]
    samples = samples.astype("<f4")
    probabilities = compute_probabilities(network.restore(), samples)
    return {
        "features": encode_text(samples.tobytes()),
        "probabilities": [[float(f"{p:.7g}") for p in row] for row in probabilities.tolist()],
    }


def render(page):
    """Return the page for its description."""
    style, script = shorten(read_source("page.css")), join_modules("page.js")
    hashes = {name: hash_source(source) for name, source in (("style", style), ("script", script))}
    network = page["network"]
    sizes = [layer["fanIn"] for layer in network["layers"]] + [network["layers"][-1]["fanOut"]]
    return (
        make_environment()
        .from_string(read_source("page.html"))
        .render(
            description=page,
            description_json=escape_json(page),
            style=mark_safe(style),
            script=mark_safe(script),
            policy=(
                f"default-src 'none'; style-src '{hashes['style']}'; script-src '{hashes['script']}'; "
                "img-src data:; base-uri 'none'; form-action 'none'"
            ),
            title=choose_title(page["input"]),
            sizes=sizes,
            n_parameters=sum(layer["fanOut"] * (layer["fanIn"] + 1) for layer in network["layers"]),
        )
    )


def choose_title(description):
    """Return the title of a page for the description of its input."""
    if description["kind"] == "table":
        return "Explore a network"
    return "Draw a digit" if description["examples"] else "Draw an image"


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


def join_modules(name):
    """Return a JavaScript module and all that it imports, as one script.

    The names at the top level of all modules are distinct, so that imports and exports can be left out.
    """
    sources = {}

    def add(module):
        if module not in sources:
            source = read_source(module)
            sources[module] = None  # modules may not import each other in a cycle
            for imported in IMPORT.findall(source):
                add(imported)
            del sources[module]
            sources[module] = EXPORT.sub("", IMPORT.sub("", source))

    add(name)
    return f'"use strict";\n{{\n{shorten("".join(sources.values()))}}}\n'


def shorten(source):
    """Return a style sheet or a script without comments, indentation and most line breaks, a third of its size."""
    return INDENTATION.sub("", COMMENT.sub("", source))


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
