"""Selection of the training backend by the name of its kernels, which use NumPy or are compiled by numba.

numba is installed by the extra ``skmlp[fast]``. The kernels are compiled once per user, processor and version.
Compiling and loading them takes time, so that they are used for large problems only.
"""

import math
import multiprocessing
import os
from functools import cache
from importlib.util import find_spec
from typing import Literal

from skmlp.engine.reference.backend import ReferenceBackend, ReferencePredictor
from skmlp.engine.reference.network import fold_batch_norm
from skmlp.exceptions import warn_caller

KERNEL_SETS = ("numpy", "numba")
ENVIRONMENT_VARIABLE = "SKMLP_KERNELS"

# Estimates, in seconds on two cores: the time that compiled kernels save per step, and per weight and sample; the time
# to load them, and to compile those of a training run.
SAVED_PER_STEP = 60e-6
SAVED_PER_WEIGHT_AND_SAMPLE = 3e-11
LOADING_TIME = 0.15
COMPILING_TIME = 3.0
# Training usually stops before the maximum number of epochs, by early stopping or because the loss does not improve,
# unless it is set to train all epochs.
MAX_EXPECTED_EPOCHS = 20
# Weights times samples from which compiled kernels predict faster than NumPy, in spite of allocating their buffers.
LARGE_PREDICTION = 2 * 10**7

# Selected by `set_kernels` in this process, and in the parent process of a worker.
selected_kernels: str | None = None
inherited_kernels: str | None = None


def set_kernels(name: Literal["auto", "numpy", "numba"] | None) -> None:
    """Select the kernels for training.

    With 'numpy', a training step consists of operations of NumPy and BLAS. With 'numba', it is compiled as a whole.
    The solver 'lbfgs' always uses NumPy and BLAS, which are faster for a batch of all samples. Prediction uses compiled
    kernels only for many samples, and with 'auto' only if they are already loaded in this process, usually by training.

    The results of the two kernel sets agree up to rounding errors, but are not bit-identical. With compiled kernels,
    they are bit-identical for any number of threads; with NumPy, they may depend on it, because BLAS divides sums among
    threads. The selection also applies to the joblib worker processes that receive an
    :class:`skmlp.MLPDigitClassifier`.

    Parameters
    ----------
    name : {'auto', 'numpy', 'numba'} or None
        The kernel set. 'auto' uses numba if it is installed and is expected to save more time than loading the kernels
        takes, a fraction of a second; or compiling them, a few seconds, if the cache on disk does not contain them.
        :func:`skmlp.compile_kernels` fills the cache. If numba cannot be imported, 'auto' issues a warning and uses
        NumPy, and training with 'numba' raises an ImportError. None restores the default: the environment variable
        ``SKMLP_KERNELS`` if it is set, 'auto' otherwise.

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
    """Return the current selection of the kernels for training.

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
    set_kernels : Select the kernels for training, with an example.
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


def choose_kernels(config, dtype, data, earlier=None):
    """Return the name of the kernel set for a training run.

    An explicit selection takes precedence. With "auto", a run that continues keeps its kernel set if that is installed,
    and a new run uses numba if this is expected to save time. If numba cannot be imported, NumPy replaces it.

    Parameters
    ----------
    config : TrainingConfig
    dtype : dtype
        Type of the weights.
    data : TrainingData
    earlier : str, default=None
        The kernel set with which the run began; None for a new run.

    Returns
    -------
    name : {"numpy", "numba"}
    """
    if config.solver.uses_full_batches or get_kernels() != "auto":
        return continue_kernels(config, earlier)
    if earlier is None:
        saved = estimate_saved_time(config, len(data.samples))
    else:
        saved = math.inf if continue_kernels(config, earlier) == "numba" else -math.inf
    if saved < LOADING_TIME or not numba_is_installed() or not can_import("catalog"):
        return "numpy"
    catalog = import_compiled("catalog")
    if earlier is None and not catalog.has_fast_arithmetic():
        return "numpy"
    if catalog.are_cached(catalog.list_training_kernels(config, dtype, data)):
        return "numba"
    return "numba" if saved >= COMPILING_TIME and can_import("kernels") else "numpy"


def choose_cluster_kernels(config, n_samples, earlier=None):
    """Return the name of the kernel set with which all workers of a cluster train.

    As `choose_kernels`, but the workers may have to compile the kernels.
    """
    if earlier is not None or get_kernels() != "auto":
        return continue_kernels(config, earlier)
    saves_time = estimate_saved_time(config, n_samples) >= COMPILING_TIME
    if not saves_time or not numba_is_installed() or not can_import("kernels"):
        return "numpy"
    return "numba" if import_compiled("catalog").has_fast_arithmetic() else "numpy"


def continue_kernels(config, earlier):
    """Return the kernel set with which a training run continues: the explicit selection, or the earlier set.

    NumPy replaces numba if that is not installed here, or if the solver uses full batches.
    """
    if config.solver.uses_full_batches:
        return "numpy"
    name = get_kernels()
    if name != "auto":
        return name
    return earlier if earlier != "numba" or numba_is_installed() else "numpy"


def estimate_saved_time(config, n_samples):
    """Return an estimate of the seconds that compiled kernels save in a training run."""
    n_epochs = config.solver.max_epochs
    if not config.solver.trains_all_epochs:
        n_epochs = min(n_epochs, MAX_EXPECTED_EPOCHS)
    n_steps = -(-n_samples // config.solver.batch_size)
    work = config.network.layout.n_weights * n_samples
    return n_epochs * (n_steps * SAVED_PER_STEP + work * SAVED_PER_WEIGHT_AND_SAMPLE)


def import_compiled(name):
    """Import and return a module of the compiled backend; raise ImportError if numba cannot be imported."""
    from skmlp.engine.compiled import library

    return library.import_compiled(name)


def can_import(name):
    """Return whether a module of the compiled backend can be imported; warn once if it cannot."""
    message = find_import_error(name)
    if message is not None:
        warn_once(f"{message} This process uses NumPy.")
    return message is None


@cache
def find_import_error(name):
    """Return the message of the error that importing a module of the compiled backend raises, or None."""
    try:
        import_compiled(name)
    except ImportError as error:
        return str(error)
    return None


@cache
def warn_once(message):
    """Issue a warning, unless this process has issued the same warning before."""
    warn_caller(message)


def make_backend(config, state, data):
    """Return the backend for a training run, and record its kernel set in the state.

    A solver that evaluates all samples at once always uses NumPy.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState
    data : TrainingData

    Returns
    -------
    backend : Backend
    """
    state.kernels = choose_kernels(config, state.weights.theta.dtype, data, state.kernels)
    if state.kernels == "numba":
        return import_compiled("backend").CompiledBackend(config, state)
    return ReferenceBackend(config, state)


def make_gradient_backend(config, state):
    """Return a backend that computes gradients, and performs steps with given gradients, on workers of a cluster.

    It always uses NumPy: each gradient requires a new backend, and preparing a compiled step takes longer.

    Parameters
    ----------
    config : TrainingConfig
    state : TrainState

    Returns
    -------
    backend : ReferenceBackend
    """
    return ReferenceBackend(config, state)


def make_predictor(activations, parameters, statistics, samples):
    """Return an object whose method ``logits(batch)`` returns the logits of a batch, of shape (n_outputs, batch_size).

    It uses compiled kernels if there are many samples and the kernels are selected explicitly or loaded already.

    Parameters
    ----------
    activations : sequence of str
        Names of the activations of the hidden layers.
    parameters : Views
    statistics : StatisticsViews
    samples : Samples

    Returns
    -------
    predictor : ReferencePredictor or compiled.prediction.Predictor
    """
    dtype = parameters.weights[0].dtype
    n_weights = sum(weights.size for weights in parameters.weights)
    is_large = n_weights * len(samples) >= LARGE_PREDICTION
    if is_large and uses_compiled_prediction(activations, dtype, samples):
        parameters = fold_batch_norm(parameters, statistics)
        return import_compiled("prediction").Predictor(activations, parameters, dtype)
    return ReferencePredictor(activations, parameters, statistics)


def uses_compiled_prediction(activations, dtype, samples):
    """Return whether compiled kernels for prediction are selected explicitly or loaded already."""
    name = get_kernels()
    if name != "auto":
        return name == "numba"
    if not import_compiled("library").loaded:
        return False
    catalog = import_compiled("catalog")
    return catalog.are_loaded(catalog.list_prediction_kernels(activations, dtype, samples))
