"""The recipes: what they promise on MNIST itself, and that they stand where they should."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier, load_mnist, load_model, save_model
from skmlp.cli import train_options
from skmlp.recipes import RECIPES

every_recipe = pytest.mark.parametrize("name", RECIPES)


@every_recipe
def test_a_recipe_is_an_unfitted_classifier_that_takes_pixels(name):
    mlp = RECIPES[name](random_state=3)
    assert type(mlp) is MLPDigitClassifier
    assert not hasattr(mlp, "coefs_")
    assert mlp.input_scale == 1 / 255
    assert mlp.random_state == 3
    assert RECIPES[name]().random_state is None
    assert repr(clone(mlp)) == repr(mlp)


@every_recipe
def test_a_recipe_learns_and_is_kept_in_files(name, tmp_path):
    X, y = load_digits(return_X_y=True)
    mlp = RECIPES[name](random_state=0).set_params(input_scale=1 / 16, max_iter=3, batch_size=32)
    if len(mlp.hidden_layer_sizes):
        mlp.set_params(hidden_layer_sizes=(32,) * len(mlp.hidden_layer_sizes))
    mlp.fit(X, y)
    save_model(mlp, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.get_params() == mlp.get_params()
    np.testing.assert_array_equal(loaded.predict_proba(X), mlp.predict_proba(X))


def test_the_command_line_knows_every_recipe():
    assert tuple(RECIPES) == train_options.RECIPES


def test_fast_passes_98_percent(mnist_dir):
    X, y = load_mnist(mnist_dir, return_X_y=True)
    X_test, y_test = load_mnist(mnist_dir, subset="test", return_X_y=True)
    assert RECIPES["fast"](random_state=0).fit(X, y).score(X_test, y_test) >= 0.98
