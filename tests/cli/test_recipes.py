"""`skmlp recipes`, and `skmlp train --recipe`."""

import re

import numpy as np
import pytest
from helpers import interrupt_after
from sklearn.datasets import load_digits

from skmlp import load_mnist, load_model
from skmlp.recipes import COMMITTEES, RECIPES


def test_recipes_lists_every_recipe(succeeds):
    out = succeeds("recipes")
    _, *lines = (line.split() for line in out.splitlines() if line.strip())
    recipes = RECIPES | COMMITTEES
    assert [line[0] for line in lines] == list(recipes)
    for line, recipe in zip(lines, recipes.values(), strict=True):
        assert " ".join(line).endswith(recipe.summary)


@pytest.mark.parametrize("name", ["softmax", "relu-128-adam", "small-sample", "tiny"])
def test_train_uses_the_parameters_of_the_recipe(succeeds, tmp_path, name):
    options = ("--epochs", "2", "--out", tmp_path, "--seed", "7", "--quiet")
    succeeds("train", "--recipe", name, *options, "--no-report")
    model = load_model(tmp_path / "model.safetensors")
    mlp = model[-1] if RECIPES[name].transformers else model
    expected = RECIPES[name].make_classifier().set_params(max_iter=2, random_state=7)
    assert mlp.get_params() == expected.get_params()


def test_train_transforms_the_images_of_a_recipe(succeeds, fails, tmp_path, mnist_dir):
    model = tmp_path / "model.safetensors"
    options = ("--recipe", "fast", "--epochs", "1", "--out", tmp_path)
    out = succeeds("train", *options, "--data", mnist_dir)
    assert (tmp_path / "report.html").exists()
    pipeline = load_model(model)
    assert repr(pipeline[0]) == "Deslant(image_shape=(28, 28))"
    X, y = load_mnist(mnist_dir, subset="test", return_X_y=True)
    accuracy = pipeline.score(X, y)
    assert f"Test accuracy {100 * accuracy:.2f} %" in out
    assert accuracy > pipeline[-1].score(X, y)


@pytest.mark.parametrize("name", ["fast", "small-sample", "accurate"])
def test_recipes_that_transform_images_cannot_be_streamed(fails, tmp_path, name):
    message = fails(2, "train", "--recipe", name, "--stream", "--data", tmp_path)
    assert f"--stream has no effect with --recipe {name}" in message


@pytest.mark.usefixtures("without_curves")
def test_training_with_transformed_images_resumes(succeeds, tmp_path):
    options = ("--recipe", "small-sample", "--seed", "0", "--no-report")
    succeeds("train", *options, "--epochs", "3", "--out", tmp_path / "expected")
    run, out = tmp_path / "run", tmp_path / "resumed"
    succeeds("train", *options, "--epochs", "3", "--checkpoint", run, "--out", out)
    expected, resumed = (
        load_model(path / "model.safetensors") for path in (tmp_path / "expected", out)
    )
    X, _ = load_digits(return_X_y=True)
    np.testing.assert_array_equal(resumed.predict_proba(X), expected.predict_proba(X))
    (out / "model.safetensors").unlink()
    succeeds("train", "--resume", run)
    again = load_model(out / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(X), expected.predict_proba(X))


SMALL_COMMITTEE = ("--recipe", "committee", "--hidden", "16", "--epochs", "3", "--seed", "3")


@pytest.fixture
def committee_options(stripes):
    return (*SMALL_COMMITTEE, "--batch-size", "10", "--augmentation", "digits", "--data", stripes)


def find_accuracies(out):
    return re.findall(r"Test accuracy (.*) %", out)


def load_stripes(directory):
    return load_mnist(directory, subset="test", return_X_y=True)


def test_train_writes_a_committee_and_its_networks(succeeds, tmp_path, committee_options, stripes):
    out = succeeds("train", *committee_options, "--out", tmp_path)
    assert re.findall("Network . of 3|Committee of 3", out) == [
        *(f"Network {number} of 3" for number in (1, 2, 3)),
        "Committee of 3",
    ]
    directories = [tmp_path / f"network-{number}" for number in (1, 2, 3)]
    assert all((path / "report.html").exists() for path in directories)
    paths = [*(path / "model.safetensors" for path in directories), tmp_path / "model.safetensors"]
    *networks, committee = map(load_model, paths)
    seeds = COMMITTEES["committee"].draw_seeds(3)
    assert [network[-1].random_state for network in networks] == seeds
    X, y = load_stripes(stripes)
    average = np.mean([network.predict_proba(X) for network in networks], axis=0)
    np.testing.assert_allclose(committee.predict_proba(X), average)
    scores = [f"{100 * model.score(X, y):.2f}" for model in (*networks, committee)]
    assert find_accuracies(out) == scores
    report = (directories[1] / "report.html").read_text(encoding="utf-8")
    assert "--recipe accurate" in report
    assert f"--seed {seeds[1]}" in report


@pytest.mark.usefixtures("without_curves")
def test_quiet_training_of_a_committee_prints_its_accuracy(succeeds, tmp_path, committee_options):
    out = succeeds("train", *committee_options, "--out", tmp_path, "--quiet", "--no-report")
    assert re.fullmatch(r"Test accuracy .* %.*\n", out)


def test_committee_requires_files(fails):
    message = fails(2, "train", *SMALL_COMMITTEE)
    assert "--recipe committee requires --data" in message


@pytest.mark.usefixtures("without_curves")
def test_interrupted_training_of_a_committee_resumes(
    succeeds, run_skmlp, fails, tmp_path, committee_options, stripes, monkeypatch
):
    options = (*committee_options, "--no-report")
    succeeds("train", *options, "--out", tmp_path / "expected")
    run, out = tmp_path / "run", tmp_path / "resumed"
    interrupt_network(monkeypatch, number=2)
    status, printed, _ = run_skmlp("train", *options, "--checkpoint", run, "--out", out)
    monkeypatch.undo()
    assert status == 130
    assert f"To resume the committee: skmlp train --resume {run}" in printed
    files = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    message = fails(2, "train", *options, "--checkpoint", run, "--out", out)
    assert f"unfinished run. Resume it with 'skmlp train --resume {run}'" in message
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == files
    # A network can be resumed on its own, too.
    succeeds("train", "--resume", run / "network-2")
    printed = succeeds("train", "--resume", run)
    assert printed.count("is finished: writing its files again") == 2
    X, _ = load_stripes(stripes)
    expected, resumed = (
        load_model(path / "model.safetensors") for path in (tmp_path / "expected", out)
    )
    np.testing.assert_array_equal(resumed.predict_proba(X), expected.predict_proba(X))
    succeeds("train", *options, "--checkpoint", run, "--out", out)  # the run is finished


def interrupt_network(monkeypatch, number):
    """Interrupt the training of one of the networks at the end of its second epoch."""
    from skmlp.cli import train

    make_callbacks, n_calls = train.make_callbacks, 0

    def make_interrupting_callbacks(options, validation_name):
        nonlocal n_calls
        n_calls += 1
        callbacks = make_callbacks(options, validation_name)
        return [*callbacks, interrupt_after(2)] if n_calls == number else callbacks

    monkeypatch.setattr(train, "make_callbacks", make_interrupting_callbacks)


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
