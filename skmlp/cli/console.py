"""What the commands print: lines, warnings and tables, for terminals, pipes and files alike."""

import os
import sys


def say(text=""):
    """Print a line at once, and go on in silence when the reader, `head` say, has gone away."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard_output()


def discard_output():
    """Send stdout nowhere from now on, what its buffer still holds included."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def warn(arguments, message):
    """Print a warning of a command in one line on stderr."""
    print(f"skmlp {arguments.command}: warning: {message}", file=sys.stderr)


def make_console():
    """Return a rich console on stdout that takes all text literally."""
    from rich.console import Console

    class LiteralConsole(Console):
        def on_broken_pipe(self):
            raise BrokenPipeError

    return LiteralConsole(markup=False, highlight=False, emoji=False)


def make_table(console):
    """Return an empty table: framed on a terminal, bare columns for a pipe or a file."""
    from rich import box
    from rich.table import Table

    return Table(
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False,
    )


def print_table(console, table):
    """Print a table with every number whole: one wider than the terminal is wrapped by it."""
    boundless = console.options.update(max_width=100_000)
    console.width = max(console.width, console.measure(table, options=boundless).maximum)
    console.print(table)


def counted(number, noun):
    """Return a count with its noun: "1 epoch", "1,437 images"."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def percent(share):
    """Return a share of one as a percentage with two decimals."""
    return f"{100 * share:.2f} %"
