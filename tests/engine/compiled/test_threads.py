"""Thread pools: results, limits, concurrent programs, forks, and the choice of the pool.

Tests that could hang, or that need a new process, run a function of `SCENARIOS` in a subprocess.
"""

import ctypes
import faulthandler
import multiprocessing
import os
import platform
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
from scipy.linalg.blas import sgemm
from scipy.ndimage import _nd_image
from threadpoolctl import threadpool_limits

pytest.importorskip("numba")

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skmlp.engine.compiled import library, program, runner, threads
from skmlp.engine.compiled.kernels import Indices, Int, compile_kernel, kernel, split
from skmlp.engine.compiled.parallel import MAX_RUNS_ALONE
from skmlp.engine.compiled.program import Call, Program, allocate

NAMES = ("openblas", "omp", "serial")
USER_APIS = {"openblas": "blas", "omp": "openmp"}
TIMEOUT = 60  # seconds after which a scenario is considered to hang
N_ITEMS, N_REGIONS, MODULUS = 1000, 7, 1_000_003


@kernel
def mix(source: Indices, target: Indices, n: Int, thread: Int, n_threads: Int):
    start, stop = split(n, 1, thread, n_threads)
    for i in range(start, stop):
        target[i] = (3 * source[i] + source[(i + n // 2) % n] + i) % MODULUS


@kernel
def count(counts: Indices, n: Int, thread: Int, n_threads: Int):
    start, stop = split(n, 1, thread, n_threads)
    for i in range(start, stop):
        counts[i] += 1


@intrinsic
def get_thread_id(typingctx):
    """Return the number that the operating system gives to the calling thread."""

    def generate(context, builder, resolved, arguments):
        name = "GetCurrentThreadId" if sys.platform == "win32" else "pthread_self"
        kind = ir.FunctionType(ir.IntType(64), [])
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])

    return types.int64(), generate


@kernel
def record(numbers: Indices, ids: Indices, thread: Int, n_threads: Int):
    numbers[thread], ids[thread] = n_threads, get_thread_id()


def make_call(function, *arguments):
    """Return a Call of a kernel of this file."""
    name = f"test_threads.{function.__name__}"
    if name not in library.loaded:
        code = compile_kernel(function, "float32", "float32", name)
        library.loaded[name] = library.link(name, code)
    return Call(name, library.loaded[name].array_function, arguments)


def make_program(pool, regions):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(program, "get_thread_pool", lambda: pool)
        return Program(regions)


class Mixer:
    """Program of regions that use what all threads computed in the previous region."""

    def __init__(self, pool, seed=0):
        self.start = np.random.default_rng(seed).integers(0, MODULUS, N_ITEMS)
        self.items, self.others = allocate(N_ITEMS, np.int64), allocate(N_ITEMS, np.int64)
        there = make_call(mix, self.items, self.others, N_ITEMS)
        back = make_call(mix, self.others, self.items, N_ITEMS)
        self.program = make_program(pool, [[there], [back]] * (N_REGIONS // 2) + [[there]])

    def check(self):
        """Run the program, and compare the result with that of NumPy."""
        self.items[:] = expected = self.start
        self.program.run()
        indices = np.arange(N_ITEMS)
        for _ in range(N_REGIONS):
            expected = (3 * expected + np.roll(expected, -(N_ITEMS // 2)) + indices) % MODULUS
        np.testing.assert_array_equal(self.others, expected)


class Recorder:
    """Program that records the threads on which it runs."""

    def __init__(self, pool):
        self.pool = pool
        self.numbers, self.ids = allocate((2, threads.MAX_THREADS), np.int64)
        self.program = make_program(pool, [[make_call(record, self.numbers, self.ids)]] * 2)

    def run(self):
        """Run the program, and return the number of threads of the operating system."""
        self.numbers[:] = 0
        self.program.run()
        n_jobs = np.count_nonzero(self.numbers)
        assert self.numbers[:n_jobs].tolist() == [n_jobs] * n_jobs
        return len(set(self.ids[:n_jobs].tolist()))


def has_workers(pool):
    return pool.name != "serial"


@pytest.fixture(params=NAMES)
def pool(request):
    return make_available_pool(request.param)


@pytest.fixture(params=[name for name in NAMES if name != "serial"])
def worker_pool(request):
    return make_available_pool(request.param)


def make_available_pools():
    pools = []
    for name in NAMES:
        with suppress(ImportError, OSError):
            pools.append(threads.make_pool(name))
    return pools


def make_available_pool(name):
    try:
        return threads.make_pool(name)
    except (ImportError, OSError) as error:
        pytest.skip(f"The pool {name} is not available: {error}")


SCENARIOS = {}


def scenario(function):
    """Declare that a function is called in a subprocess, with pools."""
    SCENARIOS[function.__name__] = function
    return function


def run_scenario(function, *pools, **environment):
    """Call a function in a subprocess, in which environment variables are set; fail if it takes too long."""
    process = subprocess.Popen(
        [sys.executable, __file__, function.__name__, *(pool.name for pool in pools)],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    timer = threading.Timer(TIMEOUT, kill, [process])
    timer.start()
    try:
        output, _ = process.communicate()
    finally:
        timer.cancel()
    assert process.returncode == 0, (
        f"{function.__name__} failed or took more than {TIMEOUT} s:\n{output}"
    )


def kill(process):
    """Kill a process and the processes that it forked."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()


@pytest.mark.parametrize("n_threads", [1, 2, 3, 4])
def test_regions_run_in_order_on_any_number_of_threads(pool, n_threads):
    with threadpool_limits(n_threads):
        assert pool.count_threads() == (n_threads if has_workers(pool) else 1)
        mixer = Mixer(pool, seed=n_threads)
        for _ in range(10):
            mixer.check()


def test_limits_apply_to_the_next_run(pool):
    recorder = Recorder(pool)
    default = recorder.run()
    for n_threads in (1, 4, 2, 3):
        with threadpool_limits(n_threads, user_api=USER_APIS.get(pool.name)):
            assert recorder.run() == (n_threads if has_workers(pool) else 1)
        assert recorder.run() == default


def test_every_step_runs_on_all_threads(pool):
    counts = allocate(N_ITEMS, np.int64)
    steps = make_program(pool, [[make_call(count, counts, N_ITEMS)]] * 3)
    with threadpool_limits(2):
        steps.run(50)
    assert (counts == 150).all()


def test_programs_do_not_share_the_workers(worker_pool):
    recorder, mixer = Recorder(worker_pool), Mixer(worker_pool)
    callers = ctypes.c_int64.from_address(worker_pool.job_address + 8 * threads.CALLERS)
    with threadpool_limits(2):
        assert recorder.run() == 2
        callers.value += 1  # as if another Python thread ran a program
        assert recorder.run() == 1
        mixer.check()
        callers.value -= 1
        n_runs = 0
        while recorder.run() == 1:
            n_runs += 1
        assert 0 < n_runs <= MAX_RUNS_ALONE
    assert callers.value == 0


@scenario
def run_programs_concurrently(*pools):
    """Run programs in Python threads beside products of BLAS, with as many workers as cores and with more."""
    for pool in pools:
        # A single program uses the workers, which several programs do not.
        for n_python_threads, n_threads in ((1, 2), (4, 2), (4, 4)):
            with threadpool_limits(n_threads):
                run_beside_products(pool, n_python_threads)


def test_programs_run_concurrently():
    run_scenario(run_programs_concurrently, *make_available_pools())


def run_beside_products(pool, n_python_threads, seconds=0.3):
    end = time.monotonic() + seconds
    mixers = [Mixer(pool, seed) for seed in range(n_python_threads)]
    matrix = np.ones((200, 200), np.float32, order="F")
    failures = []

    def run_repeatedly(function):
        try:
            function()
            while time.monotonic() < end:
                function()
        except BaseException as error:
            failures.append(error)

    def multiply():
        assert (sgemm(1, matrix, matrix) == len(matrix)).all()

    functions = [multiply, *(mixer.check for mixer in mixers)]
    python_threads = [
        threading.Thread(target=run_repeatedly, args=[f], daemon=True) for f in functions
    ]
    for thread in python_threads:
        thread.start()
    for thread in python_threads:
        thread.join()
    assert not failures, failures


@pytest.mark.skipif(not hasattr(os, "fork"), reason="requires os.fork")
def test_forked_processes_run_programs():
    run_scenario(fork_processes, *make_available_pools())


@scenario
def fork_processes(*pools):
    for pool in pools:
        fork_before_use(pool)
        with threadpool_limits(3):
            check_in_generations(Mixer(pool), Recorder(pool), n_generations=3)
        fork_with_multiprocessing(pool)
        fork_beside_programs(pool)


def check_in_generations(mixer, recorder, n_generations, is_child=False):
    n_threads = {"openblas": 3, "omp": 1 if is_child else 3, "serial": 1}[recorder.pool.name]
    assert recorder.run() == n_threads
    mixer.check()
    if n_generations > 1:
        fork_and_wait(lambda: check_in_generations(mixer, recorder, n_generations - 1, True))
        assert recorder.run() == n_threads
        mixer.check()


def fork_and_wait(function):
    """Call a function in a forked process, and check that it succeeds."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            function()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def fork_with_multiprocessing(pool):
    """Run programs in the worker processes of multiprocessing."""
    mixer = Mixer(pool)
    mixer.check()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=mixer.check) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    mixer.check()


def fork_before_use(pool):
    """Run a program for the first time in a forked process."""
    fork_and_wait(lambda: Mixer(pool).check())
    fork_and_wait(lambda: Mixer(threads.get_thread_pool()).check())
    fork_and_wait(check_that_omp_is_not_made)
    Mixer(pool).check()


def check_that_omp_is_not_made():
    with pytest.raises(ImportError, match="forked process"):
        threads.make_omp_pool()


def fork_beside_programs(pool):
    """Fork while another Python thread runs programs."""
    mixers, recorder = [Mixer(pool, seed) for seed in range(2)], Recorder(pool)
    ends = threading.Event()

    def run():
        while not ends.is_set():
            mixers[0].check()

    def run_in_child():
        assert recorder.run() == (2 if pool.name == "openblas" else 1)
        mixers[1].check()

    with threadpool_limits(2):
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        for _ in range(20):
            fork_and_wait(run_in_child)
        ends.set()
        thread.join()
        for mixer in mixers:
            mixer.check()


def test_inner_limits_of_joblib_apply():
    run_scenario(run_in_processes_of_joblib, *make_available_pools())


@scenario
def run_in_processes_of_joblib(*pools):
    # OpenBLAS starts with at most as many threads as there are cores.
    for n_threads in range(1, 1 + min(joblib.cpu_count(), 2)):
        with joblib.parallel_config("loky", inner_max_num_threads=n_threads):
            counted = joblib.Parallel(n_jobs=2)(
                joblib.delayed(count_threads)(pool.name) for pool in pools
            )
        assert counted == [n_threads if has_workers(pool) else 1 for pool in pools]


def count_threads(name):
    return threads.make_pool(name).count_threads()


def test_environment_variables_apply_and_limits_may_exceed_them():
    run_scenario(
        run_with_limits, *make_available_pools(), OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1"
    )


@scenario
def run_with_limits(*pools):
    for pool in filter(has_workers, pools):
        recorder = Recorder(pool)
        assert recorder.run() == 1
        with threadpool_limits(3):
            assert recorder.run() == 3
            Mixer(pool).check()
        with threadpool_limits(1000):
            assert 3 < pool.count_threads() <= pool.max_threads
        assert recorder.run() == 1


def test_number_of_threads_of_numba_is_unchanged():
    pool = make_available_pool("omp")
    run_scenario(run_beside_numba, pool, NUMBA_THREADING_LAYER="omp", NUMBA_NUM_THREADS="2")


@scenario
def run_beside_numba(pool):
    import numba

    recorder = Recorder(pool)
    with ThreadPoolExecutor(1) as executor:
        executor.submit(recorder.run).result()
        for _ in range(2):
            with threadpool_limits(3):
                assert recorder.run() == 3
            # The first call initializes numba's layer.
            assert numba.get_num_threads() == 2
            assert executor.submit(numba.get_num_threads).result() == 2


@pytest.mark.parametrize(
    "available", [NAMES, ("omp", "serial"), ("openblas", "serial"), ("serial",)]
)
def test_first_available_pool_is_chosen(available, monkeypatch):
    def make_pool(name):
        if name not in available:
            raise ImportError(name)
        return SimpleNamespace(name=name)

    monkeypatch.setattr(threads, "make_pool", make_pool)
    assert threads.get_thread_pool.__wrapped__().name == available[0]


def test_openblas_is_not_available_with_another_blas(monkeypatch):
    # This extension module is not linked to a BLAS library.
    monkeypatch.setattr(threads, "cython_blas", _nd_image)
    with pytest.raises(ImportError, match="gotoblas_pthread"):
        threads.make_openblas_pool()


def test_omp_is_not_available_without_numba(monkeypatch):
    monkeypatch.setattr(threads, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="numba is not installed"):
        threads.make_omp_pool()


def test_omp_is_not_available_without_its_layer(monkeypatch, tmp_path):
    origin = tmp_path / "__init__.py"
    monkeypatch.setattr(threads, "find_spec", lambda name: SimpleNamespace(origin=str(origin)))
    with pytest.raises(ImportError, match="no omp threading layer"):
        threads.make_omp_pool()


def test_all_python_threads_use_the_same_pool(monkeypatch):
    barrier = threading.Barrier(4)

    def make():
        barrier.wait()  # all threads make a pool
        return threads.SerialPool()

    monkeypatch.setattr(threads, "made_pools", {})
    monkeypatch.setitem(threads.MAKERS, "serial", make)
    with ThreadPoolExecutor(4) as executor:
        pools = list(executor.map(threads.make_pool, ["serial"] * 4))
    assert set(pools) == {threads.make_pool("serial")}


@pytest.mark.parametrize(
    ("machine", "functions"),
    [
        ("x86_64", ["llvm.x86.sse2.pause"]),
        ("AMD64", ["llvm.x86.sse2.pause"]),
        ("arm64", ["llvm.aarch64.hint"]),
        ("aarch64", ["llvm.aarch64.hint"]),
        ("ppc64le", []),
        ("riscv64", []),
    ],
)
def test_waiting_threads_use_the_instruction_of_the_processor(machine, functions, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    module = ir.Module()
    caller = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "caller")
    context = SimpleNamespace(get_dummy_value=lambda: None)
    _, generate = runner.pause.__wrapped__(None)
    generate(context, ir.IRBuilder(caller.append_basic_block()), None, [])
    assert list(module.globals) == ["caller", *functions]


def test_pools_do_not_import_numba(tmp_path):
    names = [pool.name for pool in make_available_pools()]
    code = f"""
import sys
from skmlp.engine.compiled import threads
for name in {names}:
    threads.make_pool(name).count_threads()
print("numba" in sys.modules)
"""
    environment = os.environ | {"SKMLP_CACHE_DIR": str(tmp_path)}
    # The kernels are compiled in the first process, and loaded in the second one.
    for _ in range(2):
        output = subprocess.check_output([sys.executable, "-c", code], env=environment, text=True)
    assert output == "False\n"


if __name__ == "__main__":
    faulthandler.dump_traceback_later(TIMEOUT - 5)
    SCENARIOS[sys.argv[1]](*map(threads.make_pool, sys.argv[2:]))
