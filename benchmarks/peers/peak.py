"""The peak of the machine: as many fused multiply-adds as the matrix products, in registers, on all cores."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from peers import N_CLASSES, Peer

N_ACCUMULATORS = 12  # enough to hide the latency of a multiply-add, and few enough for 16 registers
VECTOR_BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") else 32
FLOAT_TYPES = {"float32": (ir.FloatType(), 4), "float64": (ir.DoubleType(), 8)}


class Peak(Peer):
    """A loop of fused multiply-adds that reads no memory."""

    trains = False
    predicts = False

    def __init__(self, config):
        super().__init__(config)
        self._n_threads = numba.get_num_threads()
        self._pool = ThreadPoolExecutor(self._n_threads)
        self._multiply_add, self._n_lanes = make_loop(config.dtype)

    def fit(self, X, y, epochs):
        """Compute as many multiply-adds as the products of all training steps. The values of X and y are not used."""
        sizes = X.shape[1], *self.config.hidden, N_CLASSES
        # Three products per layer, two for the first one
        products_per_sample = 3 * sum(a * b for a, b in pairwise(sizes)) - sizes[0] * sizes[1]
        self._run(epochs * len(X) * products_per_sample)

    def predict_proba(self, X):
        """Compute as many multiply-adds as the products of prediction."""
        sizes = X.shape[1], *self.config.hidden, N_CLASSES
        self._run(len(X) * sum(a * b for a, b in pairwise(sizes)))

    def _run(self, n_multiply_adds):
        n_iterations = n_multiply_adds // (self._n_threads * N_ACCUMULATORS * self._n_lanes)
        list(self._pool.map(self._multiply_add, [n_iterations] * self._n_threads))


def make_loop(dtype):
    """Return a compiled function that runs a number of iterations of multiply-adds, and its number of lanes."""
    scalar, n_bytes = FLOAT_TYPES[dtype]
    n_lanes = VECTOR_BYTES // n_bytes
    vector = ir.VectorType(scalar, n_lanes)

    @intrinsic
    def multiply_add(typing_context, n_iterations):
        def generate(context, builder, signature, arguments):
            kind = ir.FunctionType(vector, [vector] * 3)
            name = f"llvm.fma.v{n_lanes}f{8 * n_bytes}"
            fma = cgutils.get_or_insert_function(builder.module, kind, name)
            # Factors below 1, so that the sums stay normal numbers
            factor = ir.Constant(vector, [0.5] * n_lanes)
            sums = [cgutils.alloca_once(builder, vector) for _ in range(N_ACCUMULATORS)]
            for i, each in enumerate(sums):
                builder.store(ir.Constant(vector, [1.0 + i] * n_lanes), each)
            with cgutils.for_range(builder, arguments[0]):
                for each in sums:
                    builder.store(builder.call(fma, [builder.load(each), factor, factor]), each)
            # The result depends on all sums, so that none of them is removed.
            total = builder.load(sums[0])
            for each in sums[1:]:
                total = builder.fadd(total, builder.load(each))
            first = builder.extract_element(total, ir.Constant(ir.IntType(32), 0))
            return builder.fpext(first, ir.DoubleType()) if n_bytes == 4 else first

        return types.float64(n_iterations), generate

    @numba.njit(nogil=True)
    def run(n_iterations):
        return multiply_add(n_iterations)

    run(1)
    return run, n_lanes
