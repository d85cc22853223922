"""The `skmlp` command: train, evaluate and apply models of handwritten digits from the shell."""

import io
import sys
from collections.abc import Sequence

from skmlp.cli import (
    combine,
    draw,
    evaluate,
    export,
    fetch,
    info,
    list_recipes,
    predict,
    report,
    train,
)
from skmlp.cli import compile as compile_command
from skmlp.cli.console import discard_output, print_error
from skmlp.cli.errors import (
    BROKEN_PIPE,
    CANNOT_WRITE,
    INTERRUPTED,
    SUCCESS,
    USAGE,
    CommandError,
    format_error,
)
from skmlp.cli.parser import CommandParser, add_command, refer_to_help
from skmlp.cli.values import OptionError

COMMANDS = {
    module.COMMAND.name: module.COMMAND
    for module in (
        *(train, evaluate, report, predict, combine, draw, export),
        *(info, fetch, list_recipes, compile_command),
    )
}

DESCRIPTION = """\
Train, evaluate and apply multilayer perceptrons for handwritten digits."""

EPILOG = """\
examples:
  skmlp train
  skmlp evaluate skmlp-run/model.safetensors
  skmlp train --data mnist --recipe fast --out mnist-run
  skmlp predict mnist-run/model.safetensors photo.jpg

exit status:
  0    Success.
  1    A file could not be written or downloaded, a package is not installed, or
       memory is insufficient.
  2    Wrong usage.
  3    Bad data, or the training diverged.
  4    Bad model file or checkpoint.
  130  Interrupted by Ctrl-C.

See 'skmlp COMMAND --help' for the options of a command and more examples."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the `skmlp` command.

    Parameters
    ----------
    argv : sequence of str or None, default=None
        Arguments after the name of the command. By default, those of the process.

    Returns
    -------
    exit_status : int
        0 for success, 2 for wrong usage, 3 for bad data or diverging training, 4 for a bad model file
        or checkpoint, 130 after Ctrl-C, and 1 if a file cannot be written or downloaded, a package is
        not installed or memory is insufficient.

    Examples
    --------
    >>> from skmlp.cli import main
    >>> main(["--version"])
    skmlp ...
    0
    """
    escape_unencodable_characters()
    program = "skmlp"
    try:
        given = vars(make_parser().parse_args(argv))
        command = COMMANDS[given.pop("command")]
        program = f"skmlp {command.name}"
        exit_status = command(given)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse exits after --help and after an error message
        exit_status = stop.code
    except OptionError as error:
        exit_status = report_error(program, refer_to_help(str(error), program), USAGE)
    except BrokenPipeError:
        exit_status = BROKEN_PIPE
    except CommandError as error:
        exit_status = report_error(program, str(error), error.exit_status)
    except KeyboardInterrupt:
        exit_status = report_error(program, "interrupted.", INTERRUPTED)
    except MemoryError as error:
        message = (
            f"not enough memory: {format_error(error)} "
            "Use smaller layers, smaller batches or less data."
        )
        exit_status = report_error(program, message, CANNOT_WRITE)
    except OSError as error:
        exit_status = report_error(program, format_error(error), CANNOT_WRITE)
    return close_output(program, exit_status)


def make_parser():
    """Return the parser of the command line."""
    from skmlp import __version__

    parser = CommandParser(prog="skmlp", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "--version",
        action="version",
        version=f"skmlp {__version__}",
        help="Show the version and exit.",
    )
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for command in COMMANDS.values():
        add_command(subparsers, command)
    return parser


def escape_unencodable_characters():
    """Make stdout and stderr print characters missing from their encoding as escapes."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def report_error(program, message, exit_status):
    """Print an error and return the exit status."""
    print_error(program, message)
    return exit_status


def close_output(program, exit_status):
    """Flush stdout and return the exit status. A pipe closed by its reader is not an error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Otherwise Python would fail at exit to write the rest of the buffer.
        discard_output()
        if exit_status == SUCCESS and not isinstance(error, BrokenPipeError):
            return report_error(program, format_error(error), CANNOT_WRITE)
    return exit_status
