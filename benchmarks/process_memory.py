"""Current and peak memory of a process, from Linux's /proc file system.

`getrusage` also reports a peak, but a child process inherits that of its parent, and it cannot be reset.
"""

import gc
from pathlib import Path


def is_available():
    """Return whether this system reports the memory of a process and can reset its peak."""
    return Path("/proc/self/clear_refs").exists()


def read_status(field, pid="self"):
    """Return a field of /proc/PID/status, such as VmRSS, in MB of 10^6 bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024 / 1e6
    raise LookupError(f"/proc/{pid}/status has no field {field}.")


def reset_peak(pid="self"):
    """Reset VmHWM, the peak of the resident memory, to its current value."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def measure_extra_peak(function, *args):
    """Call a function and return by how many MB the resident memory rose during the call."""
    gc.collect()
    reset_peak()
    before = read_status("VmRSS")
    function(*args)
    return read_status("VmHWM") - before
