"""All digits in a picture for `skmlp predict --all`: reading, printing, and drawing them on the picture."""

import json
from dataclasses import dataclass
from statistics import median
from typing import Any

from skmlp.cli.errors import (
    BAD_DATA,
    CANNOT_WRITE,
    USAGE,
    CommandError,
    format_error,
    translate_errors,
)
from skmlp.cli.formats import join_shapes
from skmlp.cli.model_files import CommitteeModel
from skmlp.cli.pictures import MNIST_SIDE, PICTURE_MAGICS, open_source, resize
from skmlp.files.atomic import atomic_write

BOX_SIDES = ("left", "top", "right", "bottom")
SUFFIXES = (".png", ".jpg", ".jpeg")
BOX_COLOR, TEXT_COLOR = "#2b7fd4", "#b3261e"
MIN_TEXT_SIZE = 11  # pixels
TEXT_SIZE = 0.3  # relative to the median height of the digits
LINE_WIDTH = 60  # height of the digits per additional pixel of width


@dataclass(frozen=True)
class Page:
    """A picture, the digits in it, and their images as the model takes them.

    Attributes
    ----------
    picture : PIL.Image.Image
    digits : list of FoundDigit
    images : ndarray of shape (n_digits, n_pixels)
    """

    picture: Any
    digits: list
    images: Any


@dataclass(frozen=True)
class Prediction:
    """The predicted class of a digit.

    Attributes
    ----------
    digit : int or str
    probability : float
    probabilities : dict
        Probability of each class.
    """

    digit: Any
    probability: float
    probabilities: dict


def check_page_options(options):
    """Raise an error if options of `skmlp predict` cannot be combined."""
    if options.annotate and not options.all:
        raise CommandError(
            USAGE, "--annotate requires --all, which finds the digits to draw. Add --all."
        )
    if not options.all:
        return
    for name in ("invert", "normalize"):
        if getattr(options, name):
            raise CommandError(
                USAGE,
                f"--{name} has no effect with --all, which normalizes dark and light digits. Leave it out.",
            )
    if options.annotate and len(options.files) > 1:
        raise CommandError(
            USAGE,
            f"--annotate must be used with one picture, got {len(options.files)}. Run the command for each of them.",
        )
    if options.annotate and not options.annotate.lower().endswith(SUFFIXES):
        raise CommandError(
            USAGE,
            f"{options.annotate}: --annotate must be a PNG or JPEG file. Use the extension .png or .jpg.",
        )


def read_page(path, model):
    """Read a picture and find the digits in it."""
    from skmlp import segment_digits
    from skmlp.digits.picture import open_picture

    with translate_errors(BAD_DATA):
        source, magic = open_source(path)
        if not magic.startswith(PICTURE_MAGICS):
            raise CommandError(
                BAD_DATA,
                f"{path}: --all requires a PNG or JPEG picture. Leave it out for IDX files.",
            )
        picture = open_picture(source, name=path)
    image_shape = (
        (MNIST_SIDE, MNIST_SIDE) if model.n_features_in_ == MNIST_SIDE**2 else model.image_shape
    )
    if image_shape is None:
        raise CommandError(
            BAD_DATA,
            f"{path}: --all requires a model that stores the shape of its images, got {describe_shape(model)}",
        )
    try:
        digits = segment_digits(picture)
    except ValueError as error:
        raise CommandError(BAD_DATA, f"{path}: {format_error(error)}") from error
    if not digits:
        raise CommandError(
            BAD_DATA,
            f"{path}: the picture must show digits with a margin around them, got one without. Increase the contrast "
            "or the resolution, or leave --all out for a single digit.",
        )
    return Page(picture, digits, stack_images(digits, image_shape))


def describe_shape(model):
    """Return what is known of the images of a model that does not store one shape, and how to fix it."""
    from skmlp.model_parts import list_image_shapes

    shapes = list_image_shapes(model.estimator) if isinstance(model, CommitteeModel) else []
    if shapes:
        return (
            f"a committee of models that store the image shapes {join_shapes(shapes)}. Combine models that were "
            "trained on images of one shape."
        )
    fix = (
        "Set the parameter image_shape=(height, width) of its classifier in Python and save it again."
        if getattr(model, "takes_images", True)
        else "Train a pipeline that begins with ImageResizer, which stores the shape of the training images."
    )
    return f"a model of {model.n_features_in_} features that stores none. {fix}"


def stack_images(digits, image_shape):
    """Return the images of digits, one per row, in the size that the model takes."""
    import numpy as np

    return resize(np.array([digit.image for digit in digits]), image_shape)


def predict_page(model, page):
    """Return the prediction for each digit on a page."""
    classes = model.classes_.tolist()
    predictions = []
    for row in model.predict_proba(page.images).tolist():
        probability = max(row)
        digit = classes[row.index(probability)]
        probabilities = dict(zip(map(str, classes), row, strict=True))
        predictions.append(Prediction(digit, probability, probabilities))
    return predictions


def print_page(path, page, predictions, *, as_json):
    """Print each line of digits, followed by its digits, their probabilities and their boxes."""
    found = list(zip(page.digits, predictions, strict=True))
    if as_json:
        for index, (digit, prediction) in enumerate(found):
            record = {
                "file": path,
                "index": index,
                "digit": prediction.digit,
                "probability": prediction.probability,
                "line": digit.line,
                "box": dict(zip(BOX_SIDES, digit.box, strict=True)),
                "probabilities": prediction.probabilities,
            }
            print(json.dumps(record))
        return
    for line in range(page.digits[-1].line + 1):
        on_line = [(digit, prediction) for digit, prediction in found if digit.line == line]
        print(f"{path}  {''.join(str(prediction.digit) for _, prediction in on_line)}")
        for digit, prediction in on_line:
            box = digit.box
            print(
                f"  {prediction.digit}  {prediction.probability:.4f}  "
                f"x {box.left} to {box.right}, y {box.top} to {box.bottom}"
            )


def annotate_page(path, page, predictions):
    """Save the picture with the box, the predicted digit and the probability of each digit, in PNG or JPEG format."""
    from PIL import ImageDraw, ImageFont

    picture = page.picture.convert("RGB")
    draw = ImageDraw.Draw(picture)
    height = median(digit.box.bottom - digit.box.top for digit in page.digits)
    font = ImageFont.load_default(max(MIN_TEXT_SIZE, TEXT_SIZE * height))
    for digit, prediction in zip(page.digits, predictions, strict=True):
        left, top, right, bottom = digit.box
        outline = (left, top, right - 1, bottom - 1)
        draw.rectangle(outline, outline=BOX_COLOR, width=1 + round(height / LINE_WIDTH))
        text = f"{prediction.digit} {100 * prediction.probability:.0f}%"
        draw.text((left, max(top, font.size)), text, TEXT_COLOR, font, anchor="lb")
    with translate_errors(CANNOT_WRITE, OSError), atomic_write(path) as file:
        picture.save(file, "PNG" if path.lower().endswith(".png") else "JPEG")
