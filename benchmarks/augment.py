"""The cost of distorting images of 28 x 28 pixels, in microseconds per image, on one core.

python benchmarks/augment.py --rounds 9
"""

import argparse
from time import perf_counter

import numpy as np
from options import positive
from report import describe_machine, in_turn, middle, print_table, spread
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
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=9, metavar="N")
    arguments = parser.parse_args()
    images = np.random.default_rng(0).random((N_IMAGES, 28, 28), dtype=np.float32)
    taken = {name: [] for name in STEPS}
    with threadpool_limits(1):
        for number, name in in_turn(STEPS, arguments.rounds + 1):
            microseconds = cost(STEPS[name], images)
            if number:  # the first one warms up
                taken[name].append(microseconds)
    print(f"{describe_machine()}\n\nBatches of {BATCH_SIZE} images, one core; us per image\n")
    rows = [[name, middle(values, 1), spread(values, 1)] for name, values in taken.items()]
    print_table(["", "median", "fastest to slowest"], rows)


def cost(step, images):
    """Return the microseconds per image that a step takes on batches."""
    rng = np.random.default_rng(0)
    start = perf_counter()
    for first in range(0, N_IMAGES, BATCH_SIZE):
        step(images[first : first + BATCH_SIZE], rng)
    return 1e6 * (perf_counter() - start) / N_IMAGES


if __name__ == "__main__":
    main()
