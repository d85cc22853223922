"""The threads on which programs run.

`get_thread_pool` returns the first of these pools that is available:

"openblas"
    The workers of SciPy's OpenBLAS, which exports a function that runs jobs on them [1]_. A second pool would compete
    for the cores with these workers, which spin while they wait. OpenBLAS exports the function if it was built for
    POSIX threads, as in SciPy's wheels for Linux.
"omp"
    The workers of OpenMP, through numba's omp threading layer [2]_.
"serial"
    The calling thread alone.

Concurrent calls
----------------
``gotoblas_pthread`` may be called while other Python threads call it or BLAS. The queue of jobs is on the stack of the
caller. OpenBLAS assigns all jobs of a caller to idle workers while it holds a lock, so that the jobs of one caller may
wait for each other, and never wait for those of another caller. But callers and workers spin while they wait, and if
they outnumber the cores, all become slower, often by a factor of 100. Programs that run at the same time therefore do
not share the workers, see `ThreadPool`. Products of BLAS in other Python threads share them with a program, as they do
with each other.

Forks
-----
OpenBLAS stops its workers before a process forks, and waits forever if they receive jobs at this moment. A fork in
Python therefore waits until no program uses the workers. It cannot wait for other calls of OpenBLAS: no other Python
thread may call BLAS or change the number of its threads during a fork. OpenBLAS starts new workers in the parent and in
the child. GNU OpenMP does not; in a child, programs run serially instead of on its workers.

References
----------
.. [1] ``gotoblas_pthread`` in driver/others/blas_server.c, https://github.com/OpenMathLib/OpenBLAS
.. [2] numba/np/ufunc/omppool.cpp, https://github.com/numba/numba
"""

import ctypes
import os
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec, module_from_spec
from pathlib import Path

from scipy.linalg import cython_blas

from skmlp.engine.compiled.library import load_function

# More threads than this do not make a step faster.
MAX_THREADS = 64

# State of a thread pool, an array of 64-bit integers that its kernels use: the address of the function that starts the
# workers and of `runner.run_job`; for omp, those of `parallel.run_omp_job` and of numba's functions that return and set
# the number of threads; the number of Python threads that are running programs; the number of runs without workers.
START, FUNCTION, LOOP, GET_NUM_THREADS, SET_NUM_THREADS = range(5)
CALLERS, RUNS_ALONE = 8, 9
STATE_SIZE = 16

# GNU OpenMP works only in the process that uses it first. This module is imported before.
IMPORTING_PROCESS = os.getpid()


class SerialPool:
    """The calling thread alone."""

    name = "serial"
    execute_address = 0
    job_address = 0
    max_threads = 1
    runs_jobs_together = True

    def count_threads(self):
        """Return the number of threads."""
        return 1


class ThreadPool:
    """Workers of a library that run the jobs of programs.

    One Python thread at a time uses the workers. If several run programs at the same time, each runs its program alone:
    they already use several cores, and would wait for the same workers. A pool that does not run jobs together decides
    for each region whether the workers or the caller run its jobs.

    Parameters
    ----------
    name : {"openblas", "omp"}
    runs_jobs_together : bool
    kernel : str
        Name of the kernel that runs jobs.
    addresses : dict of {int: int}
        Elements of the state that depend on the library.
    get_max_threads : callable
        Returns the number of threads that the library may use at present.

    Attributes
    ----------
    name : str
    runs_jobs_together : bool
        Whether all jobs run at the same time, so that they may wait for each other.
    execute_address : int
        Address of the kernel that runs jobs, ``execute(int n_jobs, void *state, void *jobs, int stride)``. There must
        not be more jobs than `count_threads` returns.
    job_address : int
        Address of the state.
    max_threads : int
        Upper bound of `count_threads`.
    """

    max_threads = MAX_THREADS

    def __init__(self, name, *, runs_jobs_together, kernel, addresses, get_max_threads):
        self.name = name
        self.runs_jobs_together = runs_jobs_together
        self._get_max_threads = get_max_threads
        self._state = (ctypes.c_int64 * STATE_SIZE)()
        self._state[FUNCTION] = load_function("runner.run_job", "float32")
        for field, address in addresses.items():
            self._state[field] = address
        self.job_address = ctypes.addressof(self._state)
        self.execute_address = load_function(kernel, "float32")
        if hasattr(os, "register_at_fork"):
            self._add_caller = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(
                load_function("parallel.add_caller", "float32")
            )
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork_in_parent,
                after_in_child=self._after_fork_in_child,
            )

    def count_threads(self):
        """Return the number of threads on which a program may run."""
        n_threads = self._get_max_threads()
        return n_threads if n_threads < MAX_THREADS else MAX_THREADS

    def _before_fork(self):
        """Wait until no program uses the workers, and let none use them until after the fork."""
        self._add_caller(1, self.job_address)

    def _after_fork_in_parent(self):
        self._add_caller(-1, self.job_address)

    def _after_fork_in_child(self):
        # The other callers exist only in the parent.
        self._state[CALLERS] = self._state[RUNS_ALONE] = 0


def make_openblas_pool():
    """Return the pool of the workers of SciPy's OpenBLAS."""
    # Symbols are searched in the extension module and in the libraries to which it is linked.
    library = ctypes.CDLL(cython_blas.__file__)
    start = find_symbol(library, "gotoblas_pthread")
    get_num_threads = find_symbol(
        library,
        *(
            f"{prefix}openblas_get_num_threads{suffix}"
            for prefix in ("scipy_", "")
            for suffix in ("", "64_", "_64")
        ),
    )
    return ThreadPool(
        "openblas",
        runs_jobs_together=True,
        kernel="parallel.run_on_openblas",
        addresses={START: start},
        get_max_threads=make_getter(get_num_threads),
    )


def make_omp_pool():
    """Return the pool of the workers of OpenMP."""
    if os.getpid() != IMPORTING_PROCESS:
        raise ImportError("OpenMP does not work in a forked process.")
    layer = load_omp_layer()
    # The layer works only in the process that calls this function. A number of threads less than 1 has no other effect.
    ctypes.CFUNCTYPE(None, ctypes.c_int)(layer.launch_threads)(0)
    omp_get_max_threads = make_getter(find_omp_symbol(layer, "omp_get_max_threads"))
    return ThreadPool(
        "omp",
        runs_jobs_together=False,  # OpenMP may provide fewer threads than requested
        kernel="parallel.run_on_omp",
        addresses={
            START: layer.parallel_for,
            LOOP: load_function("parallel.run_omp_job", "float32"),
            GET_NUM_THREADS: layer.get_num_threads,
            SET_NUM_THREADS: layer.set_num_threads,
        },
        get_max_threads=lambda: omp_get_max_threads() if os.getpid() == IMPORTING_PROCESS else 1,
    )


def load_omp_layer():
    """Return the extension module of numba's omp threading layer; do not import the rest of numba."""
    numba = find_spec("numba")
    if numba is None:
        raise ImportError("numba is not installed.")
    directory = Path(numba.origin).parent / "np" / "ufunc"
    finder = FileFinder(str(directory), (ExtensionFileLoader, EXTENSION_SUFFIXES))
    spec = finder.find_spec("numba.np.ufunc.omppool")
    if spec is None:
        raise ImportError("This build of numba has no omp threading layer.")
    layer = module_from_spec(spec)
    spec.loader.exec_module(layer)
    return layer


def find_omp_symbol(layer, name):
    """Return the address of a function of the OpenMP library to which an extension module is linked."""
    try:
        return find_symbol(ctypes.CDLL(layer.__file__), name)
    except ImportError:
        if os.name != "nt":
            raise
    # On Windows, symbols are not searched in the libraries to which a module is linked.
    return find_symbol(ctypes.CDLL("vcomp140"), name)


def find_symbol(library, *names):
    """Return the address of the first of the symbols that exists in a library."""
    for name in names:
        if hasattr(library, name):
            return ctypes.cast(library[name], ctypes.c_void_p).value
    raise ImportError(f"{library} has no symbol {' or '.join(names)}.")


def make_getter(address):
    """Return ``int function(void)`` at an address as a Python function."""
    # PYFUNCTYPE keeps the global interpreter lock, which is faster than CFUNCTYPE.
    return ctypes.PYFUNCTYPE(ctypes.c_int)(address)


MAKERS = {"openblas": make_openblas_pool, "omp": make_omp_pool, "serial": SerialPool}
made_pools = {}


def make_pool(name):
    """Return a thread pool of this process; raise ImportError or OSError if it is not available.

    Parameters
    ----------
    name : {"openblas", "omp", "serial"}
    """
    if name not in made_pools:
        # If several Python threads make the pool at the same time, all use the first one.
        made_pools.setdefault(name, MAKERS[name]())
    return made_pools[name]


@cache
def get_thread_pool():
    """Return the best available thread pool of this process."""
    for name in ("openblas", "omp"):
        try:
            return make_pool(name)
        except (ImportError, OSError):
            continue
    return make_pool("serial")
