"""Loading MNIST from disk, and downloading it from local servers that work or fail."""

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


def encode_images(n_images, height=4, width=3):
    pixels = bytes(i % 256 for i in range(n_images * height * width))
    return struct.pack(">4B3I", 0, 0, 8, 3, n_images, height, width) + pixels


def encode_labels(*labels):
    return struct.pack(">4BI", 0, 0, 8, 1, len(labels)) + bytes(labels)


SMALL_FILES = {
    "train-images-idx3-ubyte": encode_images(5),
    "train-labels-idx1-ubyte": encode_labels(3, 1, 4, 1, 25),
    "t10k-images-idx3-ubyte": encode_images(2),
    "t10k-labels-idx1-ubyte": encode_labels(9, 2),
}
# The compression level is not the default of gzip, so that a file that is compressed again has a different digest.
SERVED_FILES = {f"{name}.gz": gzip.compress(data, 1, mtime=0) for name, data in SMALL_FILES.items()}


def compute_sha256(data):
    return hashlib.sha256(data).hexdigest()


FILES = tuple(
    RemoteFile(name, compute_sha256(SERVED_FILES[f"{name}.gz"]), compute_sha256(data))
    for name, data in SMALL_FILES.items()
)

NAMINGS = {
    "uncompressed": lambda name, data: (name, data),
    "gzip": lambda name, data: (f"{name}.gz", gzip.compress(data)),
    "dot": lambda name, data: (name.replace("-idx", ".idx"), data),
    "dot, gzip": lambda name, data: (f"{name.replace('-idx', '.idx')}.gz", gzip.compress(data)),
}


@pytest.fixture(params=NAMINGS)
def data_dir(request, tmp_path):
    for name, data in SMALL_FILES.items():
        name, data = NAMINGS[request.param](name, data)
        (tmp_path / name).write_bytes(data)
    return tmp_path


# Loading


@pytest.mark.parametrize(("subset", "labels"), [("train", [3, 1, 4, 1, 25]), ("test", [9, 2])])
def test_load_mnist_returns_the_attributes_of_load_digits(data_dir, subset, labels):
    mnist = load_mnist(str(data_dir), subset=subset)
    n_samples = len(labels)
    assert set(load_digits()) - {"frame"} == set(mnist)
    assert mnist.data.dtype == np.uint8
    np.testing.assert_array_equal(mnist.data, np.arange(n_samples * 12).reshape(n_samples, 12))
    np.testing.assert_array_equal(mnist.images, mnist.data.reshape(n_samples, 4, 3), strict=True)
    assert np.shares_memory(mnist.data, mnist.images)
    np.testing.assert_array_equal(mnist.target, np.array(labels, np.int64), strict=True)
    np.testing.assert_array_equal(mnist.target_names, sorted(set(labels)))
    assert mnist.feature_names[4] == "pixel_1_1"
    assert len(mnist.feature_names) == 12
    assert f"{n_samples} images of 4 x 3 pixels (uint8)" in mnist.DESCR

    X, y = load_mnist(data_dir, subset=subset, return_X_y=True)
    np.testing.assert_array_equal(X, mnist.data)
    np.testing.assert_array_equal(y, mnist.target)


def test_load_mnist_maps_images_that_are_not_compressed(tmp_path):
    for name, data in SMALL_FILES.items():
        (tmp_path / name).write_bytes(data)
    loaded, mapped = load_mnist(tmp_path), load_mnist(tmp_path, mmap=True)
    assert isinstance(mapped.data, np.memmap)
    assert np.shares_memory(mapped.data, mapped.images)
    np.testing.assert_array_equal(mapped.data, loaded.data)
    np.testing.assert_array_equal(mapped.target, loaded.target, strict=True)
    X, y = load_mnist(tmp_path, return_X_y=True, mmap=True)
    np.testing.assert_array_equal(X, loaded.data)
    np.testing.assert_array_equal(y, loaded.target)
    name = "train-images-idx3-ubyte"
    (tmp_path / f"{name}.gz").write_bytes(SERVED_FILES[f"{name}.gz"])
    (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=r"ubyte\.gz: expected an uncompressed regular file"):
        load_mnist(tmp_path, mmap=True)


@pytest.mark.parametrize("name", ["t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_load_mnist_raises_on_a_missing_file(tmp_path, name):
    for other in SMALL_FILES.keys() - {name}:
        (tmp_path / other).write_bytes(SMALL_FILES[other])
    with pytest.raises(FileNotFoundError) as exc_info:
        load_mnist(tmp_path, subset="test")
    dotted = name.replace("-idx", ".idx")
    message = str(exc_info.value)
    assert message.startswith(f"{tmp_path}: expected a directory")
    assert (
        f"one of the files {name}, {name}.gz, {dotted}, {dotted}.gz, got none of them." in message
    )
    load_mnist(tmp_path, subset="train")


def test_load_mnist_raises_on_a_missing_directory(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"missing: expected a directory .* got no directory"
    ):
        load_mnist(tmp_path / "missing")


def test_loading_raises_on_invalid_subsets(tmp_path):
    for function in (load_mnist, fetch_mnist):
        with pytest.raises(ValueError, match="subset must be 'train' or 'test', got 'valid'"):
            function(tmp_path, subset="valid")


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (encode_images(3), encode_labels(1, 2)),
        (encode_labels(1, 2), encode_labels(1, 2)),
        (encode_images(2), encode_images(2)),
        (encode_images(2), struct.pack(">4BI2f", 0, 0, 0x0D, 1, 2, 1.5, 2.5)),
    ],
    ids=["counts", "images not 3-D", "labels not 1-D", "labels not integer"],
)
def test_load_mnist_raises_on_inconsistent_files(images, labels, tmp_path):
    (tmp_path / "train-images-idx3-ubyte").write_bytes(images)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(labels)
    with pytest.raises(
        IDXFormatError, match=r"train-images-idx3-ubyte and .*train-labels-idx1-ubyte: expected"
    ):
        load_mnist(tmp_path)


# Downloading: how a server responds to a request, and the error that is reported


def serve_file(handler, data):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)


def serve_damaged_file(handler, data):
    serve_file(handler, data[:-1] + bytes([data[-1] ^ 1]))


def send_not_found(handler, data):
    handler.send_error(404)


def close_connection_early(handler, data):
    handler.send_response(200)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data[: len(data) // 2])


def send_no_response(handler, data):
    handler.server.released.wait(10)


def stop_sending(handler, data):
    close_connection_early(handler, data)
    send_no_response(handler, data)


FAILURES = {
    serve_damaged_file: "does not match the known hash",
    send_not_found: "404",
    close_connection_early: "IncompleteRead",
    send_no_response: "timed out",
    stop_sending: "timed out",
}
every_failure = pytest.mark.parametrize(
    "failure", FAILURES, ids=[failure.__name__ for failure in FAILURES]
)


@contextlib.contextmanager
def run_mirror(respond):
    """Run a local mirror; yield its URL and the list of requested paths."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requests.append(self.path)
            respond(self, SERVED_FILES[self.path.removeprefix("/mnist/")])

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


def list_names(directory):
    return sorted(path.name for path in directory.iterdir()) if directory.exists() else []


def test_downloaded_files_are_used_offline(tmp_path, monkeypatch):
    home = tmp_path / "new" / "home"
    with run_mirror(serve_file) as (url, requests):
        paths = download_mnist(home, files=FILES, mirrors=[url])
        assert paths == [home / name for name in SERVED_FILES]
        assert {path.name: path.read_bytes() for path in paths} == SERVED_FILES
        assert list_names(home) == sorted(SERVED_FILES)
        assert requests == [f"/mnist/{name}" for name in SERVED_FILES]
    # The server has stopped, and pooch cannot be imported.
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert download_mnist(home, files=FILES, mirrors=[url]) == paths
    X, y = fetch_mnist(home, subset="test", return_X_y=True, files=FILES, mirrors=[url])
    np.testing.assert_array_equal(X, np.arange(24).reshape(2, 12))
    np.testing.assert_array_equal(y, [9, 2])


@pytest.mark.parametrize(("subset", "prefix"), [("train", "train"), ("test", "t10k")])
def test_fetch_mnist_downloads_one_subset_to_the_data_home_of_scikit_learn(
    subset, prefix, tmp_path, monkeypatch
):
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with run_mirror(serve_file) as (url, _):
        mnist = fetch_mnist(subset=subset, files=FILES, mirrors=url)
    np.testing.assert_array_equal(
        mnist.data, load_mnist(tmp_path / "skmlp-mnist", subset=subset).data
    )
    assert list_names(tmp_path / "skmlp-mnist") == [
        f"{prefix}-images-idx3-ubyte.gz",
        f"{prefix}-labels-idx1-ubyte.gz",
    ]


@every_failure
def test_failed_download_reports_every_error_and_leaves_no_files(failure, tmp_path):
    with (
        run_mirror(failure) as (first, _),
        run_mirror(send_not_found) as (second, _),
        pytest.raises(
            OSError, match=r"train-images-idx3-ubyte\.gz could not be downloaded from any mirror"
        ) as exc_info,
    ):
        download_mnist(tmp_path, files=FILES, mirrors=[first, second], timeout=1)
    _, first_error, second_error, fix = str(exc_info.value).splitlines()
    assert first in first_error
    assert FAILURES[failure] in first_error
    assert second in second_error
    assert "404" in second_error
    assert str(tmp_path) in fix
    assert list_names(tmp_path) == []


@every_failure
def test_second_mirror_is_used_if_the_first_fails(failure, tmp_path):
    with run_mirror(failure) as (first, requests), run_mirror(serve_file) as (second, _):
        download_mnist(tmp_path, files=FILES[:2], mirrors=[first, second], timeout=1)
    assert len(requests) == 2
    assert list_names(tmp_path) == [f"{file.name}.gz" for file in FILES[:2]]


def test_existing_files_are_kept(data_dir):
    before = list_names(data_dir)
    paths = download_mnist(data_dir, files=FILES, mirrors=[])
    assert sorted(path.name for path in paths) == before == list_names(data_dir)


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        (
            "train-images-idx3-ubyte.gz",
            gzip.compress(encode_images(6)),
            compute_sha256(encode_images(6)),
        ),
        (
            "train-images-idx3-ubyte.gz",
            SERVED_FILES["train-images-idx3-ubyte.gz"][:-3],
            "damaged gzip",
        ),
        ("train-images-idx3-ubyte", encode_images(6), compute_sha256(encode_images(6))),
    ],
    ids=["different, gzip", "truncated", "different"],
)
def test_existing_files_with_different_contents_are_not_overwritten(name, data, found, tmp_path):
    (tmp_path / name).write_bytes(data)
    with (
        run_mirror(serve_file) as (url, requests),
        pytest.raises(
            FileExistsError, match=f"{name}: expected a file with the SHA-256 digest .* got {found}"
        ),
    ):
        download_mnist(tmp_path, files=FILES, mirrors=[url])
    assert requests == []
    assert (tmp_path / name).read_bytes() == data


def test_missing_pooch_is_reported_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "skmlp\[fetch\]"'):
        fetch_mnist(tmp_path, files=FILES)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("progress", [True, False])
def test_progress_bar_is_shown_only_on_terminals(terminal, progress, tmp_path, monkeypatch, capfd):
    # With FORCE_COLOR, rich treats any stream as a terminal.
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with run_mirror(serve_file) as (url, _):
        download_mnist(tmp_path, files=FILES, mirrors=[url], progress=progress)
    out, err = capfd.readouterr()
    assert out == ""
    assert ("train-images-idx3-ubyte.gz" in err) == (terminal and progress)
    assert terminal or err == ""


# The original files


def test_original_files_have_the_expected_digests(mnist_dir):
    for file in MNIST_FILES:
        (path,) = mnist_dir.glob(file.name.replace("-idx", "?idx") + "*")
        data = path.read_bytes()
        # The file may have been compressed again, with a different digest.
        assert (
            compute_sha256(gzip.decompress(data) if path.suffix == ".gz" else data) == file.sha256
        )
    download_mnist(mnist_dir, mirrors=[])


@pytest.mark.parametrize(
    ("subset", "n_samples", "first_label", "counts"),
    [
        ("train", 60000, 5, [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", 10000, 7, [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_original_files_contain_the_expected_digits(
    mnist_dir, subset, n_samples, first_label, counts
):
    mnist = load_mnist(mnist_dir, subset=subset)
    assert mnist.data.shape == (n_samples, 784)
    assert mnist.images.shape == (n_samples, 28, 28)
    assert mnist.target[0] == first_label
    np.testing.assert_array_equal(np.bincount(mnist.target), counts)
