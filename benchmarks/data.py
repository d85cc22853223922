"""The data of the benchmarks: MNIST if it is available, otherwise random data of the same shape."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

import skmlp

DEFAULT_DIRECTORY = Path(__file__).resolve().parents[2] / "shared" / "mnist"
PIXEL_SCALE = np.float32(1 / 255)


class Dataset(NamedTuple):
    """Training and test images, float32 from 0 to 1 with one image per row, and their labels."""

    name: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


def find_mnist():
    """Return the directory of the MNIST files, or None if it does not exist."""
    directory = Path(os.environ.get("SKMLP_MNIST", DEFAULT_DIRECTORY))
    return directory if directory.is_dir() else None


def load_data(n_samples=None):
    """Return all training samples, or the first `n_samples`, and the test samples."""
    directory = find_mnist()
    data = make_random_data() if directory is None else load_mnist(directory)
    return data._replace(X=data.X[:n_samples], y=data.y[:n_samples])


def load_mnist(directory):
    X, y = skmlp.load_mnist(directory, return_X_y=True)
    X_test, y_test = skmlp.load_mnist(directory, subset="test", return_X_y=True)
    return Dataset("MNIST", X * PIXEL_SCALE, y, X_test * PIXEL_SCALE, y_test)


def make_random_data():
    """Draw ten random prototypes, one per class, and samples that are the mean of prototype and noise."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((10, 784), dtype=np.float32)
    y, y_test = rng.integers(0, 10, 60_000), rng.integers(0, 10, 10_000)
    X, X_test = (
        (prototypes[labels] + rng.random((len(labels), 784), dtype=np.float32)) / 2
        for labels in (y, y_test)
    )
    return Dataset("random data of MNIST's shape", X, y, X_test, y_test)
