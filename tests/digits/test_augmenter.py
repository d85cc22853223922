"""The transformer DigitAugmenter."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils._param_validation import InvalidParameterError
from sklearn.utils.estimator_checks import check_param_validation, parametrize_with_checks

from skmlp import DigitAugmenter
from skmlp.augment import (
    Affine,
    Compose,
    DigitDistortions,
    Elastic,
    Shift,
)

WEAK_DISTORTIONS = Compose([Affine(8, 0.1, 0.1), Shift(0.5), Elastic(2, 4)])


AUGMENTERS = [
    DigitAugmenter(random_state=0),
    DigitAugmenter(Shift(0.3), random_state=0),
    DigitAugmenter(None),
]


def get_expected_failures(augmenter):
    """Return the checks that do not apply to an augmenter, with the reason."""
    if augmenter.augmentation is None:
        return {}
    reason = "the distortion of an image depends on its position in X"
    return {
        "check_methods_sample_order_invariance": reason,
        "check_methods_subset_invariance": reason,
    }


@pytest.fixture
def any_number_of_features(monkeypatch):
    """Treat the samples of scikit-learn's checks, which are not square images, as images of height 1."""
    monkeypatch.setattr(
        "skmlp.digits.augmenter.resolve_image_shape", lambda _, n_features: (1, n_features)
    )


@parametrize_with_checks(
    AUGMENTERS, expected_failed_checks=get_expected_failures, xfail_strict=True
)
def test_augmenter_passes_the_checks_of_scikit_learn(estimator, check, any_number_of_features):
    check(estimator)


@pytest.mark.parametrize("augmenter", AUGMENTERS, ids=str)
def test_augmenter_validates_its_parameters(augmenter):
    check_param_validation("DigitAugmenter", augmenter)


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({"augmentation": "letters"}, "augmentation"),
        ({"augmentation": 3}, "augmentation"),
        ({"image_shape": 8}, "image_shape"),
        ({"random_state": "now"}, "random_state"),
    ],
)
def test_augmenter_raises_on_invalid_parameters(digits, params, name):
    with pytest.raises(InvalidParameterError, match=f"The '{name}' parameter of DigitAugmenter"):
        DigitAugmenter(**params).fit(digits[0])


@pytest.mark.parametrize(
    "make_augmenter", [DigitAugmenter, lambda **k: DigitAugmenter("digits", **k)]
)
def test_augmenter_uses_digit_distortions_by_default_and_by_name(digits, make_augmenter):
    X, _ = digits
    named = make_augmenter(random_state=0).fit_transform(X)
    expected = DigitAugmenter(DigitDistortions(), random_state=0).fit_transform(X)
    np.testing.assert_array_equal(named, expected)
    assert not np.array_equal(named, X)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("n_features", [64, 60])
def test_augmenter_without_augmentation_returns_a_copy(digits, dtype, n_features):
    X = (16 * digits[0][:, :n_features]).astype(dtype)
    copied = DigitAugmenter(None).fit_transform(X)
    np.testing.assert_array_equal(copied, X, strict=True)
    assert not np.shares_memory(copied, X)


def test_augmenter_does_not_modify_its_input(digits):
    def darken(images, rng):
        images *= 0
        return images

    X = digits[0].copy()
    assert not DigitAugmenter(darken).fit_transform(X).any()
    np.testing.assert_array_equal(X, digits[0])


def test_augmenter_raises_if_the_shape_changes(digits):
    augmenter = DigitAugmenter(lambda images, rng: images[:, 1:]).fit(digits[0])
    with pytest.raises(
        ValueError, match=r"must return images of shape \(300, 8, 8\), got \(300, 7, 8\)"
    ):
        augmenter.transform(digits[0])


def test_augmenter_distorts_each_image(digits):
    X, _ = digits
    distorted = DigitAugmenter(WEAK_DISTORTIONS, random_state=0).fit_transform(X)
    assert distorted.shape == X.shape
    assert (np.abs(distorted - X).max(axis=1) > 0.05).all()
    again = DigitAugmenter(WEAK_DISTORTIONS, random_state=0).fit(X).transform(X)
    np.testing.assert_array_equal(distorted, again)
    assert not np.array_equal(
        distorted, DigitAugmenter(WEAK_DISTORTIONS, random_state=1).fit_transform(X)
    )


def test_augmented_copies_improve_another_classifier(digits):
    X, y = digits
    X_test, y_test = (array[300:] for array in load_digits(return_X_y=True))
    copies = [
        DigitAugmenter(WEAK_DISTORTIONS, random_state=seed).fit_transform(X) for seed in range(8)
    ]
    plain, augmented = KNeighborsClassifier(1), KNeighborsClassifier(1)
    plain.fit(X, y)
    augmented.fit(np.vstack([X, *copies]), np.tile(y, 9))
    assert augmented.score(X_test / 16, y_test) > plain.score(X_test / 16, y_test)


def test_augmenter_accepts_rectangular_images(digits):
    X, _ = digits
    recorded = []

    def record(images, rng):
        recorded.append(images)
        return images

    augmenter = DigitAugmenter(record, image_shape=(4, 16)).fit(X)
    assert augmenter.image_shape_ == (4, 16)
    np.testing.assert_allclose(augmenter.transform(X), X)
    assert recorded[0].shape == (300, 4, 16)


@pytest.mark.parametrize("augmentation", ["digits", None])
@pytest.mark.parametrize(
    ("image_shape", "message"),
    [
        ((3, 3), r"image_shape must have 64 pixels, .* got \(3, 3\)"),
        ((64,), r"two positive integers, \(height, width\), got \(64,\)"),
        ((8.0, 8.0), r"two positive integers.*got \(8.0, 8.0\)"),
        ((-8, -8), "two positive integers"),
        ((True, 64), "two positive integers"),
        (np.array([[8], [8]]), "two positive integers"),
        (["8", "8"], "two positive integers"),
    ],
    ids=str,
)
def test_augmenter_raises_on_invalid_image_shapes(digits, augmentation, image_shape, message):
    with pytest.raises(ValueError, match=message):
        DigitAugmenter(augmentation, image_shape=image_shape).fit(digits[0])
