"""The kernels that a training run needs, and compilation of all kernels ahead of time."""

import tempfile
from typing import NamedTuple

import numpy as np
from scipy.sparse import issparse

from skmlp.engine.compiled import library
from skmlp.engine.compiled.inputs import (
    MAX_BYTES_AHEAD,
    Source,
    find_source,
    find_used_source,
    is_readable,
    is_readable_type,
)
from skmlp.engine.compiled.network import LOSS_KERNELS, get_divergence_kernels
from skmlp.engine.compiled.prediction import choose_source
from skmlp.engine.compiled.step import is_fused
from skmlp.engine.compiled.target import get_registers
from skmlp.engine.compiled.threads import get_thread_pool
from skmlp.engine.optimizers import OPTIMIZERS
from skmlp.engine.reference.activations import ACTIVATIONS
from skmlp.engine.sources import RowSource

REAL_TYPES = ("float32", "float64")
# The kernels in RUNNER and POOLS do not depend on the type of the weights. They are compiled for float32 only.
RUNNER = ("runner.run", "runner.run_job")
# Kernels of the thread pools, of which a process uses one.
POOLS = (
    "parallel.add_caller",
    "parallel.run_on_openblas",
    "parallel.run_on_omp",
    "parallel.run_omp_job",
)
TRAINING = (
    "activations.identity.forward",
    "activations.identity.backward",
    "losses.add_up",
    "updates.update_rows",
    "updates.zero_tiny",
)
# Kernels of products that do not skip zeros.
PRODUCTS = ("batches.transpose", "products.multiply")
# Kernels that are compiled for each type of the samples.
READERS = ("batches.gather", "batches.load_ahead", "sparse.compress")
SPARSE = (
    *("gather", "scatter", "multiply", "multiply_few"),
    *("compute_gradient", "compute_gradient_few", "compute_gradient_and_update"),
)
UPDATES = ("multiply_and_update", "penalize", "limit_norms", "move_average")
DIVERGENCE = (
    "adversarial.draw_directions",
    "losses.softmax",
    "losses.logistic_outputs",
    "losses.add_divergence",
)
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


def list_training_kernels(config, dtype, data):
    """Return the names of the kernels for a training run, without those of the thread pool.

    Parameters
    ----------
    config : TrainingConfig
    dtype : dtype
        Type of the weights.
    data : TrainingData

    Returns
    -------
    names : set of KernelName
    """
    n_samples, batch_size = len(data.samples), config.solver.batch_size
    batch_sizes = {min(batch_size, n_samples), n_samples % batch_size} - {0}
    names = set()
    reads_rows = config.augmentation is None and data.samples.extraction is None
    for source in find_sources(data.samples.X, dtype, reads_rows):
        names |= list_step_kernels(config, dtype, source, batch_sizes)
    if data.validation is not None:
        activations = config.network.activations
        names |= list_prediction_kernels(activations, dtype, data.validation, available=names)
    return names


def list_prediction_kernels(activations, dtype, samples, available=()):
    """Return the names of the kernels for prediction, without those of the thread pool.

    Parameters
    ----------
    activations : sequence of str
        Names of the activations of the hidden layers.
    dtype : dtype
        Type of the weights.
    samples : Samples
    available : collection of KernelName, default=()
        Kernels that are loaded before the prediction, in addition to those that are loaded now.

    Returns
    -------
    names : set of KernelName
    """
    names = ["batches.transpose", "activations.identity.forward"]
    names += [f"activations.{activation}.forward" for activation in activations]
    kernels = {KernelName(name, dtype.name) for name in names}
    kernels |= {KernelName(name, "float32") for name in RUNNER}
    for source in find_sources(samples.X, dtype, reads_rows=samples.extraction is None):
        source = choose_source(source, dtype, available)
        kernels |= list_readers(source, dtype)
        kernels |= list_products(source, dtype, has_hidden_layers=bool(activations))
    return kernels


def find_sources(X, dtype, reads_rows=True):
    """Return the kinds of the arrays of samples from which kernels read rows of X, as a list of Source.

    Parameters
    ----------
    X : ndarray, CSR matrix or RowSource
    dtype : dtype
        Type of the weights.
    reads_rows : bool, default=True
        Whether kernels read the rows of X if they can. Otherwise, and if X has another type or memory order, they read
        copies of the rows, which have the type of the weights.
    """
    if reads_rows and is_readable(X, dtype):
        return [find_source(X)]
    if reads_rows and not issparse(X):
        source, copied = find_source(X), find_source(X)._replace(dtype=dtype.name)
        # Kernels read the windows of a BlockOrder.
        is_loaded = isinstance(X, RowSource) and is_readable_type(X.dtype, dtype)
        return [copied, source] if is_loaded and source != copied else [copied]
    layout = "csr" if issparse(X) else "dense"  # the densities of the batches differ
    return [Source(dtype.name, layout, is_low_density) for is_low_density in (False, True)]


def list_step_kernels(config, dtype, source, batch_sizes):
    """Return the names of the kernels for steps on batches of some sizes, as a set of KernelName.

    Parameters
    ----------
    config : TrainingConfig
    dtype : dtype
        Type of the weights.
    source : Source
        Kind of the samples.
    batch_sizes : set of int
    """
    network, update = config.network, config.solver.update
    source = find_used_source(source, network.input_dropout or config.perturbs_samples)
    has_hidden_layers = bool(network.activations)
    names = [*TRAINING, f"losses.{LOSS_KERNELS[network.loss_name]}"]
    for activation in network.activations:
        names += [f"activations.{activation}.{direction}" for direction in ("forward", "backward")]
    if network.batch_norm and has_hidden_layers:
        names += [f"batch_norm.{name}" for name in BATCH_NORM]
    if any(network.dropout) or (network.input_dropout and source.format == "dense"):
        names.append("dropout.drop")
    if config.perturbs_samples:
        names.append("adversarial.move")
    if config.virtual_adversarial_norm:
        names += ["adversarial.draw_directions", "losses.add_divergence"]
        names += [f"losses.{kernel}" for kernel in get_divergence_kernels(network)]
    fused_sizes = [size for size in batch_sizes if is_fused(config, size)]
    names += list_update_names(network, update, source, is_fused=bool(fused_sizes))
    kernels = {KernelName(name, dtype.name) for name in names}
    kernels |= {KernelName(name, "float32") for name in RUNNER}
    kernels |= list_readers(source, dtype) | list_products(source, dtype, has_hidden_layers)
    bytes_per_sample = network.layout.layer_sizes[0] * np.dtype(source.dtype).itemsize
    if source.format == "dense" and any(
        size * bytes_per_sample <= MAX_BYTES_AHEAD for size in fused_sizes
    ):
        kernels.add(KernelName("batches.load_ahead", dtype.name, source.dtype))
    return kernels


def list_update_names(network, update, source, *, is_fused):
    """Return the names, without types, of the kernels for the gradient of the weights and the update.

    Parameters
    ----------
    network : NetworkConfig
    update : Update
    source : Source
        Kind of the samples.
    is_fused : bool
        Whether there are steps that update the weights while they compute the gradient.
    """
    names = [f"optimizers.{update.optimizer.kernel}"]
    if update.clip_norm is not None:
        names.append("updates.penalize")
    if update.max_norm is not None and network.activations:
        names.append("updates.limit_norms")
    if update.ema_decay is not None:
        names.append("updates.move_average")
    if source.is_low_density:
        names.append("sparse.compute_gradient")
        if source.format == "csr":
            names.append("sparse.compute_gradient_few")
    if is_fused and source.is_low_density:
        names.append("sparse.compute_gradient_and_update")
    if is_fused and (network.activations or not source.is_low_density):
        names.append("updates.multiply_and_update")
    return names


def list_readers(source, dtype):
    """Return the names of the kernels that gather samples from a Source, as a set of KernelName."""
    if source.format == "dense":
        name = "sparse.compress" if source.is_low_density else "batches.gather"
        return {KernelName(name, dtype.name, source.dtype)}
    names = ["sparse.gather"] if source.is_low_density else ["sparse.gather", "sparse.scatter"]
    return {KernelName(name, dtype.name) for name in names}


def list_products(source, dtype, has_hidden_layers):
    """Return the names of the kernels for the products in the forward and backward pass, as a set of KernelName."""
    names = []
    if source.is_low_density:
        names += ["sparse.multiply", "batches.transpose"]
        if source.format == "csr":
            names.append("sparse.multiply_few")
    if has_hidden_layers or not source.is_low_density:
        names += PRODUCTS
    return {KernelName(name, dtype.name) for name in names}


def list_all_kernels(real_types=REAL_TYPES):
    """Return the names of all kernels for some types of the weights, as a list of KernelName."""
    names = [*TRAINING, *PRODUCTS, *DIVERGENCE, "dropout.drop", "adversarial.move"]
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
        kernels += [KernelName(name, real, dtype) for dtype in (real, "uint8") for name in READERS]
    return kernels


def are_loaded(kernels):
    """Return whether all kernels are loaded in this process."""
    return all(library.make_symbol(*kernel) in library.loaded for kernel in kernels)


def has_fast_arithmetic():
    """Return whether the processor has instructions for fused multiply-adds of vectors, on which kernels depend."""
    return get_registers().has_multiply_add


def are_cached(kernels):
    """Return whether all kernels, and those of the thread pool, are loaded or in the cache on disk."""
    if not all(library.is_cached(*kernel) for kernel in kernels):
        return False
    try:
        with library.cached_kernels_only():
            get_thread_pool()
    except LookupError:
        return False
    return True


def store_kernels(kernels, on_kernel=None):
    """Compile the kernels that the cache on disk lacks, and store them.

    Parameters
    ----------
    kernels : iterable of KernelName
    on_kernel : callable, default=None
        See `skmlp.compile_kernels`.

    Returns
    -------
    directory : Path
        Directory of the compiled kernels.

    Raises
    ------
    OSError
        If a kernel is missing and the directory cannot be written, or if there is no directory.
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
