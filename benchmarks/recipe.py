"""Measure the training time per epoch of recipes, and the time that augmentation and image features take alone.

    python benchmarks/recipe.py --recipes accurate,plain,fast --rounds 3

The images of one epoch are also augmented without training, and their image features computed. A recipe with
augmentation is also trained without it; the image features are then computed once instead of in each epoch.
"""

from functools import partial
from time import perf_counter

import numpy as np
from data import DEFAULT_DIRECTORY, find_mnist
from environment import remove_openblas_variables
from options import add_rounds, make_parser, parse_count, parse_names
from report import (
    describe_machine,
    format_median,
    format_range,
    iterate_rounds,
    print_progress,
    print_table,
)

import skmlp
from skmlp.digits.augment import AUGMENTATIONS
from skmlp.digits.gradients import IMAGE_FEATURES
from skmlp.recipes import RECIPES

TRAINING, WITHOUT = "training", "training without augmentation"
AUGMENTATION, FEATURES = "augmentation alone", "image features alone"


def main():
    arguments = parse_arguments()
    X, y = skmlp.load_mnist(find_mnist() or DEFAULT_DIRECTORY, return_X_y=True)
    times = {(name, what): [] for name in arguments.recipes for what in select_measurements(name)}
    for i, (name, what) in iterate_rounds(times, arguments.rounds + 1):
        seconds = measure(name, what, X, y, arguments.epochs)
        if i > 0:  # the first round compiles or loads the kernels
            times[name, what].append(seconds)
            print_progress(f"round {i} of {arguments.rounds}: {name}, {what}: {seconds:.3f} s")
    print(
        f"{describe_machine()}\n\nMNIST, {len(X):,} samples; kernels: {skmlp.get_kernels()}; rounds: "
        f"{arguments.rounds}, epochs per round: {arguments.epochs}. Seconds per epoch.\n"
    )
    rows = [[*key, format_median(each), format_range(each)] for key, each in times.items()]
    print_table(["recipe", "measured", "median", "range"], rows)


def parse_arguments():
    parser = make_parser(__doc__)
    add_rounds(parser, default=3)
    parser.add_argument(
        "--recipes",
        type=lambda text: parse_names(text, RECIPES),
        default=["fast", "plain", "accurate"],
        metavar="NAMES",
        help=f"recipes to measure, separated by commas: {', '.join(RECIPES)}",
    )
    parser.add_argument(
        "--epochs", type=parse_count, default=1, metavar="N", help="epochs in each round"
    )
    return parser.parse_args()


def select_measurements(name):
    """Return what is measured for a recipe."""
    parameters = RECIPES[name].parameters
    names = [TRAINING]
    if "augmentation" in parameters:
        names += [WITHOUT, AUGMENTATION]
    if "image_features" in parameters:
        names.append(FEATURES)
    return names


def measure(name, what, X, y, epochs):
    """Return seconds per epoch."""
    mlp = RECIPES[name].make_classifier(0).set_params(max_iter=epochs)
    if what == WITHOUT:
        mlp.set_params(augmentation=None)
    run = partial(mlp.fit, X, y)
    if what in (AUGMENTATION, FEATURES):
        images = X.reshape(-1, 28, 28) * np.float32(1 / 255)
        run = partial(apply_to_batches, select_change(mlp, what), images, mlp.batch_size, epochs)
    start = perf_counter()
    run()
    return (perf_counter() - start) / epochs


def select_change(mlp, what):
    """Return the function that augments images or computes their features."""
    if what == FEATURES:
        return IMAGE_FEATURES.get(mlp.image_features, mlp.image_features)
    step = AUGMENTATIONS.get(mlp.augmentation, mlp.augmentation)
    return partial(step, rng=np.random.default_rng(0))


def apply_to_batches(change, images, batch_size, epochs):
    """Call a function with the images of all batches of some epochs, without training."""
    for _ in range(epochs):
        for first in range(0, len(images), batch_size):
            change(images[first : first + batch_size])


if __name__ == "__main__":
    remove_openblas_variables()
    main()
