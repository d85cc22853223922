"""The `skmlp` command: trains, evaluates and uses models of handwritten digits from a terminal."""

import io
import os
import sys

from skmlp.cli import evaluate, fetch, info, list_recipes, predict, train
from skmlp.cli.errors import (
    BROKEN_PIPE,
    CANNOT_WRITE,
    INTERRUPTED,
    SUCCESS,
    USAGE,
    CommandError,
    one_line,
)
from skmlp.cli.parser import CommandParser, add_command
from skmlp.cli.values import OptionError

COMMANDS = {
    module.COMMAND.name: module.COMMAND
    for module in (train, evaluate, predict, info, fetch, list_recipes)
}

DESCRIPTION = """\
Train, evaluate and use multilayer perceptrons for handwritten digits.

  skmlp train                                       train on scikit-learn's bundled digits
  skmlp evaluate skmlp-run/model.safetensors        print accuracy and confusion matrix
  skmlp predict skmlp-run/model.safetensors 7.png   predict the digit in a picture"""

EXIT_CODES = """\
exit status:
  0    success
  1    something could not be written, downloaded or held in memory
  2    wrong usage
  3    bad data
  4    bad model file or checkpoint
  130  interrupted by Ctrl-C

'skmlp COMMAND --help' describes a command, with examples."""


def main(argv=None):
    """Run the `skmlp` command.

    Parameters
    ----------
    argv : list of str or None, default=None
        Arguments after the name of the command; those of the process if `None`.

    Returns
    -------
    exit_status : int
        0 for success, 2 for wrong usage, 3 for bad data, 4 for a bad model file, 130 after
        Ctrl-C, 1 if something could not be written, downloaded or held in memory.

    Examples
    --------
    >>> from skmlp.cli import main
    >>> main(["--version"])
    skmlp ...
    0
    """
    _escape_unencodable_characters()
    program = "skmlp"
    try:
        given = vars(_make_parser().parse_args(argv))
        command = COMMANDS[given.pop("command")]
        program = f"skmlp {command.name}"
        exit_status = command(given)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse exits after --help, and after an error message
        exit_status = stop.code
    except OptionError as error:
        exit_status = _complain(program, f"{error} (see '{program} --help')", USAGE)
    except BrokenPipeError:
        exit_status = BROKEN_PIPE
    except CommandError as error:
        exit_status = _complain(program, str(error), error.exit_status)
    except KeyboardInterrupt:
        exit_status = _complain(program, "interrupted", INTERRUPTED)
    except MemoryError as error:
        fix = "choose smaller layers, smaller batches or less data"
        exit_status = _complain(program, f"not enough memory ({error}); {fix}", CANNOT_WRITE)
    except OSError as error:
        exit_status = _complain(program, one_line(error), CANNOT_WRITE)
    return _close_output(program, exit_status)


def _make_parser():
    from skmlp import __version__

    parser = CommandParser(prog="skmlp", description=DESCRIPTION, epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"skmlp {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for command in COMMANDS.values():
        add_command(subparsers, command)
    return parser


def _escape_unencodable_characters():
    """Print characters that the encoding of the terminal lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(program, message, exit_status):
    print(f"{program}: error: {message}", file=sys.stderr)
    return exit_status


def _close_output(program, exit_status):
    """Flush stdout. That the reader of a pipe has closed it, as `head` does, is not an error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # Otherwise Python would fail at exit to write what is left in the buffer.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if exit_status == SUCCESS and not isinstance(error, BrokenPipeError):
            return _complain(program, one_line(error), CANNOT_WRITE)
    return exit_status
