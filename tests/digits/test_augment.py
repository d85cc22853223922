"""Augmentation steps, compared with SciPy and with explicit formulas."""

import dataclasses
import math
import pickle
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates, shift

import skmlp.augment
from skmlp import Deslant
from skmlp.augment import (
    Affine,
    Annealed,
    Brightness,
    Compose,
    Contrast,
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
from skmlp.digits.displacements import draw_smooth_noise
from skmlp.digits.distortion import PIXELS_PER_BLOCK, Distortion
from skmlp.digits.resample import make_identity_coordinates, resample

SHAPES = [(28, 28), (8, 8), (9, 20), (1, 5)]
IMAGES_PER_BLOCK = PIXELS_PER_BLOCK // 28**2  # for MNIST
DISTORTIONS = [
    Shift(2),
    Affine(),
    Elastic(2, 10),
    StrokeWidth(),
    Compose([Shift(1), Elastic(3, 20)]),
    DigitDistortions(),
    DigitDistortions(0.5),
    Noise(probability=1),
    Patches(0.5, probability=1),
    InvertedMargins(probability=1),
    Contrast(),
    Brightness(probability=1),
    Outline(probability=1),
    Annealed(Affine()),
    Compose([Annealed(Shift(1)), Noise(probability=1)]),
]
STEPS = [*DISTORTIONS, Upright(), Compose([Affine(), Upright(0.5)])]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_step = pytest.mark.parametrize("step", STEPS, ids=repr)
every_distortion = pytest.mark.parametrize("step", DISTORTIONS, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def make_random_images(shape, n_images=5, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).random((n_images, *shape)).astype(dtype)


class ConstantGenerator:
    """Generator that always returns the same number in [0, 1)."""

    def __init__(self, number):
        self.number = number

    def random(self, size, dtype):
        return np.full(size, self.number, dtype)


MAXIMUM = ConstantGenerator(np.nextafter(np.float32(1), np.float32(0)))
MINIMUM = ConstantGenerator(0.0)


# Resampling


@every_shape
@every_dtype
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_resample_matches_the_linear_interpolation_of_scipy(shape, dtype, fill):
    images = make_random_images(shape, dtype=dtype)
    coordinates = np.random.default_rng(1).uniform(-4, max(shape) + 4, (2, 5, 6, 7))
    coordinates = coordinates.astype(np.float32)
    expected = [
        map_coordinates(image, points, order=1, mode="grid-constant", cval=fill)
        for image, points in zip(images.astype(float), coordinates.swapaxes(0, 1), strict=True)
    ]
    resampled = resample(images, coordinates, fill)
    assert resampled.dtype == dtype
    np.testing.assert_allclose(resampled, expected, atol=3e-6)


@every_shape
def test_resampling_at_identity_coordinates_returns_the_images(shape):
    images = make_random_images(shape)
    np.testing.assert_array_equal(resample(images, make_identity_coordinates(5, *shape)), images)


# Steps


@every_shape
@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize(("rng", "pixels"), [(MAXIMUM, 1.5), (MINIMUM, -1.5)])
def test_shift_matches_scipy(shape, fill, rng, pixels):
    images = make_random_images(shape)
    expected = [shift(image, -pixels, order=1, mode="grid-constant", cval=fill) for image in images]
    np.testing.assert_allclose(Shift(1.5, fill)(images, rng), expected, atol=1e-5)


@every_shape
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("parameters", "matrix"),
    [
        ({"rotation": 30}, lambda sign: make_rotation_matrix(sign * 30)),
        ({"shear": 0.4}, lambda sign: np.array([[1, 0], [sign * 0.4, 1]])),
        ({"scale": 0.25}, lambda sign: np.eye(2) / (1 + sign * 0.25)),
        (
            {"rotation": 30, "shear": 0.4, "scale": 0.25},
            lambda sign: (
                make_rotation_matrix(sign * 30)
                @ np.array([[1, 0], [sign * 0.4, 1]])
                / (1 + sign * 0.25)
            ),
        ),
    ],
    ids=["rotation", "shear", "scale", "all"],
)
def test_affine_matches_scipy(shape, sign, parameters, matrix):
    images = make_random_images(shape)
    step = Affine(**{"rotation": 0, "scale": 0, "shear": 0} | parameters)
    center = (np.array(shape) - 1) / 2
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).reshape(2, -1)
    points = matrix(sign) @ (grid - center[:, None]) + center[:, None]
    expected = [
        map_coordinates(image, points, order=1, mode="grid-constant").reshape(shape)
        for image in images
    ]
    distorted = step(images, MAXIMUM if sign == 1 else MINIMUM)
    np.testing.assert_allclose(distorted, expected, atol=2e-5)


def make_rotation_matrix(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.mark.parametrize("shape", [*SHAPES, (90, 120)], ids=str)
@pytest.mark.parametrize("sigma", [0.0, 1.0, 4.0])
def test_smooth_noise_matches_the_gaussian_filter_of_scipy(shape, sigma):
    class RecordingGenerator:
        def integers(self, high, size, dtype):
            self.words = np.random.default_rng(0).integers(high, size=size, dtype=dtype)
            return self.words

    rng = RecordingGenerator()
    smooth = draw_smooth_noise(rng, (2, 3, *shape), sigma, alpha=30.0)
    noise = (rng.words.view(np.int8)[: 6 * math.prod(shape)] + 0.5) / 127.5
    assert (abs(noise.min()), noise.max()) == pytest.approx((1, 1), abs=0.2)
    fields = noise.reshape(2, 3, *shape)
    expected = 30 * gaussian_filter(fields, (0, 0, sigma, sigma), mode="constant")
    np.testing.assert_allclose(smooth, expected, atol=2e-4)


def test_default_displacements_have_the_documented_standard_deviation():
    fields = draw_smooth_noise(np.random.default_rng(0), (2, 500, 28, 28), 4.0, 30.0)
    assert fields.std() == pytest.approx(1.2, abs=0.1)


INK_LEVELS = [0.0, 0.1, 0.3, 0.5, 0.9, 1.0]


@every_dtype
@pytest.mark.parametrize(
    ("background", "contrast"), [(0.0, 1.0), (0.0, 255.0), (1.0, -1.0), (255.0, -200.0)]
)
@pytest.mark.parametrize(
    ("rng", "expected"),
    [
        # threshold 0 and gain 1
        (MINIMUM, INK_LEVELS),
        # 3 * (ink - 0.2), clipped to [0, 1]
        (MAXIMUM, [0, 0, 0.3, 0.9, 1, 1]),
    ],
)
def test_stroke_width_subtracts_the_threshold_and_applies_the_gain(
    dtype, background, contrast, rng, expected
):
    images = np.array([[INK_LEVELS]], dtype) * contrast + background
    distorted = StrokeWidth(gain=3, threshold=0.2, fill=background)(images, rng)
    np.testing.assert_allclose((distorted - background) / contrast, [[expected]], atol=2e-6)


def test_stroke_width_does_not_change_blank_images():
    blank = np.full((2, 5, 5), 0.25)
    np.testing.assert_array_equal(StrokeWidth(fill=0.25)(blank, np.random.default_rng(0)), blank)
    np.testing.assert_array_equal(StrokeWidth()(0 * blank, np.random.default_rng(0)), 0 * blank)


def test_stroke_width_makes_strokes_thinner_or_thicker():
    profile = np.clip(1.5 - np.abs(np.linspace(-3, 3, 41)), 0, 1).reshape(1, 1, -1)
    distorted = StrokeWidth()(np.repeat(profile, 200, axis=0), np.random.default_rng(0))
    sums = distorted.sum(axis=(1, 2)) / profile.sum()
    assert sums.min() < 0.85
    assert sums.max() > 1.15
    assert np.mean(sums) == pytest.approx(1, abs=0.15)


BACKGROUNDS = [(0.0, 1.0), (0.0, 255.0), (1.0, -1.0), (255.0, -200.0)]
every_background = pytest.mark.parametrize(("background", "contrast"), BACKGROUNDS)


@every_background
@pytest.mark.parametrize(("rng", "factor"), [(MINIMUM, 1.0), (MAXIMUM, 0.4)])
def test_contrast_multiplies_the_ink_by_a_factor(background, contrast, rng, factor):
    images = np.array([[INK_LEVELS]]) * contrast + background
    changed = Contrast(0.6, fill=background)(images, rng)
    expected = np.multiply(INK_LEVELS, factor)
    np.testing.assert_allclose((changed - background) / contrast, [[expected]], atol=1e-6)


@every_background
@pytest.mark.parametrize(("rng", "offset"), [(MINIMUM, 0.0), (MAXIMUM, 0.3)])
def test_brightness_adds_an_offset_to_the_ink(background, contrast, rng, offset):
    images = np.array([[INK_LEVELS]]) * contrast + background
    changed = Brightness(0.3, probability=1, fill=background)(images, rng)
    expected = np.minimum(np.add(INK_LEVELS, offset), 1)
    np.testing.assert_allclose((changed - background) / contrast, [[expected]], atol=1e-6)


@every_background
@pytest.mark.parametrize(("rng", "gain"), [(MINIMUM, 0.5), (MAXIMUM, 1.5)])
def test_outline_is_the_magnitude_of_the_gradient(background, contrast, rng, gain):
    images = make_random_images((7, 9))
    images[:, 3, 3] = 1
    expected = np.empty_like(images)
    for image, out in zip(np.pad(images, ((0, 0), (1, 1), (1, 1))), expected, strict=True):
        for i, j in np.ndindex(7, 9):
            down = image[i + 2, j + 1] - image[i, j + 1]
            right = image[i + 1, j + 2] - image[i + 1, j]
            out[i, j] = min(gain * math.sqrt(down**2 + right**2), 1)
    changed = Outline(1, fill=background)(images * contrast + background, rng)
    np.testing.assert_allclose((changed - background) / contrast, expected, atol=1e-5)


def make_stripes(levels, n_images=2000):
    """Return images with one row of 64 pixels for each level."""
    rows = np.repeat(np.asarray(levels, float)[:, np.newaxis], 64, axis=1)
    return np.repeat(rows[np.newaxis], n_images, axis=0)


@every_background
@pytest.mark.parametrize(
    ("noise", "deviations"),
    [
        # The mean square of a uniform strength from 0 to s is s^2 / 3.
        (Noise(gaussian=0.1, shot=0, impulse=0, probability=1), [0.1, 0.1]),
        (Noise(gaussian=0, shot=0.1, impulse=0, probability=1), [0.1 * 0.5, 0.1 * 0.6]),
        (Noise(gaussian=0.06, shot=0.1, impulse=0, probability=1), [0.0781, 0.0849]),
    ],
    ids=["gaussian", "shot", "both"],
)
def test_noise_has_the_standard_deviation_of_its_kind(background, contrast, noise, deviations):
    # Levels far from 0 and 1 are not clipped. The last level sets the contrast.
    images = make_stripes([0.25, 0.36, 1]) * contrast + background
    step = dataclasses.replace(noise, fill=background)
    noisy = step(images, np.random.default_rng(0))
    errors = ((noisy - images) / contrast)[:, :2]
    np.testing.assert_allclose(errors.mean(axis=(0, 2)), 0, atol=2e-3)
    expected = np.array(deviations) / math.sqrt(3)
    np.testing.assert_allclose(errors.std(axis=(0, 2)), expected, rtol=0.05)


@every_background
def test_impulse_noise_replaces_pixels_by_ink_and_background(background, contrast):
    images = make_stripes([0.25, 0.75]) * contrast + background
    images[:, 0, 0] = background + contrast
    noise = Noise(gaussian=0, shot=0, impulse=0.4, probability=1, fill=background)
    ink = (noise(images, np.random.default_rng(0)) - background) / contrast
    ink = ink[:, :, 1:]
    # The mean fraction is half of the maximum, half of it ink.
    assert np.mean(np.isclose(ink, 1)) == pytest.approx(0.1, abs=0.005)
    assert np.mean(np.isclose(ink, 0)) == pytest.approx(0.1, abs=0.005)
    is_impulse = np.isclose(ink, 0) | np.isclose(ink, 1)
    np.testing.assert_allclose(ink[:, 0][~is_impulse[:, 0]], 0.25, atol=1e-6)
    fractions = is_impulse.mean(axis=(1, 2))
    assert fractions.max() < 0.6
    assert fractions.std() > 0.1  # that of a uniform distribution from 0 to 0.4 is 0.115


@pytest.mark.parametrize("probability", [0, 0.25, 1])
@pytest.mark.parametrize(
    "step", [Noise(), Patches(0.9), InvertedMargins(), Brightness(), Outline()], ids=repr
)
def test_a_fraction_of_the_images_is_changed(step, probability):
    images = np.repeat(make_random_images((32, 32), 1), 2000, axis=0)
    changed = dataclasses.replace(step, probability=probability)(images, np.random.default_rng(0))
    fraction = np.mean((changed != images).any(axis=(1, 2)))
    assert fraction == pytest.approx(probability, abs=0.06)


@every_background
def test_patches_are_rectangles_that_are_erased_noisy_or_inverted(background, contrast):
    images = np.full((3000, 20, 30), background + 0.2 * contrast)
    images[:, 0, 0] = background + contrast
    step = Patches(0.5, 0.5, probability=1, fill=background)
    ink = (step(images, np.random.default_rng(0)) - background) / contrast
    changed = ~np.isclose(ink, 0.2, atol=1e-6)
    changed[:, 0, 0] = ~np.isclose(ink[:, 0, 0], 1)
    rows, columns = changed.any(axis=2), changed.any(axis=1)
    np.testing.assert_array_equal(changed, rows[:, :, np.newaxis] & columns[:, np.newaxis])
    for mask, size in ((rows, 20), (columns, 30)):
        lengths = mask.sum(axis=1)
        assert lengths.max() <= math.ceil(0.5 * size)
        edges = np.count_nonzero(np.diff(mask, axis=1, prepend=False, append=False), axis=1)
        assert edges.max() == 2  # an interval
        assert (mask.sum(axis=0) > 0).all()  # anywhere
    images_of_kind = {
        value: sum(np.allclose(ink[i][changed[i]], value, atol=1e-6) for i in range(600))
        for value in (0, 0.8)
    }
    # Some noisy patches have a single pixel or none.
    assert images_of_kind == {value: pytest.approx(200, abs=60) for value in (0, 0.8)}


def test_inverted_patches_have_a_size_of_their_own():
    images = np.full((2000, 30, 30), 0.2)
    images[:, 0, 0] = 1
    changed = Patches(0.1, 0.9, probability=1)(images, np.random.default_rng(0)) != images
    heights = changed.any(axis=2).sum(axis=1)
    assert heights.max() > 24
    assert np.mean(heights > 4) == pytest.approx(1 / 3, abs=0.08)


@every_background
def test_margins_at_opposite_sides_are_inverted(background, contrast):
    images = np.full((3000, 20, 30), background + 0.2 * contrast)
    images[:, 10, 15] = background + contrast
    step = InvertedMargins(0.35, probability=1, fill=background)
    ink = (step(images, np.random.default_rng(0)) - background) / contrast
    inverted = np.isclose(ink, 0.8, atol=1e-6)
    np.testing.assert_allclose(ink[:, 10, 15], 1, atol=1e-6)
    rest = ~inverted
    rest[:, 10, 15] = False
    np.testing.assert_allclose(ink[rest], 0.2, atol=1e-6)
    is_row, is_column = inverted.all(axis=2), inverted.all(axis=1)
    np.testing.assert_array_equal(inverted, is_row[:, :, np.newaxis] | is_column[:, np.newaxis])
    assert np.mean(is_row.any(axis=1)) == pytest.approx(0.5, abs=0.05)
    assert not (is_row.any(axis=1) & is_column.any(axis=1)).any()
    for is_inverted, size in ((is_row, 20), (is_column, 30)):
        sides = is_inverted[is_inverted.any(axis=1)]
        for margins in (sides[:, : size // 2], sides[:, : size // 2 - 1 : -1]):
            widths = margins.sum(axis=1)
            np.testing.assert_array_equal(margins, np.arange(size // 2) < widths[:, np.newaxis])
            assert widths.max() == round(0.35 * size)
            assert np.mean(widths) == pytest.approx(0.35 * size / 2, rel=0.1)


@every_dtype
@pytest.mark.parametrize("fill", [0.0, 0.25])
@pytest.mark.parametrize(
    ("max_shear", "spread"), [(0.1, (None, None)), (1.0, (None, 0.2)), (1.0, (0.2, 0.1))]
)
def test_upright_gives_the_images_of_deslant(dtype, fill, max_shear, spread):
    n_images = 2 * PIXELS_PER_BLOCK // (9 * 20)
    images = np.tril(make_random_images((9, 20), n_images, dtype=dtype))
    deslanter = Deslant(max_shear, spread=spread, image_shape=(9, 20))
    expected = deslanter.fit_transform(images.reshape(len(images), -1))
    upright = Upright(max_shear, spread, fill)(images + dtype(fill), None)
    np.testing.assert_allclose(upright, expected.reshape(images.shape) + fill, atol=1e-5)


def test_upright_removes_the_slant_of_distorted_images():
    images = np.zeros((50, 28, 28))
    images[:, 5:23, 12:16] = 1
    distortions = Annealed(Compose([Affine(shear=0.3), Elastic()]), final_strength=1)
    slanted = distortions(images, np.random.default_rng(0))
    upright = Compose([distortions, Upright()]).at(1)(images, np.random.default_rng(0))
    assert np.abs(compute_slants(slanted)).max() > 0.3
    assert np.abs(compute_slants(upright)).max() < 0.01


def test_strength_of_upright_does_not_change():
    assert Upright(0.5).scaled(0.3) == Upright(0.5)
    annealed = Annealed(Compose([Shift(2), Upright(0.5)]), final_strength=0.5, begin=0)
    assert annealed.at(1) == Compose([Shift(1), Upright(0.5)])


def compute_slants(images):
    """Return the covariance of row and column, divided by the variance of the row, weighted by the pixels."""
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]]
    slants = []
    for image in images:
        covariance = np.cov(rows.ravel(), columns.ravel(), aweights=image.ravel())
        slants.append(covariance[0, 1] / covariance[0, 0])
    return np.array(slants)


def test_steps_for_intensities_do_not_change_blank_images():
    blank = np.full((20, 8, 8), 0.25)
    for step in (Noise, Patches, InvertedMargins, Contrast, Brightness, Outline, Upright):
        changed = step(fill=0.25)(blank, np.random.default_rng(0))
        np.testing.assert_allclose(changed, blank, atol=1e-7)


def test_compose_applies_stroke_width_after_displacements():
    images = make_random_images((9, 9))
    shifted = Shift(1)(images, MAXIMUM)
    composed = Compose([StrokeWidth(), Shift(1)])(images, MAXIMUM)
    np.testing.assert_allclose(composed, StrokeWidth()(shifted, MAXIMUM), atol=2e-6)


def test_compose_adds_displacements_and_interpolates_once():
    images = make_random_images((12, 12))
    composed = Compose([Shift(0.5), Shift(0.5)])
    # Two shifts by half a pixel are a shift by one pixel, which needs no interpolation.
    np.testing.assert_allclose(composed(images, MAXIMUM), Shift(1)(images, MAXIMUM), atol=1e-5)
    expected = np.zeros_like(images)
    expected[:, :-1, :-1] = images[:, 1:, 1:]
    np.testing.assert_allclose(composed(images, MAXIMUM), expected, atol=1e-5)


@every_step
@every_shape
@every_dtype
def test_steps_preserve_shape_dtype_and_range(step, shape, dtype):
    images = make_random_images(shape, n_images=7, dtype=dtype)
    before = images.copy()
    distorted = step(images, np.random.default_rng(0))
    assert distorted.shape == images.shape
    assert distorted.dtype == dtype
    assert distorted.min() >= 0
    assert distorted.max() <= images.max() + 1e-6
    np.testing.assert_array_equal(images, before)


@every_distortion
def test_each_image_is_distorted_differently_in_each_call(step):
    images = np.repeat(make_random_images((16, 16), 1), 4, axis=0)
    rng = np.random.default_rng(0)
    first, second = step(images, rng), step(images, rng)
    different = {image.tobytes() for image in (*first, *second)}
    assert len(different) == 8
    np.testing.assert_array_equal(step(images, np.random.default_rng(0)), first)


@every_step
@pytest.mark.parametrize("n_images", [0, 1, IMAGES_PER_BLOCK, IMAGES_PER_BLOCK + 1])
def test_steps_accept_any_number_of_images(step, n_images):
    images = make_random_images((28, 28), n_images)
    assert step(images, np.random.default_rng(0)).shape == (n_images, 28, 28)


class CustomStep(Distortion):
    """User-defined step that distorts images inside of its methods and returns a new array."""

    def displace(self, coordinates, rng):
        before = coordinates.copy()
        distort_other_images()
        np.testing.assert_array_equal(coordinates, before)
        Shift(1).displace(coordinates, rng)

    def transform_intensities(self, images, rng):
        before = images.copy()
        distort_other_images()
        np.testing.assert_array_equal(images, before)
        return images + 1

    def scaled(self, strength):
        return self


def distort_other_images():
    DigitDistortions()(make_random_images((28, 28), seed=1), np.random.default_rng(1))


def test_user_defined_step_may_distort_other_images():
    images = make_random_images((28, 28), IMAGES_PER_BLOCK + 1)
    distorted = CustomStep()(images, np.random.default_rng(0))
    expected = Shift(1)(images, np.random.default_rng(0))
    np.testing.assert_array_equal(distorted, expected + 1)


@every_step
def test_concurrent_calls_give_the_same_results(step):
    images = make_random_images((28, 28), IMAGES_PER_BLOCK + 1, np.float32)

    def distort(seed):
        return step(images, np.random.default_rng(seed))

    expected = [distort(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as executor:
        results = list(executor.map(distort, range(8)))
    np.testing.assert_array_equal(results, expected)


@every_step
@pytest.mark.parametrize("order", ["F", "reversed"])
def test_memory_layout_does_not_change_the_result(step, order):
    images = make_random_images((9, 12), 7)
    other = np.asfortranarray(images) if order == "F" else images[::-1].copy()[::-1]
    results = [step(array, np.random.default_rng(0)) for array in (images, other)]
    np.testing.assert_array_equal(*results)
    assert results[1].flags.c_contiguous


@every_step
def test_uint8_images_are_converted_to_float32(step):
    images = (make_random_images((10, 10)) * 255).astype(np.uint8)
    distorted = step(images, np.random.default_rng(0))
    assert distorted.dtype == np.float32
    same = step(images.astype(np.float32), np.random.default_rng(0))
    np.testing.assert_array_equal(distorted, same)


@every_distortion
def test_strength_zero_does_not_change_images(step):
    images = make_random_images((14, 14))
    np.testing.assert_allclose(step.scaled(0)(images, np.random.default_rng(0)), images, atol=2e-6)


@pytest.mark.parametrize(
    "step", [Noise(), Patches(), InvertedMargins(), Contrast(), Brightness(), Outline()], ids=repr
)
def test_fractions_are_scaled_up_to_1(step):
    images = make_random_images((14, 14))
    changed = step.scaled(100)(images, np.random.default_rng(0))
    assert changed.min() >= 0
    assert changed.max() <= 1


@every_step
def test_steps_can_be_compared_printed_and_pickled(step):
    assert pickle.loads(pickle.dumps(step)) == step
    assert eval(repr(step)) == step
    assert step.scaled(1) == step


@every_distortion
def test_scaled_distortions_are_different(step):
    assert step.scaled(0.5) != step


@pytest.mark.parametrize("side", [8, 28, 56])
def test_digit_distortions_scale_with_the_image_size(side):
    affine, shift_step, elastic, stroke_width = DigitDistortions().for_side(side).steps
    assert affine == Affine(12, 0.12, 0.15)
    assert stroke_width == StrokeWidth(3, 0.4)
    assert shift_step.pixels == pytest.approx(1.5 * side / 28)
    fields = draw_smooth_noise(
        np.random.default_rng(0), (2, 300, side, side), elastic.sigma, elastic.alpha
    )
    assert fields.std() == pytest.approx(1.15 * side / 28, rel=0.15)


@pytest.mark.parametrize(
    ("shape", "side"), [((8, 8), 8), ((28, 28), 28), ((28, 40), 28), ((9, 5), 5)]
)
@pytest.mark.parametrize("strength", [1.0, 1.25])
def test_digit_distortions_depend_on_the_shorter_side(shape, side, strength):
    images = make_random_images(shape)
    distorted = DigitDistortions(strength)(images, np.random.default_rng(3))
    steps = DigitDistortions().for_side(side).scaled(strength)
    np.testing.assert_array_equal(distorted, steps(images, np.random.default_rng(3)))


def test_digit_distortions_can_be_scaled():
    assert DigitDistortions(1.25).scaled(0.5) == DigitDistortions(0.625)
    annealed = Annealed(DigitDistortions(2), final_strength=0.5, begin=0)
    assert annealed.at(1) == DigitDistortions(1)


def test_public_module_contains_every_step():
    public = {getattr(skmlp.augment, name) for name in skmlp.augment.__all__}
    steps = [step for step in Distortion.__subclasses__() if step is not CustomStep]
    assert public == {*steps, Annealed}


def test_compose_scales_every_step():
    composed = Compose(
        [Affine(10, 0.2, 0.1), Shift(2), Elastic(4, 30), StrokeWidth(4, 0.5)]
    ).scaled(0.5)
    assert composed == Compose(
        [Affine(5, 0.1, 0.05), Shift(1), Elastic(4, 15), StrokeWidth(2, 0.25)]
    )


@pytest.mark.parametrize(
    ("progress", "pixels"), [(0, 4), (0.5, 4), (0.6, 3.4), (0.75, 2.5), (1, 1)]
)
def test_annealed_strength_decreases_linearly_after_begin(progress, pixels):
    annealed = Annealed(Shift(4), final_strength=0.25, begin=0.5)
    assert annealed.at(progress).pixels == pytest.approx(pixels)


def test_steps_of_compose_are_annealed_separately():
    steps = Compose([Annealed(Shift(4), final_strength=0.5, begin=0), Noise()])
    assert steps.at(0.5) == Compose([Shift(3), Noise()])
    assert steps.scaled(0.5).at(1) == Compose([Shift(1), Noise().scaled(0.5)])
    nested = Annealed(Compose([Annealed(Shift(4), 0.5, 0)]), 0.5, 0)
    assert nested.at(1) == Compose([Shift(1)])
    assert Noise().at(0.7) == Noise()


def test_annealed_step_distorts_at_full_strength():
    images = make_random_images((9, 9))
    step = Compose([Shift(2), StrokeWidth(fill=0.5)], fill=0.5)
    distorted = Annealed(step)(images, np.random.default_rng(0))
    np.testing.assert_array_equal(distorted, step(images, np.random.default_rng(0)))


def test_annealed_strength_is_constant_if_begin_is_1():
    assert Annealed(Shift(4), final_strength=0, begin=1).at(1) == Shift(4)


NUMERIC_PARAMETERS = {
    Shift: ["pixels", "fill"],
    Affine: ["rotation", "scale", "shear", "fill"],
    Elastic: ["sigma", "alpha", "fill"],
    StrokeWidth: ["gain", "threshold", "fill"],
    Noise: ["gaussian", "shot", "impulse", "probability", "fill"],
    Patches: ["size", "inverted_size", "probability", "fill"],
    InvertedMargins: ["width", "probability", "fill"],
    Contrast: ["reduction", "fill"],
    Brightness: ["offset", "probability", "fill"],
    Outline: ["probability", "fill"],
    Upright: ["max_shear", "fill"],
    Compose: ["fill"],
    DigitDistortions: ["strength"],
    Annealed: ["final_strength", "begin"],
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "2", None, True, np.True_, [1], 1j])
@pytest.mark.parametrize(
    ("step", "name"), [(step, name) for step, names in NUMERIC_PARAMETERS.items() for name in names]
)
def test_parameter_that_is_not_a_finite_number_raises(step, name, value):
    others = {"augmentation": Shift()} if step is Annealed else {}
    requirement = r"a (finite number( of at least 0)?|number in the range \[0, 1\])"
    message = rf"^{step.__name__}: {name} must be {requirement}, got {re.escape(repr(value))}"
    with pytest.raises(ValueError, match=message):
        step(**others, **{name: value})


def test_every_parameter_is_tested():
    tested = {step: {*names} for step, names in NUMERIC_PARAMETERS.items()}
    tested[Compose].add("steps")
    tested[Annealed].add("augmentation")
    tested[Upright].add("spread")
    assert tested == {
        step: {field.name for field in dataclasses.fields(step)} for step in NUMERIC_PARAMETERS
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shift(-1), "Shift: pixels must be a finite number of at least 0, got -1"),
        (lambda: Affine(scale=1), "Affine: scale must be less than 1, got 1"),
        (lambda: Elastic(sigma=-0.1), "Elastic: sigma .*got -0.1"),
        (lambda: StrokeWidth(gain=0.9), "StrokeWidth: gain must be at least 1, got 0.9"),
        (lambda: StrokeWidth(threshold=1), "StrokeWidth: threshold must be less than 1, got 1"),
        (lambda: StrokeWidth(threshold=-1), "StrokeWidth: threshold .*at least 0, got -1"),
        (lambda: DigitDistortions(-1), "DigitDistortions: strength .*at least 0, got -1"),
        (
            lambda: Annealed(Shift(), begin=1.5),
            r"begin must be a number in the range \[0, 1\], got 1.5",
        ),
        (lambda: Annealed(Shift(), final_strength=-1), "final_strength .*got -1"),
        (lambda: Noise(gaussian=-1), "Noise: gaussian .*at least 0, got -1"),
        (lambda: Noise(impulse=1.1), r"Noise: impulse must be .* \[0, 1\], got 1.1"),
        (lambda: Patches(probability=2), r"Patches: probability must be .* \[0, 1\], got 2"),
        (lambda: Contrast(1.5), r"Contrast: reduction must be .* \[0, 1\], got 1.5"),
        (lambda: Brightness(-0.1), r"Brightness: offset must be .* \[0, 1\], got -0.1"),
        (lambda: Upright(-0.1), "Upright: max_shear .*at least 0, got -0.1"),
        (
            lambda: Upright(spread=(0, 0.5)),
            r"^Upright: spread must be .*\(0, 1\) or None, .* got \(0, 0.5\)",
        ),
        (lambda: Shift()(np.zeros((4, 4)), None), r"\(n_images, height, width\), got \(4, 4\)"),
    ],
)
def test_parameter_out_of_range_raises(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Compose([np.flip]),
            r"^Compose: each element of steps must be an augmentation step",
        ),
        (
            lambda: Compose(Shift()),
            r"^Compose: steps must be a list or tuple of augmentation steps",
        ),
        (lambda: Annealed(np.flip), r"^Annealed: augmentation must be an augmentation step"),
        (
            lambda: Annealed("digits"),
            r"^Annealed: augmentation must be an augmentation step.*got 'digits'",
        ),
    ],
)
def test_parameter_that_is_not_a_step_raises(make, message):
    with pytest.raises(TypeError, match=message):
        make()
