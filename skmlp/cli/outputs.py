"""Output files: checks before they are written, and the history and the curves of `skmlp train`."""

import csv
import io
from pathlib import Path

from skmlp.cli.errors import CANNOT_WRITE, USAGE, CommandError, translate_errors
from skmlp.files.atomic import atomic_write


def make_directory(path, option):
    """Make a directory and check that it is writable, before the training begins."""
    directory = Path(path)
    if directory.exists() and not directory.is_dir():
        raise CommandError(
            USAGE, f"{directory}: {option} must be a directory, got a file. Choose another path."
        )
    trial = directory / ".skmlp-trial"
    with translate_errors(CANNOT_WRITE):
        directory.mkdir(parents=True, exist_ok=True)
        with atomic_write(trial):
            pass
        trial.unlink()
    return directory


def check_output_file(path, inputs, option="--out"):
    """Check that an option is a file that can be written and no input file, before its content is computed."""
    path = Path(path)
    for given in inputs:
        if given is not None and path.exists() and path.samefile(given):
            raise CommandError(
                USAGE,
                f"{path}: {option} must differ from the input files, got the path of {given}. Choose another path.",
            )
    with translate_errors(CANNOT_WRITE, OSError):
        if path.exists() and not path.is_file():
            found = "directory" if path.is_dir() else "device"
            raise CommandError(
                CANNOT_WRITE,
                f"{path}: {option} must be a file, got a {found}. Choose another path.",
            )
        trial = path.with_name(f".{path.name}.trial")
        try:
            with atomic_write(trial):
                pass
        except OSError as error:
            error.filename = str(path)
            raise
        trial.unlink()


def save_history(history, path):
    """Write one row per epoch to a CSV file, with floats in full precision."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history])
    for epoch, values in enumerate(zip(*history.values(), strict=True), start=1):
        writer.writerow([epoch, *(float(value) for value in values)])
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def save_curves(model, path, title, validation_name):
    """Write a PNG file of loss, accuracy and learning rate per epoch."""
    from matplotlib.figure import Figure

    from skmlp import TrainingCurveDisplay

    display = TrainingCurveDisplay({"": model.history_}, validation_name=validation_name)
    figure = Figure(figsize=(4.8 * display.n_panels, 4.3), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", parse_math=False)
    display.plot(figure.subplots(1, display.n_panels))
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=120)
