"""Kernels for samples in CSR format: gathering, and the products of the first layer.

The nonzero features of a batch are gathered into two arrays, `data` and `indices`; those of sample i are the elements
from ``offsets[i]`` to ``offsets[i + 1]``. Samples whose density is not low are converted to rows of a dense array.
"""

from skmlp.engine.compiled.batches import convert
from skmlp.engine.compiled.kernels import (
    Bits,
    Doubles,
    Indices,
    Indices32,
    Int,
    Reals,
    kernel,
    split,
)
from skmlp.engine.compiled.simd import at, lanes
from skmlp.engine.compiled.updates import call_function, update_row


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


@kernel
def multiply(
    data: Reals,
    indices: Indices32,
    offsets: Indices,
    n_samples: Int,
    weights: Reals,
    out: Reals,
    row: Int,
    n_units: Int,
    n_features: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute out = W x for gathered samples; each thread computes a range of units.

    Four units are computed at a time, so that the features are read a quarter as often. The padding is set to zero,
    because the kernels that follow work in place, and would otherwise transform it again in each step.
    """
    start, stop = split(n_units, 1, thread, n_threads)
    zero = convert(0, data)
    for first in range(start, stop, 4):
        n = min(4, stop - first)
        w_0 = at(weights, first * n_features)
        w_1, w_2, w_3 = w_0, w_0, w_0
        if n > 1:
            w_1 = at(w_0, n_features)
        if n > 2:
            w_2 = at(w_1, n_features)
        if n > 3:
            w_3 = at(w_2, n_features)
        out_i = at(out, first * row)
        for s in range(n_samples):
            sum_0, sum_1, sum_2, sum_3 = zero, zero, zero, zero
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
        for i in range(n):
            for s in range(n_samples, row):
                out_i[i * row + s] = zero


@kernel
def compute_gradient(
    data: Reals,
    indices: Indices32,
    offsets: Indices,
    n_samples: Int,
    delta: Reals,
    delta_row: Int,
    gradient: Reals,
    n_rows: Int,
    n_columns: Int,
    thread: Int,
    n_threads: Int,
):
    """Compute dL/dW = delta x^T for gathered samples; each thread computes a range of rows."""
    start, stop = split(n_rows, 1, thread, n_threads)
    zero = convert(0, delta)
    for i in range(start, stop):
        gradient_i, delta_i = at(gradient, i * n_columns), at(delta, i * delta_row)
        for j in range(n_columns):
            gradient_i[j] = zero
        for s in range(n_samples):
            factor = delta_i[s]
            for k in range(offsets[s], offsets[s + 1]):
                gradient_i[indices[k]] += factor * data[k]


@kernel
def compute_gradient_and_update(
    compute_gradient: Int,
    data: Reals,
    indices: Indices32,
    offsets: Indices,
    n_samples: Int,
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
    """Compute dL/dW = delta x^T for gathered samples, and update the weights, one row after the other.

    Parameters
    ----------
    compute_gradient, optimizer : int
        Addresses of the function `compute_gradient` and of one of the module `optimizers`.
    gradients : pointer
        Memory of each thread for a row of the gradient; `gradients_row` elements per thread.
    """
    start, stop = split(n_rows, 1, thread, n_threads)
    gradient = at(gradients, thread * gradients_row)
    for i in range(start, stop):
        delta_i = at(delta, i * delta_row)
        call_function(
            compute_gradient,
            (data, indices, offsets, n_samples, delta_i, delta_row, gradient, 1, n_columns, 0, 1),
        )
        update_row(optimizer, theta, gradient, first, second, settings, squares, i, n_columns)
