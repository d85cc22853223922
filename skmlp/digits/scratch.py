"""Memory for temporary arrays.

It is reused, because the first access to memory from the operating system takes longer than the computations here.
"""

import math
import threading

import numpy as np

MAX_KEPT_BYTES = 2**24


class Scratch(threading.local):
    """Temporary arrays of the current thread.

    An array is valid until the next request with the same name. Functions that use it must not call user code, which
    may distort other images.
    """

    def __init__(self):
        self._memory = {}

    def empty(self, name, shape, dtype=np.float32):
        """Return an array with arbitrary values. The memory of large arrays is not kept."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        if size > MAX_KEPT_BYTES:
            return np.empty(shape, dtype)
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = np.empty(size, np.uint8)
        return memory[:size].view(dtype).reshape(shape)


scratch = Scratch()
