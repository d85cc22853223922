"""The transformer Deslant."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import map_coordinates
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from skmlp import Deslant
from skmlp.augment import Upright

X, _ = load_digits(return_X_y=True)
SHAPES = [(28, 28), (8, 8), (9, 20), (20, 9), (1, 6), (6, 1), (2, 2)]
every_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def make_images(shape, n_images=50, dtype=np.float64):
    images = np.random.default_rng(0).random((n_images, *shape)) ** 4
    return (255 * images).astype(dtype)


def transform(images, **parameters):
    """Return transformed images, of the shape of `images`."""
    transformer = Deslant(image_shape=images.shape[1:], **parameters)
    return transformer.fit_transform(images.reshape(len(images), -1)).reshape(images.shape)


def compute_shear(image):
    """Return cov(row, column) / var(row), weighted by the ink."""
    rows, columns = np.indices(image.shape).reshape(2, -1)
    if image.sum() == 0:
        return 0.0
    covariance = np.cov(rows, columns, aweights=image.ravel(), ddof=0)
    return 0.0 if covariance[0, 0] < 1e-12 else covariance[0, 1] / covariance[0, 0]


def shear(image, amount):
    """Return an image whose rows are sampled by SciPy at the columns j + amount (i - mean row)."""
    rows, columns = np.indices(image.shape).astype(float)
    mean = np.average(rows, weights=image)
    points = [rows, columns + amount * (rows - mean)]
    return map_coordinates(image.astype(float), points, order=1, mode="grid-constant")


@pytest.fixture
def any_number_of_features(monkeypatch):
    """Treat the samples of scikit-learn's checks, which are not square images, as images of height 2 or 1."""
    monkeypatch.setattr(
        "skmlp.digits.deslant.resolve_image_shape",
        lambda _, n: (2, n // 2) if n % 2 == 0 else (1, n),
    )


@parametrize_with_checks([Deslant(), Deslant(0.5, spread=(0.2, 0.15))])
def test_deslant_passes_the_checks_of_scikit_learn(estimator, check, any_number_of_features):
    check(estimator)


@every_shape
def test_images_are_sheared_by_the_covariance_of_their_ink(shape):
    images = make_images(shape)
    expected = [shear(image, np.clip(compute_shear(image), -1, 1)) for image in images]
    # Shifts are rounded to 1/256 pixel.
    np.testing.assert_allclose(transform(images), expected, atol=255 / 512 + 1e-6)


@pytest.mark.parametrize("slant", [-0.8, -0.3, 0.2, 0.7])
def test_strokes_become_upright(slant):
    rows, columns = np.indices((40, 60))
    distance = np.abs(columns - 30 - slant * (rows - 20))
    stroke = np.clip(3 - distance, 0, 1) * (np.abs(rows - 20) < 12)
    (upright,) = transform(stroke[np.newaxis])
    assert compute_shear(stroke) == pytest.approx(slant, rel=0.05)
    assert abs(compute_shear(upright)) < 0.01
    # Up to the interpolation, all rows of the stroke are equal.
    inside = upright[12:28]
    assert np.abs(inside - inside.mean(axis=0)).max() < 0.3
    assert upright.sum() == pytest.approx(stroke.sum(), rel=1e-3)


def test_a_diagonal_of_whole_pixels_becomes_a_column():
    (upright,) = transform(np.eye(9)[np.newaxis])
    expected = np.zeros((9, 9))
    expected[:, 4] = 1
    np.testing.assert_array_equal(upright, expected)


@every_shape
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_blank_images_do_not_change(shape, dtype):
    blank = np.zeros((3, *shape), dtype)
    np.testing.assert_array_equal(transform(blank), blank)


@pytest.mark.parametrize("axis", [1, 2])
def test_symmetric_images_do_not_change(axis):
    images = make_images((9, 8), dtype=np.uint8)
    symmetric = np.maximum(images, np.flip(images, axis))
    np.testing.assert_array_equal(transform(symmetric), symmetric)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("shape", [(9, 5), (8, 8)], ids=str)
def test_mirrored_images_give_mirrored_results(shape, axis):
    """Shifts halfway between two multiples of 1/256 pixel, of some images of two values, do not depend on rounding."""
    n_images = 4_000_000 // np.prod(shape)
    images = (np.random.default_rng(0).random((n_images, *shape)) < 0.3) * np.uint8(255)
    mirrored = np.flip(transform(np.flip(images, axis)), axis)
    np.testing.assert_array_equal(mirrored, transform(images))


@pytest.mark.parametrize("row", [0, 4, 8])
def test_a_single_row_of_ink_does_not_change(row):
    images = np.zeros((1, 9, 9))
    images[0, row, 2:7] = [1, 2, 3, 9, 1]
    np.testing.assert_array_equal(transform(images), images)


@pytest.mark.parametrize("max_shear", [0, 0.25, 1, 3])
def test_shear_is_limited(max_shear):
    image = shear(np.eye(40)[:, ::-1] * 200.0, 0.0)
    image[:, 25:] = 0  # a stroke with a shear of -1, outside of the center
    (limited,) = transform(image[np.newaxis], max_shear=max_shear)
    expected = shear(image, max(compute_shear(image), -max_shear))
    np.testing.assert_allclose(limited, expected, atol=0.5)


def test_ink_does_not_leave_its_row():
    # Ink at both borders, in rows that are shifted by several pixels.
    images = np.zeros((2, 9, 9))
    images[0, range(9), range(9)] = 1
    images[0, 0, 8] = images[0, 8, 0] = 0.2
    images[1] = images[0, :, ::-1]
    expected = [shear(image, np.clip(compute_shear(image), -1, 1)) for image in images]
    np.testing.assert_allclose(transform(images), expected, atol=0.01)
    assert (transform(images).sum(axis=2) <= images.sum(axis=2) + 1e-9).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_shear_is_limited_in_both_directions(sign):
    image = np.eye(20)[:, ::sign]
    (limited,) = transform(image[np.newaxis], max_shear=0.25)
    np.testing.assert_allclose(limited, shear(image, sign * 0.25), atol=0.01)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.uint8, np.uint8),
        (np.float32, np.float32),
        (np.float64, np.float64),
        (np.int64, np.float64),
        (np.int8, np.float64),
        (">i4", np.float64),
        (bool, np.float64),
    ],
)
def test_dtype(dtype, expected):
    images = (X[:50] > 8 if dtype is bool else X[:50]).reshape(-1, 8, 8).astype(dtype)
    upright = transform(images)
    assert upright.dtype == expected
    exact = transform(images.astype(float))
    if dtype is np.uint8:
        exact = np.floor(exact + 0.5)  # exact, because the shifts are multiples of 1/256 pixel
    np.testing.assert_allclose(upright, exact, rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_images_do_not_depend_on_each_other(dtype, monkeypatch):
    images = make_images((12, 10), dtype=dtype)
    upright = transform(images)
    for i in (0, 17, 49):
        np.testing.assert_array_equal(transform(images[i : i + 1])[0], upright[i])
    monkeypatch.setattr("skmlp.digits.deslant.PIXELS_PER_BLOCK", 7 * 120)
    np.testing.assert_array_equal(transform(images), upright)


def test_negative_values_weigh_like_positive_ones():
    images = make_images((8, 8))
    np.testing.assert_array_equal(transform(-images), -transform(images))


@pytest.mark.filterwarnings("ignore:invalid value encountered in reduce")  # scikit-learn's check
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("signs", [[1, 1], [1, -1]], ids=str)
def test_values_near_the_limit_of_the_dtype(dtype, signs):
    """Large images are sheared like small ones, and do not affect the other images."""
    info = np.finfo(dtype)
    images = (make_images((8, 8)) > 100) * np.resize(signs, (8, 8)).astype(dtype)
    small = transform(images)
    # The shears are those of the pixels 1, multiplied by the largest value up to the rounding of the interpolation.
    large = transform(images * info.max)
    assert large.dtype == dtype
    np.testing.assert_allclose(large / info.max, small, rtol=0, atol=4 * info.eps)
    mixed = np.concatenate([images, images * info.max, images * info.smallest_subnormal])
    upright = transform(mixed)
    np.testing.assert_array_equal(upright[:50], small)
    np.testing.assert_array_equal(upright[50:100], large)
    np.testing.assert_array_equal(upright[100:], transform(mixed[100:]))


def test_negative_values_near_the_limit_of_the_dtype():
    images = (make_images((8, 8)) > 100) * -np.finfo(np.float64).max
    np.testing.assert_array_equal(transform(images), -transform(-images))
    # The largest absolute value is that of negative pixels.
    negative = np.where(np.arange(64).reshape(8, 8) % 9 == 0, -(2.0**1000), 1.0)[np.newaxis]
    np.testing.assert_array_equal(transform(negative / 2.0**990), transform(negative) / 2.0**990)


@pytest.mark.parametrize("exponent", [-900, -505, -450, -350, 350, 450, 505, 900])
def test_shears_do_not_depend_on_the_scale(exponent):
    images = make_images((8, 8))
    scaled = transform(np.ldexp(images, exponent))
    np.testing.assert_array_equal(scaled, np.ldexp(transform(images), exponent))


def test_input_is_not_modified_and_names_are_kept():
    frame = pd.DataFrame(X[:5]).add_prefix("p")
    before = frame.copy()
    transformer = Deslant().set_output(transform="pandas").fit(frame)
    upright = transformer.transform(frame)
    assert list(upright.columns) == list(frame.columns)
    pd.testing.assert_frame_equal(frame, before)
    assert transformer.image_shape_ == (8, 8)


def compute_moments(image):
    """Return the means of the rows and columns of the ink, and its covariance matrix."""
    points, ink = np.indices(image.shape).reshape(2, -1), np.abs(image).ravel()
    return np.average(points, axis=1, weights=ink), np.cov(points, aweights=ink, ddof=0)


def sample_columns(image, spread):
    """Return an image that SciPy samples at the columns of the formula in the documentation."""
    means, covariance = compute_moments(image)
    width = image.shape[1]
    step = np.clip(np.sqrt(covariance[1, 1]) / (spread * width), 0.5, 1.5)
    rows, columns = np.indices(image.shape).astype(float)
    points = [rows, means[1] + step * (columns - (width - 1) / 2)]
    return map_coordinates(image.astype(float), points, order=1, mode="grid-constant")


def make_ellipse(shape, center, radii, slope=0.0):
    """Return an image of a smooth ellipse, whose standard deviations are half its radii."""
    rows, columns = np.indices(shape)
    rows, columns = rows - center[0], columns - center[1]
    columns = columns - slope * rows
    return np.sqrt(np.maximum(1 - (rows / radii[0]) ** 2 - (columns / radii[1]) ** 2, 0))


@every_shape
@pytest.mark.parametrize(
    "spread", [(0.2, 0.15), (0.05, 0.9), (0.9, 0.05), (0.2, None), (None, 0.15)], ids=str
)
def test_spread_agrees_with_the_formula(shape, spread):
    images = make_images(shape)
    vertical, horizontal = spread
    scaled = transform(images, max_shear=0, spread=spread)
    for image, result in zip(images, scaled, strict=True):
        expected = sample_columns(image, horizontal) if horizontal else image
        expected = sample_columns(expected.T, vertical).T if vertical else expected
        # Rounded to 1 / 256 pixel, the positions differ by half of this at the middle, and by more at the border.
        tolerance = 255 * (1 + max(shape) / 2) / 256
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
@pytest.mark.parametrize("slope", [-0.4, 0, 0.3])
@pytest.mark.parametrize("radii", [(7, 8), (9, 6), (12, 5), (10, 9)])
@pytest.mark.parametrize("center", [(13.5, 13.5), (12, 16)])
def test_spread_and_position_are_those_requested(center, radii, slope, dtype):
    image = (255 * make_ellipse((28, 28), center, radii, slope)).astype(dtype)
    (scaled,) = transform(image[np.newaxis], spread=(0.2, 0.15))
    assert scaled.dtype == dtype
    means, covariance = compute_moments(scaled.astype(float))
    np.testing.assert_allclose(means, 13.5, atol=0.1)
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)), [5.6, 4.2], rtol=0.03)
    assert abs(covariance[0, 1]) < 0.2


def test_scaling_is_limited():
    """A stroke becomes at most twice as wide, and a square is reduced to 2/3 at most."""
    images = np.zeros((2, 40, 40))
    images[0, 5:35, 18:22] = 1
    images[1] = 1
    stroke, square = transform(images, spread=(None, 0.2))
    np.testing.assert_allclose(stroke.sum(axis=1), np.where(images[0].any(axis=1), 8, 0))
    np.testing.assert_allclose(square.sum(axis=1), 40 * 0.2 / 0.2887, rtol=0.03)
    stroke, square = transform(images, spread=(None, 0.05))
    np.testing.assert_allclose(stroke.sum(axis=1).max(), 7.1, rtol=0.03)
    np.testing.assert_allclose(square.sum(axis=1), 40 / 1.5, rtol=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int64])
def test_spread_does_not_change_blank_images(dtype):
    blank = np.zeros((3, 9, 20), dtype)
    np.testing.assert_array_equal(transform(blank, spread=(0.2, 0.15)), blank)


@pytest.mark.parametrize("exponent", [-900, -505, -350, 350, 505, 900])
def test_spread_does_not_depend_on_the_scale(exponent):
    images = make_images((8, 8))
    scaled = transform(np.ldexp(images, exponent), spread=(0.2, 0.15))
    np.testing.assert_array_equal(scaled, np.ldexp(transform(images, spread=(0.2, 0.15)), exponent))


def test_spread_of_images_near_the_limit_of_the_dtype():
    images = (make_images((8, 8)) > 100) * np.finfo(np.float64).max
    scaled = transform(images, spread=(0.2, 0.15))
    np.testing.assert_allclose(
        scaled / np.finfo(np.float64).max,
        transform((images > 0).astype(float), spread=(0.2, 0.15)),
        atol=1e-12,
    )


@pytest.mark.parametrize(
    "spread",
    [
        *(0.2, "ab", None, {0.2, 0.15}, {0.2: 1, 0.15: 1}, np.array(0.2), np.full((2, 1), 0.2)),
        *((0.2,), (0.2, 0.15, 0.1), (0, 0.15), (0.2, 1), (0.2, np.nan), (0.2, "1")),
    ],
    ids=str,
)
def test_invalid_spread(spread):
    with pytest.raises(ValueError, match=r"spread.* must be .*[Gg]ot"):
        Deslant(spread=spread).fit(X)
    with pytest.raises(ValueError, match=r"^Upright: spread must be two numbers .*got"):
        Upright(spread=spread)


def test_spread_is_checked_in_transform():
    transformer = Deslant().fit(X).set_params(spread=(0.2, -1))
    with pytest.raises(ValueError, match=r"^spread must be two numbers .* got \(0.2, -1\)"):
        transformer.transform(X)


def test_spread_may_be_tiny_or_an_array():
    images = make_images((8, 8))
    smallest = transform(images, spread=np.array([5e-324, 0.2]))
    np.testing.assert_array_equal(smallest, transform(images, spread=[1e-9, 0.2]))


def test_scaling_wide_images_takes_little_memory():
    images = make_images((1, 2000), n_images=60)
    deslanter = Deslant(spread=(None, 0.15), image_shape=(1, 2000)).fit(images[:, 0])
    tracemalloc.start()
    deslanter.transform(images[:, 0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6


@pytest.mark.parametrize("max_shear", [-0.1, np.nan, "1", None])
def test_invalid_max_shear(max_shear):
    with pytest.raises(ValueError, match="'max_shear' parameter of Deslant must be a float"):
        Deslant(max_shear).fit(X)


def test_other_errors():
    with pytest.raises(NotFittedError):
        Deslant().transform(X)
    with pytest.raises(ValueError, match=r"square number of features .* got 63"):
        Deslant().fit(X[:, 1:])
    with pytest.raises(ValueError, match="image_shape must have 64 pixels"):
        Deslant(image_shape=(7, 9)).fit(X)
