"""The reference backend: a network of layers, whose element-wise kernels are NumPy's or compiled by numba."""
