"""Fixtures that more than one part of the tests uses."""

import os
from pathlib import Path

import pytest
from helpers import small_digits

from skmlp import set_kernels
from skmlp.engine.backend_choice import KERNEL_SETS


@pytest.fixture(scope="session")
def mnist_dir():
    """The directory of the four original files: $SKMLP_MNIST, or shared/mnist beside the checkout."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "mnist"
    directory = Path(os.environ.get("SKMLP_MNIST", beside))
    if not directory.is_dir():
        pytest.skip(f"needs MNIST in {directory}; set SKMLP_MNIST to its directory")
    return directory


@pytest.fixture(scope="session")
def digits():
    """Three hundred of scikit-learn's digits as floats between 0 and 1, and their labels."""
    return small_digits()


@pytest.fixture(params=KERNEL_SETS)
def every_kernel_set(request):
    """Run a test with each set of kernels."""
    pytest.importorskip(request.param)
    set_kernels(request.param)
    yield
    set_kernels(None)
