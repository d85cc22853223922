import contextlib
import gzip
import io
import struct

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from skmlp.cli import main

TYPE_CODES = {"uint8": 0x08, "float32": 0x0D}


def _idx_bytes(array):
    """Make an IDX file by hand."""
    header = struct.pack(
        f">BBBB{array.ndim}I", 0, 0, TYPE_CODES[str(array.dtype)], array.ndim, *array.shape
    )
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


def _striped_images(labels, side=5, seed=0):
    """Make noisy images whose label is the number of the bright row."""
    images = np.random.default_rng(seed).integers(0, 60, size=(len(labels), side, side))
    images[np.arange(len(labels)), labels] += 180
    return images.astype(np.uint8)


def _write_set(directory, *, side=5, scale=None, n_train=120, n_test=40):
    """Write the four files of a small data set of striped images, the images gzipped."""
    for seed, (prefix, n) in enumerate({"train": n_train, "t10k": n_test}.items()):
        labels = (np.arange(n) % 4).astype(np.uint8)
        images = _striped_images(labels, side, seed)
        if scale is not None:
            images = images.astype(np.float32) * np.float32(scale)
        packed = gzip.compress(_idx_bytes(images), mtime=0)
        (directory / f"{prefix}-images-idx3-ubyte.gz").write_bytes(packed)
        (directory / f"{prefix}-labels-idx1-ubyte").write_bytes(_idx_bytes(labels))
    return directory


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Keep BLAS to one thread: these networks are tiny, and a busy machine makes two wait."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="session")
def idx_bytes():
    return _idx_bytes


@pytest.fixture(scope="session")
def striped_images():
    return _striped_images


@pytest.fixture(scope="session")
def write_set():
    return _write_set


@pytest.fixture(scope="session")
def stripes(tmp_path_factory):
    """Give the directory of a small set of 8-bit images in MNIST's four files."""
    return _write_set(tmp_path_factory.mktemp("stripes"))


@pytest.fixture(scope="session")
def float_stripes(tmp_path_factory):
    """Give the same set with float pixels from 0 to 1."""
    return _write_set(tmp_path_factory.mktemp("float-stripes"), scale=1 / 255)


@pytest.fixture(scope="session")
def stripes_model(stripes, tmp_path_factory):
    """Give the path of a model that has learned the stripes."""
    out = tmp_path_factory.mktemp("stripes-run")
    with contextlib.redirect_stdout(io.StringIO()):
        options = ["--hidden", "16", "--batch-size", "8", "--learning-rate", "0.01"]
        assert main(["train", "--data", str(stripes), *options, "--out", str(out)]) == 0
    return out / "model.safetensors"


@pytest.fixture(scope="session")
def digits_model(tmp_path_factory):
    """Give the path of the model that `skmlp train` makes of the bundled digits."""
    out = tmp_path_factory.mktemp("digits-run")
    with contextlib.redirect_stdout(io.StringIO()):
        assert main(["train", "--out", str(out), "--quiet"]) == 0
    return out / "model.safetensors"


@pytest.fixture
def skmlp(capsys):
    """Give a function that runs a command line: exit status, stdout, stderr."""

    def run(*argv):
        status = main([str(argument) for argument in argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


@pytest.fixture
def fails(skmlp):
    """Give a function that runs a command line that fails, and returns its one line on stderr."""

    def run(exit_status, *argv):
        status, _, err = skmlp(*argv)
        assert status == exit_status, err
        assert err.count("\n") == 1
        assert "error: " in err
        return err

    return run
