"""`skmlp evaluate`: evaluates a model on a labeled dataset, class by class."""

import json
from dataclasses import dataclass

from skmlp.cli.console import counted, make_console, make_table, percent, print_table
from skmlp.cli.datasets import (
    DATA_HELP,
    SCALE_HELP,
    check_labels,
    load_subset,
    name_of,
    prepare_pixels,
)
from skmlp.cli.errors import SUCCESS
from skmlp.cli.model_files import model_argument, read_single_label_model
from skmlp.cli.options import Option, declare
from skmlp.cli.parser import Command
from skmlp.cli.values import FACTOR, FLAG, PATH, SEED, OptionError, one_of

NAME = "evaluate"

DESCRIPTION = """\
Evaluate a model on labeled digits.

Prints the accuracy, the log loss, precision, recall and F1 of every class, and
the confusion matrix."""

EXAMPLES = """\
examples:
  skmlp evaluate skmlp-run/model.safetensors
  skmlp evaluate mnist-run/model.safetensors --data mnist
  skmlp evaluate model.safetensors --data DIR --subset train --json"""


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """The options of `skmlp evaluate`."""

    model: str = model_argument()
    data: str | None = declare(
        Option(PATH, DATA_HELP.format("what to evaluate on"), "data", "DIR"), None
    )
    subset: str = declare(
        Option(
            one_of(("train", "test")),
            "which set of the data: train or test (default: test)",
            "data",
            "NAME",
        ),
        "test",
    )
    seed: int | None = declare(
        Option(
            SEED,
            "seed of the split of the bundled digits (default: the seed of the model, so that the "
            "test set is the one that 'skmlp train' held out)",
            "data",
            "N",
        ),
        None,
    )
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "data", "FACTOR"), None)
    json: bool = declare(Option(FLAG, "print one JSON object instead of tables", "output"), False)

    def __post_init__(self):
        if self.seed is not None and self.data is not None:
            raise OptionError("--seed has no effect with --data: leave it out")


def run(options):
    """Run `skmlp evaluate`."""
    model = read_single_label_model(options.model)
    source = name_of(options.data)
    X, y = load_subset(options.data, options.subset, _choose_seed(options.seed, model))
    X = prepare_pixels(X, model, source, scale=options.scale, command=NAME)
    check_labels(y, model.classes_, f"the {options.subset} set of {source}")
    results = {
        "model": options.model,
        "data": source,
        "subset": options.subset,
        "images": len(X),
        **_evaluate(model, X, y),
    }
    if options.json:
        print(json.dumps(results))
    else:
        _print_results(results)
    return SUCCESS


def _choose_seed(given, model):
    if given is not None:
        return given
    return model.random_state if isinstance(model.random_state, int) else 0


def _evaluate(model, X, y):
    import numpy as np

    # The predictions follow from the same pass through the network.
    log_probabilities = model.predict_log_proba(X)
    predicted = log_probabilities.argmax(axis=1)
    truth = np.searchsorted(model.classes_, y)
    confusion = np.zeros((len(model.classes_), len(model.classes_)), dtype=int)
    np.add.at(confusion, (truth, predicted), 1)

    n_correct = confusion.diagonal()
    support, n_predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "log_loss": float(np.abs(log_probabilities[np.arange(len(y)), truth]).mean(dtype=float)),
        "classes": model.classes_.tolist(),
        "precision": _ratios(n_correct, n_predicted),
        "recall": _ratios(n_correct, support),
        "f1": _ratios(2 * n_correct, n_predicted + support),
        "support": support.tolist(),
        "confusion_matrix": confusion.tolist(),
    }


def _ratios(numerators, denominators):
    """Divide element-wise; 0 / 0 is 0."""
    return [
        numerator / denominator if denominator else 0.0
        for numerator, denominator in zip(numerators.tolist(), denominators.tolist(), strict=True)
    ]


def _print_results(results):
    console = make_console()
    images = counted(results["images"], "image")
    print(f"{results['model']} on the {results['subset']} set of {results['data']}, {images}\n")
    print(f"accuracy  {percent(results['accuracy'])}")
    print(f"log loss  {results['log_loss']:.4f}\n")
    print_table(console, _per_class_table(console, results))
    print()
    console.print(
        "Confusion matrix (rows: true class, columns: predicted)", style="bold", soft_wrap=True
    )
    print_table(console, _confusion_table(console, results))


def _per_class_table(console, results):
    table = make_table(console)
    table.add_column("class", justify="right", style="bold")
    for name in ("precision", "recall", "f1", "support"):
        table.add_column(name, justify="right")
    columns = (results[name] for name in ("classes", "precision", "recall", "f1", "support"))
    for label, *scores, support in zip(*columns, strict=True):
        table.add_row(str(label), *map(percent, scores), f"{support:,}")
    return table


def _confusion_table(console, results):
    """Return the table of the confusion matrix, with the diagonal and the mistakes in color."""
    from rich.text import Text

    table = make_table(console)
    table.add_column("true", justify="right", style="bold")
    for label in results["classes"]:
        table.add_column(str(label), justify="right")
    for i, (label, row) in enumerate(
        zip(results["classes"], results["confusion_matrix"], strict=True)
    ):
        cells = (Text(str(count), _style(count, i == j)) for j, count in enumerate(row))
        table.add_row(str(label), *cells)
    return table


def _style(count, is_correct):
    if is_correct:
        return "bold green"
    return "dim" if count == 0 else "red"


COMMAND = Command(
    NAME,
    summary="evaluate a model on labeled digits",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=EvaluateOptions,
    run=run,
)
