"""How much memory a process holds, and held at most; told by Linux in /proc, and by no other system.

`getrusage` has a peak too, but a process inherits it from the one that started it, and it cannot be set back.
"""

import gc
from pathlib import Path


def megabytes(field, pid="self"):
    """Read a figure of /proc/PID/status, such as VmRSS, in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / 1e6
    raise LookupError(f"/proc/{pid}/status has no {field}")


def reset_peak(pid="self"):
    """Make VmHWM, the peak, start anew from what is held now."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def is_told():
    """Tell whether this system says how much memory a process holds."""
    return Path("/proc/self/clear_refs").exists()


def extra_peak(function, *args):
    """Call a function; give how far the memory held rose meanwhile, in MB."""
    gc.collect()
    reset_peak()
    before = megabytes("VmRSS")
    function(*args)
    return megabytes("VmHWM") - before
