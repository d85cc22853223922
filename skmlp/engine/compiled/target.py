"""The processor for which kernels are compiled: its vector registers and its name."""

import platform
from functools import cache
from typing import NamedTuple

import llvmlite.binding as llvm


class Registers(NamedTuple):
    """Vector registers of a processor.

    Attributes
    ----------
    n_bytes : int
        Size of a register.
    count : int
        Number of registers.
    has_multiply_add : bool
        Whether there are instructions for fused multiply-adds.
    """

    n_bytes: int
    count: int
    has_multiply_add: bool


@cache
def get_registers():
    """Return the vector Registers of the host."""
    if platform.machine().lower() in ("arm64", "aarch64"):
        return Registers(16, 32, True)
    features = llvm.get_host_cpu_features()
    if features.get("avx512f") and features.get("avx512vl"):
        return Registers(64, 32, True)
    if features.get("avx2") and features.get("fma"):
        return Registers(32, 16, True)
    return Registers(16, 16, False)


REGISTER_BYTES = get_registers().n_bytes
