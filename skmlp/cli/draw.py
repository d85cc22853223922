"""`skmlp draw`: write a page to draw digits on, with a model or with a network that is trained for it."""

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from skmlp.cli.console import print_line
from skmlp.cli.datasets import (
    SCALE_HELP,
    apply_scale_to_classifier,
    choose_input_scale,
    describe_data,
)
from skmlp.cli.drawing_page import WEIGHTS, write_page
from skmlp.cli.errors import SUCCESS
from skmlp.cli.formats import check_format, name_model
from skmlp.cli.model_files import read_any_model
from skmlp.cli.options import Option, declare
from skmlp.cli.outputs import check_output_file
from skmlp.cli.parser import Command
from skmlp.cli.training_data import load_training_data
from skmlp.cli.values import FACTOR, PATH, SEED, OptionError
from skmlp.formatting import format_count, format_percent

NAME = "draw"
PROGRAM = f"skmlp {NAME}"
# Small datasets are trained for more epochs, of smaller batches.
N_EPOCHS, MAX_EPOCHS = 8, 60
N_STEPS = 3000
MIN_BATCHES = 40  # per epoch
EXPORT_TO_ONNX = "'skmlp export --onnx'"
LOCAL_MNIST = "./mnist"  # the directory in the examples of 'skmlp fetch'

DESCRIPTION = """\
Write a page on which one can draw a digit and see a network read it.

Without MODEL, a network is trained for the page, which takes some seconds: on
MNIST if its files are in the directory 'mnist' or were downloaded before, and
otherwise on scikit-learn's bundled digits, which have only 8 x 8 pixels. Digits
that are drawn are read more reliably by a network trained on MNIST.

MODEL can be a committee, written by 'skmlp combine'; the page then shows the
average of the probabilities and what each of its networks predicts."""

EXAMPLES = """\
examples:
  skmlp draw
  skmlp draw mnist-run/model.safetensors
  skmlp draw --data mnist --out mnist.html"""


@dataclass(frozen=True, kw_only=True)
class DrawOptions:
    """Options of `skmlp draw`."""

    model: str | None = declare(
        Option(
            PATH,
            "Model file, written by 'skmlp train', 'skmlp combine' or skmlp.save_model. [default: train a network]",
            metavar="MODEL",
            positional=True,
            optional=True,
        ),
        None,
    )
    data: str | None = declare(
        Option(
            PATH,
            "Dataset to train on: a directory with the four IDX files of MNIST or a compatible "
            "dataset, or 'mnist' to download MNIST, unless it is already there. [default: MNIST if "
            "it is there, or scikit-learn's bundled digits]",
            "data",
            "DIR",
        ),
        None,
    )
    seed: int | None = declare(
        Option(SEED, "Seed of the training, from 0 to 4294967295. [default: 0]", "data", "N"), None
    )
    out: str = declare(
        Option(
            PATH,
            "HTML file to write. An existing file is replaced. [default: draw.html]",
            "output",
            "FILE",
        ),
        "draw.html",
    )
    weights: str | None = declare(WEIGHTS, None)
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "pixel", "FACTOR"), None)
    validation_fraction: ClassVar[None] = None  # the test set shows the progress
    stream: ClassVar[bool] = False

    def __post_init__(self):
        for name in ("data", "seed"):
            if self.model is not None and getattr(self, name) is not None:
                raise OptionError(f"--{name} has no effect with MODEL. Leave it out.")
        if self.model is None and self.scale is not None:
            raise OptionError("--scale has no effect without MODEL. Leave it out.")


def run(options):
    """Run `skmlp draw`."""
    check_output_file(options.out, inputs=(options.model,))
    if options.model is None:
        options = replace(options, data=options.data or find_local_data(), seed=options.seed or 0)
        data = load_training_data(options)
        model = train(options, data)
        announcement = write_page(model, options.out, options.weights, PROGRAM, data.X)
    else:
        model = read_any_model(options.model)
        check_format("html", model, options.model, purpose="a page", onnx=EXPORT_TO_ONNX)
        model = apply_scale_to_classifier(options.scale, model)
        with name_model(options.model):
            announcement = write_page(model, options.out, options.weights, PROGRAM)
    print_line(announcement)
    return SUCCESS


def train(options, data):
    """Return a network for drawings, trained with augmentation, because drawings differ from the training images."""
    from skmlp.cli.progress import make_progress
    from skmlp.recipes import RECIPES

    n_images = len(data.y)
    print_line(
        f"Training on {describe_data(options.data)}: {format_count(n_images, 'image')}, and {len(data.y_test):,} for "
        "testing"
    )
    model = RECIPES["fast"].make_classifier(options.seed)
    batch_size = min(model.batch_size, max(1, n_images // MIN_BATCHES))
    n_epochs = math.ceil(N_STEPS * batch_size / n_images)
    model.set_params(
        augmentation="digits",
        image_shape=data.image_shape,
        input_scale=choose_input_scale(data.X),
        batch_size=batch_size,
        max_iter=min(max(n_epochs, N_EPOCHS), MAX_EPOCHS),
    )
    model.set_callbacks(make_progress("test"))
    model.fit(data.X, data.y, X_val=data.X_test, y_val=data.y_test)
    print_line(f"Test accuracy {format_percent(model.score(data.X_test, data.y_test))}")
    return model


def find_local_data():
    """Return the directory of MNIST, or None if it is not on this machine."""
    from sklearn.datasets import get_data_home

    directories = (LOCAL_MNIST, str(Path(get_data_home(), "skmlp-mnist")))
    return next((each for each in directories if any(Path(each).glob("train-images*"))), None)


COMMAND = Command(
    NAME,
    summary="Write a page to draw digits on.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=DrawOptions,
    run=run,
)
