"""Accuracy on MNIST of every recipe, over several seeds: single, together, and on disturbed digits.

    python benchmarks/accuracy.py --recipes fast,plain --seeds 5
    python benchmarks/accuracy.py --recipes accurate --seeds 5 --keep models
    python benchmarks/accuracy.py --recipes accurate --seeds 2 --validate --set max_iter=20

Each network trains on all 60,000 training digits, that for small samples on the first 1,000; it is scored on the 10,000
test digits. With --validate it trains on the first 50,000 and is scored on the last 10,000 of the training digits: this
is how the settings of the recipes were chosen. --keep writes each model and its seconds into a directory, and takes
from there what it finds.
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
from data import mnist_directory
from disturbances import DISTURBANCES, nine_moves
from options import positive
from report import describe_machine, print_table, tell
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss

import skmlp
from skmlp.recipes import RECIPES, make_recipe

N_DIGITS = {"small-sample": 1000}  # what it is for; the others take all
WITHOUT_AUGMENTATION = "accurate without augmentation"
NAMES = [*RECIPES, WITHOUT_AUGMENTATION]


def make_classifier(name, random_state):
    """Return the unfitted classifier of a line of the tables."""
    if name == WITHOUT_AUGMENTATION:
        # It fits the training set after fewer epochs than on augmented images.
        return make_recipe("accurate", random_state).set_params(augmentation=None, max_iter=20)
    return make_recipe(name, random_state)


def main():
    """Train and print."""
    arguments = parse_arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    directory = mnist_directory()
    if directory is None:
        sys.exit(
            "This needs MNIST: name its directory in $SKMLP_MNIST ('skmlp fetch DIR' gets it)."
        )
    X, y, X_test, y_test = load_sets(directory, arguments.validate)
    models = {
        name: [train(name, seed, X, y, arguments) for seed in range(arguments.seeds)]
        for name in arguments.recipes
    }
    print(
        f"{describe_machine()}\n\nTrained on {len(X):,} digits, scored on {len(X_test):,} others\n"
    )
    print_accuracies(models, len(X), X_test, y_test)
    print_committees(models, X_test, y_test)
    print_robustness(models, X_test, y_test)
    if arguments.validate:
        print_moved(models, X_test, y_test)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recipes", type=names, default=list(RECIPES), metavar="NAMES")
    parser.add_argument("--seeds", type=positive, default=3, metavar="N")
    parser.add_argument("--validate", action="store_true")
    parser.add_argument("--keep", type=Path, metavar="DIR")
    parser.add_argument(
        "--set", type=setting, action="append", default=[], metavar="PARAMETER=VALUE"
    )
    arguments = parser.parse_args()
    arguments.set = dict(arguments.set)
    return arguments


def names(text):
    """Parse names of recipes, separated by commas."""
    unknown = set(text.split(",")) - set(NAMES)
    if unknown:
        raise argparse.ArgumentTypeError(f"must be among {', '.join(NAMES)}, got {unknown}")
    return text.split(",")


def setting(text):
    """Read a parameter and its value, as Python writes it."""
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise argparse.ArgumentTypeError(f"must be like max_iter=20, got {text}") from None


def load_sets(directory, validate):
    """Give training and test digits, or two parts of the training digits."""
    X, y = skmlp.load_mnist(directory, return_X_y=True)
    if validate:
        return X[:50_000], y[:50_000], X[50_000:], y[50_000:]
    return X, y, *skmlp.load_mnist(directory, subset="test", return_X_y=True)


def train(name, seed, X, y, arguments):
    """Train a recipe, or take a model that was kept; give it with its seconds."""
    path = arguments.keep and arguments.keep / f"{name.replace(' ', '-')}-{seed}.safetensors"
    if path and path.exists():
        return skmlp.load_model(path), json.loads(path.with_suffix(".json").read_text())["seconds"]
    mlp = make_classifier(name, seed).set_params(**arguments.set)
    n_digits = N_DIGITS.get(name, len(X))
    start = perf_counter()
    mlp.fit(X[:n_digits], y[:n_digits])
    seconds = perf_counter() - start
    tell(f"{name}, seed {seed}: {seconds:.0f} s")
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".json").write_text(json.dumps({"seconds": seconds}))
        skmlp.save_model(mlp, path)
    return mlp, seconds


def print_accuracies(models, n_trained, X_test, y_test):
    """Print a line for each recipe."""
    rows = []
    for name, trained in models.items():
        scores = [mlp.score(X_test, y_test) for mlp, _ in trained]
        mlp = trained[0][0]
        n_parameters = mlp.summary().n_parameters
        seconds = mean(seconds for _, seconds in trained)
        spread = f"{100 * stdev(scores):.2f}" if len(scores) > 1 else ""
        between = f"{min(scores):.2%} to {max(scores):.2%}"
        digits = f"{N_DIGITS.get(name, n_trained):,}"
        row = [name, digits, f"{n_parameters:,}", mlp.n_iter_, f"{seconds:.0f}", len(scores)]
        loss = mean(log_loss(y_test, mlp.predict_proba(X_test)) for mlp, _ in trained)
        rows.append([*row, f"{mean(scores):.2%}", spread, between, f"{loss:.4f}"])
    header = [
        "recipe",
        "digits",
        "parameters",
        "epochs",
        "seconds",
        "seeds",
        "accuracy",
        "std",
        "range",
        "log loss",
    ]
    print_table(header, rows)


def print_committees(models, X_test, y_test):
    """Print what the networks of a recipe reach together, by the mean of their probabilities."""
    rows = []
    for name, trained in models.items():
        if len(trained) > 1:
            probabilities = np.mean([mlp.predict_proba(X_test) for mlp, _ in trained], axis=0)
            accuracy = np.mean(trained[0][0].classes_[probabilities.argmax(axis=1)] == y_test)
            seconds = sum(seconds for _, seconds in trained)
            rows.append([name, len(trained), f"{seconds:.0f}", f"{accuracy:.2%}"])
    if rows:
        print("Together\n")
        print_table(["recipe", "networks", "seconds", "accuracy"], rows)


def print_robustness(models, X_test, y_test):
    """Print the mean accuracy on disturbed digits."""
    disturbed = {name: disturb(X_test) for name, disturb in DISTURBANCES.items()}
    rows = [
        [
            name,
            *(
                f"{mean(mlp.score(X, y_test) for mlp, _ in trained):.2%}"
                for X in disturbed.values()
            ),
        ]
        for name, trained in models.items()
    ]
    print("Disturbed digits\n")
    print_table(["recipe", *disturbed], rows)


def print_moved(models, X_test, y_test):
    """Print the mean accuracy over nine moves of each digit, which tells networks apart better than one."""
    sets = nine_moves(X_test)
    rows = [
        [name, f"{mean(mlp.score(X, y_test) for mlp, _ in trained for X in sets):.2%}"]
        for name, trained in models.items()
    ]
    print("Moved by up to a pixel\n")
    print_table(["recipe", "accuracy"], rows)


if __name__ == "__main__":
    main()
