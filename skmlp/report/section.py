"""A section of the report and its content."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Content:
    """What a section shows.

    Attributes
    ----------
    figures : Any
        The figures as JSON values, which the return value of `write_report` contains.
    view : dict, default={}
        What only the page shows, such as pictures, by the names that the template uses.
    """

    figures: Any
    view: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Section:
    """A section of the report.

    Attributes
    ----------
    name : str
        Name of the template, identifier in the page, and key in the return value of `write_report`.
    title : str
        Heading.
    describe : callable
        ``describe(evaluation)`` returns the Content, or None if there is nothing to show.
    """

    name: str
    title: str
    describe: Callable[[Any], Content | None]
