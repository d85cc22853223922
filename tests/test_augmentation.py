"""Augmentation through the classifier and as a transformer."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmlp import DigitAugmenter, MLPDigitClassifier, load_model, save_model
from skmlp.digits.augment import Affine, Compose, Elastic, Fading, Shift, digit_distortions

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SMALL = Compose([Affine(8, 0.1, 0.1), Shift(0.5), Elastic(2, 4)])


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:300] / 16, y[:300]


def make(**params):
    common = {"hidden_layer_sizes": (16,), "batch_size": 64, "max_iter": 4, "random_state": 0}
    return MLPDigitClassifier(**common | params)


def assert_same_weights(first, second):
    for ours, theirs in zip(first.coefs_, second.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)


class Watcher:
    """Changes nothing; keeps what it was given, and when."""

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


def test_what_changes_nothing_trains_the_same_network(digits):
    assert_same_weights(make().fit(*digits), make(augmentation=Watcher()).fit(*digits))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_only_training_samples_are_changed(digits, early_stopping):
    X, y = digits
    watcher = Watcher()
    mlp = make(augmentation=watcher, early_stopping=early_stopping, validation_fraction=0.2)
    mlp.fit(X[:200], y[:200], **({} if early_stopping else {"X_val": X[200:], "y_val": y[200:]}))
    n_trained = 160 if early_stopping else 200
    seen = np.concatenate(watcher.batches).reshape(-1, 64)
    assert len(seen) == 4 * n_trained
    assert {row.tobytes() for row in seen} <= {row.tobytes() for row in X[:200]}
    n_batches = len(watcher.batches)
    mlp.predict(X)
    mlp.score(X, y)
    assert len(watcher.batches) == n_batches


def test_strength_follows_the_epochs(digits):
    watcher = Watcher()
    make(augmentation=watcher).fit(*digits)
    assert watcher.progress == [0, 0.25, 0.5, 0.75]


def test_every_epoch_has_other_images(digits):
    drawn = []

    def keep(images, rng):
        drawn.append(SMALL(images, rng))
        return drawn[-1]

    make(augmentation=keep, batch_size=300, shuffle=False).fit(*digits)
    assert len({images.tobytes() for images in drawn}) == 4


def test_pixels_come_scaled(digits):
    X, y = digits
    watcher = Watcher()
    pixels = np.rint(X * 255).astype(np.uint8)
    make(augmentation=watcher, input_scale=1 / 255, shuffle=False, batch_size=300).fit(pixels, y)
    expected = pixels.reshape(-1, 8, 8) * np.float32(1 / 255)
    np.testing.assert_allclose(watcher.batches[0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    "params",
    [{"solver": "sgd"}, {"batch_norm": True, "dropout": 0.2}, {"input_dropout": 0.2}],
    ids=str,
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_goes_with_the_rest(digits, params, dtype):
    X, y = digits
    weights = np.linspace(0, 2, len(y))
    first, second = (
        make(augmentation=SMALL, **params).fit(X.astype(dtype), y, sample_weight=weights)
        for _ in range(2)
    )
    assert_same_weights(first, second)
    assert first.coefs_[0].dtype == dtype
    assert not np.array_equal(first.coefs_[0], make(**params).fit(X.astype(dtype), y).coefs_[0])


def test_partial_fit_goes_through_the_same_images_as_fit(digits):
    whole = make(augmentation=Fading(SMALL)).fit(*digits)
    parts = make(augmentation=Fading(SMALL))
    for _ in range(4):
        parts.partial_fit(*digits, classes=np.arange(10))
    assert_same_weights(whole, parts)


def test_the_name_stands_for_the_distortions_of_digits(digits):
    named = make(augmentation="digits").fit(*digits)
    assert_same_weights(named, make(augmentation=digit_distortions(8)).fit(*digits))


def test_images_may_be_rectangles(digits):
    X, y = digits
    watcher = Watcher()
    make(augmentation=watcher, image_shape=(4, 10)).fit(X[:, :40], y)
    assert watcher.batches[0].shape == (64, 4, 10)


def test_it_can_be_searched_for(digits):
    grid = GridSearchCV(make(), {"augmentation": [None, SMALL, Shift(1)]}, cv=2).fit(*digits)
    assert len(set(grid.cv_results_["mean_test_score"])) > 1
    assert clone(make(augmentation=SMALL)).augmentation == SMALL


@pytest.mark.parametrize(
    "augmentation", ["digits", SMALL, Fading(SMALL, 0.2, 0.6), Shift(1)], ids=repr
)
def test_it_is_kept_in_files(digits, augmentation, tmp_path):
    mlp = make(augmentation=augmentation, image_shape=(8, 8)).fit(*digits)
    save_model(mlp, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.augmentation == augmentation
    assert loaded.image_shape == (8, 8)


def test_a_function_of_ones_own_cannot_be_kept(digits, tmp_path):
    mlp = make(augmentation=Watcher()).fit(*digits)
    with pytest.raises(TypeError, match=r"augmentation=.*no file may run code"):
        save_model(mlp, tmp_path / "model")


@pytest.mark.parametrize(
    ("params", "n_features", "message"),
    [
        ({}, 60, r"60 features are no square image. Give image_shape=\(height, width\)"),
        ({"image_shape": (5, 5)}, 64, r"image_shape=\(5, 5\) is 25 pixels, but there are 64"),
        ({"image_shape": (64,)}, 64, r"two positive integers, \(height, width\). Got \(64,\)"),
        ({"image_shape": (-8, -8)}, 64, r"two positive integers.*Got \(-8, -8\)"),
        ({"solver": "lbfgs"}, 64, "augmentation must be None for solver='lbfgs'"),
        ({"augmentation": "letters"}, 64, "'augmentation' parameter .*'letters'"),
        (
            {"augmentation": lambda images, rng: images[1:]},
            64,
            r"must give images of the shape \(64, 8, 8\) that it gets.*gave \(63, 8, 8\)",
        ),
    ],
)
@pytest.mark.parametrize("method", ["fit", "partial_fit", "find_learning_rate"])
def test_what_makes_no_sense_is_refused(digits, params, n_features, message, method):
    X, y = digits
    mlp = make(**{"augmentation": SMALL} | params)
    if method == "partial_fit":
        if mlp.solver == "lbfgs":
            pytest.skip("lbfgs has no partial_fit")
        mlp = mlp.set_params(batch_size=64)
        method_of = lambda *data: mlp.partial_fit(*data, classes=np.arange(10))  # noqa: E731
    else:
        method_of = getattr(mlp, method)
    if method == "find_learning_rate" and mlp.solver == "lbfgs":
        message = "solver with a learning rate"
    with pytest.raises(ValueError, match=message):
        method_of(X[:, :n_features], y)


@pytest.mark.parametrize("params", [{"augmentation": SMALL}, {"adversarial_norm": 1.0}], ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_sparse_samples_are_refused(digits, params, method):
    X, y = digits
    classes = {"classes": np.arange(10)} if method == "partial_fit" else {}
    with pytest.raises(TypeError, match=f"{next(iter(params))} needs dense .*X.toarray()"):
        getattr(make(**params), method)(csr_matrix(X), y, **classes)


def test_the_search_for_a_learning_rate_sees_changed_images(digits):
    watcher = Watcher()
    make(augmentation=watcher).find_learning_rate(*digits, n_steps=5)
    assert len(watcher.batches) == 5


# The transformer


@parametrize_with_checks([DigitAugmenter(Shift(0.3), image_shape=None, random_state=0)])
def test_augmenter_is_a_transformer(estimator, check):
    try:
        check(estimator)
    except (ValueError, AssertionError) as error:
        if "are no square image" not in str(error):
            raise
        pytest.skip("the samples of this check are no images")


def test_augmenter_distorts_each_image(digits):
    X, _ = digits
    distorted = DigitAugmenter(SMALL, random_state=0).fit_transform(X)
    assert distorted.shape == X.shape
    assert (np.abs(distorted - X).max(axis=1) > 0.05).all()
    again = DigitAugmenter(SMALL, random_state=0).fit(X).transform(X)
    np.testing.assert_array_equal(distorted, again)
    assert not np.array_equal(distorted, DigitAugmenter(SMALL, random_state=1).fit_transform(X))


def test_augmenter_makes_more_training_data_for_others(digits):
    X, y = digits
    X_test, y_test = (part[300:] for part in load_digits(return_X_y=True))
    copies = [DigitAugmenter(SMALL, random_state=seed).fit_transform(X) for seed in range(8)]
    plain, augmented = KNeighborsClassifier(1), KNeighborsClassifier(1)
    plain.fit(X, y)
    augmented.fit(np.vstack([X, *copies]), np.tile(y, 9))
    assert augmented.score(X_test / 16, y_test) > plain.score(X_test / 16, y_test)


def test_augmenter_of_rectangles_and_its_errors(digits):
    X, _ = digits
    augmenter = DigitAugmenter(image_shape=(4, 16)).fit(X)
    assert augmenter.image_shape_ == (4, 16)
    with pytest.raises(ValueError, match=r"image_shape=\(3, 3\) is 9 pixels"):
        DigitAugmenter(image_shape=(3, 3)).fit(X)
