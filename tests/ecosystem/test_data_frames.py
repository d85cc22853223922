"""Data frames of pandas and polars as samples, and series as labels."""

from importlib import import_module

import numpy as np
import pytest
from helpers import assert_same_model
from sklearn.base import clone

from skmlp import DigitAugmenter, IDXReader

NAMES = [f"pixel_{row}_{column}" for row in range(8) for column in range(8)]
WORDS = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])


@pytest.fixture(params=["pandas", "polars"])
def frames(request):
    """Return a library of data frames."""
    return pytest.importorskip(request.param)


def make_frame(frames, X):
    return frames.DataFrame(dict(zip(NAMES, X.T, strict=True)))


def test_classifiers_keep_the_names_of_the_features(frames, split, mlp):
    X_train, X_test, y_train, y_test = split
    expected = clone(mlp).fit(X_train, y_train)
    mlp.fit(make_frame(frames, X_train), frames.Series(y_train))
    assert mlp.feature_names_in_.tolist() == NAMES
    assert_same_model(mlp, expected)
    frame = make_frame(frames, X_test)
    np.testing.assert_array_equal(mlp.predict_proba(frame), expected.predict_proba(X_test))
    assert mlp.score(frame, frames.Series(y_test)) == expected.score(X_test, y_test)
    with pytest.raises(ValueError, match="feature names should match"):
        mlp.predict(frame[NAMES[::-1]])


def test_integer_columns_are_scaled_like_arrays(frames, split, mlp):
    X_train, _, y_train, _ = split
    X_train = X_train.astype(np.uint8)
    expected = clone(mlp).fit(X_train, y_train)
    mlp.fit(make_frame(frames, X_train), frames.Series(y_train))
    assert mlp.coefs_[0].dtype == np.float32
    assert_same_model(mlp, expected)


def make_series(kind, values):
    """Return a series of strings: as strings, as objects or with categories."""
    library, dtype = kind.split(" ")
    library = import_module(library)
    if library.__name__ == "pandas":
        return library.Series(values, dtype=dtype)
    return library.Series(values.tolist()).cast(getattr(library, dtype))


@pytest.mark.parametrize(
    "kind",
    ["pandas str", "pandas object", "pandas category", "polars String", "polars Categorical"],
)
def test_labels_may_be_strings_in_a_series(split, mlp, kind):
    pytest.importorskip(kind.split(" ")[0])
    X_train, X_test, y_train, _ = split
    expected = clone(mlp).fit(X_train, WORDS[y_train])
    mlp.fit(X_train, make_series(kind, WORDS[y_train]))
    assert mlp.classes_.tolist() == sorted(WORDS)
    assert_same_model(mlp, expected)
    assert mlp.predict(X_test).tolist() == expected.predict(X_test).tolist()


def test_weights_and_validation_sets_may_be_frames(frames, split, mlp):
    X_train, X_val, y_train, y_val = split
    weights = np.linspace(0, 1, len(y_train))
    expected = clone(mlp).fit(X_train, y_train, weights, X_val=X_val, y_val=y_val)
    mlp.fit(
        make_frame(frames, X_train),
        frames.Series(y_train),
        frames.Series(weights),
        X_val=make_frame(frames, X_val),
        y_val=frames.Series(y_val),
    )
    assert_same_model(mlp, expected)
    assert mlp.history_["val_loss"] == expected.history_["val_loss"]


@pytest.mark.parametrize("transformer", [IDXReader(), DigitAugmenter(random_state=0)], ids=str)
def test_transformers_return_frames(frames, split, transformer):
    X_train, X_test, *_ = split
    expected = clone(transformer).fit(X_train).transform(X_test)
    transformer = clone(transformer).set_output(transform=frames.__name__)
    transformed = transformer.fit(make_frame(frames, X_train)).transform(make_frame(frames, X_test))
    assert type(transformed) is frames.DataFrame
    assert list(transformed.columns) == NAMES
    np.testing.assert_array_equal(transformed.to_numpy(), expected)


def test_pipelines_pass_frames_to_the_classifier(split, mlp):
    pytest.importorskip("polars")
    X_train, X_test, y_train, _ = split
    # Begin of the documentation: polars
    import polars as pl
    from sklearn.pipeline import make_pipeline

    from skmlp import IDXReader

    images = X_train.reshape(-1, 8, 8)
    pipeline = make_pipeline(IDXReader(), mlp).set_output(transform="polars")
    pipeline.fit(images, pl.Series(y_train))
    frame = pipeline[0].transform(images)
    # End of the documentation: polars
    assert isinstance(frame, pl.DataFrame)
    assert frame.columns == pipeline[-1].feature_names_in_.tolist() == NAMES
    expected = clone(mlp).fit(X_train.astype(np.float32), y_train)
    assert_same_model(pipeline[-1], expected)
    np.testing.assert_array_equal(pipeline.predict(X_test), expected.predict(X_test))
