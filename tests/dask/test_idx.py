"""Dask arrays of IDX files."""

import gzip

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skmlp import IDXFormatError, MLPDigitClassifier, write_idx
from skmlp.dask import DaskMLPDigitClassifier, read_idx


@pytest.fixture
def images():
    return np.arange(5 * 3 * 2, dtype=np.int16).reshape(5, 3, 2) - 7


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(
    ("chunks", "expected"), [(2, (2, 2, 1)), (5, (5,)), (100, (5,)), ("auto", (5,))]
)
def test_blocks_have_the_data_of_the_file(suffix, chunks, expected, images, tmp_path):
    path = tmp_path / f"images{suffix}"
    write_idx(path, images)
    array = read_idx(path, chunks=chunks)
    assert array.chunks == (expected, (3,), (2,))
    assert array.dtype == np.int16
    computed = array.compute()
    assert computed.dtype.isnative
    assert_array_equal(computed, images)
    assert_array_equal(array[3:4].compute(), images[3:4])


def test_several_files_are_joined(images, tmp_path):
    paths = [tmp_path / "a", tmp_path / "b.gz", tmp_path / "c"]
    for path, part in zip(paths, (images[:1], images[1:3], images[3:]), strict=True):
        write_idx(path, part)
    array = read_idx(paths, chunks=2)
    assert array.chunks[0] == (1, 2, 2)
    assert_array_equal(array.compute(), images)


def test_blocks_of_bytes_are_mapped(tmp_path):
    path = tmp_path / "images"
    write_idx(path, np.zeros((4, 2), np.uint8))
    (block, *_) = read_idx(path, chunks=2).to_delayed().ravel()
    assert isinstance(block.compute().base, np.memmap)


def test_labels(tmp_path):
    path = tmp_path / "labels"
    write_idx(path, np.arange(10, dtype=np.uint8))
    assert_array_equal(read_idx(path, chunks=4).compute(), np.arange(10))


def test_files_of_different_form_are_refused(images, tmp_path):
    write_idx(tmp_path / "a", images)
    write_idx(tmp_path / "b", images[:, :2])
    write_idx(tmp_path / "c", images.astype(np.uint8))
    for name in "bc":
        with pytest.raises(
            IDXFormatError, match=f"{name}: expected elements of type int16 and shape"
        ):
            read_idx([tmp_path / "a", tmp_path / name])


def test_errors_of_the_data_are_raised_when_a_block_is_computed(images, tmp_path):
    path = tmp_path / "images"
    write_idx(path, images)
    array = read_idx(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(IDXFormatError, match="images: expected"):
        array.compute()
    compressed = tmp_path / "images.gz"
    write_idx(compressed, images)
    with pytest.raises(IDXFormatError, match="max_bytes=59"):
        read_idx(compressed, max_bytes=59).compute()
    compressed.write_bytes(gzip.compress(b"\0\0\x08\x01\0\0\0\x05abc"))
    with pytest.raises(IDXFormatError, match=r"images.gz: expected"):
        read_idx(compressed).compute()


@pytest.mark.parametrize("chunks", [0, -1, 2.5, "all"])
def test_invalid_chunks(chunks, images, tmp_path):
    write_idx(tmp_path / "images", images)
    with pytest.raises(ValueError, match="chunks must be 'auto' or an integer of at least 1"):
        read_idx(tmp_path / "images", chunks=chunks)


def test_missing_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "missing")
    with pytest.raises(ValueError, match="paths must contain at least one path"):
        read_idx([])


def test_training_on_files(data, tmp_path):
    images = (16 * data.X).astype(np.uint8).reshape(-1, 8, 8)
    write_idx(tmp_path / "images", images)
    write_idx(tmp_path / "labels", data.y.astype(np.uint8))
    X, y = read_idx(tmp_path / "images", chunks=200), read_idx(tmp_path / "labels", chunks=200)
    parameters = {"input_scale": 1 / 16, "max_iter": 3, "n_iter_no_change": None, "random_state": 0}
    model = DaskMLPDigitClassifier(mode="exact", **parameters).fit(X.reshape(-1, 64), y)
    expected = MLPDigitClassifier(**parameters).fit(images.reshape(-1, 64), data.y)
    for coef, expected_coef in zip(model.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(coef, expected_coef, rtol=1e-3, atol=1e-5)
