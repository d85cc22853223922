"""Kernels that gather the samples of a batch, and that transpose arrays.

Samples are gathered as rows, of shape ``(samples, features)``, for the gradient of the first layer, and transposed to
``(features, samples)`` for its forward pass. Both sizes are padded with zeros to multiples of the lanes of a vector.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skmlp.engine.compiled.kernels import (
    Doubles,
    Indices,
    Int,
    Reals,
    Sources,
    kernel,
    select_copy,
    split,
)
from skmlp.engine.compiled.simd import (
    INT32,
    INT64,
    at,
    element_alignment,
    elements_per_line,
    get_llvm_type,
    get_vector,
    lanes,
    prefetch,
)


@kernel
def gather(
    X: Sources,
    X_row: Int,
    rows: Indices,
    scale: Doubles,
    x: Reals,
    x_row: Int,
    copy: Int,
    n_samples: Int,
    n_features: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute x = scale * X[rows]. The rows of X and x have the strides `X_row` and `x_row`.

    `copy` is the distance of the arrays x of the threads, see `select_copy`.
    """
    offset, thread, n_threads = select_copy(copy, thread, n_threads)
    x = at(x, offset)
    start, stop = split(n_samples, lanes(x), thread, n_threads)
    for i in range(start, stop):
        source, target = at(X, rows[i] * X_row), at(x, i * x_row)
        factor = convert(scale[0], x)
        for j in range(n_features):
            target[j] = convert(source[j], x) * factor


@kernel
def load_ahead(
    X: Sources,
    X_row: Int,
    rows: Indices,
    n_samples: Int,
    n_features: Int,
    thread: Int,
    n_threads: Int,
):
    """Begin to load X[rows], which usually are far apart in memory, into the cache."""
    start, stop = split(n_samples, 1, thread, n_threads)
    for i in range(start, stop):
        row = rows[i] * X_row
        for j in range(0, n_features, elements_per_line(X)):
            prefetch(X, row + j)


@intrinsic
def convert(typingctx, value, pointer):
    """Convert a number to the type of the elements of an array."""

    def generate(context, builder, resolved, arguments):
        return context.cast(builder, arguments[0], value, pointer.dtype)

    return pointer.dtype(value, pointer), generate


@kernel
def transpose(
    source: Reals,
    source_row: Int,
    target: Reals,
    target_row: Int,
    source_copy: Int,
    target_copy: Int,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute target = source^T; the numbers of rows and columns are rounded up to multiples of the lanes.

    `source_copy` and `target_copy` are the distances of the arrays of the threads, see `select_copy`.
    """
    n_lanes = lanes(source)
    source_offset, _, _ = select_copy(source_copy, thread, n_threads)
    target_offset, thread, n_threads = select_copy(target_copy, thread, n_threads)
    source, target = at(source, source_offset), at(target, target_offset)
    start, stop = split(n_rows, n_lanes, thread, n_threads)
    for i in range(start, stop, n_lanes):
        for j in range(0, n_columns, n_lanes):
            transpose_tile(
                at(source, i * source_row + j),
                source_row,
                at(target, j * target_row + i),
                target_row,
            )


@intrinsic
def transpose_tile(typingctx, source, source_row, target, target_row):
    """Transpose a square of vectors.

    Each of log2(n) stages interleaves vector i with vector i + n / 2, which rotates the bits of the position of an
    element, row and column together, by one.
    """
    vector = get_vector(source.dtype)
    n, align = vector.n_lanes, element_alignment(vector)

    def generate(context, builder, resolved, arguments):
        source, source_row, target, target_row = arguments
        kind = get_llvm_type(vector)

        def point(pointer, stride, i):
            element = builder.gep(pointer, [builder.mul(stride, INT64(i))])
            return builder.bitcast(element, kind.as_pointer())

        low, high = (
            ir.Constant(
                ir.VectorType(INT32, n),
                [first + lane // 2 + n * (lane % 2) for lane in range(n)],
            )
            for first in (0, n // 2)
        )
        vectors = [builder.load(point(source, source_row, i), align=align) for i in range(n)]
        for _ in range(n.bit_length() - 1):
            vectors = [
                builder.shuffle_vector(vectors[i], vectors[i + n // 2], order)
                for i in range(n // 2)
                for order in (low, high)
            ]
        for i, value in enumerate(vectors):
            builder.store(value, point(target, target_row, i), align=align)
        return context.get_dummy_value()

    return types.void(source, source_row, target, target_row), generate
