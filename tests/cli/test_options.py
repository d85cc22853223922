"""Options of `skmlp train`: parsing, JSON round trip, and validation of stored values."""

import argparse
import dataclasses
import json
import shlex

import pytest

from skmlp.cli.options import add_options, get_options, to_flag
from skmlp.cli.train_options import TrainOptions
from skmlp.cli.values import FLAG, MAX_VALUE_LENGTH, OptionError

OPTIONS = get_options(TrainOptions)
STORED = [name for name, option in OPTIONS.items() if option.stored]

# One or more command-line values of each stored option, with the corresponding JSON value.
EXAMPLES = {
    "data": [("/somewhere/mnist", "/somewhere/mnist")],
    "validation": [("0.25", 0.25)],
    "stream": [("", True)],
    "recipe": [("small-sample", "small-sample"), ("accurate", "accurate")],
    "hidden": [("64,32", [64, 32]), ("64", [64]), ("none", [])],
    "activation": [("gelu", "gelu"), ("relu", "relu")],
    "batch_norm": [("", True)],
    "weight_init": [("he_normal", "he_normal")],
    "image_features": [("gradients", "gradients")],
    "dropout": [("0.25", 0.25), ("0", 0.0)],
    "input_dropout": [("0.125", 0.125)],
    "alpha": [("0", 0.0), ("1e-3", 0.001)],
    "weight_decay": [("0.01", 0.01)],
    "max_norm": [("3", 3.0)],
    "label_smoothing": [("0.1", 0.1)],
    "class_weight": [("balanced", "balanced")],
    "augmentation": [("digits", "digits")],
    "adversarial_norm": [("0.5", 0.5)],
    "virtual_adversarial_norm": [("2.5", 2.5)],
    "solver": [("nadam", "nadam"), ("lbfgs", "lbfgs")],
    "learning_rate": [("0.1", 0.1)],
    "schedule": [("one_cycle", "one_cycle")],
    "warmup_epochs": [("0.5", 0.5)],
    "momentum": [("0", 0.0), ("1", 1.0)],
    "clip_norm": [("1", 1.0)],
    "batch_size": [("64", 64)],
    "ema": [("0.999", 0.999)],
    "seed": [("0", 0), ("4294967295", 4294967295)],
    "epochs": [("7", 7)],
    "early_stopping": [("", True)],
    "monitor": [("loss", "loss")],
    "patience": [("5", 5)],
    "out": [("/somewhere/run", "/somewhere/run")],
    "no_report": [("", True)],
    "checkpoint_every": [("3", 3)],
}
# Other options that an option requires.
REQUIRED = {
    "stream": ("--data=digits",),
    "momentum": ("--solver=sgd",),
    "monitor": ("--early-stopping",),
    "patience": ("--early-stopping",),
    "checkpoint_every": ("--checkpoint=run",),
}
DEFAULTS = {"seed": 0, "out": "skmlp-run"}


def parse(*argv):
    parser = argparse.ArgumentParser()
    add_options(parser, TrainOptions)
    return TrainOptions.from_arguments(**vars(parser.parse_args(argv)))


def round_trip(options):
    text = json.dumps(options.to_json())
    return TrainOptions.from_json(json.loads(text), checkpoint=options.checkpoint)


def make_argument(name, text):
    return to_flag(name) if OPTIONS[name].value_type is FLAG else f"{to_flag(name)}={text}"


def test_every_stored_option_has_an_example():
    assert list(EXAMPLES) == STORED
    assert set(OPTIONS) - set(STORED) == {"quiet", "checkpoint", "resume"}


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [(name, text, value) for name, examples in EXAMPLES.items() for text, value in examples],
)
def test_every_option_survives_a_json_round_trip(name, text, value):
    options = parse(make_argument(name, text), *REQUIRED.get(name, ()))
    assert options.to_json()[name] == value
    assert round_trip(options) == options


@pytest.mark.parametrize(
    ("name", "text"), [(name, text) for name, examples in EXAMPLES.items() for text, _ in examples]
)
def test_every_option_survives_a_round_trip_of_the_command(name, text):
    options = parse(make_argument(name, text), *REQUIRED.get(name, ()))
    program, command, *argv = shlex.split(options.get_command())
    assert (program, command) == ("skmlp", "train")
    assert parse(*argv) == dataclasses.replace(options, checkpoint=None, checkpoint_every=None)


def test_command_has_the_options_that_influence_the_files():
    options = parse("--data=my digits", "--hidden=128,64", "--batch-norm", "--epochs=3", "--out=-x")
    expected = "skmlp train --data 'my digits' --hidden 128,64 --batch-norm --epochs 3 --out=-x"
    assert options.get_command() == expected
    others = dataclasses.replace(options, quiet=True, checkpoint="run", checkpoint_every=2)
    assert others.get_command() == expected
    assert parse("--seed=0", "--out=skmlp-run").get_command() == "skmlp train"


def test_one_value_for_each_layer_survives_a_json_round_trip():
    options = parse("--hidden=8,4", "--activation=tanh,relu", "--dropout=0.5,0")
    assert options.to_json() == DEFAULTS | {
        "hidden": [8, 4],
        "activation": ["tanh", "relu"],
        "dropout": [0.5, 0.0],
    }
    assert round_trip(options) == options


def test_options_that_are_not_given_are_not_stored():
    assert parse().to_json() == DEFAULTS
    assert TrainOptions.from_json({}) == TrainOptions() == parse()


def test_quiet_checkpoint_and_resume_are_not_stored():
    assert parse("--quiet", "--checkpoint=run").to_json() == DEFAULTS
    options = TrainOptions.from_json({}, checkpoint="run", resume="run", quiet=True)
    assert (options.checkpoint, options.resume, options.quiet) == ("run", "run", True)


def test_integers_in_json_are_converted_to_floats():
    options = TrainOptions.from_json({"alpha": 1, "dropout": 0})
    assert (options.alpha, options.dropout) == (1.0, 0.0)
    assert (type(options.alpha), type(options.dropout)) == (float, float)


def test_options_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        parse().epochs = 3


@pytest.mark.parametrize("name", STORED)
@pytest.mark.parametrize("value", [None, {}, {"a": 1}, [[1]], [None], ["", 1]])
def test_from_json_raises_on_values_of_a_wrong_type(name, value):
    with pytest.raises(OptionError, match=f"^{name} must be .*, got "):
        TrainOptions.from_json({name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "epochs must be a positive integer, got 0"),
        ("epochs", 2.0, "epochs must be a positive integer, got 2.0"),
        ("epochs", True, "epochs must be a positive integer, got True"),
        ("epochs", "3", "epochs must be a positive integer, got '3'"),
        ("seed", -1, "seed must be an integer from 0 to 4294967295, got -1"),
        ("seed", 2**32, "seed must be an integer from 0 to 4294967295, got 4294967296"),
        ("alpha", -0.1, "alpha must be a number of at least 0, got -0.1"),
        ("alpha", float("nan"), "alpha must be a number of at least 0, got nan"),
        ("alpha", float("inf"), "alpha must be a number of at least 0, got inf"),
        ("alpha", 10**400, "alpha must be a number of at least 0, got 1000"),
        ("learning_rate", 0, "learning_rate must be a positive number, got 0"),
        ("dropout", 1, "dropout must be a number in the range [0, 1)"),
        ("dropout", [0.5, -1], "dropout must be a number in the range [0, 1)"),
        ("ema", 1, "ema must be a number in the range (0, 1)"),
        ("momentum", 1.5, "momentum must be a number in the range [0, 1], got 1.5"),
        ("hidden", 64, "hidden must be positive integers separated by commas"),
        ("hidden", [64, 0], "hidden must be positive integers separated by commas"),
        ("hidden", [64.0], "hidden must be positive integers separated by commas"),
        ("activation", "swish", "activation must be one of identity, logistic, "),
        ("activation", ["relu", ""], "activation must be one of identity, logistic, "),
        ("solver", "SGD", "solver must be one of adam, adamw, nadam, rmsprop, sgd, lbfgs, got"),
        ("recipe", "best", "recipe must be one of softmax, one-hidden, "),
        ("batch_norm", 1, "batch_norm must be true or false, got 1"),
        ("batch_norm", "yes", "batch_norm must be true or false, got 'yes'"),
        ("out", "", "out must be a valid path, got ''"),
        ("data", "a\0b", "data must be a valid path, got "),
        ("color", "red", "unknown option 'color'"),
        ("batch-size", 8, "unknown option 'batch-size'"),
        ("quiet", True, "unknown option 'quiet'"),
        ("resume", "run", "unknown option 'resume'"),
        ("__class__", "str", "unknown option '__class__'"),
    ],
)
def test_from_json_raises_on_invalid_values(name, value, message):
    with pytest.raises(OptionError) as caught:
        TrainOptions.from_json({name: value})
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", ["out", "x" * 100_000])
def test_messages_shorten_long_values(name):
    with pytest.raises(OptionError) as caught:
        TrainOptions.from_json({name: "\0" * 100_000})
    assert len(str(caught.value)) < 2 * MAX_VALUE_LENGTH


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"momentum": 0.5}, "--momentum has no effect with --solver adam"),
        (
            {"patience": 3},
            "--patience has no effect without --early-stopping. Add --early-stopping.",
        ),
        ({"hidden": [], "dropout": 0.5}, "--dropout has no effect with --hidden none"),
        (
            {"hidden": [8], "activation": ["relu", "tanh"]},
            "--activation must have one value for all hidden layers",
        ),
        ({"dropout": []}, "--dropout must have one value .* got 0"),
        (
            {"recipe": "softmax", "batch_norm": True},
            "--batch-norm has no effect with --hidden none",
        ),
        ({"checkpoint_every": 2}, "--checkpoint-every has no effect without --checkpoint"),
    ],
)
def test_from_json_raises_on_incompatible_options(values, message):
    with pytest.raises(OptionError, match=message):
        TrainOptions.from_json(values)


def test_false_switches_are_treated_as_not_given():
    values = {"batch_norm": False, "early_stopping": False, "solver": "lbfgs"}
    assert TrainOptions.from_json(values) == TrainOptions(solver="lbfgs")


def test_get_parameters_returns_parameters_of_the_classifier():
    options = parse("--hidden=8", "--alpha=0", "--schedule=cosine", "--batch-norm", "--ema=0.9")
    assert options.get_parameters() == {
        "hidden_layer_sizes": (8,),
        "alpha": 0.0,
        "learning_rate": "cosine",
        "batch_norm": True,
        "ema_decay": 0.9,
        "random_state": 0,
    }


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = parse("--data=digits", "--out=run").with_absolute_paths()
    assert (options.data, options.out) == (str(tmp_path / "digits"), str(tmp_path / "run"))
    assert parse("--data=mnist").with_absolute_paths().data == "mnist"
    assert parse().with_absolute_paths().data is None
