"""Matrix products, accumulated in registers.

A product C = A B is divided into tiles of C whose elements stay in registers while the sum over the inner dimension is
computed. The rows of B and C are contiguous; the elements of A are read one by one, with any strides, and broadcast.
Hence nothing is packed or transposed, and each element is one sum in the order of the inner dimension, whatever the
division into tiles.
"""

from contextlib import contextmanager

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skmlp.engine.compiled.kernels import Int, Reals, kernel, select_copy, split
from skmlp.engine.compiled.simd import (
    INT64,
    at,
    call_llvm,
    element_alignment,
    get_llvm_type,
    get_vector,
    lanes,
    splat,
    store_masked,
)
from skmlp.engine.compiled.target import get_registers

# Shapes of tiles: rows, and vectors per row. All but a few registers hold sums in the largest tile; the others hold a
# row of B and an element of A.
HEIGHTS = (6, 4, 2, 1)
WIDTHS = (4, 2, 1) if get_registers().count >= 32 else (2, 1)
MAX_HEIGHT, MAX_WIDTH = HEIGHTS[0], WIDTHS[0]


@kernel
def multiply(
    a: Reals,
    a_row: Int,
    a_column: Int,
    b: Reals,
    b_row: Int,
    b_copy: Int,
    c: Reals,
    c_row: Int,
    n_rows: Int,
    n_columns: Int,
    n_inner: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute C = A B; each thread computes a range of rows.

    A has the strides `a_row` and `a_column`; the rows of B and C have the strides `b_row` and `c_row`. B must be
    readable up to the width of a tile beyond its last column.
    `b_copy` is the distance of the arrays B of the threads, see `select_copy`.
    """
    offset, _, _ = select_copy(b_copy, thread, n_threads)
    b = at(b, offset)
    start, stop = split(n_rows, 1, thread, n_threads)
    n_lanes = lanes(c)
    j = 0
    while j < n_columns:
        left = n_columns - j
        width = MAX_WIDTH
        while (width // 2) * n_lanes >= left:
            width //= 2
        i = start
        while i < stop:
            height = MAX_HEIGHT
            if stop - i < MAX_HEIGHT:
                height = 4 if stop - i >= 4 else min(stop - i, 2)
            tile(
                height,
                width,
                at(a, i * a_row),
                a_row,
                a_column,
                at(b, j),
                b_row,
                at(c, i * c_row + j),
                c_row,
                n_inner,
                left,
            )
            i += height
        j += width * n_lanes


@intrinsic
def tile(typingctx, height, width, a, a_row, a_column, b, b_row, c, c_row, n_inner, n_columns):
    """Compute a tile of C: `height` rows of `width` vectors.

    `n_columns` is the number of columns from the left edge of the tile to the right edge of C. Columns of the tile
    beyond that edge are computed but not stored.
    """
    vector = get_vector(c.dtype)
    operands = a, a_row, a_column, b, b_row, c, c_row, n_inner, n_columns

    def generate(context, builder, resolved, arguments):
        height, width, *operands = arguments
        shape = builder.add(builder.mul(height, INT64(MAX_WIDTH + 1)), width)
        done = builder.append_basic_block("done")
        switch = builder.switch(shape, done)
        for n_rows in HEIGHTS:
            for n_vectors in WIDTHS:
                case = builder.append_basic_block(f"tile_{n_rows}_{n_vectors}")
                switch.add_case(INT64(n_rows * (MAX_WIDTH + 1) + n_vectors), case)
                builder.position_at_end(case)
                function = define_tile(builder.module, vector, n_rows, n_vectors, operands)
                builder.call(function, operands)
                builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return types.void(height, width, *operands), generate


def define_tile(module, vector, n_rows, n_vectors, operands):
    """Return the LLVM function that computes tiles of a shape."""
    name = f"tile_{n_rows}_{n_vectors}_f{vector.element.bitwidth}"
    if name in module.globals:
        return module.globals[name]
    kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    builder = ir.IRBuilder(function.append_basic_block())
    emit_tile(builder, vector, n_rows, n_vectors, *function.args)
    builder.ret_void()
    return function


def emit_tile(
    builder,
    vector,
    n_rows,
    n_vectors,
    a,
    a_row,
    a_column,
    b,
    b_row,
    c,
    c_row,
    n_inner,
    n_columns,
):
    """Generate the code of a tile."""
    kind, align, n_lanes = get_llvm_type(vector), element_alignment(vector), vector.n_lanes
    tile = [(i, j) for i in range(n_rows) for j in range(n_vectors)]

    def point(pointer, row, stride, j):
        element = builder.add(builder.mul(stride, row), INT64(j * n_lanes))
        return builder.bitcast(builder.gep(pointer, [element]), kind.as_pointer())

    places = {(i, j): point(c, INT64(i), c_row, j) for i, j in tile}
    rows = [builder.gep(a, [builder.mul(a_row, INT64(i))]) for i in range(n_rows)]
    zero = ir.Constant(kind, None)

    # for k: sums[i, j] += A[i, k] * B[k, j]
    with loop_over(builder, n_inner, dict.fromkeys(tile, zero)) as (k, sums):
        b_vectors = [builder.load(point(b, k, b_row, j), align=align) for j in range(n_vectors)]
        column = builder.mul(k, a_column)
        for i, row in enumerate(rows):
            x = splat(builder, builder.load(builder.gep(row, [column])), n_lanes)
            for j, b_vector in enumerate(b_vectors):
                sums[i, j] = call_llvm(builder, "fma", kind, [x, b_vector, sums[i, j]])

    is_inside = builder.icmp_signed(">=", n_columns, INT64(n_vectors * n_lanes))
    with builder.if_else(is_inside) as (inside, at_edge):
        with inside:
            for place in tile:
                builder.store(sums[place], places[place], align=align)
        with at_edge:
            for i, j in tile:
                n_valid = builder.sub(n_columns, INT64(j * n_lanes))
                store_masked(builder, sums[i, j], places[i, j], n_valid, align)


@contextmanager
def loop_over(builder, n, initial):
    """Generate a loop over the indices less than n, at least one, that carries values from iteration to iteration.

    Parameters
    ----------
    builder : IRBuilder
    n : LLVM value
    initial : dict of LLVM values
        Values before the first iteration.

    Yields
    ------
    index : LLVM value
    values : dict of LLVM values
        Values before the iteration, to be replaced by those after it. After the loop, they are the last ones.
    """
    before, body = builder.block, builder.append_basic_block("loop")
    builder.branch(body)
    builder.position_at_end(body)
    index = builder.phi(n.type)
    carried = {key: builder.phi(value.type) for key, value in initial.items()}
    values = dict(carried)
    yield index, values
    following = builder.add(index, n.type(1))
    after = builder.append_basic_block("after_loop")
    builder.cbranch(builder.icmp_signed("<", following, n), body, after)
    for phi, first, last in (
        (index, n.type(0), following),
        *((phi, initial[key], values[key]) for key, phi in carried.items()),
    ):
        phi.add_incoming(first, before)
        phi.add_incoming(last, builder.block)
    builder.position_at_end(after)
