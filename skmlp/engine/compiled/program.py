"""Programs: the calls of kernels that make up a training step, in regions that run on all threads.

All calls of a region run on each thread, one after the other, without waiting for other threads. A region begins when
all threads have finished the previous one.
"""

import ctypes
from typing import NamedTuple

import numpy as np

from skmlp.engine.compiled.library import load_function, load_kernel
from skmlp.engine.compiled.threads import get_thread_pool

# More than any kernel has; the address of a kernel and its arguments fill three cache lines.
MAX_ARGUMENTS = 23
ALIGNMENT = 64
JOB_SIZE = 8
ENTRY_POINT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Call(NamedTuple):
    """Call of a kernel.

    Attributes
    ----------
    name : str
        Name of the kernel.
    kernel : int
        Address of the kernel, from `load_kernel`.
    arguments : tuple of ndarray, int, Slot and PerStep
        Arguments of the kernel except for the last two. An array is passed by its address.
    """

    name: str
    kernel: int
    arguments: tuple


class Slot:
    """Argument that is set before a program runs.

    Its value is a number or the address of an array. It may grow by a constant from step to step.
    """

    def __init__(self):
        self._places = []
        self._value = self._increment = 0

    def add_place(self, values, increments, index):
        """Add the elements of arrays that are to contain the value and the increment."""
        self._places.append((values, increments, index))
        values[index], increments[index] = self._value, self._increment

    def set(self, value, increment=0):
        """Set the value in the first step, and the increment per step."""
        self._value, self._increment = value, increment
        for values, increments, index in self._places:
            values[index], increments[index] = value, increment


class PerStep(NamedTuple):
    """Argument that is an element of an array: the first one in the first step, and so on.

    Attributes
    ----------
    array : ndarray of shape (n_steps, ...)
    """

    array: np.ndarray


class Program:
    """Sequence of regions, which runs once or for several steps.

    Parameters
    ----------
    regions : list of list of Call
    """

    def __init__(self, regions):
        calls = [call for region in regions for call in region]
        self._kept = [call.arguments for call in calls]
        self._calls = np.zeros((len(calls), 1 + MAX_ARGUMENTS), np.int64)
        self._sizes = np.array([len(region) for region in regions], np.int64)
        variables = []
        for i, call in enumerate(calls):
            self._calls[i, 0] = call.kernel
            for j, argument in enumerate(call.arguments, 1):
                if isinstance(argument, Slot | PerStep):
                    variables.append((i * (1 + MAX_ARGUMENTS) + j, argument))
                else:
                    self._calls[i, j] = get_address(argument)
        self._places = np.array([place for place, _ in variables], np.int64)
        self._values, self._increments = np.zeros((2, len(variables)), np.int64)
        for index, (_, variable) in enumerate(variables):
            if isinstance(variable, Slot):
                variable.add_place(self._values, self._increments, index)
            else:
                self._values[index] = get_address(variable.array)
                self._increments[index] = variable.array.strides[0]
        self._pool = get_thread_pool()
        self._jobs = allocate((self._pool.max_threads, JOB_SIZE), np.int64)
        self._arrivals = allocate(ALIGNMENT // 8, np.int64)
        self._fields = make_addresses(
            self._calls,
            self._sizes,
            len(self._sizes),
            self._arrivals,
            self._places,
            self._values,
            self._increments,
            len(variables),
        )
        self._arguments = make_addresses(
            self._fields,
            self._jobs,
            self._pool.execute_address,
            self._pool.job_address,
            load_function("runner.run_job", "float32"),
            self._pool.runs_jobs_together,
            1,
        )
        self._arguments_address = get_address(self._arguments)
        self._run = ENTRY_POINT(load_kernel("runner.run", "float32"))

    def run(self, n_steps=1):
        """Run all regions, for a number of steps."""
        self._arguments[-1] = n_steps
        self._run(self._arguments_address, 0, self._pool.count_threads())


def make_addresses(*arguments):
    """Return an array of the addresses of arrays, and of numbers."""
    return np.array([get_address(argument) for argument in arguments], np.int64)


def get_address(argument):
    """Return an argument as an integer: the address of an array, or a number."""
    return argument.ctypes.data if isinstance(argument, np.ndarray) else int(argument)


def allocate(shape, dtype):
    """Return an array of zeros that is aligned to cache lines and followed by zeros that kernels may read."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(size + 5 * ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def align(array):
    """Return an array that is aligned to cache lines: the same one, or a copy."""
    if array.ctypes.data % ALIGNMENT == 0:
        return array
    copy = allocate(array.shape, array.dtype)
    copy[...] = array
    return copy
