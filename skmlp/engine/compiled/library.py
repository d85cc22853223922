"""Compiled kernels: loading from the cache on disk, and compilation of those that it lacks.

The cache holds object code, which is loaded without numba. A file is used only with the processor, the versions of the
compiler and the source code of the kernels from which it was made.

llvmlite is imported inside the functions that use it, so that this module can be imported at any time.
"""

import hashlib
import importlib
import os
import secrets
import sys
import threading
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

ENVIRONMENT_VARIABLE = "SKMLP_CACHE_DIR"
PACKAGE = "skmlp.engine.compiled"
# Packages of the engine, as directories, that contain the kernels and the constants that are compiled into them.
SOURCES = ("compiled", "reference")
DIGEST_SIZE = 32

# Names of functions with their arguments in an array end in this.
ARRAY_SUFFIX = "-array"

# Addresses of the kernels that this process has loaded.
loaded = {}
# Held while a kernel is compiled or loaded.
lock = threading.RLock()
may_compile = ContextVar("may_compile", default=True)


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


def acquire_lock():
    """Wait until no other thread compiles or loads a kernel."""
    lock.acquire()


def release_lock():
    """Allow other threads to compile and load kernels."""
    lock.release()


def replace_lock():
    """Make a new lock in a forked process, in which the threads that wait for the lock do not exist."""
    global lock
    lock = threading.RLock()


# A process that is forked while another thread holds this lock, or a lock of LLVM or numba, would wait for it forever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=acquire_lock, after_in_parent=release_lock, after_in_child=replace_lock
    )


def import_compiled(name):
    """Import and return a module of the compiled backend.

    Raises
    ------
    ImportError
        If the module cannot be imported, because numba or llvmlite cannot.
    """
    try:
        return importlib.import_module(f"{PACKAGE}.{name}")
    except Exception as error:  # the error depends on the incompatibility
        reason = " ".join(str(error).split()).removesuffix(".")
        raise ImportError(
            f"Compiled kernels require numba, which is installed but cannot be imported: {reason}. Install compatible "
            "versions of numba and NumPy, or select the kernels 'numpy'."
        ) from error


def get_cache_directory():
    """Return the directory of the object code that fits this processor, compiler and source code.

    Raises
    ------
    FileNotFoundError
        If the user has no home directory and the environment does not specify another one.
    """
    return get_cache_root() / compute_fingerprint()


def get_cache_root():
    """Return the directory of all cached object code, see `get_cache_directory`."""
    if os.environ.get(ENVIRONMENT_VARIABLE):
        return Path(os.environ[ENVIRONMENT_VARIABLE])
    try:
        return get_user_directory() / "skmlp"
    except RuntimeError as error:
        raise FileNotFoundError(
            "The cache of compiled kernels requires a directory, but the user has no home directory. Set "
            f"{ENVIRONMENT_VARIABLE} to a writable directory."
        ) from error


def get_user_directory():
    """Return the cache directory of the user; raise RuntimeError if there is no home directory."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@cache
def compute_fingerprint():
    """Return a digest of everything on which object code depends."""
    import llvmlite.binding as llvm

    digest = hashlib.sha256()
    for package in ("numba", "llvmlite"):
        digest.update(f"{package} {version(package)}\n".encode())
    target = llvm.get_process_triple(), llvm.get_host_cpu_name()
    digest.update(f"{target} {llvm.get_host_cpu_features().flatten()}\n".encode())
    for path in list_sources():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def list_sources():
    """Return the paths of the source files on which object code depends."""
    engine = Path(__file__).parents[1]
    return [path for package in SOURCES for path in sorted((engine / package).glob("*.py"))]


def make_symbol(name, real, source):
    """Return the name of a kernel in object code, and of its file."""
    return f"{name}-{real}-{source}"


def is_cached(name, real, source="float32"):
    """Return whether a kernel is loaded, or in the cache on disk in a file that can be read."""
    symbol = make_symbol(name, real, source)
    if symbol in loaded:
        return True
    try:
        with open(get_cache_directory() / f"{symbol}.o", "rb"):
            return True
    except OSError:
        return False


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
            if not may_compile.get():
                raise LookupError(f"The kernel {symbol} is not in the cache.")
            code = compile_by_name(name, real, source, symbol)
            # Without a directory that can be written, the next process compiles again.
            with suppress(OSError):
                save_object_code(symbol, code)
        loaded[symbol] = link(symbol, code)


@contextmanager
def cached_kernels_only():
    """Raise LookupError in this thread if a kernel is loaded that is neither loaded yet nor in the cache."""
    token = may_compile.set(False)
    try:
        yield
    finally:
        may_compile.reset(token)


def store_kernel(name, real, source):
    """Compile a kernel and store it in the cache on disk, unless it is there. Raise OSError if it cannot be written."""
    symbol = make_symbol(name, real, source)
    with lock:
        if read_object_code(symbol) is None:
            save_object_code(symbol, compile_by_name(name, real, source, symbol))


def compile_by_name(name, real, source, symbol):
    """Import the module of a kernel, and return the object code of the kernel."""
    compiler = import_compiled("kernels")
    module, path = name.split(".", 1)
    kernel = attrgetter(path)(import_compiled(module))
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
    # open() respects the umask; the files of tempfile are readable by their owner only.
    temporary = directory / f".{symbol}.{secrets.token_hex(8)}.part"
    try:
        with open(temporary, "xb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(temporary, directory / f"{symbol}.o")
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@cache
def get_engine():
    """Return the linker of this process."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)


def link(symbol, code):
    """Load object code into memory, and return the Addresses of the kernel."""
    import llvmlite.binding as llvm

    engine = get_engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Addresses(
        engine.get_function_address(symbol), engine.get_function_address(symbol + ARRAY_SUFFIX)
    )
