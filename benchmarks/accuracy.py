"""Evaluate each recipe on MNIST over several seeds: accuracy, ensembles and corrupted images.

    python benchmarks/accuracy.py --recipes fast,plain --seeds 5
    python benchmarks/accuracy.py --recipes accurate --seeds 5 --keep models
    python benchmarks/accuracy.py --recipes accurate --seeds 2 --validate --set max_iter=20

Each network is trained on the 60,000 training images (small-sample: on the first 1,000) and
evaluated on the 10,000 test images. With --validate, the networks are trained on the first 50,000
training images and evaluated on the last 10,000. The settings of the recipes were chosen in this
way.
"""

import argparse
import ast
import json
import sys
import warnings
from pathlib import Path
from statistics import mean, stdev
from time import perf_counter

import numpy as np
from corruptions import CORRUPTIONS, make_shifted_copies
from data import find_mnist
from environment import remove_openblas_variables
from options import make_parser, parse_count, parse_names
from report import describe_machine, print_progress, print_table
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline

import skmlp
from skmlp import ImageResizer
from skmlp.recipes import RECIPES, make_recipe

N_SAMPLES = {"small-sample": 1000}  # the other recipes use all training images
WITHOUT_AUGMENTATION = "accurate without augmentation"
NAMES = [*RECIPES, WITHOUT_AUGMENTATION]


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    directory = find_mnist()
    if directory is None:
        sys.exit(
            "accuracy.py: error: MNIST was not found. Run 'skmlp fetch DIR' and set SKMLP_MNIST to DIR."
        )
    X, y, X_test, y_test = load_images(directory, arguments.validate)
    results = {
        name: [train(name, seed, X, y, arguments) for seed in range(arguments.seeds)]
        for name in arguments.recipes
    }
    models = {name: [mlp for mlp, _ in trained] for name, trained in results.items()}
    held_out = "validation" if arguments.validate else "test"
    print(
        f"{describe_machine()}\n\n{len(X):,} training images, {len(X_test):,} {held_out} images\n"
    )
    print_accuracies(results, len(X), X_test, y_test)
    print_ensembles(results, X_test, y_test)
    print_robustness(models, X_test, y_test)
    if arguments.validate:
        print_shifted_accuracies(models, X_test, y_test)


def parse_arguments():
    parser = make_parser(__doc__)
    parser.add_argument(
        "--recipes",
        type=parse_recipes,
        default=list(RECIPES),
        metavar="NAMES",
        help=f"recipes to evaluate, separated by commas: {', '.join(NAMES)}",
    )
    parser.add_argument(
        "--seeds",
        type=parse_count,
        default=3,
        metavar="N",
        help="number of networks of each recipe",
    )
    parser.add_argument(
        "--validate", action="store_true", help="evaluate on held-out training images"
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
    arguments = parser.parse_args()
    arguments.set = dict(arguments.set)
    return arguments


def parse_recipes(text):
    return parse_names(text, NAMES)


def parse_setting(text):
    """Return the name and the value in `name=value`, where the value is a Python literal."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise argparse.ArgumentTypeError(f"must have the form max_iter=20, got {text!r}.") from None


def load_images(directory, validate):
    """Return training and test images with their labels; with `validate`, split the training images."""
    X, y = skmlp.load_mnist(directory, return_X_y=True)
    if validate:
        return X[:50_000], y[:50_000], X[50_000:], y[50_000:]
    return X, y, *skmlp.load_mnist(directory, subset="test", return_X_y=True)


def make_model(name, random_state, parameters):
    """Return the unfitted classifier of a recipe or variant, in a Pipeline if it takes smaller images."""
    if name == WITHOUT_AUGMENTATION:
        # The training loss converges in fewer epochs than with augmented images.
        mlp = make_recipe("accurate", random_state).set_params(augmentation=None, max_iter=20)
    else:
        mlp = make_recipe(name, random_state)
    mlp.set_params(**parameters)
    return mlp if mlp.image_shape is None else make_pipeline(ImageResizer(mlp.image_shape), mlp)


def get_classifier(model):
    """Return the classifier of a model, which can be the last step of a Pipeline."""
    return model[-1] if isinstance(model, Pipeline) else model


def train(name, seed, X, y, arguments):
    """Return a trained or previously saved model and its training time in seconds."""
    path = arguments.keep and arguments.keep / f"{name.replace(' ', '-')}-{seed}.safetensors"
    if path and path.exists():
        return skmlp.load_model(path), json.loads(path.with_suffix(".json").read_text())["seconds"]
    model = make_model(name, seed, arguments.set)
    n_samples = N_SAMPLES.get(name, len(X))
    start = perf_counter()
    model.fit(X[:n_samples], y[:n_samples])
    seconds = perf_counter() - start
    print_progress(f"{name}, seed {seed}: {seconds:.0f} s")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").write_text(json.dumps({"seconds": seconds}))
        skmlp.save_model(model, path)
    return model, seconds


def print_accuracies(results, n_train, X_test, y_test):
    """Print accuracy, log loss and training time of each recipe."""
    rows = []
    for name, trained in results.items():
        mlp = get_classifier(trained[0][0])
        scores = [model.score(X_test, y_test) for model, _ in trained]
        losses = [log_loss(y_test, model.predict_proba(X_test)) for model, _ in trained]
        rows.append(
            [
                name,
                f"{N_SAMPLES.get(name, n_train):,}",
                f"{mlp.summary().n_parameters:,}",
                mlp.n_iter_,
                f"{mean(seconds for _, seconds in trained):.0f}",
                len(scores),
                f"{mean(scores):.2%}",
                f"{100 * stdev(scores):.2f}" if len(scores) > 1 else "",
                f"{min(scores):.2%} to {max(scores):.2%}",
                f"{mean(losses):.4f}",
            ]
        )
    header = ["recipe", "samples", "parameters", "epochs", "seconds", "seeds", "accuracy", "std"]
    print_table([*header, "range", "log loss"], rows)


def print_ensembles(results, X_test, y_test):
    """Print the accuracy of the ensemble of the networks of each recipe."""
    rows = []
    for name, trained in results.items():
        if len(trained) > 1:
            probabilities = np.mean([mlp.predict_proba(X_test) for mlp, _ in trained], axis=0)
            accuracy = np.mean(
                get_classifier(trained[0][0]).classes_[probabilities.argmax(axis=1)] == y_test
            )
            seconds = sum(seconds for _, seconds in trained)
            rows.append([name, len(trained), f"{seconds:.0f}", f"{accuracy:.2%}"])
    if rows:
        print("Ensembles: mean of the predicted probabilities\n")
        print_table(["recipe", "networks", "seconds", "accuracy"], rows)


def print_robustness(models, X_test, y_test):
    """Print the mean accuracy of each recipe on corrupted images."""
    corrupted = [corrupt(X_test) for corrupt in CORRUPTIONS.values()]
    print("Mean accuracy on corrupted images\n")
    rows = [
        [name, *(f"{mean_accuracy(networks, [X], y_test):.2%}" for X in corrupted)]
        for name, networks in models.items()
    ]
    print_table(["recipe", *CORRUPTIONS], rows)


def print_shifted_accuracies(models, X_test, y_test):
    """Print the mean accuracy over nine shifted copies of the images.

    It has a smaller standard error than the accuracy on the images alone.
    """
    copies = make_shifted_copies(X_test)
    print("Mean accuracy over shifts by -1, 0 and 1 pixels along both axes\n")
    rows = [
        [name, f"{mean_accuracy(networks, copies, y_test):.2%}"]
        for name, networks in models.items()
    ]
    print_table(["recipe", "accuracy"], rows)


def mean_accuracy(networks, image_sets, labels):
    """Return the mean accuracy of several networks on several sets of images with the same labels."""
    return mean(mlp.score(X, labels) for mlp in networks for X in image_sets)


if __name__ == "__main__":
    remove_openblas_variables()
    main()
