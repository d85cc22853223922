"""Matrix products and scaled sums of flat vectors, computed by SciPy's BLAS.

The wheels of NumPy and SciPy each contain a BLAS library with its own thread pool, whose idle threads spin. Alternating
between the two makes the pools compete for the cores, which is many times slower than using only one of them. The
engine uses SciPy's BLAS because SciPy's optimizers also use it, and because its interface can scale and add in place.
"""

import numpy as np
from scipy.linalg import blas
from scipy.sparse import issparse

GEMM = {"f": blas.sgemm, "d": blas.dgemm}
GEMV = {"f": blas.sgemv, "d": blas.dgemv}
AXPY = {"f": blas.saxpy, "d": blas.daxpy}
DOT = {"f": blas.sdot, "d": blas.ddot}


def multiply(left, right, out):
    """Compute ``out = left @ right``. `out` must be contiguous; `right` may be sparse."""
    if not out.flags.c_contiguous:
        left, right, out = right.T, left.T, out.T
    if not isinstance(right, np.ndarray) and issparse(right):
        # SciPy supports products of a sparse and a dense matrix in this order only.
        out[...] = (right.T @ left.T).T
        return
    if out.shape[1] == 1:
        # For a single sample, the matrix-vector routine is twice as fast.
        matrix, is_transposed = as_column_major(left)
        GEMV[out.dtype.char](
            1, matrix, right[:, 0], 0, out[:, 0], trans=is_transposed, overwrite_y=True
        )
        return
    # BLAS expects column-major arrays, and the transpose of a C-contiguous array is one: out.T = right.T @ left.T.
    first, first_is_transposed = as_column_major(right.T)
    second, second_is_transposed = as_column_major(left.T)
    GEMM[out.dtype.char](
        1, first, second, 0, out.T, first_is_transposed, second_is_transposed, overwrite_c=True
    )


def as_column_major(matrix):
    """Return a matrix or its transpose in column-major order, and whether it is the transpose."""
    if matrix.flags.f_contiguous:
        return matrix, 0
    if matrix.flags.c_contiguous:
        return matrix.T, 1
    return np.asfortranarray(matrix), 0


def multiply_vector(matrix, vector, out):
    """Compute ``out = matrix @ vector`` for a C-contiguous matrix."""
    GEMV[out.dtype.char](1, matrix.T, vector, 0, out, trans=1, overwrite_y=True)


def add_scaled(values, factor, total):
    """Compute ``total += factor * values`` for flat vectors."""
    if len(total):  # SciPy's interface rejects empty vectors
        AXPY[total.dtype.char](values, total, a=factor)


def sum_of_squares(values):
    """Return ``sum(values**2)`` of a flat vector."""
    return float(DOT[values.dtype.char](values, values))
