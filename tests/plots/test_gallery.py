"""DigitGalleryDisplay and WeightImageDisplay: selection, titles, images and errors."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

from skmlp import DigitGalleryDisplay, MLPDigitClassifier, WeightImageDisplay
from skmlp.colors import CORRECT_COLOR, WRONG_COLOR

X = np.arange(6 * 6.0).reshape(6, 6)
Y_TRUE = np.array([3, 5, 3, 5, 3, 5])
# predicted: 3 (right), 3 (wrong), 5 (wrong), 5 (right), 5 (wrong), 3 (wrong)
Y_PROBA = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.0, 1.0], [0.997, 0.003]])


def show(**options):
    return DigitGalleryDisplay.from_predictions(X, Y_TRUE, Y_PROBA, image_shape=(2, 3), **options)


def get_titles(display):
    return [ax.get_title() for ax in display.axes_]


def test_most_confident_mistakes_come_first():
    display = show()
    assert display.indices.tolist() == [4, 5, 2, 1]
    assert get_titles(display) == ["3 → 5  100 %", "5 → 3  > 99 %", "3 → 5  70 %", "5 → 3  60 %"]


def test_images_are_the_samples():
    display = show(n_images=2)
    assert len(display.images_) == 2
    for image, index in zip(display.images_, display.indices, strict=True):
        np.testing.assert_array_equal(image.get_array(), X[index].reshape(2, 3))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"select": "all"}, [0, 1, 2, 3, 4, 5]),
        ({"select": "all", "n_images": 3}, [0, 1, 2]),
        ({"select": "all", "label": 5}, [1, 3, 5]),
        ({"label": 3}, [4, 2]),
        ({"indices": [5, 0]}, [5, 0]),
        ({"indices": [-1], "n_images": 1}, [5]),
    ],
)
def test_selection(options, expected):
    assert show(**options).indices.tolist() == expected


def test_colors_and_text_mark_mistakes():
    display = show(select="all", n_images=2)
    right, wrong = display.axes_
    assert to_rgba(right.title.get_color()) == to_rgba(CORRECT_COLOR)
    assert to_rgba(wrong.title.get_color()) == to_rgba(WRONG_COLOR)
    assert "→" not in right.get_title()
    assert "→" in wrong.get_title()


def test_gallery_without_mistakes_is_empty():
    display = DigitGalleryDisplay.from_predictions(
        np.zeros((1, 4)), [1], [[0.1, 0.9]], classes=[0, 1]
    )
    assert len(display.axes_) == len(display.images_) == 0
    assert display.figure_ is None


def test_given_axes_are_used():
    axes = Figure().subplots(1, 4)
    assert list(show(ax=axes, image_kw={"cmap": "viridis"}).axes_) == list(axes)
    assert axes[0].images[0].get_cmap().name == "viridis"


def test_new_figure_has_one_axes_per_image():
    display = show(n_columns=3)
    assert len(display.figure_.axes) == 4


def test_estimator():
    digits, labels = load_digits(return_X_y=True)
    mlp = MLPDigitClassifier(input_scale=1 / 16, max_iter=3, n_iter_no_change=None, random_state=0)
    mlp.fit(digits[:1000], labels[:1000])
    display = DigitGalleryDisplay.from_estimator(mlp, digits[1000:], labels[1000:], n_images=4)
    predicted = mlp.predict(digits[1000:])[display.indices]
    np.testing.assert_array_equal(display.y_pred, predicted)
    assert np.all(display.y_true != predicted)
    assert np.all(np.diff(display.confidence) <= 0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"select": "best"}, "select must be 'mistakes' or 'all', got 'best'"),
        ({"label": 7}, r"label must be one of the classes, got 7. The classes are \[3, 5\]"),
        ({"indices": [6]}, "indices must be one or more integers of at least -6 and less than 6"),
        ({"indices": [0.5]}, "indices must be one or more integers"),
        ({"indices": []}, "indices must be one or more integers"),
        ({"n_images": 0}, "n_images must be an integer of at least 1, got 0"),
        ({"n_columns": True}, "n_columns must be an integer of at least 1, got True"),
        (
            {"ax": Figure().subplots(1, 3)},
            "ax must contain 4 matplotlib axes, one per image, got 3",
        ),
    ],
)
def test_invalid_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        show(**options)


def test_samples_that_are_no_images_are_rejected():
    with pytest.raises(ValueError, match="square number of features"):
        DigitGalleryDisplay.from_predictions(X[:, :5], Y_TRUE, Y_PROBA)
    with pytest.raises(ValueError, match=r"X must have the shape \(n_samples, n_features\)"):
        DigitGalleryDisplay.from_predictions(X[:3], Y_TRUE, Y_PROBA)


# Weights

WEIGHTS = np.array([[1.0, -2, 0, 0], [0, 0, 0.5, 0], [0, 3, 0, -4]])
FITTED = SimpleNamespace(coefs_=[WEIGHTS.T])


def test_units_with_the_largest_weights_come_first():
    display = WeightImageDisplay.from_estimator(FITTED)
    assert display.units.tolist() == [2, 0, 1]
    assert [ax.get_title() for ax in display.axes_] == ["2", "0", "1"]
    np.testing.assert_array_equal(display.images_[0].get_array(), [[0, 3], [0, -4]])


def test_all_units_share_a_symmetric_scale():
    display = WeightImageDisplay.from_estimator(FITTED)
    assert {image.get_clim() for image in display.images_} == {(-4, 4)}
    assert display.colorbar_ is not None


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"n_units": 2}, [2, 0]), ({"units": [1, -1]}, [1, 2]), ({"n_columns": 1}, [2, 0, 1])],
)
def test_selected_units(options, expected):
    assert list(WeightImageDisplay.from_estimator(FITTED, **options).units) == expected


def test_weights_in_given_axes():
    axes = Figure().subplots(1, 2)
    display = WeightImageDisplay.from_estimator(
        FITTED, n_units=2, ax=axes, image_kw={"cmap": "PiYG"}
    )
    assert list(display.axes_) == list(axes)
    assert display.colorbar_ is None
    assert axes[0].images[0].get_cmap().name == "PiYG"


def test_weights_of_zero():
    display = WeightImageDisplay(weights=np.zeros((1, 2, 2)), units=[0]).plot()
    assert display.images_[0].get_clim() == (-1, 1)


@pytest.mark.parametrize(
    ("estimator", "options", "message"),
    [
        (MLPDigitClassifier(), {}, "estimator must be fitted, got MLPDigitClassifier"),
        (FITTED, {"units": [3]}, "units must be one or more integers of at least -3"),
        (FITTED, {"n_units": 0}, "n_units must be an integer of at least 1"),
        (FITTED, {"image_shape": (3, 2)}, "image_shape must have 4 pixels"),
        (FITTED, {"ax": Figure().subplots()}, "ax must contain 3 matplotlib axes, one per unit"),
        (
            SimpleNamespace(coefs_=[WEIGHTS.T], image_features="gradients"),
            {},
            "image_features of the estimator must be None, .* Use skmlp.SaliencyDisplay",
        ),
    ],
)
def test_invalid_arguments_for_weights(estimator, options, message):
    with pytest.raises(ValueError, match=message):
        WeightImageDisplay.from_estimator(estimator, **options)
