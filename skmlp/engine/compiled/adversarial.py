"""Adversarial examples, see `skmlp.engine.reference.backend.ReferenceBackend.adversarial_examples`."""

from math import sqrt

from skmlp.engine.compiled.batches import convert
from skmlp.engine.compiled.kernels import Doubles, Int, Reals, kernel, select_copy, split
from skmlp.engine.compiled.simd import at, broadcast, lanes, load, store, total


@kernel
def perturb(
    samples: Reals,
    directions: Reals,
    norm: Doubles,
    row: Int,
    copy: Int,
    n_samples: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute x = x + norm * d / sqrt(sum(d^2)) for each sample; one whose d is zero is not changed.

    `copy` is the distance of the arrays of the threads, see `select_copy`.
    """
    offset, thread, n_threads = select_copy(copy, thread, n_threads)
    samples, directions = at(samples, offset), at(directions, offset)
    start, stop = split(n_samples, lanes(samples), thread, n_threads)
    for i in range(start, stop):
        x, d = at(samples, i * row), at(directions, i * row)
        sums = broadcast(0, x)
        for j in range(0, row, lanes(x)):
            sums = sums + load(d, j) * load(d, j)
        squares = total(sums)
        if squares > 0:
            scale = broadcast(convert(norm[0], x) / sqrt(squares), x)
            for j in range(0, row, lanes(x)):
                store(load(x, j) + scale * load(d, j), x, j)
