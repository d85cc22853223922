"""Update of the weights by rows: gradient, optimizer, max-norm constraint and averaging, see `skmlp.engine.update`.

Each thread computes a range of rows, the incoming weights of a range of units, and nothing in a row depends on other
rows. With `multiply_and_update`, the gradient of a few rows is used while it is in the cache.
"""

from math import sqrt

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from skmlp.engine.compiled.batches import convert
from skmlp.engine.compiled.kernels import Doubles, Int, Reals, inlined, kernel, select_copy, split
from skmlp.engine.compiled.settings import (
    AVERAGE_ADD,
    AVERAGE_KEEP,
    BLOCK_ROWS,
    FIRST_MIN,
    MAX_NORM,
    SECOND_MIN,
    THETA_MIN,
    ZEROES,
)
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
    average: Reals,
    settings: Doubles,
    constraints: Doubles,
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
    theta, gradient, first, second, average : pointers
        Rows of `n_columns` elements. `first` and `second` are used if the optimizer needs them, and `average` if the
        constraints contain a decay.
    settings : pointer
        Settings of the optimizer.
    constraints : pointer
    squares : pointer
        Output: the sum of squares of each row before the step.
    n_rows, n_columns : int
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    for i in range(start, stop):
        row = i * n_columns
        theta_i = at(theta, row)
        call_function(
            optimizer,
            (
                theta_i,
                at(gradient, row),
                at(first, row),
                at(second, row),
                settings,
                at(squares, i),
                n_columns,
            ),
        )
        if constraints[MAX_NORM] > 0:
            limit_norm(theta_i, constraints[MAX_NORM], n_columns)
        if constraints[AVERAGE_ADD] > 0:
            move_average(
                at(average, row),
                theta_i,
                constraints[AVERAGE_KEEP],
                constraints[AVERAGE_ADD],
                n_columns,
            )
        if constraints[ZEROES] > 0:
            zero_below(theta_i, constraints[THETA_MIN], n_columns)
            if constraints[FIRST_MIN] > 0:
                zero_below(at(first, row), constraints[FIRST_MIN], n_columns)
            if constraints[SECOND_MIN] > 0:
                zero_below(at(second, row), constraints[SECOND_MIN], n_columns)


@kernel
def multiply_and_update(
    multiply: Int,
    delta: Reals,
    delta_row: Int,
    x: Reals,
    x_row: Int,
    x_copy: Int,
    n_samples: Int,
    update: Int,
    optimizer: Int,
    gradients: Reals,
    gradients_row: Int,
    theta: Reals,
    first: Reals,
    second: Reals,
    average: Reals,
    settings: Doubles,
    constraints: Doubles,
    squares: Doubles,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute dL/dW = delta x for a few rows at a time, and update them.

    The parameters of the rows and their moments, which are not in the cache, are loaded while the gradient is computed.

    Parameters
    ----------
    multiply, update, optimizer : int
        Addresses of the functions `products.multiply` and `update_rows`, and of one of the module `optimizers`.
    delta : pointer
        Array of shape ``(n_rows, samples)`` whose rows have the stride `delta_row`.
    x : pointer
        Array of shape ``(samples, n_columns)`` whose rows have the stride `x_row`. `x_copy` is the
        distance of the arrays of the threads, see `select_copy`.
    gradients : pointer
        Memory of each thread for `BLOCK_ROWS` rows of the gradient; `gradients_row` elements per thread.
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    gradient = at(gradients, thread * gradients_row)
    offset, _, _ = select_copy(x_copy, thread, n_threads)
    x = at(x, offset)
    for i in range(start, stop, BLOCK_ROWS):
        n, row = min(BLOCK_ROWS, stop - i), i * n_columns
        delta_i = at(delta, i * delta_row)
        for j in range(0, n * n_columns, elements_per_line(theta)):
            prefetch(theta, row + j)
            prefetch(first, row + j)
            prefetch(second, row + j)
        call_function(
            multiply,
            (
                delta_i,
                delta_row,
                1,
                x,
                x_row,
                0,
                gradient,
                n_columns,
                n,
                n_columns,
                n_samples,
                0,
                0,
                1,
            ),
        )
        call_function(
            update,
            (
                optimizer,
                at(theta, row),
                gradient,
                at(first, row),
                at(second, row),
                at(average, row),
                settings,
                constraints,
                at(squares, i),
                n,
                n_columns,
                0,
                1,
            ),
        )


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


@kernel
def average(
    averages: Reals, values: Reals, constraints: Doubles, n: Int, thread: Int, n_threads: Int
):
    """Update the moving averages of values on the first thread."""
    if thread == 0:
        move_average(averages, values, constraints[AVERAGE_KEEP], constraints[AVERAGE_ADD], n)


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


@inlined
def limit_norm(values, max_norm, n):
    """Scale values so that their norm is at most `max_norm`."""
    norm = sqrt(sum_of_squares(values, n))
    if norm > max_norm:
        scale = convert(max_norm / norm, values)
        for i in range(n):
            values[i] *= scale


@inlined
def move_average(average, values, keep, add, n):
    """Compute average = keep * average + add * value."""
    real_keep, real_add = convert(keep, average), convert(add, average)
    for i in range(n):
        average[i] = real_keep * average[i] + real_add * values[i]


@inlined
def zero_below(values, smallest, n):
    """Set the values whose magnitude is less than `smallest` to zero."""
    limit, zero = convert(smallest, values), convert(0, values)
    for i in range(n):
        values[i] = zero if abs(values[i]) < limit else values[i]
