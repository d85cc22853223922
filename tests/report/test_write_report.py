"""write_report: arguments, the file, and pages of unusual data."""

import copy
import json
import os
import re
import subprocess
import sys
import warnings
from functools import partial
from html.parser import HTMLParser

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from helpers import load_small_digits
from scipy.sparse import csr_matrix
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import (
    MLPDigitClassifier,
    TrainingInterruptedWarning,
    load_model,
    save_model,
    write_report,
)

SECTIONS = {
    *("summary", "reproducibility", "training", "classes", "confusion", "calibration", "mistakes"),
    *("members", "label_errors", "network", "robustness", "cost", "findings"),
}
VOID = {"meta", "link", "img", "br"}
TIME = re.compile(r"<time\b[^>]*>[^<]*</time>")


class Page(HTMLParser):
    """A parsed page.

    Attributes
    ----------
    tags : set of str
    attributes : list of (str, str)
        All attributes of all elements.
    headings : dict of str to str
        Level-2 heading of each section by the id of the section.
    cells : list of str
        Texts of the headings of rows and columns.
    open_tags : list of str
        Tags of the elements that have not been closed.
    """

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.headings, self.cells = set(), [], {}, []
        self.open_tags, self.section = [], None
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open_tags.append(tag)
        if tag == "section":
            self.section = dict(attrs)["id"]
        if tag == "th":
            self.cells.append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        if self.open_tags[-1:] == ["h2"]:
            self.headings[self.section] = data
        if self.open_tags[-1:] == ["th"]:
            self.cells[-1] += data

    def get_images(self):
        """Return the alternative texts of the images."""
        return [value for name, value in self.attributes if name == "alt"]


def check_report(report):
    """Return the parsed page after checks that each report passes."""
    figures, page = report.figures, Page(report.html)
    json.dumps(figures, allow_nan=False)
    assert figures.keys() == SECTIONS
    shown = {name for name, values in figures.items() if values is not None}
    assert page.headings.keys() == shown
    assert all(title.strip() for title in page.headings.values())
    assert not page.open_tags
    assert page.tags.isdisjoint({"script", "iframe", "object", "form"})
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(set(ids)) == len(ids)
    assert f"{100 * figures['summary']['accuracy']:.2f}\u00a0%" in report.html
    text = re.sub(r'src="[^"]*"|<svg.*?</svg>', "", report.html, flags=re.DOTALL)
    assert not re.search(r"\bnan\b", text)
    return page


@pytest.fixture(scope="module")
def fitted():
    """Return a fitted classifier, and samples that it does not know."""
    X, y = load_small_digits()
    mlp = MLPDigitClassifier((16,), learning_rate_init=0.01, max_iter=8, random_state=0)
    return mlp.set_params(n_iter_no_change=None).fit(X[:200], y[:200]), X[200:], y[200:]


# Arguments

X, Y = load_small_digits(20)
MULTILABEL = np.column_stack([Y > 4, Y % 2])


def fit_small(X, y, **params):
    return MLPDigitClassifier((4,), max_iter=1, n_iter_no_change=None, **params).fit(X, y)


INVALID_ARGUMENTS = {
    "unfitted": ({"mlp": MLPDigitClassifier()}, NotFittedError, "not fitted"),
    "other classifier": (
        {"mlp": LogisticRegression().fit(X, Y)},
        TypeError,
        r"must be a fitted MLPDigitClassifier or a committee of these, got sklearn.*\.LogisticRegression\.",
    ),
    "pipeline": (
        {"mlp": make_pipeline(StandardScaler(), fit_small(X, Y))},
        TypeError,
        r"got a Pipeline that .*\. Pass mlp\[-1\] and the transformed samples\.",
    ),
    "multilabel": ({"mlp": fit_small(X, MULTILABEL)}, ValueError, "got a multilabel classifier"),
    "X_train only": ({"X_train": X}, ValueError, "got X_train only. Pass y_train too"),
    "y_train only": ({"y_train": Y}, ValueError, "got y_train only. Pass X_train too"),
    "unknown label": ({"y": Y + 1}, ValueError, "y must contain labels of the classes only, got"),
    "unknown training label": (
        {"X_train": X, "y_train": Y + 1},
        ValueError,
        "y_train must contain labels of the classes only, got",
    ),
    "label of another type": ({"y": Y.astype(str)}, ValueError, "labels of the classes only, got"),
    "missing label": ({"y": np.where(Y == 3, np.nan, Y)}, ValueError, "got .*nan"),
    "features": ({"X": X[:, 1:]}, ValueError, "63 features, but .* expecting 64 features"),
    "training features": (
        {"X_train": X[:, 1:], "y_train": Y},
        ValueError,
        "63 features, but .* expecting 64 features",
    ),
    "no samples": ({"X": X[:0], "y": Y[:0]}, ValueError, "0 sample"),
    "fewer labels": ({"y": Y[1:]}, ValueError, "one label for each of the 20 samples of X, got"),
    "column": ({"y": Y[:, np.newaxis]}, ValueError, r"y must have the shape .* got \(20, 1\)"),
    "indicators": ({"y": MULTILABEL}, ValueError, r"y must have the shape .* got \(20, 2\)"),
    "training column": (
        {"X_train": X, "y_train": Y[:, np.newaxis]},
        ValueError,
        r"y_train must have the shape",
    ),
    "NaN": ({"X": np.where(X == 1, np.nan, X)}, ValueError, "contains NaN"),
    "infinite": ({"X": np.where(X == 1, np.inf, X)}, ValueError, "infinity"),
    "shape of other images": ({"image_shape": (8, 9)}, ValueError, "must have 64 pixels"),
    "shape of a cube": ({"image_shape": (4, 4, 4)}, ValueError, "two positive integers"),
    "negative shape": ({"image_shape": (-8, -8)}, ValueError, "two positive integers"),
    "shape as a number": ({"image_shape": 8}, ValueError, "two positive integers"),
    "shape as a boolean": ({"image_shape": True}, ValueError, "two positive integers"),
    "unfitted second model": (
        {"compare_with": LogisticRegression()},
        NotFittedError,
        "not fitted",
    ),
    "second model for other features": (
        {"compare_with": LogisticRegression().fit(X[:, 1:], Y)},
        ValueError,
        "64 features, but LogisticRegression is expecting 63",
    ),
    "multilabel second model": (
        {"compare_with": fit_small(X, MULTILABEL)},
        ValueError,
        "compare_with",
    ),
    "second model is no classifier": (
        {"compare_with": LinearRegression().fit(X, Y)},
        (TypeError, ValueError),
        "compare_with",
    ),
    "second model is no estimator": ({"compare_with": "mlp"}, TypeError, "estimator"),
}


@pytest.mark.parametrize("name", INVALID_ARGUMENTS)
def test_invalid_arguments_leave_the_file_unchanged(name, fitted, tmp_path):
    arguments, error, message = INVALID_ARGUMENTS[name]
    path = tmp_path / "report.html"
    path.write_text("existing")
    with pytest.raises(error, match=message):
        write_report(**{"mlp": fitted[0], "X": X, "y": Y, "path": path} | arguments)
    assert path.read_text() == "existing"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("without_drawing")
def test_saved_model_has_the_same_report(fitted, tmp_path):
    save_model(fitted[0], tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    pages = []
    for mlp in (fitted[0], loaded):
        write_report(mlp, *fitted[1:], tmp_path / "report.html")
        pages.append(TIME.sub("", (tmp_path / "report.html").read_text(encoding="utf-8")))
    assert pages[0] == pages[1]


def test_settings_of_matplotlib_have_no_effect(fitted, tmp_path):
    pages = []
    for settings in ({}, {"font.size": 30, "axes.facecolor": "red", "text.usetex": True}):
        with mpl.rc_context(settings):
            write_report(*fitted, tmp_path / "report.html")
        pages.append(TIME.sub("", (tmp_path / "report.html").read_text(encoding="utf-8")))
    assert pages[0] == pages[1]


@pytest.mark.usefixtures("without_drawing")
def test_interrupt_leaves_the_file_unchanged(fitted, tmp_path, monkeypatch):
    """Ctrl-C during the training of the networks for label errors ends the report, not only their training."""

    def interrupt(self, X, y):
        warnings.warn("Training was interrupted.", TrainingInterruptedWarning, stacklevel=2)
        return self

    path = tmp_path / "report.html"
    path.write_text("existing")
    monkeypatch.setattr(MLPDigitClassifier, "fit", interrupt)
    X_train, y_train = load_small_digits(100)
    with pytest.raises(KeyboardInterrupt):
        write_report(*fitted, path, X_train=X_train, y_train=y_train)
    assert path.read_text() == "existing"


@pytest.mark.usefixtures("without_drawing")
def test_missing_directory(fitted, tmp_path):
    path = tmp_path / "missing" / "report.html"
    with pytest.raises(FileNotFoundError, match=re.escape(str(path))):
        write_report(*fitted, path)


@pytest.mark.usefixtures("without_drawing")
def test_existing_file_is_replaced(fitted, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("existing")
    write_report(*fitted, str(path))
    assert path.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize(
    ("image_shape", "estimator_shape", "n_features", "expected"),
    [
        (None, None, 64, (8, 8)),
        (None, None, 25, (5, 5)),
        (None, None, 16, None),
        (None, None, 60, None),
        (None, (10, 6), 60, (10, 6)),
        ((6, 10), (10, 6), 60, (6, 10)),
        ([4, 16], None, 64, (4, 16)),
        ((4, 4), None, 16, (4, 4)),
        ((1, 64), None, 64, (1, 64)),
        (False, (8, 8), 64, None),
    ],
)
def test_image_shape(report_on, image_shape, estimator_shape, n_features, expected):
    """The shape of the images decides whether there are pictures, and how images are shifted."""
    X, y = load_small_digits(90)
    X = X[:, :n_features]
    mlp = fit_small(X, y, image_shape=estimator_shape, random_state=0)
    report = report_on(mlp, X, y, image_shape=image_shape)
    images = check_report(report).get_images()
    robustness = report.figures["robustness"]
    if expected is None:
        assert robustness is None
        assert images == []
        return
    assert images
    assert all(images)
    if min(expected) < 5:
        assert robustness is None  # distortions would destroy such small images
        return
    (levels,) = (each["levels"] for each in robustness["conditions"] if each["name"] == "shift")
    shifted = np.zeros((len(X), *expected), X.dtype)
    shifted[:] = np.median(get_edges(X.reshape(shifted.shape)))
    original = X.reshape(shifted.shape)
    shifted[0::4, 1:] = original[0::4, :-1]
    shifted[1::4, :-1] = original[1::4, 1:]
    shifted[2::4, :, 1:] = original[2::4, :, :-1]
    shifted[3::4, :, :-1] = original[3::4, :, 1:]
    assert levels == [{"level": 1, "accuracy": mlp.score(shifted.reshape(X.shape), y)}]


def get_edges(images):
    """Return the outermost pixels of images."""
    return np.hstack([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]])


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize(
    "convert", [np.array, csr_matrix, pd.DataFrame], ids=lambda each: each.__name__
)
def test_arguments_are_unchanged(convert, report_on):
    X, y = load_small_digits()
    X = convert(X)
    if convert is pd.DataFrame:
        X.columns = [f"pixel {i}" for i in X.columns]
    X_train, y_train, X, y = X[:200], y[:200], X[200:], y[200:]
    mlp = fit_small(X_train, y_train, random_state=0)
    arguments = {"mlp": mlp, "X": X, "y": y, "X_train": X_train, "y_train": y_train}
    before = copy.deepcopy(arguments)
    report_on(**arguments, compare_with=mlp)
    for name in ("X", "X_train"):
        dense, expected = (
            each.toarray() if convert is csr_matrix else np.asarray(each)
            for each in (arguments[name], before[name])
        )
        np.testing.assert_array_equal(dense, expected)
    for name in ("y", "y_train"):
        np.testing.assert_array_equal(arguments[name], before[name])
    assert vars(mlp).keys() == vars(before["mlp"]).keys()
    assert mlp.get_params() == before["mlp"].get_params()
    assert mlp.history_ == before["mlp"].history_
    for array, expected in zip(
        mlp.coefs_ + mlp.intercepts_, before["mlp"].coefs_ + before["mlp"].intercepts_, strict=True
    ):
        np.testing.assert_array_equal(array, expected)


# The same bytes

WRITE = """
import sys
import warnings
import matplotlib
import numpy as np
from skmlp import load_model, write_report
arrays = np.load("samples.npz")
mlp = load_model("model.safetensors")
write_report(mlp, arrays["X"], arrays["y"], sys.argv[1], X_train=arrays["X"][:60], y_train=arrays["y"][:60],
    compare_with=mlp, command="skmlp train")
"""


def test_pages_are_equal_in_every_process(fitted, tmp_path):
    """Pages with equal arguments differ only in the elements with the times."""
    mlp, X, y = fitted
    np.savez(tmp_path / "samples.npz", X=X, y=y)
    save_model(mlp, tmp_path / "model.safetensors")
    names = ("first.html", "second.html")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, name],
            cwd=tmp_path,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for name, seed in zip(names, "12", strict=True)
    ]
    assert [process.wait() for process in processes] == [0, 0]
    pages = [(tmp_path / name).read_text(encoding="utf-8") for name in names]
    assert len(TIME.findall(pages[0])) >= 3
    first, second = (TIME.sub("<time>", page) for page in pages)
    assert first == second


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("convert", [list, pd.Series], ids=lambda each: each.__name__)
def test_labels_can_be_lists_and_series(convert, fitted, report_on):
    mlp, X, y = fitted
    report = report_on(mlp, X, convert(y), image_shape=False)
    assert report.figures["summary"]["accuracy"] == mlp.score(X, y)


# Unusual data

HOSTILE = sorted(
    (
        "<script>alert(1)</script>",
        "</style><img src=x onerror=alert(1)>",
        "\" onmouseover='alert(1)' x=\"",
        "a & b &lt; `c` 'd'",
        "{{ 7 * 7 }} {% raw %}",
        "ünïcode → 数字",
    )
)


def test_labels_are_escaped(make_softmax, draw_samples, report_on):
    X, y = draw_samples([(20, 12)] * len(HOSTILE), 0.9)
    labels = np.array(HOSTILE)
    mlp = make_softmax(HOSTILE)
    y = labels[y]
    report = report_on(
        *(mlp, X, y),
        X_train=X[::2],
        y_train=y[::2],
        image_shape=(2, 3),
        compare_with=LogisticRegression().fit(X, np.roll(y, 1)),
        command="skmlp train '<script>alert(2)</script>'",
    )
    page = check_report(report)
    assert set(HOSTILE) <= set(page.cells)
    names = {name for name, _ in page.attributes}
    assert not any(name.startswith("on") for name in names)
    assert "x" not in [value for name, value in page.attributes if name == "src"]
    for label in HOSTILE:
        assert any(label in text for text in page.get_images())
    assert "<script" not in report.html


def test_hundred_classes(make_softmax, draw_samples, report_on):
    labels = np.array([f"class {i:02}" for i in range(100)])
    X, y = draw_samples([(4, 3)] * len(labels), 0.6)
    report = report_on(make_softmax(labels), X, labels[y])
    check_report(report)
    assert [row["label"] for row in report.figures["classes"]] == labels.tolist()
    assert len(report.html) < 3_000_000


@pytest.mark.parametrize("n_classes", [1, 3])
@pytest.mark.parametrize("with_training", [False, True])
def test_single_class_in_the_samples(n_classes, with_training, report_on):
    """All samples have the only class, or the first of several classes."""
    X = load_small_digits(60)[0]
    mlp = fit_small(X, np.arange(60) % n_classes, random_state=0)
    y = np.zeros(60, int)
    training = {"X_train": X, "y_train": y} if with_training else {}
    report = report_on(mlp, X, y, **training)
    check_report(report)
    assert report.figures["summary"]["accuracy"] == mlp.score(X, y)
    if n_classes == 1:
        assert report.figures["calibration"]["temperature"] is None
        assert "-0.0000" not in report.html
    assert [row["support"] for row in report.figures["classes"]] == [60, 0, 0][:n_classes]


@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_few_samples(n_samples, fitted, report_on):
    mlp, X, y = fitted
    report = report_on(mlp, X[:n_samples], y[:n_samples], X_train=X[5:9], y_train=y[5:9])
    check_report(report)
    assert report.figures["summary"]["n_samples"] == n_samples


@pytest.mark.usefixtures("without_drawing")
def test_single_training_sample(fitted, report_on):
    mlp, X, y = fitted
    report = report_on(mlp, X, y, X_train=X[:1], y_train=y[:1])
    check_report(report)
    assert report.figures["label_errors"] is None
    assert all(each["nearest"]["index"] == 0 for each in report.figures["mistakes"])


def test_all_predictions_are_correct(fitted, report_on):
    mlp, X, _ = fitted
    report = report_on(mlp, X, mlp.predict(X))
    check_report(report)
    assert report.figures["summary"]["accuracy"] == 1
    assert report.figures["mistakes"] == report.figures["confusion"]["pairs"] == []
    assert all(row["most_frequent_confusion"] is None for row in report.figures["classes"])
    assert "All predictions are correct." in report.html


def test_all_predictions_are_wrong(fitted, report_on):
    mlp, X, _ = fitted
    report = report_on(mlp, X, (mlp.predict(X) + 1) % 10, X_train=X, y_train=mlp.predict(X))
    check_report(report)
    assert report.figures["summary"]["accuracy"] == 0
    assert report.figures["summary"]["training_accuracy"] == 1
    assert len(report.figures["mistakes"]) == 24


@pytest.mark.usefixtures("without_drawing")
def test_classes_without_samples(make_softmax, draw_samples, report_on):
    X, y = draw_samples([(9, 6), (0, 0)] * 2, 0.9)
    report = report_on(make_softmax("abcd"), X, np.array(list("abcd"))[y])
    check_report(report)
    rows = {row["label"]: row for row in report.figures["classes"]}
    assert [rows[label]["support"] for label in "abcd"] == [9, 0, 9, 0]
    assert rows["b"]["recall"] == rows["b"]["precision"] == 0
    assert rows["b"]["recall_interval"] == [0, 1]
    assert [pair["label"] for pair in report.figures["confusion"]["pairs"]] == ["a", "c"]


@pytest.mark.usefixtures("without_drawing")
def test_equal_comparison(fitted, report_on):
    mlp, X, y = fitted
    report = report_on(mlp, X, y, compare_with=mlp)
    check_report(report)
    assert report.figures["summary"]["comparison"]["p_value"] == 1


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize("image_shape", [None, False])
def test_page_of_a_comparison(fitted, report_on, image_shape):
    mlp, X, y = fitted
    other = fit_small(X, y)
    report = report_on(mlp, X, y, compare_with=other, image_shape=image_shape)
    check_report(report)
    assert "McNemar" in report.html
    assert f"{100 * other.score(X, y):.2f}\u00a0%" in report.html


def test_constant_images(fitted, report_on):
    mlp, X = fitted[0], np.ones((4, 64))
    report = report_on(mlp, X, mlp.predict(X))
    check_report(report)
    assert report.figures["robustness"]["accuracy"] == 1


def test_interrupted_training(fitted, report_on):
    """A classifier without complete epochs has no training curves."""
    mlp, X, y = copy.deepcopy(fitted)
    mlp.history_ = {name: [] for name in mlp.history_}
    report = report_on(mlp, X, y)
    check_report(report)
    assert report.figures["training"] is None


def augment(images, rng, strength=1):
    return images


class Augmentation:
    def __call__(self, images, rng):
        return images

    def apply(self, images, rng):
        return images


@pytest.mark.usefixtures("without_drawing")
@pytest.mark.parametrize(
    "augmentation",
    [
        augment,
        lambda images, rng: images,
        partial(augment, strength=2),
        Augmentation(),
        Augmentation().apply,
    ],
    ids=["function", "lambda", "partial", "object", "method"],
)
def test_custom_functions_are_described_without_their_address(augmentation, fitted, report_on):
    mlp, X, y = copy.deepcopy(fitted)
    report = report_on(mlp.set_params(augmentation=augmentation), X, y)
    check_report(report)
    assert report.figures["cost"]["n_file_bytes"] is None
    assert "0x" not in report.figures["reproducibility"]["parameters"]["augmentation"]


@pytest.mark.usefixtures("without_drawing")
def test_size_of_a_page_with_large_pictures(report_on):
    """Noise is the worst case of the compression of pictures, which are reduced to the same size."""
    rng = np.random.default_rng(0)
    X, y = rng.random((460, 60 * 60), dtype=np.float32), rng.integers(0, 10, 460)
    mlp = MLPDigitClassifier((), max_iter=1, n_iter_no_change=None).fit(X[:50], np.arange(50) % 10)
    weights = rng.normal(size=mlp.coefs_[0].shape)
    mlp.coefs_[0][:], mlp.intercepts_[0][:] = weights, -weights.sum(axis=0) / 2
    report = report_on(mlp, X, y)
    page = check_report(report)
    assert report.figures["summary"]["n_errors"] > 400
    assert len(page.get_images()) > 400
    assert len(report.html) < 3_000_000


@pytest.mark.usefixtures("without_drawing")
def test_sizes_have_three_digits(report_on):
    """A size just below 1 MB is not rounded to 1000 kB with an exponent."""
    X, y = load_small_digits(30)
    mlp = MLPDigitClassifier((1666,), max_iter=1, n_iter_no_change=None).fit(X, y)
    report = report_on(mlp, X, y, image_shape=False)
    assert report.figures["cost"]["n_parameter_bytes"] == 999_680
    (size,) = re.findall(r"124,960 \((.*?)\)", report.html)
    assert size.replace("\u00a0", " ") in {"1 MB", "1.00 MB", "1000 kB"}
