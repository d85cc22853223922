"""`skmlp evaluate`: evaluate a model on a labeled dataset."""

import json
from dataclasses import dataclass

from skmlp.cli.console import make_console, make_table, print_table
from skmlp.cli.datasets import (
    DATA_HELP,
    SCALE_HELP,
    SEED_HELP,
    apply_scale,
    check_seed,
    choose_seed,
    describe_data,
    iterate_slices,
    load_or_map_subset,
    load_subset_for_models,
    warn_about_training_images,
    warn_about_unscaled_pixels,
)
from skmlp.cli.errors import SUCCESS
from skmlp.cli.model_files import declare_model_argument, read_single_label_model
from skmlp.cli.options import Option, declare
from skmlp.cli.parser import Command
from skmlp.cli.values import FACTOR, FLAG, PATH, SEED, make_choice_type
from skmlp.formatting import format_count, format_percent

NAME = "evaluate"
PROGRAM = f"skmlp {NAME}"

DESCRIPTION = """\
Evaluate a model on labeled digits.

Prints the accuracy and the log loss, the precision, recall and F1 score of each
class, and the confusion matrix. Files that are not compressed are read in
parts, so that they can be larger than memory."""

EXAMPLES = """\
examples:
  skmlp evaluate skmlp-run/model.safetensors
  skmlp evaluate mnist-run/model.safetensors --data mnist
  skmlp evaluate mnist-run/model.safetensors --data mnist --subset train --json"""


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of `skmlp evaluate`."""

    model: str = declare_model_argument()
    data: str | None = declare(
        Option(PATH, DATA_HELP.format("Dataset to evaluate on"), "data", "DIR"), None
    )
    subset: str = declare(
        Option(
            make_choice_type(("train", "test")),
            "Subset to evaluate on: train or test. [default: test]",
            "data",
            "NAME",
        ),
        "test",
    )
    seed: int | None = declare(Option(SEED, SEED_HELP, "data", "N"), None)
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "data", "FACTOR"), None)
    json: bool = declare(Option(FLAG, "Print one JSON object instead of tables.", "output"), False)

    def __post_init__(self):
        check_seed(self.seed, self.data)


def run(options):
    """Run `skmlp evaluate`."""
    model = read_single_label_model(options.model)
    images = load_subset_for_models(
        [model], options.data, options.subset, options.seed, load_or_map_subset
    )
    if options.data is None:
        warn_about_training_images(model, choose_seed(options.seed, model), PROGRAM)
    (model,) = apply_scale(options.scale, [model])
    warn_about_unscaled_pixels(images.X, [model], PROGRAM)
    results = {
        "model": options.model,
        "data": describe_data(options.data),
        "subset": options.subset,
        "images": len(images.X),
        **compute_metrics(model, images.X, images.y),
    }
    if options.json:
        print(json.dumps(results))
    else:
        print_results(results)
    return SUCCESS


def compute_metrics(model, X, y):
    """Return the metrics of a model on labeled images, as JSON values."""
    import numpy as np

    from skmlp.scores import compute_sample_losses

    n_classes, loss = len(model.classes_), 0.0
    confusion = np.zeros((n_classes, n_classes), dtype=int)
    for part in iterate_slices(X):
        log_probabilities = model.predict_log_proba(X[part])
        truth = np.searchsorted(model.classes_, y[part])
        np.add.at(confusion, (truth, log_probabilities.argmax(axis=1)), 1)
        loss += compute_sample_losses(log_probabilities, truth).sum()

    n_correct = confusion.diagonal()
    support, n_predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "accuracy": float(n_correct.sum() / len(y)),
        "log_loss": float(loss / len(y)),
        "classes": model.classes_.tolist(),
        "precision": divide(n_correct, n_predicted),
        "recall": divide(n_correct, support),
        "f1": divide(2 * n_correct, n_predicted + support),
        "support": support.tolist(),
        "confusion_matrix": confusion.tolist(),
    }


def divide(numerators, denominators):
    """Divide element-wise; 0 / 0 is 0."""
    return [
        numerator / denominator if denominator else 0.0
        for numerator, denominator in zip(numerators.tolist(), denominators.tolist(), strict=True)
    ]


def print_results(results):
    """Print the metrics and tables."""
    console = make_console()
    images = format_count(results["images"], "image")
    print(f"{results['model']} on the {results['subset']} set of {results['data']}, {images}\n")
    print(f"accuracy  {format_percent(results['accuracy'])}")
    print(f"log loss  {results['log_loss']:.4f}\n")
    print_table(console, make_class_table(console, results))
    print()
    console.print(
        "Confusion matrix (rows: true class, columns: predicted)", style="bold", soft_wrap=True
    )
    print_table(console, make_confusion_table(console, results))


def make_class_table(console, results):
    """Return the table of the metrics of each class."""
    table = make_table(console)
    table.add_column("class", justify="right", style="bold")
    for name in ("precision", "recall", "f1", "support"):
        table.add_column(name, justify="right")
    columns = (results[name] for name in ("classes", "precision", "recall", "f1", "support"))
    for label, *scores, support in zip(*columns, strict=True):
        table.add_row(str(label), *map(format_percent, scores), f"{support:,}")
    return table


def make_confusion_table(console, results):
    """Return the table of the confusion matrix, with correct predictions and errors in color."""
    from rich.text import Text

    table = make_table(console)
    table.add_column("true", justify="right", style="bold")
    for label in results["classes"]:
        table.add_column(str(label), justify="right")
    for i, (label, row) in enumerate(
        zip(results["classes"], results["confusion_matrix"], strict=True)
    ):
        cells = (Text(str(count), choose_style(count, i == j)) for j, count in enumerate(row))
        table.add_row(str(label), *cells)
    return table


def choose_style(count, is_correct):
    """Return the style of a cell of the confusion matrix."""
    if is_correct:
        return "bold green"
    return "dim" if count == 0 else "red"


COMMAND = Command(
    NAME,
    summary="Evaluate a model on labeled digits.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=EvaluateOptions,
    run=run,
)
