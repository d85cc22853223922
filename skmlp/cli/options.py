"""Options of a command, declared as the fields of a frozen dataclass."""

import argparse
from dataclasses import MISSING, dataclass, field, fields

from skmlp.cli.values import FLAG, ValueType


@dataclass(frozen=True)
class Option:
    """Option or positional argument of a command.

    Parameters
    ----------
    value_type : ValueType
        Type of the value.
    help_text : str
        Description in --help.
    group : str or None, default=None
        Name of its group in --help, or None for the unnamed group.
    metavar : str or None, default=None
        Placeholder of the value in --help.
    positional : bool, default=False
        Whether it is a positional argument.
    repeated : bool, default=False
        Whether a positional argument takes one or more values.
    optional : bool, default=False
        Whether a positional argument that takes one value may be left out.
    """

    value_type: ValueType
    help_text: str
    group: str | None = None
    metavar: str | None = None
    positional: bool = False
    repeated: bool = False
    optional: bool = False


def declare(option, default=MISSING):
    """Return the dataclass field of an option."""
    return field(default=default, metadata={"option": option})


def get_options(options_class):
    """Return the options that a dataclass declares, by name."""
    return {each.name: each.metadata["option"] for each in fields(options_class)}


def to_flag(name):
    """Return the flag of an option: "--batch-size" for "batch_size"."""
    return "--" + name.replace("_", "-")


def add_options(parser, options_class):
    """Add the options that a dataclass declares to a parser.

    The parsed namespace only contains the options that were given: the dataclass has the defaults.
    """
    groups = {None: parser}
    for name, option in get_options(options_class).items():
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(f"{option.group} options")
        add_option(groups[option.group], name, option)


def add_option(group, name, option):
    """Add an option to a group of a parser."""
    value = {"type": option.value_type.parse, "metavar": option.metavar, "help": option.help_text}
    if option.positional and option.optional:
        group.add_argument(name, nargs="?", default=argparse.SUPPRESS, **value)
    elif option.positional:
        group.add_argument(name, nargs="+" if option.repeated else None, **value)
    elif option.value_type is FLAG:
        group.add_argument(
            to_flag(name), action="store_true", default=argparse.SUPPRESS, help=option.help_text
        )
    else:
        group.add_argument(to_flag(name), default=argparse.SUPPRESS, **value)
