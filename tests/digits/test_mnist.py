"""MNIST from disk, and from a server that behaves well or badly."""

import contextlib
import gzip
import hashlib
import http.server
import struct
import sys
import threading

import numpy as np
import pytest
from sklearn.datasets import load_digits

from skmlp.digits.mnist import MNIST_FILES, RemoteFile, download_mnist, fetch_mnist, load_mnist
from skmlp.exceptions import IDXFormatError


def images_file(n, height=4, width=3):
    pixels = bytes(i % 256 for i in range(n * height * width))
    return struct.pack(">4B3I", 0, 0, 8, 3, n, height, width) + pixels


def labels_file(*labels):
    return struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + bytes(labels)


STANDINS = {
    "train-images-idx3-ubyte": images_file(5),
    "train-labels-idx1-ubyte": labels_file(3, 1, 4, 1, 25),
    "t10k-images-idx3-ubyte": images_file(2),
    "t10k-labels-idx1-ubyte": labels_file(9, 2),
}
# The level differs from gzip's default: a file compressed anew has another digest.
SERVED = {f"{name}.gz": gzip.compress(data, 1, mtime=0) for name, data in STANDINS.items()}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


FILES = tuple(
    RemoteFile(name, sha256(SERVED[f"{name}.gz"]), sha256(data)) for name, data in STANDINS.items()
)

NAMINGS = {
    "plain": lambda name, data: (name, data),
    "gzip": lambda name, data: (f"{name}.gz", gzip.compress(data)),
    "dot": lambda name, data: (name.replace("-idx", ".idx"), data),
    "dot, gzip": lambda name, data: (f"{name.replace('-idx', '.idx')}.gz", gzip.compress(data)),
}


@pytest.fixture(params=NAMINGS)
def data_dir(request, tmp_path):
    for name, data in STANDINS.items():
        name, data = NAMINGS[request.param](name, data)
        (tmp_path / name).write_bytes(data)
    return tmp_path


# Loading


@pytest.mark.parametrize(("subset", "labels"), [("train", [3, 1, 4, 1, 25]), ("test", [9, 2])])
def test_loads_what_load_digits_users_expect(data_dir, subset, labels):
    mnist = load_mnist(str(data_dir), subset=subset)
    n = len(labels)
    assert set(load_digits()) - {"frame"} == set(mnist)
    assert mnist.data.dtype == np.uint8
    np.testing.assert_array_equal(mnist.data, np.arange(n * 12).reshape(n, 12))
    np.testing.assert_array_equal(mnist.images, mnist.data.reshape(n, 4, 3), strict=True)
    assert np.shares_memory(mnist.data, mnist.images)
    np.testing.assert_array_equal(mnist.target, np.array(labels, np.int64), strict=True)
    np.testing.assert_array_equal(mnist.target_names, sorted(set(labels)))
    assert mnist.feature_names[4] == "pixel_1_1"
    assert len(mnist.feature_names) == 12
    assert f"{n} images of 4 x 3 pixels (uint8)" in mnist.DESCR

    X, y = load_mnist(data_dir, subset=subset, return_X_y=True)
    np.testing.assert_array_equal(X, mnist.data)
    np.testing.assert_array_equal(y, mnist.target)


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_says_which_names_it_looked_for(tmp_path, name):
    for other in STANDINS.keys() - {name}:
        (tmp_path / other).write_bytes(STANDINS[other])
    with pytest.raises(FileNotFoundError) as refusal:
        load_mnist(tmp_path, subset="test")
    dotted = name.replace("-idx", ".idx")
    assert f"{tmp_path} holds none of {name}, {name}.gz, {dotted}, {dotted}.gz" in str(
        refusal.value
    )
    load_mnist(tmp_path, subset="train")


def test_says_that_a_directory_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing is no directory"):
        load_mnist(tmp_path / "missing")


def test_refuses_other_subsets(tmp_path):
    for function in (load_mnist, fetch_mnist):
        with pytest.raises(ValueError, match="subset must be 'train' or 'test', got 'valid'"):
            function(tmp_path, subset="valid")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (images_file(3), labels_file(1, 2)),
        (labels_file(1, 2), labels_file(1, 2)),
        (images_file(2), images_file(2)),
        (images_file(2), struct.pack(">4BI2f", 0, 0, 0x0D, 1, 2, 1.5, 2.5)),
    ],
    ids=["counts", "images not 3-D", "labels not 1-D", "labels not integer"],
)
def test_refuses_files_that_do_not_belong_together(images, labels, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(
        IDXFormatError, match=r"train-images-idx3-ubyte and .*train-labels-idx1-ubyte: expected"
    ):
        load_mnist(tmp_path)


# Downloading: what a server may do with a request for a file, and the reason that is then given.


def serve_well(handler, data):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def serve_damaged(handler, data):
    serve_well(handler, data[:-1] + bytes([data[-1] ^ 1]))


def serve_nothing(handler, data):
    handler.send_error(404)


def cut_connection(handler, data):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])


def stay_silent(handler, data):
    handler.server.released.wait(10)


def fall_silent(handler, data):
    cut_connection(handler, data)
    stay_silent(handler, data)


FAILURES = {
    serve_damaged: "does not match the known hash",
    serve_nothing: "404",
    cut_connection: "IncompleteRead",
    stay_silent: "timed out",
    fall_silent: "timed out",
}
every_failure = pytest.mark.parametrize(
    "failure", FAILURES, ids=[failure.__name__ for failure in FAILURES]
)


@contextlib.contextmanager
def mirror(behaviour):
    """Run a mirror on this machine; yield its address and the paths that it was asked for."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            behaviour(self, SERVED[self.path.removeprefix("/mnist/")])

        def log_message(self, *args):
            pass

    requests = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.released = threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mnist/", requests
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def names_in(directory):
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_downloads_checks_and_loads_offline_afterwards(tmp_path, monkeypatch):
    home = tmp_path / "new" / "home"
    with mirror(serve_well) as (address, requests):
        paths = download_mnist(home, files=FILES, mirrors=[address])
        assert paths == [home / name for name in SERVED]
        assert {path.name: path.read_bytes() for path in paths} == SERVED
        assert names_in(home) == sorted(SERVED)
        assert requests == [f"/mnist/{name}" for name in SERVED]
    # The server is gone, and pooch with it.
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert download_mnist(home, files=FILES, mirrors=[address]) == paths
    X, y = fetch_mnist(home, subset="test", return_X_y=True, files=FILES, mirrors=[address])
    np.testing.assert_array_equal(X, np.arange(24).reshape(2, 12))
    np.testing.assert_array_equal(y, [9, 2])


@pytest.mark.parametrize(("subset", "prefix"), [("train", "train"), ("test", "t10k")])
def test_fetches_one_half_into_scikit_learns_data_home(subset, prefix, tmp_path, monkeypatch):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with mirror(serve_well) as (address, _):
        mnist = fetch_mnist(subset=subset, files=FILES, mirrors=address)
    np.testing.assert_array_equal(
        mnist.data, load_mnist(tmp_path / "skmlp-mnist", subset=subset).data
    )
    assert names_in(tmp_path / "skmlp-mnist") == [
        f"{prefix}-images-idx3-ubyte.gz",
        f"{prefix}-labels-idx1-ubyte.gz",
    ]


@every_failure
def test_a_failed_download_gives_its_reason_and_leaves_nothing(failure, tmp_path):
    with (
        mirror(failure) as (first, _),
        mirror(serve_nothing) as (second, _),
        pytest.raises(OSError, match="no mirror gave train-images-idx3-ubyte") as refusal,
    ):
        download_mnist(tmp_path, files=FILES, mirrors=[first, second], timeout=1)
    _, first_reason, second_reason, mend = str(refusal.value).splitlines()
    assert first in first_reason
    assert FAILURES[failure] in first_reason
    assert second in second_reason
    assert "404" in second_reason
    assert str(tmp_path) in mend
    assert names_in(tmp_path) == []


@every_failure
def test_the_second_mirror_helps_out(failure, tmp_path):
    with mirror(failure) as (first, asked), mirror(serve_well) as (second, _):
        download_mnist(tmp_path, files=FILES[:2], mirrors=[first, second], timeout=1)
    assert len(asked) == 2
    assert names_in(tmp_path) == [f"{file.name}.gz" for file in FILES[:2]]


def test_keeps_the_files_that_are_there(data_dir):
    before = names_in(data_dir)
    paths = download_mnist(data_dir, files=FILES, mirrors=[])
    assert sorted(path.name for path in paths) == before == names_in(data_dir)


@pytest.mark.parametrize(
    ("name", "data", "got"),
    [
        ("train-images-idx3-ubyte.gz", gzip.compress(images_file(6)), sha256(images_file(6))),
        ("train-images-idx3-ubyte.gz", SERVED["train-images-idx3-ubyte.gz"][:-3], "damaged gzip"),
        ("train-images-idx3-ubyte", images_file(6), sha256(images_file(6))),
    ],
    ids=["other, gzipped", "truncated", "other"],
)
def test_never_overwrites_other_files_of_that_name(name, data, got, tmp_path):
    (tmp_path / name).write_bytes(data)
    with (
        mirror(serve_well) as (address, requests),
        pytest.raises(FileExistsError, match=f"{name} is in the way: .* got {got}"),
    ):
        download_mnist(tmp_path, files=FILES, mirrors=[address])
    assert requests == []
    assert (tmp_path / name).read_bytes() == data


def test_says_how_to_get_pooch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "skmlp\[fetch\]"'):
        fetch_mnist(tmp_path, files=FILES)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("progress", [True, False])
def test_shows_progress_on_terminals_only(terminal, progress, tmp_path, monkeypatch, capfd):
    # rich takes anything for a terminal then.
    monkeypatch.setenv("TTY_COMPATIBLE", "1" if terminal else "0")
    with mirror(serve_well) as (address, _):
        download_mnist(tmp_path, files=FILES, mirrors=[address], progress=progress)
    out, err = capfd.readouterr()
    assert out == ""
    assert ("train-images-idx3-ubyte.gz" in err) == (terminal and progress)
    assert terminal or err == ""


# The real thing


def test_the_original_files_have_the_known_digests(mnist_dir):
    for file in MNIST_FILES:
        (path,) = mnist_dir.glob(file.name.replace("-idx", "?idx") + "*")
        data = path.read_bytes()
        # A copy may have been compressed anew.
        assert sha256(gzip.decompress(data) if path.suffix == ".gz" else data) == file.sha256
    download_mnist(mnist_dir, mirrors=[])


@pytest.mark.parametrize(
    ("subset", "n", "first", "counts"),
    [
        ("train", 60000, 5, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", 10000, 7, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_the_original_files_hold_the_known_digits(mnist_dir, subset, n, first, counts):
    mnist = load_mnist(mnist_dir, subset=subset)
    assert mnist.data.shape == (n, 784)
    assert mnist.images.shape == (n, 28, 28)
    assert mnist.target[0] == first
    np.testing.assert_array_equal(np.bincount(mnist.target), counts)
