"""Matrix products and scaled sums of flat vectors, all from one BLAS: SciPy's.

The wheels of NumPy and SciPy each carry a BLAS with a pool of threads of its own, whose idle members spin. Calling both
in turn makes the pools fight for the cores, many times slower than either. SciPy's can scale and add in place, and its
optimizers use it: so the engine calls no ``np.dot``.
"""

import numpy as np
from scipy.linalg import blas
from scipy.sparse import issparse

GEMM = {"f": blas.sgemm, "d": blas.dgemm}
GEMV = {"f": blas.sgemv, "d": blas.dgemv}
AXPY = {"f": blas.saxpy, "d": blas.daxpy}
DOT = {"f": blas.sdot, "d": blas.ddot}


def multiply(left, right, out):
    """Compute ``out = left @ right`` into a C-ordered `out`; `right` may be sparse."""
    if not isinstance(right, np.ndarray) and issparse(right):
        # SciPy multiplies sparse by dense, not dense by sparse.
        out[...] = (right.T @ left.T).T
        return
    if out.shape[1] == 1:
        # A matrix times a vector asks for another routine, twice as fast on the one sample of a prediction.
        matrix, is_transposed = by_columns(left)
        GEMV[out.dtype.char](
            1, matrix, right[:, 0], 0, out[:, 0], trans=is_transposed, overwrite_y=True
        )
        return
    # BLAS orders by columns; the transpose of a C-ordered array is such an array: out' = right' left'.
    first, first_is_transposed = by_columns(right.T)
    second, second_is_transposed = by_columns(left.T)
    GEMM[out.dtype.char](
        1, first, second, 0, out.T, first_is_transposed, second_is_transposed, overwrite_c=True
    )


def by_columns(matrix):
    """Give an array in BLAS's order that holds a matrix or its transpose, and which of the two."""
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
    if len(total):  # BLAS refuses to add nothing
        AXPY[total.dtype.char](values, total, a=factor)


def sum_of_squares(values):
    """Compute ``sum(values**2)`` of a flat vector."""
    return float(DOT[values.dtype.char](values, values))
