"""`skmlp predict`: reads the digits in image files."""

import json
import sys

from skmlp.cli.arguments import add_command
from skmlp.cli.data import add_scale_option, prepare_pixels
from skmlp.cli.failures import SUCCESS, CommandError
from skmlp.cli.models import add_model_argument, load
from skmlp.cli.pictures import read_images

DESCRIPTION = """\
Read the digits in image files: IDX, PNG or JPEG.

Each image gives a line: where it is from, the digit, and the probability that
the model gives it. A photo, scan or drawing of one digit is made what MNIST's
images are: its ink, dark or light, is told from the background, cut out, scaled
and centred. Pictures of the very size of the model's images, 28 x 28, and IDX
files are taken as they are, with light ink on dark; --invert takes dark ink on
light paper, --normalize treats such pictures like photos. A model of images of
another size takes pictures of that size alone. A file that cannot be read is
told on stderr; the others are read all the same."""

EXAMPLES = """\
examples:
  skmlp predict skmlp-run/model.safetensors photo.jpg
  skmlp predict skmlp-run/model.safetensors 28x28.png --invert
  skmlp predict model.safetensors t10k-images-idx3-ubyte.gz | head
  skmlp predict model.safetensors *.png --json > digits.jsonl

--json prints one object a line, with the probability of every class:
  {"file": "7.png", "index": 0, "digit": 7, "probability": 0.99,
   "probabilities": {"0": 0.0001, ...}}"""


def add_parser(subparsers):
    """Add `skmlp predict` to the command line."""
    parser = add_command(
        subparsers,
        "predict",
        run,
        summary="read the digits in image files",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    add_model_argument(parser)
    parser.add_argument(
        "files", metavar="FILE", nargs="+", help="an IDX, PNG or JPEG file; - for stdin"
    )
    pixels = parser.add_argument_group("pixels")
    pixels.add_argument(
        "--invert", action="store_true", help="the images are dark ink on light paper"
    )
    pixels.add_argument(
        "--normalize",
        action="store_true",
        help="find ink and background also in pictures that have the size of the model's images",
    )
    add_scale_option(pixels)
    parser.add_argument_group("output").add_argument(
        "--json", action="store_true", help="print JSON lines, one object an image"
    )


def run(arguments):
    """Carry out `skmlp predict`."""
    model = load(arguments.model)
    exit_status = SUCCESS
    for path in arguments.files:
        try:
            images = read_images(
                path,
                model.n_features_in_,
                dark_on_light=arguments.invert,
                normalize=arguments.normalize,
            )
            images = prepare_pixels(images, model, path, arguments)
        except CommandError as error:
            print(f"skmlp predict: error: {error}", file=sys.stderr)
            exit_status = error.exit_status
        else:
            _print_digits(arguments, model, path, images)
    return exit_status


def _print_digits(arguments, model, path, images):
    if len(images) == 0:
        return
    probabilities = model.predict_proba(images)
    classes = model.classes_.tolist()
    names = [path] if len(images) == 1 else [f"{path}[{index}]" for index in range(len(images))]
    width = len(names[-1])
    for index, row in enumerate(probabilities.tolist()):
        probability = max(row)
        digit = classes[row.index(probability)]
        if arguments.json:
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
