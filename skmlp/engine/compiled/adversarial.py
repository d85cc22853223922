"""Adversarial examples and virtual adversarial examples, see `skmlp.engine.reference.backend`."""

from math import sqrt

from skmlp.engine.compiled.batches import convert
from skmlp.engine.compiled.kernels import (
    Bits,
    Doubles,
    Int,
    Reals,
    kernel,
    select_copy,
    split,
)
from skmlp.engine.compiled.simd import at, broadcast, lanes, load, store, total


@kernel
def move(
    samples: Reals,
    directions: Reals,
    moved: Reals,
    norm: Doubles,
    row: Int,
    copy: Int,
    n_samples: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute x + norm * d / sqrt(sum(d^2)) for each sample; one whose d is zero is not changed.

    `copy` is the distance of the arrays of the threads, see `select_copy`.
    """
    offset, thread, n_threads = select_copy(copy, thread, n_threads)
    samples, directions, moved = at(samples, offset), at(directions, offset), at(moved, offset)
    start, stop = split(n_samples, lanes(samples), thread, n_threads)
    for i in range(start, stop):
        x, d, y = at(samples, i * row), at(directions, i * row), at(moved, i * row)
        sums = broadcast(0, x)
        for j in range(0, row, lanes(x)):
            sums = sums + load(d, j) * load(d, j)
        squares = total(sums)
        factor = convert(0, x)
        if squares > 0:
            factor = convert(norm[0], x) / sqrt(squares)
        scale = broadcast(factor, x)
        for j in range(0, row, lanes(x)):
            store(load(x, j) + scale * load(d, j), y, j)


@kernel
def draw_directions(
    bits: Bits,
    directions: Reals,
    center: Doubles,
    row: Int,
    copy: Int,
    n_samples: Int,
    n_features: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute d = bits - center, with random bits of shape ``(n_samples, n_features)``.

    `copy` is the distance of the arrays of the threads, see `select_copy`.
    """
    offset, thread, n_threads = select_copy(copy, thread, n_threads)
    directions = at(directions, offset)
    start, stop = split(n_samples, lanes(directions), thread, n_threads)
    for i in range(start, stop):
        b, d = at(bits, i * n_features), at(directions, i * row)
        for j in range(n_features):
            d[j] = convert(b[j], d) - convert(center[0], d)
