"""The parser of the command line, and what a command consists of."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skmlp.cli.errors import USAGE
from skmlp.cli.options import add_options


@dataclass(frozen=True)
class Command:
    """A command of `skmlp`.

    Parameters
    ----------
    name : str
    summary : str
        Its line in ``skmlp --help``.
    description, examples : str
        Beginning and end of its own --help.
    options_class : type
        Dataclass that declares its options.
    run : callable
        Takes the options and returns the exit status.
    make_options : callable or None, default=None
        Makes the options from those that were given, as keyword arguments, or raises OptionError; `options_class`
        if None.
    usage : str or None, default=None
        First line of its --help; None for one with all options.
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
        """Run the command with the options that were given, and return the exit status."""
        values = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in given.items()
        }
        make_options = self.make_options or self.options_class
        return self.run(make_options(**values))


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Format --help with a wide column of option names, and keep the line breaks of examples."""

    def __init__(self, prog, **options):
        super().__init__(prog, max_help_position=30, **options)


class CommandParser(argparse.ArgumentParser):
    """An argument parser that prints errors in one line."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, formatter_class=HelpFormatter, **options)

    def error(self, message):
        """Exit with the status of wrong usage, and the message."""
        self.exit(USAGE, f"{self.prog}: error: {message} (see '{self.prog} --help')\n")


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
