"""Parser of the command line, and the definition of a command."""

import argparse
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skmlp.cli.errors import USAGE
from skmlp.cli.options import add_options


@dataclass(frozen=True)
class Command:
    """Command of `skmlp`.

    Parameters
    ----------
    name : str
        Name of the command.
    summary : str
        Line in ``skmlp --help``.
    description : str
        Text before the options in the command's --help.
    examples : str
        Text after the options in the command's --help.
    options_class : type
        Dataclass that declares the options.
    run : callable
        Take the options and return the exit status.
    make_options : callable or None, default=None
        Make the options from the given ones, passed as keyword arguments, or raise OptionError.
        By default, call `options_class`.
    usage : str or None, default=None
        Usage line of the command's --help. By default, it lists all options.
    """

    name: str
    summary: str
    description: str
    examples: str
    options_class: type
    run: Callable[[Any], int]
    make_options: Callable[..., Any] | None = None
    usage: str | None = None

    def __call__(self, given):
        """Run the command with the given options and return the exit status."""
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
        make_options = self.make_options or self.options_class
        return self.run(make_options(**values))


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Formatter of --help that keeps line breaks of descriptions, and option names in one piece."""

    def __init__(self, prog, **options):
        super().__init__(prog, max_help_position=30, **options)

    def _split_lines(self, text, width):
        kept_together = text.replace("[default: ", "[default:\xa0").replace(" x ", "\xa0x\xa0")
        lines = textwrap.wrap(kept_together, width, break_on_hyphens=False)
        return [line.replace("\xa0", " ") for line in lines]


class CommandParser(argparse.ArgumentParser):
    """Argument parser that reports an error in one line."""

    def __init__(self, **options):
        super().__init__(
            allow_abbrev=False, add_help=False, formatter_class=HelpFormatter, **options
        )
        self.add_argument("-h", "--help", action="help", help="Show this help and exit.")

    def error(self, message):
        """Print an error message and exit with the status of wrong usage."""
        self.exit(USAGE, f"{self.prog}: error: {refer_to_help(message, self.prog)}\n")


def refer_to_help(message, program):
    """Return the message of a usage error, followed by a reference to --help."""
    return f"{message.removesuffix('.')}. See '{program} --help'."


def add_command(subparsers, command):
    """Add the parser of a command."""
    parser = subparsers.add_parser(
        command.name,
        help=command.summary,
        description=command.description,
        epilog=command.examples,
        usage=command.usage,
    )
    add_options(parser, command.options_class)
