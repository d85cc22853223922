"""Model files of pipelines. skops encodes transformers that are not those of skmlp."""

import io
import zipfile

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import VarianceThreshold
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from skmlp import (
    Deslant,
    DigitAugmenter,
    IDXReader,
    ImageResizer,
    MLPDigitClassifier,
    ModelFormatError,
    load_model,
    read_model_header,
    save_model,
)
from skmlp.augment import Affine
from skmlp.files.encoding import read_container, write_container

skops_io = pytest.importorskip("skops.io")
X, y = load_digits(return_X_y=True)
X, y = X[:300], y[:300]
IMAGES = X.reshape(-1, 8, 8).astype(np.uint8)
TRANSFORMERS = {
    "scaler": ([StandardScaler()], X),
    "scaler and PCA": ([StandardScaler(), PCA(10, random_state=0)], X),
    "reader and resizer": ([IDXReader(), ImageResizer((4, 4))], IMAGES),
    "deslant": ([Deslant(0.5)], X),
    "augmenter": ([DigitAugmenter(Affine(rotation=5), random_state=0)], X),
    "columns": ([ColumnTransformer([("left", MinMaxScaler(), slice(0, 32))], remainder="drop")], X),
    "selection": ([VarianceThreshold(0.1), "passthrough"], X),
    "nested": ([make_pipeline(StandardScaler(), PCA(5, random_state=0))], X),
}


def fit(*transformers, X=X):
    mlp = MLPDigitClassifier((12,), max_iter=5, n_iter_no_change=None, random_state=0)
    return make_pipeline(*transformers, mlp).fit(X, y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pipeline.safetensors"


@pytest.mark.filterwarnings("ignore:Features .* are constant", "ignore:invalid value encountered")
@pytest.mark.parametrize("kind", TRANSFORMERS)
def test_loaded_pipeline_predicts_the_same(path, kind):
    transformers, samples = TRANSFORMERS[kind]
    pipeline = fit(*transformers, X=samples)
    save_model(pipeline, path)
    loaded = load_model(path)
    assert type(loaded) is Pipeline
    assert list(loaded.named_steps) == list(pipeline.named_steps)
    np.testing.assert_array_equal(loaded.predict_proba(samples), pipeline.predict_proba(samples))
    assert loaded[-1].history_ == pipeline[-1].history_


def test_the_header_names_the_transformers_and_their_encoding(path):
    save_model(fit(StandardScaler(), PCA(10)), path)
    header = read_model_header(path)
    assert header["pipeline"] == {
        "classifier": "mlpdigitclassifier",
        "encoding": "skops",
        "transformers": ["StandardScaler", "PCA"],
    }
    assert header["layer_sizes"] == [10, 12, 10]


def test_the_classifier_is_checked_as_in_other_files(path):
    save_model(fit(StandardScaler()), path)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match="SHA-256"):
        load_model(path)


def shout(X):
    return X


@pytest.mark.parametrize("function", [shout, lambda X: X], ids=["function", "lambda"])
def test_other_types_are_not_saved(path, function):
    with pytest.raises(
        TypeError, match=r"must consist of types that skops trusts.*got .*test_pipelines"
    ):
        save_model(fit(FunctionTransformer(function)), path)
    assert list(path.parent.iterdir()) == []


def test_other_pipelines_are_not_saved(path):
    with pytest.raises(
        TypeError, match=r"got a Pipeline that ends with sklearn\..*\.LogisticRegression\."
    ):
        save_model(make_pipeline(StandardScaler(), LogisticRegression()), path)
    with pytest.raises(TypeError, match=r"got Pipeline\(steps=\[\]\)\. Save other"):
        save_model(Pipeline([]), path)
    with pytest.raises(NotFittedError):
        save_model(make_pipeline(StandardScaler(), MLPDigitClassifier()), path)


def forge(path, transformers, **description):
    """Replace the transformers of a file and values of their description, with a valid digest."""
    save_model(fit(StandardScaler()), path)
    container = read_container(path, "model")
    container.description.pop("format_version")
    container.description["pipeline"] |= description
    arrays = dict(container.arrays)
    arrays["transformers"] = np.frombuffer(transformers, np.uint8)
    write_container(path, container.description, arrays)


def damage(old, new):
    """Return the bytes of transformers with a changed name in the directory of the archive, but not in the archive."""
    content = skops_io.dumps([("scaler", StandardScaler().fit(X))])
    start = content.rindex(old)
    return content[:start] + new + content[start + len(old) :]


def zip_schema(schema, compression=zipfile.ZIP_STORED):
    """Return the bytes of a file of skops with another schema."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", compression) as archive:
        archive.writestr("schema.json", schema)
    return content.getvalue()


class Custom:
    """Type that is not trusted."""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (skops_io.dumps([("custom", Custom())]), "got .*Custom, which are not trusted"),
        (skops_io.dumps([("call", FunctionTransformer(shout))]), "shout, which are not trusted"),
        (skops_io.dumps([("scaler", MinMaxScaler())]), r"expected the transformers \['StandardSc"),
        (skops_io.dumps(StandardScaler()), "expected a list of named transformers"),
        (skops_io.dumps([("integer", 5)]), "expected a list of named transformers"),
        (skops_io.dumps([("classifier", LogisticRegression())]), "expected a list of named"),
        (b"PK\x03\x04", "expected transformers encoded by skops, got damaged or other bytes"),
        (b"", "expected transformers encoded by skops, got damaged or other bytes"),
        (damage(b"schema", b"scheme"), "got damaged or other bytes"),
        (zip_schema("[" * 100_000), "got damaged or other bytes"),
        (zip_schema("{}"), "got damaged or other bytes"),
        (zip_schema(" " * 10**6, zipfile.ZIP_DEFLATED), "without compression, got compressed"),
    ],
    ids=[
        *("own type", "own function", "other transformer", "no list", "integer", "classifier"),
        *("start of a zip archive", "empty", "changed name", "deep nesting", "no schema"),
        "compressed",
    ],
)
def test_forged_transformers_are_refused(path, content, message):
    forge(path, content)
    with pytest.raises(ModelFormatError, match=message):
        load_model(path)


def test_other_encodings_are_refused(path):
    forge(path, b"", encoding="pickle")
    with pytest.raises(
        ModelFormatError, match="expected transformers encoded by json or skops, got 'pickle'"
    ):
        load_model(path)


@pytest.mark.parametrize("name", [5, None, "a__b", "standardscaler"])
def test_forged_names_are_refused(path, name):
    forge(path, skops_io.dumps([("standardscaler", StandardScaler().fit(X))]), classifier=name)
    with pytest.raises(ModelFormatError, match="expected different names of steps, without '__'"):
        load_model(path)


def test_array_with_a_forged_shape_is_refused(path):
    content = io.BytesIO(skops_io.dumps([("scaler", StandardScaler().fit(X))]))
    forged = io.BytesIO()
    with zipfile.ZipFile(content) as archive, zipfile.ZipFile(forged, "w") as changed:
        for name in archive.namelist():
            # The header of a .npy file is padded with spaces.
            shape, huge = b"(64,), }" + 11 * b" ", b"(1099511627776,), }"
            changed.writestr(name, archive.read(name).replace(shape, huge))
    assert huge in forged.getvalue()
    forge(path, forged.getvalue())
    with pytest.raises(ModelFormatError, match="got damaged or other bytes"):
        load_model(path)


def test_transformers_must_agree_with_the_description(path):
    save_model(fit(StandardScaler()), path)
    container = read_container(path, "model")
    container.description.pop("format_version")
    classifier_arrays = {
        name: array for name, array in container.arrays.items() if name != "transformers"
    }
    write_container(path, container.description, classifier_arrays)
    with pytest.raises(
        ModelFormatError, match="expected transformers as an array of bytes, got none"
    ):
        load_model(path)
    del container.description["pipeline"]
    write_container(path, container.description, container.arrays)
    with pytest.raises(ModelFormatError, match="transformers"):
        load_model(path)


def test_missing_skops_is_reported(path, monkeypatch):
    pipeline = fit(StandardScaler())
    save_model(pipeline, path)
    monkeypatch.setattr("skmlp.files.pipelines.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="load_model requires skops for a Pipeline"):
        load_model(path)
    with pytest.raises(ImportError, match="save_model requires skops for a Pipeline"):
        save_model(pipeline, path)
    save_model(pipeline[-1], path)  # a classifier needs no skops
    assert isinstance(load_model(path), MLPDigitClassifier)
