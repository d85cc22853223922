"""The page of the report in a browser, without a network and without scripts."""

import re

import numpy as np
import pytest
from browser import open_page
from helpers import make_classifier_factory
from sklearn.datasets import load_digits, load_wine

from skmlp import load_mnist, write_report

make_classifier = make_classifier_factory(
    max_iter=15, learning_rate_init=0.01, n_iter_no_change=None
)
MAX_BYTES = 3_000_000
IMAGE_SECTIONS = ("robustness",)


@pytest.fixture(scope="module")
def digits_page(tmp_path_factory):
    """Return the path of the report on a classifier of digits, with a second one, and its figures."""
    X, y = load_digits(return_X_y=True)
    classifier = make_classifier(input_scale=1 / 16).fit(
        X[:900], y[:900], X_val=X[1200:], y_val=y[1200:]
    )
    second = make_classifier(input_scale=1 / 16, random_state=1).fit(X[:900], y[:900])
    path = tmp_path_factory.mktemp("digits") / "report.html"
    figures = write_report(
        *(classifier, X[1200:], y[1200:], path),
        X_train=X[:900],
        y_train=y[:900],
        compare_with=second,
    )
    return path, figures


@pytest.fixture(scope="module")
def wine_page(tmp_path_factory):
    """Return the path of the report on a classifier of features that are no images, and its figures."""
    X, y = load_wine(return_X_y=True)
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    path = tmp_path_factory.mktemp("wine") / "report.html"
    figures = write_report(make_classifier().fit(X, y), X, y, path, X_train=X, y_train=y)
    return path, figures


@pytest.fixture(scope="module")
def one_class_page(tmp_path_factory):
    """Return the path of the report on a classifier of one class, and its figures."""
    X, y = np.random.default_rng(0).random((20, 7)), np.zeros(20)
    path = tmp_path_factory.mktemp("one-class") / "report.html"
    return path, write_report(make_classifier().fit(X, y), X, y, path)


@pytest.fixture(params=["digits_page", "wine_page", "one_class_page"])
def page_and_figures(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("width", "dark", "javascript"),
    [(390, False, True), (390, True, False), (1280, False, False), (1280, True, True)],
)
def test_page_has_no_problems(browser, page_and_figures, width, dark, javascript):
    path, _ = page_and_figures
    with open_page(browser, path, width=width, dark=dark, javascript=javascript) as page:
        assert page.find_problems() == {}


def test_sections_are_those_of_the_figures(browser, page_and_figures):
    path, figures = page_and_figures
    with open_page(browser, path) as page:
        sections = page.page.locator("main > section")
        names = [section.get_attribute("id") for section in sections.all()]
        linked = [link.get_attribute("href") for link in page.page.locator("nav a").all()]
        # Each section begins with a heading and explains how to read it.
        assert sections.locator("> h2").count() == len(names)
        assert all(section.locator(".guide").count() for section in sections.all())
    assert names == [name for name, each in figures.items() if each is not None]
    assert linked == [f"#{name}" for name in names]


def test_text_states_the_figures(browser, digits_page):
    path, figures = digits_page
    with open_page(browser, path) as page:
        text = page.page.locator("main").inner_text().replace("\u00a0", " ")
    summary, calibration = figures["summary"], figures["calibration"]
    for expected in (
        f"{100 * summary['accuracy']:.2f} %",
        f"{summary['n_errors']} of 597",
        f"{100 * summary['interval'][0]:.2f} % to {100 * summary['interval'][1]:.2f} %",
        f"{100 * summary['comparison']['accuracy']:.2f} %",
        f"{calibration['expected_calibration_error']:.4f}",
        f"{calibration['log_loss']:.4f}",
        f"{calibration['brier_score']:.4f}",
        figures["reproducibility"]["model_digest"],
        *(finding["text"].replace("`", "") for finding in figures["findings"]),
    ):
        assert expected in text, expected


def test_cells_of_the_confusion_matrix_lead_to_their_samples(browser, digits_page):
    path, figures = digits_page
    pairs = figures["confusion"]["pairs"]
    assert pairs
    with open_page(browser, path) as page:
        links = page.page.locator("table.matrix a")
        assert links.count() == len(pairs)
        for pair in pairs:
            name = f"{pair['count']} samples of {pair['label']} that are predicted as {pair['predicted']}"
            page.page.get_by_role("link", name=name).click()
            target = page.page.locator(":target")
            assert (
                target.locator("h4")
                .inner_text()
                .startswith(f"{pair['label']} predicted as {pair['predicted']}: {pair['count']}")
            )
            assert target.locator("img").count() == min(pair["count"], 12)


def test_pictures_show_the_samples(browser, digits_page):
    path, figures = digits_page
    X, y = load_digits(return_X_y=True)
    with open_page(browser, path) as page:
        for mistake in figures["mistakes"][:5]:
            index = mistake["index"]
            image = page.page.locator(f'#mistakes img[alt^="sample {index} "]')
            assert f"label {y[1200 + index]}" in image.get_attribute("alt")
            gray = image.evaluate(
                """image => {
                    const canvas = document.createElement("canvas");
                    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
                    const context = canvas.getContext("2d");
                    context.drawImage(image, 0, 0);
                    const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
                    return Array.from(pixels.filter((_, i) => i % 4 == 0));
                }"""
            )
            expected = 255 * (1 - X[1200 + index] / 16)
            np.testing.assert_allclose(gray, expected, atol=1)


def test_images_appear_only_for_images(browser, wine_page, digits_page):
    with open_page(browser, wine_page[0]) as page:
        assert page.page.locator("img").count() == 0
    with open_page(browser, digits_page[0]) as page:
        assert page.page.locator("#robustness img").count() > 10
    assert all(wine_page[1][name] is None for name in IMAGE_SECTIONS)


def test_page_contains_no_scripts_and_no_addresses(page_and_figures):
    path, _ = page_and_figures
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"<script|<link(?! rel=\"icon\" href=\"data:)|javascript:|@import", page)
    addresses = set(re.findall(r"https?://[^\"'\s<>]+", page))
    # The names of the XML namespaces of SVG are not requested.
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def test_report_on_mnist_is_small_and_quickly_loaded(browser, tmp_path, mnist_dir):
    X, y = load_mnist(mnist_dir, subset="test", return_X_y=True)
    classifier = make_classifier(input_scale=1 / 255, max_iter=1, learning_rate_init=0.001).fit(
        X[:500], y[:500]
    )
    path = tmp_path / "report.html"
    figures = write_report(classifier, X, y, path, X_train=X[:500], y_train=y[:500])
    assert figures["summary"]["n_errors"] > 1000
    assert path.stat().st_size <= MAX_BYTES
    with open_page(browser, path) as page:
        assert page.find_problems() == {}
        assert page.measure_load_time() < 5  # less than 1 s on a quiet machine
