"""`skmlp predict`: predict the digits in image files."""

import json
from dataclasses import dataclass

from skmlp.cli.console import print_error
from skmlp.cli.datasets import (
    SCALE_HELP,
    apply_scale,
    check_pixels,
    warn_about_unscaled_pixels,
)
from skmlp.cli.errors import SUCCESS, CommandError
from skmlp.cli.model_files import declare_model_argument, read_single_label_model
from skmlp.cli.options import Option, declare
from skmlp.cli.outputs import check_output_file
from skmlp.cli.pages import (
    annotate_page,
    check_page_options,
    predict_page,
    print_page,
    read_page,
)
from skmlp.cli.parser import Command
from skmlp.cli.pictures import read_images
from skmlp.cli.values import FACTOR, FLAG, PATH

NAME = "predict"
PROGRAM = f"skmlp {NAME}"

DESCRIPTION = """\
Predict the digits in image files: IDX, PNG or JPEG.

Prints one line per image: its source, the predicted digit and the probability
of that digit. A file that cannot be read is reported on stderr, and the command
continues with the next file.

A model trained on MNIST accepts photos, scans and drawings of one digit. They
are normalized to the format of MNIST: the digit, dark or light, is separated
from the background, cropped, scaled and centered. IDX files and pictures of
28 x 28 pixels are not normalized and must show a light digit on a dark
background. Use --invert for dark digits on a light background, or --normalize
to normalize pictures of 28 x 28 pixels, too.

--all finds all digits in a picture, such as a page or a form field, and prints
each line of digits as it was read, followed by its digits, their probabilities
and their positions in pixels. --annotate draws them on a copy of the picture.

A model trained on images of another size only accepts pictures of that size."""

EXAMPLES = """\
examples:
  skmlp predict mnist-run/model.safetensors photo.jpg
  skmlp predict mnist-run/model.safetensors 28x28.png --invert
  skmlp predict mnist-run/model.safetensors t10k-images-idx3-ubyte.gz | head
  skmlp predict mnist-run/model.safetensors *.png --json > digits.jsonl
  skmlp predict mnist-run/model.safetensors page.jpg --all --annotate read.png

Format of --json, one line per image:
  {"file": "7.png", "index": 0, "digit": 7, "probability": 0.99,
   "probabilities": {"0": 0.0001, ...}}
and with --all, one line per digit, also:
  "line": 0, "box": {"left": 20, "top": 30, "right": 50, "bottom": 80}"""


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """Options of `skmlp predict`."""

    model: str = declare_model_argument()
    files: tuple[str, ...] = declare(
        Option(
            PATH,
            "IDX, PNG or JPEG file, or - for stdin.",
            metavar="FILE",
            positional=True,
            repeated=True,
        )
    )
    invert: bool = declare(
        Option(FLAG, "Invert the pixels, for dark digits on a light background.", "pixel"), False
    )
    normalize: bool = declare(
        Option(FLAG, "Normalize pictures of 28 x 28 pixels, like those of other sizes.", "pixel"),
        False,
    )
    all: bool = declare(
        Option(FLAG, "Find all digits in each picture, instead of one.", "page"), False
    )
    annotate: str | None = declare(
        Option(
            PATH,
            "With --all: save the picture with the digits drawn on it, as PNG or JPEG.",
            "page",
            "FILE",
        ),
        None,
    )
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "pixel", "FACTOR"), None)
    json: bool = declare(Option(FLAG, "Print JSON lines, one object per image.", "output"), False)


def run(options):
    """Run `skmlp predict`."""
    check_page_options(options)
    if options.annotate:
        check_output_file(options.annotate, (options.model, *options.files), "--annotate")
    stored = read_single_label_model(options.model)
    (model,) = apply_scale(options.scale, [stored])
    exit_status = SUCCESS
    for path in options.files:
        try:
            if options.all:
                predict_all_digits(model, stored, path, options)
            else:
                predict_images(model, stored, path, options)
        except CommandError as error:
            print_error(PROGRAM, str(error))
            exit_status = error.exit_status
    return exit_status


def predict_images(model, stored, path, options):
    """Predict the images of an IDX file, or one digit in a picture."""
    images = read_images(
        path,
        model,
        dark_on_light=options.invert,
        normalize=options.normalize,
    )
    check_pixels(images, stored, path)
    warn_about_unscaled_pixels(images, [model], PROGRAM)
    print_predictions(model, path, images, as_json=options.json)


def predict_all_digits(model, stored, path, options):
    """Predict all digits in a picture."""
    page = read_page(path, model)
    check_pixels(page.images, stored, path)
    warn_about_unscaled_pixels(page.images, [model], PROGRAM)
    predictions = predict_page(model, page)
    print_page(path, page, predictions, as_json=options.json)
    if options.annotate:
        annotate_page(options.annotate, page, predictions)


def print_predictions(model, path, images, *, as_json):
    """Print the predicted digit of each image, and its probability."""
    if len(images) == 0:
        return
    probabilities = model.predict_proba(images)
    classes = model.classes_.tolist()
    names = [path] if len(images) == 1 else [f"{path}[{index}]" for index in range(len(images))]
    width = len(names[-1])
    for index, row in enumerate(probabilities.tolist()):
        probability = max(row)
        digit = classes[row.index(probability)]
        if as_json:
            record = {
                "file": path,
                "index": index,
                "digit": digit,
                "probability": probability,
                "probabilities": dict(zip(map(str, classes), row, strict=True)),
            }
            print(json.dumps(record))
        else:
            print(f"{names[index]:<{width}}  {digit}  {probability:.4f}")


COMMAND = Command(
    NAME,
    summary="Predict the digits in image files.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=PredictOptions,
    run=run,
)
