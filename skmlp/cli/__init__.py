"""The `skmlp` command: trains, judges and uses models of handwritten digits from a terminal."""

import io
import os
import sys

from skmlp.cli import evaluate, fetch, info, predict, recipes, train
from skmlp.cli.arguments import CommandParser, Formatter
from skmlp.cli.failures import (
    BROKEN_PIPE,
    CANNOT_WRITE,
    INTERRUPTED,
    SUCCESS,
    CommandError,
    explain,
)

COMMANDS = (train, evaluate, predict, info, fetch, recipes)

DESCRIPTION = """\
Train, judge and use multilayer perceptrons that read handwritten digits.

  skmlp train                                       learn scikit-learn's bundled digits
  skmlp evaluate skmlp-run/model.safetensors        see what the model gets right and wrong
  skmlp predict skmlp-run/model.safetensors 7.png   read a picture"""

EXIT_CODES = """\
exit status:
  0    success
  1    something could not be written, downloaded or held in memory
  2    wrong usage
  3    bad data
  4    bad model file or checkpoint
  130  interrupted by Ctrl-C

'skmlp COMMAND --help' tells all about a command, with examples."""


def main(argv=None):
    """Run the `skmlp` command.

    Parameters
    ----------
    argv : list of str or None, default=None
        The arguments after the command's name; those of the process if `None`.

    Returns
    -------
    exit_status : int
        0 for success, 2 for wrong usage, 3 for bad data, 4 for a bad model file, 130 after
        Ctrl-C, 1 where something could not be written, downloaded or held in memory.

    Examples
    --------
    >>> from skmlp.cli import main
    >>> main(["--version"])
    skmlp ...
    0
    """
    _print_every_character()
    speaker = "skmlp"
    try:
        arguments = _build_parser().parse_args(argv)
        speaker = f"skmlp {arguments.command}"
        exit_status = arguments.run(arguments)
        sys.stdout.flush()
    except SystemExit as stop:  # argparse is done: after --help, or after its error message
        exit_status = stop.code
    except BrokenPipeError:
        exit_status = BROKEN_PIPE
    except CommandError as error:
        exit_status = _complain(speaker, str(error), error.exit_status)
    except KeyboardInterrupt:
        exit_status = _complain(speaker, "interrupted", INTERRUPTED)
    except MemoryError as error:
        advice = "choose smaller layers, smaller batches or less data"
        exit_status = _complain(speaker, f"not enough memory ({error}); {advice}", CANNOT_WRITE)
    except OSError as error:
        exit_status = _complain(speaker, explain(error), CANNOT_WRITE)
    return _close_output(speaker, exit_status)


def _build_parser():
    from skmlp import __version__

    parser = CommandParser(
        prog="skmlp", description=DESCRIPTION, epilog=EXIT_CODES, formatter_class=Formatter
    )
    parser.add_argument("--version", action="version", version=f"skmlp {__version__}")
    subparsers = parser.add_subparsers(
        title="commands", dest="command", metavar="COMMAND", required=True
    )
    for command in COMMANDS:
        command.add_parser(subparsers)
    return parser


def _print_every_character():
    """Let a file name that the terminal's encoding lacks be shown escaped, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _complain(speaker, message, exit_status):
    print(f"{speaker}: error: {message}", file=sys.stderr)
    return exit_status


def _close_output(speaker, exit_status):
    """Flush what was printed; a reader that has gone away, as `head` does, is no error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # What is left in the buffer would fail again, and loudly, when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if exit_status == SUCCESS and not isinstance(error, BrokenPipeError):
            return _complain(speaker, explain(error), CANNOT_WRITE)
    return exit_status
