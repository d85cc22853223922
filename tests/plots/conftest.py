"""Fixtures for displays."""

import matplotlib as mpl
import pytest


@pytest.fixture(autouse=True)
def use_agg_backend():
    mpl.use("agg")
