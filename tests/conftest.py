"""Fixtures shared by several test files."""

import os
import signal
from pathlib import Path

import pytest
from browser import launch_browser
from helpers import load_small_digits
from threadpoolctl import threadpool_limits

from skmlp.engine import backend_choice
from skmlp.engine.backend_choice import KERNEL_SETS

collect_ignore = ["typing"]  # mypy checks these files, which are not run


def pytest_configure():
    """Restore the handler of SIGINT, which a shell sets to be ignored in commands that it runs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def limit_blas_threads():
    """Limit BLAS to one thread, which is faster for small networks. The tests of threads set other limits."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def mnist_dir():
    """Return the directory of the MNIST files: $SKMLP_MNIST, or shared/mnist next to the repository."""
    default = Path(__file__).resolve().parents[2] / "shared" / "mnist"
    directory = Path(os.environ.get("SKMLP_MNIST", default))
    if not directory.is_dir():
        pytest.skip(f"MNIST not found in {directory}. Set SKMLP_MNIST to its directory.")
    return directory


@pytest.fixture(scope="session")
def digits():
    """Return features in [0, 1] and labels of the first 300 of scikit-learn's bundled digits."""
    return load_small_digits()


@pytest.fixture(params=KERNEL_SETS)
def every_kernel_set(request, monkeypatch):
    """Run a test with each set of kernels, also for prediction and in other processes."""
    pytest.importorskip(request.param)
    monkeypatch.setenv(backend_choice.ENVIRONMENT_VARIABLE, request.param)
    monkeypatch.setattr(backend_choice, "LARGE_PREDICTION", 0)


@pytest.fixture(scope="session")
def browser():
    """Return headless Chromium for `open_page`.

    While it is open, Playwright's event loop runs in the main thread, where `asyncio.run` then raises an error.
    """
    with launch_browser() as browser:
        yield browser
