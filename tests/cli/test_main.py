"""The command line in general: help, exit statuses, pipes and interruptions."""

import os
import re
import shlex
import signal

import pytest

import skmlp
from skmlp.cli import COMMANDS, make_parser


def test_version_is_printed(run_skmlp):
    assert run_skmlp("--version") == (0, f"skmlp {skmlp.__version__}\n", "")


def test_help_lists_commands_and_exit_statuses(succeeds):
    out = succeeds("--help")
    for word in (*COMMANDS, "exit status", "130"):
        assert word in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_has_examples_and_fits_into_80_columns(succeeds, command):
    out = succeeds(command, "--help")
    assert f"usage: skmlp {command}" in out
    assert "examples:\n  skmlp" in out
    assert max(map(len, out.splitlines())) <= 80


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_examples_in_help_are_valid(succeeds, command):
    out = succeeds("--help") if command is None else succeeds(command, "--help")
    examples = re.findall(r"^  (skmlp [^|>\n]*)", out.partition("examples:\n")[2], re.MULTILINE)
    assert examples
    for example in examples:
        given = vars(make_parser().parse_args(shlex.split(example)[1:]))
        parsed = COMMANDS[given.pop("command")]
        (parsed.make_options or parsed.options_class)(**given)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "required: COMMAND"),
        (["guess"], "invalid choice: 'guess'"),
        (["train", "--epoch", "3"], "unrecognized arguments: --epoch 3"),
        (["evaluate"], "required: MODEL"),
        (["predict", "model"], "required: FILE"),
        (["info"], "expected FILE or --versions, got neither"),
        (["info", "model", "--versions"], "expected FILE or --versions, got both"),
    ],
)
def test_wrong_usage_is_reported_in_one_line(fails, argv, message):
    err = fails(2, *argv)
    assert message in err
    assert "--help" in err


def test_ctrl_c_outside_of_training_is_reported(monkeypatch, fails, tmp_path):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("skmlp.cli.training_data.load_subset", interrupt)
    assert fails(130, "train", "--out", tmp_path) == "skmlp train: error: interrupted.\n"


def test_memory_error_suggests_a_fix(monkeypatch, fails, tmp_path):
    def exhaust(*args, **kwargs):
        raise MemoryError("Unable to allocate 10 TiB")

    monkeypatch.setattr("skmlp.cli.training_data.load_subset", exhaust)
    err = fails(1, "train", "--out", tmp_path)
    assert "not enough memory: Unable to allocate 10 TiB. Use smaller layers" in err


def test_process_exits_with_the_status_of_the_command(start_skmlp):
    with start_skmlp("train", "--epochs", "0") as process:
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == (
        "skmlp train: error: argument --epochs: must be a positive integer, got '0'. "
        "See 'skmlp train --help'.\n"
    )


@pytest.mark.skipif(os.name == "nt", reason="needs the signals and pipes of Unix")
class TestProcess:
    def test_ctrl_c_saves_the_model(self, start_skmlp, succeeds, tmp_path):
        # With this low learning rate, the loss still decreases when the signal arrives.
        options = ("--epochs", "1000000", "--learning-rate", "0.00001", "--no-report")
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

    def test_training_continues_after_a_pipe_is_closed(self, start_skmlp, tmp_path):
        with start_skmlp("train", "--epochs", "100", "--no-report", "--out", tmp_path) as process:
            assert process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == ""
        assert process.returncode == 0
        assert (tmp_path / "model.safetensors").exists()

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full to write to")
    def test_stdout_on_a_full_disk_is_an_error(self, start_skmlp, stripes, stripes_model):
        with (
            open("/dev/full", "w") as full,
            start_skmlp("evaluate", stripes_model, "--data", stripes, stdout=full) as process,
        ):
            err = process.stderr.read()
        assert process.returncode == 1
        assert err.startswith("skmlp evaluate: error: no space left on device. Free some space")
        assert err.count("\n") == 1
