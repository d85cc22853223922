"""The command line as a whole: help, exit statuses, pipes, interruption."""

import os
import signal

import pytest

import skmlp as package
from skmlp.cli import COMMANDS


def test_version(skmlp):
    assert skmlp("--version") == (0, f"skmlp {package.__version__}\n", "")


def test_help_names_every_command_and_exit_status(succeeds):
    out = succeeds("--help")
    for word in (*COMMANDS, "exit status", "130"):
        assert word in out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_description_and_examples(succeeds, command):
    out = succeeds(command, "--help")
    assert f"usage: skmlp {command}" in out
    assert "examples:\n  skmlp" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["guess"], "invalid choice: 'guess'"),
        (["train", "--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["evaluate"], "required: MODEL"),
        (["predict", "model"], "required: FILE"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(fails, argv, message):
    err = fails(2, *argv)
    assert message in err
    assert "--help" in err


def test_ctrl_c_outside_training(monkeypatch, fails, tmp_path):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skmlp.cli.training_data.load_subset", interrupt)
    assert fails(130, "train", "--out", tmp_path) == "skmlp train: error: interrupted\n"


def test_no_memory(monkeypatch, fails, tmp_path):
    def exhaust(*args, **kwargs):
        raise MemoryError("Unable to allocate 10 TiB")

    monkeypatch.setattr("skmlp.cli.training_data.load_subset", exhaust)
    err = fails(1, "train", "--out", tmp_path)
    assert "10 TiB" in err
    assert "smaller" in err


def test_main_returns_the_exit_status_of_the_process(start_skmlp):
    with start_skmlp("train", "--epochs", "0") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == (
        "skmlp train: error: argument --epochs: must be a whole number of at least 1, got '0' "
        "(see 'skmlp train --help')\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="needs the signals and pipes of Unix")
class TestProcess:
    def test_ctrl_c_saves_the_model(self, start_skmlp, succeeds, tmp_path):
        # A rate so low that the loss still decreases when the signal comes.
        options = ("--epochs", "1000000", "--learning-rate", "0.00001")
        with start_skmlp("train", *options, "--out", tmp_path) as process:
            lines = [process.stdout.readline() for _ in range(4)]
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        assert lines[3].startswith("epoch       3/1000000")
        assert (process.returncode, err) == (130, "")
        assert "Interrupted after" in out
        assert f"Written to {tmp_path}: " in out
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "curves.png",
            "history.csv",
            "model.safetensors",
        ]
        succeeds("evaluate", tmp_path / "model.safetensors")

    def test_closed_pipe_ends_a_command_silently(self, start_skmlp, stripes, stripes_model):
        images = stripes / "t10k-images-idx3-ubyte.gz"
        with start_skmlp("predict", stripes_model, *[images] * 500) as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 141

    def test_closed_pipe_does_not_end_training(self, start_skmlp, tmp_path):
        with start_skmlp("train", "--epochs", "100", "--out", tmp_path) as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 0
        assert (tmp_path / "model.safetensors").exists()

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full to write to")
    def test_full_disk_under_stdout(self, start_skmlp, stripes, stripes_model):
        with (
            open("/dev/full", "w") as full,
            start_skmlp("evaluate", stripes_model, "--data", stripes, stdout=full) as process,
        ):
            err = process.stderr.read()
        assert process.returncode == 1
        assert err.startswith("skmlp evaluate: error: no space left on device; free some space")
        assert err.count("\n") == 1
