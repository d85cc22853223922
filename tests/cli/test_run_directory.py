"""Interrupted and resumed training: `skmlp train --checkpoint DIR`, then `--resume DIR`."""

import csv
import json
import os
import re
import signal
import time

import numpy as np
import pytest
from sklearn.pipeline import Pipeline

from skmlp import load_model

SMALL = ("--hidden", "16", "--batch-size", "8", "--epochs", "6", "--no-report")
MANY_OPTIONS = (
    *("--dropout", "0.3", "--input-dropout", "0.1", "--batch-norm", "--ema", "0.9"),
    *("--schedule", "one_cycle", "--warmup-epochs", "0.5", "--label-smoothing", "0.1"),
    *("--solver", "nadam", "--max-norm", "2", "--clip-norm", "1", "--class-weight", "balanced"),
    *("--activation", "gelu", "--weight-init", "he_normal", "--weight-decay", "0.01"),
    *("--augmentation", "digits", "--adversarial-norm", "0.5", "--image-features", "gradients"),
    *("--early-stopping", "--monitor", "loss", "--patience", "50", "--seed", "3"),
)
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"


def read_history_without_seconds(path):
    with open(path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def assert_same_run(one, other):
    """Check that two runs wrote the same files, except for the durations of the epochs."""
    models = [load_model(path / "model.safetensors") for path in (one, other)]
    if isinstance(models[0], Pipeline):
        assert repr(models[0][:-1]) == repr(models[1][:-1])
        models = [pipeline[-1] for pipeline in models]
    assert models[0].get_params() == models[1].get_params()
    for parts in ("coefs_", "intercepts_"):
        for a, b in zip(*(getattr(model, parts) for model in models), strict=True):
            np.testing.assert_array_equal(a, b)
    if models[0].batch_norm_ is not None:
        for name, layers in models[0].batch_norm_.items():
            for a, b in zip(layers, models[1].batch_norm_[name], strict=True):
                np.testing.assert_array_equal(a, b)
    assert read_history_without_seconds(one) == read_history_without_seconds(other)
    assert (one / "curves.png").read_bytes() == (other / "curves.png").read_bytes()


@pytest.fixture
def interrupt(run_skmlp, stripes, tmp_path, monkeypatch):
    """Return a function that trains with checkpoints and fails after some epochs, as if killed."""

    def train(epochs, *options):
        completed = []

        def fail_after_epochs(epoch):
            completed.append(epoch)
            if len(completed) == epochs:
                raise MemoryError("simulated")

        with monkeypatch.context() as patch:
            patch.setattr(
                "skmlp.cli.progress.EpochLines.show", lambda *args: fail_after_epochs(args[1])
            )
            status, _, err = run_skmlp(
                *("train", "--data", stripes, "--out", tmp_path / "out"),
                *("--checkpoint", tmp_path / "checkpoints", *SMALL, *options),
            )
        assert status == 1
        assert "simulated" in err
        assert not (tmp_path / "out" / "model.safetensors").exists()
        return tmp_path / "checkpoints"

    return train


@pytest.fixture
def uninterrupted(succeeds, stripes, tmp_path):
    """Return a function that trains without interruption and returns the output directory."""

    def train(*options):
        out = tmp_path / "uninterrupted"
        succeeds("train", "--data", stripes, "--out", out, *SMALL, *options)
        return out

    return train


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--solver", "sgd", "--schedule", "adaptive", "--validation", "0.2"),
        ("--hidden", "none", "--checkpoint-every", "2"),
        ("--hidden", "8,4", "--activation", "tanh,relu", "--dropout", "0.2,0"),
        MANY_OPTIONS,
        ("--recipe", "small-sample"),
    ],
    ids=["plain", "adaptive", "no hidden layer", "lists", "many options", "recipe"],
)
def test_resumed_run_equals_an_uninterrupted_run(
    succeeds, interrupt, uninterrupted, tmp_path, options
):
    directory = interrupt(3, *options)
    out = succeeds("train", "--resume", directory)
    assert out.startswith(f"Resuming the run of {directory}\nTraining on ")
    last_checkpoint = 2 if "--checkpoint-every" in options else 3
    assert re.findall(r"^epoch (\d)/6", out, re.MULTILINE) == [
        str(epoch) for epoch in range(last_checkpoint + 1, 7)
    ]
    assert "Trained 6 epochs in" in out
    if "--checkpoint-every" in options:
        options = options[:-2]
    assert_same_run(tmp_path / "out", uninterrupted(*options))


def test_run_without_a_checkpoint_is_resumed_from_the_start(
    succeeds, interrupt, uninterrupted, tmp_path
):
    directory = interrupt(1, "--checkpoint-every", "5")
    assert sorted(path.name for path in directory.iterdir()) == ["settings.json"]
    out = succeeds("train", "--resume", directory)
    assert "from the start (no checkpoint was written)" in out
    assert_same_run(tmp_path / "out", uninterrupted())


def test_finished_run_can_be_written_again_and_replaced(succeeds, stripes, tmp_path):
    directory = tmp_path / "checkpoints"
    options = ("--data", stripes, "--out", tmp_path / "out", "--checkpoint", directory, *SMALL)
    succeeds("train", *options)
    (tmp_path / "out").rename(tmp_path / "first")
    out = succeeds("train", "--resume", directory)
    assert f"The run of {directory} is finished: writing its files again" in out
    assert "\nepoch" not in out
    for name in ("model.safetensors", "history.csv", "curves.png"):
        # The durations are also those of the run.
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()
    # A new run may replace a finished one.
    succeeds("train", *options, "--seed", "1")


def test_output_and_checkpoints_can_share_a_directory(succeeds, stripes, tmp_path):
    options = ("--out", tmp_path, "--checkpoint", tmp_path, *SMALL)
    succeeds("train", "--data", stripes, *options)
    names = sorted(path.name for path in tmp_path.iterdir())
    written = ["curves.png", "history.csv", "model.safetensors"]
    assert names == sorted([CHECKPOINT, PREVIOUS, "settings.json", *written])


def test_run_can_be_resumed_from_another_directory(succeeds, stripes, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work" / "digits").symlink_to(stripes)
    monkeypatch.chdir(tmp_path / "work")
    succeeds("train", "--data", "digits", "--checkpoint", "checkpoints", *SMALL)
    (tmp_path / "work" / "skmlp-run" / "model.safetensors").unlink()
    monkeypatch.chdir(tmp_path / "elsewhere")
    succeeds("train", "--resume", tmp_path / "work" / "checkpoints", "--quiet")
    assert (tmp_path / "work" / "skmlp-run" / "model.safetensors").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_run_on_the_bundled_digits_can_be_resumed(succeeds, tmp_path):
    options = ("--epochs", "1", "--hidden", "8", "--no-report", "--out", tmp_path / "out")
    succeeds("train", *options, "--checkpoint", tmp_path / "checkpoints")
    assert "bundled digits" in succeeds("train", "--resume", tmp_path / "checkpoints")


def test_progress_bar_of_a_resumed_run_shows_completed_epochs(succeeds, interrupt, monkeypatch):
    directory = interrupt(4)
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    out = succeeds("train", "--resume", directory)
    assert re.findall(r"epoch (\d)/6", out)[0] == "4"
    assert "epoch 6/6" in out


def test_quiet_applies_to_a_resumed_run(succeeds, interrupt):
    out = succeeds("train", "--resume", interrupt(2), "--quiet")
    assert re.fullmatch(r"Test accuracy [\d.]+ % \(\d+ of 40\)\n", out)


def test_settings_file_contains_the_options(interrupt, stripes, tmp_path):
    settings = json.loads((interrupt(2, "--dropout", "0.2") / "settings.json").read_text())
    assert settings["finished"] is False
    assert settings["options"] == {
        "data": str(stripes),
        "out": str(tmp_path / "out"),
        "hidden": [16],
        "dropout": 0.2,
        "batch_size": 8,
        "epochs": 6,
        "seed": 0,
        "no_report": True,
    }


def test_unfinished_run_is_not_overwritten(fails, interrupt, stripes):
    directory = interrupt(2)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    err = fails(2, "train", "--data", stripes, "--checkpoint", directory)
    assert f"Resume it with 'skmlp train --resume {directory}'" in err
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("option", ["--epochs=3", "--out=elsewhere", "--seed=0", "--batch-norm"])
def test_resume_rejects_other_options(fails, interrupt, option):
    err = fails(2, "train", "--resume", interrupt(2), option)
    assert f"Leave out {option.partition('=')[0]}. " in err


def test_resume_uses_the_stored_options(succeeds, interrupt, tmp_path):
    options = ("--solver", "adamw", "--dropout", "0.25", "--activation", "tanh", "--seed", "5")
    # Without a checkpoint, the settings can still be changed.
    directory = interrupt(1, *options, "--checkpoint-every", "5")
    settings = json.loads((directory / "settings.json").read_text())
    settings["options"] |= {"epochs": 2, "dropout": 0.125}
    (directory / "settings.json").write_text(json.dumps(settings))
    assert "Trained 2 epochs in" in succeeds("train", "--resume", directory)
    parameters = load_model(tmp_path / "out" / "model.safetensors").get_params()
    expected = {
        "hidden_layer_sizes": (16,),
        "solver": "adamw",
        "dropout": 0.125,
        "activation": "tanh",
        "random_state": 5,
        "batch_size": 8,
        "max_iter": 2,
    }
    assert {name: parameters[name] for name in expected} == expected


class TestInvalidDirectory:
    def test_missing_directory_is_an_error(self, fails, tmp_path):
        err = fails(4, "train", "--resume", tmp_path / "nowhere")
        assert "nowhere: expected the directory of a run, got no directory. Pass a" in err
        err = fails(4, "train", "--resume", tmp_path)
        assert f"{tmp_path}: expected the directory of a run, got a directory without set" in err

    @pytest.mark.parametrize(
        "content",
        [b"", b"\xff", b"[]", b"{}", b'{"finished": true, "options": []}', b"[" * 100_000],
    )
    def test_invalid_settings_file_is_an_error(self, fails, tmp_path, content):
        (tmp_path / "settings.json").write_bytes(content)
        err = fails(4, "train", "--resume", tmp_path)
        assert "settings.json: expected the settings of a run, got other content. Pass a " in err

    def test_settings_file_that_is_too_large_is_an_error(self, fails, interrupt):
        directory = interrupt(1)
        with open(directory / "settings.json", "ab") as file:
            file.write(b" " * 2**20)
        err = fails(4, "train", "--resume", directory)
        assert "settings.json: expected the settings of a run" in err

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("epochs", 0, "settings.json: epochs must be a positive integer, got 0."),
            ("hidden", {"a": 1}, "hidden must be positive integers separated by commas"),
            ("color", "red", "unknown option 'color'"),
            ("checkpoint", "elsewhere", "unknown option 'checkpoint'"),
            ("patience", 3, "--patience has no effect without --early-stopping"),
        ],
    )
    def test_invalid_settings_are_an_error(self, fails, interrupt, name, value, message):
        directory = interrupt(2)
        settings = json.loads((directory / "settings.json").read_text())
        settings["options"][name] = value
        (directory / "settings.json").write_text(json.dumps(settings))
        err = fails(4, "train", "--resume", directory)
        assert message in err
        assert "or start a new run." in err

    def test_changed_setting_is_an_error(self, fails, interrupt):
        directory = interrupt(2)
        text = (directory / "settings.json").read_text()
        (directory / "settings.json").write_text(text.replace('"epochs": 6', '"epochs": 7'))
        assert "max_iter=7, got max_iter=6" in fails(4, "train", "--resume", directory)

    def test_changed_data_is_an_error(self, fails, interrupt, tmp_path, write_striped_dataset):
        directory = interrupt(2)
        (tmp_path / "other_data").mkdir()
        other_data = write_striped_dataset(tmp_path / "other_data", n_train=100)
        settings = json.loads((directory / "settings.json").read_text())
        settings["options"]["data"] = str(other_data)
        (directory / "settings.json").write_text(json.dumps(settings))
        err = fails(4, "train", "--resume", directory)
        assert "expected the data of the checkpoint, got" in err

    def test_damaged_checkpoint_is_replaced_by_the_previous_one(
        self, run_skmlp, interrupt, uninterrupted, tmp_path
    ):
        directory = interrupt(3)
        content = (directory / CHECKPOINT).read_bytes()
        (directory / CHECKPOINT).write_bytes(content[:-1])
        status, out, err = run_skmlp("train", "--resume", directory)
        assert status == 0
        assert err.startswith("skmlp train: warning: ")
        assert "Training resumes from the previous checkpoint" in err
        assert "\nepoch 3/6" in out
        assert_same_run(tmp_path / "out", uninterrupted())

    def test_missing_checkpoint_is_replaced_by_the_previous_one(
        self, run_skmlp, interrupt, uninterrupted, tmp_path
    ):
        directory = interrupt(3)
        (directory / CHECKPOINT).unlink()
        status, _, err = run_skmlp("train", "--resume", directory)
        assert status == 0
        assert err.startswith("skmlp train: warning: ")
        assert_same_run(tmp_path / "out", uninterrupted())

    def test_damaged_checkpoint_without_a_previous_one_is_an_error(self, fails, interrupt):
        directory = interrupt(3)
        (directory / CHECKPOINT).write_bytes((directory / CHECKPOINT).read_bytes()[:-1])
        (directory / PREVIOUS).unlink()
        assert "damaged" in fails(4, "train", "--resume", directory)

    def test_model_file_in_place_of_the_checkpoint_is_an_error(
        self, fails, interrupt, stripes_model
    ):
        directory = interrupt(1)
        (directory / CHECKPOINT).write_bytes(stripes_model.read_bytes())
        assert CHECKPOINT in fails(4, "train", "--resume", directory)

    def test_checkpoint_directory_that_is_a_file_is_an_error(self, fails, tmp_path):
        (tmp_path / "file").touch()
        err = fails(2, "train", "--checkpoint", tmp_path / "file", "--out", tmp_path / "out")
        assert ": --checkpoint must be a directory, got a file." in err


@pytest.mark.skipif(os.name == "nt", reason="needs the signals of Unix")
class TestProcess:
    SLOW = (
        *("--hidden", "64", "--batch-size", "4", "--epochs", "60", "--no-report"),
        *MANY_OPTIONS,
    )

    @pytest.mark.parametrize("seed", range(2))
    def test_run_killed_at_random_times_can_be_resumed(
        self, start_skmlp, succeeds, stripes, tmp_path, seed
    ):
        random = np.random.default_rng(seed)
        fresh = (
            "--data",
            stripes,
            "--out",
            tmp_path / "out",
            "--checkpoint",
            tmp_path / "checkpoints",
        )
        for argv in ((*fresh, *self.SLOW), ("--resume", tmp_path / "checkpoints")):
            with start_skmlp("train", *argv) as process:
                lines = (line for line in process.stdout if line.startswith("epoch"))
                for _ in range(random.integers(1, 10)):
                    next(lines)
                # Kill it during the next epoch or while its checkpoint is written.
                time.sleep(random.uniform(0, 0.03))
                process.kill()
            assert process.returncode == -signal.SIGKILL
        succeeds("train", "--resume", tmp_path / "checkpoints")
        uninterrupted = ("--data", stripes, "--out", tmp_path / "uninterrupted", *self.SLOW)
        succeeds("train", *uninterrupted)
        assert_same_run(tmp_path / "out", tmp_path / "uninterrupted")

    def test_ctrl_c_prints_how_to_resume(self, start_skmlp, succeeds, stripes, tmp_path):
        fresh = (
            "--data",
            stripes,
            "--out",
            tmp_path / "out",
            "--checkpoint",
            tmp_path / "checkpoints",
        )
        with start_skmlp("train", *fresh, *self.SLOW) as process:
            for line in process.stdout:
                if line.startswith("epoch  5/60"):
                    process.send_signal(signal.SIGINT)
                    break
            out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "")
        assert out.endswith(f"To resume: skmlp train --resume {tmp_path / 'checkpoints'}\n")
        interrupted = load_model(tmp_path / "out" / "model.safetensors")
        assert 5 <= len(interrupted.history_["loss"]) < 60
        succeeds("train", "--resume", tmp_path / "checkpoints")
        uninterrupted = ("--data", stripes, "--out", tmp_path / "uninterrupted", *self.SLOW)
        succeeds("train", *uninterrupted)
        assert_same_run(tmp_path / "out", tmp_path / "uninterrupted")
