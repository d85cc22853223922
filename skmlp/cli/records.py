"""What a training run leaves behind, its directory, its history and its curves."""

import csv
import io
from pathlib import Path

from skmlp.cli.failures import CANNOT_WRITE, USAGE, CommandError, failing_with
from skmlp.files.atomic import replacing


def make_directory(path, option):
    """Make a directory that can be written, or say at once why there can be none."""
    directory = Path(path)
    if directory.exists() and not directory.is_dir():
        raise CommandError(USAGE, f"{directory}: is a file; {option} must be a directory")
    trial = directory / ".skmlp-trial"
    with failing_with(CANNOT_WRITE):
        directory.mkdir(parents=True, exist_ok=True)
        # Better to fail now than after an hour of training.
        with replacing(trial):
            pass
        trial.unlink()
    return directory


def save_history(history, path):
    """Write one row an epoch; every float in full, so that reading it back gives the same."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["epoch", *history])
    for epoch, values in enumerate(zip(*history.values(), strict=True), start=1):
        writer.writerow([epoch, *(float(value) for value in values)])
    with replacing(path) as file:
        file.write(text.getvalue().encode())


def save_curves(model, path, title, second_set):
    """Draw loss and accuracy over the epochs into a PNG file."""
    from matplotlib.figure import Figure

    from skmlp.plots.curves import TrainingCurveDisplay

    figure = Figure(figsize=(10, 4.3), layout="constrained")
    figure.suptitle(title, x=0.01, ha="left", fontweight="bold", parse_math=False)
    TrainingCurveDisplay.from_estimator(
        model, validation_name=second_set, axes=figure.subplots(1, 2)
    )
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)
