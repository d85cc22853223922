"""GradientFeatures, compared with its formula, and its derivatives with finite differences."""

import copy
import math
import pickle
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from skmlp import GradientFeatures

SHAPES = [(8, 8), (28, 28), (5, 9), (12, 7), (1, 1), (1, 6), (4, 1)]
GRIDS = [(9, 9), (2, 3), (1, 1), (4, 1)]
# Angles of the directions, from the axis of columns to that of rows
ANGLES = [math.radians(45 * direction) for direction in range(8)]


def make_images(shape, n_images=3, dtype=float):
    """Return smooth images with blank borders, like digits, and one of random pixels."""
    rng = np.random.default_rng(0)
    images = rng.random((n_images, *shape))
    images[1:] *= images[1:] > 0.6
    return images.astype(dtype)


def compute_sobel(image, row, column):
    """Return the derivatives to the right and down at a pixel."""
    right = down = 0
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            y, x = row + i, column + j
            if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                right += j * (2 - abs(i)) / 4 * image[y, x]
                down += i * (2 - abs(j)) / 4 * image[y, x]
    return right, down


def compute_weight(pixel, point, n_pixels, n_points):
    """Return the Gaussian weight of a pixel of a row for a grid point."""
    distance = n_pixels / n_points
    center = (point + 0.5) * distance - 0.5
    deviation = distance / 2
    z = (pixel - center) / deviation
    return math.exp(-(z**2) / 2) / (deviation * math.sqrt(2 * math.pi))


def compute_features(image, grid):
    """Return the features of an image by the formula in the documentation, pixel by pixel."""
    height, width = image.shape
    features = []
    for angle in ANGLES:
        strengths = np.zeros(image.shape)
        for row in range(height):
            for column in range(width):
                right, down = compute_sobel(image, row, column)
                along = right * math.cos(angle) + down * math.sin(angle)
                across = down * math.cos(angle) - right * math.sin(angle)
                strengths[row, column] = max(0, along - abs(across))
        for grid_row in range(grid[0]):
            for grid_column in range(grid[1]):
                average = 0
                for row in range(height):
                    for column in range(width):
                        weight = compute_weight(row, grid_row, height, grid[0])
                        weight *= compute_weight(column, grid_column, width, grid[1])
                        average += weight * strengths[row, column]
                features.append(math.sqrt(average + 1e-4) - math.sqrt(1e-4))
    return features


# Features


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != (28, 28)])
def test_features_are_those_of_the_formula(shape, grid):
    images = make_images(shape)
    expected = [compute_features(image, grid) for image in images]
    features = GradientFeatures(grid, include_pixels=False)(images)
    np.testing.assert_allclose(features, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("grid", GRIDS)
def test_pixels_follow_the_strengths(shape, grid):
    images = make_images(shape)
    with_pixels = GradientFeatures(grid, include_pixels=True)(images)
    strengths = GradientFeatures(grid, include_pixels=False)(images)
    assert strengths.shape == (3, 8 * grid[0] * grid[1])
    np.testing.assert_array_equal(with_pixels, np.hstack([strengths, images.reshape(3, -1)]))


@pytest.mark.parametrize("include_pixels", [False, True])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_number_of_features(shape, grid, include_pixels):
    gradients = GradientFeatures(grid, include_pixels)
    assert gradients.count_features(shape) == gradients(make_images(shape)).shape[1]


@pytest.mark.parametrize("grid", [(9, 9), (64, 1)])
def test_no_intermediate_value_is_subnormal(grid):
    images = np.zeros((1, 28, 28), np.float32)
    images[0, 0, 0] = 1
    with np.errstate(under="raise"):
        GradientFeatures(grid, include_pixels=True)(images)


def test_default_features_of_mnist():
    assert GradientFeatures().count_features((28, 28)) == 8 * 81


@pytest.mark.parametrize(
    ("direction", "axis", "sign"), [(0, 2, 1), (2, 1, 1), (4, 2, -1), (6, 1, -1)]
)
def test_intensity_that_increases_along_an_axis_has_one_direction(direction, axis, sign):
    ramp = np.linspace(0.5 - 0.25 * sign, 0.5 + 0.25 * sign, 20)
    image = np.broadcast_to(ramp[:, np.newaxis] if axis == 1 else ramp, (1, 20, 20))
    # The points at the borders see the edge of the image, which is dark outside.
    features = GradientFeatures((5, 5), include_pixels=False)(image)
    inner = features.reshape(8, 5, 5)[:, 2, 2]
    assert inner.argmax() == direction
    assert inner[direction] > 10 * np.delete(inner, direction).max()


def test_diagonal_intensity_has_a_diagonal_direction():
    rows, columns = np.indices((20, 20)) / 40
    features = GradientFeatures((5, 5), include_pixels=False)((rows + columns)[np.newaxis])
    assert features.reshape(8, 5, 5)[:, 2, 2].argmax() == 1
    features = GradientFeatures((5, 5), include_pixels=False)((rows - columns + 0.5)[np.newaxis])
    assert features.reshape(8, 5, 5)[:, 2, 2].argmax() == 3


@pytest.mark.parametrize("grid", [(9, 9), (2, 3), (4, 1)])
@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (28, 28)])
def test_rotated_images_have_the_features_of_rotated_directions(shape, grid):
    images = make_images(shape)
    features = GradientFeatures(grid, include_pixels=False)(images).reshape(-1, 8, *grid)
    # Counterclockwise: what points to the right points up.
    rotated = GradientFeatures(grid[::-1], include_pixels=False)(np.rot90(images, axes=(1, 2)))
    expected = np.roll(np.rot90(features, axes=(2, 3)), -2, axis=1)
    np.testing.assert_allclose(rotated.reshape(expected.shape), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("axis", [1, 2])
def test_mirrored_images_have_the_features_of_mirrored_directions(axis):
    images = make_images((5, 9))
    gradients = GradientFeatures((2, 3), include_pixels=False)
    features = gradients(images).reshape(-1, 8, 2, 3)
    directions = [0, 7, 6, 5, 4, 3, 2, 1] if axis == 1 else [4, 3, 2, 1, 0, 7, 6, 5]
    expected = np.flip(features[:, directions], axis + 1)
    mirrored = gradients(np.flip(images, axis)).reshape(expected.shape)
    np.testing.assert_allclose(mirrored, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_features_of_blank_images_are_zero(shape, dtype):
    assert not GradientFeatures()(np.zeros((2, *shape), dtype)).any()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.float64, np.float64),
        (np.float32, np.float32),
        (np.float16, np.float32),
        (np.uint8, np.float32),
        (bool, np.float32),
    ],
)
def test_dtype_of_the_features(dtype, expected):
    images = np.rint(3 * make_images((6, 7))).astype(dtype)
    gradients = GradientFeatures((3, 3), include_pixels=True)
    features = gradients(images)
    assert features.dtype == expected
    reference = gradients(images.astype(float))
    np.testing.assert_allclose(features, reference, rtol=1e-4, atol=1e-6)
    derivatives = gradients.backpropagate(images, np.ones_like(reference))
    assert derivatives.dtype == expected


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
@pytest.mark.parametrize("n_images", [1, 2])
def test_images_without_pixels_have_no_gradient(n_images, shape):
    features = GradientFeatures((2, 2))(np.zeros((n_images, *shape)))
    np.testing.assert_array_equal(features, np.zeros((n_images, 32)))


def test_threads_do_not_share_arrays():
    gradients, sets = GradientFeatures(), [make_images((28, 28), n) for n in range(20, 60)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(gradients, sets))
    for features, images in zip(found, sets, strict=True):
        np.testing.assert_array_equal(features, gradients(images))


def test_images_can_be_lists():
    images = make_images((4, 4))
    np.testing.assert_array_equal(GradientFeatures()(images.tolist()), GradientFeatures()(images))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_images", [0, 1, 31, 32, 33, 64, 200])
def test_features_do_not_depend_on_the_other_images(n_images, dtype):
    images = make_images((28, 28), n_images, dtype)
    gradients = GradientFeatures((3, 4), include_pixels=True)
    features = gradients(images)
    assert features.shape == (n_images, 8 * 12 + 784)
    ones = np.ones_like(features)
    derivatives = gradients.backpropagate(images, ones)
    assert derivatives.shape == images.shape
    for i in range(0, n_images, 31):
        np.testing.assert_allclose(features[[i]], gradients(images[[i]]), rtol=1e-5, atol=1e-6)
        single = gradients.backpropagate(images[[i]], ones[[i]])
        np.testing.assert_allclose(derivatives[[i]], single, rtol=1e-3, atol=1e-4)


def test_images_are_not_changed():
    images = make_images((6, 6))
    before = images.copy()
    gradients = GradientFeatures()
    derivatives = np.ones_like(gradients(images))
    gradients.backpropagate(images, derivatives)
    np.testing.assert_array_equal(images, before)
    assert (derivatives == 1).all()
    gradients(images)[:] = 0
    np.testing.assert_array_equal(images, before)


# Derivatives


@pytest.mark.parametrize("include_pixels", [False, True])
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != (28, 28)])
def test_derivatives_are_those_of_finite_differences(shape, grid, include_pixels):
    # The features have kinks where a component is zero, which is nowhere the case for random pixels.
    rng = np.random.default_rng(1)
    images = rng.random((2, *shape))
    gradients = GradientFeatures(grid, include_pixels)
    derivatives = rng.normal(size=gradients(images).shape)
    expected = np.empty_like(images)
    for index in np.ndindex(*shape):
        step = np.zeros(shape)
        step[index] = 1e-6
        change = gradients(images + step) - gradients(images - step)
        expected[(slice(None), *index)] = (change * derivatives).sum(axis=1) / 2e-6
    result = gradients.backpropagate(images, derivatives)
    np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_derivatives_of_blank_images_are_finite():
    images = np.zeros((2, 5, 5))
    gradients = GradientFeatures((2, 2), include_pixels=True)
    result = gradients.backpropagate(images, np.ones_like(gradients(images)))
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(result, 1)  # of the pixels


def test_float32_derivatives_are_close_to_those_in_float64():
    images = make_images((12, 10))
    gradients = GradientFeatures((3, 3), include_pixels=True)
    derivatives = np.random.default_rng(1).normal(size=gradients(images).shape)
    expected = gradients.backpropagate(images, derivatives)
    result = gradients.backpropagate(images.astype(np.float32), derivatives)
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-3)


# Parameters


def test_grids_are_equal_whatever_their_type():
    expected = GradientFeatures((3, 4), include_pixels=True)
    for grid in ([3, 4], np.array([3, 4]), (np.int64(3), np.uint8(4))):
        gradients = GradientFeatures(grid, include_pixels=True)
        assert gradients == expected
        assert hash(gradients) == hash(expected)
        assert repr(gradients) == repr(expected)
    assert GradientFeatures((4, 3), include_pixels=True) != expected
    assert GradientFeatures((3, 4), include_pixels=False) != expected


@pytest.mark.parametrize(
    "duplicate", [copy.copy, copy.deepcopy, lambda gradients: pickle.loads(pickle.dumps(gradients))]
)
def test_copies_are_equal(duplicate):
    gradients = GradientFeatures((2, 5), include_pixels=False)
    assert duplicate(gradients) == gradients


def test_parameters_cannot_be_changed():
    for field in fields(GradientFeatures):
        with pytest.raises(FrozenInstanceError):
            setattr(GradientFeatures(), field.name, None)


@pytest.mark.parametrize(
    "grid",
    [(0, 3), (3, -1), (65, 1), (1, 65), (3,), (3, 3, 3), 3, None, "33", (2.0, 2), (True, True)],
    ids=str,
)
def test_invalid_grids(grid):
    message = r"^GradientFeatures: grid must be two integers from 1 to 64, \(rows, columns\), got "
    with pytest.raises(ValueError, match=message):
        GradientFeatures(grid, include_pixels=True)


@pytest.mark.parametrize("include_pixels", [None, 1, "yes", [True]])
def test_invalid_include_pixels(include_pixels):
    message = f"include_pixels must be True or False, got {include_pixels!r}."
    with pytest.raises(TypeError, match=re.escape(message)):
        GradientFeatures(include_pixels=include_pixels)


def test_numpy_booleans_are_converted():
    assert GradientFeatures(include_pixels=np.True_).include_pixels is True


@pytest.mark.parametrize("dtype", [complex, str, object])
def test_images_must_be_real(dtype):
    with pytest.raises(TypeError, match=r"^images must contain real numbers, got the dtype"):
        GradientFeatures()(np.zeros((1, 4, 4), dtype))


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float16, np.longdouble, bool])
def test_features_of_other_dtypes_are_float32(dtype):
    images = np.random.default_rng(0).integers(0, 2, (2, 6, 5))
    features = GradientFeatures((2, 3))(images.astype(dtype))
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, GradientFeatures((2, 3))(images.astype(np.float32)))


@pytest.mark.parametrize("shape", [(4,), (4, 4), (1, 4, 4, 1)])
def test_images_must_have_three_dimensions(shape):
    gradients, images = GradientFeatures(), np.zeros(shape)
    for call in (lambda: gradients(images), lambda: gradients.backpropagate(images, images)):
        with pytest.raises(ValueError, match=r"^images must have the shape"):
            call()


@pytest.mark.parametrize("shape", [(2, 8), (1, 72), (2, 73), (72,), (2, 72, 1)])
def test_there_must_be_a_derivative_of_each_feature(shape):
    gradients = GradientFeatures((3, 3), include_pixels=False)
    with pytest.raises(ValueError, match=r"^derivatives must have the shape \(2, 72\), got"):
        gradients.backpropagate(np.zeros((2, 4, 4)), np.zeros(shape))
