"""Matrix products and scaled sums of flat vectors, all from one BLAS: SciPy's.

The wheels of NumPy and SciPy each contain a BLAS with a thread pool of its own, whose idle threads spin. Using both in
turn makes the pools compete for the cores, which is many times slower than using either. SciPy's interface scales and
adds in place, and SciPy's optimizers use the same BLAS; therefore the engine never calls ``np.dot``.
"""

import numpy as np
from scipy.linalg import blas
from scipy.sparse import issparse

GEMM = {"f": blas.sgemm, "d": blas.dgemm}
GEMV = {"f": blas.sgemv, "d": blas.dgemv}
AXPY = {"f": blas.saxpy, "d": blas.daxpy}
DOT = {"f": blas.sdot, "d": blas.ddot}


def multiply(left, right, out):
    """Compute ``out = left @ right`` into a contiguous `out`, of either order; `right` may be sparse."""
    if not out.flags.c_contiguous:
        left, right, out = right.T, left.T, out.T
    if not isinstance(right, np.ndarray) and issparse(right):
        # SciPy multiplies sparse by dense, not dense by sparse.
        out[...] = (right.T @ left.T).T
        return
    if out.shape[1] == 1:
        # The matrix-vector routine is twice as fast for the single sample of a prediction.
        matrix, is_transposed = column_major(left)
        GEMV[out.dtype.char](
            1, matrix, right[:, 0], 0, out[:, 0], trans=is_transposed, overwrite_y=True
        )
        return
    # BLAS arrays are column-major; the transpose of a C-ordered array is such an array: out' = right' left'.
    first, first_is_transposed = column_major(right.T)
    second, second_is_transposed = column_major(left.T)
    GEMM[out.dtype.char](
        1, first, second, 0, out.T, first_is_transposed, second_is_transposed, overwrite_c=True
    )


def column_major(matrix):
    """Return a column-major array that holds a matrix or its transpose, and whether it is the transpose."""
    if matrix.flags.f_contiguous:
        return matrix, 0
    if matrix.flags.c_contiguous:
        return matrix.T, 1
    return np.asfortranarray(matrix), 0


def multiply_vector(matrix, vector, out):
    """Compute ``out = matrix @ vector`` for a C-ordered matrix."""
    GEMV[out.dtype.char](1, matrix.T, vector, 0, out, trans=1, overwrite_y=True)


def add_scaled(values, factor, total):
    """Compute ``total += factor * values`` on flat vectors."""
    if len(total):  # BLAS refuses empty vectors
        AXPY[total.dtype.char](values, total, a=factor)


def sum_of_squares(values):
    """Compute ``sum(values**2)`` of a flat vector."""
    return float(DOT[values.dtype.char](values, values))
