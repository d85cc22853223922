"""Reports: progress, a description of the machine, and tables in Markdown."""

import os
import platform
import sys
from statistics import median

from skmlp.machine import find_blas_libraries, find_processor, select_openblas_cores
from skmlp.versions import find_version

PACKAGES = ("skmlp", "numpy", "scikit-learn", "numba", "torch", "jax", "keras", "skorch")


def iterate_rounds(names, n_rounds):
    """Yield the round number and a name, for each round and name.

    Each round begins with the next name, so that drifts in the speed of the machine affect all names equally.
    """
    names = list(names)
    for i in range(n_rounds):
        first = i % max(len(names), 1)
        for name in names[first:] + names[:first]:
            yield i, name


def print_progress(message):
    """Print a message to stderr."""
    print(message, file=sys.stderr, flush=True)


def print_table(header, rows):
    """Print a table with a left-aligned first column; the other columns are right-aligned."""
    rows = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def format_line(cells):
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return f"| {' | '.join(padded)} |"

    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [format_line(rows[0]), format_line(rule), *map(format_line, rows[1:])]
    print("\n".join(lines), end="\n\n")


def format_median(values, digits=3):
    """Return the median as text."""
    return f"{median(values):.{digits}f}" if values else ""


def format_range(values, digits=3):
    """Return the smallest and the largest value as text."""
    return f"{min(values):.{digits}f} to {max(values):.{digits}f}" if values else ""


def format_ratio(values, others):
    """Return the ratio of two medians as text."""
    return f"{median(values) / median(others):.2f}" if values and others else ""


def describe_machine():
    """Return the processor and the versions of the libraries as text."""
    versions = {name: find_version(name) for name in PACKAGES}
    cores = sorted(set(select_openblas_cores(find_blas_libraries()).values()))
    return (
        f"{find_processor()}, {os.cpu_count()} cores; OpenBLAS kernels for {', '.join(cores) or 'no OpenBLAS'}; "
        f"Python {platform.python_version()}, "
        + ", ".join(f"{name} {number}" for name, number in versions.items() if number)
    )
