"""Types of option values: conversion from the command line and from JSON, with the same validation."""

import argparse
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

MAX_SEED = 2**32 - 1
MAX_VALUE_LENGTH = 80  # characters of a value in an error message


class OptionError(argparse.ArgumentTypeError):
    """Error of an invalid option. argparse reports it as an error of the command line."""


@dataclass(frozen=True)
class ValueType:
    """Type of option values.

    Parameters
    ----------
    requirement : str
        Requirement on a value, as in "must be a positive number".
    from_text : callable
        Convert an argument of the command line. May raise ValueError, TypeError or ArithmeticError.
    from_json : callable
        Convert a JSON value. May raise the same errors.
    is_valid : callable
        Return whether a converted value is valid.
    """

    requirement: str
    from_text: Callable[[str], Any]
    from_json: Callable[[Any], Any]
    is_valid: Callable[[Any], bool]

    def parse(self, text):
        """Convert and validate an argument of the command line."""
        return self._convert(self.from_text, text)

    def parse_json(self, value):
        """Convert and validate a JSON value."""
        return self._convert(self.from_json, value)

    def _convert(self, convert, given):
        try:
            value = convert(given)
            valid = self.is_valid(value)
        except (ValueError, TypeError, ArithmeticError):
            valid = False
        if not valid:
            raise OptionError(f"must be {self.requirement}, got {format_value(given)}.")
        return value


def format_value(value):
    """Return the representation of a value for error messages, shortened if it is long."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = MAX_VALUE_LENGTH
    return shortener.repr(value)


def format_argument(value):
    """Return the argument of the command line that is converted to a value."""
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)


def make_type_check(*types):
    """Return a conversion that only accepts values of the given types. bool is not accepted as int."""

    def check(value):
        if type(value) not in types:
            raise TypeError
        return value

    return check


def make_integer_type(requirement, minimum, maximum=math.inf):
    """Return the type of integers from `minimum` to `maximum`."""
    return ValueType(requirement, int, make_type_check(int), lambda n: minimum <= n <= maximum)


def make_number_type(requirement, is_valid):
    """Return a type of floats."""
    check = make_type_check(int, float)
    return ValueType(requirement, float, lambda value: float(check(value)), is_valid)


def make_choice_type(names):
    """Return the type of strings that are among `names`."""
    requirement = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
    return ValueType(requirement, str, make_type_check(str), names.__contains__)


def make_list_type(element):
    """Return the type of one value of the type `element`, or a tuple of several."""
    requirement = f"{element.requirement}, or several separated by commas"
    element = replace(element, requirement=requirement)

    def from_text(text):
        return tuple(map(element.parse, text.split(","))) if "," in text else element.parse(text)

    def from_json(value):
        is_list = isinstance(value, list)
        return tuple(map(element.parse_json, value)) if is_list else element.parse_json(value)

    return ValueType(requirement, from_text, from_json, lambda value: True)


def parse_layer_sizes(text):
    """Return the layer sizes of a comma-separated list, or an empty tuple for "none"."""
    return () if text.strip().lower() == "none" else tuple(int(size) for size in text.split(","))


def convert_layer_sizes(value):
    """Return the layer sizes of a list of integers."""
    return tuple(map(make_type_check(int), make_type_check(list)(value)))


SEED = make_integer_type(f"an integer from 0 to {MAX_SEED}", 0, MAX_SEED)
COUNT = make_integer_type("a positive integer", 1)
POSITIVE = make_number_type("a positive number", lambda x: 0 < x < math.inf)
NON_NEGATIVE = make_number_type("a number of at least 0", lambda x: 0 <= x < math.inf)
FROM_0_TO_1 = make_number_type("a number in the range [0, 1]", lambda x: 0 <= x <= 1)
BETWEEN_0_AND_1 = make_number_type("a number in the range (0, 1)", lambda x: 0 < x < 1)
BELOW_1 = make_number_type("a number in the range [0, 1)", lambda x: 0 <= x < 1)
FACTOR = ValueType(
    "a positive number or a fraction such as 1/255",
    lambda text: float(Fraction(text)),
    POSITIVE.from_json,
    POSITIVE.is_valid,
)
LAYER_SIZES = ValueType(
    "positive integers separated by commas, such as 256 or 256,128, or 'none'",
    parse_layer_sizes,
    convert_layer_sizes,
    lambda sizes: all(size >= 1 for size in sizes),
)
PATH = ValueType(
    "a valid path", str, make_type_check(str), lambda path: path != "" and "\0" not in path
)
FLAG = ValueType("true or false", bool, make_type_check(bool), lambda value: True)
