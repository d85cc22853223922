"""Rendering of the report as an HTML page from the templates in the directory `templates`."""

import re
from functools import cache

from skmlp import __version__, formatting
from skmlp.report.contents import FINDINGS, SECTIONS

CODE = re.compile(r"`([^`]+)`")


def render(evaluation, contents):
    """Return the page.

    Parameters
    ----------
    evaluation : Evaluation
    contents : dict of str to Content or None
        Content of each section by its name.

    Returns
    -------
    html : str
    """
    titles = {section.name: section.title for section in SECTIONS} | {FINDINGS: "Findings"}
    return (
        make_environment()
        .get_template("page.html")
        .render(
            evaluation=evaluation,
            titles={name: title for name, title in titles.items() if contents[name] is not None},
            contents=contents,
            version=__version__,
        )
    )


@cache
def make_environment():
    """Return the jinja2 environment. All text is escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("skmlp.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": formatting.format_number,
        "percent": keep_together(formatting.format_percent),
        "probability": keep_together(formatting.format_probability),
        "p_value": formatting.format_p_value,
        "duration": keep_together(formatting.format_duration),
        "size": keep_together(formatting.format_size),
        "code": mark_code,
    }
    return environment


def keep_together(format_number):
    """Return a formatting function whose result is not broken between the number and the unit."""

    def format_unbroken(*args):
        return format_number(*args).replace(" ", "\u00a0")

    return format_unbroken


def mark_code(text):
    """Return text as HTML, with the parts in backticks as code elements."""
    from markupsafe import Markup, escape

    html = CODE.sub(r"<code>\1</code>", str(escape(text)))
    return Markup(html.replace(" %", "\u00a0%"))
