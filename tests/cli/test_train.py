"""`skmlp train`: options, printed lines, written files and errors."""

import contextlib
import csv
import gzip
import html
import json
import os
import re
import shlex
import stat
import warnings

import numpy as np
import pytest
from helpers import assert_same_model
from PIL import Image
from sklearn.base import clone

import skmlp
from skmlp import MLPDigitClassifier, TrainingInterruptedWarning, load_mnist, load_model
from skmlp.cli import training_data
from skmlp.cli.errors import BAD_DATA
from skmlp.cli.names import FIRST_ORDER_SOLVERS, SCHEDULES

WRITTEN = ["curves.png", "history.csv", "model.safetensors"]  # without the report


def read_history(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0]}


def test_defaults_reach_97_percent_on_the_bundled_digits(succeeds, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = succeeds("train")
    assert "bundled digits: 1,437 images of 64 pixels, and 360 for testing" in out
    accuracy = float(re.search(r"Test accuracy (\S+) % \(\d+ of 360\)", out)[1])
    assert accuracy >= 97
    assert len(re.findall(r"^epoch", out, re.MULTILINE)) == 30
    files = "model.safetensors, history.csv, curves.png, report.html"
    assert out.endswith(f"Written to skmlp-run: {files}\n")
    written = sorted(path.name for path in (tmp_path / "skmlp-run").iterdir())
    assert written == [*WRITTEN, "report.html"]


def test_one_epoch_exceeds_90_percent_on_mnist(succeeds, mnist_dir, tmp_path):
    options = ("--hidden", "32", "--epochs", "1", "--quiet", "--no-report")
    out = succeeds("train", "--data", mnist_dir, "--out", tmp_path, *options)
    assert float(out.split()[2]) > 90


def test_each_epoch_is_printed_in_a_line(train, stripes, tmp_path):
    lines = train(stripes, tmp_path).splitlines()
    assert lines[0] == f"Training on {stripes}: 120 images of 25 pixels, and 40 for testing"
    pattern = r"epoch 2/3  loss \d\.\d{4}  training +[\d.]+ %  test +[\d.]+ %  \d+\.\d\d s"
    assert re.fullmatch(pattern, lines[2])
    assert re.fullmatch(r"Trained 3 epochs in \d+\.\d s", lines[4])


class TestProgressBar:
    """The progress bar on a terminal. With FORCE_COLOR, rich treats stdout as a terminal."""

    @pytest.fixture(autouse=True)
    def _terminal(self, monkeypatch):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("NO_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")

    def test_wide_terminal_shows_the_bar(self, train, stripes, tmp_path, monkeypatch):
        monkeypatch.setenv("COLUMNS", "120")
        out = train(stripes, tmp_path)
        last = out.splitlines()[-4]
        pattern = r"epoch 3/3 ━+ loss \d\.\d{4}  training [\d.]+ %  test [\d.]+ % \d+\.\d\d s/epoch"
        assert re.search(pattern, last)

    def test_narrow_terminal_shows_only_metrics(self, train, stripes, tmp_path, monkeypatch):
        monkeypatch.setenv("COLUMNS", "70")
        out = train(stripes, tmp_path, "--validation", "0.2")
        assert re.search(r"epoch 3/3 loss .* validation [\d.]+ %\s*$", out, re.MULTILINE)
        assert "━" not in out
        assert "s/epoch" not in out

    def test_dumb_terminal_shows_lines(self, train, stripes, tmp_path, monkeypatch):
        monkeypatch.setenv("TERM", "dumb")
        assert "\nepoch 2/3  loss" in train(stripes, tmp_path)


@pytest.mark.parametrize(
    "option", [("--augmentation", "digits"), ("--image-features", "gradients")]
)
def test_images_need_not_be_square(succeeds, tmp_path, idx_bytes, option):
    labels = (np.arange(40) % 4).astype(np.uint8)
    images = np.zeros((40, 4, 7), np.uint8)
    images[np.arange(40), labels] = 200
    for prefix in ("train", "t10k"):
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    options = ("--hidden", "8", "--epochs", "2", "--batch-size", "8", "--no-report", *option)
    succeeds("train", "--data", tmp_path, "--out", tmp_path / "run", *options)
    model = load_model(tmp_path / "run" / "model.safetensors")
    assert tuple(model.image_shape) == (4, 7)
    assert model.n_features_in_ == 28


def test_history_file_has_full_precision(train, stripes, tmp_path):
    train(stripes, tmp_path)
    history = load_model(tmp_path / "model.safetensors").history_
    written = read_history(tmp_path / "history.csv")
    assert written.pop("epoch") == [1, 2, 3]
    assert written.keys() == history.keys()
    for name, values in history.items():
        np.testing.assert_array_equal(written[name], values)


def test_history_of_lbfgs_has_no_learning_rate(succeeds, stripes, tmp_path):
    options = ("--solver", "lbfgs", "--hidden", "none", "--epochs", "4", "--no-report")
    succeeds("train", "--data", stripes, "--out", tmp_path, *options)
    assert np.isnan(read_history(tmp_path / "history.csv")["learning_rate"]).all()


def test_curves_are_a_png_file(succeeds, stripes, tmp_path):
    options = ("--epochs", "3", "--hidden", "16", "--no-report")
    succeeds("train", "--data", stripes, "--out", tmp_path, *options)
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"
        assert picture.size == (1728, 516)
        assert len(picture.convert("RGB").getcolors(2**20)) > 100


class TestReport:
    """report.html, which is written after the model, the history and the curves."""

    SMALL = ("--hidden", "16", "--batch-size", "8", "--epochs", "1")

    def test_report_has_the_command_and_the_accuracy(self, succeeds, stripes, tmp_path):
        options = ("--data", stripes, *self.SMALL, "--out", tmp_path / "my run")
        out = succeeds("train", *options)
        page = (tmp_path / "my run" / "report.html").read_text(encoding="utf-8")
        command = re.search(r"<code>(skmlp train .*)</code>", page)[1]
        assert html.unescape(command) == (
            f"skmlp train --data {stripes} --hidden 16 --batch-size 8 --epochs 1 "
            f"--out '{tmp_path}/my run'"
        )
        accuracy = re.search(r"Test accuracy (\S+) %", out)[1]
        assert re.search(rf'class="accuracy">{accuracy}\s%<', page)

    def test_command_trains_the_same_model(self, succeeds, stripes, tmp_path, reports):
        succeeds("train", "--data", stripes, *self.SMALL, "--dropout", "0.2", "--out", tmp_path)
        first = load_model(tmp_path / "model.safetensors")
        succeeds(*shlex.split(reports[0]["command"])[1:])
        second = load_model(tmp_path / "model.safetensors")
        assert reports[1]["command"] == reports[0]["command"]
        np.testing.assert_array_equal(first.coefs_[0], second.coefs_[0])

    def test_held_out_images_are_not_training_images(self, succeeds, stripes, tmp_path, reports):
        options = ("--data", stripes, *self.SMALL, "--validation", "0.2", "--out", tmp_path)
        succeeds("train", *options)
        X_test, _ = load_mnist(stripes, subset="test", return_X_y=True)
        np.testing.assert_array_equal(reports[0]["X"], X_test)
        assert reports[0]["X_train"].shape == (96, 25)
        assert len(reports[0]["y_train"]) == 96
        assert reports[0]["image_shape"] == (5, 5)

    def test_no_report_leaves_it_out(self, succeeds, stripes, tmp_path, reports):
        out = succeeds("train", "--data", stripes, *self.SMALL, "--no-report", "--out", tmp_path)
        assert out.endswith(f"Written to {tmp_path}: model.safetensors, history.csv, curves.png\n")
        assert reports == []
        assert sorted(path.name for path in tmp_path.iterdir()) == WRITTEN

    def test_resumed_run_has_the_stored_option(self, succeeds, stripes, tmp_path, reports):
        options = ("--data", stripes, *self.SMALL, "--out", tmp_path / "out")
        checkpoints = tmp_path / "checkpoints"
        succeeds("train", *options, "--checkpoint", checkpoints)
        succeeds("train", "--resume", checkpoints)
        assert reports[1]["command"] == reports[0]["command"]
        assert "checkpoint" not in reports[0]["command"]
        succeeds("train", *options, "--checkpoint", checkpoints, "--no-report")
        succeeds("train", "--resume", checkpoints)
        assert len(reports) == 2

    def test_full_disk_keeps_the_other_files(self, fails, stripes, tmp_path, monkeypatch):
        def fill_up(mlp, X, y, path, **options):
            raise OSError(28, "No space left on device", str(path))

        monkeypatch.setattr("skmlp.write_report", fill_up)
        err = fails(1, "train", "--data", stripes, *self.SMALL, "--out", tmp_path)
        assert "report.html: no space left on device. Free some space" in err
        assert sorted(path.name for path in tmp_path.iterdir()) == WRITTEN

    def test_ctrl_c_leaves_it_out(self, run_skmlp, stripes, tmp_path, monkeypatch):
        def interrupt(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr("skmlp.write_report", interrupt)
        options = ("--data", stripes, *self.SMALL, "--out", tmp_path / "out")
        checkpoints = tmp_path / "checkpoints"
        status, out, err = run_skmlp("train", *options, "--checkpoint", checkpoints)
        assert (status, err) == (130, "")
        assert out.endswith(
            f"Written to {tmp_path / 'out'}: model.safetensors, history.csv, curves.png\n"
            "Interrupted: report.html was not written. 'skmlp report' writes it\n"
        )
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == WRITTEN

    @pytest.fixture
    def reports(self, monkeypatch):
        """Replace write_report; return a list of the arguments of its calls."""
        calls = []
        monkeypatch.setattr(
            "skmlp.write_report",
            lambda mlp, X, y, path, **options: calls.append({"X": X, "y": y, **options}),
        )
        return calls


def test_model_equals_the_one_trained_in_python(train, stripes, tmp_path):
    options = [
        "--activation",
        "tanh",
        "--solver",
        "sgd",
        "--learning-rate",
        "0.05",
        "--schedule",
        "invscaling",
    ]
    train(stripes, tmp_path, *options, "--momentum", "0.5", "--alpha", "0.01", "--seed", "7")
    loaded = load_model(tmp_path / "model.safetensors")
    model = MLPDigitClassifier(
        (16,),
        "tanh",
        solver="sgd",
        learning_rate_init=0.05,
        learning_rate="invscaling",
        momentum=0.5,
        alpha=0.01,
        batch_size=8,
        max_iter=3,
        random_state=7,
        input_scale=1 / 255,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(*load_mnist(stripes, return_X_y=True))
    assert loaded.get_params() == model.get_params()
    for trained, expected in zip(loaded.coefs_, model.coefs_, strict=True):
        np.testing.assert_array_equal(trained, expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ("--hidden 8,4 --activation gelu,tanh", {"activation": ("gelu", "tanh")}),
        ("--weight-init orthogonal", {"weight_init": "orthogonal"}),
        ("--batch-norm", {"batch_norm": True}),
        ("--dropout 0.2", {"dropout": 0.2}),
        ("--hidden 8,4 --dropout 0.2,0", {"dropout": (0.2, 0.0)}),
        ("--input-dropout 0.1", {"input_dropout": 0.1}),
        ("--alpha 0", {"alpha": 0.0}),
        ("--weight-decay 0.1", {"weight_decay": 0.1}),
        ("--max-norm 3", {"max_norm": 3.0}),
        ("--label-smoothing 0.1", {"label_smoothing": 0.1}),
        ("--class-weight balanced", {"class_weight": "balanced"}),
        ("--warmup-epochs 1.5", {"warmup_epochs": 1.5}),
        ("--solver sgd --momentum 0.5", {"solver": "sgd", "momentum": 0.5}),
        ("--clip-norm 1", {"clip_norm": 1.0}),
        ("--ema 0.9", {"ema_decay": 0.9}),
        ("--early-stopping", {"early_stopping": True, "monitor": "accuracy"}),
        ("--early-stopping --monitor loss", {"early_stopping": True, "monitor": "loss"}),
        (
            "--early-stopping --patience 3",
            {"early_stopping": True, "n_iter_no_change": 3},
        ),
        ("--learning-rate 0.01 --epochs 2", {"learning_rate_init": 0.01, "max_iter": 2}),
        ("--batch-size 16 --seed 5", {"batch_size": 16, "random_state": 5}),
    ],
)
def test_options_set_parameters_of_the_model(train, stripes, tmp_path, options, expected):
    train(stripes, tmp_path, *options.split())
    parameters = load_model(tmp_path / "model.safetensors").get_params()
    assert {name: parameters[name] for name in expected} == expected
    others = parameters.keys() - expected - {"hidden_layer_sizes", "batch_size", "max_iter"}
    defaults = MLPDigitClassifier(random_state=0, input_scale=1 / 255).get_params()
    assert {name: parameters[name] for name in others} == {name: defaults[name] for name in others}


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_first_order_solver_supports_every_schedule(train, stripes, tmp_path, schedule):
    for solver in FIRST_ORDER_SOLVERS:
        options = ("--solver", solver, "--schedule", schedule, "--epochs", "1")
        train(stripes, tmp_path, *options)
        model = load_model(tmp_path / "model.safetensors")
        assert (model.solver, model.learning_rate) == (solver, schedule)


def test_same_seed_gives_the_same_model(train, stripes, tmp_path):
    models = []
    for name in ("one", "two"):
        train(stripes, tmp_path / name, "--seed", "3")
        models.append(load_model(tmp_path / name / "model.safetensors"))
    np.testing.assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


def test_hidden_none_gives_one_layer(train, stripes, tmp_path):
    train(stripes, tmp_path, "--hidden", "none")
    assert len(load_model(tmp_path / "model.safetensors").coefs_) == 1


def test_validation_set_replaces_the_test_set_during_training(train, stripes, tmp_path):
    out = train(stripes, tmp_path, "--validation", "0.2")
    assert "96 images of 25 pixels, and 24 for validation" in out
    assert re.search(r"^epoch 1/3 .* validation +[\d.]+ % ", out, re.MULTILINE)
    assert re.search(r"Test accuracy [\d.]+ % \(\d+ of 40\)", out)


def test_early_stopping_uses_a_validation_set(train, stripes, tmp_path):
    options = ("--early-stopping", "--patience", "2", "--epochs", "500", "--learning-rate", "0.01")
    out = train(stripes, tmp_path, *options)
    assert "108 images of 25 pixels, and 12 for validation" in out
    assert "the validation accuracy no longer improved" in out
    out = train(stripes, tmp_path, *options, "--monitor", "loss", "--schedule", "one_cycle")
    assert "the validation loss no longer improved" in out
    assert load_model(tmp_path / "model.safetensors").n_iter_no_change == 2


def test_ctrl_c_during_the_first_epoch_saves_no_model(fails, stripes, tmp_path, monkeypatch):
    def interrupted_fit(self, X, y, **validation):
        self.history_ = {"loss": []}
        warnings.warn("interrupted", TrainingInterruptedWarning, stacklevel=1)

    monkeypatch.setattr(MLPDigitClassifier, "fit", interrupted_fit)
    err = fails(130, "train", "--data", stripes, "--out", tmp_path)
    assert "interrupted during the first epoch. No model was saved." in err
    assert list(tmp_path.iterdir()) == []


def test_quiet_prints_only_the_test_accuracy(train, stripes, tmp_path):
    out = train(stripes, tmp_path, "--quiet")
    assert re.fullmatch(r"Test accuracy [\d.]+ % \(\d+ of 40\)\n", out)


def test_float_pixels_are_not_scaled(train, float_stripes, tmp_path):
    train(float_stripes, tmp_path)
    model = load_model(tmp_path / "model.safetensors")
    assert model.input_scale is None
    assert model.coefs_[0].dtype == np.float32


def test_files_of_an_earlier_run_are_replaced(train, stripes, tmp_path):
    train(stripes, tmp_path, "--seed", "1")
    before = (tmp_path / "model.safetensors").read_bytes()
    train(stripes, tmp_path, "--seed", "2")
    assert (tmp_path / "model.safetensors").read_bytes() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == WRITTEN


def test_clipped_batch_size_is_a_warning(run_skmlp, stripes, tmp_path):
    options = ("--batch-size", "1000", "--epochs", "1", "--no-report")
    status, _, err = run_skmlp("train", "--data", stripes, "--out", tmp_path, *options)
    assert status == 0
    assert err.startswith("skmlp train: warning: ")
    assert "clipped to 120" in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--epochs 0", "--epochs: must be a positive integer, got '0'"),
        ("--epochs 1.5", "--epochs: must be a positive integer, got '1.5'"),
        ("--batch-size -1", "--batch-size: must be a positive integer, got '-1'"),
        ("--patience 0", "--patience: must be a positive integer"),
        ("--seed -1", "--seed: must be an integer from 0 to 4294967295, got '-1'"),
        ("--seed 4294967296", "--seed: must be an integer from 0 to 4294967295"),
        ("--hidden 0", "--hidden: must be positive integers separated by commas"),
        ("--hidden 10,,10", "--hidden: must be positive integers separated by commas"),
        ("--hidden many", "or 'none', got 'many'."),
        ("--learning-rate 0", "--learning-rate: must be a positive number, got '0'"),
        ("--learning-rate inf", "--learning-rate: must be a positive number, got 'inf'"),
        ("--alpha -0.1", "--alpha: must be a number of at least 0"),
        ("--alpha nan", "--alpha: must be a number of at least 0"),
        ("--momentum 1.1", "--momentum: must be a number in the range [0, 1]"),
        ("--validation 1", "--validation: must be a number in the range (0, 1), got"),
        ("--validation 20%", "--validation: must be a number in the range (0, 1)"),
        ("--activation swish", "--activation: must be one of identity, logistic, tanh, relu, "),
        ("--activation relu,", "or several separated by commas, got ''"),
        (
            "--activation relu,tanh",
            "--activation must have one value for all hidden layers or one for each (1), got 2.",
        ),
        (
            "--dropout 1",
            "--dropout: must be a number in the range [0, 1), or several sep",
        ),
        (
            "--dropout 0.2,-1",
            "or several separated by commas, got '-1'",
        ),
        (
            "--dropout 0.2,0.5",
            "--dropout must have one value for all hidden layers or one for each (1), got 2.",
        ),
        (
            "--hidden none --dropout 0.2",
            "--dropout has no effect with --hidden none. Leave it out.",
        ),
        ("--hidden none --batch-norm", "--batch-norm has no effect with --hidden none"),
        ("--input-dropout nan", "--input-dropout: must be a number in the range [0, 1)"),
        ("--label-smoothing 1", "--label-smoothing: must be a number in the range [0, 1)"),
        ("--weight-decay -1", "--weight-decay: must be a number of at least 0"),
        ("--max-norm 0", "--max-norm: must be a positive number"),
        ("--clip-norm 0", "--clip-norm: must be a positive number"),
        ("--class-weight heavy", "--class-weight: must be balanced, got 'heavy'"),
        ("--weight-init zeros", "must be one of auto, he_normal, "),
        ("--schedule linear", "must be one of constant, invscaling, "),
        ("--warmup-epochs -1", "--warmup-epochs: must be a number of at least 0"),
        ("--ema 1", "--ema: must be a number in the range (0, 1)"),
        ("--monitor f1", "must be one of accuracy, loss, got 'f1'"),
        (
            "--solver newton",
            "--solver: must be one of adam, adamw, nadam, rmsprop, sgd, lbfgs, got",
        ),
        ("--momentum 0.5", "--momentum has no effect with --solver adam"),
        ("--momentum 0.5 --solver adamw", "Leave it out, or use --solver sgd."),
        ("--solver lbfgs --batch-size 8", "use --solver adam, adamw, nadam, rmsprop or sgd"),
        ("--solver lbfgs --schedule cosine", "--schedule has no effect with --solver lbfgs"),
        ("--solver lbfgs --dropout 0.2", "--dropout has no effect with --solver lbfgs"),
        ("--solver lbfgs --ema 0.9", "--ema has no effect with --solver lbfgs"),
        ("--solver lbfgs --checkpoint run", "--checkpoint has no effect with --solver lbfgs"),
        ("--solver lbfgs --early-stopping", "--early-stopping has no effect with --solver lbfgs"),
        ("--out=", "--out: must be a valid path, got ''"),
        ("--patience 5", "--patience has no effect without --early-stopping"),
        ("--monitor loss", "--monitor has no effect without --early-stopping"),
        ("--checkpoint-every 5", "--checkpoint-every has no effect without --checkpoint"),
        ("--stream", "--stream has no effect without --data"),
        ("--stream --data mnist", "--stream needs a directory of uncompressed files, got --data"),
        ("--stream --data x --solver lbfgs", "--stream has no effect with --solver lbfgs"),
    ],
)
def test_invalid_options_are_errors(fails, tmp_path, options, message):
    assert message in fails(2, "train", "--out", tmp_path / "run", *options.split())
    assert not (tmp_path / "run").exists()


def test_out_that_is_a_file_is_an_error(fails, tmp_path):
    file = tmp_path / "file"
    file.touch()
    assert f"{file}: --out must be a directory, got a file." in fails(2, "train", "--out", file)


def test_out_inside_a_file_is_an_error(fails, tmp_path):
    (tmp_path / "file").touch()
    assert "not a directory" in fails(1, "train", "--out", tmp_path / "file" / "run")


def test_unwritable_out_is_reported_before_training(run_skmlp, monkeypatch, tmp_path):
    def refuse(source, target):
        raise PermissionError(13, "Permission denied", str(target))

    monkeypatch.setattr("os.replace", refuse)
    status, out, err = run_skmlp("train", "--out", tmp_path)
    assert (status, out) == (1, "")
    assert str(tmp_path) in err
    assert "permission denied. Check the permissions or choose another path." in err


def test_full_disk_keeps_the_files_of_an_earlier_run(
    succeeds, fails, monkeypatch, stripes, tmp_path
):
    succeeds("train", "--data", stripes, "--out", tmp_path, "--epochs", "1", "--no-report")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def fill_up(descriptor):
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode) and status.st_size:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fill_up)
    options = ("--epochs", "1", "--seed", "1", "--out", tmp_path)
    err = fails(1, "train", "--data", stripes, *options)
    assert "no space left on device. Free some space or choose another disk." in err
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


class TestInvalidData:
    def test_missing_directory_is_an_error(self, fails, tmp_path):
        err = fails(3, "train", "--out", tmp_path, "--data", tmp_path / "nowhere")
        assert "nowhere: expected a directory, got a path that does not exist. Pass the" in err

    def test_file_in_place_of_a_directory_is_an_error(self, fails, stripes, tmp_path):
        file = stripes / "train-labels-idx1-ubyte"
        assert "expected a directory, got a file. Pass the" in fails(
            3, "train", "--out", tmp_path, "--data", file
        )

    def test_missing_files_are_named(self, fails, tmp_path):
        err = fails(3, "train", "--out", tmp_path / "run", "--data", tmp_path)
        assert "train-images-idx3-ubyte" in err

    def test_damaged_file_is_an_error(self, fails, tmp_path, write_striped_dataset):
        write_striped_dataset(tmp_path)
        damaged = tmp_path / "train-labels-idx1-ubyte"
        damaged.write_bytes(damaged.read_bytes()[:-1])
        err = fails(3, "train", "--out", tmp_path / "run", "--data", tmp_path)
        assert str(damaged) in err
        assert "truncated" in err

    def test_different_sizes_of_training_and_test_images_are_an_error(
        self, fails, tmp_path, write_striped_dataset, idx_bytes
    ):
        write_striped_dataset(tmp_path)
        images = np.zeros((40, 6, 6), np.uint8)
        (tmp_path / "t10k-images-idx3-ubyte.gz").write_bytes(idx_bytes(images))
        err = fails(3, "train", "--out", tmp_path / "run", "--data", tmp_path)
        assert "the test images must have 25 pixels, as the training images have, got 36." in err

    def test_labels_that_occur_only_in_the_test_set_are_an_error(
        self, fails, tmp_path, write_striped_dataset
    ):
        write_striped_dataset(tmp_path)
        labels = tmp_path / "t10k-labels-idx1-ubyte"
        labels.write_bytes(labels.read_bytes()[:-1] + b"\x07")
        err = fails(3, "train", "--out", tmp_path / "run", "--data", tmp_path)
        assert f"the test set of {tmp_path}: the labels must be among the classes" in err

    def test_empty_test_set_is_an_error(self, fails, tmp_path, write_striped_dataset):
        write_striped_dataset(tmp_path, n_test=0)
        err = fails(3, "train", "--out", tmp_path / "run", "--data", tmp_path)
        assert f"{tmp_path}: the test set must contain images, got none." in err

    def test_too_few_images_for_a_validation_set_are_an_error(
        self, fails, tmp_path, write_striped_dataset
    ):
        write_striped_dataset(tmp_path, n_train=8)
        options = ("--out", tmp_path / "run", "--data", tmp_path, "--validation", "0.2")
        err = fails(3, "train", *options)
        assert "cannot hold out 0.2 of 8 training images with every class in both sets" in err

    def test_diverging_training_is_an_error(self, fails, stripes, tmp_path):
        options = ["--solver", "sgd", "--learning-rate", "1e30"]
        err = fails(3, "train", "--data", stripes, "--out", tmp_path, *options)
        assert err == (
            "skmlp train: error: the training diverged: the loss is not finite. "
            "Lower --learning-rate (now 1e+30).\n"
        )


@pytest.mark.parametrize("patience", [[], ["--patience", "2"]], ids=["default", "given"])
def test_early_stopping_applies_to_a_recipe(succeeds, tmp_path, patience):
    printed = succeeds(
        *("train", "--recipe", "relu-128-adam", "--early-stopping", *patience),
        *(
            "--epochs",
            "300",
            "--learning-rate",
            "0.02",
            "--no-report",
            "--out",
            str(tmp_path / "run"),
        ),
    )
    assert "the validation accuracy no longer improved" in str(printed)
    n_epochs = len((tmp_path / "run" / "history.csv").read_text().splitlines()) - 1
    assert n_epochs < (300 if not patience else 60)


# Files larger than memory


@pytest.fixture
def uncompressed(stripes, tmp_path):
    """Return a directory of the striped images without compression."""
    directory = tmp_path / "uncompressed"
    directory.mkdir()
    for path in stripes.iterdir():
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        (directory / path.name.removesuffix(".gz")).write_bytes(content)
    return directory


@pytest.mark.parametrize("options", [(), ("--validation", "0.25"), ("--early-stopping",)])
def test_stream_trains_the_model_of_the_mapped_images(train, uncompressed, tmp_path, options):
    X, y = load_mnist(uncompressed, return_X_y=True)
    X_val, y_val = load_mnist(uncompressed, subset="test", return_X_y=True)
    if options:
        n_training = 90 if "--validation" in options else 108
        X, X_val, y, y_val = X[:n_training], X[n_training:], y[:n_training], y[n_training:]
    train(uncompressed, tmp_path, "--stream", *options)
    model = load_model(tmp_path / "model.safetensors")
    assert model.shuffle == "blocks"
    with warnings.catch_warnings(action="ignore"):
        expected = clone(model).fit(X, y, X_val=X_val, y_val=y_val)
    assert_same_model(model, expected)
    assert model.history_["val_accuracy"] == expected.history_["val_accuracy"]


def test_stream_maps_the_images(train, uncompressed, tmp_path, monkeypatch):
    kinds = []
    monkeypatch.setattr(
        MLPDigitClassifier,
        "fit",
        lambda self, X, y, **validation: kinds.extend([type(X), type(validation["X_val"])]),
    )
    with contextlib.suppress(AttributeError):  # because the model is not fitted
        train(uncompressed, tmp_path, "--stream", "--validation", "0.2")
    assert kinds == [np.memmap, np.memmap]


def test_report_of_streamed_images_uses_some_of_them(succeeds, uncompressed, tmp_path, monkeypatch):
    monkeypatch.setattr(training_data, "MAX_REPORTED_IMAGES", 30)
    figures = {}
    write_report = skmlp.write_report
    monkeypatch.setattr(
        "skmlp.write_report",
        lambda *args, **options: figures.update(write_report(*args, **options)),
    )
    small = ("--hidden", "16", "--epochs", "3", "--out", tmp_path)
    out = succeeds("train", "--data", uncompressed, "--stream", *small)
    assert "report.html shows 30 of 120 training images and 20 of 40 test images" in out
    assert figures["summary"]["n_training_samples"] == 30
    assert figures["summary"]["n_samples"] == 20


def test_stream_is_stored_with_the_run(succeeds, uncompressed, tmp_path):
    run = tmp_path / "run"
    options = ("--data", uncompressed, "--stream", "--epochs", "2", "--no-report", "--out")
    succeeds("train", *options, tmp_path / "whole")
    succeeds("train", *options, tmp_path / "resumed", "--checkpoint", run)
    settings = json.loads((run / "settings.json").read_text())
    assert settings["options"]["stream"] is True
    whole, resumed = (
        load_model(tmp_path / name / "model.safetensors") for name in ("whole", "resumed")
    )
    assert_same_model(resumed, whole)


def test_stream_rejects_compressed_images(fails, stripes, tmp_path):
    path = stripes / "train-images-idx3-ubyte.gz"
    error = fails(BAD_DATA, "train", "--data", stripes, "--stream", "--out", tmp_path)
    assert f"{path}: expected an uncompressed file for --stream, got gzip data. " in error
    assert f"Decompress it with 'gunzip {path}', or leave out --stream." in error


def test_stream_rejects_a_validation_set_without_a_class(fails, uncompressed, tmp_path, idx_bytes):
    labels = np.sort(np.arange(120) % 4).astype(np.uint8)
    (uncompressed / "train-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    options = ("--stream", "--validation", "0.1", "--out", tmp_path)
    error = fails(BAD_DATA, "train", "--data", uncompressed, *options)
    assert "class 0 is missing in one of them. Shuffle the file" in error
