"""The parser of the command line, and the types of its options' values."""

import argparse
import math

from skmlp.cli.failures import USAGE

LARGEST_SEED = 2**32 - 1


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help with room for the names of options, and with examples kept as they are written."""

    def __init__(self, prog, **options):
        super().__init__(prog, max_help_position=30, **options)


class CommandParser(argparse.ArgumentParser):
    """An argument parser that says a user's mistake in one line."""

    def __init__(self, **options):
        options.setdefault("allow_abbrev", False)
        super().__init__(**options)

    def error(self, message):
        """Exit with the status of wrong usage, and the message."""
        self.exit(USAGE, f"{self.prog}: error: {message} (see '{self.prog} --help')\n")


def add_command(subparsers, name, run, *, summary, description, epilog):
    """Add the parser of one command, which `run` carries out, and return it."""
    parser = subparsers.add_parser(
        name, help=summary, description=description, epilog=epilog, formatter_class=Formatter
    )
    parser.set_defaults(run=run, usage_error=parser.error)
    return parser


def whole_number(minimum, maximum=math.inf):
    """Return the type of an option that takes a whole number from `minimum` on."""
    wanted = f"a whole number of at least {minimum}"
    if maximum < math.inf:
        wanted = f"a whole number from {minimum} to {maximum}"
    return _number(int, wanted, lambda value: minimum <= value <= maximum)


def positive_number():
    """Return the type of an option that takes a number above 0."""
    return _number(float, "a number above 0", lambda value: 0 < value < math.inf)


def number_from_zero():
    """Return the type of an option that takes 0 or a number above it."""
    return _number(float, "a number of at least 0", lambda value: 0 <= value < math.inf)


def number_between(low, high):
    """Return the type of an option that takes a number from `low` to `high`, both included."""
    return _number(float, f"a number from {low} to {high}", lambda value: low <= value <= high)


def fraction():
    """Return the type of an option that takes a number between 0 and 1, neither included."""
    return _number(float, "a number between 0 and 1, such as 0.2", lambda value: 0 < value < 1)


def share():
    """Return the type of an option that takes a number from 0 to below 1."""
    return _number(float, "a number from 0 to below 1, such as 0.2", lambda value: 0 <= value < 1)


def _number(kind, wanted, accepts):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not accepts(value):
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        return value

    return parse


def hidden_sizes(text):
    """Read the sizes of the hidden layers: "256,128", or "none"."""
    if text.strip().lower() == "none":
        return ()
    try:
        sizes = tuple(int(size) for size in text.split(","))
    except ValueError:
        sizes = (0,)
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError(
            "must be sizes of at least 1 with commas between them, such as 256 or 256,128, "
            f"or none, got {text!r}"
        )
    return sizes


def shares(text):
    """Read one number from 0 to below 1, or several with commas between them, as a tuple."""
    if "," not in text:
        return share()(text)
    return tuple(map(share(), text.split(",")))


def names_among(known):
    """Return the type of an option that takes one of the `known` names, or several, as a tuple."""

    def parse(text):
        names = tuple(text.split(","))
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(
                f"must be one of {', '.join(known)}, or several with commas between them, "
                f"got {unknown[0]!r}"
            )
        return names if len(names) > 1 else text

    return parse
