"""Measure how many digits in synthetic pictures a model reads, under many conditions.

    python benchmarks/pictures.py mnist-run/model.safetensors
    python benchmarks/pictures.py MODEL --pages --condition "form field" --sheet sheet.png

The pictures show digits of fonts, random strokes, scikit-learn's bundled digits, and test images of MNIST, at 150 dpi
unless the condition is a resolution. Single digits are converted by `normalize_digit`. With --pages, the pictures show
lines of digits, which are found by `segment_digits`; the rate is then 1 minus the edit distance between the digits as
read and as written, relative to their number. So digits that are missed, found in addition, or in a wrong order are
errors.
"""

import argparse
import os
import sys
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from report import print_progress, print_table

from skmlp import NoDigitError, load_mnist, load_model, normalize_digit, segment_digits

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from digits.synthetic_pages import (
    CONDITIONS,
    SINGLE_DIGIT_CONDITIONS,
    FontDigits,
    ImageDigits,
    StrokeDigits,
    compose_digit,
    compose_page,
    compute_edit_distance,
    make_bundled_digits,
    render,
)

RESOLUTIONS = (100, 200, 300, 600)  # dpi
# Arguments of compose_page
LAYOUTS = {
    "small gaps": {"gap": (0.05, 0.15)},
    "touching": {"gap": (-0.06, 0.02)},
    "slanted lines": {"slope": 0.12},
}


class Setting(NamedTuple):
    """A condition, a resolution, and further arguments of `compose_page`."""

    condition: str
    dpi: float = 150
    layout: dict = {}  # noqa: RUF012


SHEET_COLUMNS, CELL = 16, 96


class Reading(NamedTuple):
    """A picture, its digits, and what the model read."""

    picture: np.ndarray
    labels: tuple
    found: list  # of normalized images
    predicted: list

    @property
    def n_errors(self):
        """Edit distance between the digits as written and as read."""
        return compute_edit_distance(self.labels, self.predicted)


def main():
    """Print the recognition rate for each condition and source of digits."""
    options = parse_options()
    model = load_model(options.model)
    sources = make_sources(options)
    conditions = list_conditions(options)
    rows, readings = [], []
    for name, setting in conditions.items():
        start = perf_counter()
        results = {}
        for source_name, source in sources.items():
            rng = np.random.default_rng(options.seed)
            pictures = make_pictures(source, setting, options, rng)
            results[source_name] = [
                read(picture, labels, model, options) for picture, labels in pictures
            ]
        readings += [reading for result in results.values() for reading in result]
        rates = [*map(compute_rate, results.values()), compute_rate(chain(*results.values()))]
        rows.append([name, *(f"{rate:.1%}" for rate in rates)])
        print_progress(f"{name}: {rates[-1]:.1%}, {perf_counter() - start:.0f} s")
    rows.append(["all", *([""] * len(sources)), f"{compute_rate(readings):.1%}"])
    print_table(["condition", *sources, "all"], rows)
    if options.sheet:
        errors = [reading for reading in readings if reading.n_errors]
        save = save_page_sheet if options.pages else save_sheet
        save(errors if options.errors else readings, options.sheet)


def parse_options():
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", metavar="MODEL", help="model file, trained on MNIST")
    parser.add_argument("--pages", action="store_true", help="read pages instead of single digits")
    parser.add_argument(
        "--pictures", type=int, default=100, metavar="N", help="pictures per condition and source"
    )
    parser.add_argument(
        "--condition", action="append", metavar="NAME", help="only this condition; can be repeated"
    )
    parser.add_argument(
        "--source", action="append", metavar="NAME", help="only this source; can be repeated"
    )
    parser.add_argument(
        "--severity", type=float, metavar="S", help="from 0 to 1; by default random"
    )
    parser.add_argument("--fonts", metavar="DIR", help="directory of further fonts")
    parser.add_argument(
        "--sheet", metavar="FILE", help="save a PNG file of pictures, and what was found in them"
    )
    parser.add_argument("--errors", action="store_true", help="only show errors on the sheet")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def make_sources(options):
    """Return the sources of digits by name."""
    paths = (
        sorted(
            path for suffix in ("ttf", "otf") for path in Path(options.fonts).rglob(f"*.{suffix}")
        )
        if options.fonts
        else []
    )
    sources = {"fonts": FontDigits(), "strokes": StrokeDigits(), "8 x 8": make_bundled_digits()}
    if paths:
        sources["more fonts"] = FontDigits(paths)
    directory = os.environ.get(
        "SKMLP_MNIST", Path(__file__).resolve().parents[2] / "shared" / "mnist"
    )
    if Path(directory).is_dir():
        X, y = load_mnist(directory, subset="test", return_X_y=True)
        sources["MNIST"] = ImageDigits(X.reshape(-1, 28, 28), y)
    return {
        name: source
        for name, source in sources.items()
        if options.source is None or name in options.source
    }


def list_conditions(options):
    """Return the settings by name."""
    conditions = {name: Setting(name) for name in CONDITIONS}
    conditions |= {f"{dpi} dpi": Setting("jpeg", dpi) for dpi in RESOLUTIONS}
    if options.pages:
        conditions |= {name: Setting("jpeg", layout=layout) for name, layout in LAYOUTS.items()}
    excluded = SINGLE_DIGIT_CONDITIONS if options.pages else set()
    selected = options.condition or conditions
    return {
        name: conditions[name] for name in conditions if name in selected and name not in excluded
    }


def make_pictures(source, setting, options, rng):
    """Yield random pictures and their labels."""
    for i in range(options.pictures):
        if options.pages:
            canvas = compose_page(source, rng, dpi=setting.dpi, **setting.layout)
        else:
            canvas = compose_digit(source, i % 10, rng, dpi=setting.dpi)
        severity = rng.random() if options.severity is None else options.severity
        yield render(canvas, setting.condition, severity, rng), canvas.labels


def read(picture, labels, model, options):
    """Find, normalize and predict the digits of a picture."""
    try:
        images = (
            [found.image for found in segment_digits(picture)]
            if options.pages
            else [normalize_digit(picture)]
        )
    except NoDigitError:
        images = []
    predicted = model.predict(np.reshape(images, (-1, 784))).tolist() if images else []
    return Reading(picture, labels, images, predicted)


def compute_rate(readings):
    """Return the recognition rate."""
    readings = list(readings)
    n_digits = sum(len(reading.labels) for reading in readings)
    return 1 - sum(reading.n_errors for reading in readings) / n_digits


def save_sheet(readings, path, n_max=400):
    """Save pictures of single digits above their normalized images, with a mark at errors."""
    readings = readings[:: max(1, len(readings) // n_max)]
    n_rows = -(-len(readings) // SHEET_COLUMNS)
    sheet = Image.new("RGB", (SHEET_COLUMNS * CELL, max(1, n_rows) * 2 * CELL), "white")
    draw = ImageDraw.Draw(sheet)
    for i, reading in enumerate(readings):
        left, top = i % SHEET_COLUMNS * CELL, i // SHEET_COLUMNS * 2 * CELL
        picture = Image.fromarray(reading.picture).convert("RGB")
        picture.thumbnail((CELL - 4, CELL - 4))
        sheet.paste(picture, (left + 2, top + 2))
        for image in reading.found:
            sheet.paste(
                Image.fromarray(255 - image).resize((CELL - 12, CELL - 12)), (left + 2, top + CELL)
            )
        color = "red" if reading.n_errors else "green"
        text = f"{reading.labels[0]} > {' '.join(map(str, reading.predicted)) or 'none'}"
        draw.text((left + 4, top + 2 * CELL - 12), text, color)
    sheet.save(path)


def save_page_sheet(readings, path, n_max=12):
    """Save pages with boxes around the digits that were found, and what was read."""
    pages = [annotate(reading) for reading in readings[:: max(1, len(readings) // n_max)][:n_max]]
    width = max(page.width for page in pages)
    sheet = Image.new("RGB", (2 * width, sum(page.height for page in pages[::2]) + 2000), "white")
    tops = [0, 0]
    for page in pages:
        column = int(tops[1] < tops[0])
        sheet.paste(page, (column * width, tops[column]))
        tops[column] += page.height + 6
    sheet.crop((0, 0, 2 * width, max(tops))).save(path)


def annotate(reading):
    """Return a page with boxes and predictions."""
    page = Image.fromarray(reading.picture).convert("RGB")
    draw = ImageDraw.Draw(page)
    try:
        found = segment_digits(reading.picture)
    except NoDigitError:
        found = []
    for digit, label in zip(found, reading.predicted, strict=True):
        draw.rectangle(tuple(digit.box), outline="blue")
        draw.text((digit.box[0] + 2, digit.box[1] - 11), str(label), "red")
    draw.text(
        (4, 2),
        f"{''.join(map(str, reading.labels))} read as {''.join(map(str, reading.predicted))}",
        "purple",
    )
    return page


if __name__ == "__main__":
    main()
