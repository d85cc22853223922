"""Normalization of drawn digits, under many conditions, to the format of MNIST."""

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from digits.crops import (
    ZEROS_WITH_PALE_SIDES,
    draw_bar_with_gray_edges,
    draw_bar_with_little_background,
    draw_four,
    enlarge_bundled_digit,
)
from digits.synthetic_pages import FontDigits, compose_digit, render
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import center_of_mass, gaussian_filter, zoom
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier, NoDigitError, load_mnist, normalize_digit
from skmlp.digits.ink import reaches_border

BICUBIC = Image.Resampling.BICUBIC
FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneral"]
every_font = pytest.mark.parametrize("font", FONTS)
every_digit = pytest.mark.parametrize("digit", range(10))


def draw_digit(
    digit, font="DejaVuSans", size=150, shape=(240, 240), position=(70, 40), ink=0.1, background=0.9
):
    """Draw a digit, with brightness from 0 to 1."""
    path = Path(mpl.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    picture = Image.new("L", shape[::-1], 0)
    font = ImageFont.truetype(str(path), size)
    ImageDraw.Draw(picture).text(position, str(digit), fill=255, font=font)
    return background + (ink - background) * np.asarray(picture, float) / 255


def compute_max_correlation(first, second):
    """Return the maximum correlation of two images, of which one is shifted by up to one pixel in each direction.

    If the center of mass is halfway between two pixels, as for a symmetric zero, it may be rounded to either of them.
    """
    shifts = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    shifted = [np.roll(second, shift, axis=(0, 1)).ravel() for shift in shifts]
    return np.corrcoef([first.ravel(), *shifted])[0, 1:].max()


def assert_format_of_mnist(image):
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert image.max() == 255
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert max(sides) == 20
    np.testing.assert_allclose(center_of_mass(image), (14, 14), atol=0.6)


# Format


@every_digit
@every_font
def test_normalized_digits_have_the_format_of_mnist(digit, font):
    assert_format_of_mnist(normalize_digit(draw_digit(digit, font)))


def test_aspect_ratio_is_preserved():
    picture = np.ones((100, 100))
    picture[20:80, 45:57] = 0
    image = normalize_digit(picture)
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 127) for axis in (1, 0))
    assert (len(rows), len(columns)) == (20, 4)
    assert image[14, 14] == 255
    assert image[14, 8] == 0


# Invariance

VARIANTS = {
    "small": {"size": 40, "shape": (64, 64), "position": (18, 8)},
    "large": {"size": 700, "shape": (1000, 1200), "position": (400, 80)},
    "in a corner": {"position": (4, 2)},
    "wide page": {"shape": (240, 700), "position": (480, 20)},
    "light ink": {"ink": 1.0, "background": 0.0},
    "gray on gray": {"ink": 0.45, "background": 0.6},
    "light gray on gray": {"ink": 0.6, "background": 0.45},
}


@every_digit
@pytest.mark.parametrize("variant", VARIANTS)
def test_result_does_not_depend_on_size_position_and_brightness(digit, variant):
    reference = normalize_digit(draw_digit(digit))
    image = normalize_digit(draw_digit(digit, **VARIANTS[variant]))
    assert_format_of_mnist(image)
    assert compute_max_correlation(image, reference) > 0.94


@every_digit
@pytest.mark.parametrize("ink", [0.15, 0.9])
@pytest.mark.parametrize("light", ["gradient", "lamp", "vignette"])
def test_uneven_light_is_corrected(digit, ink, light):
    rows, columns = np.mgrid[-1:1:240j, -1:1:240j]
    light = {
        "gradient": 0.75 + 0.25 * (rows + columns) / 2,
        "lamp": np.exp(-((rows - 0.5) ** 2 + (columns + 0.3) ** 2) / 6),
        "vignette": 1 - 0.2 * (rows**2 + columns**2),
    }[light]
    background = 0.9 if ink < 0.5 else 0.2
    image = normalize_digit(light * draw_digit(digit, ink=ink, background=background))
    reference = normalize_digit(draw_digit(digit))
    assert_format_of_mnist(image)
    assert compute_max_correlation(image, reference) > 0.93


@every_digit
@pytest.mark.parametrize("noise", [0.02, 0.08])
def test_noise_is_removed(digit, noise):
    rng = np.random.default_rng(digit)
    picture = draw_digit(digit) + rng.normal(0, noise, (240, 240))
    image = normalize_digit(picture)
    assert_format_of_mnist(image)
    assert compute_max_correlation(image, normalize_digit(draw_digit(digit))) > 0.93


def test_specks_are_removed():
    picture = draw_digit(3)
    clean = normalize_digit(picture)
    rng = np.random.default_rng(0)
    for row, column in rng.integers(5, 235, (25, 2)):
        if picture[row - 4 : row + 6, column - 4 : column + 6].min() > 0.8:
            picture[row : row + 2, column : column + 2] = 0.1
    assert compute_max_correlation(normalize_digit(picture), clean) > 0.98


@pytest.mark.parametrize("width", [4, 12])
def test_thin_strokes_are_thickened(width):
    picture = Image.new("L", (1000, 1000), 230)
    ImageDraw.Draw(picture).ellipse((300, 250, 700, 850), outline=40, width=width)
    image = normalize_digit(np.asarray(picture))
    assert_format_of_mnist(image)
    row = image[14].astype(float)
    assert row[:14].sum() / 255 == pytest.approx(1.8, abs=0.4)
    assert row[12:16].max() == 0


def draw_ring(diameter, width, blur=0.0):
    """Draw a 0 as a circle with a stroke of constant width in dark ink, with anti-aliased edges."""
    size = 2 * diameter
    rows, columns = np.mgrid[:size, :size] - (size - 1) / 2
    distance = np.abs(np.hypot(rows, columns) - (diameter - width) / 2)
    coverage = np.clip(width / 2 + 0.5 - distance, 0, 1)
    return 0.9 - 0.8 * (gaussian_filter(coverage, blur) if blur else coverage)


def measure_ring_width(image):
    """Return the mean width of the strokes on the left, right, top and bottom of a normalized ring, in pixels."""
    ink = image / 255
    return (ink[13:15].sum() + ink[:, 13:15].sum()) / 8


@pytest.mark.parametrize("diameter", [40, 100, 280])
@pytest.mark.parametrize(("width", "expected"), [(2.2, 2.2), (3, 3), (5, 4), (7, 5)])
def test_only_thick_strokes_are_thinned(diameter, width, expected):
    image = normalize_digit(draw_ring(diameter, width / 20 * diameter))
    assert_format_of_mnist(image)
    assert measure_ring_width(image) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize(("diameter", "min_correlation"), [(10, 0.95), (40, 0.97), (200, 0.97)])
def test_blurred_strokes_are_sharpened(diameter, min_correlation):
    width = 3.2 / 20 * diameter
    sharp = normalize_digit(draw_ring(200, 32))
    image = normalize_digit(draw_ring(diameter, width, blur=1.2 / 20 * diameter))
    assert_format_of_mnist(image)
    assert image[14, 14] == 0
    assert compute_max_correlation(image, sharp) > min_correlation


@pytest.mark.parametrize("paper", ["ruled", "grid"])
@pytest.mark.parametrize("digit", [1, 4, 8])
def test_ruled_lines_are_removed(digit, paper):
    picture = draw_digit(digit, size=600, shape=(1000, 1200), position=(300, 100))
    clean = normalize_digit(picture)
    for line in range(20, 1000, 60):
        picture[line : line + 3] = np.minimum(picture[line : line + 3], 0.65)
        if paper == "grid":
            picture[:, line : line + 3] = np.minimum(picture[:, line : line + 3], 0.65)
    assert compute_max_correlation(normalize_digit(picture), clean) > 0.97


def test_table_on_two_sides_of_the_sheet_is_removed():
    picture = draw_digit(6)
    clean = normalize_digit(picture)
    picture[:, :30] = 0.3
    picture[-15:] = 0.3
    assert compute_max_correlation(normalize_digit(picture), clean) > 0.97


@pytest.mark.parametrize("brightness", [0.1, 0.3])
@every_digit
def test_table_around_the_sheet_is_removed(digit, brightness):
    picture = draw_digit(digit)
    clean = normalize_digit(picture)
    for side in (picture[:15], picture[-15:], picture[:, :20], picture[:, -20:]):
        side[:] = brightness
    assert compute_max_correlation(normalize_digit(picture), clean) > 0.97


@pytest.mark.parametrize("gap", [8, 16])
def test_disconnected_strokes_of_a_digit_are_kept(gap):
    picture = np.full((200, 200), 0.9)
    picture[40:50, 60:130] = 0.1  # bar of a five, separated from its body
    picture[40 + gap + 10 : 160, 60:75] = 0.1
    image = normalize_digit(picture)
    rows = np.flatnonzero(image.max(axis=1) > 100)
    assert rows[-1] - rows[0] == 19
    assert image[rows[0]].max() > 200


# Pictures without a margin


def crop_to_mask(picture, mask, margin=0):
    """Crop a picture to a mask, with a margin."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    top, left = rows[0] - margin, columns[0] - margin
    return picture[top : rows[-1] + 1 + margin, left : columns[-1] + 1 + margin]


@every_digit
@every_font
@pytest.mark.parametrize("margin", [0, 1, 2, 5])
@pytest.mark.parametrize(("ink", "background"), [(0.1, 0.9), (1.0, 0.0), (0.45, 0.6)])
def test_crop_gives_the_same_image_as_the_page(digit, font, margin, ink, background):
    picture = draw_digit(digit, font, ink=ink, background=background)
    mask = np.abs(picture - background) > 0.5 * abs(ink - background)
    crop = crop_to_mask(picture, mask, margin)
    assert compute_max_correlation(normalize_digit(crop), normalize_digit(picture)) > 0.9


@every_digit
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("size", [28, 40, 150, 600])
def test_binary_crop_gives_the_same_image_as_the_page(digit, inverted, size):
    picture = draw_digit(
        digit, size=size, shape=(2 * size, 2 * size), position=(size // 2, size // 4)
    )
    ink = picture < 0.5
    reference = normalize_digit(picture)
    for crop in (
        crop_to_mask(ink ^ inverted, ink),
        crop_to_mask(255 * np.uint8(ink ^ inverted), ink),
    ):
        assert compute_max_correlation(normalize_digit(crop), reference) > 0.9


@every_digit
@pytest.mark.parametrize("ink", [0.15, 0.85])
@pytest.mark.parametrize("size", [40, 150])
@pytest.mark.parametrize("noise", [0.03, 0.08])
def test_crop_with_noise_gives_the_same_image_as_the_page(digit, ink, size, noise):
    sizes = {"size": size, "shape": (2 * size, 2 * size), "position": (size // 2, size // 4)}
    picture = draw_digit(digit, ink=ink, background=1 - ink, **sizes)
    crop = crop_to_mask(picture, np.abs(picture - ink) < 0.35)
    crop = crop + np.random.default_rng(digit).normal(0, noise, crop.shape)
    assert compute_max_correlation(normalize_digit(crop), normalize_digit(picture)) > 0.9


@every_digit
@pytest.mark.parametrize("ink", [0.15, 0.85])
def test_crop_with_a_gradient_of_light_gives_the_same_image_as_the_page(digit, ink):
    picture = draw_digit(digit, ink=ink, background=1 - ink)
    crop = crop_to_mask(picture, np.abs(picture - ink) < 0.35)
    light = np.linspace(1, 0.85, crop.shape[1])
    assert compute_max_correlation(normalize_digit(light * crop), normalize_digit(picture)) > 0.93


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("width", [3, 4, 6])
@pytest.mark.parametrize("factor", [1, 3, 15])
def test_crop_of_a_one_may_be_narrow(factor, width, ink):
    crop = np.full((20, width), ink, np.uint8)
    crop[:10, -1] = crop[10:, 0] = 255 - ink
    crop = np.kron(crop, np.ones((factor, factor), np.uint8))
    image = normalize_digit(crop)
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 127) for axis in (1, 0))
    assert len(rows) == 20
    is_thinned = width == 6 and factor > 1
    assert len(columns) == (5 if is_thinned else width)
    assert image[9:19, 13:15].max() == 255


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("sigma", [1, 2, 3])
def test_crop_with_little_background_gives_the_whole_bar(sigma, inverted):
    crop = draw_bar_with_little_background(sigma)
    image = normalize_digit(1 - crop if inverted else crop)
    assert np.count_nonzero(image.max(axis=1) > 100) == 20
    assert image[9:19, 12:16].max(axis=1).min() > 200


@pytest.mark.parametrize("inverted", [False, True])
def test_crop_whose_background_is_brighter_near_the_ink_gives_a_dark_bar(inverted):
    crop = draw_bar_with_gray_edges()
    image = normalize_digit(1 - crop if inverted else crop)
    assert image[9:19, 13:15].min() > 240


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("index", ZEROS_WITH_PALE_SIDES)
def test_crop_keeps_pale_strokes_at_its_border(index, inverted):
    crop, picture = enlarge_bundled_digit(index), enlarge_bundled_digit(index, margin=2)
    image = normalize_digit(1 - crop if inverted else crop)
    assert compute_max_correlation(image, normalize_digit(picture)) > 0.94


@every_digit
@pytest.mark.parametrize("contrast", [0.3, 0.6])
def test_shadow_at_two_opposite_sides_is_removed(digit, contrast):
    picture = draw_digit(
        digit, ink=0.15, background=0.85, size=60, shape=(150, 150), position=(45, 70)
    )
    shadowed = picture.copy()
    shadowed[:, :40] *= contrast
    assert compute_max_correlation(normalize_digit(shadowed), normalize_digit(picture)) > 0.9


def test_ruled_line_through_a_digit_is_removed():
    rng = np.random.default_rng(3)
    canvas = compose_digit(FontDigits(), 3, rng, dpi=150)
    picture = render(canvas, "ruled paper", 1, rng)
    image = normalize_digit(picture)
    assert compute_max_correlation(image, normalize_digit(1 - canvas.coverage)) > 0.95


def test_images_of_8_x_8_pixels_do_not_need_a_margin():
    images = load_digits().images[::10]
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4)))
    correlations = [
        compute_max_correlation(normalize_digit(image), normalize_digit(padded_image))
        for image, padded_image in zip(images, padded, strict=True)
    ]
    assert np.mean(np.array(correlations) > 0.9) > 0.97


@pytest.mark.parametrize("shape", [(8, 8), (8, 19), (19, 13), (20, 12), (20, 20)])
def test_pictures_of_fewer_than_20_pixels_are_enlarged_by_lanczos_interpolation(shape):
    factor = -(-40 // max(shape))
    for image in load_digits().images[:10]:
        small = Image.fromarray(image.astype(np.float32)).resize(shape[::-1], BICUBIC)
        size = factor * small.width, factor * small.height
        enlarged = np.asarray(small.resize(size, Image.Resampling.LANCZOS))
        is_same = np.array_equal(normalize_digit(np.asarray(small)), normalize_digit(enlarged))
        assert is_same == (max(shape) < 20)


@pytest.mark.parametrize("side", [2, 3, 7, 16, 37])
@pytest.mark.parametrize("n_cut", [0, 1])
@pytest.mark.parametrize("n_channels", [1, 3, 4])
def test_pictures_enlarged_without_interpolation_give_the_same_as_their_pixels(
    side, n_cut, n_channels
):
    for image in load_digits().images[:3]:
        pixels = np.uint8(255 - 15 * image)[:, :, np.newaxis].repeat(n_channels, axis=2)
        pixels[:, :, 3:] = 255
        enlarged = pixels.repeat(side, axis=0).repeat(side, axis=1)[n_cut:, n_cut:]
        np.testing.assert_array_equal(normalize_digit(enlarged), normalize_digit(pixels))


@pytest.mark.parametrize("side", [2, 5, 20])
def test_enlarged_images_of_mnist_give_the_same_as_these(side, mnist_dir):
    for image in load_mnist(mnist_dir, subset="test").data[:10].reshape(-1, 28, 28):
        enlarged = np.kron(image, np.ones((side, side), np.uint8))
        np.testing.assert_array_equal(normalize_digit(enlarged), normalize_digit(image))


@pytest.mark.parametrize(("n_pixels", "is_merged"), [(64, True), (65, True), (66, False)])
def test_only_pictures_of_few_enlarged_pixels_are_merged(n_pixels, is_merged):
    for image in load_digits().images[:5]:
        digit = Image.fromarray(image.astype(np.float32)).resize((n_pixels, n_pixels), BICUBIC)
        pixels = np.asarray(digit)
        enlarged = np.kron(pixels, np.ones((2, 2), np.float32))
        is_same = np.array_equal(normalize_digit(enlarged), normalize_digit(pixels))
        assert is_same == is_merged


def test_enlarged_pixels_are_merged_on_pages_of_any_size():
    for image in load_digits().images[:5]:
        page = np.pad(np.uint8(15 * image), ((70, 5), (3, 90)))
        enlarged = page.repeat(4, axis=0).repeat(4, axis=1)
        np.testing.assert_array_equal(normalize_digit(enlarged), normalize_digit(page))


@pytest.mark.parametrize("name", ["open 4", "1"])
def test_drawings_of_rectangles_are_not_of_low_resolution(name):
    if name == "1":
        page = np.full((96, 64), 200, np.uint8)
        page[16:80, 28:36] = page[16:24, 20:36] = 40
    else:
        page = np.kron(draw_four(31), np.ones((2, 2), np.uint8))
    other = page.copy()
    other[1, 1] -= 1  # an edge within a square
    np.testing.assert_array_equal(normalize_digit(page), normalize_digit(other))


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("threshold", [8, 64, 128])
def test_enlarged_images_of_8_x_8_pixels_do_not_need_a_margin(threshold, inverted):
    correlations = []
    for image in np.pad(load_digits().images[::30], ((0, 0), (4, 4), (4, 4))):
        enlarged = Image.fromarray(np.uint8(image * 255 / 16)).resize((80, 80), BICUBIC)
        picture = np.asarray(enlarged)
        crop = crop_to_mask(picture, picture > threshold)
        image = normalize_digit(255 - crop if inverted else crop)
        correlations.append(compute_max_correlation(image, normalize_digit(picture)))
    assert np.mean(np.array(correlations) > 0.9) > 0.97


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("is_turned", [False, True])
def test_digits_that_touch_two_opposite_sides_of_the_picture_do_not_need_a_margin(
    is_turned, inverted
):
    digits = load_digits()
    n_right = 0
    zeros = digits.images[digits.target == 0][::6]
    for image in zeros:
        # All zeros touch the upper and the lower border, and most of them no other one.
        enlarged = np.clip(
            zoom(image * 255 / 16, 16, order=3, mode="nearest", grid_mode=True), 0, 255
        )
        picture = np.uint8(enlarged.T if is_turned else enlarged)
        zero = normalize_digit(255 - picture if inverted else picture)
        n_right += zero.max() > 200 and zero[12:16, 12:16].min() < 64
    assert n_right >= 0.97 * len(zeros)


@pytest.mark.parametrize("gap", [3, 4])
def test_small_pieces_of_interrupted_strokes_are_kept(gap):
    page = np.full((220, 180), 220, np.uint8)
    page[40:140, 80:94] = 30
    page[140:150, 60:114] = 30
    interrupted = page.copy()
    interrupted[140 : 140 + gap] = 220  # each piece has 4 % of the area of the stroke
    interrupted[140:150, 70 : 70 + gap] = interrupted[140:150, 104 : 104 + gap] = 220
    assert compute_max_correlation(normalize_digit(interrupted), normalize_digit(page)) > 0.92
    interrupted[190:197, 150:156] = 30  # a speck that is not near
    assert compute_max_correlation(normalize_digit(interrupted), normalize_digit(page)) > 0.92


@pytest.mark.parametrize("speck", [False, True])
@pytest.mark.parametrize("gap", [16, 20])
def test_line_below_the_digit_is_removed(gap, speck):
    page = np.full((260, 260), 220, np.uint8)
    page[60:160, 120:132] = 30
    expected = normalize_digit(page)
    page[160 + gap : 168 + gap, 80:180] = 30
    if speck:  # between the digit and the line
        page[164:170, 122:128] = 30
    assert compute_max_correlation(normalize_digit(page), expected) > 0.95


@pytest.mark.parametrize("gap", [4, 5, 9, 14])
def test_blots_are_removed_unless_they_are_near(gap):
    page = np.full((260, 260), 220, np.uint8)
    page[60:160, 120:132] = 30
    expected = normalize_digit(page)
    page[100:112, 132 + gap : 144 + gap] = 30  # 12 % of the area of the digit
    correlation = compute_max_correlation(normalize_digit(page), expected)
    assert (correlation > 0.95) == (gap > 6)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("is_wide_first", [False, True])
@pytest.mark.parametrize("positions", [[(60, 160), (160, 60)], [(60, 60), (60, 160)]], ids=str)
def test_upper_or_left_one_of_two_blots_of_the_same_area_is_the_digit(
    positions, is_wide_first, inverted
):
    shapes = [(24, 40), (40, 24)] if is_wide_first else [(40, 24), (24, 40)]
    page = np.full((260, 260), 220, np.uint8)
    for (top, left), (height, width) in zip(positions, shapes, strict=True):
        page[top : top + height, left : left + width] = 30
    image = normalize_digit(255 - page if inverted else page)
    rows, columns = (np.flatnonzero((image > 100).any(axis=axis)) for axis in (1, 0))
    assert (len(rows) < len(columns)) == is_wide_first
    (top, left), _ = positions
    page[:] = 220
    page[top : top + shapes[0][0], left : left + shapes[0][1]] = 30
    assert compute_max_correlation(image, normalize_digit(page)) > 0.99


@pytest.mark.parametrize("is_connected", [False, True])
def test_components_of_the_same_area_are_not_one_that_reaches_two_sides(is_connected):
    mask = np.zeros((200, 200), bool)
    mask[:110, 60:72] = mask[90:, 130:142] = True  # one at the upper side, one at the lower side
    upper = mask.copy()
    upper[:, 100:] = False
    assert 2 * upper.sum() == mask.sum()
    mask[96:108, 72:130] = is_connected
    for each, piece in ((mask, upper), (mask[::-1], upper[::-1]), (mask.T, upper.T)):
        assert reaches_border(each, piece) == is_connected


def test_row_of_dots_beside_the_digit_is_not_added():
    page = np.full((260, 260), 220, np.uint8)
    page[60:160, 120:132] = 30
    for left in range(136, 196, 12):
        page[100:109, left : left + 8] = 30
    columns = np.flatnonzero((normalize_digit(page) > 50).any(axis=0))
    assert np.ptp(columns) + 1 < 8


# Types of pictures


def test_all_types_of_pictures_give_the_same_image(tmp_path):
    gray = np.rint(draw_digit(5) * 255).astype(np.uint8)
    colors = np.stack([gray] * 3, axis=2)
    opaque = np.concatenate([colors, np.full((240, 240, 1), 255, np.uint8)], axis=2)
    only_ink = np.zeros_like(opaque)
    only_ink[:, :, 3] = np.rint((0.9 - draw_digit(5)) / 0.8 * 255)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "16-bit.png")
    rotated = Image.fromarray(np.rot90(colors).copy())
    exif = rotated.getexif()
    exif[0x0112] = 6  # orientation: rotated by 90 degrees
    rotated.save(tmp_path / "rotated.jpg", exif=exif, quality=95)
    reference = normalize_digit(gray)
    pictures = {
        "float": gray / 255,
        "large float": gray * 1e20,
        "small float": gray * 1e-20,
        "int": gray.astype(np.int64),
        "bool": gray > 127,
        "colors": colors,
        "one channel": gray[:, :, None],
        "opaque": opaque,
        "transparent": only_ink,
        "Pillow": Image.fromarray(gray),
        "Pillow, colors": Image.fromarray(colors),
        "Pillow, transparent": Image.fromarray(only_ink),
        "Pillow, palette": Image.fromarray(colors).quantize(32),
        "Pillow, 1 bit": Image.fromarray(gray).convert("1", dither=Image.Dither.NONE),
        "file": tmp_path / "gray.png",
        "path as str": str(tmp_path / "gray.png"),
        "bytes": (tmp_path / "gray.png").read_bytes(),
        "memoryview": memoryview((tmp_path / "gray.png").read_bytes()),
        "stream": BytesIO((tmp_path / "gray.png").read_bytes()),
        "16-bit file": tmp_path / "16-bit.png",
        "rotated file": tmp_path / "rotated.jpg",
    }
    for name, picture in pictures.items():
        assert compute_max_correlation(normalize_digit(picture), reference) > 0.97, name


def test_light_strokes_on_transparent_background_are_ink():
    ink = np.zeros((240, 240, 4), np.uint8)
    ink[:, :, :3] = 255
    ink[:, :, 3] = np.rint((0.9 - draw_digit(5)) / 0.8 * 255)
    assert compute_max_correlation(normalize_digit(ink), normalize_digit(draw_digit(5))) > 0.97


def test_picture_is_not_modified():
    picture = draw_digit(2)
    before = picture.copy()
    normalize_digit(picture)
    np.testing.assert_array_equal(picture, before)


# Errors


@pytest.mark.parametrize(
    "picture",
    [
        np.full((100, 100), 0.9),
        np.zeros((100, 100), np.uint8),
        np.full((50, 80, 3), 255, np.uint8),
        np.full((20, 3), 255, np.uint8),
        np.zeros((20, 3), bool),
        np.add.outer(np.linspace(0, 1, 90), np.linspace(0, 1, 120)),
        np.add.outer(np.linspace(0, 1, 90), np.zeros(120)),
        1 - 0.3 * np.add.outer(np.linspace(-1, 1, 90) ** 2, np.linspace(-1, 1, 120) ** 2),
        np.zeros((60, 60, 4), np.uint8),
    ],
    ids=[
        "white",
        "black",
        "colors",
        "narrow, white",
        "narrow, black",
        "gradient",
        "vertical gradient",
        "vignette",
        "transparent",
    ],
)
def test_blank_picture_raises(picture):
    with pytest.raises(NoDigitError, match="picture must show a digit"):
        normalize_digit(picture)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(60, 60), (60, 90), (90, 40)])
def test_smooth_light_without_a_digit_raises(shape, seed):
    rows, columns = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    terms = [rows, columns, rows**2, columns**2, rows * columns]
    light = np.tensordot(np.random.default_rng(seed).normal(size=5), terms, 1)
    with pytest.raises(NoDigitError, match="picture must show a digit"):
        normalize_digit(1 - 0.4 * (light - light.min()) / np.ptp(light))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(20, 20), (28, 28), (20, 5), (60, 40), (150, 150), (400, 400)])
@pytest.mark.parametrize("noise", ["normal", "uniform", "black and white"])
def test_noise_without_a_digit_raises(noise, shape, seed):
    rng = np.random.default_rng(seed)
    picture = {
        "normal": lambda: rng.normal(0.5, 0.1, shape),
        "uniform": lambda: rng.random(shape),
        "black and white": lambda: rng.random(shape) < 0.5,
    }[noise]()
    with pytest.raises(NoDigitError, match="picture must show a digit"):
        normalize_digit(picture)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros(784), r"shape \(height, width\).*got \(784,\)"),
        (np.zeros((28, 28, 2)), r"got \(28, 28, 2\)"),
        (np.zeros((7, 28)), "at least 8 pixels high and 2 pixels wide, got 7 x 28"),
        (np.zeros((28, 1)), "at least 8 pixels high and 2 pixels wide, got 28 x 1"),
        (np.zeros((10, 400)), "at most 30 times the shorter side, got 10 x 400"),
        (np.zeros((400, 10)), "at most 30 times the shorter side, got 400 x 10"),
        (np.full((30, 30), np.nan), "finite numbers"),
        (np.zeros((30, 30), complex), "real numbers, got complex128"),
        (
            np.lib.stride_tricks.as_strided(np.zeros(1), (10**5, 10**5), (0, 0)),
            "at most 80,000,000",
        ),
    ],
)
def test_invalid_array_raises(picture, message):
    with pytest.raises(ValueError, match=message):
        normalize_digit(picture)


def test_format_that_needs_an_external_program_raises(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "picture.eps")
    with pytest.raises(
        ValueError, match=r"picture\.eps: expected a picture in one of the formats PNG, "
    ):
        normalize_digit(tmp_path / "picture.eps")


def test_invalid_source_raises(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("seven")
    with pytest.raises(ValueError, match=r"notes\.txt: expected a picture"):
        normalize_digit(path)
    with pytest.raises(FileNotFoundError):
        normalize_digit(tmp_path / "missing.png")
    with pytest.raises(TypeError, match=r"a NumPy array, a Pillow image, a path.*got list"):
        normalize_digit([[0, 1]])


# MNIST


@pytest.fixture(scope="module")
def mnist_classifier(mnist_dir):
    X, y = load_mnist(mnist_dir, return_X_y=True)
    mlp = MLPDigitClassifier(
        (256,),
        augmentation="digits",  # so that predictions do not depend on details of the interpolation
        batch_size=128,
        max_iter=4,
        learning_rate="one_cycle",
        learning_rate_init=0.01,
        input_scale=1 / 255,
        random_state=0,
    )
    return mlp.fit(X, y)


def assert_same_predictions(mlp, images, X, y):
    """Compare predictions for normalized images with those for the original images of MNIST.

    Interpolation blurs the images, which can change predictions with a low probability. So predictions must be the same
    for nearly all samples with a high probability and most of the others, and the accuracy must be nearly the same.
    A wrong prediction may become right, because thick strokes are thinned.
    """
    images = np.array([image.ravel() for image in images])
    before, after = mlp.predict(X), mlp.predict(images)
    same_or_right = (before == after) | (after == y)
    confident = mlp.predict_proba(X).max(axis=1) > 0.9
    assert confident.mean() > 0.9
    assert np.sum(~same_or_right[confident]) <= 0.005 * len(X)
    assert np.mean(same_or_right) >= 0.98
    assert np.mean(after == y) >= np.mean(before == y) - 0.0125


@pytest.mark.parametrize("size", [28, 60, 140, 400])
def test_predictions_are_the_same_for_upsampled_shifted_and_inverted_images(
    mnist_dir, mnist_classifier, size
):
    X, y = (array[::30] for array in load_mnist(mnist_dir, subset="test", return_X_y=True))
    rng = np.random.default_rng(size)
    images = []
    for pixels in X.reshape(-1, 28, 28):
        upsampled = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
        canvas = np.zeros((size * 2, size * 3), np.uint8)
        top, left = rng.integers(0, size + 1), rng.integers(0, 2 * size + 1)
        canvas[top : top + size, left : left + size] = upsampled
        is_inverted = len(images) % 2 == 1
        images.append(normalize_digit(255 - canvas if is_inverted else canvas))
    assert_same_predictions(mnist_classifier, images, X, y)


@pytest.mark.parametrize(
    ("threshold", "size", "noise", "step"),
    [(0, None, 0, 20), (30, None, 0, 20), (0, 40, 0, 30), (30, 100, 8, 40), (0, 400, 0, 100)],
)
def test_predictions_are_the_same_for_cropped_images(
    mnist_dir, mnist_classifier, threshold, size, noise, step
):
    X, y = (array[::step] for array in load_mnist(mnist_dir, subset="test", return_X_y=True))
    rng = np.random.default_rng(0)
    images = []
    for pixels in X.reshape(-1, 28, 28):
        crop = crop_to_mask(pixels, pixels > threshold)
        if size is not None:
            scale = size / max(crop.shape)
            new_size = [round(scale * side) for side in crop.shape[::-1]]
            crop = np.asarray(Image.fromarray(crop).resize(new_size, Image.Resampling.BICUBIC))
        crop = np.clip(crop + rng.normal(0, noise, crop.shape), 0, 255).astype(np.uint8)
        is_inverted = len(images) % 2 == 1
        images.append(normalize_digit(255 - crop if is_inverted else crop))
    assert_same_predictions(mnist_classifier, images, X, y)
    if size is None:
        difference = np.abs(np.array(images, float) - X.reshape(-1, 28, 28))
        assert np.mean(difference) < 2
        assert np.median(difference.max(axis=(1, 2))) <= 20
