"""Selection of the training backend and its element-wise kernels, which use NumPy or numba.

numba is installed by the extra ``skmlp[fast]``. Importing it takes a few tenths of a second, which only large problems
offset.
"""

import importlib
import multiprocessing
import os
from functools import cache
from importlib.util import find_spec
from typing import Literal

from skmlp.engine.reference.backend import ReferenceBackend

KERNEL_SETS = ("numpy", "numba")
ENVIRONMENT_VARIABLE = "SKMLP_KERNELS"
# Number of weights times number of samples per epoch from which compiled kernels save their import time within a few
# epochs.
LARGE_WORK = 2 * 10**9

# Selected by `set_kernels` in this process, and in the parent process of a worker.
selected_kernels: str | None = None
inherited_kernels: str | None = None


def set_kernels(name: Literal["auto", "numpy", "numba"] | None) -> None:
    """Select the element-wise kernels for training.

    Prediction always uses NumPy. The results of the two kernel sets agree up to rounding errors, but are not
    bit-identical. The selection also applies to the joblib worker processes that receive an
    :class:`skmlp.MLPDigitClassifier`.

    Parameters
    ----------
    name : {'auto', 'numpy', 'numba'} or None
        The kernel set. 'auto' uses numba if it is installed and an epoch is large enough to offset its import time.
        None restores the default: the environment variable ``SKMLP_KERNELS`` if it is set, 'auto' otherwise.

    Raises
    ------
    ValueError
        If `name` is not a kernel set.
    ImportError
        If `name` is 'numba' and numba is not installed.

    See Also
    --------
    get_kernels : Return the current selection.

    Examples
    --------
    >>> from skmlp import get_kernels, set_kernels
    >>> set_kernels("numpy")
    >>> get_kernels()
    'numpy'
    >>> set_kernels(None)
    """
    global selected_kernels
    if name is not None:
        check_kernel_set(name, "The argument of set_kernels")
    selected_kernels = name


def get_kernels() -> Literal["auto", "numpy", "numba"]:
    """Return the current selection of element-wise kernels.

    Returns
    -------
    name : {'auto', 'numpy', 'numba'}
        The kernel set selected by :func:`set_kernels` or, if there is none, by the environment variable
        ``SKMLP_KERNELS``; 'auto' if neither is set.

    Raises
    ------
    ValueError
        If the value of the environment variable is not a kernel set.
    ImportError
        If numba is selected but not installed.

    See Also
    --------
    set_kernels : Select the element-wise kernels for training, with an example.
    """
    name, source = get_explicit_kernels(), "The argument of set_kernels"
    if name is None:
        name = os.environ.get(ENVIRONMENT_VARIABLE) or "auto"
        source = f"The environment variable {ENVIRONMENT_VARIABLE}"
    check_kernel_set(name, source)
    return name


def get_explicit_kernels():
    """Return the kernel set selected in this process or inherited from its parent, or None."""
    return inherited_kernels if selected_kernels is None else selected_kernels


def inherit_kernels(name):
    """Adopt the kernel set of the parent process if this is a worker process; otherwise do nothing.

    Estimators include the selection in their pickles so that it reaches workers that were started earlier. Loading a
    pickle in an ordinary process must not change the selection.
    """
    global inherited_kernels
    if multiprocessing.parent_process() is not None:
        inherited_kernels = name


def check_kernel_set(name, source):
    """Raise an error unless a name is "auto" or an installed kernel set."""
    if name not in ("auto", *KERNEL_SETS):
        raise ValueError(
            f"{source} must be 'auto' or one of {', '.join(map(repr, KERNEL_SETS))}, got {name!r}."
        )
    if name == "numba" and not numba_is_installed():
        raise ImportError(
            f"{source} is 'numba', but numba is not installed. Install it with 'pip install \"skmlp[fast]\"', or "
            "use 'auto' or 'numpy'."
        )


@cache
def numba_is_installed():
    """Return whether numba can be imported, without importing it."""
    return find_spec("numba") is not None


def choose_kernels(work, earlier=None):
    """Return the name of the kernel set for a training run.

    An explicit selection takes precedence. With "auto", a run that continues keeps its kernel set if that is installed,
    and a new run uses numba if there is enough work.

    Parameters
    ----------
    work : int
        Number of weights times number of samples per epoch.
    earlier : str, default=None
        The kernel set with which the run began; None for a new run.

    Returns
    -------
    name : {"numpy", "numba"}
    """
    name = get_kernels()
    if name != "auto":
        return name
    if earlier is not None and (earlier != "numba" or numba_is_installed()):
        return earlier
    return "numba" if work >= LARGE_WORK and numba_is_installed() else "numpy"


def load_kernels(name):
    """Import and return the module of a kernel set."""
    return importlib.import_module(f"skmlp.engine.reference.{name}_kernels")


def make_backend(config, state, n_samples):
    """Return the backend for a training run, and record its kernel set in the state.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    n_samples : int
        Number of samples per epoch.

    Returns
    -------
    backend : Backend
    """
    state.kernels = choose_kernels(config.network.layout.n_weights * n_samples, state.kernels)
    return ReferenceBackend(config, state, load_kernels(state.kernels))
