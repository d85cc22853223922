"""`skmlp info`: describe an IDX file, a model file or the installation."""

from dataclasses import dataclass
from pathlib import Path

from skmlp.cli.console import make_console, make_table, print_table
from skmlp.cli.errors import BAD_DATA, SUCCESS, suggest_formats, translate_errors
from skmlp.cli.model_files import (
    describe_steps,
    is_classifier,
    is_multilabel,
    is_pipeline,
    read_any_model,
)
from skmlp.cli.options import Option, declare
from skmlp.cli.parser import Command
from skmlp.cli.values import FLAG, PATH, OptionError
from skmlp.formatting import format_count, format_percent

DESCRIPTION = """\
Describe the contents of a file and check that it is intact.

For an IDX file, prints the element type and the shape; the number of each
label, or the range of the pixels and a drawing of the first image.

For a model file, prints the layers, the settings that differ from the defaults,
the classes, the metrics of the last and the best epoch, and the versions of the
packages that trained it.

With --versions, describes the installation instead of a file: the processor,
the BLAS libraries, the kernels for training and the versions of the packages.
Include this in a report of a problem."""

EXAMPLES = """\
examples:
  skmlp info train-images-idx3-ubyte.gz
  skmlp info skmlp-run/model.safetensors
  skmlp info --versions"""

SHADES = " .:-=+*#%@"
MAX_DRAWING_WIDTH = 40
MAX_COUNTED_LABELS = 100


@dataclass(frozen=True, kw_only=True)
class InfoOptions:
    """Options of `skmlp info`."""

    file: str | None = declare(
        Option(
            PATH,
            "IDX file, optionally compressed with gzip, or model file.",
            metavar="FILE",
            positional=True,
            optional=True,
        ),
        None,
    )
    versions: bool = declare(
        Option(FLAG, "Describe the installation instead of a file."),
        False,
    )

    def __post_init__(self):
        if self.file is None and not self.versions:
            raise OptionError("expected FILE or --versions, got neither.")
        if self.file is not None and self.versions:
            raise OptionError("expected FILE or --versions, got both. Leave one of them out.")


def run(options):
    """Run `skmlp info`."""
    if options.versions:
        from skmlp import show_versions

        show_versions()
    else:
        describe_file(options.file)
    return SUCCESS


def describe_file(path):
    """Print a description of an IDX file or a model file."""
    with translate_errors(BAD_DATA):
        size = Path(path).stat().st_size
        with open(path, "rb") as file:
            start = file.read(9)
    # A safetensors file begins with the length of its header, 8 bytes, and a JSON object.
    if start[8:] == b"{" or Path(path).suffix == ".safetensors":
        print_model(path, size)
    else:
        print_idx(path, size, start)


def print_idx(path, size, start):
    """Print a description of an IDX file that starts with the bytes `start`."""
    import numpy as np

    from skmlp import read_idx, read_idx_header

    with translate_errors(BAD_DATA), suggest_formats(start, "an IDX file or a model file"):
        header = read_idx_header(path)
        array = read_idx(path)
    print(f"{path}: an IDX file, {size:,} bytes{', gzip' if header.compressed else ''}\n")
    print(f"type   {header.dtype}")
    print(f"shape  {' x '.join(f'{length:,}' for length in header.shape)}")
    if array.size == 0:
        return
    if array.ndim == 1 and array.dtype.kind in "iu":
        print_labels(array)
    else:
        with np.errstate(invalid="ignore"):  # infinite pixels have no mean
            print(f"range  {array.min():g} to {array.max():g}, mean {array.mean(dtype=float):.4g}")
        draw_first_image(array)


def print_labels(labels):
    """Print the number of each label, or the range of the labels if there are many."""
    import numpy as np

    values, counts = np.unique(labels, return_counts=True)
    if len(values) > MAX_COUNTED_LABELS:
        print(f"range  {values[0]} to {values[-1]}, {len(values):,} distinct values")
        return
    console = make_console()
    table = make_table(console)
    table.add_column("label", justify="right", style="bold")
    table.add_column("count", justify="right")
    for value, count in zip(values, counts, strict=True):
        table.add_row(str(value), f"{count:,}")
    print()
    print_table(console, table)


def draw_first_image(array):
    """Draw the first image with two characters per pixel, which makes pixels about square."""
    import numpy as np

    if array.ndim not in (2, 3) or max(array.shape[-2:]) > MAX_DRAWING_WIDTH:
        return
    image = array if array.ndim == 2 else array[0]
    low, high = float(image.min()), float(image.max())
    if not np.isfinite([low, high]).all() or low == high:
        return
    levels = (image.astype(float) - low) / (high - low) * (len(SHADES) - 1)
    if array.ndim == 3:
        print("\nThe first image:")
    for row in np.rint(levels).astype(int):
        print("".join(2 * SHADES[level] for level in row).rstrip())


def print_model(path, size):
    """Print a description of a model file."""
    from skmlp import read_model_header

    model = read_any_model(path)
    print(f"{path}: a model, {size:,} bytes, intact\n")
    if is_classifier(model) or is_pipeline(model):
        print_network(model)
    else:
        print_committee(model)
    versions = read_model_header(path)["versions"]
    print_facts(
        [("versions", ", ".join(f"{name} {version}" for name, version in versions.items()))]
    )


def print_committee(committee):
    """Print a description of a committee and of its members."""
    from skmlp.model_parts import list_members

    print_facts(iterate_committee_facts(committee))
    members = list_members(committee)
    for number, member in enumerate(members, start=1):
        print(f"\nModel {number} of {len(members)}\n")
        # The classes of a member may be the indices of the labels.
        print_network(member, hidden=("classes",))
    print()


def iterate_committee_facts(committee):
    """Yield the name and the value of each line about a committee."""
    from skmlp.files.models import compute_model_digest

    weights = committee.weights
    weighted = "" if weights is None else f", with the weights {join_numbers(weights)}"
    yield "committee", f"{len(committee.estimators_)} models{weighted}"
    yield "classes", ", ".join(map(str, committee.classes_))
    yield "digest", compute_model_digest(committee)


def join_numbers(numbers):
    """Return numbers in a comma-separated list."""
    return ", ".join(f"{number:g}" for number in numbers)


def print_network(model, hidden=()):
    """Print a description of a classifier or a Pipeline, without the facts that are hidden."""
    from skmlp.model_parts import split_model

    if is_pipeline(model):
        print(f"pipeline  {describe_steps(model)}\n")
    classifier = split_model(model).classifier
    print(classifier.summary())
    print()
    print_facts(fact for fact in iterate_facts(classifier) if fact[0] not in hidden)


def print_facts(facts):
    """Print lines with a name and a value."""
    for name, value in facts:
        print(f"{name:<9} {value}")


def iterate_facts(model):
    """Yield the name and the value of each line below the layers."""
    from skmlp.files.models import compute_model_digest

    defaults = type(model)().get_params()
    settings = model.get_params().items()
    changed = [f"{name}={value!r}" for name, value in settings if value != defaults[name]]
    yield "settings", ", ".join(changed) or "all defaults"
    kind = "multilabel: " if is_multilabel(model) else ""
    yield "classes", kind + ", ".join(map(str, model.classes_))
    yield "weights", str(model.coefs_[0].dtype)
    yield "digest", compute_model_digest(model)
    yield from iterate_training_facts(model.history_)


def iterate_training_facts(history):
    """Yield the lines about the training."""
    n_epochs = len(history["loss"])
    yield "trained", format_count(n_epochs, "epoch")
    if n_epochs == 0:
        return
    yield "last", format_metrics(history, n_epochs - 1)
    criterion = "val_accuracy" if "val_accuracy" in history else "accuracy"
    best = max(range(n_epochs), key=history[criterion].__getitem__)
    yield "best", f"{format_metrics(history, best)} (epoch {best + 1}, by {criterion})"


def format_metrics(history, index):
    """Return the losses and accuracies of an epoch in one line."""
    shown = {
        name: f"{values[index]:.4f}" if name.endswith("loss") else format_percent(values[index])
        for name, values in history.items()
        if name.endswith(("loss", "accuracy"))
    }
    return ", ".join(f"{name} {value}" for name, value in shown.items())


COMMAND = Command(
    "info",
    summary="Describe an IDX file, a model file or the installation.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=InfoOptions,
    run=run,
)
