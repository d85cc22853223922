"""Networks of the recipes: the images for training and evaluation, training, saving and loading.

`accuracy.py` and `corruptions.py` share the options and the directory of saved networks.
"""

import argparse
import ast
import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from data import find_mnist
from options import parse_count, parse_names
from report import print_progress
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline

import skmlp
from skmlp import Deslant, ImageResizer
from skmlp.augment import Compose, DigitDistortions, Noise, Upright
from skmlp.model_parts import split_model
from skmlp.recipes import RECIPES, STRONG_AUGMENTATION, WEAK_AUGMENTATION, make_recipe

SPREAD = (0.2, 0.15)  # vertical and horizontal, of upright digits
# Of earlier versions of recipes
DISTORTIONS_ONLY = Compose([STRONG_AUGMENTATION, Upright()])
DISTORTIONS_AND_NOISE = Compose([STRONG_AUGMENTATION, Noise(probability=0.2), Upright()])
HELD_OUT_FRACTION = 1 / 6  # of the training images: 10,000 of MNIST, as many as test images


# Variants of recipes


def make_without_augmentation(random_state):
    # The training loss converges in fewer epochs than with augmented images.
    mlp = make_large_from_pixels(random_state)
    return mlp.set_params(augmentation=None, max_iter=20)


def make_with_augmentation(name, augmentation, random_state):
    model = make_recipe(name, random_state)
    split_model(model).classifier.set_params(augmentation=augmentation)
    return model


def make_small_sample_from_pixels(random_state):
    mlp = RECIPES["small-sample"].make_classifier(random_state)
    mlp.set_params(image_features=None, augmentation=DISTORTIONS_ONLY)
    return make_pipeline(Deslant(), mlp)


def make_fast_from_pixels(random_state):
    mlp = RECIPES["fast"].make_classifier(random_state)
    return make_pipeline(Deslant(spread=SPREAD), mlp.set_params(image_features=None))


def make_tiny_from_pixels(random_state):
    mlp = RECIPES["tiny"].make_classifier(random_state)
    mlp.set_params(image_features=None, image_shape=(16, 16), augmentation=WEAK_AUGMENTATION)
    return make_pipeline(ImageResizer(mlp.image_shape), mlp)


def make_large_from_pixels(random_state):
    """Return the classifier of accurate with more units and epochs, which it needs without image features."""
    mlp = RECIPES["accurate"].make_classifier(random_state)
    return mlp.set_params(hidden_layer_sizes=(2048, 1024, 512), max_iter=120, image_features=None)


def make_accurate_from_pixels(random_state):
    mlp = make_large_from_pixels(random_state)
    return make_pipeline(Deslant(), mlp.set_params(augmentation=DISTORTIONS_AND_NOISE))


def make_softmax_of_gradients(random_state):
    mlp = RECIPES["softmax"].make_classifier(random_state)
    return make_pipeline(Deslant(), mlp.set_params(image_features="gradients"))


def make_upright_softmax(random_state):
    return make_pipeline(Deslant(), RECIPES["softmax"].make_classifier(random_state))


def make_scaled_softmax(random_state):
    return make_pipeline(Deslant(spread=SPREAD), RECIPES["softmax"].make_classifier(random_state))


def make_accurate_of_same_width(random_state):
    spread = (None, SPREAD[1])
    augmentation = Compose([STRONG_AUGMENTATION, Noise(probability=0.1), Upright(spread=spread)])
    mlp = make_large_from_pixels(random_state)
    return make_pipeline(Deslant(spread=spread), mlp.set_params(augmentation=augmentation))


def make_fast_with_100_units(random_state):
    mlp = RECIPES["fast"].make_classifier(random_state)
    return make_pipeline(Deslant(), mlp.set_params(hidden_layer_sizes=(100,)))


def make_upright_100(random_state):
    mlp = RECIPES["fast"].make_classifier(random_state)
    mlp.set_params(hidden_layer_sizes=(100,), augmentation=DigitDistortions(0.3), max_iter=20)
    return make_pipeline(Deslant(), mlp.set_params(image_features=None))


VARIANTS = {
    "accurate from pixels without Deslant and augmentation": make_without_augmentation,
    "accurate from pixels of the same width": make_accurate_of_same_width,
    "softmax with gradients": make_softmax_of_gradients,
    "softmax with Deslant": make_upright_softmax,
    "softmax with Deslant of the same size": make_scaled_softmax,
    "fast with 100 units": make_fast_with_100_units,
    "fast from pixels with 100 units": make_upright_100,
    "small-sample with the former augmentation": partial(
        make_with_augmentation, "small-sample", DISTORTIONS_ONLY
    ),
    "small-sample from pixels": make_small_sample_from_pixels,
    "tiny with the former augmentation": partial(make_with_augmentation, "tiny", WEAK_AUGMENTATION),
    "tiny from pixels": make_tiny_from_pixels,
    "fast from pixels of the same size": make_fast_from_pixels,
    "accurate with the former augmentation": partial(
        make_with_augmentation, "accurate", DISTORTIONS_AND_NOISE
    ),
    "accurate from pixels": make_accurate_from_pixels,
}
NAMES = [*RECIPES, *VARIANTS]
# Number of the training images, of which the other networks use all
N_SAMPLES = {name: 1000 for name in NAMES if name.startswith("small-sample")}


# Options


def add_network_options(parser, recipes, seeds):
    """Add the options --recipes, --seeds, --validate, --keep and --set; `recipes` and `seeds` are defaults."""
    parser.add_argument(
        "--recipes",
        type=parse_recipes,
        default=recipes,
        metavar="NAMES",
        help=f"recipes to evaluate, separated by commas: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--seeds",
        type=parse_count,
        default=seeds,
        metavar="N",
        help="number of networks of each recipe",
    )
    parser.add_argument(
        "--validate",
        action="store_true",
        help="train on the first 50,000 training images, and evaluate on the last 10,000",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="save the models in this directory, and load the models that it already contains",
    )
    parser.add_argument(
        "--set",
        type=parse_setting,
        action="append",
        default=[],
        metavar="PARAMETER=VALUE",
        help="override a parameter of the recipes; may be repeated",
    )


def parse_recipes(text):
    return parse_names(text, NAMES)


def parse_setting(text):
    """Return the name and the value in `name=value`, where the value is a Python literal."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise argparse.ArgumentTypeError(f"must have the form max_iter=20, got {text!r}.") from None


# Images


@dataclass(frozen=True, eq=False)  # hashed by its identity
class Split:
    """Images with their labels, and which of them are for training and for evaluation.

    Attributes
    ----------
    name : str
        Description of the training images.
    X : ndarray of shape (n_images, 784), dtype uint8
    y : ndarray of shape (n_images,)
    train, held_out : slice or ndarray of int
        Indices of the images.
    """

    name: str
    X: np.ndarray
    y: np.ndarray
    train: Any
    held_out: Any

    @property
    def training_set(self):
        """Images and labels for training."""
        return self.X[self.train], self.y[self.train]

    @property
    def held_out_set(self):
        """Images and labels for evaluation."""
        return self.X[self.held_out], self.y[self.held_out]


def load_images(subset):
    """Return the images and labels of MNIST's "train" or "test" set; exit with a message if there are none."""
    directory = find_mnist()
    if directory is None:
        program = Path(sys.argv[0]).name
        sys.exit(
            f"{program}: error: MNIST was not found. Run 'skmlp fetch DIR' and set SKMLP_MNIST to DIR."
        )
    return skmlp.load_mnist(directory, subset=subset, return_X_y=True)


def make_split(validate):
    """Return the Split into training and test images or, to `validate`, into the first and last training images."""
    X, y = load_images("train")
    if validate:
        n_train = len(X) - round(HELD_OUT_FRACTION * len(X))
        name = f"the first {n_train:,} training images"
        return Split(name, X, y, slice(n_train), slice(n_train, None))
    X_test, y_test = load_images("test")
    train, test = slice(len(X)), slice(len(X), None)
    return Split("all training images", np.r_[X, X_test], np.r_[y, y_test], train, test)


def make_random_splits(n_splits):
    """Return stratified random Splits of the training images, with the seeds 0, 1, and so on."""
    X, y = load_images("train")
    splits = []
    for seed in range(n_splits):
        train, held_out = train_test_split(
            np.arange(len(X)), test_size=HELD_OUT_FRACTION, stratify=y, random_state=seed
        )
        name = f"{len(train):,} training images, random split {seed}"
        splits.append(Split(name, X, y, np.sort(train), np.sort(held_out)))
    return splits


# Training


class Trained(NamedTuple):
    """A trained classifier or pipeline, the training time in seconds, and the Split of the images."""

    model: Any
    seconds: float
    split: Split

    @property
    def classifier(self):
        """The classifier, which can be the last step of a pipeline."""
        return split_model(self.model).classifier


def train_networks(arguments, splits):
    """Return one Trained network per Split of each recipe by name; the seeds are 0, 1, and so on."""
    return {
        name: [
            load_or_train(name, seed, split, dict(arguments.set), arguments.keep)
            for seed, split in enumerate(splits)
        ]
        for name in arguments.recipes
    }


def load_or_train(name, seed, split, parameters, directory):
    """Return a Trained network, from the directory if it contains the network."""
    model = make_model(name, seed, parameters)
    path = directory and directory / f"{name.replace(' ', '-')}-{seed}.safetensors"
    if path and path.exists():
        return load_network(path, model, split)
    X, y = split.training_set
    n_samples = N_SAMPLES.get(name, len(X))
    start = perf_counter()
    model.fit(X[:n_samples], y[:n_samples])
    seconds = perf_counter() - start
    print_progress(f"{name}, seed {seed}: {seconds:.0f} s")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        record = {"seconds": seconds, "trained_on": split.name}
        path.with_suffix(".json").write_text(json.dumps(record))
        skmlp.save_model(model, path)
    return Trained(model, seconds, split)


def make_model(name, random_state, parameters):
    """Return the unfitted classifier of a recipe or variant, in a Pipeline if it takes other images."""
    make = VARIANTS.get(name, partial(make_recipe, name))
    model = make(random_state)
    split_model(model).classifier.set_params(**parameters)
    return model


def load_network(path, expected, split):
    """Return a saved Trained network, or exit if it differs from what is expected.

    It must have been trained on the images of the Split, with the transformers and the parameters of `expected`.
    """
    model = skmlp.load_model(path)
    record = json.loads(path.with_suffix(".json").read_text())
    trained_on = record.get("trained_on")
    if trained_on is None:
        print_progress(f"{path}: trained on unknown images; {split.name} are assumed")
    elif trained_on != split.name:
        exit_with(path, f"a model trained on {split.name}", trained_on)
    transformers, found = map(describe_transformers, (expected, model))
    if found != transformers:
        exit_with(path, f"a model with {transformers} before the classifier", found)
    parameters = split_model(model).classifier.get_params()
    for name, value in split_model(expected).classifier.get_params().items():
        if parameters[name] != value:
            exit_with(path, f"a model with {name}={value!r}", repr(parameters[name]))
    return Trained(model, record["seconds"], split)


def describe_transformers(model):
    """Return the transformers before the classifier of a model, with the parameters that are not the default."""
    return ", ".join(map(repr, split_model(model).transformers)) or "no transformers"


def exit_with(path, expected, found):
    sys.exit(f"{path}: expected {expected}, got {found}. Use another directory for --keep.")
