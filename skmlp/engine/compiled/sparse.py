"""Kernels for samples with many zeros: gathering, and the products of the first layer.

The nonzero features of a batch are gathered into two arrays, `data` and `indices`, from a CSR matrix or from a dense
array; those of sample i are the elements from ``starts[i]`` to ``stops[i]``. Samples in CSR format whose density is not
low are converted to rows of a dense array.

Products compute one or two vectors of units at a time. The weights of these units, or their gradient, are copied so
that those of a feature are adjacent. Each nonzero feature then takes one operation per vector. If a batch has very few
nonzero features, copying would take longer than the products.
"""

from skmlp.engine.compiled.batches import convert
from skmlp.engine.compiled.kernels import (
    Bits,
    Doubles,
    Indices,
    Indices32,
    Int,
    Reals,
    Sources,
    inlined,
    kernel,
    split,
)
from skmlp.engine.compiled.simd import (
    at,
    broadcast,
    lanes,
    load,
    load_as,
    multiply_add,
    store,
    store_nonzero,
)
from skmlp.engine.compiled.updates import call_function, update_row

# Ratio of the features to the nonzero features of a batch above which products do not copy the weights.
FEATURES_PER_NONZERO = 4


@kernel
def gather(
    X_data: Reals,
    X_indices: Indices32,
    X_indptr: Indices32,
    rows: Indices,
    scale: Doubles,
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    has_dropout: Int,
    bits: Bits,
    threshold: Int,
    dropout_scale: Doubles,
    n_samples: Int,
    thread: Int,
    n_threads: Int,
):
    """Gather the nonzero features of samples, multiplied by a scale, with dropout if `has_dropout` is not zero.

    `X_data`, `X_indices` and `X_indptr` are the arrays of the CSR matrix. A feature is dropped if its random bits are
    less than `threshold`, and multiplied by `dropout_scale` otherwise.
    """
    start, stop = split(n_samples, lanes(data), thread, n_threads)
    factor, kept_factor = convert(scale[0], data), convert(dropout_scale[0], data)
    for i in range(start, stop):
        source, target = X_indptr[rows[i]], starts[i]
        for k in range(stops[i] - target):
            value = X_data[source + k] * factor
            if has_dropout:
                is_kept = bits[target + k] >= threshold
                value = value * kept_factor if is_kept else convert(0, data)
            data[target + k] = value
            indices[target + k] = X_indices[source + k]


@kernel
def compress(
    X: Sources,
    X_row: Int,
    rows: Indices,
    scale: Doubles,
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    n_samples: Int,
    n_features: Int,
    thread: Int,
    n_threads: Int,
):
    """Gather the nonzero features of scale * X[rows], where X is dense. The rows of X have the stride `X_row`.

    There must be memory for `n_features` elements and a vector from ``starts[i]`` on. `stops` is an output.
    """
    start, stop = split(n_samples, lanes(data), thread, n_threads)
    n_lanes, factor = lanes(data), convert(scale[0], data)
    n_full = n_features // n_lanes * n_lanes
    for i in range(start, stop):
        X_i, k = at(X, rows[i] * X_row), starts[i]
        for j in range(0, n_full, n_lanes):
            k += store_nonzero(load_as(X_i, j, data) * factor, data, indices, k, j)
        for j in range(n_full, n_features):
            value = convert(X_i[j], data) * factor
            data[k], indices[k] = value, j
            if value != 0:
                k += 1
        stops[i] = k


@kernel
def scatter(
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    x: Reals,
    row: Int,
    n_samples: Int,
    thread: Int,
    n_threads: Int,
):
    """Convert gathered samples to rows of a dense array."""
    start, stop = split(n_samples, lanes(x), thread, n_threads)
    zero = convert(0, x)
    for i in range(start, stop):
        x_i = at(x, i * row)
        for j in range(row):
            x_i[j] = zero
        for k in range(starts[i], stops[i]):
            x_i[indices[k]] += data[k]


@inlined
def has_few(few, starts, stops, n_samples, n_features, work_row):
    """Return whether to call a function for few nonzero features: there are few, or there is no memory for vectors.

    `few` is the address of the function, or zero.
    """
    n_nonzero = 0
    for s in range(n_samples):
        n_nonzero += stops[s] - starts[s]
    return few != 0 and (work_row == 0 or n_nonzero * FEATURES_PER_NONZERO < n_features)


@inlined
def interleave(transpose, rows, row, n_rows, n_columns, columns, column):
    """Store a column of up to `n_lanes` rows after the other, each as a vector; `column` is their distance.

    `transpose` is the address of the function `batches.transpose`.
    """
    n_lanes, n_tiled = lanes(rows), 0
    if n_rows == n_lanes:
        n_tiled = n_columns // n_lanes * n_lanes
        call_function(transpose, (rows, row, columns, column, 0, 0, n_lanes, n_tiled, 0, 1))
    for i in range(n_rows):
        for j in range(n_tiled, n_columns):
            columns[j * column + i] = rows[i * row + j]


@inlined
def separate(transpose, columns, column, rows, row, n_rows, n_columns):
    """Do the inverse of `interleave`."""
    n_lanes, n_tiled = lanes(rows), 0
    if n_rows == n_lanes:
        n_tiled = n_columns // n_lanes * n_lanes
        call_function(transpose, (columns, column, rows, row, 0, 0, n_tiled, n_lanes, 0, 1))
    for i in range(n_rows):
        for j in range(n_tiled, n_columns):
            rows[i * row + j] = columns[j * column + i]


@kernel
def multiply(
    transpose: Int,
    few: Int,
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    n_samples: Int,
    work: Reals,
    work_row: Int,
    weights: Reals,
    out: Reals,
    row: Int,
    n_units: Int,
    n_features: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute out = W x for gathered samples with pairs of vectors of units; each thread computes a range of units.

    The padding of `out` is set to zero, because the kernels that follow work in place, and would otherwise transform it
    again in each step.

    Parameters
    ----------
    transpose, few : int
        Addresses of the functions `batches.transpose` and `multiply_few`. The latter is zero if it is not used.
    work : pointer
        Memory for `work_row` elements per thread, or for none.
    """
    start, stop = split(n_units, 1, thread, n_threads)
    weights, out, n_units = at(weights, start * n_features), at(out, start * row), stop - start
    samples = data, indices, starts, stops, n_samples
    if has_few(few, starts, stops, n_samples, n_features, work_row):
        call_function(few, (*samples, weights, out, row, n_units, n_features))
        return
    n_lanes = lanes(weights)
    column = 2 * n_lanes
    w = at(work, thread * work_row)
    z = at(w, n_features * column)
    for i in range(0, n_units, column):
        for part in range(i, min(i + column, n_units), n_lanes):
            n, weights_i = min(n_lanes, n_units - part), at(weights, part * n_features)
            interleave(transpose, weights_i, n_features, n, n_features, at(w, part - i), column)
        for s in range(row):
            sums_0 = sums_1 = broadcast(0, w)
            if s < n_samples:
                for k in range(starts[s], stops[s]):
                    value, j = broadcast(data[k], w), indices[k] * column
                    sums_0 = multiply_add(value, load(w, j), sums_0)
                    sums_1 = multiply_add(value, load(w, j + n_lanes), sums_1)
            store(sums_0, z, s * column)
            store(sums_1, z, s * column + n_lanes)
        for part in range(i, min(i + column, n_units), n_lanes):
            n = min(n_lanes, n_units - part)
            separate(transpose, at(z, part - i), column, at(out, part * row), row, n, row)


@kernel
def multiply_few(
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    n_samples: Int,
    weights: Reals,
    out: Reals,
    row: Int,
    n_units: Int,
    n_features: Int,
):
    """Compute out = W x for few nonzero features, four units at a time."""
    zero = convert(0, data)
    for i in range(0, n_units, 4):
        n = min(4, n_units - i)
        w_0 = at(weights, i * n_features)
        w_1, w_2, w_3 = w_0, w_0, w_0
        if n > 1:
            w_1 = at(w_0, n_features)
        if n > 2:
            w_2 = at(w_1, n_features)
        if n > 3:
            w_3 = at(w_2, n_features)
        out_i = at(out, i * row)
        for s in range(row):
            sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
            if s < n_samples:
                for k in range(starts[s], stops[s]):
                    value, j = data[k], indices[k]
                    sum_0 += value * w_0[j]
                    sum_1 += value * w_1[j]
                    sum_2 += value * w_2[j]
                    sum_3 += value * w_3[j]
            out_i[s] = sum_0
            if n > 1:
                out_i[row + s] = sum_1
            if n > 2:
                out_i[2 * row + s] = sum_2
            if n > 3:
                out_i[3 * row + s] = sum_3


@kernel
def compute_gradient(
    transpose: Int,
    few: Int,
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    n_samples: Int,
    work: Reals,
    work_row: Int,
    delta: Reals,
    delta_row: Int,
    gradient: Reals,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute dL/dW = delta x^T for gathered samples with vectors of units; each thread computes a range of rows.

    Parameters
    ----------
    transpose, few : int
        Addresses of the functions `batches.transpose` and `compute_gradient_few`. The latter is zero if it is not used.
    work : pointer
        Memory for `work_row` elements per thread, or for none.
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    delta, gradient, n_rows = (
        at(delta, start * delta_row),
        at(gradient, start * n_columns),
        stop - start,
    )
    samples = data, indices, starts, stops, n_samples
    if has_few(few, starts, stops, n_samples, n_columns, work_row):
        call_function(few, (*samples, delta, delta_row, gradient, n_rows, n_columns))
        return
    n_lanes = lanes(delta)
    sums = at(work, thread * work_row)
    factors = at(sums, n_columns * n_lanes)
    for i in range(0, n_rows, n_lanes):
        n, delta_i = min(n_lanes, n_rows - i), at(delta, i * delta_row)
        interleave(transpose, delta_i, delta_row, n, n_samples, factors, n_lanes)
        for j in range(n_columns):
            store(broadcast(0, sums), sums, j * n_lanes)
        for s in range(n_samples):
            factor = load(factors, s * n_lanes)
            for k in range(starts[s], stops[s]):
                j = indices[k] * n_lanes
                store(multiply_add(factor, broadcast(data[k], sums), load(sums, j)), sums, j)
        separate(transpose, sums, n_lanes, at(gradient, i * n_columns), n_columns, n, n_columns)


@kernel
def compute_gradient_few(
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    n_samples: Int,
    delta: Reals,
    delta_row: Int,
    gradient: Reals,
    n_rows: Int,
    n_columns: Int,
):
    """Compute dL/dW = delta x^T for few nonzero features."""
    zero = convert(0, delta)
    for i in range(n_rows):
        gradient_i, delta_i = at(gradient, i * n_columns), at(delta, i * delta_row)
        for j in range(n_columns):
            gradient_i[j] = zero
        for s in range(n_samples):
            for k in range(starts[s], stops[s]):
                gradient_i[indices[k]] += delta_i[s] * data[k]


@kernel
def compute_gradient_and_update(
    compute_gradient: Int,
    transpose: Int,
    few: Int,
    data: Reals,
    indices: Indices32,
    starts: Indices,
    stops: Indices,
    n_samples: Int,
    work: Reals,
    work_row: Int,
    delta: Reals,
    delta_row: Int,
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
    """Compute dL/dW = delta x^T for gathered samples, and update the weights, some rows at a time.

    Parameters
    ----------
    compute_gradient, optimizer : int
        Addresses of the function `compute_gradient` and of one of the module `optimizers`.
    transpose, few : int
        See `compute_gradient`.
    work : pointer
        Memory of each thread for `compute_gradient`; `work_row` elements per thread.
    gradients : pointer
        Memory of each thread for the gradient of as many rows as there are lanes; `gradients_row` elements per thread.
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    gradient, work = at(gradients, thread * gradients_row), at(work, thread * work_row)
    is_few = has_few(few, starts, stops, n_samples, n_columns, work_row)
    n_block = 1 if is_few else lanes(theta)
    for block in range(start, stop, n_block):
        n = min(n_block, stop - block)
        samples = transpose, few, data, indices, starts, stops, n_samples, work, work_row
        deltas = at(delta, block * delta_row), delta_row
        call_function(compute_gradient, (*samples, *deltas, gradient, n, n_columns, 0, 1))
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
