"""The kernels that a training run needs, and compilation of all kernels ahead of time."""

import tempfile
from typing import NamedTuple

from skmlp.engine.compiled import library
from skmlp.engine.compiled.inputs import SOURCE_TYPES
from skmlp.engine.compiled.network import LOSS_KERNELS
from skmlp.engine.compiled.target import get_registers
from skmlp.engine.optimizers import OPTIMIZERS
from skmlp.engine.reference.activations import ACTIVATIONS

REAL_TYPES = ("float32", "float64")
# Kernels that do not depend on the type of the weights are compiled for this one.
RUNNER = ("runner.run", "runner.run_job")
# Kernels of the thread pools, of which a process uses one.
POOLS = (
    "parallel.add_caller",
    "parallel.run_on_openblas",
    "parallel.run_on_omp",
    "parallel.run_omp_job",
)
ALWAYS = (
    "batches.transpose",
    "products.multiply",
    "activations.identity.forward",
    "activations.identity.backward",
    "losses.add_up",
    "updates.update_rows",
    "updates.zero_tiny",
)
# Kernels that are compiled for each type of the samples.
READERS = ("batches.gather", "batches.load_ahead")
SPARSE = ("gather", "scatter", "multiply", "compute_gradient", "compute_gradient_and_update")
UPDATES = ("multiply_and_update", "penalize", "limit_norms", "move_average")
BATCH_NORM = ("normalize", "normalize_backward", "update_statistics")


class KernelName(NamedTuple):
    """Name and types of a kernel, the arguments of `library.load_function`.

    Attributes
    ----------
    name : str
    real : str
    source : str
    """

    name: str
    real: str
    source: str = "float32"


def list_kernels(config, dtype):
    """Return the names of the kernels for training on dense samples of the type of the weights.

    Parameters
    ----------
    config : TrainingConfig
    dtype : dtype

    Returns
    -------
    names : list of KernelName
    """
    network, update = config.network, config.solver.update
    names = [*ALWAYS, f"losses.{LOSS_KERNELS[network.loss_name]}"]
    for activation in set(network.activations):
        names += [f"activations.{activation}.{direction}" for direction in ("forward", "backward")]
    if network.batch_norm and network.activations:
        names += [f"batch_norm.{name}" for name in BATCH_NORM]
    if network.input_dropout or any(network.dropout):
        names.append("dropout.drop")
    if config.adversarial_norm:
        names.append("adversarial.perturb")
    names.append(f"optimizers.{update.optimizer.kernel}")
    if update.max_norm is not None and network.activations:
        names.append("updates.limit_norms")
    if update.ema_decay is not None:
        names.append("updates.move_average")
    readers = ["batches.gather"]
    if update.clip_norm is None:
        names.append("updates.multiply_and_update")
        readers.append("batches.load_ahead")
    else:
        names.append("updates.penalize")
    real = dtype.name
    return [
        *(KernelName(name, real, real) for name in readers),
        *(KernelName(name, "float32") for name in RUNNER),
        *(KernelName(name, real) for name in names),
    ]


def list_all_kernels(real_types=REAL_TYPES):
    """Return the names of all kernels for some types of the weights, as a list of KernelName."""
    names = [*ALWAYS, "dropout.drop", "adversarial.perturb"]
    names += [f"sparse.{name}" for name in SPARSE]
    names += [f"losses.{kernel}" for kernel in LOSS_KERNELS.values()]
    names += [f"batch_norm.{name}" for name in BATCH_NORM]
    names += [f"optimizers.{optimizer.kernel}" for optimizer in OPTIMIZERS]
    names += [f"updates.{name}" for name in UPDATES]
    for activation in ACTIVATIONS:
        if activation != "identity":
            names += [f"activations.{activation}.{way}" for way in ("forward", "backward")]
    kernels = [KernelName(name, "float32") for name in (*RUNNER, *POOLS)]
    for real in real_types:
        kernels += [KernelName(name, real) for name in names]
        kernels += [KernelName(name, real, source) for source in SOURCE_TYPES for name in READERS]
    return kernels


def list_prediction_kernels(activations, dtype):
    """Return the names of the kernels for prediction on dense samples of the type of the weights."""
    names = ["batches.transpose", "products.multiply", "activations.identity.forward"]
    names += [f"activations.{activation}.forward" for activation in set(activations)]
    real = dtype.name
    return [
        KernelName("batches.gather", real, real),
        *(KernelName(name, "float32") for name in RUNNER),
        *(KernelName(name, real) for name in names),
    ]


def are_loaded(kernels):
    """Return whether all kernels are loaded in this process."""
    return all(library.make_symbol(*kernel) in library.loaded for kernel in kernels)


def has_fast_arithmetic():
    """Return whether the processor has instructions for fused multiply-adds of vectors, on which kernels depend."""
    return get_registers().has_multiply_add


def are_cached(kernels):
    """Return whether all kernels are loaded or in the cache on disk."""
    return all(library.is_cached(*kernel) for kernel in kernels)


def store_kernels(kernels, on_kernel=None):
    """Compile the kernels that the cache on disk lacks, and store them.

    Parameters
    ----------
    kernels : list of KernelName
    on_kernel : callable, default=None
        See `skmlp.compile_kernels`.

    Returns
    -------
    directory : Path
        Directory of the compiled kernels.

    Raises
    ------
    OSError
        If a kernel is missing and the directory cannot be written.
    """
    directory = library.get_cache_directory()
    missing = [
        kernel
        for kernel in kernels
        if library.read_object_code(library.make_symbol(*kernel)) is None
    ]
    if missing:
        check_writable(directory)
    for n_done, kernel in enumerate(missing):
        if on_kernel is not None:
            on_kernel(n_done, len(missing), kernel.name)
        library.store_kernel(*kernel)
    if on_kernel is not None:
        on_kernel(len(missing), len(missing), "")
    return directory


def check_writable(directory):
    """Make a directory, and raise an OSError that names it if files cannot be written there."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(directory)) from error
