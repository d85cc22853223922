"""Kernels that run the jobs of a program on the workers of a thread pool, see `threads.ThreadPool`.

One caller at a time uses the workers. The others run their jobs on their own thread, because callers that wait for the
same workers spin on the cores that the workers need. On OpenBLAS, the first job then does all the work of the program.
On OpenMP, where each region may run on the workers or not, all jobs of the region run one after the other: in the next
region, each thread uses its own copies of arrays, see `kernels.select_copy`.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skmlp.engine.compiled.kernels import Indices, Int, inlined, kernel
from skmlp.engine.compiled.program import JOB_SIZE
from skmlp.engine.compiled.runner import (
    N_THREADS,
    add_atomically,
    as_indices,
    call_execute,
    call_job,
    load_atomically,
    yield_processor,
)
from skmlp.engine.compiled.simd import INT32, INT64, at
from skmlp.engine.compiled.threads import (
    CALLERS,
    FUNCTION,
    GET_NUM_THREADS,
    LOOP,
    RUNS_ALONE,
    SET_NUM_THREADS,
    START,
)

# Selects the lower half of a register that contains a 32-bit integer.
LOWER_HALF = 2**32 - 1

# Added to the number of callers while one of them uses the workers.
USES_WORKERS = 2**32
# Number of runs on one thread after several callers have run at the same time. If they continue to do so, they meet
# again within this number of runs, and the workers are not used.
MAX_RUNS_ALONE = 64


@intrinsic
def replace_zero(typingctx, pointer, value):
    """Replace an element that other threads change if it is zero, and return whether it was zero."""

    def generate(context, builder, resolved, arguments):
        pointer, value = arguments
        result = builder.cmpxchg(pointer, INT64(0), value, "acq_rel", "acquire")
        return builder.extract_value(result, 1)

    return types.boolean(pointer, types.int64), generate


@inlined
def begin_use(state):
    """Return whether the caller may use the workers; if so, it calls `end_use` afterwards."""
    return state[RUNS_ALONE] == 0 and replace_zero(at(state, CALLERS), USES_WORKERS + 1)


@inlined
def end_use(state):
    """Allow other callers to use the workers."""
    add_atomically(at(state, CALLERS), -USES_WORKERS - 1)


@inlined
def run_alone(state, n_jobs, jobs):
    """Run jobs on the calling thread, one after the other."""
    if add_atomically(at(state, CALLERS), 1) > 0:
        state[RUNS_ALONE] = MAX_RUNS_ALONE
    else:
        state[RUNS_ALONE] = max(state[RUNS_ALONE] - 1, 0)
    for i in range(n_jobs):
        call_job(state[FUNCTION], at(jobs, i * JOB_SIZE))
    add_atomically(at(state, CALLERS), -1)


@kernel
def run_on_openblas(n_jobs: Int, state: Indices, jobs: Indices, stride: Int):
    """Run a program on the workers of OpenBLAS, or all work in the first job.

    Parameters
    ----------
    n_jobs : int of 32 bits
    state : pointer
        State of the thread pool.
    jobs : pointer
    stride : int of 32 bits
        Distance of the jobs in bytes.
    """
    if begin_use(state):
        call_execute(state[START], n_jobs, state[FUNCTION], jobs, stride)
        end_use(state)
    else:
        jobs[N_THREADS] = 1
        run_alone(state, 1, jobs)


@kernel
def run_on_omp(n_jobs: Int, state: Indices, jobs: Indices, stride: Int):
    """Run a region on the workers of numba's omp threading layer, or its jobs one after the other.

    See `run_on_openblas` for the parameters.
    """
    if begin_use(state):
        # The layer sets the result of numba.get_num_threads() in the calling thread. It was not positive if numba has
        # not used the layer yet; numba replaces zero by the default.
        n_threads = call_getter(state[GET_NUM_THREADS])
        call_parallel_for(state, n_jobs & LOWER_HALF, jobs, stride & LOWER_HALF)
        call_setter(state[SET_NUM_THREADS], max(n_threads, 0))
        end_use(state)
    else:
        run_alone(state, n_jobs & LOWER_HALF, jobs)


@kernel
def run_omp_job(arrays: Indices, counts: Indices, steps: Indices, function: Int):
    """Run a job, with the arguments of the loop of a generalized ufunc that has one array."""
    call_job(function, as_indices(arrays[0]))


@kernel
def add_caller(number: Int, state: Indices):
    """Add to the number of callers, or subtract. After an addition, no caller uses the workers."""
    add_atomically(at(state, CALLERS), number)
    if number > 0:
        while load_atomically(at(state, CALLERS)) >= USES_WORKERS:
            yield_processor()


@intrinsic
def call_parallel_for(typingctx, state, n_jobs, jobs, stride):
    """Call ``parallel_for`` of numba's omp threading layer, which calls `run_omp_job` for each job."""

    def generate(context, builder, resolved, arguments):
        state, n_jobs, jobs, stride = arguments
        start, function, loop = (
            builder.load(builder.gep(state, [INT64(i)])) for i in (START, FUNCTION, LOOP)
        )
        pointer = ir.IntType(8).as_pointer()
        array, count, step = (
            cgutils.alloca_once_value(builder, value)
            for value in (builder.bitcast(jobs, pointer), n_jobs, stride)
        )
        values = [
            builder.inttoptr(loop, pointer),
            array,
            count,
            step,
            builder.inttoptr(function, pointer),
            INT64(0),  # number of inner dimensions
            INT64(1),  # number of arrays
            builder.trunc(n_jobs, INT32),  # number of threads
        ]
        kind = ir.FunctionType(ir.VoidType(), [value.type for value in values])
        builder.call(builder.inttoptr(start, kind.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(state, types.int64, jobs, types.int64), generate


@intrinsic
def call_getter(typingctx, function):
    """Call ``int function(void)`` at an address."""

    def generate(context, builder, resolved, arguments):
        kind = ir.FunctionType(INT32, [])
        result = builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), [])
        return builder.sext(result, INT64)

    return types.int64(types.int64), generate


@intrinsic
def call_setter(typingctx, function, value):
    """Call ``void function(int value)`` at an address."""

    def generate(context, builder, resolved, arguments):
        function, value = arguments
        kind = ir.FunctionType(ir.VoidType(), [INT32])
        pointer = builder.inttoptr(function, kind.as_pointer())
        builder.call(pointer, [builder.trunc(value, INT32)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate
