"""Math as MathML, which browsers display without JavaScript."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.math import get_node_equation_number, wrap_displaymath


def visit_inline_math(self, node):
    """Write a formula in the text."""
    self.body.append(convert(node.astext()))
    raise nodes.SkipNode


def visit_displayed_math(self, node):
    """Write a formula of its own, with its number and a link to it if it has a label."""
    latex = node.astext()
    if not node["no-wrap"]:
        latex = wrap_displaymath(latex, None, False).strip()
        latex = latex.removeprefix(r"\begin{equation*}").removesuffix(r"\end{equation*}")
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(convert(latex.strip(), display="block"))
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
