"""Literals of C."""

import textwrap

LINE_LENGTH = 100


def format_float(value):
    """Return a literal of the type float in C."""
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


def format_values(values):
    """Return the values of an array in C, in lines of limited length."""
    return textwrap.fill(
        ", ".join(values),
        LINE_LENGTH,
        initial_indent="    ",
        subsequent_indent="    ",
        break_on_hyphens=False,
    )
