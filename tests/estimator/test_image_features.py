"""Networks whose inputs are image features, compared with networks that are trained on these features."""

import pickle
import re
import tracemalloc
from functools import partial

import numpy as np
import pandas as pd
import pytest
from estimator.test_sources import open_as
from forged_files import forge
from helpers import assert_same_model, assert_same_training, make_classifier_factory
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skmlp import (
    Deslant,
    GradientFeatures,
    MLPDigitClassifier,
    ModelFormatError,
    load_model,
    read_model_header,
    save_model,
)
from skmlp.augment import Shift
from skmlp.callbacks import Checkpoint
from skmlp.engine import batches
from skmlp.files.models import compute_model_digest

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]
make = make_classifier_factory(batch_size=64, max_iter=3)
GRADIENTS = GradientFeatures((3, 4), include_pixels=True)
N_INPUTS = 8 * 12 + 64
TRAININGS = [
    *({"solver": name} for name in ("adam", "adamw", "nadam", "rmsprop", "sgd", "lbfgs")),
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (12, 10), "activation": ["gelu", "tanh"], "dropout": 0.2},
    {"batch_norm": True, "ema_decay": 0.9},
    {"input_dropout": 0.2},
    {"adversarial_norm": 0.2},
    {"virtual_adversarial_norm": 0.5},
    {"class_weight": "balanced", "label_smoothing": 0.1, "weight_init": "he_normal"},
    {"shuffle": False, "batch_size": 200},
    {"batch_size": 1, "max_iter": 1},
]


class Halves:
    """Features that a user could define: the sums of the left and of the right half of each row."""

    def __init__(self):
        self.images = []

    def __call__(self, images):
        self.images.append(images.copy())
        middle = images.shape[2] // 2
        return np.hstack([images[:, :, :middle].sum(axis=2), images[:, :, middle:].sum(axis=2)])

    def __deepcopy__(self, memo):
        return self


class DifferentiableHalves(Halves):
    def backpropagate(self, images, derivatives):
        left, right = np.split(derivatives[:, :, np.newaxis], 2, axis=1)
        middle = images.shape[2] // 2
        result = np.repeat(left, images.shape[2], axis=2)
        result[:, :, middle:] = right
        return result


def extract(X, features=GRADIENTS, shape=(8, 8)):
    """Return the gradient features of images that are rows of X."""
    return features(X.reshape(-1, *shape)).reshape(len(X), -1)


# Training


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", TRAININGS, ids=str)
def test_network_is_that_of_the_features(digits, params, dtype):
    X, y = digits[0].astype(dtype), digits[1]
    data = {"X_val": X[200:], "y_val": y[200:], "sample_weight": np.linspace(0, 2, 200)}
    mlp = make(image_features=GRADIENTS, **params).fit(X[:200], y[:200], **data)
    F = extract(X)
    assert F.dtype == dtype
    expected = make(**params).fit(F[:200], y[:200], **data | {"X_val": F[200:]})
    assert_same_training(mlp, expected)
    np.testing.assert_array_equal(mlp.predict_proba(X), expected.predict_proba(F))
    np.testing.assert_array_equal(mlp.predict(X), expected.predict(F))
    assert mlp.score(X, y) == expected.score(F, y)
    assert mlp.n_features_in_ == 64
    assert len(mlp.coefs_[0]) == N_INPUTS


@pytest.mark.parametrize("input_scale", [1 / 240, 0.01])
def test_pixels_are_scaled_before_the_features_are_computed(pixels, digits, input_scale):
    y = digits[1]
    mlp = make(image_features=GRADIENTS, input_scale=input_scale).fit(pixels, y)
    F = extract(pixels * np.float32(input_scale))
    expected = make().fit(F, y)
    assert_same_training(mlp, expected)
    np.testing.assert_array_equal(mlp.predict_proba(pixels), expected.predict_proba(F))


def test_name_selects_the_default_features(digits):
    assert_same_training(
        make(image_features="gradients").fit(*digits),
        make(image_features=GradientFeatures()).fit(*digits),
    )


def test_images_need_not_be_square(digits):
    X, y = digits[0][:, :56], digits[1]
    mlp = make(image_features=GRADIENTS, image_shape=(7, 8)).fit(X, y)
    assert_same_training(mlp, make().fit(extract(X, shape=(7, 8)), y))
    with pytest.raises(ValueError, match="X must have a square number of features"):
        make(image_features=GRADIENTS).fit(X, y)
    with pytest.raises(ValueError, match="image_shape must have 56 pixels"):
        make(image_features=GRADIENTS, image_shape=(8, 8)).fit(X, y)


@pytest.mark.parametrize("monitor", ["accuracy", "loss"])
def test_early_stopping(digits, monitor):
    # Which samples are held out depends on the pixels, so that the expected network must have the same pixels.
    params = {"early_stopping": True, "monitor": monitor, "max_iter": 30, "n_iter_no_change": 2}
    mlp = make(image_features=lambda images: 2 * images.reshape(len(images), -1), **params)
    assert_same_training(mlp.fit(*digits), make(input_scale=2.0, **params).fit(*digits))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit(digits, solver):
    X, y = digits
    mlp = make(image_features=GRADIENTS, solver=solver)
    expected = make(solver=solver)
    for rows in (slice(0, 100), slice(100, 300), slice(None)):
        mlp.partial_fit(X[rows], y[rows], classes=range(10))
        expected.partial_fit(extract(X[rows]), y[rows], classes=range(10))
    assert_same_training(mlp, expected)


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_warm_start(digits, solver):
    X, y = digits
    mlp = make(image_features=GRADIENTS, warm_start=True, solver=solver).fit(X, y).fit(X, y)
    F = extract(X)
    assert_same_training(mlp, make(warm_start=True, solver=solver).fit(F, y).fit(F, y))


def test_training_continues_only_with_as_many_inputs(digits):
    X, y = digits
    mlp = make(image_features=GRADIENTS, warm_start=True).fit(X, y)
    mlp.set_params(image_features=None)
    for train in (mlp.fit, mlp.partial_fit):
        with pytest.raises(ValueError, match=r"the layers must have the sizes \(160, 16, 10\)"):
            train(X, y)


def test_learning_rate_finder(digits):
    X, y = digits
    found = make(image_features=GRADIENTS).find_learning_rate(X, y)
    expected = make().find_learning_rate(extract(X), y)
    np.testing.assert_array_equal(found.losses, expected.losses)


def test_calibration(digits):
    X, y = digits
    mlp = make(image_features=GRADIENTS).fit(X[:200], y[:200]).calibrate(X[200:], y[200:])
    F = extract(X)
    assert_same_model(mlp, make().fit(F[:200], y[:200]).calibrate(F[200:], y[200:]))


@pytest.mark.parametrize("labels", ["binary", "multilabel", "probabilities", "strings"])
def test_targets(digits, labels):
    X, y = digits
    Y = {
        "binary": y > 4,
        "multilabel": np.column_stack([y % 2, y > 4]),
        "probabilities": np.eye(10)[y] * 0.9 + 0.01,
        "strings": np.array([f"digit {label}" for label in y]),
    }[labels]
    data = {"classes": range(10)} if labels == "probabilities" else {}
    mlp = make(image_features=GRADIENTS).fit(X, Y, **data)
    expected = make().fit(extract(X), Y, **data)
    assert_same_training(mlp, expected)
    np.testing.assert_array_equal(mlp.predict(X), expected.predict(extract(X)))


# Samples


@pytest.mark.parametrize("shuffle", [False, "blocks"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("kind", ["mapped", "rows", "list of blocks"])
def test_samples_that_are_read_on_demand(pixels, digits, tmp_path, kind, dtype, shuffle):
    X, y = pixels.astype(dtype), digits[1]
    (tmp_path / "val").mkdir()
    source = open_as(kind, X, tmp_path)
    params = {"image_features": GRADIENTS, "input_scale": 1 / 240, "shuffle": shuffle}
    data = {"X_val": X[:50], "y_val": y[:50]}
    expected = make(**params).fit(X, y, **data)
    mlp = make(**params).fit(source, y, **data | {"X_val": open_as(kind, X[:50], tmp_path / "val")})
    assert_same_training(mlp, expected)
    np.testing.assert_array_equal(mlp.predict_proba(source), expected.predict_proba(X))
    np.testing.assert_array_equal(mlp.input_gradients(source, y), expected.input_gradients(X, y))


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_and_data_frames(digits, order):
    X, y = digits
    expected = make(image_features=GRADIENTS).fit(X, y)
    assert_same_model(make(image_features=GRADIENTS).fit(np.asarray(X, order=order), y), expected)
    frame = pd.DataFrame(X, columns=[f"pixel {i}" for i in range(64)])
    mlp = make(image_features=GRADIENTS).fit(frame, y)
    assert_same_model(mlp, expected)
    np.testing.assert_array_equal(mlp.predict_proba(frame), expected.predict_proba(X))
    assert len(mlp.feature_names_in_) == 64


@pytest.mark.parametrize("n_samples", [1, 2, 3000])
def test_number_of_samples(digits, n_samples):
    X, y = digits
    mlp = make(image_features=GRADIENTS).fit(X, y)
    repeated = np.resize(X, (n_samples, 64))
    expected = make().fit(extract(X), y).predict_proba(extract(repeated))
    np.testing.assert_array_equal(mlp.predict_proba(repeated), expected)


@pytest.mark.parametrize("container", [csr_matrix, csr_array, lambda X: csr_matrix(X).tocsc()])
def test_sparse_samples_are_rejected(digits, container):
    X, y = digits
    sparse, mlp = container(X), make(image_features=GRADIENTS)
    for train in (mlp.fit, partial(mlp.partial_fit, classes=range(10))):
        with pytest.raises(TypeError, match="X must be dense if image_features is set"):
            train(sparse, y)
    assert not hasattr(mlp, "n_features_in_")
    with pytest.raises(TypeError, match="X_val must be dense if image_features is set"):
        mlp.fit(X, y, X_val=sparse, y_val=y)
    mlp.fit(X, y)
    for predict in (mlp.predict, mlp.predict_proba, mlp.hidden_activations, mlp.input_gradients):
        with pytest.raises(TypeError, match="X must be dense if image_features is set"):
            predict(sparse)
    with pytest.raises(TypeError, match="X must be dense if image_features is set"):
        mlp.score(sparse, y)


# Augmentation


def test_augmentation_precedes_the_features(digits):
    X, y = digits
    halves, augmented = Halves(), []

    def invert(images, rng):
        augmented.append(1 - images)
        return augmented[-1].copy()

    mlp = make(augmentation=invert, image_features=halves, max_iter=2, batch_size=100)
    mlp.fit(X, y, X_val=X[:50], y_val=y[:50])
    computed = [images for images in halves.images if len(images) == 100]
    np.testing.assert_array_equal(computed, augmented)
    # Those of the validation set are computed once.
    (validated,) = (images for images in halves.images if len(images) == 50)
    np.testing.assert_array_equal(validated, X[:50].reshape(-1, 8, 8))


def test_identity_augmentation_trains_the_same_network(digits):
    assert_same_training(
        make(image_features=GRADIENTS, augmentation=lambda images, rng: images).fit(*digits),
        make(image_features=GRADIENTS).fit(*digits),
    )


def test_augmented_images_are_those_without_features(digits):
    X, y = digits
    halves, augmented = Halves(), []

    def keep(images, rng):
        augmented.append(Shift(1.0)(images, rng))
        return augmented[-1]

    params = {"batch_size": 300, "max_iter": 2, "shuffle": False}
    make(augmentation=keep, **params).fit(X, y)
    make(augmentation=Shift(1.0), image_features=halves, **params).fit(X, y)
    computed = [images for images in halves.images if len(images) == 300]
    np.testing.assert_array_equal(computed, augmented)


# Inspection


@pytest.mark.parametrize("layer", [0, 1])
def test_hidden_activations(digits, layer):
    X, y = digits
    mlp = make(image_features=GRADIENTS, hidden_layer_sizes=(12, 9)).fit(X, y)
    expected = make(hidden_layer_sizes=(12, 9)).fit(extract(X), y)
    np.testing.assert_array_equal(
        mlp.hidden_activations(X, layer), expected.hidden_activations(extract(X), layer)
    )


@pytest.mark.parametrize("input_scale", [None, 0.5])
@pytest.mark.parametrize("features", [GRADIENTS, DifferentiableHalves()], ids=["gradients", "own"])
def test_input_gradients_are_those_of_finite_differences(digits, features, input_scale):
    y = digits[1]
    # The features have kinks where pixels are equal.
    X = digits[0] + np.random.default_rng(0).random(digits[0].shape)
    mlp = make(image_features=features, activation="tanh", input_scale=input_scale).fit(X, y > 4)
    few = X[:20]

    def compute_logit(samples):
        logs = mlp.predict_log_proba(samples)
        return logs[:, 1] - logs[:, 0]

    expected = np.empty_like(few)
    for pixel in range(64):
        step = np.zeros(64)
        step[pixel] = 1e-6
        expected[:, pixel] = (compute_logit(few + step) - compute_logit(few - step)) / 2e-6
    gradients = mlp.input_gradients(few, np.ones(20, bool))
    assert gradients.shape == (20, 64)
    np.testing.assert_allclose(gradients, expected, rtol=1e-4, atol=1e-6)


def test_summary_lists_pixels_and_features(digits):
    mlp = make(image_features=GRADIENTS, input_dropout=0.1)
    before = mlp.summary(64, 10)
    after = mlp.fit(*digits).summary()
    for summary in (before, after):
        assert [row[:2] for row in summary.rows[:4]] == [
            ("input", 64),
            ("image features", N_INPUTS),
            ("dropout 0.1", N_INPUTS),
            ("dense", 16),
        ]
        assert summary.n_parameters == N_INPUTS * 16 + 16 + 16 * 10 + 10


# Callables


def test_callable_gets_scaled_images(pixels, digits):
    halves = Halves()
    mlp = make(image_features=halves, image_shape=(4, 16), input_scale=1 / 240, batch_size=300)
    mlp.set_params(shuffle=False).fit(pixels, digits[1])
    expected = (pixels * np.float32(1 / 240)).reshape(-1, 4, 16)
    np.testing.assert_array_equal(halves.images[-1], expected)
    assert halves.images[-1].dtype == np.float32
    assert mlp.coefs_[0].shape == (8, 16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("returned", [np.float16, np.float32, np.float64, np.int64, list])
def test_features_are_converted_to_the_type_of_the_weights(digits, returned, dtype):
    X, y = np.rint(4 * digits[0]).astype(dtype), digits[1]

    def compute(images):
        features = images.sum(axis=2)
        return features.tolist() if returned is list else features.astype(returned)

    mlp = make(image_features=compute).fit(X, y)
    assert mlp.coefs_[0].dtype == dtype
    assert_same_training(mlp, make().fit(X.reshape(-1, 8, 8).sum(axis=2), y))


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda images: images, "shape (1, n_features) for 1 image, got the shape (1, 8, 8)"),
        (lambda images: 1.0, "shape (1, n_features) for 1 image, got the shape ()"),
        (lambda images: images[:, 0, :0], "(1, n_features) for 1 image, got the shape (1, 0)"),
        (lambda images: images[:, 0].T, "shape (1, n_features) for 1 image, got the shape (8, 1)"),
        (lambda images: images[:1, 0], "shape (300, 8) for 300 images, got the shape (1, 8)"),
        (lambda images: images[:, 0, : len(images)], "shape (300, 1) for 300 images"),
    ],
)
def test_callables_must_return_a_row_per_image(digits, compute, message):
    mlp = make(image_features=compute)
    with pytest.raises(ValueError, match=re.escape(message)):
        mlp.fit(*digits)
    assert not hasattr(mlp, "coefs_") or np.isfinite(mlp.coefs_[0]).all()


@pytest.mark.parametrize("input_scale", [None, 1.0])
def test_callables_that_work_in_place_do_not_change_the_samples(digits, input_scale):
    class Doubled:
        def __call__(self, images):
            images *= 2
            return images.reshape(len(images), -1)

        def backpropagate(self, images, derivatives):
            images[:] = 0
            return 2 * derivatives.reshape(images.shape)

    X, y = digits[0].copy(), digits[1]
    params = {"shuffle": False, "input_scale": input_scale}
    mlp = make(image_features=Doubled(), **params).fit(X, y, X_val=X, y_val=y)
    expected = make(**params).fit(2 * X, y)
    assert_same_model(mlp, expected)
    np.testing.assert_array_equal(mlp.predict_proba(X), expected.predict_proba(2 * X))
    np.testing.assert_array_equal(mlp.input_gradients(X, y), 2 * expected.input_gradients(2 * X, y))
    np.testing.assert_array_equal(mlp.hidden_activations(X), expected.hidden_activations(2 * X))
    np.testing.assert_array_equal(X, digits[0])


def test_gradients_need_the_method_backpropagate(digits):
    mlp = make(image_features=Halves()).fit(*digits)
    with pytest.raises(TypeError, match=r"must have a method backpropagate\(images, derivatives\)"):
        mlp.input_gradients(digits[0])


def test_derivatives_must_have_the_shape_of_the_images(digits):
    class Wrong(Halves):
        def backpropagate(self, images, derivatives):
            return derivatives

    mlp = make(image_features=Wrong()).fit(*digits)
    with pytest.raises(ValueError, match=r"must return an array of shape \(300, 8, 8\), got"):
        mlp.input_gradients(digits[0])


@pytest.mark.parametrize("value", ["edges", 5, True, [GRADIENTS]])
def test_invalid_values(digits, value):
    with pytest.raises(ValueError, match="The 'image_features' parameter of MLPDigitClassifier"):
        make(image_features=value).fit(*digits)


@pytest.mark.parametrize(
    "changed",
    [None, GradientFeatures((2, 2), include_pixels=True), Halves()],
    ids=["none", "gradients", "own"],
)
def test_parameter_that_is_changed_after_training(digits, tmp_path, changed):
    X, y = digits
    mlp = make(image_features=GRADIENTS).fit(X, y).set_params(image_features=changed)
    message = r"^image_features must give 160 inputs, .* Restore the parameters image_features and"
    for call in (mlp.predict, mlp.hidden_activations, mlp.input_gradients):
        with pytest.raises(ValueError, match=message):
            call(X)
    if not isinstance(changed, Halves):
        with pytest.raises(ValueError, match=message):
            save_model(mlp, tmp_path / "model.safetensors")
        assert not list(tmp_path.iterdir())
    mlp.set_params(image_features=GRADIENTS).predict(X)


# Copies, files and selection


@pytest.mark.parametrize(
    "features", ["gradients", GRADIENTS, GradientFeatures([2, 2], np.bool_(False))], ids=str
)
def test_copies_and_files_predict_the_same(digits, tmp_path, features):
    X, y = digits
    mlp = make(image_features=features, batch_norm=True).fit(X, y)
    expected, path = mlp.predict_proba(X), tmp_path / "model.safetensors"
    save_model(mlp, path)
    loaded = load_model(path)
    assert loaded.image_features == features
    assert loaded.n_features_in_ == 64
    assert read_model_header(path)["layer_sizes"] == [len(mlp.coefs_[0]), 16, 10]
    for copied in (loaded, pickle.loads(pickle.dumps(mlp))):
        np.testing.assert_array_equal(copied.predict_proba(X), expected)
        assert compute_model_digest(copied) == compute_model_digest(mlp)
    assert_same_training(clone(mlp).fit(X, y), mlp)
    content = path.read_bytes()
    save_model(loaded, path)
    assert path.read_bytes() == content


def test_loaded_classifier_continues_training(digits, tmp_path):
    X, y = digits
    mlp = make(image_features=GRADIENTS).fit(X, y)
    save_model(mlp, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors").partial_fit(X, y)
    assert loaded.score(X, y) > 0.1
    assert loaded.coefs_[0].shape == (N_INPUTS, 16)


def test_pipelines_can_be_saved(digits, tmp_path):
    X, y = digits
    pipeline = make_pipeline(Deslant(), make(image_features="gradients")).fit(X, y)
    save_model(pipeline, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))


def test_custom_callables_cannot_be_saved(digits, tmp_path):
    mlp = make(image_features=Halves()).fit(*digits)
    with pytest.raises(TypeError, match=r"image_features must not .* Train with skmlp.Gradient"):
        save_model(mlp, tmp_path / "model.safetensors")
    assert not list(tmp_path.iterdir())
    with pytest.raises(TypeError, match="image_features must not be a custom callable"):
        mlp.set_callbacks(Checkpoint(tmp_path / "checkpoint.safetensors")).fit(*digits)


def test_digest_identifies_what_is_computed(digits):
    X, y = digits[0], digits[1] % 2
    square = make(image_features=GradientFeatures((2, 6), include_pixels=True), max_iter=1).fit(
        X, y
    )
    digests = {compute_model_digest(square)}
    for changed in (
        GradientFeatures((6, 2), include_pixels=True),
        GradientFeatures((3, 4), include_pixels=True),
    ):
        digests.add(compute_model_digest(square.set_params(image_features=changed)))
    square.set_params(image_features=GradientFeatures((2, 6), include_pixels=True))
    digests.add(compute_model_digest(square.set_params(image_shape=(4, 16))))
    digests.add(compute_model_digest(square.set_params(image_shape=(8, 8))))
    assert len(digests) == 4
    named = make(image_features="gradients").fit(X, y)
    digest = compute_model_digest(named)
    assert compute_model_digest(named.set_params(image_features=GradientFeatures())) == digest


@pytest.mark.parametrize("function", [Halves(), lambda images: images[:, 0], np.atleast_2d])
def test_digest_of_custom_callables(digits, function):
    if function is np.atleast_2d:
        mlp = make(image_features=lambda images: images.reshape(len(images), -1)).fit(*digits)
        function = mlp.image_features
    mlp = make(image_features=function).fit(*digits)
    assert len(compute_model_digest(mlp)) == 64


def gradients_as_json(**fields):
    return {
        "object": "GradientFeatures",
        "fields": {"grid": [3, 4], "include_pixels": True} | fields,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"n_features": 81},
        {"n_features": 10**30},
        {"n_features": 0},
        {"n_features": -64},
        {"n_features": 64.0},
        {"n_features": True},
        {"n_features": None},
        {"n_features": "64"},
        {"image_features": None},
        {"image_features": "gradients"},
        {"image_features": "edges"},
        {"image_features": gradients_as_json(grid=[3, 5])},
        {"image_features": gradients_as_json(grid=[10**9, 10**9])},
        {"image_features": gradients_as_json(grid=[-3, -4])},
        {"image_features": gradients_as_json(grid=5)},
        {"image_features": gradients_as_json(grid=None)},
        {"image_features": gradients_as_json(include_pixels="yes")},
        {"image_features": gradients_as_json(directions=8)},
        {"image_features": {"object": "Shift", "fields": {"distance": 1.0}}},
        {"image_features": {"object": "Elastic", "fields": {}}},
        {"image_features": {"object": "Constant", "fields": {"rate": 0.1}}},
        {"image_features": gradients_as_json(include_pixels=False), "n_features": 2**60},
        {"image_shape": [4, 4]},
        {"image_shape": [2**30, 2**30], "n_features": 2**60},
        {"image_shape": "88"},
    ],
    ids=str,
)
def test_forged_files_raise_without_memory(digits, tmp_path, change):
    path = tmp_path / "model.safetensors"
    save_model(make(image_features=GRADIENTS).fit(*digits), path)

    def replace(description):
        for name, value in change.items():
            place = description if name == "n_features" else description["parameters"]
            place[name] = value

    forge(path, replace)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFormatError):
            load_model(path)
        assert tracemalloc.get_traced_memory()[1] < 5e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("n_features", [2**26, 2**60, 10**30])
def test_forged_number_of_pixels_that_are_no_inputs(digits, tmp_path, n_features):
    path = tmp_path / "model.safetensors"
    features = GradientFeatures((3, 4), include_pixels=False)
    save_model(make(image_features=features).fit(*digits), path)
    forge(path, lambda description: description.update(n_features=n_features))
    with pytest.raises(ModelFormatError, match="expected images of at most 4096 x 4096 pixels"):
        load_model(path)


def test_forged_images_with_a_long_side(digits, tmp_path):
    """The weights of the pixels of a side take memory for each point of the grid."""
    path = tmp_path / "model.safetensors"
    save_model(make(image_features=GradientFeatures((3, 4))).fit(*digits), path)

    def change(description):
        description["n_features"] = 2**20
        description["parameters"]["image_shape"] = [1, 2**20]

    forge(path, change)
    with pytest.raises(ModelFormatError, match="at most 4096 x 4096 pixels, got 1 x 1048576"):
        load_model(path)


def test_features_that_take_too_much_memory_are_computed_in_each_epoch(digits, monkeypatch):
    X, y = digits
    mlp = make(image_features=Halves(), max_iter=3, batch_size=100)
    kept = clone(mlp).fit(X, y)
    monkeypatch.setattr(batches, "MAX_EXTRACTED_BYTES", 0)
    halves = Halves()
    mlp.set_params(image_features=halves).fit(X, y)
    recorded = [images for images in halves.images if len(images) == 100]
    assert len(recorded) == 3 * len(X) // 100
    assert_same_training(mlp, kept)


def test_class_instead_of_an_instance(digits):
    message = r"got the class GradientFeatures. Pass GradientFeatures\(\)\."
    with pytest.raises(TypeError, match=message):
        make(image_features=GradientFeatures).fit(*digits)


def test_grid_search(digits):
    grid = {"image_features": [None, "gradients", GRADIENTS]}
    search = GridSearchCV(make(), grid, cv=2).fit(*digits)
    for value, score in zip(
        grid["image_features"], search.cv_results_["mean_test_score"], strict=True
    ):
        scores = cross_val_score(make(image_features=value), *digits, cv=2)
        assert score == pytest.approx(scores.mean())


def test_features_increase_the_accuracy():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    scores = [
        MLPDigitClassifier(
            (), image_features=features, input_scale=1 / 16, max_iter=60, random_state=0
        )
        .fit(X[:500], y[:500])
        .score(X[500:], y[500:])
        for features in (None, "gradients")
    ]
    assert scores[1] > scores[0]
