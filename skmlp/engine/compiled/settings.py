"""Constants that kernels and their callers share, in a module that does not import numba."""

# Settings of an optimizer; the coefficients of its named tuple follow.
GRADIENT_SCALE, L2, DECAY, COEFFICIENTS = range(4)
MAX_COEFFICIENTS = 5
N_SETTINGS = COEFFICIENTS + MAX_COEFFICIENTS

# Up to this number of threads, each gathers all samples of a batch into a copy of its own, because reading those that
# another core has gathered takes longer.
MAX_COPIES = 2

# Settings of a loss.
TOTAL_WEIGHT, SMOOTHING = range(2)
N_LOSS_SETTINGS = 2

# Memory of a thread for copies of weights, and for rows of the gradient.
MAX_WORK_BYTES = 2**22

# Rows of the gradient that a thread computes before it updates them, a multiple of the height of the tallest tile.
BLOCK_ROWS = 24

# Activations whose forward kernel stores the derivative for the backward kernel, which otherwise computes it from a.
WITH_STORED_DERIVATIVE = frozenset({"gelu", "silu"})
