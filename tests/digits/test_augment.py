"""Distortions against SciPy's interpolation and filters, and the formulas written out."""

import dataclasses
import pickle
import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates, shift

import skmlp.augment
from skmlp.augment import (
    Affine,
    Annealed,
    Compose,
    DigitDistortions,
    Elastic,
    Shift,
    StrokeWidth,
)
from skmlp.digits.augment import Distortion, smooth_noise
from skmlp.digits.resample import BLOCK_SIZE, identity_coordinates, resample

SHAPES = [(28, 28), (8, 8), (9, 20), (1, 5)]
STEPS = [
    Shift(2),
    Affine(),
    Elastic(2, 10),
    StrokeWidth(),
    Compose([Shift(1), Elastic(3, 20)]),
    DigitDistortions(),
    DigitDistortions(0.5),
]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)
every_step = pytest.mark.parametrize("step", STEPS, ids=repr)
every_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def images_of(shape, n_images=5, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).random((n_images, *shape)).astype(dtype)


class Fixed:
    """A generator whose every draw is the same number in [0, 1), or the same bytes."""

    def __init__(self, number):
        self.number = number

    def random(self, size, dtype):
        return np.full(size, self.number, dtype)


LARGEST = Fixed(np.nextafter(np.float32(1), np.float32(0)))
SMALLEST = Fixed(0.0)


# Resampling


@every_shape
@every_dtype
@pytest.mark.parametrize("fill", [0.0, 0.5])
def test_resampling_is_scipys_linear_interpolation(shape, dtype, fill):
    images = images_of(shape, dtype=dtype)
    coordinates = np.random.default_rng(1).uniform(-4, max(shape) + 4, (2, 5, 6, 7))
    coordinates = coordinates.astype(np.float32)
    expected = [
        map_coordinates(image, places, order=1, mode="grid-constant", cval=fill)
        for image, places in zip(images.astype(float), coordinates.swapaxes(0, 1), strict=True)
    ]
    resampled = resample(images, coordinates, fill)
    assert resampled.dtype == dtype
    np.testing.assert_allclose(resampled, expected, atol=3e-6)


@every_shape
def test_resampling_at_the_pixels_gives_the_images(shape):
    images = images_of(shape)
    np.testing.assert_array_equal(resample(images, identity_coordinates(5, *shape)), images)


# Steps


@every_shape
@pytest.mark.parametrize("fill", [0.0, 1.0])
@pytest.mark.parametrize(("rng", "pixels"), [(LARGEST, 1.5), (SMALLEST, -1.5)])
def test_a_shift_is_scipys(shape, fill, rng, pixels):
    images = images_of(shape)
    expected = [shift(image, -pixels, order=1, mode="grid-constant", cval=fill) for image in images]
    np.testing.assert_allclose(Shift(1.5, fill)(images, rng), expected, atol=1e-5)


@every_shape
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("parameters", "matrix"),
    [
        ({"rotation": 30}, lambda sign: turn(sign * 30)),
        ({"shear": 0.4}, lambda sign: np.array([[1, 0], [sign * 0.4, 1]])),
        ({"scale": 0.25}, lambda sign: np.eye(2) / (1 + sign * 0.25)),
        (
            {"rotation": 30, "shear": 0.4, "scale": 0.25},
            lambda sign: turn(sign * 30) @ np.array([[1, 0], [sign * 0.4, 1]]) / (1 + sign * 0.25),
        ),
    ],
    ids=["rotation", "shear", "scale", "all"],
)
def test_an_affine_map_takes_pixels_from_where_its_matrix_says(shape, sign, parameters, matrix):
    images = images_of(shape)
    step = Affine(**{"rotation": 0, "scale": 0, "shear": 0} | parameters)
    center = (np.array(shape) - 1) / 2
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij")).reshape(2, -1)
    places = matrix(sign) @ (grid - center[:, None]) + center[:, None]
    expected = [
        map_coordinates(image, places, order=1, mode="grid-constant").reshape(shape)
        for image in images
    ]
    distorted = step(images, LARGEST if sign == 1 else SMALLEST)
    np.testing.assert_allclose(distorted, expected, atol=2e-5)


def turn(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@every_shape
@pytest.mark.parametrize("sigma", [0.0, 1.0, 4.0])
def test_smooth_noise_is_what_scipys_filter_makes_of_uniform_noise(shape, sigma):
    class Bytes:
        def bytes(self, size):
            self.drawn = np.random.default_rng(0).bytes(size)
            return self.drawn

    rng = Bytes()
    smooth = smooth_noise(rng, (2, 3, *shape), sigma, alpha=30.0)
    noise = (np.frombuffer(rng.drawn, np.int8) + 0.5) / 127.5
    assert (abs(noise.min()), noise.max()) == pytest.approx((1, 1), abs=0.2)
    fields = noise.reshape(2, 3, *shape)
    expected = 30 * gaussian_filter(fields, (0, 0, sigma, sigma), mode="constant")
    np.testing.assert_allclose(smooth, expected, atol=2e-4)


def test_displacements_of_the_defaults_are_of_the_size_that_is_told():
    fields = smooth_noise(np.random.default_rng(0), (2, 500, 28, 28), 4.0, 30.0)
    assert fields.std() == pytest.approx(1.2, abs=0.1)


INKS = [0.0, 0.1, 0.3, 0.5, 0.9, 1.0]


@every_dtype
@pytest.mark.parametrize(
    ("paper", "full"), [(0.0, 1.0), (0.0, 255.0), (1.0, -1.0), (255.0, -200.0)]
)
@pytest.mark.parametrize(
    ("rng", "expected"),
    [
        # Nothing is taken, and the gain is 1.
        (SMALLEST, INKS),
        # 3 (ink - 0.2), from 0 to 1
        (LARGEST, [0, 0, 0.3, 0.9, 1, 1]),
    ],
)
def test_stroke_width_is_gain_times_what_passes_the_threshold(dtype, paper, full, rng, expected):
    images = np.array([[INKS]], dtype) * full + paper
    drawn = StrokeWidth(gain=3, threshold=0.2, fill=paper)(images, rng)
    np.testing.assert_allclose((drawn - paper) / full, [[expected]], atol=2e-6)


def test_stroke_width_leaves_blank_images():
    blank = np.full((2, 5, 5), 0.25)
    np.testing.assert_array_equal(StrokeWidth(fill=0.25)(blank, np.random.default_rng(0)), blank)
    np.testing.assert_array_equal(StrokeWidth()(0 * blank, np.random.default_rng(0)), 0 * blank)


def test_stroke_width_makes_strokes_thinner_and_thicker():
    blurred = np.clip(1.5 - np.abs(np.linspace(-3, 3, 41)), 0, 1).reshape(1, 1, -1)
    drawn = StrokeWidth()(np.repeat(blurred, 200, axis=0), np.random.default_rng(0))
    sums = drawn.sum(axis=(1, 2)) / blurred.sum()
    assert sums.min() < 0.85
    assert sums.max() > 1.15
    assert np.mean(sums) == pytest.approx(1, abs=0.15)


def test_stroke_width_changes_displaced_images():
    images = images_of((9, 9))
    moved = Shift(1)(images, LARGEST)
    composed = Compose([StrokeWidth(), Shift(1)])(images, LARGEST)
    np.testing.assert_allclose(composed, StrokeWidth()(moved, LARGEST), atol=2e-6)


def test_composed_steps_sum_up_and_interpolate_once():
    images = images_of((12, 12))
    half = Compose([Shift(0.5), Shift(0.5)])
    # Two shifts by half a pixel are one by a whole one: nothing is blurred.
    np.testing.assert_allclose(half(images, LARGEST), Shift(1)(images, LARGEST), atol=1e-5)
    expected = np.zeros_like(images)
    expected[:, :-1, :-1] = images[:, 1:, 1:]
    np.testing.assert_allclose(half(images, LARGEST), expected, atol=1e-5)


@every_step
@every_shape
@every_dtype
def test_images_keep_shape_type_and_range(step, shape, dtype):
    images = images_of(shape, n_images=7, dtype=dtype)
    before = images.copy()
    distorted = step(images, np.random.default_rng(0))
    assert distorted.shape == images.shape
    assert distorted.dtype == dtype
    assert distorted.min() >= 0
    assert distorted.max() <= images.max() + 1e-6
    np.testing.assert_array_equal(images, before)


@every_step
def test_each_image_is_distorted_in_its_own_way_and_anew_each_time(step):
    images = np.repeat(images_of((16, 16), 1), 4, axis=0)
    rng = np.random.default_rng(0)
    first, second = step(images, rng), step(images, rng)
    different = {image.tobytes() for image in (*first, *second)}
    assert len(different) == 8
    np.testing.assert_array_equal(step(images, np.random.default_rng(0)), first)


@every_step
@pytest.mark.parametrize("n_images", [0, 1, BLOCK_SIZE, BLOCK_SIZE + 1])
def test_any_number_of_images(step, n_images):
    images = images_of((10, 10), n_images)
    assert step(images, np.random.default_rng(0)).shape == (n_images, 10, 10)


@every_step
def test_bytes_become_floats(step):
    images = (images_of((10, 10)) * 255).astype(np.uint8)
    distorted = step(images, np.random.default_rng(0))
    assert distorted.dtype == np.float32
    same = step(images.astype(np.float32), np.random.default_rng(0))
    np.testing.assert_array_equal(distorted, same)


@every_step
def test_no_strength_is_no_distortion(step):
    images = images_of((14, 14))
    np.testing.assert_allclose(step.scaled(0)(images, np.random.default_rng(0)), images, atol=2e-6)


@every_step
def test_steps_compare_print_and_pickle_as_their_fields(step):
    assert pickle.loads(pickle.dumps(step)) == step
    assert eval(repr(step)) == step
    assert step.scaled(1) == step
    assert step.scaled(2) != step


@pytest.mark.parametrize("side", [8, 28, 56])
def test_distortions_of_digits_grow_with_the_images(side):
    affine, shift_step, elastic, stroke_width = DigitDistortions().for_side(side).steps
    assert affine == Affine(12, 0.12, 0.15)
    assert stroke_width == StrokeWidth(3, 0.4)
    assert shift_step.pixels == pytest.approx(1.5 * side / 28)
    fields = smooth_noise(
        np.random.default_rng(0), (2, 300, side, side), elastic.sigma, elastic.alpha
    )
    assert fields.std() == pytest.approx(1.15 * side / 28, rel=0.15)


@pytest.mark.parametrize(
    ("shape", "side"), [((8, 8), 8), ((28, 28), 28), ((28, 40), 28), ((9, 5), 5)]
)
@pytest.mark.parametrize("strength", [1.0, 1.25])
def test_distortions_of_digits_are_the_steps_for_the_shorter_side(shape, side, strength):
    images = images_of(shape)
    distorted = DigitDistortions(strength)(images, np.random.default_rng(3))
    steps = DigitDistortions().for_side(side).scaled(strength)
    np.testing.assert_array_equal(distorted, steps(images, np.random.default_rng(3)))


def test_distortions_of_digits_scale_by_their_strength():
    assert DigitDistortions(1.25).scaled(0.5) == DigitDistortions(0.625)
    annealed = Annealed(DigitDistortions(2), final_strength=0.5, begin=0)
    assert annealed.at(1) == DigitDistortions(1)


def test_the_public_module_has_every_step():
    public = {getattr(skmlp.augment, name) for name in skmlp.augment.__all__}
    assert public == {*Distortion.__subclasses__(), Annealed}


def test_strength_scales_every_size():
    composed = Compose(
        [Affine(10, 0.2, 0.1), Shift(2), Elastic(4, 30), StrokeWidth(4, 0.5)]
    ).scaled(0.5)
    assert composed == Compose(
        [Affine(5, 0.1, 0.05), Shift(1), Elastic(4, 15), StrokeWidth(2, 0.25)]
    )


@pytest.mark.parametrize(
    ("progress", "pixels"), [(0, 4), (0.5, 4), (0.6, 3.4), (0.75, 2.5), (1, 1)]
)
def test_annealing_is_linear_from_its_beginning(progress, pixels):
    annealed = Annealed(Shift(4), final_strength=0.25, begin=0.5)
    assert annealed.at(progress).pixels == pytest.approx(pixels)


def test_annealing_that_never_begins_keeps_the_strength():
    assert Annealed(Shift(4), final_strength=0, begin=1).at(1) == Shift(4)


NUMBERS = {
    Shift: ["pixels", "fill"],
    Affine: ["rotation", "scale", "shear", "fill"],
    Elastic: ["sigma", "alpha", "fill"],
    StrokeWidth: ["gain", "threshold", "fill"],
    Compose: ["fill"],
    DigitDistortions: ["strength"],
    Annealed: ["final_strength", "begin"],
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "2", None, True, np.True_, [1], 1j])
@pytest.mark.parametrize(
    ("step", "name"), [(step, name) for step, names in NUMBERS.items() for name in names]
)
def test_every_parameter_must_be_a_finite_number(step, name, value):
    others = {"augmentation": Shift()} if step is Annealed else {}
    message = rf"^{step.__name__}: {name} must be a finite number.*Got {re.escape(repr(value))}"
    with pytest.raises(ValueError, match=message):
        step(**others, **{name: value})


def test_every_parameter_is_checked():
    named = {step: [*names] for step, names in NUMBERS.items()}
    named[Compose].append("steps")
    named[Annealed].append("augmentation")
    assert {step: {*names} for step, names in named.items()} == {
        step: {field.name for field in dataclasses.fields(step)} for step in NUMBERS
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Shift(-1), "Shift: pixels must be a finite number that is not negative. Got -1"),
        (lambda: Affine(scale=1), "Affine: scale must be below 1. Got 1"),
        (lambda: Elastic(sigma=-0.1), "Elastic: sigma .*Got -0.1"),
        (lambda: StrokeWidth(gain=0.9), "StrokeWidth: gain must be at least 1. Got 0.9"),
        (lambda: StrokeWidth(threshold=1), "StrokeWidth: threshold must be below 1. Got 1"),
        (lambda: StrokeWidth(threshold=-1), "StrokeWidth: threshold .*not negative. Got -1"),
        (lambda: DigitDistortions(-1), "DigitDistortions: strength .*not negative. Got -1"),
        (lambda: Annealed(Shift(), begin=1.5), "begin must be a number from 0 to 1. Got 1.5"),
        (lambda: Annealed(Shift(), final_strength=-1), "final_strength .*Got -1"),
        (lambda: Shift()(np.zeros((4, 4)), None), r"\(n_images, height, width\). Got \(4, 4\)"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Compose([np.flip]), r"^Compose: each of steps must be a step of skmlp\.augment"),
        (lambda: Compose(Shift()), r"^Compose: steps must be a list or tuple of steps of skmlp"),
        (lambda: Annealed(np.flip), r"^Annealed: augmentation must be a step of skmlp\.augment"),
        (lambda: Annealed(Annealed(Shift())), r"^Annealed: augmentation must be a step"),
        (lambda: Annealed("digits"), r"^Annealed: augmentation must be a step.*Got 'digits'"),
    ],
)
def test_what_is_not_a_step_is_refused(make, message):
    with pytest.raises(TypeError, match=message):
        make()
