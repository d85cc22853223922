"""Facts about the installation for reports of problems: machine, BLAS, kernels and versions."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from skmlp.machine import (
    count_usable_cores,
    find_blas_libraries,
    find_processor,
    find_processor_features,
    find_unused_instruction_set,
    select_openblas_cores,
)

PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "numba", "llvmlite"),
    *("jinja2", "matplotlib", "pillow", "rich", "safetensors", "dask", "distributed"),
)
CORE_VARIABLE = "OPENBLAS_CORETYPE"
# Environment variables that change the speed or the location of files.
VARIABLES = (
    *("SKMLP_KERNELS", "SKMLP_CACHE_DIR"),
    *(CORE_VARIABLE, "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"),
    *("MKL_NUM_THREADS", "BLIS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"),
)
NOT_INSTALLED = "not installed"


def show_versions() -> None:
    """Print the versions and settings of the installation, for reports of problems.

    These are the processor, the BLAS libraries of NumPy and SciPy, the kernels for training, environment variables that
    influence them, and the versions of Python and of the packages. A warning is printed if OpenBLAS uses kernels that
    are slower than those for the processor. The command ``skmlp info --versions`` prints the same.

    See Also
    --------
    get_kernels : Return the current selection of kernels.
    compile_kernels : Compile the kernels for training ahead of time.

    Examples
    --------
    >>> import skmlp
    >>> skmlp.show_versions()
    System
      platform ...
    """
    for i, (title, facts) in enumerate(collect_versions().items()):
        print(f"\n{title}" if i else title)
        width = max(map(len, facts))
        for name, value in facts.items():
            print(f"  {name:<{width}}  {value}")


def collect_versions():
    """Return the facts about the installation.

    Returns
    -------
    sections : dict
        The names and the values, as text, of the facts of each section, a dict of dicts. The section "Environment" is
        missing if none of the variables is set.
    """
    sections = {
        "System": collect_system(),
        "BLAS": collect_blas(),
        "Kernels": collect_kernels(),
        "Environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "Packages": collect_packages(),
    }
    return {title: facts for title, facts in sections.items() if facts}


def collect_system():
    """Return the facts about the machine."""
    return {
        "platform": platform.platform(),
        "processor": find_processor(),
        "cores": f"{count_usable_cores()} usable of {os.cpu_count()}",
    }


def collect_blas():
    """Return the BLAS library of each package, and a warning if it is not the best one for the processor."""
    libraries = find_blas_libraries()
    facts = {
        package: " and ".join(map(describe_blas, each)) or describe_build(package)
        for package, each in libraries.items()
    }
    warning = find_slow_kernels(select_openblas_cores(libraries), find_processor_features())
    return facts | ({"warning": warning} if warning else {})


def describe_blas(library):
    """Return the name, version, kernels and threads of a BLAS library that threadpoolctl describes."""
    words = f"{library['internal_api']} {library['version'] or ''}".rstrip()
    core = library.get("architecture")
    n_threads = library["num_threads"]
    return (
        words
        + (f", kernels for {core}" if core else "")
        + f", {n_threads} {'thread' if n_threads == 1 else 'threads'}"
    )


def describe_build(package):
    """Return the name and version of the BLAS library for which a package was built."""
    if package == "numpy":
        from numpy import show_config
    else:
        from scipy import show_config
    library = show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"{library['name']} {library.get('version', '')}".rstrip()


def find_slow_kernels(cores, features):
    """Return a warning if OpenBLAS uses kernels that are slower than those for the processor, or None.

    Parameters
    ----------
    cores : dict
        Processor type for which OpenBLAS chose its kernels, for each package.
    features : set of str
        Features of the processor.

    Returns
    -------
    warning : str or None
    """
    unused = {
        package: find_unused_instruction_set(core, features) for package, core in cores.items()
    }
    slow = [package for package, name in unused.items() if name]
    if not slow:
        return None
    packages = " and ".join(slow)
    kernels = " and ".join(dict.fromkeys(cores[package] for package in slow))
    cause, fix = "", f"Install a newer version of {packages}."
    if CORE_VARIABLE in os.environ:
        cause, fix = f", because {CORE_VARIABLE} is set", f"Unset {CORE_VARIABLE}."
    return (
        f"OpenBLAS of {packages} uses its kernels for {kernels}, without the {unused[slow[0]]} instructions of this "
        f"processor{cause}. These kernels are slower. {fix}"
    )


def collect_kernels():
    """Return the facts about the kernels for training."""
    from skmlp.engine.backend_choice import get_kernels, numba_is_installed

    try:
        selected = get_kernels()
    except (ValueError, ImportError) as error:
        selected = f"error: {error}"
    facts = {"selected": selected, "numba": "installed" if numba_is_installed() else NOT_INSTALLED}
    if numba_is_installed():
        try:
            for name, value in iterate_compiled_kernels():
                facts[name] = value
        except Exception as error:  # the report also describes installations that do not work
            facts["error"] = f"{type(error).__name__}: {error}"
    return facts


def iterate_compiled_kernels():
    """Yield the name and the value of each fact about the kernels compiled by numba."""
    from skmlp.engine.backend_choice import import_compiled

    import_compiled("kernels")  # checks that numba can be imported
    from skmlp.engine.compiled.library import get_cache_directory
    from skmlp.engine.compiled.target import get_registers
    from skmlp.engine.compiled.threads import get_thread_pool

    n_bytes = get_registers().n_bytes
    yield "vector lanes", f"{n_bytes // 4} float32, {n_bytes // 8} float64"
    try:
        directory = get_cache_directory()
    except FileNotFoundError as error:
        yield "cache", f"none. {error}"
        yield "threads", get_thread_pool().name
        return
    yield "cache", f"{directory}, {'writable' if is_writable(directory) else 'not writable'}"
    # This compiles the kernels of the pool, which are then in the cache.
    yield "threads", get_thread_pool().name
    yield "cached kernels", str(count_files(directory, ".o"))


def count_files(directory, suffix):
    """Return the number of files with a suffix in a directory; zero if it is missing or cannot be read."""
    try:
        return sum(name.endswith(suffix) for name in os.listdir(directory))
    except OSError:
        return 0


def is_writable(directory):
    """Return whether files can be written to a directory, which need not exist yet."""
    existing = next(
        path for path in (directory, *directory.absolute().parents) if os.path.exists(path)
    )
    return existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)


def collect_packages():
    """Return the versions of Python and of the packages."""
    from skmlp import __version__

    others = {name: find_version(name) or NOT_INSTALLED for name in PACKAGES}
    return {"python": platform.python_version(), "skmlp": __version__} | others


def find_version(package):
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
