"""Small datasets as NumPy arrays and as dask arrays."""

from typing import Any, NamedTuple

import dask
import dask.array as da
import numpy as np
import pytest
from sklearn.datasets import load_digits

# A LocalCluster would give up workers that are lost repeatedly.
dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})


class Data(NamedTuple):
    """Samples and labels, and their division into blocks."""

    X: Any
    y: Any
    chunks: tuple

    def divide(self, array=None):
        """Return an array, by default X, as a dask array that is divided into blocks of rows."""
        array = self.X if array is None else array
        return da.from_array(array, chunks=(self.chunks, *array.shape[1:]))


@pytest.fixture(scope="session")
def data():
    """Digits of 8 x 8 pixels in three blocks of different sizes."""
    X, y = load_digits(return_X_y=True)
    return Data((X[:500] / 16).astype(np.float32), y[:500], (200, 180, 120))
