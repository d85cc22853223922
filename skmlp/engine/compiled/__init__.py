"""The compiled backend: a training step without BLAS, in kernels that numba compiles for the processor at hand."""
