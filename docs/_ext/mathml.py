"""Math as MathML, which browsers display without JavaScript.

A displayed formula whose lines are not separated by ``\\\\`` may be wrapped on narrow screens: after ``\\qquad`` and at
``\\allowbreak``.
"""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.math import get_node_equation_number, wrap_displaymath

THIN_SPACE = '<mspace width="0.167em"/>'
FUNCTION = r"<mi>(?:log|exp|max|min|sin|cos|tanh|det|diag)</mi>"
# Replacements that make the spaces and sizes those of TeX, in this order
CORRECTIONS = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Only delimiters that \left and \right stretch are stretchy.
        (r"<mo>(?=&#x0007C;|&#x02016;)", '<mo stretchy="false">'),
        # Names of functions, and the symbol of a transpose, are no operators.
        (r"<mo>([a-z]{2,}|&#x022A4;)</mo>", r"<mi>\1</mi>"),
        (r"<mo>(?=(?:&#x0002F;|&#x02202;)<)", '<mo lspace="0" rspace="0">'),
        # A minus sign after an operator, except for a closing parenthesis, is a sign.
        (r"((?:[^9]|[^2]9);|[=\[])</mo><mo>(?=&#x02212;)", r'\1</mo><mo form="prefix">'),
        # The name of a function has a space before it, and after it unless the argument is in parentheses.
        (
            rf"(</(?:mi|mn|m?frac|msub|msup|msubsup|mrow)>|&#x00029;</mo>)(?={FUNCTION})",
            rf"\1{THIN_SPACE}",
        ),
        (rf"({FUNCTION})(?=<m)(?!<mo|<mrow><mo)", rf"\1{THIN_SPACE}"),
        # The glyph of a prime is small and raised.
        (r"<msup>(<mi>[^<]*</mi><mi>&#x02032;</mi>)</msup>", r"<mrow>\1</mrow>"),
        (
            r"<msubsup>(<mi>[^<]*</mi>)(<mi>[^<]*</mi>)(<mi>&#x02032;</mi>)</msubsup>",
            r"<msub><mrow>\1\3</mrow>\2</msub>",
        ),
        (r"<mover>(?=<mi>[^<]*</mi><mo)", '<mover accent="true">'),
    )
]
LEADING_SIGN = re.compile(r"^(<math[^>]*><mrow>)<mo>(?=&#x0002B;|&#x02212;)")
INNER_LINES = re.compile(r"\\begin\{(\w*matrix|cases)\}.*?\\end\{\1\}", re.DOTALL)


def to_mathml(latex, display):
    """Convert a formula, with the spaces and sizes of TeX where the converter omits them."""
    formula = convert(latex, display=display)
    for pattern, replacement in CORRECTIONS:
        formula = pattern.sub(replacement, formula)
    return formula


def split_formula(latex):
    r"""Return the parts of a formula between which a line may end, as one list for each part between ``\\qquad``.

    A formula of several lines is not split.
    """
    content = latex.removeprefix(r"\begin{split}").removesuffix(r"\end{split}")
    if "\\\\" in INNER_LINES.sub("", content):
        return [[latex]]
    return [re.split(r"\\allowbreak\b", part) for part in re.split(r"\\qquad\b", content)]


def convert_parts(parts):
    """Convert the parts of a formula between which a line may end. A sign at the start of a part is an operator."""
    first, *others = (to_mathml(part.strip(), "block") for part in parts)
    return [first, *(LEADING_SIGN.sub(r'\1<mo form="infix">', other) for other in others)]


def visit_inline_math(self, node):
    """Write a formula in the text."""
    self.body.append(to_mathml(node.astext(), "inline"))
    raise nodes.SkipNode


def visit_displayed_math(self, node):
    """Write a formula of its own, with its number and a link to it if it has a label."""
    latex = node.astext()
    if not node["no-wrap"]:
        latex = wrap_displaymath(latex, None, False).strip()
        latex = latex.removeprefix(r"\begin{equation*}").removesuffix(r"\end{equation*}")
    self.body.append(self.starttag(node, "div", CLASS="math"))
    for parts in split_formula(latex.strip()):
        self.body.append(f"<div>{''.join(convert_parts(parts))}</div>")
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    """Register the renderer as `html_math_renderer = "mathml"`."""
    app.add_html_math_renderer("mathml", (visit_inline_math, None), (visit_displayed_math, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
