"""Results of checks."""

from dataclasses import dataclass

ATTENTION, PASSED, NOT_CHECKED = "attention", "passed", "not checked"
STATUSES = (ATTENTION, PASSED, NOT_CHECKED)


@dataclass(frozen=True)
class Result:
    """Result of a check.

    Attributes
    ----------
    status : str
        One of STATUSES.
    text : str
        What was found.
    title : str or None
        Title if attention is needed; None for the title of the check.
    remedy : str or None
        What can be done if attention is needed.
    """

    status: str
    text: str
    title: str | None = None
    remedy: str | None = None


def need_attention(title, text, remedy):
    """Return the Result of a check that needs attention."""
    return Result(ATTENTION, text, title, remedy)


def pass_check(text):
    """Return the Result of a check that needs no attention."""
    return Result(PASSED, text)


def skip_check(text):
    """Return the Result of a check that is not possible, with the reason."""
    return Result(NOT_CHECKED, text)
