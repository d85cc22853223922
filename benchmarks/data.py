"""What is learnt: MNIST where it is there, else noise of the same shape."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

import skmlp

BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "mnist"
PIXEL_SCALE = np.float32(1 / 255)


class Data(NamedTuple):
    """Images, float32 from 0 to 1, one a row, and their digits; for training and for testing."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def mnist_directory():
    """Give the directory that holds MNIST's four files, or None."""
    directory = Path(os.environ.get("SKMLP_MNIST", BESIDE_THE_CHECKOUT))
    return directory if directory.is_dir() else None


def load_data(rows=None):
    """Load all training samples, or the first `rows`, and the test samples."""
    directory = mnist_directory()
    data = make_noise() if directory is None else load_mnist(directory)
    return data._replace(X=data.X[:rows], y=data.y[:rows])


def load_mnist(directory):
    X, y = skmlp.load_mnist(directory, return_X_y=True)
    X_test, y_test = skmlp.load_mnist(directory, subset="test", return_X_y=True)
    return Data("MNIST", X * PIXEL_SCALE, y, X_test * PIXEL_SCALE, y_test)


def make_noise():
    """Draw ten random prototypes, and samples that are half prototype, half noise."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((10, 784), dtype=np.float32)
    y, y_test = rng.integers(0, 10, 60_000), rng.integers(0, 10, 10_000)
    X, X_test = (
        (prototypes[labels] + rng.random((len(labels), 784), dtype=np.float32)) / 2
        for labels in (y, y_test)
    )
    return Data("noise of MNIST's shape", X, y, X_test, y_test)
