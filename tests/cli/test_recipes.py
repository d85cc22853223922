"""`skmlp recipes`, and `skmlp train --recipe`."""

import pytest
from sklearn.datasets import load_digits

from skmlp import load_model
from skmlp.recipes import RECIPES, make_recipe


def test_recipes_lists_every_recipe(succeeds):
    out = succeeds("recipes")
    _, *lines = (line.split() for line in out.splitlines() if line.strip())
    assert [line[0] for line in lines] == list(RECIPES)
    for line, recipe in zip(lines, RECIPES.values(), strict=True):
        assert " ".join(line).endswith(recipe.summary)


@pytest.mark.parametrize("name", ["softmax", "relu-128-adam", "small-sample"])
def test_train_uses_the_parameters_of_the_recipe(succeeds, tmp_path, name):
    options = ("--epochs", "2", "--out", tmp_path, "--seed", "7", "--quiet")
    succeeds("train", "--recipe", name, *options, "--no-report")
    mlp = load_model(tmp_path / "model.safetensors")
    changed = {"max_iter": 2, "random_state": 7}
    assert mlp.get_params() == make_recipe(name).set_params(**changed).get_params()


def test_options_override_the_recipe(succeeds, tmp_path):
    options = ("--hidden", "20,10", "--dropout", "0.1,0", "--epochs", "1", "--solver", "nadam")
    succeeds("train", "--recipe", "dropout-512", *options, "--no-report", "--out", tmp_path)
    mlp = load_model(tmp_path / "model.safetensors")
    assert mlp.hidden_layer_sizes == (20, 10)
    assert mlp.dropout == (0.1, 0)
    assert mlp.solver == "nadam"
    assert mlp.batch_size == 128


def test_recipe_exceeds_97_percent_on_the_bundled_digits(run_skmlp, tmp_path):
    options = ("--recipe", "fast", "--epochs", "15", "--no-report", "--out", tmp_path)
    status, out, _ = run_skmlp("train", *options)
    assert status == 0
    X, y = load_digits(return_X_y=True)
    assert load_model(tmp_path / "model.safetensors").score(X * (255 / 16), y) > 0.97
    assert "Test accuracy" in out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--recipe", "best"), "argument --recipe: must be one of softmax, one-hidden, "),
        (("--recipe", "fast", "--solver", "lbfgs"), "--recipe has no effect with --solver lbfgs"),
        (("--recipe", "softmax", "--dropout", "0.2"), "--dropout has no effect with --hidden none"),
        (
            ("--recipe", "fast", "--dropout", "0.2,0.1"),
            "--dropout must have one value for all hidden layers or one for each (1), got 2.",
        ),
    ],
)
def test_train_rejects_options_that_do_not_fit_the_recipe(fails, tmp_path, options, message):
    assert message in fails(2, "train", *options, "--out", tmp_path)
