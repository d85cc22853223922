"""Kernels that run programs: one runs regions on a thread, the other starts the threads.

The threads of a program wait for each other at the end of each region. They spin, because a region takes microseconds,
and yield the processor when the wait is long. They stay in one job for several steps: between jobs, the workers of a
thread pool yield to other programs at once, which then keep the processor for milliseconds.
"""

import platform
import sys

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from skmlp.engine.compiled.kernels import Indices, Int, inlined, kernel
from skmlp.engine.compiled.program import JOB_SIZE, MAX_ARGUMENTS
from skmlp.engine.compiled.simd import INT32, INT64, at

CALL_SIZE = 1 + MAX_ARGUMENTS
# Fields of a program: the addresses of all calls, of the number of calls of each region, of the counter of arrivals,
# and of the elements of calls that change from step to step, with their values in the first step and increments.
CALLS, SIZES, N_REGIONS, ARRIVALS, PLACES, VALUES, INCREMENTS, N_VARIABLES = range(8)
# Fields of a job. A negative region stands for all.
PROGRAM, REGION, N_STEPS, THREAD, N_THREADS = range(5)
# About 0.1 ms.
MAX_SPINS = 3000

# Function of LLVM, and its arguments, that emits the instruction for a waiting thread, by `platform.machine`.
X86_PAUSE = "llvm.x86.sse2.pause", ()
ARM_YIELD = "llvm.aarch64.hint", (INT32(1),)
PAUSES = {
    **dict.fromkeys(("x86_64", "amd64", "i386", "i686", "x86"), X86_PAUSE),
    **dict.fromkeys(("arm64", "aarch64"), ARM_YIELD),
}


@intrinsic
def call_kernel(typingctx, address, arguments, thread, n_threads):
    """Call a kernel at an address."""

    def generate(context, builder, resolved, values):
        address, arguments, thread, n_threads = values
        kind = ir.FunctionType(ir.VoidType(), [arguments.type, INT64, INT64])
        function = builder.inttoptr(address, kind.as_pointer())
        builder.call(function, [arguments, thread, n_threads])
        return context.get_dummy_value()

    return types.void(types.int64, arguments, types.int64, types.int64), generate


@intrinsic
def call_execute(typingctx, address, n_jobs, function, jobs, stride):
    """Call a function that runs jobs on threads, ``int execute(int n_jobs, void *pool, void *jobs, int stride)``."""

    def generate(context, builder, resolved, values):
        address, n_jobs, function, jobs, stride = values
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(INT32, [INT32, pointer, pointer, INT32])
        execute = builder.inttoptr(address, kind.as_pointer())
        builder.call(
            execute,
            [
                builder.trunc(n_jobs, INT32),
                builder.inttoptr(function, pointer),
                builder.bitcast(jobs, pointer),
                builder.trunc(stride, INT32),
            ],
        )
        return context.get_dummy_value()

    integers = [types.int64, types.int64, types.int64]
    return types.void(*integers, jobs, types.int64), generate


@intrinsic
def add_atomically(typingctx, pointer, value):
    """Add a number to an element that other threads change, and return its previous value."""

    def generate(context, builder, resolved, arguments):
        return builder.atomic_rmw("add", *arguments, ordering="acq_rel")

    return types.int64(pointer, types.int64), generate


@intrinsic
def load_atomically(typingctx, pointer):
    """Return an element that other threads change."""

    def generate(context, builder, resolved, arguments):
        return builder.load_atomic(arguments[0], ordering="acquire", align=8)

    return types.int64(pointer), generate


@intrinsic
def pause(typingctx):
    """Tell the processor that the thread is spinning; do nothing on processors without such an instruction."""

    def generate(context, builder, resolved, arguments):
        machine = platform.machine().lower()
        if machine in PAUSES:
            name, operands = PAUSES[machine]
            kind = ir.FunctionType(ir.VoidType(), [operand.type for operand in operands])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), operands)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def yield_processor(typingctx):
    """Let another thread run."""

    def generate(context, builder, resolved, arguments):
        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        kind = ir.FunctionType(INT32, [])
        builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def as_indices(typingctx, address):
    """Return an address as a pointer to 64-bit integers."""

    def generate(context, builder, resolved, arguments):
        return builder.inttoptr(arguments[0], INT64.as_pointer())

    return types.CPointer(types.int64)(types.int64), generate


@intrinsic
def as_address(typingctx, pointer):
    """Return a pointer as an integer."""

    def generate(context, builder, resolved, arguments):
        return builder.ptrtoint(arguments[0], INT64)

    return types.int64(pointer), generate


@intrinsic
def call_job(typingctx, address, job):
    """Call `run_job` on the calling thread."""

    def generate(context, builder, resolved, values):
        address, job = values
        kind = ir.FunctionType(ir.VoidType(), [job.type])
        builder.call(builder.inttoptr(address, kind.as_pointer()), [job])
        return context.get_dummy_value()

    return types.void(types.int64, job), generate


@inlined
def wait_for_threads(arrivals, n_arrivals, n_threads):
    """Wait until `n_threads` more threads have arrived than `n_arrivals`, and return their sum."""
    n_arrivals += n_threads
    if n_threads > 1:
        add_atomically(arrivals, 1)
        n_spins = 0
        while load_atomically(arrivals) < n_arrivals:
            n_spins += 1
            if n_spins < MAX_SPINS:
                pause()
            else:
                yield_processor()
    return n_arrivals


@inlined
def set_variables(program, step):
    """Set the arguments of calls that change from step to step."""
    calls, places = as_indices(program[CALLS]), as_indices(program[PLACES])
    values, increments = as_indices(program[VALUES]), as_indices(program[INCREMENTS])
    for i in range(program[N_VARIABLES]):
        calls[places[i]] = values[i] + step * increments[i]


@inlined
def run_calls(address, n_calls, thread, n_threads):
    """Call kernels, and return the address of the next call."""
    for _ in range(n_calls):
        call = as_indices(address)
        call_kernel(call[0], at(call, 1), thread, n_threads)
        address += 8 * CALL_SIZE
    return address


@kernel
def run_job(job: Indices):
    """Run a program, or one of its regions, on one of the threads.

    The threads of a program wait for each other before each region. Those of a single region do not wait.
    """
    program, thread, n_threads = as_indices(job[PROGRAM]), job[THREAD], job[N_THREADS]
    sizes, arrivals, n_arrivals = as_indices(program[SIZES]), as_indices(program[ARRIVALS]), 0
    if job[REGION] >= 0:
        address = program[CALLS]
        for region in range(job[REGION]):
            address += sizes[region] * (8 * CALL_SIZE)
        run_calls(address, sizes[job[REGION]], thread, n_threads)
        return
    for step in range(job[N_STEPS]):
        if thread == 0:
            set_variables(program, step)
        address = program[CALLS]
        for region in range(program[N_REGIONS]):
            n_arrivals = wait_for_threads(arrivals, n_arrivals, n_threads)
            address = run_calls(address, sizes[region], thread, n_threads)
        n_arrivals = wait_for_threads(arrivals, n_arrivals, n_threads)


@kernel
def run(
    program: Indices,
    jobs: Indices,
    execute: Int,
    pool: Int,
    job: Int,
    runs_jobs_together: Int,
    n_steps: Int,
    thread: Int,
    n_threads: Int,
):
    """Run a program on threads, for a number of steps.

    Parameters
    ----------
    program : pointer
        Fields of the program.
    jobs : pointer
        Memory for JOB_SIZE integers per thread.
    execute : int
        Address of the function that starts the threads; not used with one thread.
    pool : int
        Address of the state of the thread pool.
    job : int
        Address of `run_job`.
    runs_jobs_together : int
        Whether jobs can wait for each other; if it is zero, the threads are started for each region.
    n_steps : int
    """
    for t in range(n_threads):
        at_job = at(jobs, t * JOB_SIZE)
        at_job[PROGRAM] = as_address(program)
        at_job[REGION] = -1
        at_job[N_STEPS] = n_steps
        at_job[THREAD] = t
        at_job[N_THREADS] = n_threads
    as_indices(program[ARRIVALS])[0] = 0
    if n_threads == 1:
        call_job(job, jobs)
    elif runs_jobs_together:
        call_execute(execute, n_threads, pool, jobs, 8 * JOB_SIZE)
    else:
        for step in range(n_steps):
            set_variables(program, step)
            for region in range(program[N_REGIONS]):
                for t in range(n_threads):
                    at(jobs, t * JOB_SIZE)[REGION] = region
                call_execute(execute, n_threads, pool, jobs, 8 * JOB_SIZE)
