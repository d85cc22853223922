"""`skmlp predict`: IDX files, pictures, photos and errors."""

import io
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import ImageResizer, MLPDigitClassifier, load_mnist, load_model, save_model


@pytest.fixture
def picture(tmp_path, striped_images):
    """Return a function that saves an image of a label as a picture and returns its path."""

    def save(label, name, *, invert=False, mode="L", **options):
        pixels = striped_images([label])[0]
        image = Image.fromarray(255 - pixels if invert else pixels).convert(mode)
        image.save(tmp_path / name, **options)
        return tmp_path / name

    return save


def test_idx_file_gives_one_line_per_image(succeeds, stripes, stripes_model):
    path = stripes / "t10k-images-idx3-ubyte.gz"
    out = succeeds("predict", stripes_model, path)
    X = load_mnist(stripes, subset="test", return_X_y=True)[0]
    model = load_model(stripes_model)
    assert [line.split() for line in out.splitlines()] == [
        [f"{path}[{index}]", str(digit), f"{probability:.4f}"]
        for index, (digit, probability) in enumerate(
            zip(model.predict(X), model.predict_proba(X).max(axis=1), strict=True)
        )
    ]


def test_json_gives_one_object_per_image(json_lines, stripes, stripes_model):
    path = stripes / "t10k-images-idx3-ubyte.gz"
    records = json_lines("predict", stripes_model, path)
    X = load_mnist(stripes, subset="test", return_X_y=True)[0]
    expected = load_model(stripes_model).predict_proba(X)
    assert [record["index"] for record in records] == list(range(40))
    for record, row in zip(records, expected.tolist(), strict=True):
        assert record["file"] == str(path)
        assert record["probabilities"] == dict(zip("0123", row, strict=True))
        assert record["probability"] == max(row)
        assert record["digit"] == row.index(max(row))


@pytest.mark.parametrize("name", ["2.png", "2.jpg"])
def test_picture_is_predicted(succeeds, stripes_model, picture, name):
    path = picture(2, name)
    out = succeeds("predict", stripes_model, path)
    name, digit, probability = out.split()
    assert (name, digit) == (str(path), "2")
    assert 0.5 < float(probability) <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "I;16"])
def test_pictures_of_every_mode_are_converted_to_8_bit_gray(
    json_lines, stripes_model, picture, mode, tmp_path
):
    gray = json_lines("predict", stripes_model, picture(1, "gray.png"))[0]
    if mode == "I;16":
        path = tmp_path / "16-bit.png"
        pixels = np.asarray(Image.open(tmp_path / "gray.png")).astype(np.uint16) * 257
        Image.fromarray(pixels).save(path)
    else:
        path = picture(1, "other.png", mode=mode)
    other = json_lines("predict", stripes_model, path)[0]
    assert other["probabilities"] == pytest.approx(gray["probabilities"], abs=0.02)


def test_exif_orientation_is_applied(json_lines, stripes_model, striped_images, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees clockwise for display
    sideways = np.ascontiguousarray(np.rot90(striped_images([1])[0]))
    Image.fromarray(sideways).save(tmp_path / "photo.png", exif=exif)
    assert json_lines("predict", stripes_model, tmp_path / "photo.png")[0]["digit"] == 1


def test_invert_accepts_dark_digits_on_a_light_background(json_lines, stripes_model, picture):
    light = json_lines("predict", stripes_model, picture(3, "light.png"))[0]
    dark = json_lines("predict", stripes_model, picture(3, "dark.png", invert=True), "--invert")[0]
    assert dark["digit"] == light["digit"] == 3
    assert dark["probabilities"] == light["probabilities"]


@pytest.mark.parametrize("invert", [False, True])
def test_transparent_pixels_are_background(json_lines, stripes_model, tmp_path, invert):
    pixels = np.zeros((5, 5, 4), np.uint8)
    pixels[2, :, :3] = 0 if invert else 255
    pixels[2, :, 3] = 255
    Image.fromarray(pixels).save(tmp_path / "ink.png")
    option = ["--invert"] if invert else []
    assert json_lines("predict", stripes_model, tmp_path / "ink.png", *option)[0]["digit"] == 2


@pytest.fixture(scope="module")
def model_of_28_x_28(tmp_path_factory):
    """Return the path of a model of 28 x 28 pixels that distinguishes vertical from horizontal bars."""
    rng = np.random.default_rng(0)
    images = np.zeros((60, 28, 28))
    # The center of 28 pixels is between two pixels, so bars are on both sides of it.
    for number, image in enumerate(images):
        row, column = 4 + number // 2 % 2, 12 + number // 4 % 2
        bar = image if number % 2 == 0 else image.T
        bar[row : row + 20, column : column + 4] = 200
    X = np.clip(images + rng.normal(0, 20, images.shape), 0, 255).astype(np.uint8)
    mlp = MLPDigitClassifier(
        (8,),
        learning_rate_init=0.01,
        max_iter=40,
        n_iter_no_change=None,
        input_scale=1 / 255,
        random_state=0,
    ).fit(X.reshape(60, 784), np.arange(60) % 2)
    path = tmp_path_factory.mktemp("bars") / "model.safetensors"
    save_model(mlp, path)
    return path


@pytest.mark.parametrize("is_horizontal", [0, 1])
@pytest.mark.parametrize(("ink", "background"), [(30, 220), (220, 30)])
@pytest.mark.parametrize("name", ["photo.jpg", "photo.png"])
def test_photos_are_normalized(
    json_lines, model_of_28_x_28, tmp_path, is_horizontal, ink, background, name
):
    photo = np.full((300, 200, 3), background, np.uint8)
    photo[50:150, 90:110] = ink
    if is_horizontal:
        photo = np.rot90(photo)
    Image.fromarray(np.ascontiguousarray(photo)).save(tmp_path / name)
    (record,) = json_lines("predict", model_of_28_x_28, tmp_path / name)
    assert record["digit"] == is_horizontal
    assert record["probability"] > 0.9


def test_normalize_applies_to_pictures_of_28_x_28_pixels(json_lines, model_of_28_x_28, tmp_path):
    pixels = np.full((28, 28), 255, np.uint8)
    pixels[3:13, 20:22] = 0  # dark and in a corner
    Image.fromarray(pixels).save(tmp_path / "bar.png")
    (record,) = json_lines("predict", model_of_28_x_28, tmp_path / "bar.png", "--normalize")
    assert record["digit"] == 0
    assert record["probability"] > 0.9


def test_photo_without_a_digit_is_an_error(fails, model_of_28_x_28, tmp_path):
    Image.new("L", (80, 90), 255).save(tmp_path / "blank.png")
    message = fails(3, "predict", model_of_28_x_28, tmp_path / "blank.png")
    assert "blank.png: picture must show a digit" in message


def test_photo_that_is_too_small_is_an_error(fails, model_of_28_x_28, tmp_path):
    Image.new("L", (90, 5), 255).save(tmp_path / "small.png")
    message = fails(3, "predict", model_of_28_x_28, tmp_path / "small.png")
    assert "at least 8 pixels high and 2 pixels wide, got 5 x 90" in message


def test_scale_applies_to_every_file(json_lines, run_skmlp, stripes, float_stripes, tmp_path):
    X, y = load_mnist(stripes, return_X_y=True)
    model = MLPDigitClassifier((8,), solver="lbfgs", random_state=0).fit(X / 255, y)
    save_model(model, tmp_path / "model")
    files = [directory / "t10k-images-idx3-ubyte.gz" for directory in (stripes, float_stripes)]
    X_test, _ = load_mnist(stripes, subset="test", return_X_y=True)
    records = json_lines("predict", tmp_path / "model", *files, "--scale", "1/255")
    expected = [*model.predict_proba(X_test / 255), *model.predict_proba(X_test / 255**2)]
    for record, row in zip(records, expected, strict=True):
        assert list(record["probabilities"].values()) == pytest.approx(row.tolist(), abs=1e-5)
    _, _, err = run_skmlp("predict", tmp_path / "model", *files)
    assert err.startswith("skmlp predict: warning: the model stores no input_scale")


def test_scale_with_a_model_that_has_input_scale_is_an_error(fails, stripes_model):
    err = fails(2, "predict", stripes_model, "missing.png", "--scale", "1/255")
    assert "--scale has no effect: the model scales the pixels by 0.00392157. Leave it out." in err


def test_string_classes_are_printed(json_lines, stripes, tmp_path):
    X, y = load_mnist(stripes, return_X_y=True)
    names = np.array(["top", "second", "middle", "fourth"])[y]
    model = MLPDigitClassifier((8,), solver="lbfgs", input_scale=1 / 255, random_state=0)
    save_model(model.fit(X, names), tmp_path / "model")
    images = stripes / "t10k-images-idx3-ubyte.gz"
    digits = [record["digit"] for record in json_lines("predict", tmp_path / "model", images)]
    assert digits[:4] == ["top", "second", "middle", "fourth"]


def test_idx_file_of_a_single_image_is_predicted(
    succeeds, stripes_model, striped_images, idx_bytes, tmp_path
):
    (tmp_path / "one").write_bytes(idx_bytes(striped_images([3])[0]))
    assert succeeds("predict", stripes_model, tmp_path / "one").split()[:2] == [
        str(tmp_path / "one"),
        "3",
    ]


def test_idx_file_of_flat_images_is_predicted(
    json_lines, stripes_model, striped_images, idx_bytes, tmp_path
):
    (tmp_path / "flat").write_bytes(idx_bytes(striped_images([3, 1]).reshape(2, 25)))
    assert [r["digit"] for r in json_lines("predict", stripes_model, tmp_path / "flat")] == [3, 1]


def test_idx_file_without_images_prints_nothing(run_skmlp, stripes_model, idx_bytes, tmp_path):
    (tmp_path / "none").write_bytes(idx_bytes(np.zeros((0, 5, 5), np.uint8)))
    assert run_skmlp("predict", stripes_model, tmp_path / "none") == (0, "", "")


@pytest.mark.parametrize("kind", ["png", "idx"])
def test_stdin_is_read(
    json_lines, stripes_model, picture, striped_images, idx_bytes, monkeypatch, kind
):
    content = idx_bytes(striped_images([1]))
    if kind == "png":
        content = picture(1, "1.png").read_bytes()
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
    record = json_lines("predict", stripes_model, "-")[0]
    assert (record["file"], record["digit"]) == ("-", 1)


def test_remaining_files_are_read_after_an_error(run_skmlp, stripes_model, picture):
    good = picture(0, "0.png")
    status, out, err = run_skmlp("predict", stripes_model, good, "nowhere.png", good)
    assert status == 3
    assert len(out.splitlines()) == 2
    assert err == "skmlp predict: error: nowhere.png: no such file or directory. Check the path.\n"


class TestInvalidFile:
    def test_picture_of_another_size_is_an_error(self, fails, stripes_model, tmp_path):
        Image.new("L", (7, 4)).save(tmp_path / "wide.png")
        err = fails(3, "predict", stripes_model, tmp_path / "wide.png")
        assert (
            "the image must be 5 x 5 pixels for this model, got 7 x 4. Crop or resize the image."
            in err
        )

    def test_picture_of_another_shape_with_the_same_number_of_pixels_is_an_error(
        self, fails, stripes_model, tmp_path
    ):
        Image.new("L", (25, 1)).save(tmp_path / "line.png")
        err = fails(3, "predict", stripes_model, tmp_path / "line.png")
        assert "the image must be 5 x 5 pixels for this model, got 25 x 1." in err

    def test_idx_file_of_images_of_another_size_is_an_error(
        self, fails, stripes_model, idx_bytes, tmp_path
    ):
        (tmp_path / "images").write_bytes(idx_bytes(np.zeros((2, 4, 5), np.uint8)))
        err = fails(3, "predict", stripes_model, tmp_path / "images")
        assert "the images must be 5 x 5 pixels for this model, got 4 x 5. Crop or resize" in err

    def test_idx_file_of_labels_is_an_error(self, fails, stripes, stripes_model):
        err = fails(3, "predict", stripes_model, stripes / "train-labels-idx1-ubyte")
        assert "expected images, got a list of 120 numbers. Pass a file of images, not of" in err

    def test_idx_file_of_float_pixels_is_an_error(self, fails, stripes_model, float_stripes):
        path = float_stripes / "t10k-images-idx3-ubyte.gz"
        assert "the pixels must be uint8 for this model, got float32." in fails(
            3, "predict", stripes_model, path
        )
        err = fails(3, "predict", stripes_model, path, "--invert")
        assert "the pixels must be uint8 for --invert, got float32." in err

    def test_non_finite_pixels_are_an_error(self, fails, stripes_model, idx_bytes, tmp_path):
        (tmp_path / "images").write_bytes(idx_bytes(np.full((1, 5, 5), np.nan, np.float32)))
        err = fails(3, "predict", stripes_model, tmp_path / "images")
        assert "the pixels must be finite, got NaN or infinity." in err

    def test_decompression_bomb_is_an_error(self, fails, stripes_model, tmp_path):
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
        content = b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
            for name, data in chunks
        )
        (tmp_path / "bomb.png").write_bytes(content)
        assert "bomb.png" in fails(3, "predict", stripes_model, tmp_path / "bomb.png")

    @pytest.mark.parametrize("name", ["2.png", "2.jpg"])
    def test_truncated_picture_is_an_error(self, fails, stripes_model, picture, name):
        path = picture(2, name)
        path.write_bytes(path.read_bytes()[:60])
        err = fails(3, "predict", stripes_model, path)
        assert f"{path}: expected a valid picture" in err

    def test_file_that_is_neither_picture_nor_idx_is_an_error(self, fails, stripes_model, tmp_path):
        (tmp_path / "text").write_text("plain text")
        err = fails(3, "predict", stripes_model, tmp_path / "text")
        assert (
            f"{tmp_path / 'text'}: expected an IDX file, which starts with 00 00, got 70 6c." in err
        )
        assert err.endswith(" Pass an IDX, PNG or JPEG file.\n")

    def test_empty_stdin(self, fails, stripes_model, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
        err = fails(3, "predict", stripes_model, "-")
        assert "error: -: expected a header of at least 8 bytes, got 0 of 4 bytes." in err

    def test_directory_is_an_error(self, fails, stripes_model, tmp_path):
        err = fails(3, "predict", stripes_model, tmp_path)
        assert f"{tmp_path}: is a directory. Pass a file, not a directory." in err


def test_missing_model_is_an_error(fails, tmp_path):
    fails(4, "predict", tmp_path / "model.safetensors", "picture.png")


def test_multilabel_model_is_an_error(fails, multilabel_model):
    assert "got a multilabel model" in fails(4, "predict", multilabel_model, "picture.png")


# All digits in a picture


@pytest.fixture
def page_of_bars(tmp_path):
    """Return the path of a page with two lines of bars: vertical, vertical, then horizontal."""
    page = np.full((300, 400, 3), 220, np.uint8)
    page[30:110, 60:76] = page[32:112, 200:216] = 30
    page[180:260, 60:76] = 30
    Image.fromarray(page).save(tmp_path / "page.png")
    return tmp_path / "page.png"


def test_all_prints_each_line_and_its_digits(succeeds, model_of_28_x_28, page_of_bars):
    lines = succeeds("predict", model_of_28_x_28, page_of_bars, "--all").splitlines()
    assert [lines[0], lines[3]] == [f"{page_of_bars}  00", f"{page_of_bars}  0"]
    number = r"\d+"
    for line in (lines[1], lines[2], lines[4]):
        assert re.fullmatch(
            rf"  0  [01]\.\d{{4}}  x {number} to {number}, y {number} to {number}", line
        )


def test_all_with_json_gives_one_object_per_digit(json_lines, model_of_28_x_28, page_of_bars):
    records = json_lines("predict", model_of_28_x_28, page_of_bars, "--all")
    assert [record["line"] for record in records] == [0, 0, 1]
    assert [record["index"] for record in records] == [0, 1, 2]
    expected = [(60, 30, 76, 110), (200, 32, 216, 112), (60, 180, 76, 260)]
    for record, box in zip(records, expected, strict=True):
        assert list(record["box"]) == ["left", "top", "right", "bottom"]
        np.testing.assert_allclose(list(record["box"].values()), box, atol=2)
        assert record["digit"] == 0
        assert record["probability"] == max(record["probabilities"].values())


@pytest.mark.parametrize("name", ["read.png", "read.JPG"])
def test_annotate_draws_boxes_on_a_copy(succeeds, model_of_28_x_28, page_of_bars, tmp_path, name):
    before = page_of_bars.read_bytes()
    succeeds("predict", model_of_28_x_28, page_of_bars, "--all", "--annotate", tmp_path / name)
    assert page_of_bars.read_bytes() == before
    with Image.open(tmp_path / name) as annotated:
        assert annotated.format == ("PNG" if name.endswith("png") else "JPEG")
        pixels = np.asarray(annotated, int)
    page = np.asarray(Image.open(page_of_bars), int)
    changed = np.abs(pixels - page).max(axis=2) > 60
    assert changed[30:110, 58:62].any(axis=1).mean() > 0.9  # the left side of the first box
    assert not changed[270:, 100:].any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--annotate", "read.png"], "--annotate requires --all"),
        (["--all", "--invert"], "--invert has no effect with --all"),
        (["--all", "--normalize"], "--normalize has no effect with --all"),
        (["--all", "--annotate", "read.gif"], "--annotate must be a PNG or JPEG file"),
        (["other.png", "--all", "--annotate", "read.png"], "must be used with one picture, got 2"),
    ],
)
def test_options_of_pages_that_cannot_be_combined(
    fails, model_of_28_x_28, page_of_bars, options, message
):
    assert message in fails(2, "predict", model_of_28_x_28, page_of_bars, *options)


def test_annotate_does_not_overwrite_an_input_file(fails, model_of_28_x_28, page_of_bars):
    options = ("--all", "--annotate", page_of_bars)
    assert "must differ from the input files" in fails(
        2, "predict", model_of_28_x_28, page_of_bars, *options
    )


def test_all_reports_files_without_digits(
    fails, stripes, model_of_28_x_28, stripes_model, tmp_path
):
    Image.new("L", (100, 80), 200).save(tmp_path / "blank.png")
    message = fails(3, "predict", model_of_28_x_28, tmp_path / "blank.png", "--all")
    assert "blank.png: the picture must show digits" in message
    path = stripes / "t10k-images-idx3-ubyte.gz"
    assert "--all requires a PNG or JPEG picture" in fails(
        3, "predict", stripes_model, path, "--all"
    )


def test_all_requires_the_shape_of_the_images(
    fails, succeeds, stripes_model, page_of_bars, tmp_path
):
    message = fails(3, "predict", stripes_model, page_of_bars, "--all")
    assert f"{page_of_bars}: --all requires a model that stores the shape of its images" in message
    assert "got a model of 25 features that stores none. Set the parameter image_sh" in message
    model = load_model(stripes_model).set_params(image_shape=(5, 5))
    save_model(model, tmp_path / "model")
    assert succeeds("predict", tmp_path / "model", page_of_bars, "--all").startswith(
        str(page_of_bars)
    )


def test_all_requires_the_shape_of_the_images_of_a_pipeline(
    fails, succeeds, stripes, page_of_bars, tmp_path
):
    pytest.importorskip("skops")
    path = tmp_path / "model"
    X, y = load_mnist(stripes, return_X_y=True)
    steps = StandardScaler(), MLPDigitClassifier((4,), max_iter=1, n_iter_no_change=None)
    save_model(make_pipeline(*steps).fit(X, y), path)
    message = fails(3, "predict", path, page_of_bars, "--all")
    assert "that stores none. Train a pipeline that begins with ImageResizer, which" in message
    save_model(make_pipeline(ImageResizer((5, 5)), *steps).fit(X, y), path)
    assert succeeds("predict", path, page_of_bars, "--all").startswith(str(page_of_bars))
