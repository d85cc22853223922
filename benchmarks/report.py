"""What is told: progress while it runs, the machine, and tables in Markdown."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median

PACKAGES = ("skmlp", "numpy", "scikit-learn", "numba", "torch", "jax", "keras", "skorch")


def in_turn(names, rounds):
    """Yield the number of the round and a name, for each round and name; each round begins with another."""
    names = list(names)
    for number in range(rounds):
        first = number % max(len(names), 1)
        for name in names[first:] + names[:first]:
            yield number, name


def tell(message):
    """Report progress, apart from the tables."""
    print(message, file=sys.stderr, flush=True)


def print_table(header, rows):
    """Print a table, names to the left and figures to the right."""
    rows = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(cells):
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    print("\n".join([line(rows[0]), line(rule), *map(line, rows[1:])]), end="\n\n")


def middle(values, digits=3):
    """Write the median."""
    return f"{median(values):.{digits}f}" if values else ""


def spread(values, digits=3):
    """Write the fastest and the slowest."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}" if values else ""


def ratio(values, others):
    """Write the median of the ones divided by the median of the others."""
    return f"{median(values) / median(others):.2f}" if values and others else ""


def describe_machine():
    """Tell what was measured on, and with which versions."""
    versions = {name: installed_version(name) for name in PACKAGES}
    return (
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        + ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    )


def installed_version(package):
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def processor():
    """Give the processor's name, as far as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
