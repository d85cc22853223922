"""The reference backend: a network of layers with element-wise kernels in NumPy or numba."""
