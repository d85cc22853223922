"""The page that `skmlp.export.to_html` writes, in Chromium."""

import copy
import json
import re
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from browser import open_page as open_any_page
from export.node import run_node
from helpers import decode_test_samples
from PIL import Image, ImageDraw
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import (
    Deslant,
    GradientFeatures,
    MLPDigitClassifier,
    load_mnist,
    make_committee,
    normalize_digit,
)
from skmlp.export import to_html, to_onnx
from skmlp.export.html import join_modules
from skmlp.export.network import compute_probabilities, fold_network
from skmlp.export.quantize import quantize_network
from skmlp.files.models import compute_model_digest
from skmlp.model_parts import split_model
from skmlp.recipes import RECIPES, make_recipe

PAGE_DIRECTORY = Path(to_html.__code__.co_filename).with_name("page")
PREDICT = "pixels => Array.from(window.skmlp.predict(pixels))"


@contextmanager
def open_page(browser, path, **options):
    """Open a page and wait until its script has started. Examples are drawn at once."""
    with open_any_page(browser, path, reduced_motion=True, **options) as opened:
        if options.get("javascript", True):
            started = "#self-test:not(:text('not run')), #failure:not([hidden])"
            opened.page.locator(started).first.wait_for()
        yield opened


def make_small(X, y, **params):
    defaults = {"hidden_layer_sizes": (16, 12), "max_iter": 3, "n_iter_no_change": None}
    return MLPDigitClassifier(**defaults | {"random_state": 0} | params).fit(X, y)


@pytest.fixture(scope="module")
def mnist_model(mnist_dir):
    """Return a network that reads drawings well, and the test set of MNIST."""
    X, y = load_mnist(mnist_dir, return_X_y=True)
    mlp = RECIPES["fast"].make_classifier(0).set_params(augmentation="digits", max_iter=3)
    return mlp.fit(X[:20000], y[:20000]), load_mnist(mnist_dir, subset="test", return_X_y=True)


@pytest.fixture(scope="module")
def mnist_page(mnist_model, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "draw.html"
    to_html(mnist_model[0], path)
    return path


@pytest.fixture(scope="module")
def wide_page(tmp_path_factory):
    """Return a page for images of 8 x 8 pixels with three hidden layers."""
    X = np.random.default_rng(0).integers(0, 17, (60, 64)).astype(np.float32)
    mlp = make_small(X, np.arange(60) % 10, hidden_layer_sizes=(40, 30, 20), input_scale=1 / 16)
    path = tmp_path_factory.mktemp("pages") / "small.html"
    to_html(mlp, path)
    return path


@pytest.fixture
def open_small(browser, tmp_path):
    """Return a function that opens the page of a classifier."""

    def open_small(mlp, **options):
        to_html(mlp, tmp_path / "page.html", **options)
        return open_page(browser, tmp_path / "page.html")

    return open_small


def read_answer(page):
    """Return the prediction that the page shows, after the next frame."""
    page.evaluate(
        "() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
    )
    return page.locator("#answer").inner_text().strip().partition("\n")[0]


def clear(page):
    page.locator("#clear").click()


def drag(page, points):
    """Draw a stroke with the mouse; the points are relative to the sheet."""
    box = page.locator("#sheet").bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()


def draw_one(page):
    drag(page, [(0.5, 0.2 + 0.06 * i) for i in range(11)])


class TestPage:
    @pytest.mark.parametrize("width", [390, 1280])
    @pytest.mark.parametrize("dark", [False, True])
    def test_has_no_problems(self, browser, mnist_page, width, dark):
        with open_page(browser, mnist_page, width=width, dark=dark) as opened:
            clear(opened.page)
            draw_one(opened.page)
            opened.page.locator(".layer canvas").click()
            assert opened.find_problems() == {}
            assert opened.requests == []

    @pytest.mark.parametrize("width", [390, 1280])
    def test_several_layers_have_no_problems(self, browser, wide_page, width):
        with open_page(browser, wide_page, width=width) as opened:
            assert opened.page.locator(".layer").count() == 3
            assert opened.find_problems() == {}

    def test_layers_do_not_cover_the_probabilities(self, browser, wide_page):
        with open_page(browser, wide_page, width=1024) as opened:
            layers = opened.page.locator("#network figure").all()
            output = opened.page.locator("#output").bounding_box()
            for layer in layers:
                box = layer.bounding_box()
                is_left = box["x"] + box["width"] <= output["x"]
                is_below = box["y"] >= output["y"] + output["height"]
                assert is_left or is_below

    def test_size_of_the_classifier_of_the_recipe_fast(self, mnist_classifier, tmp_path):
        to_html(mnist_classifier, tmp_path / "page.html")
        assert (tmp_path / "page.html").stat().st_size <= 300_000

    def test_size_of_the_recipe_fast(self, mnist_dir, tmp_path):
        """Scaled digits cover more pixels, whose weights are compressed less."""
        pipeline = make_recipe("fast", random_state=0)
        pipeline.set_params(mlpdigitclassifier__max_iter=1)
        pipeline.fit(*load_mnist(mnist_dir, return_X_y=True))
        to_html(pipeline, tmp_path / "page.html")
        assert (tmp_path / "page.html").stat().st_size <= 325_000

    def test_self_test_passes(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            result = opened.page.evaluate("window.skmlp.selfTest")
            assert result["passed"]
            assert result["nSamples"] == 5
            assert "passed" in opened.page.locator("#self-test").inner_text()
            assert opened.page.locator("#failure").is_hidden()

    def test_self_test_detects_other_probabilities(self, browser, wide_page, tmp_path):
        html = wide_page.read_text(encoding="utf-8")
        description = read_description(html)
        probabilities = description["members"][0]["samples"]["probabilities"]
        probabilities[0][0] += 0.01
        changed = html.replace(
            json.dumps(read_description(html), separators=(",", ":")), json.dumps(description)
        )
        assert changed != html
        (tmp_path / "changed.html").write_text(changed, encoding="utf-8")
        with open_page(browser, tmp_path / "changed.html") as opened:
            assert not opened.page.evaluate("window.skmlp.selfTest.passed")
            assert "differ from Python's" in opened.page.locator("#failure").inner_text()

    def test_damaged_weights_are_reported(self, browser, wide_page, tmp_path):
        html = wide_page.read_text(encoding="utf-8")
        data = read_description(html)["members"][0]["network"]["data"]
        (tmp_path / "damaged.html").write_text(
            html.replace(data, data[: len(data) // 2]), encoding="utf-8"
        )
        with open_page(browser, tmp_path / "damaged.html") as opened:
            opened.page.locator("#failure").wait_for()
            assert "cannot be started" in opened.page.locator("#failure").inner_text()

    def test_no_script(self, browser, mnist_page):
        with open_page(browser, mnist_page, javascript=False) as opened:
            assert (
                opened.page.locator("noscript")
                .inner_text()
                .startswith("This page needs JavaScript")
            )

    def test_modules_form_one_script_without_comments(self):
        script = join_modules("page.js")
        assert not re.search(r"^\s*(import|export)\b|^\s*/[*/]|^ ", script, re.MULTILINE)
        declaration = re.compile(
            r"^(?:export )?(?:async )?(?:function\*?|const|class) (\w+)", re.MULTILINE
        )
        names = []
        for module in PAGE_DIRECTORY.glob("*.js"):
            source = module.read_text(encoding="utf-8")
            declared = declaration.findall(source)
            assert all(re.search(rf"^.*\b{name}\b", script, re.MULTILINE) for name in declared)
            # Removing comments and spaces must not change a string of several lines, or another text with quotes.
            assert all(line.count("`") % 2 == 0 for line in source.splitlines()), module.name
            code = re.sub(r"^ *(/\*.*?\*/|//.*?$)", "", source, flags=re.DOTALL | re.MULTILINE)
            assert not re.search(r"'[^`\"\n]*'|[=(,:?&|] */[^/*\n]+/|\$\{[^}\n]*`", code), (
                module.name
            )
            strings = re.findall(r'"[^"\n]*"', code)
            assert all(text in script for text in strings if not text.startswith('"./')), (
                module.name
            )
            # Removing line breaks must not add code to a comment behind code.
            assert not re.search(r"\S.*//[^\"'`\n]*[{(\[,;]$", source, re.MULTILINE), module.name
            names += declared
        assert len(names) == len(set(names)) > 100  # imports are left out: the names must differ

    def test_style_is_that_of_the_source(self, browser, wide_page):
        style = (PAGE_DIRECTORY / "page.css").read_text(encoding="utf-8")
        compare = """style => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(style);
            return [sheet, document.styleSheets[0]].map(({ cssRules }) => [...cssRules].map((rule) => rule.cssText));
        }"""
        with open_page(browser, wide_page) as opened:
            expected, found = opened.page.evaluate(compare, style)
        assert found == expected
        assert len(found) > 50
        assert f"<style>{style}" not in wide_page.read_text(encoding="utf-8")

    def test_script_is_valid_and_smaller_than_the_modules(self):
        script = join_modules("page.js").encode()
        check = 'import { readFileSync } from "node:fs"; new Function(readFileSync("script.txt"));'
        run_node(check, input_files={"script.txt": script})
        size = sum(module.stat().st_size for module in PAGE_DIRECTORY.glob("*.js"))
        assert len(script) < 2 / 3 * size


def read_description(html):
    text = re.search(r'<script type="application/json" id="description">(.*)</script>', html)[1]
    return json.loads(text)


def save_zero(path):
    """Write a picture of the digit 0."""
    picture = Image.new("L", (300, 300), 255)
    ImageDraw.Draw(picture).ellipse([90, 50, 210, 250], outline=0, width=22)
    picture.save(path)


class TestDrawing:
    def test_pixels_are_those_of_normalize_digit(self, browser, mnist_page):
        picture = Image.new("RGB", (200, 240), "white")
        ImageDraw.Draw(picture).line([(60, 60), (140, 60), (90, 190)], "black", 18, "curve")
        rgba = np.asarray(picture.convert("RGBA"))
        with open_page(browser, mnist_page) as opened:
            pixels = opened.page.evaluate(
                """([values, width, height]) =>
                Array.from(window.skmlp.normalize(new ImageData(Uint8ClampedArray.from(values), width, height)))""",
                [rgba.ravel().tolist(), 200, 240],
            )
        expected = normalize_digit(rgba)
        assert np.abs(np.reshape(pixels, (28, 28)) - expected.astype(int)).max() <= 2

    def test_strokes_of_the_mouse_are_read(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            page = opened.page
            clear(page)
            assert read_answer(page) == ""
            draw_one(page)
            assert read_answer(page) == "1"
            page.locator("#undo").click()
            assert read_answer(page) == ""

    def test_first_stroke_replaces_the_example(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            assert read_answer(opened.page) == "3"
            assert opened.page.locator("#hint").is_visible()
            draw_one(opened.page)
            assert read_answer(opened.page) == "1"
            assert opened.page.locator("#hint").is_hidden()

    def test_second_finger_does_not_change_the_stroke(self, browser, mnist_page):
        send = """([type, pointerId, x, y]) => {
            const sheet = document.getElementById("sheet");
            const { left, top, width } = sheet.getBoundingClientRect();
            sheet.setPointerCapture = () => {};
            const place = { clientX: left + x * width, clientY: top + y * width };
            sheet.dispatchEvent(new PointerEvent(type, { pointerId, ...place, pointerType: "touch" }));
        }"""
        events = [("pointerdown", 1, 0.5, 0.2), ("pointerdown", 2, 0.1, 0.9)]
        for step in range(1, 11):
            events += [("pointermove", 1, 0.5, 0.2 + 0.06 * step), ("pointermove", 2, 0.9, 0.9)]
            events += [("pointerup", 2, 0.9, 0.9)] if step == 5 else []
        with open_page(browser, mnist_page) as opened:
            for event in [*events, ("pointerup", 1, 0.5, 0.8)]:
                opened.page.evaluate(send, event)
            assert read_answer(opened.page) == "1"

    def test_clear_can_be_undone(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            draw_one(opened.page)
            opened.page.locator("#clear").click()
            assert read_answer(opened.page) == ""
            opened.page.locator("#undo").click()
            assert read_answer(opened.page) == "1"

    def test_example_is_animated(self, browser, mnist_page):
        with open_any_page(browser, mnist_page) as opened:
            opened.page.wait_for_timeout(1500)
            assert read_answer(opened.page) == "3"
            opened.page.locator("#examples button").nth(7).click()
            opened.page.wait_for_timeout(100)
            draw_one(opened.page)  # interrupts the animation
            opened.page.wait_for_timeout(1000)
            assert read_answer(opened.page) == "1"

    def test_strokes_of_the_keyboard_are_read(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            page = opened.page
            clear(page)
            page.locator("#sheet").focus()
            page.keyboard.press("Space")
            for _ in range(20):
                page.keyboard.press("ArrowDown")
            page.keyboard.press("Space")
            page.keyboard.press("ArrowRight")  # the pen is lifted
            assert read_answer(page) == "1"
            page.keyboard.press("Delete")
            assert read_answer(page) == ""

    def test_answer_is_announced_after_a_pause(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            page = opened.page
            clear(page)
            draw_one(page)
            announcement = page.locator("#announcement")
            assert not announcement.inner_text().startswith("1 ")
            page.wait_for_timeout(1500)
            assert announcement.inner_text().startswith("1 with a probability of")

    def test_touch_draws_and_does_not_scroll(self, browser, mnist_page):
        with open_page(browser, mnist_page, width=390) as opened:
            assert (
                opened.page.locator("#sheet").evaluate("e => getComputedStyle(e).touchAction")
                == "none"
            )

    def test_examples_are_read(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            buttons = opened.page.locator("#examples button")
            answers = []
            for digit in range(10):
                buttons.nth(digit).click()
                answers.append(read_answer(opened.page))
            assert answers == list("0123456789")

    def test_picture_is_read(self, browser, mnist_page, tmp_path):
        photo = Image.new("RGB", (600, 400), (200, 190, 180))
        ImageDraw.Draw(photo).line([(300, 80), (300, 330)], (40, 40, 60), 22)
        photo.save(tmp_path / "photo.jpg")
        with open_page(browser, mnist_page) as opened:
            opened.page.locator("#picture").set_input_files(tmp_path / "photo.jpg")
            opened.page.wait_for_timeout(300)
            assert read_answer(opened.page) == "1"

    def test_pasted_picture_is_read(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            clear(opened.page)
            opened.page.evaluate(
                """async () => {
                  const canvas = new OffscreenCanvas(90, 90);
                  const context = canvas.getContext("2d");
                  context.fillStyle = "white"; context.fillRect(0, 0, 90, 90);
                  context.fillStyle = "black"; context.fillRect(42, 15, 7, 60);
                  const data = new DataTransfer();
                  data.items.add(new File([await canvas.convertToBlob()], "one.png", {type: "image/png"}));
                  document.dispatchEvent(new ClipboardEvent("paste", {clipboardData: data}));
                }"""
            )
            opened.page.wait_for_timeout(300)
            assert read_answer(opened.page) == "1"

    def test_dropped_picture_is_read(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            clear(opened.page)
            is_marked = opened.page.evaluate(
                """async () => {
                  const canvas = new OffscreenCanvas(90, 90);
                  const context = canvas.getContext("2d");
                  context.fillStyle = "white"; context.fillRect(0, 0, 90, 90);
                  context.fillStyle = "black"; context.fillRect(42, 15, 7, 60);
                  const dataTransfer = new DataTransfer();
                  dataTransfer.items.add(new File([await canvas.convertToBlob()], "one.png", {type: "image/png"}));
                  const sheet = document.getElementById("sheet");
                  const send = (type) =>
                    sheet.dispatchEvent(new DragEvent(type, {dataTransfer, bubbles: true, cancelable: true}));
                  const isCanceled = !send("dragover");
                  const isMarked = sheet.parentElement.classList.contains("dropping");
                  send("drop");
                  return isCanceled && isMarked && !sheet.parentElement.classList.contains("dropping");
                }"""
            )
            assert is_marked
            opened.page.wait_for_timeout(300)
            assert read_answer(opened.page) == "1"

    def test_picture_from_the_camera_is_read(self, browser, mnist_page, tmp_path):
        save_zero(tmp_path / "zero.jpg")
        with open_page(browser, mnist_page, width=390) as opened:
            camera = opened.page.locator("#camera")
            assert camera.get_attribute("capture") == "environment"
            camera.set_input_files(tmp_path / "zero.jpg")
            opened.page.wait_for_timeout(500)
            assert read_answer(opened.page) == "0"

    @pytest.mark.parametrize("dark", [False, True])
    @pytest.mark.parametrize("ink", [0, 255])
    def test_transparent_picture_is_visible_and_read(
        self, browser, mnist_page, tmp_path, dark, ink
    ):
        picture = Image.new("LA", (200, 200), (ink, 0))
        ImageDraw.Draw(picture).line([(100, 30), (100, 170)], (ink, 255), 18)
        picture.save(tmp_path / "one.png")
        with open_page(browser, mnist_page, dark=dark) as opened:
            opened.page.locator("#picture").set_input_files(tmp_path / "one.png")
            opened.page.wait_for_timeout(500)
            assert read_answer(opened.page) == "1"
            center, corner = opened.page.evaluate(
                """() => {
                  const canvas = document.getElementById("sheet");
                  const read = (x, y) => canvas.getContext("2d").getImageData(x, y, 1, 1).data[0];
                  return [read(canvas.width / 2, canvas.height / 2), read(3, 3)];
                }"""
            )
            assert center == ink
            assert abs(center - corner) > 100

    def test_file_that_is_no_picture_is_reported(self, browser, mnist_page, tmp_path):
        (tmp_path / "notes.png").write_text("no picture")
        with open_page(browser, mnist_page) as opened:
            draw_one(opened.page)
            opened.page.locator("#picture").set_input_files(tmp_path / "notes.png")
            opened.page.get_by_text("The file must be a picture").wait_for()
            assert read_answer(opened.page) == "1"  # the drawing is kept
            draw_one(opened.page)
            assert opened.page.locator("#notice").is_hidden()

    def test_stroke_replaces_a_picture(self, browser, mnist_page, tmp_path):
        save_zero(tmp_path / "zero.png")
        with open_page(browser, mnist_page) as opened:
            opened.page.locator("#picture").set_input_files(tmp_path / "zero.png")
            opened.page.wait_for_timeout(500)
            assert read_answer(opened.page) == "0"
            draw_one(opened.page)
            assert read_answer(opened.page) == "1"

    def test_blank_picture_is_reported(self, browser, mnist_page, tmp_path):
        Image.new("L", (100, 100), 255).save(tmp_path / "blank.png")
        with open_page(browser, mnist_page) as opened:
            clear(opened.page)
            opened.page.locator("#picture").set_input_files(tmp_path / "blank.png")
            opened.page.wait_for_timeout(300)
            assert "No drawing found" in read_answer(opened.page)

    def test_images_of_another_size(self, browser, wide_page):
        with open_page(browser, wide_page) as opened:
            pixels = opened.page.evaluate(
                """() => {
                  const canvas = new OffscreenCanvas(80, 80);
                  const context = canvas.getContext("2d");
                  context.fillStyle = "white"; context.fillRect(0, 0, 80, 80);
                  context.fillStyle = "black"; context.fillRect(30, 10, 20, 60);
                  return Array.from(window.skmlp.normalize(context.getImageData(0, 0, 80, 80)));
                }"""
            )
        image = np.reshape(pixels, (8, 8))
        assert image.max() == 255
        assert (image.argmax(axis=1) >= 2).all()
        assert image[:, [0, 1, 6, 7]].max() < 40  # a vertical bar in the center
        assert image[:, 3:5].min() > 200


class TestViews:
    def test_selected_unit_is_described(self, browser, wide_page):
        with open_page(browser, wide_page) as opened:
            page = opened.page
            assert page.locator("#unit").is_hidden()
            layer = page.locator(".layer canvas").nth(1)
            layer.focus()
            page.keyboard.press("ArrowRight")
            page.keyboard.press("ArrowRight")
            assert "Unit 2 of hidden layer 2" in page.locator("#unit").inner_text()
            assert "unit 2 of 30" in layer.get_attribute("aria-valuetext")
            page.locator(".layer canvas").nth(2).click(position={"x": 3, "y": 3})
            text = page.locator("#unit").inner_text()
            assert "Unit 1 of hidden layer 3" in text
            assert "Largest outgoing weights: class" in text
            assert page.locator(".marker:visible").count() == 1

    def test_paths_lead_from_the_input_to_the_prediction(self, browser, wide_page):
        with open_page(browser, wide_page) as opened:
            page = opened.page
            assert page.locator("#paths path").count() >= 6
            page.locator("#show-paths").uncheck()
            read_answer(page)
            assert page.locator("#paths path").count() == 0

    def test_noise_and_dropped_units_change_the_probabilities(self, browser, mnist_page):
        with open_page(browser, mnist_page) as opened:
            page = opened.page
            for name, value in (("noise", "0.4"), ("dropped", "0.9")):
                before = page.locator("#classes").inner_text()
                page.locator(f"#{name}").fill(value)
                read_answer(page)
                assert page.locator("#classes").inner_text() != before
                assert (
                    page.locator(f'.value[data-slider="{name}"]').inner_text()
                    == f"{100 * float(value):.0f} %"
                )

    def test_occlusion_map_is_shown(self, browser, mnist_page):
        get_pixels = "() => document.querySelector('#seen canvas').toDataURL()"
        with open_page(browser, mnist_page) as opened:
            page = opened.page
            image = page.evaluate(get_pixels)
            page.locator("#show-occlusion").check()
            page.locator("#occlusion-legend").wait_for(state="visible")
            page.wait_for_function(f"image => ({get_pixels})() !== image", arg=image)


class TestNetworks:
    @pytest.mark.parametrize("weights", ["int8", "float16", "float32"])
    def test_predict_agrees_with_python(self, browser, mnist_model, tmp_path, weights):
        mlp, (X, _) = mnist_model
        to_html(mlp, tmp_path / "page.html", weights=weights)
        with open_page(browser, tmp_path / "page.html") as opened:
            computed = [opened.page.evaluate(PREDICT, row.tolist()) for row in X[:20]]
            digest = opened.page.evaluate("window.skmlp.digest")
        network = quantize_network(fold_network(mlp), weights).restore()
        np.testing.assert_allclose(computed, compute_probabilities(network, X[:20]), atol=1e-5)
        if weights == "float32":
            np.testing.assert_allclose(computed, mlp.predict_proba(X[:20]), atol=1e-5)
        assert re.fullmatch("[0-9a-f]{64}", digest)

    def test_pipeline_with_deslant_agrees_with_python(self, browser, mnist_dir, tmp_path):
        X, y = load_mnist(mnist_dir, subset="test", return_X_y=True)
        model = make_recipe("fast", random_state=0).fit(X[:3000], y[:3000])
        to_html(model, tmp_path / "page.html", weights="float32", X=X[:100])
        with open_page(browser, tmp_path / "page.html") as opened:
            assert opened.page.evaluate("window.skmlp.selfTest.passed")
            computed = [opened.page.evaluate(PREDICT, row.tolist()) for row in X[3000:3100]]
            assert opened.find_problems() == {}
        np.testing.assert_allclose(computed, model.predict_proba(X[3000:3100]), atol=1e-5)

    @pytest.mark.parametrize("image_shape", [(4, 16), False])
    def test_shape_must_be_that_of_deslant(self, digits, tmp_path, image_shape):
        mlp = MLPDigitClassifier((4,), max_iter=1, n_iter_no_change=None, input_scale=1 / 16)
        pipeline = make_pipeline(Deslant(), mlp).fit(*digits)
        with pytest.raises(ValueError, match=r"image_shape must be None or \(8, 8\)"):
            to_html(pipeline, tmp_path / "page.html", image_shape=image_shape)
        to_html(pipeline, tmp_path / "page.html", image_shape=(8, 8))

    def test_features_that_are_not_images_have_sliders(self, open_small):
        X, y = load_iris(return_X_y=True, as_frame=True)
        labels = np.array(["setosa", "versicolor", "<b>virginica</b>"])[y]
        mlp = make_small(X, labels, activation="tanh", max_iter=50)
        with open_small(mlp, X=X) as opened:
            page = opened.page
            text = page.locator("#features").inner_text()
            assert "sepal length (cm)" in text
            assert page.locator("#classes").inner_text().count("<b>virginica</b>") == 1
            expected = mlp.predict_proba(X.median().to_frame().T)[0]
            shown = page.evaluate(PREDICT, X.median().tolist())
            np.testing.assert_allclose(shown, expected, atol=1e-5)  # float32 weights by default
            before = page.locator("#classes").inner_text()
            page.locator("#features input").nth(2).fill("6.5")
            read_answer(page)
            assert page.locator("#classes").inner_text() != before
            assert page.locator("#paths path").count() > 0
            page.locator("#reset").click()
            read_answer(page)
            assert page.locator("#classes").inner_text() == before
            assert opened.find_problems() == {}

    @pytest.mark.parametrize("labels", [["no", "yes"], [False, True], [3, 7, 12], ["only"]])
    def test_labels(self, open_small, digits, labels):
        X, y = digits
        mlp = make_small(X, np.array(labels)[y % len(labels)], input_scale=1)
        with open_small(mlp, weights="float32") as opened:
            assert opened.page.evaluate("window.skmlp.classes") == labels
            computed = opened.page.evaluate(PREDICT, (255 * X[0]).tolist())
            np.testing.assert_allclose(computed, mlp.predict_proba(X[:1])[0], atol=1e-5)
            assert opened.find_problems() == {}

    def test_most_probable_of_many_classes_are_shown_first(self, open_small, digits):
        X, y = digits
        mlp = make_small(X, 10 * (np.arange(len(y)) % 3) + y, input_scale=1)
        with open_small(mlp) as opened:
            clear(opened.page)
            shown = opened.page.locator("#classes .label").all_inner_texts()
            assert list(map(int, shown)) == mlp.classes_.tolist()
            draw_one(opened.page)
            answer = read_answer(opened.page)
            shown = opened.page.locator("#classes li")
            assert shown.first.locator(".label").inner_text() == answer
            bars = "rows => rows.map(row => Number(row.querySelector('.bar span').style.transform.slice(7, -1)))"
            probabilities = shown.evaluate_all(bars)
            assert len(probabilities) == 30
            assert probabilities == sorted(probabilities, reverse=True)

    def test_multilabel(self, open_small, digits):
        X, y = digits
        mlp = make_small(X, np.column_stack([y % 2, y > 4]), input_scale=1)
        mlp.intercepts_[-1][:] = -100  # no label is predicted
        with open_small(mlp, weights="float32") as opened:
            computed = opened.page.evaluate(PREDICT, (255 * X[0]).tolist())
            np.testing.assert_allclose(computed, mlp.predict_proba(X[:1])[0], atol=1e-5)
            clear(opened.page)
            draw_one(opened.page)
            assert read_answer(opened.page) == "No label is predicted."
            assert opened.page.locator("#paths path").count() == 0

    def test_background_that_is_not_zero(self, open_small, digits):
        X, y = digits
        mlp = make_small(2 * X - 1, y, activation="tanh")
        with open_small(mlp, X=2 * X - 1, weights="float32") as opened:
            computed = opened.page.evaluate(PREDICT, [0] * 32 + [255] * 32)
        expected = mlp.predict_proba([[-1] * 32 + [1] * 32])[0]
        np.testing.assert_allclose(computed, expected, atol=1e-5)

    def test_sparse_samples(self, open_small, digits):
        mlp = make_small(*digits)
        with open_small(mlp, X=csr_array(digits[0])) as opened:
            assert opened.page.evaluate("window.skmlp.selfTest.passed")

    def test_sparse_samples_are_deslanted(self, digits, tmp_path):
        X, y = digits
        committee = make_committee([make_small(X, y), fit_upright(X, y, input_scale=None)])
        pages = [tmp_path / "sparse.html", tmp_path / "dense.html"]
        for path, samples in zip(pages, (csr_array(X), X), strict=True):
            to_html(committee, path, X=samples)
        assert pages[0].read_bytes() == pages[1].read_bytes()

    def test_digits_as_strings_are_digits(self, open_small, digits):
        X, y = digits
        with open_small(make_small(X, y.astype(str), input_scale=1)) as opened:
            assert opened.page.title() == "Draw a digit"
            assert opened.page.locator("#examples button").count() == 10

    def test_wrong_number_of_pixels(self, browser, wide_page):
        message = r"pixels must have 64 values, got 3\. Pass one value per pixel\."
        with open_page(browser, wide_page) as opened, pytest.raises(Exception, match=message):
            opened.page.evaluate(PREDICT, [1, 2, 3])

    def test_wrong_number_of_features(self, open_small):
        X, y = load_iris(return_X_y=True)
        message = r"features must have 4 values, got 3\. Pass one value per feature\."
        with open_small(make_small(X, y), X=X) as opened, pytest.raises(Exception, match=message):
            opened.page.evaluate(PREDICT, [1, 2, 3])

    def test_without_hidden_layers(self, open_small, digits):
        mlp = make_small(*digits, hidden_layer_sizes=(), input_scale=1)
        with open_small(mlp) as opened:
            assert opened.page.locator(".layer").count() == 0
            assert opened.page.locator("#dropped").count() == 0
            assert opened.page.locator("#paths path").count() > 0
            assert opened.find_problems() == {}

    @pytest.mark.parametrize("is_multilabel", [False, True])
    @pytest.mark.parametrize("hidden", [(), (8,)], ids=str)
    @pytest.mark.parametrize("n_classes", [2, 3])
    def test_text_on_the_scores(self, digits, tmp_path, n_classes, hidden, is_multilabel):
        X, y = digits
        labels = y % n_classes
        if is_multilabel:
            labels = np.arange(n_classes) == labels[:, np.newaxis]
        mlp = make_small(X, labels.astype(int), hidden_layer_sizes=hidden, input_scale=1)
        to_html(mlp, tmp_path / "page.html")
        html = (tmp_path / "page.html").read_text(encoding="utf-8")
        [member] = read_description(html)["members"]
        n_scores = member["network"]["layers"][-1]["fanOut"]
        assert n_scores == (n_classes if is_multilabel or n_classes > 2 else 1)
        several = "score for each class" if hidden else "weight for each class"
        single = "add up to a score, which" if hidden else "each input by a weight, adds"
        assert (several in html) == (n_scores > 1)
        assert (single in html) == (n_scores == 1)
        assert ("the probabilities of both classes" in html) == (n_scores == 1)

    def test_label_cannot_inject_a_script(self, open_small, digits):
        X, y = digits
        attack = "</script><script>window.attacked = true</script>"
        mlp = make_small(X, np.array(["safe", attack])[y % 2], input_scale=1)
        with open_small(mlp) as opened:
            assert opened.page.evaluate("window.attacked") is None
            assert attack in opened.page.locator("#classes").inner_text()


@pytest.fixture(scope="module")
def committee(mnist_model):
    """Return a committee of three networks that differ in layers, scale and transformers, and a test set."""
    mlp, (X, y) = mnist_model
    upright = fit_upright(X[:3000], y[:3000], activation="tanh", input_scale=1 / 255)
    softmax = make_small(X[:1000], y[:1000], hidden_layer_sizes=(), input_scale=1 / 128)
    return make_committee([mlp, upright, softmax], weights=[2, 1, 0.5]), X[3000:3050]


@pytest.fixture(scope="module")
def committee_page(committee, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "committee.html"
    to_html(committee[0], path)
    return path


@pytest.fixture(scope="module")
def divided_page(committee, tmp_path_factory):
    """Return the page of a committee whose last network always predicts an 8."""
    *others, last = committee[0].estimators_
    last = copy.deepcopy(last.estimator)
    last.intercepts_[-1][8] += 1000
    path = tmp_path_factory.mktemp("pages") / "divided.html"
    to_html(make_committee([*others, last]), path)
    return path


def fit_upright(X, y, **params):
    """Return a Pipeline of Deslant and a small network."""
    upright = Deslant().fit(X)
    return make_pipeline(
        upright, make_small(upright.transform(X), y, **{"input_scale": 1} | params)
    )


def read_members(page):
    """Return the cells of the table of networks, row by row, after the next frame."""
    read_answer(page)
    rows = page.locator("#members tbody tr")
    return [rows.nth(i).locator("th, td").all_inner_texts() for i in range(rows.count())]


class TestCommittee:
    @pytest.mark.parametrize("weights", ["int8", "float16", "float32"])
    def test_predict_agrees_with_python(self, browser, committee, tmp_path, weights):
        model, X = committee
        to_html(model, tmp_path / "page.html", weights=weights)
        with open_page(browser, tmp_path / "page.html") as opened:
            assert opened.page.evaluate("window.skmlp.selfTest.passed")
            computed = [opened.page.evaluate(PREDICT, row.tolist()) for row in X]
            digest = opened.page.evaluate("window.skmlp.digest")
        parts = [split_model(member) for member in model.estimators_]
        networks = [quantize_network(fold_network(each.classifier), weights) for each in parts]
        each = [
            compute_probabilities(network.restore(), member.transform(X))
            for network, member in zip(networks, parts, strict=True)
        ]
        expected = np.average(each, axis=0, weights=[2, 1, 0.5])
        np.testing.assert_allclose(computed, expected, atol=1e-5)
        if weights == "float32":
            np.testing.assert_allclose(computed, model.predict_proba(X), atol=1e-5)
        assert digest == compute_model_digest(model)

    @pytest.mark.parametrize("width", [390, 1280])
    @pytest.mark.parametrize("dark", [False, True])
    def test_has_no_problems(self, browser, divided_page, width, dark):
        with open_page(browser, divided_page, width=width, dark=dark) as opened:
            page = opened.page
            page.locator("#show-occlusion").check()
            draw_one(page)
            for index in range(3):
                page.get_by_label("Network shown").select_option(index=index)
                if index < 2:
                    page.locator(".layer canvas").last.click()
                read_answer(page)
                assert page.locator("#members .different").count() > 0
                assert opened.find_problems() == {}

    def test_each_prediction_is_shown(self, open_small):
        X, y = load_iris(return_X_y=True, as_frame=True)
        X.columns = ["a", "b", "c", "d"]
        labels = np.array(["setosa", "versicolor", "virginica"])[y]
        members = [
            ("first", make_small(X, y, max_iter=80)),
            (f"seed 2, {'long' * 50}", make_small(X, y, activation="tanh", max_iter=1)),
            ("<b>third</b>", make_small(X, y, hidden_layer_sizes=(), max_iter=1)),
        ]
        committee = VotingClassifier(members, voting="soft", weights=[5, 1, 1]).fit(X, labels)
        with open_small(committee, X=X) as opened:
            page = opened.page
            assert page.title() == "Explore a committee"
            assert "sepal" not in page.locator("#features").inner_text()
            for values in X.to_numpy()[[0, 60, 110]]:
                for index, value in enumerate(values):
                    page.locator("#features input").nth(index).fill(str(value))
                sample = X.iloc[:1].copy()
                sample[:] = values
                expected = []
                for (name, _), member in zip(members, committee.estimators_, strict=True):
                    probabilities = member.predict_proba(sample)[0]
                    label = committee.classes_[probabilities.argmax()]
                    expected.append(
                        [name, label, f"{100 * probabilities.max():.1f}\N{NO-BREAK SPACE}%"]
                    )
                assert read_members(page) == expected
                average = committee.predict_proba(sample)[0]
                np.testing.assert_allclose(
                    page.evaluate(PREDICT, values.tolist()), average, atol=1e-5
                )
                [answer] = committee.predict(sample)
                n_agreeing = [label for _, label, _ in expected].count(answer)
                assert read_answer(page) == answer
                text = page.locator("#answer").inner_text()
                assert f"{100 * average.max():.1f}\N{NO-BREAK SPACE}%" in text
                assert f"predicted by {n_agreeing} of 3 networks" in text
                different = page.locator("#members .different")
                assert different.count() == 3 - n_agreeing
            assert opened.find_problems() == {}
            page.set_viewport_size({"width": 390, "height": 800})
            assert opened.find_problems() == {}

    def test_selected_network_is_shown(self, browser, committee_page):
        get_seen = "() => document.querySelector('#seen canvas').toDataURL()"
        with open_page(browser, committee_page) as opened:
            page = opened.page
            clear(page)
            drag(page, [(0.7, 0.15), (0.6, 0.35), (0.4, 0.65), (0.3, 0.85)])
            answer, probabilities = read_answer(page), page.locator("#classes").inner_text()
            slanted = page.evaluate(get_seen)
            page.locator(".layer canvas").click()
            assert page.locator("#unit").is_visible()
            page.get_by_label("Network shown").select_option(index=1)
            assert page.locator(".layer figcaption").all_inner_texts() == [
                "Hidden layer 1\n16 units, tanh",
                "Hidden layer 2\n12 units, tanh",
            ]
            assert page.locator("#unit").is_hidden()
            assert page.evaluate(get_seen) != slanted
            page.locator(".layer canvas").nth(1).click(position={"x": 3, "y": 3})
            assert "Unit 1 of hidden layer 2" in page.locator("#unit").inner_text()
            assert page.locator("#paths path").count() > 6
            page.get_by_label("Network shown").select_option(index=2)
            assert page.locator(".layer").count() == 0
            assert page.evaluate(get_seen) == slanted
            assert page.locator("#paths path").count() == 6
            assert read_answer(page) == answer
            assert page.locator("#classes").inner_text() == probabilities
            clear(page)
            assert read_answer(page) == ""
            page.get_by_label("Network shown").select_option(index=0)
            assert page.locator(".layer").count() == 1
            assert {text for row in read_members(page) for text in row[1:]} == {""}
            assert opened.find_problems() == {}

    def test_network_is_selected_by_the_keyboard(self, browser, committee_page):
        with open_page(browser, committee_page) as opened:
            page = opened.page
            page.locator("#examples button").last.focus()
            page.keyboard.press("Tab")
            selection = page.get_by_role("combobox", name="Network shown", exact=True)
            assert selection.evaluate("element => element === document.activeElement")
            page.keyboard.press("ArrowDown")
            assert page.locator(".layer").count() == 2
            names = page.locator("#member option").all_inner_texts()
            assert names == [
                "member_0 (648\N{EN DASH}256\N{EN DASH}10)",
                "member_1 (784\N{EN DASH}16\N{EN DASH}12\N{EN DASH}10)",
                "member_2 (784\N{EN DASH}10)",
            ]

    def test_occlusion_map_is_that_of_the_selected_network(self, open_small, digits):
        X, y = digits
        models = [make_small(X, y, input_scale=1, random_state=seed) for seed in (0, 1)]
        maps = []
        # With such a weight, the first network does not change the prediction.
        for model in (models[1], make_committee(models, weights=[1e-30, 1])):
            with open_small(model) as opened:
                page = opened.page
                if page.locator("#member").count():
                    page.get_by_label("Network shown").select_option(index=1)
                read_answer(page)
                get_pixels = "() => document.querySelector('#seen canvas').toDataURL()"
                image = page.evaluate(get_pixels)
                page.locator("#show-occlusion").check()
                page.wait_for_function(f"image => ({get_pixels})() !== image", arg=image)
                maps.append(page.evaluate(get_pixels))
        assert maps[0] == maps[1]

    def test_networks_without_weight_are_left_out(self, open_small, digits):
        X, y = digits
        models = [make_small(X, y, input_scale=1, random_state=seed) for seed in range(3)]
        committee = make_committee(models, weights=[2, 0, 1])
        with open_small(committee, weights="float32") as opened:
            page = opened.page
            rows, answer = read_members(page), read_answer(page)
            assert [name for name, *_ in rows] == ["member_0", "member_2"]
            n_agreeing = [label for _, label, _ in rows].count(answer)
            text = page.locator("#answer").inner_text()
            assert f"predicted by {n_agreeing} of 2 networks" in text
            assert "how 2 networks arrive" in page.locator("header").inner_text()
            probabilities = page.evaluate(PREDICT, (255 * X[5]).tolist())
            assert page.evaluate("window.skmlp.digest") == compute_model_digest(committee)
        np.testing.assert_allclose(probabilities, committee.predict_proba(X[5:6])[0], atol=1e-5)

    def test_single_network_with_weight_has_no_selection(self, open_small, digits):
        models = [make_small(*digits, input_scale=1, random_state=seed) for seed in range(2)]
        with open_small(make_committee(models, weights=[0, 3])) as opened:
            assert opened.page.locator("#member, #members").count() == 0
            assert "networks" not in opened.page.locator("body").inner_text()

    @pytest.mark.parametrize("is_drawing", [True, False])
    @pytest.mark.parametrize("hidden", [[8], [()], [8, 4], [(), ()], [8, ()]], ids=str)
    def test_text_describes_what_the_page_has(self, open_small, digits, is_drawing, hidden):
        X, y = digits
        models = [make_small(X, y, hidden_layer_sizes=sizes, input_scale=1) for sizes in hidden]
        model = make_committee(models) if len(models) > 1 else models[0]
        with open_small(model, image_shape=None if is_drawing else False) as opened:
            text = opened.page.locator("#explanation").inner_text()
            n_sliders = opened.page.locator("#controls input[type=range]").count()
            n_layers = opened.page.locator(".layer").count()
            has_layers = 8 in hidden
            assert n_sliders == is_drawing + has_layers
            assert n_layers == has_layers
            assert ("Each square of a hidden layer is a unit" in text) == has_layers
            assert ("A path is a chain of large contributions" in text) == has_layers
            assert ("Without hidden layers, a network multiplies" in text) == (() in hidden)
            assert ("parts of the image" in text) == (
                is_drawing and (has_layers or len(hidden) > 1)
            )
            [shown] = re.findall(r"The ([^.]*) those of the selected network", text) or [None]
            assert (shown is not None) == (len(hidden) > 1)
            if shown is not None:
                assert "paths are" in shown
                assert ("layers" in shown) == has_layers
                assert ("parts of the image that matter" in shown) == is_drawing
            assert ("the sliders below them affect" in text) == (
                n_sliders == 2 and shown is not None
            )
            assert ("the slider below them affects" in text) == (
                n_sliders == 1 and shown is not None
            )

    @pytest.mark.parametrize("order", [1, -1])
    def test_units_can_be_switched_off_if_any_network_has_some(self, open_small, digits, order):
        models = [make_small(*digits, hidden_layer_sizes=sizes, input_scale=1) for sizes in ((), 8)]
        with open_small(make_committee(models[::order])) as opened:
            page = opened.page
            before = read_members(page)
            assert "Each square of a hidden layer is a unit" in page.locator("body").text_content()
            page.locator("#dropped").fill("0.9")
            changed = [row != other for row, other in zip(before, read_members(page), strict=True)]
            assert changed == [False, True][::order]

    def test_noise_and_dropped_units_change_all_predictions(self, browser, committee_page):
        with open_page(browser, committee_page) as opened:
            page = opened.page
            before = read_members(page)
            page.locator("#noise").fill("0.3")
            noisy = read_members(page)
            assert all(row != other for row, other in zip(before, noisy, strict=True))
            page.locator("#dropped").fill("0.5")
            dropped = read_members(page)
            assert [row != other for row, other in zip(noisy, dropped, strict=True)] == [
                *(True, True),
                False,  # it has no hidden units
            ]

    def test_self_test_covers_each_network(self, browser, committee_page, tmp_path):
        html = committee_page.read_text(encoding="utf-8")
        description = read_description(html)
        for index in range(3):
            changed = copy.deepcopy(description)
            changed["members"][index]["samples"]["probabilities"][4][9] += 0.01
            script = [json.dumps(each, separators=(",", ":")) for each in (description, changed)]
            (tmp_path / "changed.html").write_text(html.replace(*script), encoding="utf-8")
            with open_page(browser, tmp_path / "changed.html") as opened:
                assert not opened.page.evaluate("window.skmlp.selfTest.passed")
        with open_page(browser, committee_page) as opened:
            assert "passed: 15 samples" in opened.page.locator("#self-test").inner_text()

    def test_description_of_the_networks(self, browser, committee_page):
        with open_page(browser, committee_page) as opened:
            text = opened.page.locator("dl").inner_text()
            assert "member_0, 57.1 % of the average" in text
            assert "784\N{EN DASH}16\N{EN DASH}12\N{EN DASH}10, upright digits" in text

    @pytest.mark.parametrize("spread", [(None, None), (0.2, None), (None, 0.15)])
    def test_description_of_scaled_digits(self, digits, tmp_path, spread):
        upright = fit_upright(*digits)
        upright[0].set_params(spread=spread)
        to_html(make_committee([upright, fit_upright(*digits)]), tmp_path / "page.html")
        text = (tmp_path / "page.html").read_text("utf-8")
        assert text.count(", upright digits<") == (2 if spread == (None, None) else 1)
        assert text.count(", upright digits, scaled<") == (0 if spread == (None, None) else 1)

    @pytest.mark.parametrize("is_committee", [False, True])
    def test_single_network_has_no_selection(self, open_small, digits, is_committee):
        mlp = make_small(*digits, input_scale=1)
        with open_small(make_committee([mlp]) if is_committee else mlp) as opened:
            assert opened.page.locator("#member, #members").count() == 0
            assert "networks" not in opened.page.locator("#answer").inner_text()

    @pytest.mark.parametrize("scales", [(1 / 8, 1 / 16, 1), (None, 1 / 16), (1 / 16, None, 1 / 4)])
    def test_range_of_the_pixels(self, digits, tmp_path, scales):
        X, y = digits
        models = [make_small(16 * X, y, input_scale=scale) for scale in scales]
        to_html(make_committee(models), tmp_path / "page.html")
        settings = read_description((tmp_path / "page.html").read_text(encoding="utf-8"))["input"]
        assert (settings["smallest"], settings["largest"]) == (0, 16)

    @pytest.mark.parametrize("weights", [(0, 2, 1), (2, 1, 0)])
    def test_networks_without_weight_do_not_determine_the_range(self, digits, tmp_path, weights):
        X, y = digits
        scales = [1 / 200 if weight == 0 else 1 / 16 for weight in weights]
        models = [make_small(16 * X, y, input_scale=scale) for scale in scales]
        committee = make_committee(models, weights=weights)
        path = tmp_path / "page.html"
        to_html(committee, path)
        page = read_description(path.read_text(encoding="utf-8"))
        assert (page["input"]["smallest"], page["input"]["largest"]) == (0, 16)
        assert [decode_test_samples(member).max() for member in page["members"]] == [16, 16]
        to_html(committee, path, image_shape=False)
        features = read_description(path.read_text(encoding="utf-8"))["input"]["features"]
        assert {(each["min"], each["max"]) for each in features} == {(0, 16)}

    @pytest.mark.parametrize("order", [1, -1])
    def test_networks_without_weight_do_not_determine_the_range_of_samples(self, tmp_path, order):
        X = np.random.default_rng(0).random((40, 64))
        y = np.arange(40) % 2
        upright = fit_upright(X, y, input_scale=None)
        committee = make_committee([make_small(X, y), upright][::order], weights=[0, 1][::order])
        deslanted = upright[0].transform(X)
        path = tmp_path / "page.html"
        to_html(committee, path, X=X)
        settings = read_description(path.read_text(encoding="utf-8"))["input"]
        assert (settings["smallest"], settings["largest"]) == (deslanted.min(), deslanted.max())

    def test_range_that_only_a_network_without_weight_stores(self, digits, tmp_path):
        X, y = digits
        models = [make_small(X, y, input_scale=1), make_small(X, y)]
        with pytest.raises(ValueError, match="no classifier on the page has an input_scale"):
            to_html(make_committee(models, weights=[0, 1]), tmp_path / "page.html")

    @pytest.mark.parametrize("scales", [(None, 1 / 16), (1, 1 / 16), (1 / 16, None, 1)])
    def test_self_test_has_samples_in_the_range_of_the_page(self, open_small, digits, scales):
        X, y = digits
        models = [make_small(16 * X, y, input_scale=scale) for scale in scales]
        with open_small(make_committee(models)) as opened:
            assert opened.page.evaluate("window.skmlp.selfTest.passed")
            members = read_description(opened.page.content())["members"]
        assert len(members) == len(scales)
        for samples in map(decode_test_samples, members):
            assert samples.shape == (5, 64)
            assert samples.min() == 0
            assert 10 < samples.max() <= 16
            assert (samples.std(axis=1) > 1).all()

    def test_range_of_samples_that_only_some_networks_deslant(self, tmp_path):
        X = np.random.default_rng(0).random((40, 64))
        plain = make_small(X, np.arange(40) % 2)
        upright = fit_upright(X, np.arange(40) % 2, input_scale=None)
        deslanted = upright[0].transform(X)
        assert deslanted.max() < X.max()
        for models in ([upright, plain], [plain, upright]):
            to_html(make_committee(models), tmp_path / "page.html", X=X)
            html = (tmp_path / "page.html").read_text(encoding="utf-8")
            settings = read_description(html)["input"]
            assert settings["smallest"] == min(X.min(), deslanted.min())
            assert settings["largest"] == X.max()


@pytest.fixture(scope="module")
def gradients_committee(digits):
    """Return a committee whose networks take pixels, gradients, or both of upright digits."""
    X, y = digits
    gradients = GradientFeatures((3, 5), include_pixels=False)
    return make_committee(
        [
            make_small(X, y, input_scale=1),
            make_small(X, y, input_scale=1, image_features=gradients),
            fit_upright(X, y, image_features=GradientFeatures(include_pixels=True)),
        ]
    )


@pytest.fixture(scope="module")
def gradients_page(gradients_committee, tmp_path_factory):
    path = tmp_path_factory.mktemp("pages") / "gradients.html"
    to_html(gradients_committee, path)
    return path


class TestImageFeatures:
    @pytest.mark.parametrize("weights", ["int8", "float16", "float32"])
    @pytest.mark.parametrize("include_pixels", [False, True])
    def test_predict_agrees_with_python(self, open_small, digits, include_pixels, weights):
        X, y = digits
        features = GradientFeatures((4, 3), include_pixels=include_pixels)
        mlp = make_small(X, y, image_features=features, image_shape=(4, 16), input_scale=1)
        with open_small(mlp, weights=weights) as opened:
            assert opened.page.evaluate("window.skmlp.selfTest.passed")
            computed = [opened.page.evaluate(PREDICT, (255 * row).tolist()) for row in X[:20]]
            with pytest.raises(Exception, match=r"pixels must have 64 values, got 3\."):
                opened.page.evaluate(PREDICT, [1, 2, 3])
        network = quantize_network(fold_network(mlp), weights).restore()
        np.testing.assert_allclose(computed, compute_probabilities(network, X[:20]), atol=1e-5)

    def test_background_that_is_not_zero(self, open_small, digits):
        X, y = digits
        mlp = make_small(2 * X - 1, y, image_features="gradients")
        with open_small(mlp, X=2 * X - 1, weights="float32") as opened:
            assert opened.page.evaluate("window.skmlp.selfTest.passed")
            computed = opened.page.evaluate(PREDICT, [0] * 32 + [255] * 32)
        expected = mlp.predict_proba([[-1] * 32 + [1] * 32])[0]
        np.testing.assert_allclose(computed, expected, atol=1e-5)

    def test_committee_agrees_with_python(self, browser, digits, gradients_committee, tmp_path):
        X, _ = digits
        pixels = np.rint(255 * X[:20])
        to_html(gradients_committee, tmp_path / "page.html", weights="float32")
        with open_page(browser, tmp_path / "page.html") as opened:
            assert "passed: 15 samples" in opened.page.locator("#self-test").inner_text()
            computed = [opened.page.evaluate(PREDICT, row.tolist()) for row in pixels]
        # Deslant rounds pixels from 0 to 255.
        members = list(map(split_model, gradients_committee.estimators_))
        each = [
            member.classifier.predict_proba(member.transform(pixels.astype(np.uint8)) / 255)
            for member in members
        ]
        np.testing.assert_allclose(computed, np.mean(each, axis=0), atol=1e-5)

    @pytest.mark.parametrize("width", [390, 1280])
    @pytest.mark.parametrize("dark", [False, True])
    def test_has_no_problems(self, browser, gradients_page, width, dark):
        with open_page(browser, gradients_page, width=width, dark=dark) as opened:
            page = opened.page
            page.locator("#show-occlusion").check()
            page.locator("#noise").fill("0.2")
            for index in range(3):
                page.get_by_label("Network shown").select_option(index=index)
                for layer in (0, 1):
                    page.locator(".layer canvas").nth(layer).click()
                    read_answer(page)
                    assert opened.find_problems() == {}

    def test_weights_of_a_unit(self, browser, gradients_page):
        directions = "weights of the eight directions in which the intensity can increase, at "
        read_picture = """() => {
            const { width, height, classList } = document.querySelector("#unit canvas");
            return [width / height, classList.contains("parts")];
        }"""
        expected = [("", False), (f"{directions}3 x 5", True), (f"{directions}9 x 9", True)]
        with open_page(browser, gradients_page) as opened:
            page = opened.page
            for index, (text, has_parts) in enumerate(expected):
                page.get_by_label("Network shown").select_option(index=index)
                page.locator(".layer canvas").nth(0).click(position={"x": 3, "y": 3})
                shown = page.locator("#unit .incoming").inner_text()
                assert text in shown
                assert ("the weights of the pixels" in shown) == (index == 2)
                assert page.evaluate(read_picture) == [1, has_parts]
                page.locator(".layer canvas").nth(1).click(position={"x": 3, "y": 3})
                assert page.locator("#unit .incoming").inner_text() == ""
                assert page.evaluate(read_picture) == [1, False]

    def test_colors_of_the_weights(self, open_small, digits):
        X, y = digits
        features = GradientFeatures((2, 2), include_pixels=True)
        mlp = make_small(X, y, input_scale=1, image_features=features)
        mlp.coefs_[0][...] = 0
        mlp.coefs_[0][2 * 4, 0] = 1  # an increase downwards, at the upper left point
        read_color = """([x, y]) => {
            const canvas = document.querySelector("#unit canvas");
            const [column, row] = [x * canvas.width, y * canvas.height].map(Math.floor);
            return Array.from(canvas.getContext("2d").getImageData(column, row, 1, 1).data);
        }"""
        with open_small(mlp) as opened:
            opened.page.locator(".layer canvas").nth(0).click(position={"x": 3, "y": 3})
            expected = {
                (0.42, 0.75): [31, 102, 176, 255],  # in the part below the center
                (0.58, 0.75): [255, 255, 255, 255],
                (0.42, 0.1): [255, 255, 255, 255],
                (0.5, 0.5): [255, 255, 255, 255],  # a pixel
                (1 / 3, 0.5): [0, 0, 0, 0],  # between the parts
            }
            for place, color in expected.items():
                assert opened.page.evaluate(read_color, place) == color

    @pytest.mark.parametrize("include_pixels", [False, True])
    def test_paths_start_at_grid_points_or_pixels(self, open_small, digits, include_pixels):
        features = GradientFeatures((2, 3), include_pixels=include_pixels)
        mlp = make_small(*digits, hidden_layer_sizes=(), input_scale=1, image_features=features)
        mlp.coefs_[0][:48] = 0
        mlp.coefs_[0][48:] = 0.1
        mlp.coefs_[0][2 * 6 + 4] = 1  # an increase downwards, in the middle of the lower half
        measure = """() => {
            const area = document.getElementById("flow").getBoundingClientRect();
            const { left, top, width, height } = document.querySelector("#seen canvas").getBoundingClientRect();
            return [...document.querySelectorAll("#paths path")].map((path) => {
                const [x, y] = path.getAttribute("d").slice(1).split("C")[0].split(" ").map(Number);
                return [(y + area.top - top) / height, (x + area.left - left) / width];
            });
        }"""
        with open_small(mlp) as opened:
            read_answer(opened.page)
            starts = np.array(opened.page.evaluate(measure))
        assert len(starts) == (6 if include_pixels else 1)
        np.testing.assert_allclose(starts[0], [0.75, 0.5], atol=1e-3)
        np.testing.assert_allclose(8 * starts[1:] % 1, 0.5, atol=1e-2)

    def test_occlusion_map_is_shown(self, browser, gradients_page):
        get_pixels = "() => document.querySelector('#seen canvas').toDataURL()"
        with open_page(browser, gradients_page) as opened:
            page = opened.page
            page.get_by_label("Network shown").select_option(index=1)
            read_answer(page)
            image = page.evaluate(get_pixels)
            page.locator("#show-occlusion").check()
            page.wait_for_function(f"image => ({get_pixels})() !== image", arg=image)

    def test_inputs_are_described(self, browser, gradients_page):
        with open_page(browser, gradients_page) as opened:
            layers = opened.page.locator("dl").inner_text()
            text = opened.page.locator("#explanation").inner_text()
        dash = "\N{EN DASH}"
        assert f"64{dash}16{dash}12{dash}10\n" in layers
        assert f"120{dash}16{dash}12{dash}10, gradients at 3 x 5 points\n" in layers
        expected = ", upright digits, gradients at 9 x 9 points and pixels\n"
        assert f"712{dash}16{dash}12{dash}10{expected}" in layers
        assert "The inputs of the networks with gradients in the list below are computed" in text
        assert "for some networks also its pixels. Their paths start at these points" in text

    @pytest.mark.parametrize(
        ("grids", "subject", "paths"),
        [
            ([None], None, None),
            ([(2, 2)], "the network", "of a grid. Paths start at these points."),
            ([(2, 2), (3, 3)], "the networks", "of a grid. Paths start at these points."),
            ([(2, 2), None], "the networks with gradients in the list below", "Their paths"),
        ],
        ids=str,
    )
    def test_text_and_script(self, digits, tmp_path, grids, subject, paths):
        X, y = digits
        models = [
            make_small(
                X,
                y,
                input_scale=1,
                image_features=grid and GradientFeatures(grid, include_pixels=False),
            )
            for grid in grids
        ]
        to_html(make_committee(models), tmp_path / "page.html")
        html = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert ("class GradientInputs" in html) == (subject is not None)
        assert html.count("<dt>Inputs</dt>") == (len(grids) == 1 and subject is not None)
        if subject is None:
            assert "The inputs of" not in html
        else:
            assert f"The inputs of {subject} are computed from the image" in html
            assert paths in html

    @pytest.mark.parametrize("shape", [(4, 16), (64, 1), False])
    @pytest.mark.parametrize("stored", [None, (8, 8)])
    def test_shape_must_be_that_of_the_network(self, digits, tmp_path, stored, shape):
        mlp = make_small(*digits, input_scale=1, image_features="gradients", image_shape=stored)
        path = tmp_path / "page.html"
        with pytest.raises(
            ValueError, match=r"image_shape must be None or \(8, 8\), the shape of the images for"
        ):
            to_html(mlp, path, image_shape=shape)
        assert list(tmp_path.iterdir()) == []
        to_html(mlp, path, image_shape=(8, 8))

    def test_images_of_few_pixels_are_drawn(self, open_small, digits):
        X, y = digits
        mlp = make_small(X[:, 28:44], y, input_scale=1, image_features="gradients")
        with open_small(mlp) as opened:
            assert opened.page.evaluate("window.skmlp.selfTest.passed")
            assert "4 x 4 pixels" in opened.page.locator("#seen").inner_text()

    def test_members_for_images_of_other_shapes(self, digits, tmp_path):
        X, y = digits
        path = tmp_path / "page.html"
        wide, plain, square = [
            make_small(X, y, input_scale=1, image_features=features, image_shape=shape)
            for features, shape in [
                ("gradients", (4, 16)),
                (None, None),
                ("gradients", None),
            ]
        ]
        to_html(make_committee([plain, wide]), path)
        assert read_description(path.read_text(encoding="utf-8"))["input"]["shape"] == [4, 16]
        for model in (make_committee([wide, square]), make_committee([fit_upright(X, y), wide])):
            with pytest.raises(ValueError, match=r"one shape for a page, got \(4, 16\), \(8, 8\)"):
                to_html(model, path)

    def test_callable(self, digits, tmp_path):
        mlp = make_small(*digits, input_scale=1, image_features=flatten)
        with pytest.raises(TypeError, match="image_features of an exported classifier must be"):
            to_html(mlp, tmp_path / "page.html")
        assert list(tmp_path.iterdir()) == []


def flatten(images):
    """Return the pixels of images as features."""
    return images.reshape(len(images), -1)


class TestErrors:
    def test_not_fitted(self, tmp_path):
        with pytest.raises(NotFittedError):
            to_html(MLPDigitClassifier(), tmp_path / "page.html")

    def test_pipeline(self, digits, tmp_path):
        pipeline = make_pipeline(
            StandardScaler(), MLPDigitClassifier((4,), max_iter=1, n_iter_no_change=None)
        )
        with pytest.raises(
            TypeError, match=r"got the transformers StandardScaler\. .*pass its last step"
        ):
            to_html(pipeline.fit(*digits), tmp_path / "page.html")

    def test_pages_of_frozen_members(self, digits, tmp_path):
        X, y = digits
        models = [make_small(X, y, input_scale=1), fit_upright(X, y)]
        path = tmp_path / "page.html"
        for model, member in zip(models, make_committee(models).estimators_, strict=True):
            to_html(model, path)
            expected = path.read_bytes()
            to_html(member, path)
            assert path.read_bytes() == expected

    def test_committee_that_is_not_fitted(self, tmp_path):
        with pytest.raises(NotFittedError):
            to_html(VotingClassifier([("a", MLPDigitClassifier())]), tmp_path / "page.html")

    def test_committee_with_hard_voting(self, digits, tmp_path):
        committee = make_committee([make_small(*digits, input_scale=1)]).set_params(voting="hard")
        with pytest.raises(ValueError, match="voting of the VotingClassifier must be 'soft'"):
            to_html(committee, tmp_path / "page.html")
        assert list(tmp_path.iterdir()) == []

    def test_other_members(self, digits, tmp_path):
        X, y = digits
        network = make_small(X, y, input_scale=1)
        other = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(X, y)
        with pytest.raises(
            TypeError, match="got a VotingClassifier whose member 'member_1' is a P"
        ):
            to_html(make_committee([network, other]), tmp_path / "page.html")
        pipeline = make_pipeline(StandardScaler(), clone(network)).fit(X, y)
        with pytest.raises(TypeError, match="got the transformers StandardScaler"):
            to_html(make_committee([network, pipeline]), tmp_path / "page.html")

    def test_members_for_images_of_other_shapes(self, digits, tmp_path):
        X, y = digits
        path = tmp_path / "page.html"
        models = [make_small(X, y, input_scale=1, image_shape=shape) for shape in [(8, 8), (4, 16)]]
        with pytest.raises(ValueError, match=r"images of one shape, got \(4, 16\), \(8, 8\)"):
            to_html(make_committee(models), path)
        to_html(make_committee(models), path, image_shape=(4, 16))
        assert read_description(path.read_text(encoding="utf-8"))["input"]["shape"] == [4, 16]
        to_html(make_committee([fit_upright(X, y), models[0]]), path)
        with pytest.raises(
            ValueError, match=r"must be None or \(8, 8\), the shape .* got \(4, 16\)"
        ):
            to_html(make_committee([models[0], fit_upright(X, y)]), path, image_shape=(4, 16))

    def test_advice_on_the_shape_is_accepted(self, digits, tmp_path):
        X, y = digits
        mixed = make_committee(
            [fit_upright(X, y), make_small(X, y, input_scale=1, image_shape=(4, 16))]
        )
        path = tmp_path / "page.html"
        with pytest.raises(
            ValueError, match=r"got \(4, 16\), \(8, 8\)\. Pass image_shape=\(8, 8\)"
        ):
            to_html(mixed, path)
        with pytest.raises(ValueError, match=r"image_shape must be \(8, 8\), the shape of the"):
            to_html(mixed, path, image_shape=(4, 16))
        to_html(mixed, path, image_shape=(8, 8))

    @pytest.mark.parametrize("image_shape", [None, (8, 8), (4, 16), False])
    def test_committee_that_no_page_can_show(self, digits, tmp_path, image_shape):
        X, y = digits
        models = [
            make_pipeline(Deslant(image_shape=shape), clone(make_small(X, y, input_scale=1)))
            for shape in [(8, 8), (4, 16)]
        ]
        committee = make_committee([model.fit(X, y) for model in models])
        with pytest.raises(
            ValueError, match=r"got \(4, 16\), \(8, 8\)\. Export this model by to_onnx"
        ):
            to_html(committee, tmp_path / "page.html", image_shape=image_shape)
        assert list(tmp_path.iterdir()) == []
        pytest.importorskip("onnxruntime")
        to_onnx(committee)

    def test_unknown_range_of_the_features_of_a_member(self, digits, tmp_path):
        committee = make_committee([make_small(*digits), fit_upright(*digits, input_scale=None)])
        with pytest.raises(ValueError, match="X must contain samples if no classifier on the page"):
            to_html(committee, tmp_path / "page.html")
        to_html(committee, tmp_path / "page.html", X=digits[0])

    @pytest.mark.parametrize("model", [None, "page", LogisticRegression()], ids=str)
    def test_other_estimators(self, model, tmp_path):
        with pytest.raises(TypeError, match="model must be a fitted MLPDigitClassifier, a Pipe"):
            to_html(model, tmp_path / "page.html")

    def test_unknown_range_of_features(self, digits, tmp_path):
        with pytest.raises(
            ValueError, match="samples if no classifier on the page has an input_scale, got None"
        ):
            to_html(make_small(*digits), tmp_path / "page.html")

    @pytest.mark.parametrize("is_upright", [False, True])
    def test_samples_of_a_single_value(self, digits, tmp_path, is_upright):
        X, y = digits
        model = fit_upright(X, y) if is_upright else make_small(X, y)
        with pytest.raises(
            ValueError, match=r"X must contain pixels of different values, .* got 0 for all\. Pass"
        ):
            to_html(model, tmp_path / "page.html", X=np.zeros_like(X))
        assert list(tmp_path.iterdir()) == []

    def test_too_many_sliders(self, tmp_path):
        X = np.random.default_rng(0).random((20, 201))
        with pytest.raises(
            ValueError, match="at most 200 features if they are not images, got 201"
        ):
            to_html(make_small(X, np.arange(20) % 2), tmp_path / "page.html", X=X)

    def test_weights(self, digits, tmp_path):
        with pytest.raises(ValueError, match="weights must be one of"):
            to_html(make_small(*digits, input_scale=1), tmp_path / "page.html", weights="int4")
        assert list(tmp_path.iterdir()) == []

    def test_existing_file_is_kept_on_error(self, digits, tmp_path):
        path = tmp_path / "page.html"
        path.write_text("kept")
        with pytest.raises(ValueError, match="X has 3 features"):
            to_html(make_small(*digits), path, X=np.ones((2, 3)))
        assert path.read_text() == "kept"
