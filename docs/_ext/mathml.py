"""Math as MathML, which browsers display without JavaScript."""

import re

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.math import get_node_equation_number, wrap_displaymath

# Delimiters that only \\left and \\right stretch, which mark them as stretchy.
BARS = re.compile(r"<mo>(?=&#x0007C;|&#x02016;)")
# The name of a function before its argument, unless that is in parentheses.
FUNCTION_NAME = re.compile(r"<mi>(?:log|exp|max|min|sin|cos|tanh|det)</mi>(?=<m)(?!<mo)")
THIN_SPACE = '<mspace width="0.167em"/>'


def to_mathml(latex, display):
    """Convert a formula, with the spaces and sizes of TeX where the converter omits them."""
    formula = BARS.sub('<mo stretchy="false">', convert(latex, display=display))
    return FUNCTION_NAME.sub(lambda match: match[0] + THIN_SPACE, formula)


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
    self.body.append(to_mathml(latex.strip(), "block"))
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
