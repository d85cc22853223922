"""Recipes: RECIPES, make_recipe and the accuracy of the classifiers."""

import dataclasses

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import Pipeline

from skmlp import MLPDigitClassifier, load_mnist, load_model, save_model
from skmlp.augment import Compose
from skmlp.export import to_c
from skmlp.recipes import COMMITTEES, COMMON_PARAMETERS, RECIPES, make_recipe

every_recipe = pytest.mark.parametrize("name", RECIPES)


def get_classifier(model):
    """Return a classifier, or the last step of a Pipeline."""
    return model[-1] if isinstance(model, Pipeline) else model


@every_recipe
def test_make_recipe_returns_an_unfitted_classifier_with_the_parameters_of_the_recipe(name):
    model = make_recipe(name, random_state=3)
    mlp = get_classifier(model)
    assert type(mlp) is MLPDigitClassifier
    assert not hasattr(mlp, "coefs_")
    changed = {**RECIPES[name].parameters, **COMMON_PARAMETERS, "random_state": 3}
    assert mlp.get_params() == MLPDigitClassifier().get_params() | changed
    assert get_classifier(make_recipe(name)).random_state is None
    assert RECIPES[name].make_classifier(3).get_params() == mlp.get_params()
    assert repr(clone(model)) == repr(model)


@every_recipe
def test_make_recipe_returns_a_pipeline_if_there_are_transformers(name):
    model, transformers = make_recipe(name), RECIPES[name].transformers
    assert isinstance(model, Pipeline) == bool(transformers)
    if transformers:
        assert [repr(step) for step in model[:-1]] == list(map(repr, transformers))
        model[0].set_params(image_shape=(4, 196))
        assert make_recipe(name)[0].image_shape is None


@every_recipe
def test_make_recipe_returns_a_new_classifier_each_time(name):
    get_classifier(make_recipe(name)).set_params(max_iter=1)
    expected = RECIPES[name].parameters["max_iter"]
    assert get_classifier(make_recipe(name)).max_iter == expected


@every_recipe
def test_recipe_has_a_one_line_summary_and_is_documented(name):
    recipe = RECIPES[name]
    assert recipe.name == name
    assert recipe.summary
    assert "\n" not in recipe.summary
    assert not recipe.summary.endswith(".")
    assert name in make_recipe.__doc__
    with pytest.raises(dataclasses.FrozenInstanceError):
        recipe.name = "other"


@pytest.mark.parametrize("name", ["best", "relu_128_adam", "", None])
def test_make_recipe_raises_on_an_unknown_name(name):
    with pytest.raises(ValueError, match="name must be one of") as caught:
        make_recipe(name)
    assert all(repr(known) in str(caught.value) for known in RECIPES)
    assert f", got {name!r}." in str(caught.value)


@every_recipe
def test_recipe_exceeds_70_percent_on_the_bundled_digits(name, tmp_path):
    X, y = load_digits(return_X_y=True)
    model = make_recipe(name, random_state=0)
    mlp = get_classifier(model)
    # A small network and few epochs, because the dataset is small. Chance is 10 %.
    n_hidden_layers = len(mlp.hidden_layer_sizes)
    mlp.set_params(
        input_scale=1 / 16,
        max_iter=10,
        batch_size=32,
        hidden_layer_sizes=(64,) * n_hidden_layers,
        image_shape=None,
    )
    model.fit(X[:1400], y[:1400])
    assert mlp.n_iter_ == 10
    assert model.score(X[1400:], y[1400:]) > 0.7

    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert get_classifier(loaded).get_params() == mlp.get_params()
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, recipe in RECIPES.items()
        if recipe.transformers and "augmentation" in recipe.parameters
    ],
)
def test_recipe_that_makes_digits_upright_does_so_after_distortions(name):
    deslanter, mlp = make_recipe(name)
    images = np.zeros((200, 28, 28))
    images[:, 5:23, 12:16] = 1
    *distortions, _ = mlp.augmentation.steps
    distorted = Compose(distortions)(images, np.random.default_rng(0)).reshape(200, -1)
    normalized = mlp.augmentation(images, np.random.default_rng(0)).reshape(200, -1)
    np.testing.assert_allclose(normalized, deslanter.fit_transform(distorted), atol=1e-5)
    assert np.mean(np.abs(normalized - distorted)) > 0.02


@pytest.mark.parametrize("name", COMMITTEES)
def test_committee_averages_networks_with_different_seeds(name):
    X, y = load_digits(return_X_y=True)
    committee = make_recipe(name, random_state=3)
    assert type(committee) is VotingClassifier
    assert committee.voting == "soft"
    members = [member for _, member in committee.estimators]
    assert [repr(member) for member in members] == [
        repr(make_recipe(member_name, seed))
        for member_name, seed in zip(
            COMMITTEES[name].members, COMMITTEES[name].draw_seeds(3), strict=True
        )
    ]
    networks = [get_classifier(member) for member in members]
    assert len({network.random_state for network in networks}) == len(networks)
    for network in networks:
        network.set_params(hidden_layer_sizes=(16,), max_iter=2, input_scale=1 / 16)
    committee.fit(X[:300], y[:300])
    average = np.mean([each.predict_proba(X) for each in committee.estimators_], axis=0)
    np.testing.assert_allclose(committee.predict_proba(X), average)
    seeds = {get_classifier(member).random_state for _, member in make_recipe(name).estimators}
    assert seeds == {None}


@pytest.mark.parametrize("name", COMMITTEES)
def test_committee_has_a_summary_and_is_documented(name):
    committee = COMMITTEES[name]
    assert committee.name == name
    assert committee.summary
    assert not committee.summary.endswith(".")
    assert f"'{name}'" in make_recipe.__doc__
    assert name not in RECIPES


def test_fast_reaches_99_3_percent_on_mnist(mnist_dir):
    X, y = load_mnist(mnist_dir, return_X_y=True)
    X_test, y_test = load_mnist(mnist_dir, subset="test", return_X_y=True)
    assert make_recipe("fast", random_state=0).fit(X, y).score(X_test, y_test) >= 0.993


def test_tiny_has_less_than_16_kb_of_constants(mnist_dir, tmp_path):
    X, y = load_mnist(mnist_dir, return_X_y=True)
    X_test, y_test = load_mnist(mnist_dir, subset="test", return_X_y=True)
    mlp = make_recipe("tiny", random_state=0).set_params(max_iter=2, augmentation=None)
    assert mlp.fit(X, y).score(X_test, y_test) > 0.97
    footprint = to_c(mlp, tmp_path / "tiny.c")
    assert footprint.constants <= 16_000
    assert footprint.stack <= 2_000
