"""`skmlp evaluate`: judges a model on a set of digits, digit by digit."""

import json

from skmlp.cli.arguments import add_command
from skmlp.cli.console import counted, make_console, make_table, percent, print_table
from skmlp.cli.data import (
    add_data_option,
    add_scale_option,
    add_seed_option,
    check_labels,
    load_subset,
    name_of,
    prepare_pixels,
)
from skmlp.cli.failures import SUCCESS
from skmlp.cli.models import add_model_argument, load

DESCRIPTION = """\
Judge a model on digits whose labels are known.

Prints the accuracy, the log loss, precision, recall and F1 of every class, and
the confusion matrix: what was taken for what."""

EXAMPLES = """\
examples:
  skmlp evaluate skmlp-run/model.safetensors
  skmlp evaluate mnist-run/model.safetensors --data mnist
  skmlp evaluate model.safetensors --data DIR --subset train --json"""


def add_parser(subparsers):
    """Add `skmlp evaluate` to the command line."""
    parser = add_command(
        subparsers,
        "evaluate",
        run,
        summary="judge a model on labelled digits",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    add_model_argument(parser)
    data = parser.add_argument_group("data")
    add_data_option(data, "what to judge by")
    data.add_argument(
        "--subset",
        choices=("train", "test"),
        default="test",
        help="which half of the data (default: %(default)s)",
    )
    add_seed_option(
        data,
        None,
        "of the split of the bundled digits (default: the model's, so that the test set holds "
        "what 'skmlp train' kept from it)",
    )
    add_scale_option(data)
    parser.add_argument_group("output").add_argument(
        "--json", action="store_true", help="print one JSON object instead of the tables"
    )


def run(arguments):
    """Carry out `skmlp evaluate`."""
    if arguments.seed is not None and arguments.data is not None:
        arguments.usage_error("--seed has no effect with --data: leave it out")
    model = load(arguments.model)
    X, y = load_subset(arguments.data, arguments.subset, _choose_seed(arguments.seed, model))
    X = prepare_pixels(X, model, name_of(arguments.data), arguments)
    check_labels(y, model.classes_, f"the {arguments.subset} set of {name_of(arguments.data)}")
    results = {
        "model": arguments.model,
        "data": name_of(arguments.data),
        "subset": arguments.subset,
        "images": len(X),
        **_judge(model, X, y),
    }
    if arguments.json:
        print(json.dumps(results))
    else:
        _print_results(results)
    return SUCCESS


def _choose_seed(given, model):
    if given is not None:
        return given
    return model.random_state if isinstance(model.random_state, int) else 0


def _judge(model, X, y):
    import numpy as np

    # One pass through the network gives the predictions too.
    log_probabilities = model.predict_log_proba(X)
    predicted = log_probabilities.argmax(axis=1)
    truth = np.searchsorted(model.classes_, y)
    confusion = np.zeros((len(model.classes_), len(model.classes_)), dtype=int)
    np.add.at(confusion, (truth, predicted), 1)

    right, support, guesses = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "log_loss": float(np.abs(log_probabilities[np.arange(len(y)), truth]).mean(dtype=float)),
        "classes": model.classes_.tolist(),
        "precision": _shares(right, guesses),
        "recall": _shares(right, support),
        "f1": _shares(2 * right, guesses + support),
        "support": support.tolist(),
        "confusion_matrix": confusion.tolist(),
    }


def _shares(parts, wholes):
    """Divide, and call nothing out of nothing 0."""
    return [
        part / whole if whole else 0.0
        for part, whole in zip(parts.tolist(), wholes.tolist(), strict=True)
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
    """Return the confusion matrix, in which the eye finds the diagonal and the mistakes."""
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


def _style(count, is_right):
    if is_right:
        return "bold green"
    return "dim" if count == 0 else "red"
