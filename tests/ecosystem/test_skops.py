"""skops stores estimators and pipelines without pickle."""

import pkgutil
import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skmlp.augment
import skmlp.schedules
from skmlp import (
    SKOPS_TRUSTED_TYPES,
    Deslant,
    DigitAugmenter,
    GradientFeatures,
    IDXReader,
    ImageResizer,
    MLPDigitClassifier,
)
from skmlp.augment import (
    Affine,
    Annealed,
    Brightness,
    Compose,
    Contrast,
    DigitDistortions,
    Elastic,
    InvertedMargins,
    Noise,
    Outline,
    Patches,
    Shift,
    StrokeWidth,
    Upright,
)
from skmlp.callbacks import Checkpoint, OnEpoch
from skmlp.schedules import (
    Constant,
    Cosine,
    Exponential,
    InverseScaling,
    OneCycle,
    StepDecay,
    Warmup,
)

SCHEDULES = [
    Constant(0.01),
    InverseScaling(0.01),
    StepDecay(0.01),
    Exponential(0.01),
    Cosine(0.01),
    OneCycle(0.01),
    Warmup(Constant(0.01), 1),
]
AUGMENTATIONS = [
    Affine(),
    Annealed(Shift(1.0)),
    Brightness(),
    Contrast(),
    InvertedMargins(),
    Noise(),
    Outline(),
    Patches(),
    Compose([Shift(1.0), Elastic(2.0)]),
    DigitDistortions(),
    Elastic(),
    Shift(),
    StrokeWidth(),
    Upright(spread=(None, 0.15)),
]
PARAMETERS = [
    {},
    *({"learning_rate": schedule} for schedule in SCHEDULES),
    *({"augmentation": step} for step in AUGMENTATIONS),
    *({"solver": name} for name in ("sgd", "adamw", "nadam", "rmsprop", "lbfgs")),
    {"learning_rate": "adaptive", "solver": "sgd"},
    {"augmentation": "digits", "image_shape": [8, 8]},
    {"image_features": "gradients"},
    {"image_features": GradientFeatures((2, 3), include_pixels=False)},
    {"random_state": np.random.RandomState(0)},
    {"early_stopping": True, "n_iter_no_change": 2, "ema_decay": 0.9},
    {"batch_norm": True, "dropout": [0.1], "activation": ["gelu"], "class_weight": {0: 2.0}},
    {"hidden_layer_sizes": np.array([4, 3]), "alpha": np.float32(0.5), "warm_start": True},
    {"hidden_layer_sizes": ()},
]
TRANSFORMERS = [
    Deslant(0.5, spread=(0.2, 0.15)),
    IDXReader(),
    IDXReader(dtype=np.dtype("float64")),
    DigitAugmenter(random_state=0),
    ImageResizer((4, 4)),
    DigitAugmenter(Shift(), image_shape=(8, 8), random_state=0),
]
LABELS = {
    "int": lambda y: y,
    "str": lambda y: y.astype(str),
    "object": lambda y: y.astype(str).astype(object),
    "bool": lambda y: y == 8,
    "multilabel": lambda y: np.eye(10, dtype=int)[y],
}
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def skops_io():
    """Return skops.io."""
    return pytest.importorskip("skops.io")


def make(parameters):
    settings = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}
    return MLPDigitClassifier(**settings | parameters)


def copy_by_skops(skops_io, estimator):
    return skops_io.loads(skops_io.dumps(estimator), trusted=SKOPS_TRUSTED_TYPES)


def describe(parameters):
    """Return parameters as text that is the same in each process: without the address of a RandomState."""
    return re.sub(r" at 0x\w+", "", str(parameters))


# Predictions


@pytest.mark.parametrize("parameters", PARAMETERS, ids=describe)
def test_loaded_classifiers_predict_the_same(skops_io, digits, parameters):
    X, y = digits
    mlp = make(parameters).fit(X, y)
    loaded = copy_by_skops(skops_io, mlp)
    np.testing.assert_array_equal(loaded.predict_proba(X), mlp.predict_proba(X))


@pytest.mark.parametrize("labels", LABELS)
def test_loaded_classifiers_have_the_same_labels(skops_io, digits, labels):
    X, y = digits
    mlp = make({}).fit(X.astype(np.float32), LABELS[labels](y))
    predicted, expected = copy_by_skops(skops_io, mlp).predict(X), mlp.predict(X)
    assert predicted.dtype == expected.dtype
    np.testing.assert_array_equal(predicted, expected)


def test_loaded_classifiers_continue_training_exactly(skops_io, digits):
    mlp = make({"dropout": 0.1}).fit(*digits)
    loaded = copy_by_skops(skops_io, mlp)
    for each in (loaded, mlp):
        each.partial_fit(*digits)
    np.testing.assert_array_equal(loaded.coefs_[0], mlp.coefs_[0])


@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
def test_loaded_transformers_transform_the_same(skops_io, digits, transformer):
    X, _ = digits
    transformer = clone(transformer).fit(X)
    loaded = copy_by_skops(skops_io, transformer)
    np.testing.assert_array_equal(loaded.transform(X), transformer.transform(X))


def test_loaded_pipelines_predict_the_same(split, mlp):
    pytest.importorskip("skops")
    X_train, X_test, y_train, _ = split
    pipeline = make_pipeline(IDXReader(), StandardScaler(), mlp.set_params(input_scale=None))
    pipeline.fit(X_train.reshape(-1, 8, 8), y_train)
    # Begin of the documentation: skops
    import skops.io

    from skmlp import SKOPS_TRUSTED_TYPES

    skops.io.dump(pipeline, "digits.skops")
    loaded = skops.io.load("digits.skops", trusted=SKOPS_TRUSTED_TYPES)
    # End of the documentation: skops
    np.testing.assert_array_equal(loaded.predict_proba(X_test), pipeline.predict_proba(X_test))


# Trusted types


def test_trusted_types_are_those_that_skops_reports(skops_io, digits):
    X, y = digits
    classifiers = [make(parameters) for parameters in PARAMETERS]
    fitted = [estimator.fit(X, y) for estimator in (*classifiers, *map(clone, TRANSFORMERS))]
    reported = {
        name
        for estimator in (*fitted, *map(clone, fitted))
        for name in skops_io.get_untrusted_types(data=skops_io.dumps(estimator))
    }
    assert reported == set(SKOPS_TRUSTED_TYPES)


def test_all_schedules_and_augmentation_steps_are_tested():
    schedules = {type(schedule).__name__ for schedule in SCHEDULES}
    assert schedules == set(skmlp.schedules.__all__) - {"Position"}
    assert {type(step).__name__ for step in AUGMENTATIONS} == set(skmlp.augment.__all__)


@pytest.mark.parametrize("name", SKOPS_TRUSTED_TYPES)
def test_trusted_types_exist(name):
    found = pkgutil.resolve_name(name)
    assert isinstance(found, type)
    assert f"{found.__module__}.{found.__qualname__}" == name


def test_trusted_types_are_sorted():
    assert list(SKOPS_TRUSTED_TYPES) == sorted(set(SKOPS_TRUSTED_TYPES))


@pytest.mark.parametrize("callback", [Checkpoint("model.safetensors"), OnEpoch(print)])
def test_callbacks_are_not_trusted(skops_io, callback):
    mlp = MLPDigitClassifier().set_callbacks(callback)
    with pytest.raises(TypeError, match=type(callback).__name__):
        copy_by_skops(skops_io, mlp)
    copy_by_skops(skops_io, mlp.set_callbacks())


def test_functions_of_the_user_are_not_trusted(skops_io):
    with pytest.raises(TypeError, match=r"builtins\.print"):
        copy_by_skops(skops_io, MLPDigitClassifier(learning_rate=print))
