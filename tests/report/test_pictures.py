"""The pictures of the report show the samples and maps that their alternative texts name."""

import base64
import io
import re
from functools import partial
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers import load_small_digits, make_classifier_factory
from PIL import Image

from skmlp import GradientFeatures, MLPDigitClassifier, write_report

make_classifier = make_classifier_factory(
    max_iter=15, learning_rate_init=0.01, n_iter_no_change=None
)
SECTIONS_WITH_SAMPLES = {"summary", "classes", "confusion", "mistakes", "label_errors", "network"}


class Pictures(HTMLParser):
    """Pictures of a page: their section, alternative text and pixels."""

    def __init__(self):
        super().__init__()
        self.section = None
        self.found = []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        if tag == "section":
            self.section = values["id"]
        elif tag == "img":
            content = base64.b64decode(values["src"].removeprefix("data:image/png;base64,"))
            pixels = np.asarray(Image.open(io.BytesIO(content)), dtype=int)
            self.found.append((self.section, values["alt"], pixels))


def read_pictures(path):
    parser = Pictures()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser.found


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Return the training and test samples, the figures and the pictures of a report with wrong training labels."""
    X, y = load_small_digits(900)
    X_train, y_train, X_test, y_test = X[:500], y[:500].copy(), X[500:], y[500:]
    y_train[:10] = (y_train[:10] + 1) % 10
    first, second = (
        make_classifier(random_state=seed, max_iter=n_epochs).fit(X_train, y_train)
        for seed, n_epochs in ((0, 15), (1, 5))
    )
    path = tmp_path_factory.mktemp("pictures") / "report.html"
    training = {"X_train": X_train, "y_train": y_train}
    figures = write_report(first, X_test, y_test, path, compare_with=second, **training)
    return X_train, X_test, y_test, figures, read_pictures(path), (first, second)


def test_pictures_of_samples_show_them(report):
    X_train, X_test, _, _, pictures, _ = report
    sections = set()
    for section, alternative, pixels in pictures:
        match = re.search(r"(training )?sample (\d+)", alternative)
        if match is None or pixels.ndim == 3:
            continue
        X = X_train if match[1] or section == "label_errors" else X_test
        expected = 255 * (1 - X[int(match[2])].reshape(8, 8))
        np.testing.assert_allclose(pixels, expected, atol=1, err_msg=alternative)
        sections.add(section)
    assert sections == SECTIONS_WITH_SAMPLES


def test_captions_of_the_comparison_are_the_wrong_predictions(report):
    _, X_test, y_test, figures, pictures, models = report
    comparison = figures["summary"]["comparison"]
    shown = [alternative for section, alternative, _ in pictures if section == "summary"]
    indices = [*comparison["only_this_correct"][:12], *comparison["only_second_correct"][:12]]
    assert len(shown) == len(indices) > 1
    for alternative, index in zip(shown, indices, strict=True):
        wrong = models[1] if index in comparison["only_this_correct"] else models[0]
        predicted = wrong.predict(X_test[[index]])[0]
        assert predicted != y_test[index]
        assert alternative.startswith(
            f"sample {index} with the label {y_test[index]}, predicted as {predicted}"
        )


def test_confusions_begin_with_the_most_confident(report):
    _, X_test, _, figures, pictures, models = report
    confidence = models[0].predict_proba(X_test).max(axis=1)
    shown = [alternative for section, alternative, _ in pictures if section == "confusion"]
    position = 0
    for pair in figures["confusion"]["pairs"]:
        indices = sorted(pair["indices"], key=lambda index: -confidence[index])[:12]
        for index in indices:
            expected = f"{pair['label']} that is predicted as {pair['predicted']}, sample {index}"
            assert shown[position] == expected
            position += 1
    assert position == len(shown)


def test_weights_are_those_of_the_units_with_the_largest_norms(report):
    *_, pictures, models = report
    weights = models[0].coefs_[0].T
    norms = np.linalg.norm(weights, axis=1)
    shown = [
        (int(alternative.removeprefix("weights of unit ")), pixels)
        for _, alternative, pixels in pictures
        if alternative.startswith("weights of unit")
    ]
    assert [unit for unit, _ in shown] == np.argsort(-norms, kind="stable")[:32].tolist()
    limit = np.abs(weights).max()
    for unit, pixels in shown:
        red, _, blue, opacity = np.moveaxis(pixels, 2, 0)
        values = weights[unit].reshape(8, 8)
        np.testing.assert_allclose(opacity, 255 * np.abs(values) / limit, atol=1)
        np.testing.assert_array_equal((red > blue)[opacity > 0], (values > 0)[opacity > 0])


@pytest.mark.parametrize("is_differentiable", [True, False])
def test_weights_that_do_not_belong_to_pixels_are_not_shown(is_differentiable, tmp_path):
    X, y = load_small_digits(300)
    features = GradientFeatures((3, 4), include_pixels=True)
    if not is_differentiable:
        features = partial(GradientFeatures.__call__, features)
    mlp = make_classifier(image_features=features).fit(X[:200], y[:200])
    figures = write_report(mlp, X[200:], y[200:], tmp_path / "report.html")
    assert figures["network"]["n_features"] == 64
    assert figures["network"]["layer_sizes"] == [8 * 12 + 64, 16, 10]
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Weights of the first layer" not in text
    assert ("Pixels on which predictions depend" in text) == is_differentiable
    assert '<td>image features</td><td class="number">160</td>' in text
    assert "without those of the image features" in text
    names = [name for section, name, _ in read_pictures(tmp_path / "report.html")]
    assert any(name.startswith("gradient times input of") for name in names) == is_differentiable
    assert not any("weights" in name for name in names)


def test_maps_of_a_linear_classifier(tmp_path):
    """The logit of the class 1 is the sum of the upper pixels minus that of the lower ones."""
    rng = np.random.default_rng(0)
    X = rng.random((40, 36)) + 0.5
    X.reshape(-1, 6, 6)[:, [0, -1]] = X.reshape(-1, 6, 6)[:, :, [0, -1]] = 0  # background
    signs = np.repeat([1.0, -1.0], 18)
    mlp = MLPDigitClassifier((), max_iter=1, n_iter_no_change=None).fit(X, np.arange(40) % 2)
    mlp.coefs_[0][:, 0], mlp.intercepts_[0][:] = signs, 0
    y = (X @ signs > 0).astype(int)
    y[:5] = 1 - y[:5]  # five wrong predictions
    write_report(mlp, X, y, tmp_path / "report.html")
    maps = {
        alternative: pixels
        for _, alternative, pixels in read_pictures(tmp_path / "report.html")
        if "gradient times input" in alternative or "occlusion map" in alternative
    }
    assert len(maps) >= 8
    for alternative, pixels in maps.items():
        index, predicted = map(int, re.findall(r"\d+", alternative))
        red, _, blue, opacity = np.moveaxis(pixels, 2, 0)
        if alternative.startswith("gradient"):
            product = (1 if predicted else -1) * (signs * X[index]).reshape(6, 6)
            np.testing.assert_allclose(
                opacity, 255 * np.abs(product) / np.abs(product).max(), atol=1
            )
            is_positive = product > 0
        else:
            # The rows at the boundary of the two halves are excluded, because patches contain both.
            opacity[2:4] = 0
            is_positive = np.repeat([predicted == 1, predicted != 1], 18).reshape(6, 6)
        np.testing.assert_array_equal((red > blue)[opacity > 0], is_positive[opacity > 0])
