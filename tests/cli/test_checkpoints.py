"""Training that is cut off and goes on: `skmlp train --checkpoint DIR`, then `--resume DIR`."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from skmlp import load_model

SMALL = ("--hidden", "16", "--batch-size", "8", "--epochs", "6")
EVERYTHING = (
    *("--dropout", "0.3", "--input-dropout", "0.1", "--batch-norm", "--ema", "0.9"),
    *("--schedule", "one_cycle", "--warmup-epochs", "0.5", "--label-smoothing", "0.1"),
    *("--solver", "nadam", "--max-norm", "2", "--clip-norm", "1", "--class-weight", "balanced"),
    *("--activation", "gelu", "--weight-init", "he_normal", "--weight-decay", "0.01"),
    *("--augmentation", "digits", "--adversarial-norm", "0.5"),
    *("--early-stopping", "--monitor", "loss", "--patience", "50", "--seed", "3"),
)
CHECKPOINT = "checkpoint.safetensors"
PREVIOUS = "checkpoint.previous.safetensors"


def history_without_seconds(path):
    with open(path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{name: row[name] for name in row if name != "seconds"} for row in rows]


def assert_same_run(one, other):
    """Compare all that a run writes, to the last bit, but for how long the epochs took."""
    models = [load_model(path / "model.safetensors") for path in (one, other)]
    assert models[0].get_params() == models[1].get_params()
    for parts in ("coefs_", "intercepts_"):
        for a, b in zip(*(getattr(model, parts) for model in models), strict=True):
            np.testing.assert_array_equal(a, b)
    if models[0].batch_norm_ is not None:
        for name, layers in models[0].batch_norm_.items():
            for a, b in zip(layers, models[1].batch_norm_[name], strict=True):
                np.testing.assert_array_equal(a, b)
    assert history_without_seconds(one) == history_without_seconds(other)
    assert (one / "curves.png").read_bytes() == (other / "curves.png").read_bytes()


@pytest.fixture
def cut_off(skmlp, stripes, tmp_path, monkeypatch):
    """Give a function that trains with checkpoints, and fails after some epochs as if killed."""

    def train(epochs, *options):
        shown = []

        def fail_in_time(epoch):
            shown.append(epoch)
            if len(shown) == epochs:
                raise MemoryError("cut off")

        with monkeypatch.context() as patch:
            patch.setattr("skmlp.cli.progress.EpochLines.show", lambda *args: fail_in_time(args[1]))
            status, _, err = skmlp(
                *("train", "--data", stripes, "--out", tmp_path / "out"),
                *("--checkpoint", tmp_path / "kept", *SMALL, *options),
            )
        assert status == 1
        assert "cut off" in err
        assert not (tmp_path / "out" / "model.safetensors").exists()
        return tmp_path / "kept"

    return train


@pytest.fixture
def uninterrupted(skmlp, stripes, tmp_path):
    """Give a function that trains without interruption, and returns the directory."""

    def train(*options):
        out = tmp_path / "uninterrupted"
        status, _, err = skmlp("train", "--data", stripes, "--out", out, *SMALL, *options)
        assert (status, err) == (0, "")
        return out

    return train


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--solver", "sgd", "--schedule", "adaptive", "--validation", "0.2"),
        ("--hidden", "none", "--checkpoint-every", "2"),
        ("--hidden", "8,4", "--activation", "tanh,relu", "--dropout", "0.2,0"),
        EVERYTHING,
        ("--recipe", "small-sample"),
    ],
    ids=["plain", "adaptive", "no hidden layer", "lists", "everything", "recipe"],
)
def test_same_run_after_a_cut(skmlp, cut_off, uninterrupted, tmp_path, options):
    directory = cut_off(3, *options)
    status, out, err = skmlp("train", "--resume", directory)
    assert (status, err) == (0, "")
    assert out.startswith(f"Going on with the run of {directory}\nTraining on ")
    last_kept = 2 if "--checkpoint-every" in options else 3
    assert re.findall(r"^epoch (\d)/6", out, re.MULTILINE) == [
        str(epoch) for epoch in range(last_kept + 1, 7)
    ]
    assert "Trained 6 epochs in" in out
    if "--checkpoint-every" in options:
        options = options[:-2]
    assert_same_run(tmp_path / "out", uninterrupted(*options))


def test_cut_before_the_first_checkpoint(skmlp, cut_off, uninterrupted, tmp_path):
    directory = cut_off(1, "--checkpoint-every", "5")
    assert sorted(path.name for path in directory.iterdir()) == ["settings.json"]
    status, out, _ = skmlp("train", "--resume", directory)
    assert status == 0
    assert "from the start: no epoch had ended" in out
    assert_same_run(tmp_path / "out", uninterrupted())


def test_finished_run(skmlp, stripes, tmp_path):
    directory = tmp_path / "kept"
    options = ("--data", stripes, "--out", tmp_path / "out", "--checkpoint", directory, *SMALL)
    assert skmlp("train", *options)[0] == 0
    (tmp_path / "out").rename(tmp_path / "first")
    status, out, err = skmlp("train", "--resume", directory)
    assert (status, err) == (0, "")
    assert f"The run of {directory} had ended; its files are written again" in out
    assert "\nepoch" not in out
    for name in ("model.safetensors", "history.csv", "curves.png"):
        # Even the seconds are those of the run.
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "first" / name).read_bytes()
    # A directory whose run has ended may serve another one.
    assert skmlp("train", *options, "--seed", "1")[0] == 0


def test_same_directory_for_everything(skmlp, stripes, tmp_path):
    options = ("--out", tmp_path, "--checkpoint", tmp_path, *SMALL)
    assert skmlp("train", "--data", stripes, *options)[0] == 0
    names = sorted(path.name for path in tmp_path.iterdir())
    written = ["curves.png", "history.csv", "model.safetensors"]
    assert names == sorted([CHECKPOINT, PREVIOUS, "settings.json", *written])


def test_relative_paths_hold_in_another_directory(skmlp, stripes, tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work" / "digits").symlink_to(stripes)
    monkeypatch.chdir(tmp_path / "work")
    assert skmlp("train", "--data", "digits", "--checkpoint", "kept", *SMALL)[0] == 0
    (tmp_path / "work" / "skmlp-run" / "model.safetensors").unlink()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert skmlp("train", "--resume", tmp_path / "work" / "kept", "--quiet")[0] == 0
    assert (tmp_path / "work" / "skmlp-run" / "model.safetensors").exists()
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_bundled_digits(skmlp, tmp_path):
    options = ("--epochs", "1", "--hidden", "8", "--out", tmp_path / "out")
    assert skmlp("train", *options, "--checkpoint", tmp_path / "kept")[0] == 0
    assert "bundled digits" in skmlp("train", "--resume", tmp_path / "kept")[1]


def test_live_bar_of_a_resumed_run(skmlp, cut_off, monkeypatch):
    directory = cut_off(4)
    for name, value in {"FORCE_COLOR": "1", "NO_COLOR": "1", "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)
    out = skmlp("train", "--resume", directory)[1]
    assert re.findall(r"epoch (\d)/6", out)[0] == "4"
    assert "epoch 6/6" in out


def test_quiet_resume(skmlp, cut_off):
    status, out, err = skmlp("train", "--resume", cut_off(2), "--quiet")
    assert (status, err) == (0, "")
    assert re.fullmatch(r"Test accuracy [\d.]+ % \(\d+ of 40\)\n", out)


def test_settings_can_be_read(cut_off, stripes, tmp_path):
    settings = json.loads((cut_off(2, "--dropout", "0.2") / "settings.json").read_text())
    assert settings["finished"] is False
    given = {name: value for name, value in settings["options"].items() if value is not None}
    assert given == {
        "data": str(stripes),
        "out": str(tmp_path / "out"),
        "hidden": [16],
        "activation": "relu",
        "solver": "adam",
        "dropout": 0.2,
        "batch_size": 8,
        "epochs": 6,
        "seed": 0,
    }


def test_unfinished_run_is_not_overwritten(fails, cut_off, stripes):
    directory = cut_off(2)
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    err = fails(2, "train", "--data", stripes, "--checkpoint", directory)
    assert f"go on with it by 'skmlp train --resume {directory}'" in err
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


@pytest.mark.parametrize("option", ["--epochs=3", "--out=elsewhere", "--seed=0", "--batch-norm"])
def test_other_options_beside_resume(fails, cut_off, option):
    err = fails(2, "train", "--resume", cut_off(2), option)
    assert f"leave out {option.partition('=')[0]} " in err


class TestBadDirectory:
    def test_missing(self, fails, tmp_path):
        err = fails(4, "train", "--resume", tmp_path / "nowhere")
        assert "nowhere/settings.json: no such file or directory; check the path" in err

    @pytest.mark.parametrize(
        "content",
        [b"", b"\xff", b"[]", b"{}", b'{"finished": true, "options": []}', b"[" * 100_000],
    )
    def test_no_settings(self, fails, tmp_path, content):
        (tmp_path / "settings.json").write_bytes(content)
        err = fails(4, "train", "--resume", tmp_path)
        assert "settings.json: holds no settings of a run; give a directory that --check" in err

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("epochs", 0, "--epochs: must be a whole number of at least 1, got '0'"),
            ("hidden", [0], "--hidden: must be sizes of at least 1"),
            ("hidden", {"a": 1}, "--hidden: must be sizes of at least 1"),
            ("help", True, "there is no option --help"),
            ("colour", "red", "there is no option --colour"),
            ("patience", 3, "--patience has no effect without --early-stopping"),
        ],
    )
    def test_wrong_settings(self, fails, cut_off, name, value, message):
        directory = cut_off(2)
        settings = json.loads((directory / "settings.json").read_text())
        settings["options"][name] = value
        (directory / "settings.json").write_text(json.dumps(settings))
        err = fails(4, "train", "--resume", directory)
        assert message in err
        assert "start the training again" in err

    def test_changed_setting(self, fails, cut_off):
        directory = cut_off(2)
        text = (directory / "settings.json").read_text()
        (directory / "settings.json").write_text(text.replace('"epochs": 6', '"epochs": 7'))
        assert "max_iter=6, not 7" in fails(4, "train", "--resume", directory)

    def test_changed_data(self, fails, cut_off, tmp_path, write_set):
        directory = cut_off(2)
        (tmp_path / "others").mkdir()
        others = write_set(tmp_path / "others", n_train=100)
        settings = json.loads((directory / "settings.json").read_text())
        settings["options"]["data"] = str(others)
        (directory / "settings.json").write_text(json.dumps(settings))
        err = fails(4, "train", "--resume", directory)
        assert "these are not the data of the checkpoint" in err

    def test_damaged_checkpoint_gives_way_to_the_previous_one(
        self, skmlp, cut_off, uninterrupted, tmp_path
    ):
        directory = cut_off(3)
        content = (directory / CHECKPOINT).read_bytes()
        (directory / CHECKPOINT).write_bytes(content[:-1])
        status, out, err = skmlp("train", "--resume", directory)
        assert status == 0
        assert err.startswith("skmlp train: warning: ")
        assert "Going on from the previous checkpoint" in err
        assert "\nepoch 3/6" in out
        assert_same_run(tmp_path / "out", uninterrupted())

    def test_lost_checkpoint_gives_way_to_the_previous_one(
        self, skmlp, cut_off, uninterrupted, tmp_path
    ):
        directory = cut_off(3)
        (directory / CHECKPOINT).unlink()
        assert skmlp("train", "--resume", directory)[0] == 0
        assert_same_run(tmp_path / "out", uninterrupted())

    def test_damaged_checkpoint_without_another(self, fails, cut_off):
        directory = cut_off(3)
        (directory / CHECKPOINT).write_bytes((directory / CHECKPOINT).read_bytes()[:-1])
        (directory / PREVIOUS).unlink()
        assert "damaged" in fails(4, "train", "--resume", directory)

    def test_a_model_is_no_checkpoint(self, fails, cut_off, stripes_model):
        directory = cut_off(1)
        (directory / CHECKPOINT).write_bytes(stripes_model.read_bytes())
        assert CHECKPOINT in fails(4, "train", "--resume", directory)

    def test_file(self, fails, tmp_path):
        (tmp_path / "file").touch()
        err = fails(2, "train", "--checkpoint", tmp_path / "file", "--out", tmp_path / "out")
        assert "is a file; --checkpoint must be a directory" in err


@pytest.mark.skipif(os.name == "nt", reason="needs the signals of Unix")
class TestProcess:
    SLOWLY = ("--hidden", "64", "--batch-size", "4", "--epochs", "200", *EVERYTHING)

    def start(self, *argv):
        return subprocess.Popen(
            [sys.executable, "-m", "skmlp", "train", *map(str, argv)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )

    @pytest.mark.parametrize("seed", range(2))
    def test_killed_at_random_moments(self, skmlp, stripes, tmp_path, seed):
        random = np.random.default_rng(seed)
        fresh = ("--data", stripes, "--out", tmp_path / "out", "--checkpoint", tmp_path / "kept")
        for argv in ((*fresh, *self.SLOWLY), ("--resume", tmp_path / "kept")):
            with self.start(*argv) as process:
                lines = (line for line in process.stdout if line.startswith("epoch"))
                for _ in range(random.integers(1, 10)):
                    next(lines)
                # A part of the next epoch, or of writing what it brought.
                time.sleep(random.uniform(0, 0.03))
                process.kill()
            assert process.returncode == -signal.SIGKILL
        status, _, err = skmlp("train", "--resume", tmp_path / "kept")
        assert (status, err) == (0, "")
        whole = ("--data", stripes, "--out", tmp_path / "whole", *self.SLOWLY)
        assert skmlp("train", *whole)[0] == 0
        assert_same_run(tmp_path / "out", tmp_path / "whole")

    def test_ctrl_c_tells_how_to_go_on(self, skmlp, stripes, tmp_path):
        fresh = ("--data", stripes, "--out", tmp_path / "out", "--checkpoint", tmp_path / "kept")
        with self.start(*fresh, *self.SLOWLY) as process:
            for line in process.stdout:
                if line.startswith("epoch   5/200"):
                    process.send_signal(signal.SIGINT)
                    break
            out, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (130, "")
        assert out.endswith(f"Go on by: skmlp train --resume {tmp_path / 'kept'}\n")
        interrupted = load_model(tmp_path / "out" / "model.safetensors")
        assert 5 <= len(interrupted.history_["loss"]) < 200
        assert skmlp("train", "--resume", tmp_path / "kept")[0] == 0
        whole = ("--data", stripes, "--out", tmp_path / "whole", *self.SLOWLY)
        assert skmlp("train", *whole)[0] == 0
        assert_same_run(tmp_path / "out", tmp_path / "whole")
