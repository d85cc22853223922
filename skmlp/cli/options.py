"""Options of a command, declared as fields of a frozen dataclass: one entry states all about an option."""

import argparse
from dataclasses import MISSING, dataclass, field, fields

from skmlp.cli.values import FLAG, ValueType


@dataclass(frozen=True)
class Option:
    """What the command line needs to know of an option.

    Parameters
    ----------
    value_type : ValueType
    help_text : str
        Its description in --help.
    group : str or None, default=None
        Heading in --help; None for the unnamed group.
    metavar : str or None, default=None
        Name of the value in --help.
    positional : bool, default=False
        Whether it is given by its position, without a name.
    repeated : bool, default=False
        Whether it takes one or more values.
    """

    value_type: ValueType
    help_text: str
    group: str | None = None
    metavar: str | None = None
    positional: bool = False
    repeated: bool = False


def declare(option, default=MISSING):
    """Return the dataclass field of an option."""
    return field(default=default, metadata={"option": option})


def options_of(options_class):
    """Return the options that a dataclass declares, by name."""
    return {each.name: each.metadata["option"] for each in fields(options_class)}


def flag(name):
    """Return an option as it is written: "--batch-size" for "batch_size"."""
    return "--" + name.replace("_", "-")


def add_options(parser, options_class):
    """Add the options that a dataclass declares to a parser.

    The parsed namespace has only what was given: the defaults are those of the dataclass.
    """
    groups = {None: parser}
    for name, option in options_of(options_class).items():
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        add_option(groups[option.group], name, option)


def add_option(group, name, option):
    """Add an option to a group of a parser."""
    value = {"type": option.value_type.parse, "metavar": option.metavar, "help": option.help_text}
    if option.positional:
        group.add_argument(name, nargs="+" if option.repeated else None, **value)
    elif option.value_type is FLAG:
        group.add_argument(
            flag(name), action="store_true", default=argparse.SUPPRESS, help=option.help_text
        )
    else:
        group.add_argument(flag(name), default=argparse.SUPPRESS, **value)
