"""The transformer ImageResizer."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmlp import ImageResizer

X, _ = load_digits(return_X_y=True)


@pytest.fixture
def any_number_of_features(monkeypatch):
    """Treat the samples of scikit-learn's checks, which are not square images, as images of height 1."""
    monkeypatch.setattr(
        "skmlp.digits.resizer.resolve_image_shape", lambda _, n_features: (1, n_features)
    )


@parametrize_with_checks([ImageResizer(), ImageResizer((2, 3))])
def test_resizer_passes_the_checks_of_scikit_learn(estimator, check, any_number_of_features):
    check(estimator)


@pytest.mark.parametrize(
    ("image_shape", "shape"),
    [((28, 28), (16, 16)), ((5, 3), (2, 2)), ((3, 4), (9, 5)), ((7, 7), (7, 7))],
)
def test_pixels_are_means_of_the_areas_that_they_cover(image_shape, shape):
    image = np.random.default_rng(0).random(image_shape)
    # Images whose pixels divide both kinds of pixels, so that every mean is one of whole blocks.
    fine = image.repeat(shape[0], axis=0).repeat(shape[1], axis=1)
    blocks = fine.reshape(shape[0], image_shape[0], shape[1], image_shape[1])
    resizer = ImageResizer(shape, image_shape=image_shape)
    np.testing.assert_allclose(
        resizer.fit_transform(image.reshape(1, -1)).reshape(shape), blocks.mean(axis=(1, 3))
    )


def test_pixels_are_those_of_pillow():
    images = X.astype(np.uint8)
    expected = [
        np.asarray(Image.fromarray(image).resize((4, 2), Image.Resampling.BOX)).ravel()
        for image in images.reshape(-1, 8, 8)
    ]
    resized = ImageResizer((2, 4)).fit_transform(images)
    assert resized.dtype == np.uint8
    assert np.abs(resized.astype(int) - np.array(expected, int)).max() <= 1  # rounding of halves


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, np.uint8),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float64),
        (np.int8, np.float64),
        (">i4", np.float64),
    ],
)
def test_dtype_and_blocks(dtype, expected, monkeypatch):
    samples = X[:50].astype(dtype)
    resized = ImageResizer((3, 3)).fit_transform(samples)
    assert resized.dtype == expected
    means = ImageResizer((3, 3)).fit_transform(X[:50])
    np.testing.assert_allclose(resized, means, rtol=1e-6, atol=0.51 * (dtype == np.uint8))
    monkeypatch.setattr("skmlp.digits.resizer.BLOCK_SIZE", 7)
    np.testing.assert_array_equal(ImageResizer((3, 3)).fit_transform(samples), resized)


def test_booleans_are_zeros_and_ones():
    resized = ImageResizer((1, 2)).fit_transform(np.array([[True, False, False, False]]))
    np.testing.assert_array_equal(resized, [[0.5, 0]])


@pytest.mark.parametrize(("size", "new_size"), [(12, 5), (14, 5), (30, 9), (28, 16), (4, 2)])
def test_means_that_end_in_one_half_are_rounded_down(size, new_size):
    images = np.random.default_rng(0).integers(0, 3, (50, size * size)).astype(np.uint8)
    exact = ImageResizer((new_size, new_size)).fit_transform(images.astype(np.float64))
    resized = ImageResizer((new_size, new_size)).fit_transform(images)
    np.testing.assert_array_equal(resized, np.ceil(np.round(exact, 6) - 0.5))


def test_names_of_the_pixels():
    frame = pd.DataFrame(X[:5]).add_prefix("p")
    resizer = ImageResizer((1, 2)).set_output(transform="pandas").fit(frame)
    assert list(resizer.transform(frame).columns) == ["pixel_0_0", "pixel_0_1"]
    with pytest.raises(ValueError, match="input_features is not equal to feature_names_in_"):
        resizer.get_feature_names_out(["other"] * 64)


@pytest.mark.parametrize("shape", [(16,), (0, 4), (4, 2.5)])
def test_invalid_shape(shape):
    with pytest.raises(ValueError, match=r"shape must be two positive integers, \(height, width\)"):
        ImageResizer(shape).fit(X)


def test_other_errors():
    with pytest.raises(NotFittedError):
        ImageResizer().transform(X)
    with pytest.raises(
        ValueError, match="square number of features if image_shape is None, got 63"
    ):
        ImageResizer().fit(X[:, 1:])
    with pytest.raises(ValueError, match="image_shape must have 64 pixels"):
        ImageResizer(image_shape=(7, 9)).fit(X)
