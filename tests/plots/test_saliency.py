"""SaliencyDisplay: maps, artists and errors."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier, SaliencyDisplay


@pytest.fixture(scope="module")
def fitted():
    X, y = load_digits(return_X_y=True)
    X = X.reshape(-1, 8, 8)[:, 1:].reshape(-1, 56)  # images of 7 x 8 pixels
    mlp = MLPDigitClassifier(
        (20,), input_scale=1 / 16, max_iter=8, n_iter_no_change=None, random_state=0
    )
    return mlp.fit(X, y), X[:3], y[:3]


def test_gradient_times_input(fitted):
    mlp, X, y = fitted
    display = SaliencyDisplay.from_estimator(mlp, X, y, image_shape=(7, 8))
    expected = (mlp.input_gradients(X, y) * X).reshape(-1, 7, 8)
    np.testing.assert_array_equal(display.gradient_times_input, expected)


@pytest.mark.parametrize("patch_size", [1, 2, 3, 20])
@pytest.mark.parametrize("background", [0.0, 4.0])
def test_occlusion(fitted, patch_size, background):
    mlp, X, y = fitted
    display = SaliencyDisplay.from_estimator(
        mlp, X, y, image_shape=(7, 8), patch_size=patch_size, background=background
    )
    before = patch_size // 2
    for i, row, column in [(0, 0, 0), (1, 3, 4), (2, 6, 7)]:
        image = X[i].reshape(7, 8).copy()
        top, left = max(row - before, 0), max(column - before, 0)
        image[top : row - before + patch_size, left : column - before + patch_size] = background
        both = mlp.predict_log_proba(np.stack([X[i], image.ravel()]))[:, y[i]]
        assert display.occlusion[i, row, column] == pytest.approx(both[0] - both[1], abs=1e-10)


def test_artists_show_the_maps(fitted):
    mlp, X, y = fitted
    axes = Figure().subplots(3, 3)
    display = SaliencyDisplay.from_estimator(mlp, X, y, image_shape=(7, 8), ax=axes)
    assert display.axes_.tolist() == axes.tolist()
    for i in range(3):
        shown = [image.get_array() for image in display.images_[i]]
        np.testing.assert_array_equal(shown[0], X[i].reshape(7, 8))
        np.testing.assert_array_equal(shown[1], display.gradient_times_input[i])
        np.testing.assert_array_equal(shown[2], display.occlusion[i])
        for image, values in zip(display.images_[i, 1:], shown[1:], strict=True):
            limit = np.abs(values).max()
            assert image.get_clim() == (-limit, limit)
        assert axes[i, 0].get_ylabel() == str(y[i])


def test_maps_of_a_network_with_features_of_images_have_the_shape_of_the_image(fitted):
    _, X, y = fitted
    mlp = MLPDigitClassifier(
        (5,), image_features="gradients", image_shape=(7, 8), max_iter=1, n_iter_no_change=None
    ).fit(X, y)
    display = SaliencyDisplay.from_estimator(mlp, X, y, image_shape=(7, 8))
    expected = (mlp.input_gradients(X, y) * X).reshape(-1, 7, 8)
    np.testing.assert_array_equal(display.gradient_times_input, expected)
    assert display.occlusion.shape == (3, 7, 8)


def test_default_is_the_predicted_class(fitted):
    mlp, X, _ = fitted
    display = SaliencyDisplay.from_estimator(mlp, X, image_shape=(7, 8))
    np.testing.assert_array_equal(display.labels, mlp.predict(X))


def test_text_labels_and_uint8_pixels():
    X, y = load_digits(return_X_y=True)
    names = np.array(["even", "odd"])[y % 2]
    mlp = MLPDigitClassifier(
        (20,), input_scale=1 / 16, max_iter=3, n_iter_no_change=None, random_state=0
    ).fit(X.astype(np.uint8), names)
    display = SaliencyDisplay.from_estimator(mlp, X[:2].astype(np.uint8), names[:2])
    expected = SaliencyDisplay.from_estimator(mlp, X[:2], names[:2])
    np.testing.assert_allclose(display.occlusion, expected.occlusion, atol=1e-5)
    assert display.axes_[0, 0].get_ylabel() == names[0]


def test_images_of_one_row(fitted):
    mlp, X, y = fitted
    display = SaliencyDisplay.from_estimator(mlp, X, y, image_shape=(1, 56), background=0.5)
    assert display.occlusion.shape == (3, 1, 56)


def test_multilabel_classifiers_are_rejected():
    X, y = load_digits(return_X_y=True)
    targets = np.stack([y > 4, y % 2], axis=1).astype(int)
    mlp = MLPDigitClassifier((5,), max_iter=1, n_iter_no_change=None).fit(X, targets)
    with pytest.raises(ValueError, match=r"y must have the shape \(n_images,\), got \(2, 2\)"):
        SaliencyDisplay.from_estimator(mlp, X[:2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_size": 0}, "patch_size must be an integer of at least 1, got 0"),
        ({"y": [0, 1, 99]}, "y must contain only the classes"),
        ({"image_shape": (5, 5)}, "image_shape must have 56 pixels"),
        ({"ax": Figure().subplots(2, 3)}, "ax must contain 9 matplotlib axes, three per image"),
    ],
)
def test_invalid_arguments(fitted, options, message):
    mlp, X, _ = fitted
    with pytest.raises(ValueError, match=message):
        SaliencyDisplay.from_estimator(mlp, X, **{"image_shape": (7, 8)} | options)
