"""`skmlp predict`: predicts the digits in image files."""

import json
import sys
from dataclasses import dataclass

from skmlp.cli.datasets import SCALE_HELP, prepare_pixels
from skmlp.cli.errors import SUCCESS, CommandError
from skmlp.cli.model_files import model_argument, read_single_label_model
from skmlp.cli.options import Option, declare
from skmlp.cli.parser import Command
from skmlp.cli.pictures import read_images
from skmlp.cli.values import FACTOR, FLAG, PATH

NAME = "predict"

DESCRIPTION = """\
Predict the digits in image files: IDX, PNG or JPEG.

Prints one line per image: its source, the predicted digit, and the probability
of the digit. A photo, scan or drawing of one digit is normalized to the format
of MNIST: the digit, dark or light, is separated from the background, cropped,
scaled and centered. IDX files, and pictures that have the size of the model's
images, 28 x 28, are used as they are, with a light digit on a dark background;
--invert accepts dark digits on a light background, --normalize normalizes such
pictures too. A model for images of another size accepts pictures of that size
only. A file that cannot be read is reported on stderr; the others are read
nevertheless."""

EXAMPLES = """\
examples:
  skmlp predict skmlp-run/model.safetensors photo.jpg
  skmlp predict skmlp-run/model.safetensors 28x28.png --invert
  skmlp predict model.safetensors t10k-images-idx3-ubyte.gz | head
  skmlp predict model.safetensors *.png --json > digits.jsonl

--json prints one object per line, with the probability of every class:
  {"file": "7.png", "index": 0, "digit": 7, "probability": 0.99,
   "probabilities": {"0": 0.0001, ...}}"""


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """The options of `skmlp predict`."""

    model: str = model_argument()
    files: tuple[str, ...] = declare(
        Option(
            PATH,
            "an IDX, PNG or JPEG file; - for stdin",
            metavar="FILE",
            positional=True,
            repeated=True,
        )
    )
    invert: bool = declare(
        Option(FLAG, "the images show dark digits on a light background", "pixels"), False
    )
    normalize: bool = declare(
        Option(FLAG, "normalize also pictures that have the size of the model's images", "pixels"),
        False,
    )
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "pixels", "FACTOR"), None)
    json: bool = declare(Option(FLAG, "print JSON lines, one object per image", "output"), False)


def run(options):
    """Run `skmlp predict`."""
    model = read_single_label_model(options.model)
    exit_status = SUCCESS
    for path in options.files:
        try:
            images = read_images(
                path,
                model.n_features_in_,
                dark_on_light=options.invert,
                normalize=options.normalize,
            )
            images = prepare_pixels(images, model, path, scale=options.scale, command=NAME)
        except CommandError as error:
            print(f"skmlp predict: error: {error}", file=sys.stderr)
            exit_status = error.exit_status
        else:
            _print_digits(model, path, images, as_json=options.json)
    return exit_status


def _print_digits(model, path, images, *, as_json):
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
    summary="predict the digits in image files",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=PredictOptions,
    run=run,
)
