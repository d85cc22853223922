"""The cache of compiled kernels: its directory, its files, and forks."""

import ast
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("numba")

import llvmlite.binding as llvm
from package_sources import SOURCES

from skmlp import MLPDigitClassifier, compile_kernels, set_kernels
from skmlp.engine import backend_choice
from skmlp.engine.compiled import library

KERNEL = "losses.add_up", "float32", "float32"
SYMBOL = library.make_symbol(*KERNEL)
OTHER_USER = 65534


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the directory of the compiled kernels in an empty cache."""
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(library, "loaded", {})
    return library.get_cache_directory()


@pytest.fixture
def compiled(monkeypatch):
    """Return the list of the symbols that are compiled during a test."""
    symbols = []
    compile_by_name = library.compile_by_name

    def compile_and_record(name, real, source, symbol):
        symbols.append(symbol)
        return compile_by_name(name, real, source, symbol)

    monkeypatch.setattr(library, "compile_by_name", compile_and_record)
    return symbols


def fit():
    """Train with compiled kernels, as the default selection does for large problems."""
    X = np.random.default_rng(0).random((20, 4), dtype="f")
    mlp = MLPDigitClassifier((3,), max_iter=1, n_iter_no_change=None).fit(X, np.arange(20) % 2)
    assert mlp._state.kernels == "numba"


@pytest.fixture
def prefer_numba(monkeypatch):
    """Let the default selection use compiled kernels for small problems."""
    monkeypatch.delenv("SKMLP_KERNELS", raising=False)
    for name in ("LOADING_TIME", "COMPILING_TIME"):
        monkeypatch.setattr(backend_choice, name, 0.0)
    monkeypatch.setattr("skmlp.engine.compiled.catalog.has_fast_arithmetic", lambda: True)


# Files


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_permissions_of_files_respect_the_umask(cache, umask):
    before = os.umask(umask)
    try:
        library.save_object_code(SYMBOL, b"code")
    finally:
        os.umask(before)
    (path,) = cache.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
    assert library.read_object_code(SYMBOL) == b"code"


def test_incomplete_files_are_removed(cache, monkeypatch):
    def fail(*paths):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        library.save_object_code(SYMBOL, b"code")
    assert not list(cache.iterdir())


@pytest.fixture
def unreadable_cache(cache):
    """Return the directory of a cache that contains a kernel and cannot be searched."""
    if not hasattr(os, "geteuid"):
        pytest.skip("requires the permissions of POSIX")
    library.store_kernel(*KERNEL)
    cache.parent.chmod(0)
    if os.geteuid() == 0:  # root can read everything
        os.seteuid(OTHER_USER)
        yield cache
        os.seteuid(0)
    else:
        yield cache
    cache.parent.chmod(0o700)


def test_unreadable_kernels_are_compiled(unreadable_cache, prefer_numba, compiled):
    assert not library.is_cached(*KERNEL)
    fit()
    assert SYMBOL in compiled


# Users without a home directory


@pytest.fixture
def without_home(monkeypatch):
    """Run a test as a user who is not in the password database, without environment variables for the cache."""
    pwd = pytest.importorskip("pwd")
    monkeypatch.setattr(library, "loaded", {})
    for name in (library.ENVIRONMENT_VARIABLE, "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)


@pytest.mark.parametrize("selected", ["numba", "auto"])
def test_training_without_a_home_directory_compiles(without_home, prefer_numba, compiled, selected):
    set_kernels(selected)
    try:
        fit()
    finally:
        set_kernels(None)
    assert SYMBOL in compiled


def test_compilation_without_a_home_directory_raises(without_home, compiled):
    message = r"requires a directory, but the user has no home directory\. Set SKMLP_CACHE_DIR"
    with pytest.raises(FileNotFoundError, match=message):
        compile_kernels()
    assert not compiled


# The fingerprint


def compute_fingerprint():
    return library.compute_fingerprint.__wrapped__()


@pytest.mark.parametrize(
    "name", ["get_process_triple", "get_host_cpu_name", "get_host_cpu_features"]
)
def test_cache_depends_on_the_processor(monkeypatch, name):
    before = compute_fingerprint()
    assert before == library.compute_fingerprint()
    other = llvm.FeatureMap(other=True) if name == "get_host_cpu_features" else "other"
    monkeypatch.setattr(llvm, name, lambda: other)
    assert compute_fingerprint() != before


@pytest.mark.parametrize("package", ["numba", "llvmlite"])
def test_cache_depends_on_the_versions(monkeypatch, package):
    before = compute_fingerprint()
    version = library.version
    monkeypatch.setattr(library, "version", lambda name: version(name) + "1" * (name == package))
    assert compute_fingerprint() != before


@pytest.mark.parametrize("name", ["compiled/losses.py", "reference/activations.py"])
def test_cache_depends_on_the_sources(monkeypatch, tmp_path, name):
    before = compute_fingerprint()
    (changed,) = (path for path in library.list_sources() if path.as_posix().endswith(name))
    copy = tmp_path / "copy.py"
    copy.write_bytes(changed.read_bytes() + b"\n")
    sources = [copy if path == changed else path for path in library.list_sources()]
    monkeypatch.setattr(library, "list_sources", lambda: sources)
    assert compute_fingerprint() != before


def find_imports(path):
    """Return the names that a source file imports from skmlp, as {name: module}."""
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    imports = [
        node for node in nodes if isinstance(node, ast.ImportFrom) and node.module in SOURCES
    ]
    return {alias.name: node.module for node in imports for alias in node.names}


def test_cache_depends_on_the_definitions_of_the_names_in_kernels():
    sources = library.list_sources()
    with_kernels = [path for path in sources if "kernel" in find_imports(path)]
    assert len(with_kernels) > 10
    for path in with_kernels:
        for name, module in find_imports(path).items():
            while name in find_imports(SOURCES[module]):
                module = find_imports(SOURCES[module])[name]
            assert SOURCES[module] in sources, (path, name, module)


# Forks


def fork_and_wait(function):
    """Call a function in a forked process, and return the status of the process, or None if it hangs."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    for _ in range(200):
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def fork_while_compiling():
    """Fork while another thread compiles, and load another kernel in both processes."""
    is_compiling = threading.Event()
    compile_by_name = library.compile_by_name

    def compile_slowly(*arguments):
        is_compiling.set()
        time.sleep(0.5)
        return compile_by_name(*arguments)

    library.compile_by_name = compile_slowly
    thread = threading.Thread(target=library.load_function, args=KERNEL)
    thread.start()
    is_compiling.wait()
    assert fork_and_wait(load_other_kernels) == 0
    thread.join()
    load_other_kernels()
    assert fork_and_wait(load_other_kernels) == 0


def load_other_kernels():
    """Load a kernel that may be loaded, and another one, in this and in another thread."""
    assert library.load_function(*KERNEL)
    thread = threading.Thread(target=library.load_function, args=["updates.zero_tiny", "float32"])
    thread.start()
    thread.join()
    assert library.load_function("updates.zero_tiny", "float32")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires os.fork")
def test_forked_processes_load_kernels(cache):
    # Python warns of forks in processes with several threads.
    directory = Path(__file__).parent
    program = f"import sys; sys.path[:0] = [{str(directory)!r}, {str(directory.parents[1])!r}]\n"
    program += "import test_library; test_library.fork_while_compiling()"
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program], capture_output=True, text=True, timeout=100
    )
    assert result.returncode == 0, result.stderr
