"""Measure the cost of augmenting images of 28 x 28 pixels, in microseconds per image on one core.

    python benchmarks/augment.py --rounds 9

The order of the steps rotates from round to round. An untimed first round is a warm-up.
"""

from time import perf_counter

import numpy as np
from environment import remove_openblas_variables
from options import add_rounds, make_parser
from report import describe_machine, format_median, format_range, iterate_rounds, print_table
from threadpoolctl import threadpool_limits

from skmlp.augment import Affine, Compose, DigitDistortions, Elastic, Shift, StrokeWidth

STEPS = {
    "Shift": Shift(1.5),
    "Affine": Affine(),
    "Elastic": Elastic(),
    "StrokeWidth": StrokeWidth(),
    "Affine and Elastic": Compose([Affine(), Elastic()]),
    "DigitDistortions": DigitDistortions(),
}
N_IMAGES = 5120
BATCH_SIZE = 128


def main():
    parser = make_parser(__doc__)
    add_rounds(parser, default=9)
    arguments = parser.parse_args()
    images = np.random.default_rng(0).random((N_IMAGES, 28, 28), dtype=np.float32)
    times = {name: [] for name in STEPS}
    with threadpool_limits(1):
        for i, name in iterate_rounds(STEPS, arguments.rounds + 1):
            microseconds = measure(STEPS[name], images)
            if i > 0:
                times[name].append(microseconds)
    print(
        f"{describe_machine()}\n\nBatches of {BATCH_SIZE} images, one core; microseconds per image\n"
    )
    rows = [
        [name, format_median(values, 1), format_range(values, 1)] for name, values in times.items()
    ]
    print_table(["step", "median", "range"], rows)


def measure(step, images):
    """Return the microseconds per image that a step takes."""
    rng = np.random.default_rng(0)
    start = perf_counter()
    for first in range(0, N_IMAGES, BATCH_SIZE):
        step(images[first : first + BATCH_SIZE], rng)
    return 1e6 * (perf_counter() - start) / N_IMAGES


if __name__ == "__main__":
    remove_openblas_variables()
    main()
