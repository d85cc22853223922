"""Fixture for all tests and for the examples in docstrings, and the files that contain no tests."""

import sys

import pytest

# The configuration, scripts and output of Sphinx. Of the documentation, only the pages contain tests.
collect_ignore_glob = ["docs/*.py", "docs/_*", "docs/auto_examples", "docs/reference/*/*"]


@pytest.fixture(autouse=True)
def close_figures():
    """Close the figures that a test or an example has opened."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
