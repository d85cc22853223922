"""Output of the commands: lines, warnings, errors and tables, on terminals, pipes and files."""

import os
import sys


def print_line(text=""):
    """Print a line and flush it. Discard it if the reader of a pipe has closed it, as `head` does."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        discard_output()


def discard_output():
    """Redirect stdout to the null device, including the contents of its buffer."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_warning(program, message):
    """Print a warning in one line on stderr."""
    print(f"{program}: warning: {message}", file=sys.stderr)


def print_error(program, message):
    """Print an error in one line on stderr."""
    print(f"{program}: error: {message}", file=sys.stderr)


def make_console():
    """Return a rich console on stdout that prints all text literally."""
    from rich.console import Console

    class LiteralConsole(Console):
        def on_broken_pipe(self):
            raise BrokenPipeError

    return LiteralConsole(markup=False, highlight=False, emoji=False)


def make_table(console):
    """Return an empty table, with rules on a terminal and plain columns in a pipe or a file."""
    from rich import box
    from rich.table import Table

    return Table(
        box=box.SIMPLE_HEAD if console.is_terminal else None,
        pad_edge=False,
    )


def print_table(console, table):
    """Print a table without truncating its cells. The terminal wraps lines that are too long."""
    unlimited = console.options.update(max_width=100_000)
    console.width = max(console.width, console.measure(table, options=unlimited).maximum)
    console.print(table)
