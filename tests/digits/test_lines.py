"""Lines in masks of ink, compared with a loop over all runs of pixels."""

import numpy as np
import pytest

from skmlp.digits.lines import SLOPES, find_lines


def find_lines_by_loops(mask, length):
    """Return the pixels that are on a run of at least `length` pixels along a line of one of the slopes.

    Like `find_lines`, it also counts the pixels above and below those of the mask.
    """
    height, width = mask.shape
    padded = np.pad(mask, ((1, 1), (0, 0)))
    thick = padded[:-2] | padded[1:-1] | padded[2:]
    found = np.zeros_like(mask)
    for slope in SLOPES:
        shift = np.rint(slope * (np.arange(width) - width / 2)).astype(int)
        for start in range(-height, 2 * height):
            run = []
            for column in range(width):
                row = start + shift[column]
                if 0 <= row < height and thick[row, column]:
                    run.append((row, column))
                else:
                    run = []
                if len(run) >= length:
                    found[tuple(np.transpose(run))] = True
    return found & mask


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (1, 9), (9, 1)], ids=str)
@pytest.mark.parametrize("length", [1, 2, 5, 8, 11])
def test_lines_are_long_runs_of_pixels(shape, length):
    rng = np.random.default_rng(length)
    mask = rng.random(shape) < 0.35
    mask[rng.integers(shape[0]), : length + 1] = True
    np.testing.assert_array_equal(find_lines(mask, length), find_lines_by_loops(mask, length))
    np.testing.assert_array_equal(find_lines(mask.T, length), find_lines_by_loops(mask.T, length))
