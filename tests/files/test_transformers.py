"""Model files of pipelines of skmlp's own transformers, which need no skops."""

import tracemalloc

import numpy as np
import pytest
from forged_files import forge
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import Pipeline, make_pipeline

from skmlp import (
    Deslant,
    DigitAugmenter,
    IDXReader,
    ImageResizer,
    MLPDigitClassifier,
    ModelFormatError,
    augment,
    load_model,
    read_model_header,
    save_model,
)
from skmlp.augment import Affine, Annealed, Compose, Shift, Upright

X, y = load_digits(return_X_y=True)
X, y = X[:300].astype(np.uint8), y[:300]
IMAGES = X.reshape(-1, 8, 8)
TRANSFORMERS = {
    "deslant": ([Deslant()], X),
    "deslant with parameters": (
        [Deslant(np.float32(0.3), spread=(None, 0.2), image_shape=(4, 16))],
        X,
    ),
    "resizer": ([ImageResizer((4, 5))], X),
    "resizer with parameters": ([ImageResizer([2, 4], image_shape=[16, 4])], X),
    "reader of images": ([IDXReader()], IMAGES),
    "reader of rows": ([IDXReader(scale=False, dtype="float64")], X),
    "reader with a dtype": ([IDXReader(dtype=np.dtype(np.float64))], X),
    "augmenter": ([DigitAugmenter(random_state=0)], X),
    "augmenter with steps": (
        [DigitAugmenter(Compose([Affine(rotation=5), Shift(0.5)]), random_state=1)],
        X,
    ),
    "augmenter without steps": ([DigitAugmenter(None)], X),
    "passthrough": (["passthrough", Deslant(), None], X),
    "several": ([IDXReader(), Deslant(0.5), ImageResizer((5, 5))], IMAGES),
}
KINDS = pytest.mark.parametrize("kind", TRANSFORMERS)


@pytest.fixture(autouse=True)
def _without_skops(monkeypatch):
    monkeypatch.setattr("skmlp.files.pipelines.find_spec", lambda name: None)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pipeline.safetensors"


def fit(*transformers, X=X, y=y):
    mlp = MLPDigitClassifier(
        (12,), input_scale=1 / 16, max_iter=5, n_iter_no_change=None, random_state=0
    )
    return make_pipeline(*transformers, mlp).fit(X, y)


@KINDS
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_loaded_pipeline_predicts_the_same(path, kind, dtype):
    transformers, samples = TRANSFORMERS[kind]
    samples = samples.astype(dtype)
    pipeline = fit(*transformers, X=samples)
    save_model(pipeline, path)
    loaded = load_model(path)
    assert type(loaded) is Pipeline
    assert list(loaded.named_steps) == list(pipeline.named_steps)
    np.testing.assert_array_equal(loaded.predict_proba(samples), pipeline.predict_proba(samples))
    assert loaded[-1].history_ == pipeline[-1].history_


@KINDS
def test_parameters_and_attributes_are_kept(path, kind):
    transformers, samples = TRANSFORMERS[kind]
    pipeline = fit(*transformers, X=samples)
    save_model(pipeline, path)
    for loaded, transformer in zip(load_model(path)[:-1], pipeline[:-1], strict=True):
        if transformer in (None, "passthrough"):
            assert loaded == "passthrough"
            continue
        assert type(loaded) is type(transformer)
        for name, value in transformer.get_params().items():
            expected = tuple(value) if isinstance(value, list) else value
            assert getattr(loaded, name) == expected or np.dtype(loaded.dtype) == value
        assert vars(loaded).keys() == vars(transformer).keys()
        assert loaded.n_features_in_ == transformer.n_features_in_
        assert loaded.image_shape_ == transformer.image_shape_


def test_feature_names_are_kept(path):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X).add_prefix("pixel ")
    pipeline = fit(Deslant(), X=frame)
    save_model(pipeline, path)
    loaded = load_model(path)
    np.testing.assert_array_equal(loaded[0].feature_names_in_, frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame[frame.columns[::-1]])


def test_reader_that_is_not_fitted_is_kept(path):
    mlp = fit()[-1]
    pipeline = make_pipeline(IDXReader(scale=False), mlp)
    save_model(pipeline, path)
    loaded = load_model(path)
    assert not hasattr(loaded[0], "n_features_in_")
    np.testing.assert_array_equal(loaded.predict_proba(IMAGES), pipeline.predict_proba(IMAGES))


def test_random_state_instance_continues_its_sequence(path):
    random_state = np.random.RandomState(3)
    pipeline = fit(DigitAugmenter(random_state=random_state))
    save_model(pipeline, path)
    loaded = load_model(path)
    np.testing.assert_array_equal(loaded[0].transform(X), pipeline[0].transform(X))


def test_the_header_describes_the_transformers(path):
    save_model(fit(Deslant(0.5), ImageResizer((4, 4))), path)
    pipeline = read_model_header(path)["pipeline"]
    assert pipeline["encoding"] == "json"
    assert pipeline["classifier"] == "mlpdigitclassifier"
    attributes = {"n_features": 64, "feature_names": None, "image_shape": [8, 8]}
    assert pipeline["transformers"] == [
        {
            "name": "deslant",
            "type": "Deslant",
            "parameters": {"max_shear": 0.5, "spread": [None, None], "image_shape": None},
            "attributes": attributes,
        },
        {
            "name": "imageresizer",
            "type": "ImageResizer",
            "parameters": {"shape": [4, 4], "image_shape": None},
            "attributes": attributes,
        },
    ]


@pytest.mark.parametrize("name", augment.__all__)
def test_all_augmentation_steps_can_be_saved(path, name):
    step = {
        "Annealed": Annealed(Shift(2)),
        "Compose": Compose([Shift(1), Shift(2)]),
        "Upright": Upright(spread=(None, 0.15)),
    }.get(name)
    step = step or getattr(augment, name)()
    save_model(fit(DigitAugmenter(step, random_state=0)), path)
    assert load_model(path)[0].augmentation == step


def test_transformers_that_cannot_be_saved(path):
    with pytest.raises(TypeError, match="augmentation must not be a custom callable"):
        save_model(fit(DigitAugmenter(lambda images, rng: images)), path)
    with pytest.raises(NotFittedError):
        save_model(make_pipeline(Deslant(), fit()[-1]), path)
    assert not path.exists()


# Forged files


def forge_transformer(path, changes, transformer=None):
    """Save a pipeline, and change the description of its transformer."""
    save_model(fit(Deslant() if transformer is None else transformer), path)

    def change(description):
        stored = description["pipeline"]["transformers"][0]
        for key, value in changes.items():
            stored[key] = stored[key] | value if isinstance(value, dict) else value

    forge(path, change)


def test_forged_file_without_changes_can_be_loaded(path):
    forge_transformer(path, {})
    assert isinstance(load_model(path)[0], Deslant)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"type": "Popen"}, "expected a transformer of skmlp, one of IDXReader, .*, got 'Popen'"),
        ({"type": "MLPDigitClassifier"}, "expected a transformer of skmlp"),
        ({"type": ["Deslant"]}, "got an invalid one"),
        ({"type": None}, "expected a transformer of skmlp"),
        ({"name": 5}, "expected different names of steps"),
        ({"name": "a__b"}, "expected different names of steps"),
        ({"name": "mlpdigitclassifier"}, "expected different names of steps"),
        ({"parameters": {"unknown": 1}}, "unexpected keyword argument 'unknown'"),
        ({"parameters": {"self": 1}}, "got an invalid one"),
        ({"parameters": {"max_shear": -1}}, "'max_shear' parameter of Deslant must be"),
        ({"parameters": {"max_shear": "1"}}, "'max_shear' parameter of Deslant must be"),
        ({"parameters": {"spread": "ab"}}, "'spread' parameter of Deslant must be"),
        ({"parameters": {"spread": [0.2, "1"]}}, "spread must be two numbers in the range"),
        ({"parameters": {"image_shape": [8, 9]}}, "image_shape must have 64 pixels"),
        ({"parameters": {"image_shape": [-8, -8]}}, "image_shape must be two positive integers"),
        ({"parameters": {"image_shape": [4, 16]}}, r"images of the shape \(4, 16\), got \[8, 8\]"),
        ({"parameters": None}, "got an invalid one"),
        ({"attributes": None}, "got an invalid one"),
        ({"attributes": {"n_features": 0}}, "expected a positive number of features, got 0"),
        ({"attributes": {"n_features": True}}, "expected a positive number of features, got True"),
        ({"attributes": {"n_features": 64.0}}, "expected a positive number of features, got 64.0"),
        ({"attributes": {"n_features": 63}}, "got an invalid one"),
        ({"attributes": {"image_shape": None}}, "expected images of the shape"),
        ({"attributes": {"image_shape": [4, 16]}}, "expected images of the shape"),
        ({"attributes": {"image_shape": 8}}, "expected images of the shape"),
        ({"attributes": {"feature_names": ["a"]}}, "expected 64 feature names, got 1"),
        ({"attributes": {"feature_names": [1] * 64}}, "expected strings"),
        ({"attributes": {"feature_names": 1}}, "got an invalid one"),
        (
            {"attributes": {"n_features": 10**24, "image_shape": [10**12, 10**12]}},
            "expected 64 features for MLPDigitClassifier, got 1000000000000000000000000",
        ),
    ],
    ids=str,
)
def test_forged_transformers_are_refused(path, changes, message):
    forge_transformer(path, changes)
    with pytest.raises(ModelFormatError, match=message) as error:
        load_model(path)
    assert str(error.value).startswith(f"{path}: expected ")


@pytest.mark.parametrize(
    ("transformer", "changes", "message"),
    [
        (IDXReader(), {"parameters": {"dtype": "object"}}, "dtype among float32, float64"),
        (IDXReader(), {"parameters": {"dtype": "U1000000000"}}, "dtype among float32, float64"),
        (IDXReader(), {"parameters": {"dtype": ["float32"]}}, "dtype among float32, float64"),
        (IDXReader(), {"parameters": {"scale": 2}}, "'scale' parameter of IDXReader must be"),
        (IDXReader(), {"attributes": {"image_shape": [8, 9]}}, "must have 64 pixels"),
        (IDXReader(), {"attributes": {"image_shape": "88"}}, "must be two positive integers"),
        (ImageResizer((8, 8)), {"parameters": {"shape": [8, 9]}}, "got 72 from the step before"),
        (ImageResizer((8, 8)), {"parameters": {"shape": "88"}}, "'shape' parameter of Image"),
        (ImageResizer((8, 8)), {"parameters": {"shape": [8, "8"]}}, "two positive integers"),
        (ImageResizer((8, 8)), {"parameters": {"shape": None}}, "'shape' parameter of Image"),
        (
            DigitAugmenter(),
            {"parameters": {"augmentation": {"object": "system", "fields": {}}}},
            "got an invalid one .KeyError",
        ),
        (DigitAugmenter(), {"parameters": {"augmentation": "mirror"}}, "'augmentation' parameter"),
        (DigitAugmenter(), {"parameters": {"random_state": -1}}, "'random_state' parameter"),
        (DigitAugmenter(), {"parameters": {"augmentation": None}}, "expected images of the shape"),
    ],
    ids=str,
)
def test_forged_parameters_are_refused(path, transformer, changes, message):
    forge_transformer(path, changes, transformer)
    with pytest.raises(ModelFormatError, match=message):
        load_model(path)


@pytest.mark.parametrize("transformers", [None, 5, "deslant", [5], [None], [[]], {"name": "a"}])
def test_forged_lists_of_transformers_are_refused(path, transformers):
    save_model(fit(Deslant()), path)
    forge(path, lambda description: description["pipeline"].update(transformers=transformers))
    with pytest.raises(ModelFormatError):
        load_model(path)


def test_bytes_of_transformers_are_refused(path):
    save_model(fit(Deslant()), path)
    forge(path, lambda description: None, {"transformers": np.zeros(3, np.uint8)})
    with pytest.raises(ModelFormatError, match="expected no array of transformers"):
        load_model(path)


def test_forged_shape_does_not_allocate_memory(path):
    huge = {"n_features": 2**60, "image_shape": [2**30, 2**30]}
    forge_transformer(path, {"attributes": huge}, ImageResizer((8, 8)))
    tracemalloc.start()
    try:
        loaded = load_model(path)
        with pytest.raises(ValueError, match="features"):
            loaded.predict(X)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()


def test_flipped_bits_are_detected(path):
    save_model(fit(Deslant()), path)
    content = path.read_bytes()
    start = content.index(b"max_shear")
    for position in range(start - 200, start + 200, 7):
        damaged = bytearray(content)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ModelFormatError):
            load_model(path)
