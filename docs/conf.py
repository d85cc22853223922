"""Sphinx configuration: `sphinx-build -W docs docs/_build`. The build requires no network."""

import os
import pkgutil
import re
import sys
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.ext.autosummary import autosummary_table

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS / "_ext"))

import skmlp  # noqa: E402

project = "skmlp"
author = "The skmlp maintainers"
project_copyright = "2026, The skmlp maintainers"
release = skmlp.__version__
version = release

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.viewcode",
    "numpydoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "drawing_page",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "reference/backreferences"]

# The theme

html_theme = "pydata_sphinx_theme"
html_title = "skmlp"
html_logo = html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["skmlp.css"]
html_context = {"default_mode": "auto"}  # the brightness of the screen
html_theme_options = {
    "logo": {"text": "skmlp", "alt_text": ""},
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "show_nav_level": 1,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "installation": [], "search": []}
html_show_sourcelink = False
html_math_renderer = "mathml"

# The copy button copies the lines with a prompt, without it.
copybutton_prompt_text = r">>> |\.\.\. |\$ |> "
copybutton_prompt_is_regexp = True
copybutton_image_svg = """\
<svg role="img" aria-label="Copy" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.5">
  <rect x="8" y="8" width="12" height="12" rx="2"/>
  <path d="M16 8V6a2 2 0 0 0-2-2H6a2 2 0 0 0-2 2v8a2 2 0 0 0 2 2h2"/>
</svg>"""

# The reference

# Names of parameters, attributes and functions in single backticks are formatted as code.
default_role = "code"

# The docstrings describe the types in words, with shapes and ranges.
autodoc_typehints = "none"

# Signatures show defaults such as MNIST_FILES by name.
autodoc_preserve_defaults = True

# The table of contents of a page omits the name of the class, which makes most entries too long.
toc_object_entries_show_parents = "hide"

# The class template lists the members.
numpydoc_show_class_members = False
numpydoc_validation_checks = {
    "PR01",  # parameters not documented
    "PR02",  # unknown parameters
    "PR03",  # parameters in another order
    "PR04",  # a parameter without a type
    "RT01",  # no Returns section
    "SS01",  # no summary
    "YD01",  # no Yields section
}
# Records document their fields under "Attributes", and schedules in their summary.
numpydoc_validation_exclude = {r"\.schedules\.", r"\.Summary$", r"\.LearningRateCurve$"}

# All references must be valid. The inventories contain the names of other projects that the pages and examples use.
nitpicky = True
intersphinx_mapping = {
    name: (url, f"inventories/{name}.inv")
    for name, url in {
        "python": "https://docs.python.org/3",
        "numpy": "https://numpy.org/doc/stable",
        "scipy": "https://docs.scipy.org/doc/scipy",
        "sklearn": "https://scikit-learn.org/stable",
        "matplotlib": "https://matplotlib.org/stable",
    }.items()
}

# The examples, which run in their directory

os.environ.setdefault("SKMLP_MNIST", str(DOCS.parents[1] / "shared" / "mnist"))
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"/plot_",
    "within_subsection_order": "gallery.LessonOrder",
    "doc_module": ("skmlp",),
    "reference_url": {"skmlp": None},
    "backreferences_dir": "reference/backreferences",
    "capture_repr": ("_repr_html_",),
    "reset_modules": ("matplotlib", "gallery.prepare_example"),
    "reset_modules_order": "both",
    "image_srcset": ["2x"],
    "download_all_examples": False,
    "show_memory": False,
    "show_signature": False,
    "write_computation_times": False,
}


def mark_attributes(app, what, name, obj, options, lines):
    """Mark ``n_features_in_`` in a type as code, because reST reads a trailing underscore as a link."""
    lines[:] = [re.sub(r"(?<=[(\s])(\w*[a-z]_)(?=[,)])", r"`\1`", line) for line in lines]


def add_real_names(app, doctree):
    """Add the name of the defining module to the ids of an object, because pages of source code link to it."""
    for signature in doctree.findall(addnodes.desc_signature):
        if module := signature.get("module"):
            value = pkgutil.resolve_name(f"{module}:{signature['fullname']}")
            name = f"{getattr(value, '__module__', module)}.{signature['fullname']}"
            if name not in signature["ids"]:
                signature["ids"].append(name)


def remove_citations(app, doctree):
    """Remove the citations from the summaries in tables of names, where their labels mean nothing."""
    for table in doctree.findall(autosummary_table):
        for citation in [*table.findall(addnodes.pending_xref)]:
            if citation["refdomain"] == "citation":
                parent = citation.parent
                before = parent[parent.index(citation) - 1]
                parent.replace(before, nodes.Text(before.astext().rstrip()))
                parent.remove(citation)


def join_units(app, doctree):
    """Replace the spaces in "99 %", "10 s" and "28 x 28" by no-break spaces, except in code."""
    space = re.compile(r"(?<=\d)\s(?=(?:%|s|ms|[kKMG]i?B)(?!\w)|x\s\d)|(?<=\d\sx)\s(?=\d)")
    for text in [*doctree.findall(nodes.Text)]:
        joined = space.sub("\N{NO-BREAK SPACE}", text)
        is_code = isinstance(text.parent, nodes.literal | nodes.math | nodes.FixedTextElement)
        if joined != text and not is_code:
            text.parent.replace(text, nodes.Text(joined))


def setup(app):
    """Register the handlers."""
    app.connect("autodoc-process-docstring", mark_attributes)
    app.connect("doctree-read", add_real_names)
    app.connect("doctree-read", remove_citations)
    app.connect("doctree-read", join_units)
