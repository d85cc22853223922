"""Training on dask DataFrames, whose partitions are blocks of samples."""

import numpy as np
import pytest
from helpers import assert_same_model

from skmlp import MLPDigitClassifier
from skmlp.dask import DaskMLPDigitClassifier

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
dd = pytest.importorskip("dask.dataframe")

PARAMETERS = {"max_iter": 3, "n_iter_no_change": None, "random_state": 0}


@pytest.fixture
def frame(split):
    """Return a data frame of features and a series of labels."""
    X, _, y, _ = split
    names = [f"pixel {i}" for i in range(X.shape[1])]
    return pd.DataFrame(X.astype(float), columns=names), pd.Series(y, name="label")


def test_partitions_are_blocks(frame):
    X, y = frame
    expected = MLPDigitClassifier(**PARAMETERS).fit(X, y)
    model = DaskMLPDigitClassifier(mode="exact", **PARAMETERS)
    blocks, labels = dd.from_pandas(X, npartitions=3), dd.from_pandas(y, npartitions=3)
    model.fit(blocks, labels, X_val=blocks, y_val=labels)
    np.testing.assert_array_equal(model.feature_names_in_, X.columns)
    for coef, expected_coef in zip(model.coefs_, expected.coefs_, strict=True):
        np.testing.assert_allclose(coef, expected_coef, rtol=1e-9, atol=1e-12)
    assert model.score(blocks, labels) == model.score(X, y)
    for method in ("predict", "predict_proba"):
        for fitted in (model, expected):
            predicted = getattr(fitted, method)(blocks).compute()
            np.testing.assert_allclose(predicted, getattr(fitted, method)(X), rtol=1e-10)


def test_names_of_other_columns_are_refused(frame):
    X, y = frame
    blocks, labels = dd.from_pandas(X, npartitions=3), dd.from_pandas(y, npartitions=3)
    model = DaskMLPDigitClassifier(**PARAMETERS).fit(blocks, labels)
    with pytest.raises(ValueError, match="feature names should match"):
        model.partial_fit(blocks.rename(columns={"pixel 3": "other"}), labels)


@pytest.mark.filterwarnings(
    "ignore:The inplace keyword"
)  # Dask calls a deprecated function of pandas
def test_parquet_files(frame, tmp_path):
    X, y = frame
    dd.from_pandas(X.assign(label=y), npartitions=3).to_parquet(tmp_path)
    read = dd.read_parquet(tmp_path)
    model = DaskMLPDigitClassifier(**PARAMETERS).fit(read.drop(columns="label"), read["label"])
    expected = DaskMLPDigitClassifier(**PARAMETERS).fit(
        dd.from_pandas(X, npartitions=3), dd.from_pandas(y, npartitions=3)
    )
    assert_same_model(model, expected)


def test_zarr_arrays(split, tmp_path):
    zarr = pytest.importorskip("zarr")
    import dask.array as da

    X, _, y, _ = split
    stored = zarr.create_array(tmp_path / "X.zarr", data=X, chunks=(100, 20))
    blocks = da.from_zarr(stored).rechunk({0: 300, 1: -1})
    model = DaskMLPDigitClassifier(**PARAMETERS).fit(blocks, y)
    expected = DaskMLPDigitClassifier(**PARAMETERS).fit(da.from_array(X, chunks=(300, -1)), y)
    assert_same_model(model, expected)
