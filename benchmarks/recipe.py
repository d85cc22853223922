"""Measure the training time per epoch of recipes, and how much of it is the augmentation of the images.

    python benchmarks/recipe.py --recipes accurate,plain,fast --rounds 3

The images of one epoch are also augmented without training, and a recipe with augmentation is also trained without it.
"""

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
from skmlp.recipes import RECIPES

TRAINING, WITHOUT, AUGMENTATION = "training", "training without augmentation", "augmentation alone"


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
    if "augmentation" in RECIPES[name].parameters:
        return TRAINING, WITHOUT, AUGMENTATION
    return (TRAINING,)


def measure(name, what, X, y, epochs):
    """Return seconds per epoch."""
    mlp = RECIPES[name].make_classifier(0).set_params(max_iter=epochs)
    if what == WITHOUT:
        mlp.set_params(augmentation=None)
    start = perf_counter()
    if what == AUGMENTATION:
        augment(AUGMENTATIONS.get(mlp.augmentation, mlp.augmentation), X, mlp.batch_size, epochs)
    else:
        mlp.fit(X, y)
    return (perf_counter() - start) / epochs


def augment(step, X, batch_size, epochs):
    """Augment all batches of some epochs, without training."""
    images = X.reshape(-1, 28, 28)
    rng = np.random.default_rng(0)
    for _ in range(epochs):
        for first in range(0, len(images), batch_size):
            step(images[first : first + batch_size], rng)


if __name__ == "__main__":
    remove_openblas_variables()
    main()
