"""`skmlp compile`: which kernels are compiled and stored, the printed lines, and errors."""

import contextlib
import io
import os
import pkgutil
import re
import subprocess
import sys
from importlib import import_module

import pytest

from skmlp.cli import main

pytest.importorskip("numba")

from skmlp.engine import compilation
from skmlp.engine import compiled as package
from skmlp.engine.compiled import catalog, library

TYPES = ("float32", "float64")
MODULES = tuple(pkgutil.iter_modules(package.__path__))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Return the directory of the compiled kernels in an empty cache."""
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(tmp_path / "cache"))
    return library.get_cache_directory()


@pytest.fixture
def compiled(monkeypatch):
    """Replace the compiler, and return the list of the symbols that it compiles."""
    symbols = []

    def compile_quickly(name, real, source, symbol):
        symbols.append(symbol)
        return symbol.encode()

    monkeypatch.setattr(library, "compile_by_name", compile_quickly)
    return symbols


@pytest.fixture(scope="module")
def float32_cache(tmp_path_factory):
    """Return a cache that `skmlp compile --type float32` filled."""
    root = tmp_path_factory.mktemp("float32-cache")
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setenv(library.ENVIRONMENT_VARIABLE, str(root))
        assert main(["compile", "--type", "float32", "--quiet"]) == 0
    return root


def read_files(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def run_program(program, cache, **variables):
    return subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {library.ENVIRONMENT_VARIABLE: str(cache)} | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


# Stored kernels


def test_all_kernels_are_stored(succeeds, cache, compiled):
    lines = succeeds("compile").splitlines()
    assert lines[-1] == f"Written to {cache}"
    assert re.fullmatch(rf"Compiled {len(compiled)} kernels in \d+\.\d s", lines[-2])
    assert len(set(compiled)) == len(compiled)
    assert read_files(cache).keys() == {f"{symbol}.o" for symbol in compiled}
    assert {catalog.KernelName(*each) for each in catalog.list_all_kernels()} == {
        catalog.KernelName(*symbol.split("-")) for symbol in compiled
    }


def test_a_second_run_compiles_nothing(succeeds, cache, compiled):
    succeeds("compile")
    files = read_files(cache)
    compiled.clear()
    assert succeeds("compile") == f"All kernels are up to date in {cache}\n"
    assert not compiled
    assert read_files(cache) == files


def test_missing_and_damaged_kernels_are_compiled(succeeds, cache, compiled):
    succeeds("compile")
    files = read_files(cache)
    missing, damaged, empty = sorted(cache.iterdir())[::20][:3]
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-1])
    empty.write_bytes(b"")
    compiled.clear()
    assert "Compiled 3 kernels" in succeeds("compile")
    assert {f"{symbol}.o" for symbol in compiled} == {missing.name, damaged.name, empty.name}
    assert read_files(cache) == files


@pytest.mark.parametrize("dtype", TYPES)
def test_type_selects_the_kernels_of_one_type(succeeds, cache, compiled, dtype):
    succeeds("compile", "--type", dtype)
    selected = set(compiled)
    assert {f"activations.relu.forward-{dtype}-float32", f"batches.gather-{dtype}-uint8"} < selected
    succeeds("compile")
    others = set(compiled) - selected
    assert len(others) > 30
    assert all(f"-{dtype}-" not in symbol for symbol in others)


def test_every_declared_kernel_is_listed():
    declared = set()
    for module in (import_module(f"{package.__name__}.{each.name}") for each in MODULES):
        for name, value in vars(module).items():
            candidates = {name: value} | {
                f"{name}.{way}": getattr(value, way, None) for way in ("forward", "backward")
            }
            declared |= {
                f"{module.__name__.rpartition('.')[2]}.{path}"
                for path, function in candidates.items()
                if getattr(function, "is_kernel", False) and function.__module__ == module.__name__
            }
    assert {kernel.name for kernel in catalog.list_all_kernels()} == declared


def test_types_are_those_of_the_catalog():
    assert compilation.TYPES == catalog.REAL_TYPES == TYPES


def test_directories_of_other_versions_are_kept(succeeds, cache, compiled):
    other = cache.with_name("0123456789abcdef")
    other.mkdir(parents=True)
    (other / "kernel.o").write_bytes(b"code")
    succeeds("compile")
    assert read_files(other) == {"kernel.o": b"code"}


def test_training_after_the_command_needs_no_compiler(float32_cache):
    program = (
        "import sys, numpy as np, skmlp\n"
        "X = np.random.default_rng(0).random((200, 64), dtype='float32')\n"
        "mlp = skmlp.MLPDigitClassifier((32, 16), ['relu', 'gelu'], max_iter=2, n_iter_no_change=None)\n"
        "mlp.set_params(batch_norm=True, dropout=0.2, max_norm=3, solver='adamw', ema_decay=0.9)\n"
        "mlp.fit(X, np.arange(200) % 10)\n"
        "print(mlp._state.kernels, mlp.coefs_[0].dtype, 'numba' in sys.modules)\n"
    )
    files = {path: path.stat().st_mtime_ns for path in float32_cache.rglob("*.o")}
    result = run_program(program, float32_cache, SKMLP_KERNELS="numba")
    assert result.stdout.split() == ["numba", "float32", "False"], result.stderr
    assert {path: path.stat().st_mtime_ns for path in float32_cache.rglob("*.o")} == files


# Output


def test_quiet_prints_nothing(succeeds, cache, compiled):
    assert succeeds("compile", "--quiet") == ""
    assert compiled


def test_progress_is_printed_in_lines(succeeds, cache, compiled):
    progress = succeeds("compile").splitlines()[:-2]
    n = len(compiled)
    assert [line.split()[:2] for line in progress] == [
        ["kernel", f"{i}/{n}"] for i in range(1, n + 1, 10)
    ]
    assert progress[1].endswith(f"  {compiled[10].split('-')[0]}")


def test_terminal_shows_a_bar(succeeds, cache, compiled, monkeypatch):
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    out = succeeds("compile")
    n = len(compiled)
    assert re.search(rf"kernel {n}/{n} ━+ 0:00:\d\d\s*\n", out)
    assert out.endswith(f"Written to {cache}\n")
    assert "kernel" not in succeeds("compile").replace("kernels", "")


@pytest.mark.parametrize("reason", ["dumb terminal", "no rich"])
def test_lines_replace_the_bar(succeeds, cache, compiled, monkeypatch, reason):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "dumb" if reason == "dumb terminal" else "xterm")
    if reason == "no rich":
        monkeypatch.setitem(sys.modules, "rich", None)
    out = succeeds("compile")
    assert "━" not in out
    assert out.startswith("kernel ")


# Errors


def test_missing_numba_is_an_error(fails, cache, monkeypatch):
    monkeypatch.setattr(compilation, "numba_is_installed", lambda: False)
    assert fails(1, "compile") == (
        "skmlp compile: error: compile_kernels requires numba, which is not installed. Install it with "
        "'pip install \"skmlp[fast]\"'.\n"
    )


def test_process_without_numba_prints_one_line(tmp_path):
    program = (
        "import sys\n"
        "sys.modules['numba'] = sys.modules['llvmlite'] = sys.modules['rich'] = None\n"
        "from skmlp.cli import main\n"
        "sys.exit(main(['compile']))\n"
    )
    result = run_program(program, tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("skmlp compile: error: ")
    assert result.stderr.count("\n") == 1


def test_directory_below_a_file_is_an_error(fails, tmp_path, monkeypatch, compiled):
    (tmp_path / "file").touch()
    monkeypatch.setenv(library.ENVIRONMENT_VARIABLE, str(tmp_path / "file" / "cache"))
    err = fails(1, "compile")
    assert f"error: {library.get_cache_directory()}: " in err
    assert err.endswith(" Set SKMLP_CACHE_DIR to a writable directory.\n")
    assert not compiled


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can write everywhere"
)
def test_read_only_directory_is_an_error(fails, cache, compiled):
    cache.mkdir(parents=True)
    cache.chmod(0o500)
    err = fails(1, "compile")
    assert f"error: {cache}: permission denied." in err
    assert "Set SKMLP_CACHE_DIR" in err


def test_missing_home_directory_is_an_error(fails, compiled, monkeypatch):
    pwd = pytest.importorskip("pwd")
    for name in (library.ENVIRONMENT_VARIABLE, "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    assert fails(1, "compile") == (
        "skmlp compile: error: The cache of compiled kernels requires a directory, but the user has no home directory. "
        "Set SKMLP_CACHE_DIR to a writable directory.\n"
    )
    assert not compiled


def test_full_disk_is_an_error(fails, cache, compiled, monkeypatch):
    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(library, "save_object_code", fail)
    err = fails(1, "compile")
    assert "error: no space left on device. Free some space" in err
    assert "Set SKMLP_CACHE_DIR" in err


def test_complete_cache_need_not_be_writable(succeeds, cache, compiled, monkeypatch):
    def fail(directory):
        raise PermissionError(13, "Permission denied", str(directory))

    succeeds("compile")
    monkeypatch.setattr(catalog, "check_writable", fail)
    assert "up to date" in succeeds("compile")


@pytest.mark.parametrize("on_terminal", [False, True])
def test_interrupted_command_continues(
    fails, succeeds, cache, compiled, monkeypatch, capsys, on_terminal
):
    if on_terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")

    def interrupt(*kernel):
        raise KeyboardInterrupt

    n_kernels = len(catalog.list_all_kernels())
    with monkeypatch.context() as patch:
        compile_quickly = library.compile_by_name
        patch.setattr(
            library,
            "compile_by_name",
            lambda *kernel: (interrupt if len(compiled) == 5 else compile_quickly)(*kernel),
        )
        assert fails(130, "compile") == "skmlp compile: error: interrupted.\n"
    assert len(read_files(cache)) == 5
    assert f"Compiled {n_kernels - 5} kernels" in succeeds("compile")


def test_unknown_type_is_an_error(fails):
    assert "must be one of float32, float64, got 'float16'" in fails(
        2, "compile", "--type", "float16"
    )
