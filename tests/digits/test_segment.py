"""Digits on synthetic pages: their positions, order and images, and the recognition of all of them."""

import numpy as np
import pytest
from digits.synthetic_pages import (
    CONDITIONS,
    SINGLE_DIGIT_CONDITIONS,
    FontDigits,
    ImageDigits,
    StrokeDigits,
    compose_page,
    compute_edit_distance,
    render,
)
from PIL import Image

from skmlp import NoDigitError, load_mnist, normalize_digit, segment_digits
from skmlp.recipes import make_recipe

PAGE_CONDITIONS = [name for name in CONDITIONS if name not in SINGLE_DIGIT_CONDITIONS]
SOURCES = {"fonts": FontDigits(), "strokes": StrokeDigits()}
every_source = pytest.mark.parametrize("source", SOURCES)
every_condition = pytest.mark.parametrize("condition", PAGE_CONDITIONS)


def draw_page(positions, shape=(200, 400), side=40):
    """Draw a page with square zeros at positions (left, top)."""
    page = np.full(shape, 220, np.uint8)
    for left, top in positions:
        page[top : top + side, left : left + side] = 30
        page[top + 8 : top + side - 8, left + 8 : left + side - 8] = 220
    return page


def count_found(boxes, found):
    """Return how many boxes nearly equal that of a digit found, within 10 % of the height or 3 pixels."""
    found = np.array([digit.box for digit in found]).reshape(-1, 4)
    tolerance = np.maximum(3, 0.1 * (boxes[:, 3] - boxes[:, 1]))
    difference = np.abs(boxes[:, np.newaxis] - found).max(axis=2)
    return np.count_nonzero((difference <= tolerance[:, np.newaxis]).any(axis=1))


# Positions


@every_condition
@every_source
def test_boxes_of_all_digits_are_found(source, condition):
    rng = np.random.default_rng(1)
    n_digits = n_found = n_boxes = 0
    for severity in (0.2, 0.6):
        canvas = compose_page(SOURCES[source], rng, n_lines=(2, 3))
        found = segment_digits(render(canvas, condition, severity, rng))
        n_digits += len(canvas.labels)
        n_found += len(found)
        n_boxes += count_found(canvas.boxes, found)
    assert n_boxes >= 0.9 * n_digits
    assert n_found <= 1.1 * n_digits


@pytest.mark.parametrize("factor", [1, 2, 5])
def test_boxes_are_in_pixels_of_the_picture(factor):
    page = np.kron(draw_page([(50, 60), (200, 70)]), np.ones((factor, factor), np.uint8))
    boxes = [digit.box for digit in segment_digits(page)]
    expected = factor * np.array([[50, 60, 90, 100], [200, 70, 240, 110]])
    np.testing.assert_allclose(boxes, expected, atol=2 * factor)
    assert boxes[0].left == boxes[0][0]
    assert boxes[0].bottom == boxes[0][3]
    assert all(type(position) is int for position in boxes[0])


# Order


def test_digits_are_in_reading_order():
    positions = [(30, 20), (120, 30), (330, 15), (20, 120), (200, 130)]
    found = segment_digits(draw_page(positions[::-1]))
    assert [digit.line for digit in found] == [0, 0, 0, 1, 1]
    np.testing.assert_allclose([digit.box[:2] for digit in found], positions, atol=2)


@pytest.mark.parametrize("slope", [-0.15, 0.15])
def test_slanted_lines_are_read_along_the_slope(slope):
    lefts = np.arange(20, 560, 60)
    positions = [
        (left, round(120 + 80 * line + slope * left)) for line in range(3) for left in lefts
    ]
    found = segment_digits(draw_page(positions, shape=(460, 620)))
    assert [digit.line for digit in found] == [0] * 9 + [1] * 9 + [2] * 9
    np.testing.assert_allclose([digit.box[:2] for digit in found], positions, atol=2)


# Images


def test_image_is_that_of_the_digit_alone():
    rng = np.random.default_rng(0)
    canvas = compose_page(SOURCES["fonts"], rng, n_lines=(2, 2), n_digits=(4, 4), gap=(0.5, 0.9))
    picture = render(canvas, "plain", 0, rng)
    for digit in segment_digits(picture):
        left, top, right, bottom = digit.box
        alone = normalize_digit(picture[top - 6 : bottom + 6, left - 6 : right + 6])
        assert digit.image.shape == (28, 28)
        assert digit.image.dtype == np.uint8
        # The center of mass may be rounded to the next pixel.
        shifted = [np.roll(alone, shift, axis=1).ravel() for shift in (-1, 0, 1)]
        assert np.corrcoef([digit.image.ravel(), *shifted])[0, 1:].max() > 0.97


def test_light_digits_give_the_same_images_as_dark_ones():
    page = draw_page([(50, 60), (200, 70)])
    for dark, light in zip(segment_digits(page), segment_digits(255 - page), strict=True):
        assert dark.box == light.box
        np.testing.assert_allclose(dark.image, light.image, atol=2)


def test_broken_strokes_are_joined():
    page = np.full((120, 160), 220, np.uint8)
    page[30:36, 30:70] = page[40:90, 30:36] = 30  # the bar of a five, separated from its body
    page[55:61, 30:66] = page[55:90, 60:66] = 30
    page[30:90, 100:106] = 30
    assert [tuple(digit.box) for digit in segment_digits(page)] == [
        pytest.approx((30, 30, 70, 90), abs=1),
        pytest.approx((100, 30, 106, 90), abs=1),
    ]


def test_digits_connected_by_a_stroke_are_split():
    page = draw_page([(50, 60), (100, 60), (220, 60)])
    page[77:82, 90:100] = 30
    boxes = [digit.box for digit in segment_digits(page)]
    np.testing.assert_allclose([box.left for box in boxes], [50, 100, 220], atol=10)


@pytest.mark.parametrize("width", [40, 50])
def test_wide_digits_are_not_split(width):
    page = np.full((120, 240), 220, np.uint8)
    rows, columns = np.mgrid[:120, :240]
    for center in (60, 150):
        radius = np.hypot((columns - center) / (width / 2), (rows - 60) / 22)
        page[(radius < 1) & (radius > 0.7)] = 30
    assert len(segment_digits(page)) == 2


# Pictures without digits, and invalid ones


@pytest.mark.parametrize(
    "picture",
    [
        np.full((100, 150), 230, np.uint8),
        np.zeros((100, 150), np.uint8),
        np.add.outer(np.linspace(0, 1, 90), np.linspace(0, 1, 120)),
        np.random.default_rng(0).normal(0.5, 0.1, (200, 300)),
        np.where(np.arange(200)[:, None] % 30 < 2, 0.5, np.full((200, 300), 0.9)),
    ],
    ids=["white", "black", "gradient", "noise", "ruled"],
)
def test_picture_without_digits_gives_an_empty_list(picture):
    assert segment_digits(picture) == []


def test_invalid_pictures_raise_as_for_normalize_digit(tmp_path):
    with pytest.raises(ValueError, match=r"at least 8 pixels high.*got 4 x 90"):
        segment_digits(np.zeros((4, 90)))
    with pytest.raises(TypeError, match="NumPy array, a Pillow image"):
        segment_digits([[0, 1]])
    with pytest.raises(NoDigitError, match="transparent"):
        segment_digits(np.zeros((60, 60, 4), np.uint8))
    with pytest.raises(FileNotFoundError):
        segment_digits(tmp_path / "missing.png")


def test_files_and_pillow_images_give_the_same_boxes(tmp_path):
    page = draw_page([(50, 60), (200, 70)])
    Image.fromarray(page).save(tmp_path / "page.png")
    expected = [digit.box for digit in segment_digits(page)]
    for picture in (tmp_path / "page.png", Image.fromarray(page), np.dstack([page] * 3)):
        assert [digit.box for digit in segment_digits(picture)] == expected


# Recognition


@pytest.mark.slow
def test_nearly_all_digits_on_pages_are_recognized(mnist_dir):
    X, y = load_mnist(mnist_dir, return_X_y=True)
    model = make_recipe("accurate", random_state=0)
    model[-1].set_params(hidden_layer_sizes=(512, 256), max_iter=10)
    model.fit(X, y)
    X_test, y_test = load_mnist(mnist_dir, subset="test", return_X_y=True)
    rng = np.random.default_rng(0)
    n_digits = n_errors = 0
    for source in (*SOURCES.values(), ImageDigits(X_test.reshape(-1, 28, 28), y_test)):
        for condition in PAGE_CONDITIONS:
            canvas = compose_page(source, rng)
            found = segment_digits(render(canvas, condition, rng.random(), rng))
            predicted = model.predict(np.reshape([digit.image for digit in found], (-1, 784)))
            n_digits += len(canvas.labels)
            n_errors += compute_edit_distance(canvas.labels, predicted.tolist())
    assert n_errors <= 0.03 * n_digits
