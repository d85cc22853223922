"""Fixtures for the tests of the command line: datasets, models and functions that run a command."""

import contextlib
import gzip
import io
import json
import os
import struct
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure

from skmlp import MLPDigitClassifier, save_model
from skmlp.cli import main

TYPE_CODES = {"uint8": 0x08, "float32": 0x0D}


def encode_idx(array):
    """Return the content of an IDX file, without using the code under test."""
    header = struct.pack(
        f">BBBB{array.ndim}I", 0, 0, TYPE_CODES[str(array.dtype)], array.ndim, *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def make_striped_images(labels, side=5, seed=0):
    """Return noisy images; the label is the index of the bright row."""
    images = np.random.default_rng(seed).integers(0, 60, size=(len(labels), side, side))
    images[np.arange(len(labels)), labels] += 180
    return images.astype(np.uint8)


def write_dataset(directory, *, side=5, scale=None, n_train=120, n_test=40):
    """Write the four files of a small dataset of striped images, with images compressed by gzip."""
    for seed, (prefix, n) in enumerate({"train": n_train, "t10k": n_test}.items()):
        labels = (np.arange(n) % 4).astype(np.uint8)
        images = make_striped_images(labels, side, seed)
        if scale is not None:
            images = images.astype(np.float32) * np.float32(scale)
        packed = gzip.compress(encode_idx(images), mtime=0)
        (directory / f"{prefix}-images-idx3-ubyte.gz").write_bytes(packed)
        (directory / f"{prefix}-labels-idx1-ubyte").write_bytes(encode_idx(labels))
    return directory


@pytest.fixture(scope="session")
def idx_bytes():
    """Return a function that encodes an array as an IDX file."""
    return encode_idx


@pytest.fixture(scope="session")
def striped_images():
    """Return a function that makes striped images of given labels."""
    return make_striped_images


@pytest.fixture(scope="session")
def write_striped_dataset():
    """Return a function that writes a dataset of striped images."""
    return write_dataset


@pytest.fixture(scope="session")
def stripes(tmp_path_factory):
    """Return the directory of a small dataset of 8-bit images, in the four files of MNIST."""
    return write_dataset(tmp_path_factory.mktemp("stripes"))


@pytest.fixture(scope="session")
def float_stripes(tmp_path_factory):
    """Return the directory of the same dataset with float pixels from 0 to 1."""
    return write_dataset(tmp_path_factory.mktemp("float-stripes"), scale=1 / 255)


@pytest.fixture(scope="session")
def stripes_model(stripes, tmp_path_factory):
    """Return the path of a model trained on the stripes."""
    out = tmp_path_factory.mktemp("stripes-run")
    with contextlib.redirect_stdout(io.StringIO()):
        options = ["--hidden", "16", "--batch-size", "8", "--learning-rate", "0.01", "--no-report"]
        assert main(["train", "--data", str(stripes), *options, "--out", str(out)]) == 0
    return out / "model.safetensors"


@pytest.fixture(scope="session")
def multilabel_model(tmp_path_factory):
    """Return the path of a multilabel model: three labels, 8 features."""
    X, Y = np.eye(8), np.eye(8, 3, dtype=int)
    path = tmp_path_factory.mktemp("multilabel") / "model.safetensors"
    save_model(MLPDigitClassifier((4,), solver="lbfgs", random_state=0).fit(X, Y), path)
    return path


@pytest.fixture(scope="session")
def digits_model(tmp_path_factory):
    """Return the path of the model that `skmlp train` trains on the bundled digits."""
    out = tmp_path_factory.mktemp("digits-run")
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["train", "--out", str(out), "--quiet", "--no-report"]) == 0
    return out / "model.safetensors"


@pytest.fixture
def run_skmlp(capsys):
    """Return a function that runs a command line and returns exit status, stdout and stderr."""

    def run(*argv):
        status = main([str(argument) for argument in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def succeeds(run_skmlp):
    """Return a function that runs a command line that must succeed, and returns its stdout."""

    def run(*argv):
        status, out, err = run_skmlp(*argv)
        assert (status, err) == (0, "")
        return out

    return run


@pytest.fixture
def json_lines(succeeds):
    """Return a function that runs a command line with --json, and returns the parsed lines."""

    def run(*argv):
        return [json.loads(line) for line in succeeds(*argv, "--json").splitlines()]

    return run


@pytest.fixture
def without_curves(monkeypatch):
    """Leave the picture of the curves empty, because drawing it takes most of the time of a short training."""
    monkeypatch.setattr(Figure, "savefig", lambda self, file, **options: None)


@pytest.fixture
def train(succeeds, without_curves):
    """Return a function that trains a small network for three epochs without a report, and returns its stdout."""

    def run(data, out, *options):
        small = ("--hidden", "16", "--batch-size", "8", "--epochs", "3", "--no-report")
        return succeeds("train", "--data", data, "--out", out, *small, *options)

    return run


@pytest.fixture
def start_skmlp():
    """Return a function that starts a command line in a separate process."""

    def start(*argv, stdout=subprocess.PIPE):
        return subprocess.Popen(
            [sys.executable, "-m", "skmlp", *map(str, argv)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )

    return start


@pytest.fixture
def fails(run_skmlp):
    """Return a function that runs a command line that must fail, and returns its line on stderr."""

    def run(exit_status, *argv):
        status, _, err = run_skmlp(*argv)
        assert status == exit_status, err
        assert err.count("\n") == 1
        assert "error: " in err
        return err

    return run
