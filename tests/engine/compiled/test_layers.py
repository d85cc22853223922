"""Buffers of the layers: kernels process whole vectors, and must not read or write beyond the memory of an array."""

import numpy as np
import pytest

pytest.importorskip("numba")

from skmlp.engine.compiled.layers import BatchShape, Dense


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_units", [1, 15, 16, 17, 21])
@pytest.mark.parametrize("n_samples", [1, 16, 33])
def test_outputs_are_followed_by_memory_for_whole_vectors_of_units(dtype, n_units, n_samples):
    shape = BatchShape(n_samples, np.dtype(dtype))
    weights, biases = np.zeros((n_units, 3), dtype), np.zeros(n_units, dtype)
    layer = Dense(shape, weights, biases, "relu", (weights.copy(), biases.copy()))
    memory = layer.out
    while memory.base is not None:
        memory = memory.base
    # `Dense.transpose` reads as many rows as there are columns of `samples`.
    n_bytes_read = layer.samples.shape[1] * layer.out.shape[1] * layer.out.itemsize
    assert layer.samples.shape[1] >= n_units
    end = memory.ctypes.data + memory.nbytes
    assert layer.out.ctypes.data + n_bytes_read <= end
