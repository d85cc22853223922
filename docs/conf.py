"""Sphinx configuration: `sphinx-build -W docs docs/_build`."""

import re

import skmlp

project = "skmlp"
author = "The skmlp maintainers"
project_copyright = "2026, The skmlp maintainers"
release = skmlp.__version__
version = release

extensions = ["sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
templates_path = ["_templates"]
exclude_patterns = ["_build"]

html_theme = "alabaster"
html_theme_options = {
    "description": "A scikit-learn-compatible multilayer perceptron for handwritten digits",
    "page_width": "1080px",
    "sidebar_width": "240px",
    "fixed_sidebar": True,
}
html_show_sourcelink = False

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

# References to other projects are not resolved, so that the build requires no network. All others must be valid.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(sklearn|numpy|scipy|matplotlib|pathlib)\..*")]


def mark_attributes(app, what, name, obj, options, lines):
    """Mark ``n_features_in_`` in a type as code, because reST reads a trailing underscore as a link."""
    lines[:] = [re.sub(r"(?<=[(\s])(\w*[a-z]_)(?=[,)])", r"`\1`", line) for line in lines]


def setup(app):
    """Register the handler."""
    app.connect("autodoc-process-docstring", mark_attributes)
