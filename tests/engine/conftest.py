import importlib

import pytest

from skmlp.engine.kernels import KERNEL_SETS


@pytest.fixture(params=KERNEL_SETS, scope="session")
def kernels(request):
    """Give each set of kernels."""
    pytest.importorskip(request.param)
    return importlib.import_module(f"skmlp.engine.kernels.{request.param}_kernels")
