"""Evaluate networks on the 15 corruptions of MNIST-C and on Gaussian noise.

    python benchmarks/corruptions.py --recipes fast,plain --keep models
    python benchmarks/corruptions.py --models mnist-run/model.safetensors
    python benchmarks/corruptions.py --recipes accurate --validate --set max_iter=20
    python benchmarks/corruptions.py --picture corruptions.png

The networks are those of accuracy.py, with the same files in the directory of --keep. The test images are corrupted;
with --validate, the last 10,000 training images, on which the networks are not trained. `mnist_c.py` describes the
corruptions, which are not those of the published dataset pixel by pixel. With --models or --picture, recipes are
evaluated only if --recipes is given.
"""

import warnings
from pathlib import Path

import numpy as np
from distortions import NOISE, add_noise
from environment import remove_openblas_variables
from mnist_c import CORRUPTIONS, SIZE, corrupt
from networks import add_network_options, make_split, train_networks
from options import make_parser
from report import describe_machine, print_progress, print_table
from scores import average, compute_standard_error, evaluate
from sklearn.exceptions import ConvergenceWarning

import skmlp
from skmlp.recipes import RECIPES

ORIGINAL, GAUSSIAN_NOISE = "original", f"Gaussian noise, std {NOISE}"


def main():
    arguments = parse_arguments()
    warnings.simplefilter("ignore", ConvergenceWarning)
    split = make_split(arguments.validate)
    if arguments.picture:
        save_picture(arguments.picture, *split.held_out_set)
    models = find_models(arguments, split)
    if not models:
        return
    scores = evaluate_corrupted(models, *split.held_out_set)
    n_images = len(split.held_out_set[0])
    held_out = "validation" if arguments.validate else "test"
    print(f"{describe_machine()}\n\n{n_images:,} {held_out} images\n")
    print_accuracies(scores)
    print_calibration(scores, n_images)


def parse_arguments():
    parser = make_parser(__doc__)
    add_network_options(parser, recipes=None, seeds=1)
    parser.add_argument(
        "--models", nargs="+", type=Path, default=[], metavar="FILE", help="model files to evaluate"
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="save a figure with one image of each digit and its corruptions",
    )
    arguments = parser.parse_args()
    if arguments.recipes is None:
        arguments.recipes = [] if arguments.models or arguments.picture else list(RECIPES)
    return arguments


def find_models(arguments, split):
    """Return lists of fitted models by name: one for each recipe, with its seeds, and one for each file."""
    networks = train_networks(arguments, [split] * arguments.seeds)
    models = {name: [each.model for each in trained] for name, trained in networks.items()}
    return models | {str(path): [skmlp.load_model(path)] for path in arguments.models}


def make_image_sets(X):
    """Yield the name and the images of each set: the original, the corrupted images, and those with Gaussian noise."""
    yield ORIGINAL, X
    for name in CORRUPTIONS:
        yield name, corrupt(name, X)
    yield GAUSSIAN_NOISE, add_noise(X)


def evaluate_corrupted(models, X, y):
    """Return the Scores of the models on each set of images: a dict by set of dicts by name of the model."""
    scores = {}
    for image_set, images in make_image_sets(X):
        scores[image_set] = {
            name: average([evaluate(model, images, y) for model in trained])
            for name, trained in models.items()
        }
        print_progress(f"evaluated: {image_set}")
    return scores


def average_corruptions(scores, name):
    """Return the mean Scores of a model over the corruptions."""
    return average([scores[corruption][name] for corruption in CORRUPTIONS])


def print_accuracies(scores):
    """Print the accuracy of each model on each set of images, and the mean over the corruptions."""
    names = list(scores[ORIGINAL])
    rows = {
        image_set: [f"{each.accuracy:.2%}" for each in by_name.values()]
        for image_set, by_name in scores.items()
    }
    rows["mean of the 15"] = [f"{average_corruptions(scores, name).accuracy:.2%}" for name in names]
    order = [ORIGINAL, *CORRUPTIONS, "mean of the 15", GAUSSIAN_NOISE]
    print("Accuracy\n")
    print_table(["images", *names], [[image_set, *rows[image_set]] for image_set in order])


def print_calibration(scores, n_images):
    """Print the scores of each model on the original images, and its calibration on the others."""
    rows = []
    for name, original in scores[ORIGINAL].items():
        error = compute_standard_error(original.accuracy, n_images)
        corrupted, noisy = average_corruptions(scores, name), scores[GAUSSIAN_NOISE][name]
        rows.append([name, f"{original.accuracy:.2%}", f"{100 * error:.2f}"])
        for each in (original, corrupted, noisy):
            rows[-1] += [f"{each.log_loss:.4f}", f"{each.calibration_error:.4f}"]
    header = ["model", "accuracy", "standard error", "log loss", "ECE"]
    header += [
        f"{score}, {images}"
        for images in ("mean of the 15", "noise")
        for score in ("log loss", "ECE")
    ]
    print("Log loss and expected calibration error; standard error in percentage points\n")
    print_table(header, rows)


def save_picture(path, X, y):
    """Save a figure with the first image of each digit in one row, and with one column for each set of images."""
    from matplotlib.figure import Figure

    first = [int(np.argmax(y == digit)) for digit in np.unique(y)]
    columns = {name: images[first] for name, images in make_image_sets(X)}
    margin, side = 4, SIZE + 4
    padding = ((0, 0), (margin, 0), (margin, 0))
    mosaic = np.hstack(
        [
            np.pad(images.reshape(-1, SIZE, SIZE), padding, constant_values=192).reshape(-1, side)
            for images in columns.values()
        ]
    )
    figure = Figure(
        figsize=(mosaic.shape[1] / 36, mosaic.shape[0] / 36 + 0.4), layout="constrained"
    )
    ax = figure.subplots()
    ax.imshow(mosaic, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    centers = margin + (SIZE - 1) / 2 + side * np.arange(len(columns))
    ax.set_xticks(centers, [name.replace(" ", "\n", 1) for name in columns], fontsize=8)
    ax.xaxis.tick_top()
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    figure.savefig(path, dpi=144)


if __name__ == "__main__":
    remove_openblas_variables()
    main()
