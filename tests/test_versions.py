"""`show_versions` and the facts that it prints, compared with other sources."""

import contextlib
import importlib.metadata
import io
import os
import platform
import shutil
import subprocess
import sys

import numpy as np
import pytest
import scipy.linalg
from threadpoolctl import ThreadpoolController, threadpool_limits

import skmlp
from skmlp import machine, versions
from skmlp.versions import collect_versions, find_slow_kernels, show_versions

IS_LINUX = sys.platform == "linux"
BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Use an empty cache of compiled kernels, and return its root."""
    monkeypatch.setenv("SKMLP_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def print_in_new_process(prefix="", **variables):
    """Return what `show_versions` prints in a process with other environment variables."""
    environment = {name: value for name, value in os.environ.items() if name not in BLAS_VARIABLES}
    result = subprocess.run(
        [sys.executable, "-c", f"{prefix}\nimport skmlp; skmlp.show_versions()"],
        env=environment | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def read_sections(printed):
    """Return the printed sections as {title: {name: value}}."""
    sections = {}
    for line in filter(None, printed.splitlines()):
        if not line.startswith("  "):
            facts = sections[line] = {}
        else:
            name, _, value = line.strip().partition("  ")
            facts[name] = value.strip()
    return sections


def find_openblas(package):
    """Return threadpoolctl's controllers of the OpenBLAS libraries in the wheel of a package."""
    return [
        controller
        for controller in ThreadpoolController().lib_controllers
        if controller.internal_api == "openblas" and f"{package}.libs" in controller.filepath
    ]


# Output


def test_the_sections_are_printed():
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert show_versions() is None
    assert read_sections(out.getvalue()) == collect_versions()


def test_every_value_is_text_in_one_line():
    for facts in collect_versions().values():
        assert facts
        for name, value in facts.items():
            assert isinstance(value, str)
            assert value
            assert "\n" not in name + value


# Packages


def test_versions_are_those_of_the_installed_packages():
    packages = dict(collect_versions()["Packages"])
    assert packages.pop("python") == sys.version.split()[0]
    assert packages.pop("skmlp") == skmlp.__version__
    assert packages.keys() >= {"numpy", "scipy", "scikit-learn", "numba", "llvmlite"}
    assert packages.keys() >= {"matplotlib", "rich", "safetensors"}
    installed = {each.name.lower(): each.version for each in importlib.metadata.distributions()}
    assert packages == {name: installed.get(name, "not installed") for name in packages}


def test_missing_package_is_reported(monkeypatch):
    monkeypatch.setattr(versions, "PACKAGES", ("numpy", "skmlp-no-such-package"))
    packages = collect_versions()["Packages"]
    assert packages["numpy"] == np.__version__
    assert packages["skmlp-no-such-package"] == "not installed"


@pytest.mark.parametrize("with_numba", [True, False])
def test_optional_packages_are_not_imported(cache, with_numba):
    # scikit-learn imports rich if it is installed.
    blocked = ["matplotlib", "safetensors", "rich", "pooch"]
    blocked += [] if with_numba else ["numba", "llvmlite"]
    if with_numba:
        pytest.importorskip("numba")
    out = print_in_new_process(f"import sys\nsys.modules.update(dict.fromkeys({blocked}))")
    kernels = read_sections(out)["Kernels"]
    if with_numba:
        assert {"vector lanes", "threads", "cache", "cached kernels"} < kernels.keys()
    else:
        assert kernels == {"selected": kernels["selected"], "numba": "not installed"}


# System


def test_processor_and_platform():
    system = collect_versions()["System"]
    assert system["platform"] == platform.platform()
    if IS_LINUX and shutil.which("lscpu"):
        lines = subprocess.run(["lscpu"], capture_output=True, text=True, check=True).stdout
        names = [
            line.partition(":")[2].strip() for line in lines.splitlines() if "Model name" in line
        ]
        assert system["processor"] in names or platform.machine() != "x86_64"


def test_processor_has_a_name_without_cpuinfo(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "missing")
    assert machine.find_processor()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(machine, "run_command", lambda *arguments: " ".join(arguments))
    assert machine.find_processor() == "sysctl -n machdep.cpu.brand_string"


def test_commands_that_fail_return_nothing():
    assert machine.run_command(sys.executable, "-c", "print(' a b ')") == "a b"
    assert machine.run_command(sys.executable, "-c", "print(1); raise SystemExit(1)") == ""
    assert machine.run_command("skmlp-no-such-program") == ""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cannot restrict the cores")
def test_cores_are_those_of_the_process():
    usable = os.sched_getaffinity(0)
    assert collect_versions()["System"]["cores"].startswith(f"{len(usable)} usable")
    out = print_in_new_process(f"import os; os.sched_setaffinity(0, [{min(usable)}])")
    assert read_sections(out)["System"]["cores"] == f"1 usable of {os.cpu_count()}"


@pytest.mark.skipif(platform.machine().lower() not in ("x86_64", "amd64"), reason="x86 features")
@pytest.mark.parametrize("with_cpuinfo", [True, False])
def test_features_are_those_that_numpy_found(monkeypatch, tmp_path, with_cpuinfo):
    if not with_cpuinfo:
        pytest.importorskip("llvmlite")
        monkeypatch.setattr(machine, "CPUINFO", tmp_path / "missing")
    elif not IS_LINUX:
        pytest.skip("no /proc/cpuinfo")
    found = np._core._multiarray_umath.__cpu_features__
    features = machine.find_processor_features()
    for name, numpy_name in {
        "avx": "AVX",
        "avx2": "AVX2",
        "avx512f": "AVX512F",
        "avx512vl": "AVX512_SKX",
    }.items():
        if numpy_name in found:
            assert (name in features) == found[numpy_name], name


# BLAS


@pytest.mark.parametrize("package", ["numpy", "scipy"])
@pytest.mark.parametrize("limit", [1, None])
def test_blas_is_that_of_threadpoolctl(package, limit):
    if not find_openblas(package):
        pytest.skip("the package was not installed from a wheel with OpenBLAS")
    with threadpool_limits(limit):
        described = collect_versions()["BLAS"][package]
        (controller,) = find_openblas(package)
        n_threads = controller.get_num_threads()
    assert described == (
        f"openblas {controller.get_version()}, kernels for {controller.info()['architecture']}, "
        f"{n_threads} thread{'s' if n_threads > 1 else ''}"
    )


def test_library_outside_of_the_packages_is_that_of_both(monkeypatch):
    shared = {"user_api": "blas", "internal_api": "mkl", "version": "2026.1", "num_threads": 3}
    openmp = {"user_api": "openmp", "internal_api": "openmp", "filepath": "/lib/libgomp.so"}
    libraries = [shared | {"filepath": "/opt/conda/lib/libmkl_rt.so.2"}, openmp]
    monkeypatch.setattr("threadpoolctl.threadpool_info", lambda: libraries)
    expected = "mkl 2026.1, 3 threads"
    assert collect_versions()["BLAS"] == {"numpy": expected, "scipy": expected}


def test_library_unknown_to_threadpoolctl_is_that_of_the_build(monkeypatch):
    monkeypatch.setattr("threadpoolctl.threadpool_info", list)
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    assert collect_versions()["BLAS"]["numpy"] == f"{blas['name']} {blas['version']}"
    blas = scipy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    assert collect_versions()["BLAS"]["scipy"] == f"{blas['name']} {blas['version']}"


AVX512 = {"avx", "avx2", "avx512f", "avx512vl"}


@pytest.mark.parametrize(
    ("core", "features", "unused"),
    [
        ("SkylakeX", AVX512, None),
        ("Cooperlake", AVX512, None),
        ("SapphireRapids", AVX512, None),
        ("SKYLAKEX", AVX512, None),
        ("Haswell", AVX512, "AVX-512"),
        ("Zen", AVX512, "AVX-512"),
        ("Sandybridge", AVX512, "AVX-512"),
        ("Prescott", AVX512, "AVX-512"),
        ("Haswell", {"avx", "avx2", "avx512f"}, None),  # Xeon Phi
        ("Haswell", {"avx", "avx2"}, None),
        ("Zen", {"avx", "avx2"}, None),
        ("Sandybridge", {"avx", "avx2"}, "AVX2"),
        ("Nehalem", {"avx", "avx2"}, "AVX2"),
        ("Sandybridge", {"avx"}, None),
        ("Katmai", {"avx"}, "AVX"),
        ("Core2", {"sse3"}, None),
        ("Haswell", set(), None),
        ("neoversen1", {"asimd", "sve"}, None),
        ("unknown", AVX512, None),
        ("GraniteRapids", AVX512, None),
    ],
)
def test_unused_instruction_set(core, features, unused):
    assert machine.find_unused_instruction_set(core, features) == unused


@pytest.mark.parametrize(
    ("cores", "words"),
    [
        ({}, None),
        ({"scipy": "SkylakeX"}, None),
        ({"numpy": "SkylakeX", "scipy": "SkylakeX"}, None),
        ({"numpy": "Haswell", "scipy": "Haswell"}, ["numpy and scipy", "for Haswell, "]),
        ({"numpy": "SkylakeX", "scipy": "Zen"}, ["OpenBLAS of scipy", "for Zen, "]),
        (
            {"numpy": "Haswell", "scipy": "Nehalem"},
            ["numpy and scipy", "for Haswell and Nehalem, "],
        ),
    ],
)
@pytest.mark.parametrize("is_set", [True, False])
def test_warning_names_the_packages_and_the_cause(monkeypatch, cores, words, is_set):
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    if is_set:
        monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    warning = find_slow_kernels(cores, AVX512)
    assert (warning is None) == (words is None)
    for word in words or []:
        assert word in warning
    if words:
        assert "AVX-512" in warning
        assert ("Unset OPENBLAS_CORETYPE." in warning) == is_set
        assert ("Install a newer version of" in warning) != is_set


@pytest.mark.parametrize("core", ["Nehalem", "Haswell", None])
def test_kernels_for_an_older_processor_are_reported(core):
    features = np._core._multiarray_umath.__cpu_features__
    if not (find_openblas("scipy") and features.get("AVX2")):
        pytest.skip("needs OpenBLAS on an x86 processor with AVX2")
    out = print_in_new_process(**({"OPENBLAS_CORETYPE": core} if core else {}))
    sections = read_sections(out)
    if core is None:
        assert "OPENBLAS_CORETYPE" not in out
        assert ("warning" in out) == (
            features.get("AVX512_SKX", False) and "SkylakeX" not in sections["BLAS"]["scipy"]
        )
        return
    assert f"kernels for {core}" in sections["BLAS"]["scipy"]
    assert sections["Environment"]["OPENBLAS_CORETYPE"] == core
    is_slow = core == "Nehalem" or features.get("AVX512_SKX", False)
    assert ("Unset OPENBLAS_CORETYPE." in sections["BLAS"].get("warning", "")) == is_slow


# Kernels


@pytest.mark.parametrize("name", ["auto", "numpy", "numba"])
def test_selected_kernels_are_reported(monkeypatch, name):
    if name == "numba":
        pytest.importorskip("numba")
    monkeypatch.setenv("SKMLP_KERNELS", name)
    sections = collect_versions()
    assert sections["Kernels"]["selected"] == name
    assert sections["Environment"]["SKMLP_KERNELS"] == name


def test_invalid_selection_is_reported(monkeypatch):
    monkeypatch.setenv("SKMLP_KERNELS", "fortran")
    assert "got 'fortran'" in collect_versions()["Kernels"]["selected"]


class TestCompiledKernels:
    @pytest.fixture(autouse=True)
    def _numba(self):
        pytest.importorskip("numba")

    def test_lanes_are_those_of_the_vector_registers(self):
        found = np._core._multiarray_umath.__cpu_features__
        n_bytes = 64 if found.get("AVX512_SKX") else 32 if found.get("AVX2") else 16
        lanes = collect_versions()["Kernels"]["vector lanes"]
        assert lanes == f"{n_bytes // 4} float32, {n_bytes // 8} float64"

    def test_threads_are_those_of_the_pool(self):
        from skmlp.engine.compiled.threads import get_thread_pool

        name = collect_versions()["Kernels"]["threads"]
        assert name in ("openblas", "omp", "serial")
        assert name == get_thread_pool().name

    def test_kernels_in_the_cache_are_counted(self, cache):
        kernels = collect_versions()["Kernels"]
        directory, _, state = kernels["cache"].rpartition(", ")
        assert os.path.dirname(directory) == str(cache)
        assert state == "writable"
        present = len(os.listdir(directory)) if os.path.isdir(directory) else 0
        assert kernels["cached kernels"] == str(present)
        os.makedirs(directory, exist_ok=True)
        for name in ("a.o", "b.o", "temporary"):
            with open(os.path.join(directory, name), "wb"):
                pass
        assert collect_versions()["Kernels"]["cached kernels"] == str(present + 2)

    def test_report_does_not_create_directories(self, cache, monkeypatch):
        monkeypatch.setattr("skmlp.engine.compiled.threads.get_thread_pool", lambda: None)
        collect_versions()
        assert not cache.exists()

    def test_cache_below_a_file_is_not_writable(self, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setenv("SKMLP_CACHE_DIR", str(tmp_path / "file" / "cache"))
        kernels = collect_versions()["Kernels"]
        assert kernels["cache"].endswith(", not writable")
        assert kernels["cached kernels"] == "0"

    @pytest.mark.skipif(not hasattr(os, "geteuid"), reason="requires the permissions of POSIX")
    def test_cache_that_cannot_be_searched_contains_no_kernels(self, cache):
        collect_versions()  # loads the thread pool
        cache.mkdir(exist_ok=True)
        cache.chmod(0)
        is_root = os.geteuid() == 0  # root can search every directory
        if is_root:
            os.seteuid(65534)
        try:
            kernels = collect_versions()["Kernels"]
        finally:
            if is_root:
                os.seteuid(0)
            cache.chmod(0o700)
        assert kernels["cached kernels"] == "0"
        assert "error" not in kernels

    def test_missing_home_directory_is_reported(self, monkeypatch):
        pwd = pytest.importorskip("pwd")
        for name in ("SKMLP_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
        kernels = collect_versions()["Kernels"]
        assert kernels["cache"].startswith("none. ")
        assert "Set SKMLP_CACHE_DIR" in kernels["cache"]
        assert kernels["threads"] in ("openblas", "omp", "serial")
        assert "error" not in kernels

    def test_numba_that_cannot_be_imported_is_reported(self, cache, tmp_path):
        (tmp_path / "numba.py").write_text("raise ImportError('Got NumPy 2.9.')\n")
        out = print_in_new_process(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
        kernels = read_sections(out)["Kernels"]
        assert kernels["numba"] == "installed"
        assert "cannot be imported: Got NumPy 2.9. Install" in kernels["error"]

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root can write everywhere"
    )
    def test_read_only_cache_is_not_writable(self, cache):
        cache.mkdir(mode=0o500)
        assert collect_versions()["Kernels"]["cache"].endswith(", not writable")

    def test_failure_is_reported(self, monkeypatch):
        def fail():
            raise RuntimeError("no threads")

        monkeypatch.setattr("skmlp.engine.compiled.threads.get_thread_pool", fail)
        kernels = collect_versions()["Kernels"]
        assert kernels["error"] == "RuntimeError: no threads"
        assert {"vector lanes", "cache"} < kernels.keys()


# Environment


def test_variables_are_listed_if_they_are_set(monkeypatch):
    for name in versions.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert "Environment" not in collect_versions()
    monkeypatch.setenv("OPENBLAS_L2_SIZE", "2048")
    assert collect_versions()["Environment"] == {"OPENBLAS_L2_SIZE": "2048"}
