"""Types of option values: conversion from the command line and from JSON, and one check for both."""

import argparse
import math
import reprlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

LARGEST_SEED = 2**32 - 1
LONGEST_SHOWN = 80  # characters of a value in an error message


class OptionError(argparse.ArgumentTypeError):
    """An option is invalid. argparse reports it as an error of the command line."""


@dataclass(frozen=True)
class ValueType:
    """A type of option values.

    Parameters
    ----------
    requirement : str
        What a value must be, as in "must be a number above 0".
    from_text, from_json : callable
        Convert a word of the command line, or a value of JSON. May raise ValueError, TypeError or ArithmeticError.
    is_valid : callable
        Checks a converted value.
    """

    requirement: str
    from_text: Callable[[str], Any]
    from_json: Callable[[Any], Any]
    is_valid: Callable[[Any], bool]

    def parse(self, text):
        """Return the value of a word of the command line."""
        return self._convert(self.from_text, text)

    def read_json(self, value):
        """Return the value of a value of JSON."""
        return self._convert(self.from_json, value)

    def _convert(self, convert, given):
        try:
            value = convert(given)
            valid = self.is_valid(value)
        except (ValueError, TypeError, ArithmeticError):
            valid = False
        if not valid:
            raise OptionError(f"must be {self.requirement}, got {shown(given)}")
        return value


def shown(value):
    """Return a value as error messages show it, shortened if it is long."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = LONGEST_SHOWN
    return shortener.repr(value)


def _instance_of(*types):
    """Return a conversion that refuses values of other types, bool as int among them."""

    def check(value):
        if type(value) not in types:
            raise TypeError
        return value

    return check


def whole_number(minimum, maximum=math.inf):
    """Return the type of whole numbers from `minimum` to `maximum`."""
    requirement = f"a whole number of at least {minimum}"
    if maximum < math.inf:
        requirement = f"a whole number from {minimum} to {maximum}"
    return ValueType(requirement, int, _instance_of(int), lambda n: minimum <= n <= maximum)


def number(requirement, is_valid):
    """Return a type of floats."""
    is_number = _instance_of(int, float)
    return ValueType(requirement, float, lambda value: float(is_number(value)), is_valid)


def one_of(names):
    """Return the type of strings that are among `names`."""
    return ValueType(f"one of {', '.join(names)}", str, _instance_of(str), names.__contains__)


def one_or_several(element):
    """Return the type of one value of the type `element` or, as a tuple, several."""
    requirement = f"{element.requirement}, or several with commas between them"
    element = replace(element, requirement=requirement)

    def from_text(text):
        return tuple(map(element.parse, text.split(","))) if "," in text else element.parse(text)

    def from_json(value):
        is_list = isinstance(value, list)
        return tuple(map(element.read_json, value)) if is_list else element.read_json(value)

    return ValueType(requirement, from_text, from_json, lambda value: True)


def _sizes_from_text(text):
    return () if text.strip().lower() == "none" else tuple(int(size) for size in text.split(","))


def _sizes_from_json(value):
    return tuple(map(_instance_of(int), _instance_of(list)(value)))


SEED = whole_number(0, LARGEST_SEED)
COUNT = whole_number(1)
POSITIVE = number("a number above 0", lambda x: 0 < x < math.inf)
NON_NEGATIVE = number("a number of at least 0", lambda x: 0 <= x < math.inf)
FROM_0_TO_1 = number("a number from 0 to 1", lambda x: 0 <= x <= 1)
BETWEEN_0_AND_1 = number("a number between 0 and 1, such as 0.2", lambda x: 0 < x < 1)
BELOW_1 = number("a number from 0 to below 1, such as 0.2", lambda x: 0 <= x < 1)
FACTOR = ValueType(
    "a number above 0, or a fraction such as 1/255",
    lambda text: float(Fraction(text)),
    POSITIVE.from_json,
    POSITIVE.is_valid,
)
LAYER_SIZES = ValueType(
    "sizes of at least 1 with commas between them, such as 256 or 256,128, or none",
    _sizes_from_text,
    _sizes_from_json,
    lambda sizes: all(size >= 1 for size in sizes),
)
PATH = ValueType("a path", str, _instance_of(str), lambda path: path != "" and "\0" not in path)
FLAG = ValueType("true or false", bool, _instance_of(bool), lambda value: True)
