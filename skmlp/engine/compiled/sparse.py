"""Kernels for samples in CSR format: gathering, and the products of the first layer.

The nonzero features of a batch are gathered into two arrays, `data` and `indices`; those of sample i are the elements
from ``offsets[i]`` to ``offsets[i + 1]``. Samples whose density is not low are converted to rows of a dense array.

Products compute as many units as a vector has lanes at a time. The weights of these units, or their gradient, are
copied so that those of a feature are a vector. Each nonzero feature then takes one operation on vectors. If a batch has
very few nonzero features, copying would take longer than the products.
"""

from skmlp.engine.compiled.batches import convert, transpose_tile
from skmlp.engine.compiled.kernels import (
    Bits,
    Doubles,
    Indices,
    Indices32,
    Int,
    Reals,
    inlined,
    kernel,
    split,
)
from skmlp.engine.compiled.simd import at, broadcast, lanes, load, multiply_add, store
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
    offsets: Indices,
    data: Reals,
    indices: Indices32,
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
        source, target = X_indptr[rows[i]], offsets[i]
        for k in range(offsets[i + 1] - target):
            value = X_data[source + k] * factor
            if has_dropout:
                is_kept = bits[target + k] >= threshold
                value = value * kept_factor if is_kept else convert(0, data)
            data[target + k] = value
            indices[target + k] = X_indices[source + k]


@kernel
def scatter(
    data: Reals,
    indices: Indices32,
    offsets: Indices,
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
        for k in range(offsets[i], offsets[i + 1]):
            x_i[indices[k]] += data[k]


@inlined
def has_few(offsets, n_samples, n_features, work_row):
    """Return whether products do not copy the weights: there are few nonzero features, or there is no memory for it."""
    return work_row == 0 or offsets[n_samples] * FEATURES_PER_NONZERO < n_features


@inlined
def interleave(rows, row, n_rows, n_columns, columns):
    """Store a column of up to `n_lanes` rows after the other, each as a vector."""
    n_lanes, n_tiled = lanes(rows), 0
    if n_rows == n_lanes:
        n_tiled = n_columns // n_lanes * n_lanes
        for j in range(0, n_tiled, n_lanes):
            transpose_tile(at(rows, j), row, at(columns, j * n_lanes), n_lanes)
    for i in range(n_rows):
        for j in range(n_tiled, n_columns):
            columns[j * n_lanes + i] = rows[i * row + j]


@inlined
def separate(columns, rows, row, n_rows, n_columns):
    """Do the inverse of `interleave`."""
    n_lanes, n_tiled = lanes(rows), 0
    if n_rows == n_lanes:
        n_tiled = n_columns // n_lanes * n_lanes
        for j in range(0, n_tiled, n_lanes):
            transpose_tile(at(columns, j * n_lanes), n_lanes, at(rows, j), row)
    for i in range(n_rows):
        for j in range(n_tiled, n_columns):
            rows[i * row + j] = columns[j * n_lanes + i]


@kernel
def multiply(
    data: Reals,
    indices: Indices32,
    offsets: Indices,
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
    """Compute out = W x for gathered samples; each thread computes a range of units.

    The padding of `out` is set to zero, because the kernels that follow work in place, and would otherwise transform it
    again in each step. `work` is memory for `work_row` elements per thread, or for none.
    """
    start, stop = split(n_units, 1, thread, n_threads)
    weights, out = at(weights, start * n_features), at(out, start * row)
    if has_few(offsets, n_samples, n_features, work_row):
        multiply_few(data, indices, offsets, n_samples, weights, out, row, stop - start, n_features)
    else:
        work = at(work, thread * work_row)
        multiply_vectors(
            data, indices, offsets, n_samples, work, weights, out, row, stop - start, n_features
        )


@inlined
def multiply_few(data, indices, offsets, n_samples, weights, out, row, n_units, n_features):
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
                for k in range(offsets[s], offsets[s + 1]):
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


@inlined
def multiply_vectors(
    data, indices, offsets, n_samples, work, weights, out, row, n_units, n_features
):
    """Compute out = W x with vectors of units."""
    n_lanes = lanes(weights)
    w = work
    z = at(w, n_features * n_lanes)
    for i in range(0, n_units, n_lanes):
        n = min(n_lanes, n_units - i)
        interleave(at(weights, i * n_features), n_features, n, n_features, w)
        for s in range(row):
            sums = broadcast(0, w)
            if s < n_samples:
                for k in range(offsets[s], offsets[s + 1]):
                    w_j = load(w, indices[k] * n_lanes)
                    sums = multiply_add(broadcast(data[k], w), w_j, sums)
            store(sums, z, s * n_lanes)
        separate(z, at(out, i * row), row, n, row)


@kernel
def compute_gradient(
    data: Reals,
    indices: Indices32,
    offsets: Indices,
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
    """Compute dL/dW = delta x^T for gathered samples; each thread computes a range of rows.

    `work` is memory for `work_row` elements per thread, or for none.
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    delta, gradient = at(delta, start * delta_row), at(gradient, start * n_columns)
    if has_few(offsets, n_samples, n_columns, work_row):
        accumulate_few(
            data, indices, offsets, n_samples, delta, delta_row, gradient, stop - start, n_columns
        )
    else:
        work = at(work, thread * work_row)
        accumulate_vectors(
            data,
            indices,
            offsets,
            n_samples,
            work,
            delta,
            delta_row,
            gradient,
            stop - start,
            n_columns,
        )


@inlined
def accumulate_few(
    data, indices, offsets, n_samples, delta, delta_row, gradient, n_rows, n_columns
):
    """Compute dL/dW = delta x^T for few nonzero features."""
    zero = convert(0, delta)
    for i in range(n_rows):
        gradient_i, delta_i = at(gradient, i * n_columns), at(delta, i * delta_row)
        for j in range(n_columns):
            gradient_i[j] = zero
        for s in range(n_samples):
            for k in range(offsets[s], offsets[s + 1]):
                gradient_i[indices[k]] += delta_i[s] * data[k]


@inlined
def accumulate_vectors(
    data, indices, offsets, n_samples, work, delta, delta_row, gradient, n_rows, n_columns
):
    """Compute dL/dW = delta x^T with vectors of units."""
    n_lanes = lanes(delta)
    sums = work
    factors = at(sums, n_columns * n_lanes)
    for i in range(0, n_rows, n_lanes):
        n = min(n_lanes, n_rows - i)
        interleave(at(delta, i * delta_row), delta_row, n, n_samples, factors)
        for j in range(n_columns):
            store(broadcast(0, sums), sums, j * n_lanes)
        for s in range(n_samples):
            factor = load(factors, s * n_lanes)
            for k in range(offsets[s], offsets[s + 1]):
                j = indices[k] * n_lanes
                store(multiply_add(factor, broadcast(data[k], sums), load(sums, j)), sums, j)
        separate(sums, at(gradient, i * n_columns), n_columns, n, n_columns)


@kernel
def compute_gradient_and_update(
    compute_gradient: Int,
    data: Reals,
    indices: Indices32,
    offsets: Indices,
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
    work : pointer
        Memory of each thread for `compute_gradient`; `work_row` elements per thread.
    gradients : pointer
        Memory of each thread for the gradient of as many rows as there are lanes; `gradients_row` elements per thread.
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    gradient, work = at(gradients, thread * gradients_row), at(work, thread * work_row)
    n_block = 1 if has_few(offsets, n_samples, n_columns, work_row) else lanes(theta)
    for block in range(start, stop, n_block):
        n = min(n_block, stop - block)
        samples = data, indices, offsets, n_samples, work, work_row
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
