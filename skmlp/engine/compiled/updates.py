"""Update of the weights by rows: gradient, optimizer, max-norm constraint and averaging, see `skmlp.engine.update`.

Each thread computes a range of rows, the incoming weights of a range of units, and nothing in a row depends on other
rows, so that the kernels follow each other in one region. With `multiply_and_update`, the gradient of a few rows is
used while it is in the cache.
"""

from math import sqrt

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skmlp.engine.compiled.batches import convert
from skmlp.engine.compiled.kernels import Doubles, Int, Reals, inlined, kernel, select_copy, split
from skmlp.engine.compiled.settings import BLOCK_ROWS
from skmlp.engine.compiled.simd import (
    at,
    broadcast,
    elements_per_line,
    lanes,
    load,
    load_first,
    prefetch,
    total,
)


@intrinsic
def call_function(typingctx, address, arguments):
    """Call a function at an address with a tuple of arguments."""

    def generate(context, builder, resolved, values):
        address, packed = values
        operands = [builder.extract_value(packed, i) for i in range(len(arguments))]
        kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
        builder.call(builder.inttoptr(address, kind.as_pointer()), operands)
        return context.get_dummy_value()

    return types.void(types.int64, arguments), generate


@kernel
def update_rows(
    optimizer: Int,
    theta: Reals,
    gradient: Reals,
    first: Reals,
    second: Reals,
    settings: Doubles,
    squares: Doubles,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Update the rows of a matrix of parameters.

    Parameters
    ----------
    optimizer : int
        Address of the function of the module `optimizers`.
    theta, gradient, first, second : pointers
        Rows of `n_columns` elements. `first` and `second` are used if the optimizer needs them.
    settings : pointer
        Settings of the optimizer.
    squares : pointer
        Output: the sum of squares of each row before the step.
    n_rows, n_columns : int
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    for i in range(start, stop):
        update_row(
            optimizer,
            theta,
            at(gradient, i * n_columns),
            first,
            second,
            settings,
            squares,
            i,
            n_columns,
        )


@inlined
def update_row(optimizer, theta, gradient_i, first, second, settings, squares, i, n_columns):
    """Update row i of a matrix of parameters."""
    row = i * n_columns
    arrays = at(theta, row), gradient_i, at(first, row), at(second, row)
    call_function(optimizer, (*arrays, settings, at(squares, i), n_columns))


@kernel
def multiply_and_update(
    multiply: Int,
    delta: Reals,
    delta_row: Int,
    x: Reals,
    x_row: Int,
    x_copy: Int,
    n_samples: Int,
    optimizer: Int,
    gradients: Reals,
    gradients_row: Int,
    theta: Reals,
    first: Reals,
    second: Reals,
    settings: Doubles,
    squares: Doubles,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute dL/dW = delta x for a few rows at a time, and update them, see `update_rows`.

    The parameters of the rows and their moments, which are not in the cache, are loaded while the gradient is computed.

    Parameters
    ----------
    multiply, optimizer : int
        Addresses of the function `products.multiply` and of one of the module `optimizers`.
    delta : pointer
        Array of shape ``(n_rows, samples)`` whose rows have the stride `delta_row`.
    x : pointer
        Array of shape ``(samples, n_columns)`` whose rows have the stride `x_row`. `x_copy` is the
        distance of the arrays of the threads, see `select_copy`.
    gradients : pointer
        Memory of each thread for at least one row of the gradient; `gradients_row` elements per thread.
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    gradient = at(gradients, thread * gradients_row)
    offset, _, _ = select_copy(x_copy, thread, n_threads)
    x = at(x, offset)
    n_block = min(BLOCK_ROWS, gradients_row // n_columns)
    for block in range(start, stop, n_block):
        n, row = min(n_block, stop - block), block * n_columns
        for j in range(row, row + n * n_columns, elements_per_line(theta)):
            prefetch(theta, j)
            prefetch(first, j)
            prefetch(second, j)
        delta_block = at(delta, block * delta_row)
        product = delta_block, delta_row, 1, x, x_row, 0, gradient, n_columns
        call_function(multiply, (*product, n, n_columns, n_samples, 0, 1))
        for i in range(n):
            update_row(
                optimizer,
                theta,
                at(gradient, i * n_columns),
                first,
                second,
                settings,
                squares,
                block + i,
                n_columns,
            )


@kernel
def limit_norms(
    theta: Reals, max_norm: Doubles, n_rows: Int, n_columns: Int, thread: Int, n_threads: Int
):
    """Scale the rows of a matrix so that their norms are at most `max_norm`."""
    start, stop = split(n_rows, 1, thread, n_threads)
    for i in range(start, stop):
        theta_i = at(theta, i * n_columns)
        norm = sqrt(sum_of_squares(theta_i, n_columns))
        if norm > max_norm[0]:
            scale = convert(max_norm[0] / norm, theta)
            for j in range(n_columns):
                theta_i[j] *= scale


@kernel
def move_average(
    average: Reals,
    values: Reals,
    decay: Doubles,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute average = decay * average + (1 - decay) * value."""
    start, stop = split(n_rows, 1, thread, n_threads)
    keep, add = convert(decay[0], average), convert(1 - decay[0], average)
    for i in range(start * n_columns, stop * n_columns):
        average[i] = keep * average[i] + add * values[i]


@kernel
def zero_tiny(
    theta: Reals,
    first: Reals,
    second: Reals,
    limits: Doubles,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Set the elements of three arrays whose magnitude is less than their limit to zero; a limit of zero skips one."""
    start, stop = split(n_rows, 1, thread, n_threads)
    start, n = start * n_columns, (stop - start) * n_columns
    zero_below(at(theta, start), limits[0], n)
    zero_below(at(first, start), limits[1], n)
    zero_below(at(second, start), limits[2], n)


@inlined
def zero_below(values, smallest, n):
    """Set the values whose magnitude is less than `smallest` to zero."""
    limit, zero = convert(smallest, values), convert(0, values)
    if smallest > 0:
        for i in range(n):
            values[i] = zero if abs(values[i]) < limit else values[i]


@kernel
def penalize(
    theta: Reals,
    gradient: Reals,
    l2: Doubles,
    squares: Doubles,
    gradient_squares: Doubles,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Add the gradient of the L2 penalty, l2 * W, and compute the sums of squares of W and of the gradient by rows."""
    start, stop = split(n_rows, 1, thread, n_threads)
    factor = convert(l2[0], theta)
    for i in range(start, stop):
        theta_i, gradient_i = at(theta, i * n_columns), at(gradient, i * n_columns)
        for j in range(n_columns):
            gradient_i[j] += factor * theta_i[j]
        squares[i] = sum_of_squares(theta_i, n_columns)
        gradient_squares[i] = sum_of_squares(gradient_i, n_columns)


@inlined
def sum_of_squares(values, n):
    """Return sum(values^2)."""
    n_lanes = lanes(values)
    n_full = n // n_lanes * n_lanes
    rest = load_first(values, n_full, n - n_full) if n > n_full else broadcast(0, values)
    sums = rest * rest
    for i in range(0, n_full, n_lanes):
        sums = sums + load(values, i) * load(values, i)
    return total(sums)
