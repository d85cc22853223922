"""The JavaScript port of `normalize_digit`, compared with Python."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, product

import numpy as np
import pytest
from digits.crops import (
    ZEROS_WITH_PALE_SIDES,
    draw_bar_with_gray_edges,
    draw_bar_with_little_background,
    draw_four,
    enlarge_bundled_digit,
)
from export.node import run_node
from export.strokes import draw_digit, render_drawing
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits

from skmlp import NoDigitError, load_mnist, normalize_digit
from skmlp.recipes import RECIPES

# Normalizes every picture, and prints a list of pixels or of the name and message of an error as JSON.
SCRIPT = """
import { readFileSync } from "node:fs";
import { normalize } from "./normalize.js";

const shapes = JSON.parse(readFileSync("shapes.json", "utf8"));
const pixels = readFileSync("pixels.bin");
let offset = 0;
const results = shapes.map(([height, width]) => {
  const data = new Uint8ClampedArray(pixels.subarray(offset, offset + 4 * height * width));
  offset += data.length;
  try {
    return [...normalize({ data, height, width })];
  } catch (error) {
    return [error.name, error.message];
  }
});
process.stdout.write(JSON.stringify(results));
"""
CANVASES = {
    "white": {},
    "black": {"ink": (255, 255, 255, 255), "background": (0, 0, 0, 255)},
    "transparent": {"background": (0, 0, 0, 0)},
    "color on transparent": {"ink": (30, 60, 160, 255), "background": (0, 0, 0, 0)},
    "gray": {"ink": (90, 90, 90, 255), "background": (205, 215, 220, 255)},
}
SIZES = (84, 84, 84, 140, 280)


def normalize_in_node(pictures):
    """Normalize RGBA pictures by the JavaScript modules, and return images, or names and messages of errors."""
    files = {
        "shapes.json": json.dumps([picture.shape[:2] for picture in pictures]).encode(),
        "pixels.bin": b"".join(picture.tobytes() for picture in pictures),
    }
    results = json.loads(run_node(SCRIPT, input_files=files, timeout=300))
    return [np.array(result) if len(result) == 784 else tuple(result) for result in results]


def normalize_in_python(picture):
    """Return an image, or the name and message of the error."""
    try:
        return normalize_digit(picture).ravel().astype(int)
    except NoDigitError as error:
        return "NoDigitError", str(error)
    except ValueError as error:
        return "Error", str(error)


def normalize_in_both(pictures):
    """Return the results of JavaScript and Python."""
    with ThreadPoolExecutor() as executor:
        future = executor.submit(normalize_in_node, pictures)
        expected = [normalize_in_python(picture) for picture in pictures]
    return future.result(), expected


def assert_same_images(pictures):
    """Assert that the images of JavaScript and Python differ by at most 1, and return both."""
    actual, expected = normalize_in_both(pictures)
    assert [len(result) for result in actual] == [784] * len(pictures)
    difference = np.abs(np.array(actual) - np.array(expected)).max(axis=1)
    assert difference.max() <= 1, {i: int(difference[i]) for i in np.flatnonzero(difference > 1)}
    return np.array(actual), np.array(expected)


def to_rgba(gray):
    """Convert brightness from 0 to 1 to an opaque picture."""
    values = np.rint(255 * np.clip(gray, 0, 1)).astype(np.uint8)
    return np.dstack([values] * 3 + [np.full_like(values, 255)])


# Drawings


@pytest.fixture(scope="module", params=[100, pytest.param(1000, marks=pytest.mark.slow)])
def drawings(request):
    """Return the labels of random drawings, and their images by JavaScript and Python."""
    rng = np.random.default_rng(0)
    labels = np.arange(request.param) % 10
    pictures = [
        render_drawing(draw_digit(label, rng), rng.choice(SIZES), **colors)
        for label, colors in zip(labels, cycle(CANVASES.values()), strict=False)
    ]
    return labels, *assert_same_images(pictures)


def test_drawings_give_the_same_images(drawings):
    _, images, expected = drawings
    assert np.mean(images == expected) > 0.9999


def test_drawings_get_the_same_labels(drawings, mnist_classifier):
    labels, images, expected = drawings
    predicted = mnist_classifier.predict(images)
    assert np.mean(predicted == mnist_classifier.predict(expected)) > 0.995
    assert np.mean(predicted == labels) > 0.95


@pytest.fixture(scope="module")
def mnist_classifier(mnist_dir):
    X, y = load_mnist(mnist_dir, return_X_y=True)
    return RECIPES["fast"].make_classifier(0).set_params(max_iter=2).fit(X[:20000], y[:20000])


# Photos


def light_with_a_gradient(gray, rng):
    rows, columns = np.mgrid[-1 : 1 : gray.shape[0] * 1j, -1 : 1 : gray.shape[1] * 1j]
    return gray * (0.75 + 0.25 * (rng.uniform(-1, 1) * rows + rng.uniform(-1, 1) * columns))


def light_with_a_lamp(gray, rng):
    rows, columns = np.mgrid[-1 : 1 : gray.shape[0] * 1j, -1 : 1 : gray.shape[1] * 1j]
    y, x = rng.uniform(-0.5, 0.5, 2)
    return gray * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 6)


def add_noise(gray, rng):
    return gray + rng.normal(0, rng.choice([0.02, 0.08]), gray.shape)


def rule_lines(gray, rng):
    lines = slice(rng.integers(20), None, 20)
    gray[lines] = np.minimum(gray[lines], 0.65)
    return gray


def rule_grid(gray, rng):
    return rule_lines(rule_lines(gray, rng).T, rng).T


def crop_to_ink(gray, rng):
    rows, columns = (np.flatnonzero((gray < 0.5).any(axis=axis)) for axis in (1, 0))
    return gray[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def crop_with_noise(gray, rng):
    return add_noise(crop_to_ink(gray, rng), rng)


def crop_with_a_gradient(gray, rng):
    crop = crop_to_ink(gray, rng)
    return crop * np.linspace(1, 0.85, crop.shape[1])


def resize(gray, size):
    return np.asarray(
        Image.fromarray(gray.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    )


def enlarge(gray, rng):
    return add_noise(resize(gray, rng.integers(450, 700, 2)), rng)


def reduce(gray, rng):
    return resize(gray, (28, 28))


def reduce_crop(gray, rng):
    crop = crop_to_ink(gray, rng)
    height = rng.integers(16, 40)
    return resize(crop, (max(2, height * crop.shape[1] // crop.shape[0]), height))


def enlarge_small_crop(gray, rng):
    crop = crop_to_ink(gray, rng)
    small = resize(crop, (max(2, 9 * crop.shape[1] // crop.shape[0]), 9))
    return resize(small, (8 * small.shape[1], 72))


def reduce_to_few_pixels(gray, rng):
    return resize(gray, rng.integers(8, 24, 2))


def show_pixels(gray, rng):
    side = rng.integers(2, 20)
    enlarged = np.kron(reduce_to_few_pixels(gray, rng), np.ones((side, side)))
    return enlarged[rng.integers(side) :, rng.integers(side) :]


def thicken(gray, rng):
    return ndimage.grey_erosion(gray, 2 * rng.integers(2, 8) + 1)


def interrupt(gray, rng):
    for lines in rng.integers(gray.shape[0], size=(2, 12)):
        for start in lines:
            gray[start : start + 2] = gray.max()
        gray = gray.T
    return gray


def blur(gray, rng):
    return ndimage.gaussian_filter(gray, 2) * 0.4 + 0.3


# The page normalizes drawings only. The port does not remove shadows, tables, blots and frames.
EFFECTS = [
    *(
        light_with_a_gradient,
        light_with_a_lamp,
        add_noise,
        rule_lines,
        rule_grid,
        enlarge,
        reduce,
    ),
    *(blur, crop_to_ink, crop_with_noise, crop_with_a_gradient, reduce_crop),
    *(enlarge_small_crop, thicken, interrupt, reduce_to_few_pixels, show_pixels),
]


def test_photos_give_the_same_images():
    rng = np.random.default_rng(1)
    pictures = []
    for effect, digit in product(EFFECTS, range(10)):
        width = rng.choice([150, 180])
        drawing = render_drawing(draw_digit(digit, rng), 180)[:, :width, 0]
        gray = effect(0.1 + 0.8 * drawing / 255, rng)
        pictures.append(to_rgba(1 - gray if rng.random() < 0.5 else gray))
    assert_same_images(pictures)


def test_narrow_crops_give_the_same_images():
    pictures = []
    for width, ink, factor in product([2, 3, 6], [0, 1], [1, 3, 15]):
        crop = np.full((20, width), ink)
        crop[:10, -1] = crop[10:, 0] = 1 - ink
        pictures.append(to_rgba(np.kron(crop, np.ones((factor, factor)))))
    assert_same_images(pictures)


def test_crops_with_little_background_or_pale_strokes_give_the_same_images():
    crops = [draw_bar_with_little_background(sigma) for sigma in (1, 2, 3)]
    crops.append(draw_bar_with_gray_edges())
    crops.extend(map(enlarge_bundled_digit, ZEROS_WITH_PALE_SIDES))
    assert_same_images([to_rgba(picture) for crop in crops for picture in (crop, 1 - crop)])


def test_pictures_at_the_limits_of_low_resolution_give_the_same_images():
    pictures = [np.kron(draw_four(height) / 255, np.ones((2, 2))) for height in (31, 64, 65)]
    digit = load_digits().images[3] / 16
    for n_pixels in (64, 65, 66):
        pictures.append(np.kron(resize(digit, (n_pixels, n_pixels)), np.ones((2, 2))))
    for shape in ((8, 19), (19, 8), (20, 12), (20, 20)):
        pictures.append(resize(digit, shape))
    assert_same_images([to_rgba(picture) for picture in pictures])


def test_strokes_of_the_same_area_give_the_same_images():
    bar, square = (100, 12), (40, 40)
    pairs = {
        "beside each other": (bar, (60, 60), (60, 180)),
        "at a diagonal": (bar, (60, 160), (140, 60)),
        "at the other diagonal": (bar, (60, 60), (140, 160)),
        "near squares": (square, (110, 60), (110, 102)),
    }
    pictures = []
    for (height, width), *corners in pairs.values():
        page = np.ones((260, 260))
        for top, left in corners:
            page[top : top + height, left : left + width] = 0
        pictures += [to_rgba(page), to_rgba(1 - page)]
    for image in assert_same_images(pictures)[1]:
        _, n_strokes = ndimage.label(image.reshape(28, 28) > 100)
        assert n_strokes == 2


# Errors


def test_errors_are_the_same():
    rng = np.random.default_rng(0)
    pictures = {
        "white": np.full((100, 100, 4), 255),
        "black": np.full((100, 100, 4), (0, 0, 0, 255)),
        "transparent": np.zeros((100, 100, 4)),
        "pale": np.full((40, 60, 4), (250, 240, 230, 200)),
        "gradient": to_rgba(np.add.outer(np.linspace(0, 0.5, 90), np.linspace(0, 0.5, 120))),
        "noise": to_rgba(rng.normal(0.5, 0.1, (150, 150))),
        "small noise": to_rgba(rng.random((28, 28))),
        "black and white noise": to_rgba(rng.random((60, 40)) < 0.5),
        "too low": np.zeros((7, 28, 4)),
        "too narrow": np.zeros((28, 1, 4)),
        "too long": np.zeros((10, 400, 4)),
    }
    pictures = {name: picture.astype(np.uint8) for name, picture in pictures.items()}
    actual, expected = normalize_in_both(pictures.values())
    assert dict(zip(pictures, actual, strict=True)) == dict(zip(pictures, expected, strict=True))
    assert Counter(name for name, _ in actual) == {"NoDigitError": 8, "Error": 3}


def test_too_large_picture_raises_the_same_error():
    script = """
    import { normalize } from "./normalize.js";
    try {
      normalize({ data: new Uint8ClampedArray(4), height: 100_000, width: 100_000 });
    } catch (error) {
      process.stdout.write(error.message);
    }
    """
    picture = np.lib.stride_tricks.as_strided(np.zeros(1, np.uint8), (10**5, 10**5, 4), (0, 0, 0))
    assert run_node(script).decode() == normalize_in_python(picture)[1]


# Medians, on which the separation of ink and background is based


def test_medians_are_those_of_numpy():
    rng = np.random.default_rng(0)
    arrays = [
        rng.normal(size=size) if index % 2 else rng.integers(0, 4, size).astype(float)
        for index, size in enumerate([1, 1, 2, 2, 3, 3, *rng.integers(4, 60, 200)])
    ]
    script = """
    import { readFileSync } from "node:fs";
    import { computeMedian } from "./image_filters.js";

    const arrays = JSON.parse(readFileSync("arrays.json"));
    const medians = arrays.map((values) => computeMedian(Float64Array.from(values)));
    process.stdout.write(JSON.stringify(medians));
    """
    content = json.dumps([array.tolist() for array in arrays]).encode()
    medians = json.loads(run_node(script, input_files={"arrays.json": content}))
    np.testing.assert_array_equal(medians, [np.median(array) for array in arrays])
