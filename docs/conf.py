"""How Sphinx builds the documentation: `sphinx-build -W docs docs/_build`."""

import re

import skmlp

project = "skmlp"
author = "The skmlp maintainers"
project_copyright = "The skmlp maintainers"
release = skmlp.__version__
version = release

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

html_theme = "alabaster"
html_theme_options = {
    "description": "The multilayer perceptron for scikit-learn",
    "page_width": "1080px",
    "sidebar_width": "240px",
    "fixed_sidebar": True,
}
html_show_sourcelink = False

# In this project, `name` stands for a parameter, an attribute or a function: code.
default_role = "code"

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
# Records tell of their fields as attributes, schedules in their summary.
numpydoc_validation_exclude = {r"\.schedules\.", r"\.Summary$", r"\.LearningRateCurve$"}

# Every reference must lead somewhere, but for those to other projects' documentation, which is not
# loaded: the build needs no network.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(sklearn|numpy|scipy|matplotlib|pathlib)\..*")]


def mark_attributes(app, what, name, obj, options, lines):
    """Make code of ``n_features_in_`` in a type: reST takes a trailing underscore for a link."""
    lines[:] = [re.sub(r"(?<=[(\s])(\w*[a-z]_)(?=[,)])", r"`\1`", line) for line in lines]


def setup(app):
    """Connect what is defined here."""
    app.connect("autodoc-process-docstring", mark_attributes)
