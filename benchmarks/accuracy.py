"""Evaluate each recipe on MNIST over several seeds: accuracy, calibration, ensembles and distorted images.

    python benchmarks/accuracy.py --recipes fast,plain --seeds 5
    python benchmarks/accuracy.py --recipes accurate --seeds 5 --keep models
    python benchmarks/accuracy.py --recipes accurate --seeds 2 --validate --set max_iter=20
    python benchmarks/accuracy.py --recipes accurate --splits 5 --set max_iter=20

Each network is trained on the 60,000 training images (small-sample: on the first 1,000) and evaluated on the 10,000
test images. With --validate, the networks are trained on the first 50,000 training images and evaluated on the last
10,000. The settings of the recipes were chosen in this way. With --splits K, network k of K is trained on 50,000 random
training images and evaluated on the other 10,000; the seed of the split and of the network is k.
"""

import warnings
from copy import deepcopy
from functools import cache
from statistics import mean, stdev
from typing import NamedTuple

import numpy as np
from distortions import DISTORTIONS, make_shifted_copies
from environment import remove_openblas_variables
from networks import (
    N_SAMPLES,
    add_network_options,
    make_random_splits,
    make_split,
    train_networks,
)
from options import make_parser, parse_count
from report import describe_machine, print_table
from scores import Scores, average, compute_scores, compute_standard_error, evaluate
from sklearn.exceptions import ConvergenceWarning

from skmlp.model_parts import split_model
from skmlp.recipes import RECIPES

DEFAULT_SEEDS = 3
SCORE_HEADER = ["accuracy", "standard error", "log loss", "ECE"]


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if arguments.splits:
        splits = make_random_splits(arguments.splits)
    else:
        splits = [make_split(arguments.validate)] * (arguments.seeds or DEFAULT_SEEDS)
    networks = train_networks(arguments, splits)
    is_test = not (arguments.validate or arguments.splits)
    print(describe_machine(), end="\n\n")
    print_sizes(splits[0], is_test)
    print_accuracies(networks)
    if arguments.splits:
        print_split_accuracies(networks)
    else:
        print_ensembles(networks)
    if not is_test:
        print_temperatures(networks)
    print_robustness(networks)
    if not is_test:
        print_shifted_accuracies(networks)


def parse_arguments():
    parser = make_parser(__doc__)
    add_network_options(parser, recipes=list(RECIPES), seeds=None)
    parser.add_argument(
        "--splits",
        type=parse_count,
        metavar="K",
        help="train one network of each recipe on each of K random splits of the training images, and evaluate it on "
        "the 10,000 images that it was not trained on",
    )
    arguments = parser.parse_args()
    if arguments.splits and (arguments.seeds or arguments.validate):
        parser.error("argument --splits: not allowed with --seeds and --validate")
    return arguments


def print_sizes(split, is_test):
    n_train, n_held_out = len(split.training_set[0]), len(split.held_out_set[0])
    held_out = "test" if is_test else "validation"
    print(f"{n_train:,} training images, {n_held_out:,} {held_out} images\n")


def print_accuracies(networks):
    """Print accuracy, log loss, calibration error and training time of each recipe."""
    rows = []
    for name, trained in networks.items():
        scores = [evaluate(each.model, *each.split.held_out_set) for each in trained]
        accuracies = [each.accuracy for each in scores]
        mlp, n_train = trained[0].classifier, len(trained[0].split.training_set[0])
        rows.append(
            [
                name,
                f"{N_SAMPLES.get(name, n_train):,}",
                f"{mlp.summary().n_parameters:,}",
                mlp.n_iter_,
                f"{mean(each.seconds for each in trained):.0f}",
                len(scores),
                f"{100 * stdev(accuracies):.2f}" if len(scores) > 1 else "",
                f"{min(accuracies):.2%} to {max(accuracies):.2%}",
                *format_scores(average(scores), trained[0].split),
            ]
        )
    header = ["recipe", "samples", "parameters", "epochs", "seconds", "seeds", "std", "range"]
    print_table([*header, *SCORE_HEADER], rows)
    print(
        "In percentage points: std over the seeds; standard error of one accuracy over the images.\n"
    )


def format_scores(scores, split):
    """Return Scores on the held-out images as the cells of a table, with the standard error of the accuracy."""
    error = compute_standard_error(scores.accuracy, len(split.held_out_set[0]))
    return [
        f"{scores.accuracy:.2%}",
        f"{100 * error:.2f}",
        f"{scores.log_loss:.4f}",
        f"{scores.calibration_error:.4f}",
    ]


def print_split_accuracies(networks):
    """Print the accuracy on each split, to compare recipes on the same images."""
    print("Accuracy on each split; networks of the same split differ in the recipe only\n")
    rows = [
        [name, *(f"{each.model.score(*each.split.held_out_set):.2%}" for each in trained)]
        for name, trained in networks.items()
    ]
    print_table(["recipe", *range(len(rows[0]) - 1)], rows)


def print_ensembles(networks):
    """Print the scores of the ensemble of the networks of each recipe."""
    rows = []
    for name, trained in networks.items():
        if len(trained) > 1:
            X, y = trained[0].split.held_out_set
            probabilities = np.mean([each.model.predict_proba(X) for each in trained], axis=0)
            scores = compute_scores(probabilities, y, trained[0].classifier.classes_)
            seconds = sum(each.seconds for each in trained)
            cells = format_scores(scores, trained[0].split)
            rows.append([name, len(trained), f"{seconds:.0f}", *cells])
    if rows:
        print("Ensembles: mean of the predicted probabilities\n")
        print_table(["recipe", "networks", "seconds", *SCORE_HEADER], rows)


class Calibration(NamedTuple):
    """The temperature for one half of the held-out images, and the Scores on the other half without and with it."""

    temperature: float
    before: Scores
    after: Scores


def print_temperatures(networks):
    """Print the effect of the temperature that is optimal for the first half of the held-out images."""
    rows = []
    for name, trained in networks.items():
        results = [measure_calibration(each) for each in trained]
        before, after = (
            average([getattr(each, when) for each in results]) for when in ("before", "after")
        )
        rows.append(
            [
                name,
                f"{mean(each.temperature for each in results):.3f}",
                f"{before.log_loss:.4f}",
                f"{after.log_loss:.4f}",
                f"{before.calibration_error:.4f}",
                f"{after.calibration_error:.4f}",
            ]
        )
    print(
        "Temperature, fitted to the first half of the held-out images, and scores on the second half\n"
    )
    header = ["temperature", "log loss", "log loss, calibrated", "ECE", "ECE, calibrated"]
    print_table(["recipe", *header], rows)


def measure_calibration(trained):
    """Return the Calibration of a network."""
    X, y = trained.split.held_out_set
    X = split_model(trained.model).transform(X)
    half = len(X) // 2
    mlp = trained.classifier
    calibrated = deepcopy(mlp).calibrate(X[:half], y[:half])
    # calibrate divides the weights of the output layer by the temperature.
    temperature = np.linalg.norm(mlp.coefs_[-1]) / np.linalg.norm(calibrated.coefs_[-1])
    second_half = X[half:], y[half:]
    return Calibration(temperature, evaluate(mlp, *second_half), evaluate(calibrated, *second_half))


def print_robustness(networks):
    """Print the mean accuracy of each recipe on distorted images."""
    print("Mean accuracy on distorted images\n")
    rows = [
        [
            name,
            *(
                f"{mean(score_distorted(each, distortion) for each in trained):.2%}"
                for distortion in DISTORTIONS
            ),
        ]
        for name, trained in networks.items()
    ]
    print_table(["recipe", *DISTORTIONS], rows)


def score_distorted(trained, distortion):
    """Return the accuracy of a network on distorted held-out images."""
    _, y = trained.split.held_out_set
    return trained.model.score(distort(trained.split, distortion), y)


@cache
def distort(split, distortion):
    X, _ = split.held_out_set
    return DISTORTIONS[distortion](X)


def print_shifted_accuracies(networks):
    """Print the mean accuracy over nine shifted copies of the images.

    It has a smaller standard error than the accuracy on the images alone.
    """
    print("Mean accuracy over shifts by -1, 0 and 1 pixels along both axes\n")
    rows = [
        [name, f"{mean(score_shifted(each) for each in trained):.2%}"]
        for name, trained in networks.items()
    ]
    print_table(["recipe", "accuracy"], rows)


def score_shifted(trained):
    """Return the mean accuracy of a network over shifted copies of the held-out images."""
    X, y = trained.split.held_out_set
    return mean(trained.model.score(copy, y) for copy in make_shifted_copies(X))


if __name__ == "__main__":
    remove_openblas_variables()
    main()
