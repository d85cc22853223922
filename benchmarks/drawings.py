"""Measure how many drawn digits models read, as the page of `skmlp draw` does.

    python benchmarks/drawings.py mnist-run/model.safetensors --drawings 1000

The drawings are random strokes: for each digit, variants of its shape with random slant, width, size, position and
irregularities. They are rendered, normalized by `normalize_digit`, and predicted by the network with 8-bit weights.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

import numpy as np
from report import print_table

from skmlp import load_model, normalize_digit
from skmlp.export.network import fold_network, predict_labels
from skmlp.export.quantize import quantize_network

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "export"))

from strokes import draw_digit, render_drawing

SIZE = 140  # pixels, as on the page
DIGITS = range(10)


def main():
    """Print the recognition rate of each digit for each model."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model file, trained on MNIST")
    parser.add_argument(
        "--drawings", type=int, default=1000, metavar="N", help="drawings per digit"
    )
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    start = perf_counter()
    images = make_images(options.drawings, options.seed)
    n_images = len(images) * options.drawings
    print(
        f"{n_images:,} drawings in {perf_counter() - start:.0f} s, {options.drawings:,} per digit"
    )
    rows = [[path, *measure_rates(load_model(path), images)] for path in options.models]
    print_table(["model", *map(str, DIGITS), "all"], rows)


def make_images(n_drawings, seed):
    """Return the normalized drawings of each digit, of shape (10, n_drawings, 784)."""
    rng = np.random.default_rng(seed)
    return np.array(
        [
            [
                normalize_digit(render_drawing(draw_digit(digit, rng), SIZE)).ravel()
                for _ in range(n_drawings)
            ]
            for digit in DIGITS
        ]
    )


def measure_rates(model, images):
    """Return the recognition rates of each digit and of all, as text."""
    network = quantize_network(fold_network(model), "int8").restore()
    rates = [np.mean(predict_labels(network, images[digit]) == digit) for digit in DIGITS]
    return [f"{rate:.2%}" for rate in [*rates, np.mean(rates)]]


if __name__ == "__main__":
    main()
