"""Dropout: forward and backward kernels, see `skmlp.engine.reference.layers.Dropout`.

Arrays have the shape ``(rows, columns)``, padded to multiples of the lanes of a vector; each thread computes a range of
rows. The random bits have the shape ``(rows, n_bits)`` without padding.
"""

from skmlp.engine.compiled.kernels import Bits, Doubles, Int, Reals, kernel, select_copy, split
from skmlp.engine.compiled.simd import at, broadcast, lanes, load, load_like, store, where


@kernel
def drop(
    out: Reals,
    x: Reals,
    bits: Bits,
    threshold: Int,
    scale: Doubles,
    n_rows: Int,
    n_bits: Int,
    row: Int,
    step: Int,
    copy: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute out = x * scale where bits >= threshold, and zero elsewhere.

    The ranges of rows are multiples of `step`. `copy` is the distance of the arrays of the threads, see `select_copy`.
    """
    offset, thread, n_threads = select_copy(copy, thread, n_threads)
    x, out = at(x, offset), at(out, offset)
    start, stop = split(n_rows, step, thread, n_threads)
    factor = broadcast(scale[0], x)
    for i in range(start, stop):
        x_i, out_i = at(x, i * row), at(out, i * row)
        for j in range(0, n_bits, lanes(x)):
            is_kept = load_like(bits, i * n_bits + j, x) >= threshold
            store(where(is_kept, load(x_i, j) * factor, 0), out_i, j)
