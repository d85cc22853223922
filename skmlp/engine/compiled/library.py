"""Compiled kernels: loading from the cache on disk, and compilation of those that it lacks.

The cache holds object code, which is loaded without numba. A file is used only with the processor, the versions of the
compiler and the source code of the kernels from which it was made.
"""

import hashlib
import importlib
import os
import sys
import tempfile
import threading
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import llvmlite.binding as llvm

ENVIRONMENT_VARIABLE = "SKMLP_CACHE_DIR"
PACKAGE = "skmlp.engine.compiled"
DIGEST_SIZE = 32

# Names of functions with their arguments in an array end in this.
ARRAY_SUFFIX = "-array"

loaded = {}
lock = threading.RLock()


class Addresses(NamedTuple):
    """Addresses of the functions of a kernel.

    Attributes
    ----------
    function : int
    array_function : int
        Function whose arguments are in an array; zero for a kernel that does not run on threads.
    """

    function: int
    array_function: int


def get_cache_directory():
    """Return the directory of the object code that fits this processor, compiler and source code."""
    return get_cache_root() / compute_fingerprint()


def get_cache_root():
    """Return the directory of all cached object code."""
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(os.environ[ENVIRONMENT_VARIABLE])
    if sys.platform == "win32":
        parent = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        parent = Path.home() / "Library" / "Caches"
    else:
        parent = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return parent / "skmlp"


@cache
def compute_fingerprint():
    """Return a digest of everything on which object code depends."""
    digest = hashlib.sha256()
    for package in ("numba", "llvmlite"):
        digest.update(f"{package} {version(package)}\n".encode())
    digest.update(f"{llvm.get_host_cpu_name()} {llvm.get_host_cpu_features().flatten()}\n".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def make_symbol(name, real, source):
    """Return the name of a kernel in object code, and of its file."""
    return f"{name}-{real}-{source}"


def is_cached(name, real, source="float32"):
    """Return whether a kernel is loaded or in the cache on disk."""
    symbol = make_symbol(name, real, source)
    return symbol in loaded or (get_cache_directory() / f"{symbol}.o").exists()


def load_function(name, real, source="float32"):
    """Return the address of the function of a kernel; compile it if the cache does not contain it.

    Parameters
    ----------
    name : str
        Module and function, for example "optimizers.adam".
    real : {"float32", "float64"}
        Type of the weights.
    source : {"float32", "float64", "uint8"}, default="float32"
        Type of the samples, for kernels that read them.

    Returns
    -------
    address : int
    """
    return load(name, real, source).function


def load_kernel(name, real, source="float32"):
    """Return the address of the function of a kernel whose arguments are in an array, see `load_function`."""
    return load(name, real, source).array_function


def load(name, real, source):
    """Return the Addresses of a kernel."""
    symbol = make_symbol(name, real, source)
    if symbol not in loaded:
        with lock:
            load_missing(symbol, name, real, source)
    return loaded[symbol]


def load_missing(symbol, name, real, source):
    """Load a kernel unless another thread has loaded it meanwhile."""
    if symbol not in loaded:
        code = read_object_code(symbol)
        if code is None:
            code = compile_by_name(name, real, source, symbol)
            # Without a directory that can be written, the next process compiles again.
            with suppress(OSError):
                save_object_code(symbol, code)
        loaded[symbol] = link(symbol, code)


def store_kernel(name, real, source):
    """Compile a kernel and store it in the cache on disk, unless it is there. Raise OSError if it cannot be written."""
    symbol = make_symbol(name, real, source)
    if read_object_code(symbol) is None:
        save_object_code(symbol, compile_by_name(name, real, source, symbol))


def compile_by_name(name, real, source, symbol):
    """Import the module of a kernel, and return the object code of the kernel."""
    compiler = importlib.import_module(f"{PACKAGE}.kernels")
    module, path = name.split(".", 1)
    kernel = attrgetter(path)(importlib.import_module(f"{PACKAGE}.{module}"))
    return compiler.compile_kernel(kernel, real, source, symbol)


def read_object_code(symbol):
    """Return the cached object code of a kernel, or None if it is missing or damaged."""
    try:
        content = (get_cache_directory() / f"{symbol}.o").read_bytes()
    except OSError:
        return None
    digest, code = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
    return code if hashlib.sha256(code).digest() == digest else None


def save_object_code(symbol, code):
    """Write object code to the cache."""
    directory = get_cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(temporary, directory / f"{symbol}.o")
    except BaseException:
        os.unlink(temporary)
        raise


@cache
def get_engine():
    """Return the linker of this process."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def link(symbol, code):
    """Load object code into memory, and return the Addresses of the kernel."""
    engine = get_engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Addresses(
        engine.get_function_address(symbol), engine.get_function_address(symbol + ARRAY_SUFFIX)
    )
