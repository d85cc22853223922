"""The processor, and the BLAS libraries of NumPy and SciPy."""

import os
import platform
import subprocess
import sys
from importlib import import_module
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")

# The instruction sets for which OpenBLAS has kernels, from the newest to the oldest, with the processor types whose
# kernels use them. The kernels of all other x86 processor types use older instructions.
OPENBLAS_CORES = {
    "AVX-512": ("cooperlake", "sapphirerapids", "skylakex"),
    "AVX2": ("excavator", "haswell", "zen"),
    "AVX": ("bulldozer", "piledriver", "sandybridge", "steamroller"),
    "SSE": (
        *("athlon", "atom", "banias", "barcelona", "bobcat", "coppermine", "core2", "dunnington"),
        *("katmai", "nano", "nehalem", "northwood", "opteron", "opteron_sse3", "penryn"),
        "prescott",
    ),
}
# The feature of a processor that OpenBLAS requires for the kernels.
REQUIRED_FEATURES = {"AVX-512": "avx512vl", "AVX2": "avx2", "AVX": "avx"}


def find_processor():
    """Return the name of the processor, or its architecture if the name is not available."""
    name = read_cpuinfo("model name")
    if not name and sys.platform == "darwin":
        name = run_command("sysctl", "-n", "machdep.cpu.brand_string")
    return name or platform.processor() or platform.machine()


def find_processor_features():
    """Return the names of the instruction sets of an x86 processor, as in Linux; an empty set if they are unknown."""
    features = read_cpuinfo("flags").split()
    if not features:
        try:
            import llvmlite.binding as llvm
        except ImportError:
            return frozenset()
        features = [name for name, is_present in llvm.get_host_cpu_features().items() if is_present]
    return frozenset(features)


def read_cpuinfo(field):
    """Return a field of the first processor in /proc/cpuinfo, or an empty string."""
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in pairs if name.strip() == field), "")


def run_command(*arguments):
    """Return the output of a program without surrounding space, or an empty string if it fails."""
    try:
        result = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return ""
    return result.stdout.strip()


def count_usable_cores():
    """Return the number of cores on which the process may run."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def find_blas_libraries():
    """Return the BLAS libraries of NumPy and SciPy, as threadpoolctl describes them.

    Returns
    -------
    libraries : dict
        A list of dicts for each of "numpy" and "scipy"; empty if threadpoolctl does not support the library.
    """
    from threadpoolctl import threadpool_info

    packages = {name: import_module(name) for name in ("numpy", "scipy")}
    import_module("scipy.linalg")  # loads the library
    own = {name: [] for name in packages}
    shared = []
    for library in threadpool_info():
        if library["user_api"] == "blas":
            path = Path(library["filepath"])
            owner = (name for name, package in packages.items() if is_part(path, package))
            own.get(next(owner, None), shared).append(library)
    return {name: libraries or shared for name, libraries in own.items()}


def is_part(path, package):
    """Return whether a file is in the directory of a package, or next to it in that of the libraries of its wheel."""
    directory = Path(package.__file__).resolve().parent
    return any(
        parent in (directory, directory.with_name(f"{directory.name}.libs"))
        for parent in path.resolve().parents
    )


def select_openblas_cores(libraries):
    """Return the processor types for which OpenBLAS chose its kernels.

    Parameters
    ----------
    libraries : dict
        Return value of `find_blas_libraries`.

    Returns
    -------
    cores : dict
        The processor type for each package that uses OpenBLAS.
    """
    return {
        package: library["architecture"]
        for package, each in libraries.items()
        for library in each
        if library["internal_api"] == "openblas"
    }


def find_unused_instruction_set(core, features):
    """Return the instruction set that the kernels of OpenBLAS for a processor type do not use, or None.

    Parameters
    ----------
    core : str
        Processor type for which OpenBLAS chose its kernels, for example "Haswell".
    features : set of str
        Features of the processor.

    Returns
    -------
    name : str or None
        The newest instruction set with its own kernels that the processor supports. None if the kernels use it, or if
        the processor type is unknown.
    """
    if not any(core.lower() in cores for cores in OPENBLAS_CORES.values()):
        return None
    for name, feature in REQUIRED_FEATURES.items():
        if core.lower() in OPENBLAS_CORES[name]:
            return None
        if feature in features:
            return name
    return None
