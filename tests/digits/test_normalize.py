"""Pictures of digits, drawn by the tests in many ways, against the form that MNIST has."""

from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import center_of_mass
from sklearn.datasets import load_digits

from skmlp import MLPDigitClassifier, NoDigitError, load_mnist, normalize_digit

FONTS = ["DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif-Italic", "DejaVuSansMono", "STIXGeneral"]
every_font = pytest.mark.parametrize("font", FONTS)
every_digit = pytest.mark.parametrize("digit", range(10))


def drawn(digit, font="DejaVuSans", size=150, canvas=(240, 240), at=(70, 40), ink=0.1, paper=0.9):
    """Draw a digit, in brightness from 0 to 1."""
    path = Path(mpl.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    picture = Image.new("L", canvas[::-1], 0)
    pen = ImageDraw.Draw(picture)
    pen.text(at, str(digit), fill=255, font=ImageFont.truetype(str(path), size))
    return paper + (ink - paper) * np.asarray(picture, float) / 255


def likeness(first, second):
    """Return the largest correlation of two images that are moved by up to a pixel.

    Where the center of mass is halfway between two pixels, as a symmetrical zero's is, either may be the middle.
    """
    steps = [(row, column) for row in (-1, 0, 1) for column in (-1, 0, 1)]
    moved = [np.roll(second, step, axis=(0, 1)).ravel() for step in steps]
    return np.corrcoef([first.ravel(), *moved])[0, 1:].max()


def assert_form_of_mnist(image):
    assert image.shape == (28, 28)
    assert image.dtype == np.uint8
    assert image.max() == 255
    rows, columns = (np.flatnonzero(image.any(axis=axis)) for axis in (1, 0))
    sides = rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1
    assert max(sides) == 20
    np.testing.assert_allclose(center_of_mass(image), (14, 14), atol=0.6)


# The form


@every_digit
@every_font
def test_drawn_digits_get_the_form_of_mnist(digit, font):
    assert_form_of_mnist(normalize_digit(drawn(digit, font)))


def test_proportions_are_kept():
    paper = np.ones((100, 100))
    paper[20:80, 45:57] = 0
    image = normalize_digit(paper)
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 127) for axis in (1, 0))
    assert (len(rows), len(columns)) == (20, 4)
    assert image[14, 14] == 255
    assert image[14, 8] == 0


# What must not matter

VARIANTS = {
    "small": {"size": 40, "canvas": (64, 64), "at": (18, 8)},
    "large": {"size": 700, "canvas": (1000, 1200), "at": (400, 80)},
    "in a corner": {"at": (4, 2)},
    "on a wide page": {"canvas": (240, 700), "at": (480, 20)},
    "light ink": {"ink": 1.0, "paper": 0.0},
    "gray on gray": {"ink": 0.45, "paper": 0.6},
    "light gray on gray": {"ink": 0.6, "paper": 0.45},
}


@every_digit
@pytest.mark.parametrize("variant", VARIANTS)
def test_size_place_and_color_do_not_matter(digit, variant):
    reference = normalize_digit(drawn(digit))
    image = normalize_digit(drawn(digit, **VARIANTS[variant]))
    assert_form_of_mnist(image)
    assert likeness(image, reference) > 0.94


@every_digit
@pytest.mark.parametrize("ink", [0.15, 0.9])
@pytest.mark.parametrize("light", ["gradient", "lamp", "vignette"])
def test_uneven_light_does_not_matter(digit, ink, light):
    rows, columns = np.mgrid[-1:1:240j, -1:1:240j]
    light = {
        "gradient": 0.75 + 0.25 * (rows + columns) / 2,
        "lamp": np.exp(-((rows - 0.5) ** 2 + (columns + 0.3) ** 2) / 6),
        "vignette": 1 - 0.2 * (rows**2 + columns**2),
    }[light]
    paper = 0.9 if ink < 0.5 else 0.2
    image = normalize_digit(light * drawn(digit, ink=ink, paper=paper))
    reference = normalize_digit(drawn(digit))
    assert_form_of_mnist(image)
    assert likeness(image, reference) > 0.93


@every_digit
@pytest.mark.parametrize("noise", [0.02, 0.08])
def test_noise_does_not_matter(digit, noise):
    rng = np.random.default_rng(digit)
    picture = drawn(digit) + rng.normal(0, noise, (240, 240))
    image = normalize_digit(picture)
    assert_form_of_mnist(image)
    assert likeness(image, normalize_digit(drawn(digit))) > 0.93


def test_specks_do_not_matter():
    picture = drawn(3)
    clean = normalize_digit(picture)
    rng = np.random.default_rng(0)
    for row, column in rng.integers(5, 235, (25, 2)):
        if picture[row - 4 : row + 6, column - 4 : column + 6].min() > 0.8:
            picture[row : row + 2, column : column + 2] = 0.1
    assert likeness(normalize_digit(picture), clean) > 0.98


@pytest.mark.parametrize("pen", [4, 12])
def test_thin_strokes_become_as_thick_as_those_of_mnist(pen):
    paper = Image.new("L", (1000, 1000), 230)
    ImageDraw.Draw(paper).ellipse((300, 250, 700, 850), outline=40, width=pen)
    image = normalize_digit(np.asarray(paper))
    assert_form_of_mnist(image)
    across = image[14].astype(float)
    assert across[:14].sum() / 255 == pytest.approx(1.8, abs=0.4)
    assert across[12:16].max() == 0


@pytest.mark.parametrize("paper", ["ruled", "squared"])
@pytest.mark.parametrize("digit", [1, 4, 8])
def test_lines_on_the_paper_do_not_matter(digit, paper):
    picture = drawn(digit, size=600, canvas=(1000, 1200), at=(300, 100))
    clean = normalize_digit(picture)
    for line in range(20, 1000, 60):
        picture[line : line + 3] = np.minimum(picture[line : line + 3], 0.65)
        if paper == "squared":
            picture[:, line : line + 3] = np.minimum(picture[:, line : line + 3], 0.65)
    assert likeness(normalize_digit(picture), clean) > 0.97


def test_a_table_beside_the_paper_does_not_matter():
    picture = drawn(6)
    clean = normalize_digit(picture)
    picture[:, :30] = 0.3
    picture[-15:] = 0.3
    assert likeness(normalize_digit(picture), clean) > 0.97


@pytest.mark.parametrize("brightness", [0.1, 0.3])
@every_digit
def test_a_table_around_the_paper_does_not_matter(digit, brightness):
    picture = drawn(digit)
    clean = normalize_digit(picture)
    for side in (picture[:15], picture[-15:], picture[:, :20], picture[:, -20:]):
        side[:] = brightness
    assert likeness(normalize_digit(picture), clean) > 0.97


@pytest.mark.parametrize("gap", [8, 16])
def test_a_digit_of_several_strokes_stays_whole(gap):
    picture = np.full((200, 200), 0.9)
    picture[40:50, 60:130] = 0.1  # the bar of a five, apart from its body
    picture[40 + gap + 10 : 160, 60:75] = 0.1
    image = normalize_digit(picture)
    rows = np.flatnonzero(image.max(axis=1) > 100)
    assert rows[-1] - rows[0] == 19
    assert image[rows[0]].max() > 200


# Pictures without a margin


def cropped(picture, ink, margin=0):
    """Crop a picture to its ink, a mask, and a margin."""
    rows, columns = (np.flatnonzero(ink.any(axis=axis)) for axis in (1, 0))
    top, left = rows[0] - margin, columns[0] - margin
    return picture[top : rows[-1] + 1 + margin, left : columns[-1] + 1 + margin]


@every_digit
@every_font
@pytest.mark.parametrize("margin", [0, 1, 2, 5])
@pytest.mark.parametrize(("ink", "paper"), [(0.1, 0.9), (1.0, 0.0), (0.45, 0.6)])
def test_a_picture_cropped_to_the_digit_is_read(digit, font, margin, ink, paper):
    picture = drawn(digit, font, ink=ink, paper=paper)
    crop = cropped(picture, np.abs(picture - paper) > 0.5 * abs(ink - paper), margin)
    assert likeness(normalize_digit(crop), normalize_digit(picture)) > 0.9


@every_digit
@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("size", [28, 40, 150, 600])
def test_a_crop_of_two_colors_is_read(digit, inverted, size):
    picture = drawn(digit, size=size, canvas=(2 * size, 2 * size), at=(size // 2, size // 4))
    ink = picture < 0.5
    reference = normalize_digit(picture)
    for crop in (cropped(ink ^ inverted, ink), cropped(255 * np.uint8(ink ^ inverted), ink)):
        assert likeness(normalize_digit(crop), reference) > 0.9


@every_digit
@pytest.mark.parametrize("ink", [0.15, 0.85])
@pytest.mark.parametrize("size", [40, 150])
@pytest.mark.parametrize("noise", [0.03, 0.08])
def test_a_crop_with_noise_is_read(digit, ink, size, noise):
    sizes = {"size": size, "canvas": (2 * size, 2 * size), "at": (size // 2, size // 4)}
    picture = drawn(digit, ink=ink, paper=1 - ink, **sizes)
    crop = cropped(picture, np.abs(picture - ink) < 0.35)
    crop = crop + np.random.default_rng(digit).normal(0, noise, crop.shape)
    assert likeness(normalize_digit(crop), normalize_digit(picture)) > 0.9


@every_digit
@pytest.mark.parametrize("ink", [0.15, 0.85])
def test_a_crop_under_a_lamp_at_one_side_is_read(digit, ink):
    picture = drawn(digit, ink=ink, paper=1 - ink)
    crop = cropped(picture, np.abs(picture - ink) < 0.35)
    light = np.linspace(1, 0.85, crop.shape[1])
    assert likeness(normalize_digit(light * crop), normalize_digit(picture)) > 0.93


@pytest.mark.parametrize("ink", [0, 255])
@pytest.mark.parametrize("width", [3, 4, 6])
@pytest.mark.parametrize("factor", [1, 3, 15])
def test_a_one_cropped_to_its_ink_may_be_narrow(factor, width, ink):
    crop = np.full((20, width), ink, np.uint8)
    crop[:10, -1] = crop[10:, 0] = 255 - ink
    crop = np.kron(crop, np.ones((factor, factor), np.uint8))
    image = normalize_digit(crop)
    rows, columns = (np.flatnonzero(image.max(axis=axis) > 127) for axis in (1, 0))
    assert len(rows) == 20
    assert len(columns) == width
    assert image[9:19, 13:15].max() == 255


def test_images_of_8_x_8_pixels_need_no_margin():
    images = load_digits().images[::10]
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4)))
    likenesses = [
        likeness(normalize_digit(image), normalize_digit(wide))
        for image, wide in zip(images, padded, strict=True)
    ]
    assert np.mean(np.array(likenesses) > 0.9) > 0.97


# Kinds of pictures


def test_any_kind_of_picture_is_the_same_picture(tmp_path):
    gray = np.rint(drawn(5) * 255).astype(np.uint8)
    colors = np.stack([gray] * 3, axis=2)
    opaque = np.concatenate([colors, np.full((240, 240, 1), 255, np.uint8)], axis=2)
    ink_alone = np.zeros_like(opaque)
    ink_alone[:, :, 3] = np.rint((0.9 - drawn(5)) / 0.8 * 255)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "sixteen.png")
    turned = Image.fromarray(np.rot90(colors).copy())
    exif = turned.getexif()
    exif[0x0112] = 6  # the camera was held sideways
    turned.save(tmp_path / "turned.jpg", exif=exif, quality=95)
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
        "transparent": ink_alone,
        "Pillow": Image.fromarray(gray),
        "Pillow, colors": Image.fromarray(colors),
        "Pillow, transparent": Image.fromarray(ink_alone),
        "Pillow, palette": Image.fromarray(colors).quantize(32),
        "Pillow, 1 bit": Image.fromarray(gray).convert("1", dither=Image.Dither.NONE),
        "file": tmp_path / "gray.png",
        "name of a file": str(tmp_path / "gray.png"),
        "bytes of a file": (tmp_path / "gray.png").read_bytes(),
        "stream": BytesIO((tmp_path / "gray.png").read_bytes()),
        "file of 16 bits": tmp_path / "sixteen.png",
        "file, turned": tmp_path / "turned.jpg",
    }
    for name, picture in pictures.items():
        assert likeness(normalize_digit(picture), reference) > 0.97, name


def test_light_strokes_on_nothing_are_ink():
    ink = np.zeros((240, 240, 4), np.uint8)
    ink[:, :, :3] = 255
    ink[:, :, 3] = np.rint((0.9 - drawn(5)) / 0.8 * 255)
    assert likeness(normalize_digit(ink), normalize_digit(drawn(5))) > 0.97


def test_the_picture_is_left_as_it_is():
    picture = drawn(2)
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
def test_a_blank_picture_is_an_error(picture):
    with pytest.raises(NoDigitError, match="no digit on"):
        normalize_digit(picture)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shape", [(20, 20), (28, 28), (20, 5), (60, 40), (150, 150), (400, 400)])
@pytest.mark.parametrize("noise", ["normal", "uniform", "black and white"])
def test_noise_is_not_a_digit(noise, shape, seed):
    rng = np.random.default_rng(seed)
    picture = {
        "normal": lambda: rng.normal(0.5, 0.1, shape),
        "uniform": lambda: rng.random(shape),
        "black and white": lambda: rng.random(shape) < 0.5,
    }[noise]()
    with pytest.raises(NoDigitError, match="nothing stands out"):
        normalize_digit(picture)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros(784), r"shape \(height, width\).*Got \(784,\)"),
        (np.zeros((28, 28, 2)), r"Got \(28, 28, 2\)"),
        (np.zeros((7, 28)), "at least 8 pixels high and 2 pixels wide. Got 7 x 28"),
        (np.zeros((28, 1)), "at least 8 pixels high and 2 pixels wide. Got 28 x 1"),
        (np.zeros((10, 400)), "at most 30 times the shorter one. Got 10 x 400"),
        (np.zeros((400, 10)), "at most 30 times the shorter one. Got 400 x 10"),
        (np.full((30, 30), np.nan), "finite numbers"),
        (np.zeros((30, 30), complex), "real numbers. Got complex128"),
        (
            np.lib.stride_tricks.as_strided(np.zeros(1), (10**5, 10**5), (0, 0)),
            "at most 80,000,000",
        ),
    ],
)
def test_what_is_no_picture_is_refused(picture, message):
    with pytest.raises(ValueError, match=message):
        normalize_digit(picture)


def test_formats_that_are_programs_are_refused(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "picture.eps")
    with pytest.raises(
        ValueError, match=r"picture\.eps: not a picture of a known format. It must be one of PNG, "
    ):
        normalize_digit(tmp_path / "picture.eps")


def test_files_that_are_no_pictures_are_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("seven")
    with pytest.raises(ValueError, match=r"notes\.txt: not a picture"):
        normalize_digit(path)
    with pytest.raises(FileNotFoundError):
        normalize_digit(tmp_path / "missing.png")
    with pytest.raises(TypeError, match=r"a NumPy array, an image of Pillow, or a file.*Got list"):
        normalize_digit([[0, 1]])


# MNIST


@pytest.fixture(scope="module")
def reader_of_mnist(mnist_dir):
    X, y = load_mnist(mnist_dir, return_X_y=True)
    mlp = MLPDigitClassifier(
        (256,),
        batch_size=128,
        max_iter=4,
        learning_rate="one_cycle",
        learning_rate_init=0.01,
        input_scale=1 / 255,
        random_state=0,
    )
    return mlp.fit(X, y)


def assert_read_as_before(mlp, images, X, y):
    """Check predictions for normalized images against those for the images of MNIST that they were made from.

    Blurring by a new resolution changes what a network says of images that it is unsure of. So predictions must be the
    same where it was sure, nearly everywhere else, and as good against the labels.
    """
    images = np.array([image.ravel() for image in images])
    before, after = mlp.predict(X), mlp.predict(images)
    same = before == after
    sure = mlp.predict_proba(X).max(axis=1) > 0.9
    assert sure.mean() > 0.9
    assert np.sum(~same[sure]) <= 0.005 * len(X)
    assert same.mean() >= 0.98
    assert np.mean(after == y) >= np.mean(before == y) - 0.006


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize("size", [28, 60, 140, 400])
def test_mnist_blown_up_moved_and_inverted_is_read_as_before(
    mnist_dir, reader_of_mnist, inverted, size
):
    X, y = (array[::20] for array in load_mnist(mnist_dir, subset="test", return_X_y=True))
    rng = np.random.default_rng(size)
    images = []
    for pixels in X.reshape(-1, 28, 28):
        blown_up = Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC)
        canvas = np.zeros((size * 2, size * 3), np.uint8)
        top, left = rng.integers(0, size + 1), rng.integers(0, 2 * size + 1)
        canvas[top : top + size, left : left + size] = blown_up
        images.append(normalize_digit(255 - canvas if inverted else canvas))
    assert_read_as_before(reader_of_mnist, images, X, y)


@pytest.mark.parametrize("inverted", [False, True])
@pytest.mark.parametrize(
    ("threshold", "size", "noise", "step"),
    [(0, None, 0, 10), (30, None, 0, 10), (0, 40, 0, 20), (30, 100, 8, 20), (0, 400, 0, 50)],
)
def test_mnist_cropped_to_its_ink_is_read_as_before(
    mnist_dir, reader_of_mnist, threshold, size, noise, step, inverted
):
    X, y = (array[::step] for array in load_mnist(mnist_dir, subset="test", return_X_y=True))
    rng = np.random.default_rng(0)
    images = []
    for pixels in X.reshape(-1, 28, 28):
        crop = cropped(pixels, pixels > threshold)
        if size is not None:
            scale = size / max(crop.shape)
            new_size = [round(scale * side) for side in crop.shape[::-1]]
            crop = np.asarray(Image.fromarray(crop).resize(new_size, Image.Resampling.BICUBIC))
        crop = np.clip(crop + rng.normal(0, noise, crop.shape), 0, 255).astype(np.uint8)
        images.append(normalize_digit(255 - crop if inverted else crop))
    assert_read_as_before(reader_of_mnist, images, X, y)
    if size is None:
        difference = np.abs(np.array(images, float) - X.reshape(-1, 28, 28))
        assert np.mean(difference) < 2
        assert np.median(difference.max(axis=(1, 2))) <= 20
