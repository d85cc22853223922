"""Environment variables of the benchmarks."""

import os
import sys

# They make OpenBLAS use kernels for another processor, and have no effect on JAX and PyTorch.
OPENBLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def remove_openblas_variables():
    """Restart the program without the variables that select the kernels of OpenBLAS, if one of them is set.

    OpenBLAS reads them when it is loaded. The processes that the program starts inherit the environment.
    """
    removed = [name for name in OPENBLAS_VARIABLES if name in os.environ]
    if removed:
        print(f"Restarting without {', '.join(removed)}", file=sys.stderr, flush=True)
        environment = {name: value for name, value in os.environ.items() if name not in removed}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)
