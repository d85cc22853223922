"""Sphinx configuration: `sphinx-build -W docs docs/_build`. The build requires no network."""

import os
import re
import sys
from pathlib import Path

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
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "reference/backreferences"]

# The theme

html_theme = "pydata_sphinx_theme"
html_title = "skmlp"
html_logo = html_favicon = "_static/logo.svg"
html_static_path = ["_static"]
html_css_files = ["skmlp.css"]
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

# Prompts and outputs are not copied.
copybutton_exclude = ".linenos, .gp, .go"

# The reference

# Names of parameters, attributes and functions in single backticks are formatted as code.
default_role = "code"

# The docstrings describe the types in words, with shapes and ranges.
autodoc_typehints = "none"

# Signatures show defaults such as MNIST_FILES by name.
autodoc_preserve_defaults = True

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
    "within_subsection_order": "FileNameSortKey",
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


def setup(app):
    """Register the handler."""
    app.connect("autodoc-process-docstring", mark_attributes)
