"""The choice of the backend that trains, and of its element-wise kernels: NumPy's, or those compiled by numba.

numba is installed by the extra ``skmlp[fast]``. Importing it takes some tenths of a second, which pays off only where
there is enough to compute.
"""

import importlib
import multiprocessing
import os
from functools import cache
from importlib.util import find_spec

from skmlp.engine.reference.backend import ReferenceBackend

KERNEL_SETS = ("numpy", "numba")
ENVIRONMENT_VARIABLE = "SKMLP_KERNELS"
# Weights times samples of an epoch, from which compiled kernels pay for their import within a few epochs.
LARGE_WORK = 2 * 10**9

# The name that `set_kernels` chose in this process, and the one chosen in the process that started this one.
_chosen = None
_inherited = None


def set_kernels(name):
    """Choose the element-wise kernels for training.

    Prediction always uses NumPy. The two sets agree to rounding, not to the last bit. The choice also holds in the
    worker processes to which joblib sends an :class:`skmlp.MLPDigitClassifier`.

    Parameters
    ----------
    name : {"auto", "numpy", "numba"} or None
        "auto" uses numba if it is installed and an epoch is large enough to pay for importing it. None returns to the
        environment variable ``SKMLP_KERNELS``, whose default is "auto".

    Raises
    ------
    ValueError
        If there is no such set.
    ImportError
        If numba is chosen but not installed.

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
    """Return the current choice of element-wise kernels.

    Returns
    -------
    name : {"auto", "numpy", "numba"}
        As chosen by :func:`set_kernels`, else by the environment variable ``SKMLP_KERNELS``, else "auto".

    Raises
    ------
    ValueError
        If the environment variable names no set.
    ImportError
        If it names numba, which is not installed.
    """
    chosen = explicit_choice()
    if chosen is not None:
        check_name(chosen, "set_kernels")
        return chosen
    name = os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
    check_name(name, f"The environment variable {ENVIRONMENT_VARIABLE}")
    return name


def explicit_choice():
    """Return the name that `set_kernels` chose, here or in the process that sent work to this one; None if none."""
    return _inherited if _chosen is None else _chosen


def inherit_choice(name):
    """Use the choice of the parent process, if this is a worker process; otherwise do nothing.

    Estimators carry the choice when they are pickled, so that it arrives in workers that were started before it was
    made. Loading a pickle in an ordinary process must not change its choice.
    """
    global _inherited
    if multiprocessing.parent_process() is not None:
        _inherited = name


def check_name(name, source):
    """Raise an error for a name that is no set of kernels, and for a set that is not installed."""
    if name not in ("auto", *KERNEL_SETS):
        raise ValueError(
            f"{source} must be 'auto' or one of {', '.join(map(repr, KERNEL_SETS))}. Got {name!r}."
        )
    if name == "numba" and not numba_is_installed():
        raise ImportError(
            f"{source} asks for the kernels compiled by numba, which is not installed. Install it with "
            "pip install 'skmlp[fast]', or choose 'auto' or 'numpy'."
        )


@cache
def numba_is_installed():
    """Return whether numba can be imported, without importing it."""
    return find_spec("numba") is not None


def kernels_for(work, earlier=None):
    """Return the name of the set of kernels for a training.

    It is the chosen one. With "auto", a training continues with the set it began with; a new one uses the set that
    suits the amount of work.

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
    """Import the module of a set of kernels."""
    return importlib.import_module(f"skmlp.engine.reference.{name}_kernels")


def make_backend(config, state, n_samples):
    """Return the backend for a training, and record its kernels in the state.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    n_samples : int
        Number of samples of an epoch.

    Returns
    -------
    backend : Backend
    """
    state.kernels = kernels_for(config.network.layout.n_weights * n_samples, state.kernels)
    return ReferenceBackend(config, state, load_kernels(state.kernels))
