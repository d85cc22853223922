"""The passes over memory that are no matrix products, twice under the same names: in NumPy, and compiled by numba.

What NumPy does in several passes, a compiled loop does in one. numba comes with the extra ``skmlp[fast]``; loading it
takes some tenths of a second, which small trainings never win back.
"""

import importlib
import os
from functools import cache
from importlib.util import find_spec

KERNEL_SETS = ("numpy", "numba")
ENVIRONMENT_VARIABLE = "SKMLP_KERNELS"
# Weights times samples of an epoch, from which compiled kernels pay for being loaded within some epochs.
LARGE_WORK = 2 * 10**9

_chosen = None


def set_kernels(name):
    """Choose what computes the passes of a training that are no matrix products.

    Predictions always take NumPy. The two sets agree to rounding, not to the last bit.

    Parameters
    ----------
    name : {"auto", "numpy", "numba"} or None
        "auto" takes numba where it is installed and an epoch is large enough to pay for loading it. None goes back to
        the environment variable ``SKMLP_KERNELS``, which stands for "auto" where it is not set.

    Raises
    ------
    ValueError
        If there is no such set.
    ImportError
        If numba is asked for and not installed.

    Examples
    --------
    >>> from skmlp import get_kernels, set_kernels
    >>> set_kernels("numpy")
    >>> get_kernels()
    'numpy'
    >>> set_kernels(None)
    """
    global _chosen
    if name is not None:
        check_name(name, "set_kernels")
    _chosen = name


def get_kernels():
    """Give what was chosen: "auto", "numpy" or "numba".

    Returns
    -------
    name : str
        By :func:`set_kernels`, else by the environment variable ``SKMLP_KERNELS``, else "auto".

    Raises
    ------
    ValueError
        If the environment variable names no set.
    ImportError
        If it asks for numba, which is not installed.
    """
    if _chosen is not None:
        return _chosen
    name = os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
    check_name(name, f"The environment variable {ENVIRONMENT_VARIABLE}")
    return name


def check_name(name, source):
    """Refuse what is no name of a set, and a set that is not installed."""
    if name not in ("auto", *KERNEL_SETS):
        raise ValueError(
            f"{source} must be 'auto' or one of {', '.join(map(repr, KERNEL_SETS))}. Got {name!r}."
        )
    if name == "numba" and not numba_is_installed():
        raise ImportError(
            f"{source} asks for the kernels of numba, which is not installed. Install it, pip install 'skmlp[fast]', "
            "or choose 'auto' or 'numpy'."
        )


@cache
def numba_is_installed():
    """Find out whether numba could be imported, without importing it."""
    return find_spec("numba") is not None


def kernels_for(work, earlier=None):
    """Name the set for a training: the chosen one; by "auto" the one it began with, or what suits the work.

    Parameters
    ----------
    work : int
        Number of weights times number of samples of an epoch.
    earlier : str or None
        The set that the training began with.
    """
    name = get_kernels()
    if name != "auto":
        return name
    if earlier is not None and (earlier != "numba" or numba_is_installed()):
        return earlier
    return "numba" if work >= LARGE_WORK and numba_is_installed() else "numpy"


def load_kernels(name):
    """Give the module of a set."""
    return importlib.import_module(f"skmlp.engine.kernels.{name}_kernels")
