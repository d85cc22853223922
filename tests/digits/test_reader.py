"""The transformer IDXReader, alone and in scikit-learn's pipelines and searches."""

import gzip
import io
import struct

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmlp.digits.reader import IDXReader
from skmlp.exceptions import IDXFormatError

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 2, 3), dtype=np.uint8)
LABELS = (IMAGES[:, 0, 0] > 127).astype(np.int64)
ROWS = IMAGES.reshape(30, 6)
FILE = struct.pack(">4B3I", 0, 0, 8, 3, 30, 2, 3) + IMAGES.tobytes()
SCALED = (ROWS / 255).astype(np.float32)

SOURCES = {
    "path": lambda path: path,
    "str": str,
    "bytes": lambda path: path.read_bytes(),
    "stream": lambda path: io.BytesIO(path.read_bytes()),
    "images": lambda path: IMAGES,
    "rows": lambda path: ROWS,
    "data frame": lambda path: pd.DataFrame(ROWS, columns=["read", *"abcde"]),
    "read-only": lambda path: np.frombuffer(IMAGES.tobytes(), np.uint8).reshape(IMAGES.shape),
    "F-ordered": lambda path: np.asfortranarray(IMAGES),
}


@pytest.fixture(params=[lambda data: data, gzip.compress], ids=["uncompressed", "gzip"])
def path(request, tmp_path):
    path = tmp_path / "images"
    path.write_bytes(request.param(FILE))
    return path


@parametrize_with_checks([IDXReader(), IDXReader(scale=False, dtype=np.float64)], xfail_strict=True)
def test_reader_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, "float32", np.dtype("float64")])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("make", SOURCES.values(), ids=SOURCES)
def test_reader_converts_every_source(make, scale, dtype, path):
    reader = IDXReader(scale=scale, dtype=dtype)
    expected = (ROWS / np.float64(255) if scale else ROWS).astype(dtype)
    for rows in (
        reader.fit_transform(make(path)),
        reader.transform(make(path)),
        reader.fit(make(path)).transform(make(path)),
        clone(reader).transform(make(path)),
    ):
        assert rows.dtype == dtype
        np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize(
    "dtype", [np.int8, np.int16, np.int32, np.int64, np.uint16, ">f4", np.float32, np.float64, bool]
)
def test_reader_scales_only_uint8(dtype):
    X = np.array([[1, 0], [1, 1]]).astype(dtype)
    rows = IDXReader().fit_transform(X)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, X)


def test_reader_does_not_scale_nested_lists():
    nested = IMAGES.tolist()
    np.testing.assert_array_equal(IDXReader().fit_transform(nested), ROWS)
    assert IDXReader().fit(nested).image_shape_ == (2, 3)


def test_reader_accepts_images_and_rows_after_fit_on_either(path):
    reader = IDXReader().fit(path)
    assert reader.n_features_in_ == 6
    assert reader.image_shape_ == (2, 3)
    np.testing.assert_array_equal(reader.transform(ROWS[:5]), SCALED[:5])
    np.testing.assert_array_equal(reader.transform(IMAGES[:5]), SCALED[:5])
    assert IDXReader().fit(ROWS).image_shape_ is None
    np.testing.assert_array_equal(IDXReader().fit(ROWS).transform(path), SCALED)


def test_pipeline_predicts_from_a_path(path):
    pipeline = make_pipeline(IDXReader(), LogisticRegression()).fit(path, LABELS)
    classifier = LogisticRegression().fit(SCALED, LABELS)
    np.testing.assert_array_equal(pipeline.predict(path), classifier.predict(SCALED))
    np.testing.assert_array_equal(pipeline.predict(IMAGES), classifier.predict(SCALED))
    assert list(pipeline[:-1].get_feature_names_out()) == list(NAMES)


@pytest.mark.parametrize("X", [IMAGES, ROWS], ids=["images", "rows"])
def test_pipeline_can_be_tuned_by_a_grid_search(X):
    pipeline = make_pipeline(IDXReader(), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipeline, {"idxreader__scale": [True, False]}, cv=2, error_score="raise")
    assert search.fit(X, LABELS).best_score_ > 0.8


NAMES = ["pixel_0_0", "pixel_0_1", "pixel_0_2", "pixel_1_0", "pixel_1_1", "pixel_1_2"]


@pytest.mark.parametrize(
    ("X", "names"),
    [
        (IMAGES, NAMES),
        (FILE, NAMES),
        (ROWS, ["x0", "x1", "x2", "x3", "x4", "x5"]),
        (pd.DataFrame(ROWS, columns=list("abcdef")), list("abcdef")),
    ],
    ids=["images", "file", "rows", "data frame"],
)
def test_feature_names_depend_on_the_data_passed_to_fit(X, names):
    reader = IDXReader().set_output(transform="pandas").fit(X)
    assert list(reader.get_feature_names_out()) == names
    frame = reader.transform(X)
    assert list(frame.columns) == names
    np.testing.assert_array_equal(frame, SCALED)
    # Fitting again replaces the names.
    assert list(reader.fit(IMAGES).get_feature_names_out()) == NAMES


def test_get_feature_names_out_raises_before_fit():
    with pytest.raises(NotFittedError):
        IDXReader().get_feature_names_out()


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (IMAGES[:, :, :2], ValueError, r"of shape \(2, 3\), as in fit, got \(2, 2\)"),
        (IMAGES.reshape(30, 3, 2), ValueError, r"of shape \(2, 3\), as in fit, got \(3, 2\)"),
        (ROWS[:, :5], ValueError, "X has 5 features, but IDXReader is expecting 6"),
        (IMAGES[..., None], ValueError, "dim 4"),
        (IMAGES[:0], ValueError, r"0 sample\(s\)"),
        (FILE[:-1], IDXFormatError, "truncated"),
        (bytes.fromhex("00000801 00000002 0001"), ValueError, "not a file of labels"),
        (np.full((2, 6), 1e300), ValueError, "too large for dtype"),
        (np.full((2, 6), np.nan), ValueError, "contains NaN"),
        ("missing", FileNotFoundError, "missing"),
    ],
)
def test_transform_raises_on_invalid_or_different_data(X, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        IDXReader().fit(IMAGES).transform(X)


@pytest.mark.parametrize("dtype", [np.float16, np.uint8, "float16", float, None])
def test_reader_raises_on_unsupported_dtypes(dtype):
    with pytest.raises(ValueError, match="'dtype' parameter of IDXReader must be"):
        IDXReader(dtype=dtype).fit(ROWS)


def test_reader_does_not_modify_its_input():
    X = ROWS.copy()
    IDXReader().fit_transform(X)
    np.testing.assert_array_equal(X, ROWS)
