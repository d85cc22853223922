"""Augmentation in the training of the classifier."""

import numpy as np
import pytest
from helpers import assert_same_model, make_classifier_factory
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skmlp import load_model, save_model
from skmlp.augment import (
    Affine,
    Annealed,
    Compose,
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
from skmlp.recipes import make_recipe

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("every_kernel_set"),
]
WEAK_DISTORTIONS = Compose([Affine(8, 0.1, 0.1), Shift(0.5), Elastic(2, 4)])
make = make_classifier_factory(batch_size=64, max_iter=4)


class Recorder:
    """Augmentation that records batches and progress, and returns the images unchanged."""

    def __init__(self):
        self.batches, self.progress = [], []

    def __call__(self, images, rng):
        self.batches.append(images.copy())
        rng.random(3)
        return images

    def at(self, progress):
        self.progress.append(progress)
        return self

    def __deepcopy__(self, memo):
        return self


def test_identity_augmentation_trains_the_same_network(digits):
    assert_same_model(make().fit(*digits), make(augmentation=Recorder()).fit(*digits))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_only_training_samples_are_augmented(digits, early_stopping):
    X, y = digits
    recorder = Recorder()
    mlp = make(augmentation=recorder, early_stopping=early_stopping, validation_fraction=0.2)
    mlp.fit(X[:200], y[:200], **({} if early_stopping else {"X_val": X[200:], "y_val": y[200:]}))
    n_train = 160 if early_stopping else 200
    augmented = np.concatenate(recorder.batches).reshape(-1, 64)
    assert len(augmented) == 4 * n_train
    assert {row.tobytes() for row in augmented} <= {row.tobytes() for row in X[:200]}
    n_batches = len(recorder.batches)
    mlp.predict(X)
    mlp.score(X, y)
    assert len(recorder.batches) == n_batches


def test_augmentation_is_annealed_per_epoch(digits):
    recorder = Recorder()
    make(augmentation=recorder).fit(*digits)
    assert recorder.progress == [0, 0.25, 0.5, 0.75]


def test_each_epoch_has_different_images(digits):
    drawn = []

    def keep(images, rng):
        drawn.append(WEAK_DISTORTIONS(images, rng))
        return drawn[-1]

    make(augmentation=keep, batch_size=300, shuffle=False).fit(*digits)
    assert len({images.tobytes() for images in drawn}) == 4


def test_augmentation_receives_scaled_pixels(digits):
    X, y = digits
    recorder = Recorder()
    pixels = np.rint(X * 255).astype(np.uint8)
    make(augmentation=recorder, input_scale=1 / 255, shuffle=False, batch_size=300).fit(pixels, y)
    expected = pixels.reshape(-1, 8, 8) * np.float32(1 / 255)
    np.testing.assert_allclose(recorder.batches[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "params",
    [{"solver": "sgd"}, {"batch_norm": True, "dropout": 0.2}, {"input_dropout": 0.2}],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_augmentation_can_be_combined_with_other_parameters(digits, params, dtype):
    X, y = digits
    weights = np.linspace(0, 2, len(y))
    first, second = (
        make(augmentation=WEAK_DISTORTIONS, **params).fit(X.astype(dtype), y, sample_weight=weights)
        for _ in range(2)
    )
    assert_same_model(first, second)
    assert first.coefs_[0].dtype == dtype
    assert not np.array_equal(first.coefs_[0], make(**params).fit(X.astype(dtype), y).coefs_[0])


def test_partial_fit_augments_like_fit(digits):
    by_fit = make(augmentation=Annealed(WEAK_DISTORTIONS)).fit(*digits)
    by_partial_fit = make(augmentation=Annealed(WEAK_DISTORTIONS))
    for _ in range(4):
        by_partial_fit.partial_fit(*digits, classes=np.arange(10))
    assert_same_model(by_fit, by_partial_fit)


def test_name_digits_selects_digit_distortions(digits):
    named = make(augmentation="digits").fit(*digits)
    assert_same_model(named, make(augmentation=DigitDistortions().for_side(8)).fit(*digits))


def test_recipe_accurate_exceeds_93_percent_on_small_images():
    """The accuracy is 83 % with the distortions for 28 x 28 pixels, and 93 % without distortions."""
    X, y = load_digits(return_X_y=True)
    model = make_recipe("accurate", random_state=0)
    model[-1].set_params(hidden_layer_sizes=(256,), max_iter=25, input_scale=1 / 16)
    model.fit(X[:1400], y[:1400])
    assert model.score(X[1400:], y[1400:]) > 0.93


def test_distortions_of_the_recipe_accurate_are_unchanged():
    images = np.random.default_rng(0).random((40, 28, 28), dtype=np.float32)
    affine = Affine(rotation=12, scale=0.12, shear=0.15)
    steps = Compose([affine, Shift(1.5), Elastic(sigma=4, alpha=30), StrokeWidth(3, 0.4)])
    annealed = Annealed(steps.scaled(1.25), final_strength=0.25, begin=0.6)
    patches = Patches(size=0.5, inverted_size=1, probability=0.05)
    margins = InvertedMargins(width=0.35, probability=0.05)
    outline = Outline(probability=0.05)
    noise = Noise(gaussian=0.3, shot=0.4, impulse=0.1, probability=0.2)
    expected = Compose([annealed, patches, margins, outline, noise, Upright(max_shear=1)])
    augmentation = make_recipe("accurate")[-1].augmentation
    for epoch in range(0, 120, 7):
        actual_images, expected_images = (
            step.at(epoch / 120)(images, np.random.default_rng(epoch))
            for step in (augmentation, expected)
        )
        np.testing.assert_array_equal(actual_images, expected_images)


def test_images_may_be_rectangular(digits):
    X, y = digits
    recorder = Recorder()
    make(augmentation=recorder, image_shape=(4, 10)).fit(X[:, :40], y)
    assert recorder.batches[0].shape == (64, 4, 10)


def test_augmentation_can_be_tuned_by_a_grid_search(digits):
    grid = GridSearchCV(make(), {"augmentation": [None, WEAK_DISTORTIONS, Shift(1)]}, cv=2).fit(
        *digits
    )
    assert len(set(grid.cv_results_["mean_test_score"])) > 1
    assert clone(make(augmentation=WEAK_DISTORTIONS)).augmentation == WEAK_DISTORTIONS


@pytest.mark.parametrize(
    "augmentation",
    [
        "digits",
        WEAK_DISTORTIONS,
        Annealed(WEAK_DISTORTIONS, 0.2, 0.6),
        Shift(1),
        Annealed(DigitDistortions(1.25)),
    ],
    ids=repr,
)
def test_augmentation_is_saved_in_model_files(digits, augmentation, tmp_path):
    mlp = make(augmentation=augmentation, image_shape=(8, 8)).fit(*digits)
    save_model(mlp, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.augmentation == augmentation
    assert loaded.image_shape == (8, 8)


def test_user_defined_augmentation_cannot_be_saved(digits, tmp_path):
    mlp = make(augmentation=Recorder()).fit(*digits)
    with pytest.raises(
        TypeError, match=r"^augmentation must not be .* Files cannot contain code\."
    ):
        save_model(mlp, tmp_path / "model")


@pytest.mark.parametrize(
    ("params", "n_features", "message"),
    [
        ({}, 60, r"square number of features .*, got 60\. Set image_shape=\(height, width\)"),
        ({"image_shape": (5, 5)}, 64, r"image_shape must have 64 pixels, .* got \(5, 5\)"),
        ({"image_shape": (64,)}, 64, r"two positive integers, \(height, width\), got \(64,\)"),
        ({"image_shape": (-8, -8)}, 64, r"two positive integers.*got \(-8, -8\)"),
        ({"solver": "lbfgs"}, 64, "augmentation must be None for solver='lbfgs'"),
        ({"augmentation": "letters"}, 64, "'augmentation' parameter .*'letters'"),
        (
            {"augmentation": lambda images, rng: images[1:]},
            64,
            r"must return images of shape \(64, 8, 8\), got \(63, 8, 8\)",
        ),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "find_learning_rate"])
def test_invalid_augmentation_raises(digits, params, n_features, message, method):
    X, y = digits
    mlp = make(**{"augmentation": WEAK_DISTORTIONS} | params)
    if method == "partial_fit":
        if mlp.solver == "lbfgs":
            pytest.skip("lbfgs has no partial_fit")
        mlp = mlp.set_params(batch_size=64)
        call = lambda *data: mlp.partial_fit(*data, classes=np.arange(10))  # noqa: E731
    else:
        call = getattr(mlp, method)
    if method == "find_learning_rate" and mlp.solver == "lbfgs":
        message = "solver with a learning rate"
    with pytest.raises(ValueError, match=message):
        call(X[:, :n_features], y)


@pytest.mark.parametrize(
    "params", [{"augmentation": WEAK_DISTORTIONS}, {"adversarial_norm": 1.0}], ids=str
)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_augmentation_and_adversarial_norm_raise_on_sparse_samples(digits, params, method):
    X, y = digits
    classes = {"classes": np.arange(10)} if method == "partial_fit" else {}
    with pytest.raises(TypeError, match=f"if {next(iter(params))} is set, got .*X.toarray()"):
        getattr(make(**params), method)(csr_matrix(X), y, **classes)


def test_find_learning_rate_augments_images(digits):
    recorder = Recorder()
    make(augmentation=recorder).find_learning_rate(*digits, n_steps=5)
    assert len(recorder.batches) == 5


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_in_place_augmentation_does_not_modify_the_samples(digits, dtype, early_stopping):
    X, y = digits[0].astype(dtype), digits[1]
    before = X.copy()

    def dim(images, rng):
        images *= 0.9
        return images

    for batch_size in (64, 300):
        make(
            augmentation=dim,
            shuffle=False,
            batch_size=batch_size,
            early_stopping=early_stopping,
        ).fit(X, y)
        np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("params", [{}, {"dropout": 0.2}, {"adversarial_norm": 0.5}], ids=str)
@pytest.mark.parametrize("method", ["fit", "find_learning_rate"])
def test_each_batch_draws_different_numbers(digits, params, method):
    drawn = []

    def record(images, rng):
        drawn.append(rng.integers(2**60))
        return images

    getattr(make(augmentation=record, **params), method)(*digits)
    assert len(drawn) >= 20
    assert len(set(drawn)) == len(drawn)
