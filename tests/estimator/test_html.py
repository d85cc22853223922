"""HTML representation of fitted classifiers."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from sklearn import config_context

from skmlp import MLPDigitClassifier
from skmlp.estimator.html import HEIGHT, MARGIN, MAX_POINTS, WIDTH, draw_loss


def fit(n_epochs=4, **params):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)), rng.integers(3, size=60)
    mlp = MLPDigitClassifier(
        (6,), max_iter=n_epochs, n_iter_no_change=None, random_state=0, **params
    )
    return mlp.fit(X, y, X_val=X[:20], y_val=y[:20])


def find_points(svg, number):
    lines = ET.fromstring(svg).findall("polyline")
    return [tuple(map(float, point.split(","))) for point in lines[number].get("points").split()]


def test_fitted_classifier_shows_layers_and_curve():
    mlp = fit()
    html = mlp._repr_html_()
    assert mlp.summary()._repr_html_() in html
    assert draw_loss(mlp.history_) in html
    assert mlp._repr_mimebundle_()["text/html"].count("<svg") == html.count("<svg")


def test_unfitted_classifier_shows_neither():
    assert "skmlp-training" not in MLPDigitClassifier()._repr_html_()


def test_text_display_has_no_html():
    with config_context(display="text"):
        assert "text/html" not in fit()._repr_mimebundle_()


def test_lines_are_the_losses():
    history = fit().history_
    svg = draw_loss(history)
    highest = max(history["loss"] + history["val_loss"])
    for number, name in enumerate(("loss", "val_loss")):
        points = find_points(svg, number)
        assert [x for x, _ in points] == pytest.approx(
            np.linspace(MARGIN, WIDTH - MARGIN, 4), abs=0.06
        )
        expected = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * np.array(history[name]) / highest
        np.testing.assert_allclose([y for _, y in points], expected, atol=0.06)
    assert f"training {history['loss'][-1]:.4f}" in svg


def test_image_is_small_and_refers_to_nothing_else():
    svg = draw_loss({"loss": list(np.geomspace(2, 0.01, 100_000))})
    assert len(svg) < 5000
    assert MAX_POINTS / 2 < len(find_points(svg, 0)) <= MAX_POINTS + 1
    assert not re.search(r"href|url|<script|http", svg)


@pytest.mark.parametrize("history", [{"loss": []}, {"loss": [np.nan]}])
def test_no_image_without_values(history):
    assert draw_loss(history) == ""


def test_missing_values_are_left_out():
    svg = draw_loss({"loss": [2.0, 1.0, 0.5], "val_loss": [np.nan, np.nan, 0.7]})
    root = ET.fromstring(svg)
    assert len(root.findall("polyline")) == 1
    assert len(root.findall("circle")) == 1
    assert "validation 0.7000" in svg


def test_zero_loss():
    assert find_points(draw_loss({"loss": [0.0, 0.0]}), 0)[0][1] == HEIGHT - MARGIN
