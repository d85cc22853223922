"""The reference backend: a network of layers in NumPy, whose matrix products BLAS computes."""
