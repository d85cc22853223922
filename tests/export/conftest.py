"""Fixtures for the exports of a classifier that was trained on MNIST."""

import pytest

from skmlp import load_mnist
from skmlp.recipes import RECIPES


@pytest.fixture(scope="session")
def mnist_test_set(mnist_dir):
    """Return the images and labels of the test set."""
    return load_mnist(mnist_dir, subset="test", return_X_y=True)


@pytest.fixture(scope="session")
def mnist_classifier(mnist_dir):
    """Return the classifier of the recipe `fast`, trained on digits that are not transformed."""
    X_train, y_train = load_mnist(mnist_dir, return_X_y=True)
    return RECIPES["fast"].make_classifier(0).fit(X_train, y_train)
