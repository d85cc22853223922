"""Fixtures for the tests of the classifier."""

import numpy as np
import pytest
from sklearn.datasets import load_digits


@pytest.fixture(scope="module")
def pixels():
    """Return the digits as uint8 pixels from 0 to 240."""
    return (load_digits().data[:300] * 15).astype(np.uint8)
