"""The corruptions of MNIST-C: properties of all of them, and images whose corruption is known."""

import numpy as np
import pytest
from benchmark_modules import benchmarks_on_path

with benchmarks_on_path():
    import mnist_c

CENTER = 13.5
X, Y = np.meshgrid(np.arange(28) - CENTER, np.arange(28) - CENTER)  # relative to the center
DETERMINISTIC = {"scale", "brightness", "stripe", "Canny edges"}
every_corruption = pytest.mark.parametrize("name", mnist_c.CORRUPTIONS)


class Draws:
    """Random generator that returns given values."""

    def __init__(self, *values):
        self.values = [np.array(value) for value in values]

    def draw(self, *arguments, **options):
        return self.values.pop(0)

    integers = uniform = choice = draw


@pytest.fixture(scope="module")
def strokes():
    """Return 30 images of random strokes of three pixels width, with gray edges."""
    rng = np.random.default_rng(0)
    images = np.zeros((30, 28, 28), np.uint8)
    for image in images:
        row, column = rng.integers(6, 14, 2)
        image[row : row + 8, column : column + 3] = 255
        image[row + 8, column : column + 8] = 120
    return images.reshape(30, 784)


def corrupt_image(name, image, **parameters):
    """Return one image from 0 to 1 with a corruption of other severity."""
    corruption = mnist_c.CORRUPTIONS[name]
    rng = parameters.pop("rng", np.random.default_rng(0))
    return corruption.func(np.array([image]), rng, **(corruption.keywords | parameters))[0]


# All corruptions


def test_there_are_the_15_corruptions_of_the_publication():
    assert list(mnist_c.CORRUPTIONS) == [
        *("shot noise", "impulse noise", "glass blur", "motion blur", "shear", "scale", "rotate"),
        *("brightness", "translate", "stripe", "fog", "spatter", "dotted line", "zigzag"),
        "Canny edges",
    ]


@every_corruption
def test_results_are_reproducible_images(name, strokes):
    original = strokes.copy()
    corrupted = mnist_c.corrupt(name, strokes, seed=3)
    assert corrupted.shape == strokes.shape
    assert corrupted.dtype == np.uint8
    np.testing.assert_array_equal(strokes, original)
    assert (corrupted != strokes).any(axis=1).all()
    np.testing.assert_array_equal(mnist_c.corrupt(name, strokes, seed=3), corrupted)
    other = mnist_c.corrupt(name, strokes, seed=4)
    assert np.array_equal(other, corrupted) == (name in DETERMINISTIC)


@every_corruption
def test_images_are_independent_of_each_other(name, strokes, monkeypatch):
    """Blank images between others remain what a blank image becomes."""
    mixed = np.zeros((60, 784), np.uint8)
    mixed[::2] = strokes
    blank = mnist_c.corrupt(name, mixed)[1::2].reshape(-1, 28, 28)
    if name == "brightness":
        assert (blank == 128).all()
    elif name == "stripe":
        assert (blank[:, :, 7:21] == 0).all()
        assert (blank[:, :, :7] == 255).all()
        assert (blank[:, :, 21:] == 255).all()
    elif name == "impulse noise":
        assert set(np.unique(blank)) == {0, 255}
    elif name == "spatter":
        assert 0 < blank.max() <= 63
    elif name in ("dotted line", "zigzag"):
        assert (blank.max(axis=(1, 2)) > 200).all()
        assert (blank == 0).mean() > 0.8
    else:
        assert (blank == 0).all()


@every_corruption
def test_large_sets_are_corrupted_in_blocks(name, strokes, monkeypatch):
    monkeypatch.setattr(mnist_c, "BLOCK", 7)
    corrupted = mnist_c.corrupt(name, strokes)
    alone = mnist_c.corrupt(name, strokes[:7])
    np.testing.assert_array_equal(corrupted[:7], alone)
    assert (corrupted != strokes).any(axis=1).all()


# Noise


def test_shot_noise_has_the_moments_of_a_poisson_distribution():
    noisy = corrupt_image("shot noise", np.full((200, 200), 0.5), photons=3)
    counts = 3 * noisy
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-12)
    assert counts.mean() == pytest.approx(1.5, abs=0.03)
    assert counts.var() == pytest.approx(1.5, abs=0.06)
    assert (counts == 0).mean() == pytest.approx(np.exp(-1.5), abs=0.01)


def test_impulse_noise_is_black_and_white():
    noisy = corrupt_image("impulse noise", np.full((200, 200), 0.4), fraction=0.17)
    assert (noisy == 0).mean() == pytest.approx(0.085, abs=0.006)
    assert (noisy == 1).mean() == pytest.approx(0.085, abs=0.006)
    assert (noisy == 0.4).mean() == pytest.approx(0.83, abs=0.01)


# Blur


def test_glass_blur_exchanges_pixels():
    values = np.random.default_rng(0).permutation(784).reshape(28, 28) % 256
    blurred = 255 * corrupt_image("glass blur", (values + 0.5) / 255, sigma=1e-3, rounds=1)
    np.testing.assert_allclose(np.sort(blurred, axis=None), np.sort(values, axis=None))
    np.testing.assert_allclose(blurred[0], values[0])
    np.testing.assert_allclose(blurred[:, 0], values[:, 0])
    changed = (np.abs(blurred - values) > 0.5)[2:, 2:].mean()
    assert 0.5 < changed < 0.9


def test_glass_blur_blurs_along_columns():
    image = np.zeros((28, 28))
    image[13, 5] = 1
    blurred = corrupt_image("glass blur", image, sigma=0.7, rounds=0)
    weights = np.exp(-0.5 * (np.arange(-3, 4) / 0.7) ** 2)
    once = np.zeros(28)
    once[10:17] = np.floor(255 * weights / weights.sum()) / 255
    twice = np.convolve(once, weights / weights.sum(), mode="same")
    np.testing.assert_allclose(blurred[:, 5], twice, atol=1e-12)
    assert blurred[:, :5].max() == blurred[:, 6:].max() == 0


@pytest.mark.parametrize(("angle", "down"), [(0, 0), (45, 1), (-45, -1)])
def test_motion_blur_averages_along_a_line(angle, down):
    image = np.zeros((28, 28))
    image[14, 20] = 1
    blurred = corrupt_image("motion blur", image, rng=Draws([angle]))
    weights = np.exp(-(np.arange(21) ** 2) / 18)
    weights /= weights.sum()
    # A step along a diagonal has a length of sqrt(2): the pixel at (4, 4) has the distances 5 and 6.
    distances = range(12) if down == 0 else range(9)
    steps = np.ceil(np.arange(21) * np.cos(np.radians(angle)) - 0.5)
    for step in distances:
        expected = np.floor(255 * weights[steps == step].sum() + 1e-6) / 255
        assert blurred[14 - down * step, 20 - step] == pytest.approx(expected)
    assert blurred[:, 21:].max() == 0


def test_motion_blur_of_a_white_image_is_white():
    assert (corrupt_image("motion blur", np.ones((28, 28))) == 1).all()


# Affine transformations


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("name", "make_source"),
    [
        ("scale", lambda sign: (X / 0.7, Y / 0.7)),
        ("shear", lambda sign: (X - np.sin(0.4 * sign) * Y, np.cos(0.4) * Y)),
        (
            "rotate",
            lambda sign: (
                np.cos(0.4) * X - np.sin(0.4 * sign) * Y,
                np.sin(0.4 * sign) * X + np.cos(0.4) * Y,
            ),
        ),
    ],
)
def test_linear_images_are_transformed_exactly(name, make_source, sign):
    source_x, source_y = make_source(sign)
    image = 0.5 + 0.02 * X + 0.01 * Y
    transformed = corrupt_image(name, image, rng=Draws([sign]))
    is_inside = np.maximum(np.abs(source_x), np.abs(source_y)) <= CENTER
    is_outside = np.maximum(np.abs(source_x), np.abs(source_y)) >= CENTER + 1
    expected = 0.5 + 0.02 * source_x + 0.01 * source_y
    np.testing.assert_allclose(transformed[is_inside], expected[is_inside], atol=1e-9)
    assert is_outside.any()
    np.testing.assert_allclose(transformed[is_outside], 0, atol=1e-9)


def test_images_are_transformed_in_both_directions():
    images = np.tile(np.eye(28, dtype=np.uint8).ravel() * 255, (200, 1))
    for name in ("shear", "rotate"):
        variants, counts = np.unique(mnist_c.corrupt(name, images), axis=0, return_counts=True)
        assert len(variants) == 2
        assert counts.min() > 70


def test_images_are_translated_in_four_directions():
    images = np.zeros((400, 28, 28), np.uint8)
    images[:, 10, 12] = 200
    images[:, 1, 26] = 100
    translated = mnist_c.corrupt("translate", images.reshape(400, 784)).reshape(-1, 28, 28)
    expected = {(row, column): 0 for row in (7, 13) for column in (9, 15)}
    for image in translated:
        ((row, column),) = np.argwhere(image == 200)
        expected[row, column] += 1
        other = row - 9, column + 14
        is_visible = other[0] >= 0 and other[1] < 28
        np.testing.assert_array_equal(
            np.argwhere(image == 100), [other] if is_visible else np.empty((0, 2))
        )
    assert min(expected.values()) > 70


# Light, weather and dirt


def test_brightness_is_added():
    pixels = np.arange(256, dtype=np.uint8)
    image = np.pad(pixels, (0, 784 - 256))[np.newaxis]
    brightened = mnist_c.corrupt("brightness", image)[0, :256]
    assert (
        np.abs(brightened - np.minimum(pixels + 127.5, 255)).max() == 0.5
    )  # either neighbor of 127.5


def test_stripes_are_inverted():
    image = np.random.default_rng(0).integers(0, 256, (28, 28), np.uint8)
    inverted = mnist_c.corrupt("stripe", image.reshape(1, 784)).reshape(28, 28)
    expected = image.copy()
    expected[:, [*range(7), *range(21, 28)]] = 255 - expected[:, [*range(7), *range(21, 28)]]
    np.testing.assert_array_equal(inverted, expected)


def test_fog_preserves_the_range():
    foggy = corrupt_image("fog", np.full((28, 28), 0.5), thickness=3)
    height = (foggy * 3.5 / 0.5 - 0.5) / 3  # the inverse of the formula
    assert height.min() >= -1e-6
    assert height.max() <= 1 + 1e-6
    assert np.ptp(height) > 0.1


def test_height_maps_follow_the_diamond_square_algorithm():
    class Noise:
        """Random generator with the values 0.75, 0.625 and 0.25 of the center and the midpoints of the edges."""

        def __init__(self):
            self.values = [0.75, 0.625, 0.25]

        def random(self, shape, dtype):
            return np.full(shape, self.values.pop(0), dtype)

    # The corner has height 0 and the center 0.5. The mean of the neighbors of a midpoint, two corners and two centers,
    # is 0.25, and the noise is 0.25 and -0.5.
    heights = np.array([[0, 0.5], [-0.25, 0.5]])
    (normalized,) = mnist_c.draw_plasma(Noise(), 1, decay=2, size=2)
    np.testing.assert_allclose(normalized, (heights + 0.25) / 0.75)


def test_height_maps_are_rough_for_small_decay():
    roughness = []
    for decay in (1.2, 1.6, 2.4):
        maps = mnist_c.draw_plasma(np.random.default_rng(0), 20, decay, size=64)
        np.testing.assert_array_equal(maps.min(axis=(1, 2)), 0)
        np.testing.assert_array_equal(maps.max(axis=(1, 2)), 1)
        periodic = np.abs(np.diff(maps, axis=2, append=maps[:, :, :1]))
        assert periodic[:, :, -1].mean() < 1.5 * periodic.mean()
        roughness.append(periodic.mean())
    assert roughness == sorted(roughness, reverse=True)


def test_spatter_is_gray_and_opaque():
    image = np.full((28, 28), 0.9)
    parameters = {"gray": 0.25, "deviation": 0.01, "threshold": 0.5}
    assert (corrupt_image("spatter", image, mean=1, **parameters) == 0.25).all()
    assert (corrupt_image("spatter", image, mean=0, **parameters) == 0.9).all()
    spattered = corrupt_image("spatter", image, gray=0.25)
    opacity = (0.9 - spattered) / 0.65
    is_covered = opacity > 1e-9
    assert 0.05 < is_covered.mean() < 0.6
    assert opacity[is_covered].min() >= 0.8 - 1e-9


# Lines


def draw_graph(rows, columns):
    """Return an image of a function of the column, with the intensity that the publication's program gives it."""
    distance = np.abs(np.arange(28)[:, np.newaxis] - rows)
    image = np.zeros((28, 28))
    image[:, columns] = np.where(distance < 1.45, 1 + np.log(1 - np.minimum(distance, 2) / 2.3), 0)
    return image


@pytest.mark.parametrize(("start", "end"), [(13, 13), (0, 26), (20, 3)])
def test_dotted_line(start, end):
    columns = np.array([2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26])
    rows = start + (end - start) * columns / 27
    dotted = corrupt_image("dotted line", np.zeros((28, 28)), rng=Draws([[start], [end]]))
    np.testing.assert_allclose(dotted, draw_graph(rows, columns), atol=1e-9)


def test_zigzag_without_slope():
    columns = np.arange(2, 25)
    vertices = [0, 2, -2, 2, -2, 2, -2, -1 / 3]
    rows = 13 + np.interp(columns, [2, 4, 8, 12, 16, 20, 24, 25], vertices)
    zigzag = corrupt_image("zigzag", np.zeros((28, 28)), rng=Draws([13], [0]))
    np.testing.assert_allclose(zigzag, draw_graph(rows, columns), atol=1e-9)


@pytest.mark.parametrize("change", [-5, 4])
def test_zigzag_with_slope_follows_its_line(change):
    zigzag = corrupt_image("zigzag", np.zeros((28, 28)), rng=Draws([14], [change]))
    rows, columns = np.nonzero(zigzag)
    line = 14 + change * (columns - 2) / 23
    assert np.abs(rows - line).max() < 5
    deviations = [np.mean((rows - line)[columns == column]) for column in range(3, 24)]
    assert np.sum(np.diff(np.sign(deviations)) != 0) >= 5  # the zigzag crosses its line


# Edges


def test_edges_are_where_the_gradient_is_largest():
    image = np.clip(X, -0.5, 0.5) + 0.5  # 0 to the left of the center, 1 to the right
    image = np.roll(image, 1, axis=1)
    image[:, :13], image[:, 13], image[:, 14:] = 0, 0.5, 1
    expected = np.zeros((28, 28))
    expected[1:-1, 13] = 1
    np.testing.assert_array_equal(corrupt_image("Canny edges", image), expected)
    np.testing.assert_array_equal(corrupt_image("Canny edges", image.T), expected.T)


def test_edges_do_not_depend_on_the_orientation():
    noise = np.random.default_rng(0).random((5, 28, 28))
    for image in noise:
        edges = corrupt_image("Canny edges", image)
        assert 0.05 < edges.mean() < 0.5
        for turn in (np.transpose, np.flipud, np.fliplr):
            np.testing.assert_array_equal(corrupt_image("Canny edges", turn(image)), turn(edges))


def test_weak_edges_are_found_if_they_are_connected_to_strong_ones():
    step = np.where(X < 0, 0, 1.0)
    step[:, 13] = 0.5
    weak = np.full((28, 1), 0.06)  # a gradient of 0.15, between both thresholds
    strong_below = np.maximum(weak, np.linspace(-0.1, 0.1, 28)[:, np.newaxis])
    images = np.array([weak * step, strong_below * step, weak * step])
    corruption = mnist_c.CORRUPTIONS["Canny edges"]
    first, second, third = corruption(images, np.random.default_rng(0))
    assert first.max() == third.max() == 0  # also next to an image with strong edges
    assert (second[1:-1, 13] == 1).all()
