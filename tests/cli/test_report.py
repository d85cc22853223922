"""`skmlp report`: figures, the written file, comparison with a second model, and errors."""

import json
import math
import os
import re
from pathlib import Path

import numpy as np
import pytest

from skmlp import MLPDigitClassifier, load_mnist, load_model, save_model, write_report


@pytest.fixture(autouse=True)
def _working_directory(tmp_path, monkeypatch):
    """Write report.html to a temporary directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def figures(succeeds):
    """Return a function that writes a report and returns the printed figures."""

    def run(*argv):
        return parse_json(succeeds("report", *argv, "--json"))

    return run


@pytest.fixture
def calls(monkeypatch):
    """Replace write_report by a function that only computes the accuracies; return a list of its keyword arguments."""
    recorded = []

    def compute_accuracies(mlp, X, y, path, *, compare_with, **options):
        recorded.append(options)
        second = compare_with and {"accuracy": compare_with.score(X, y)}
        return {"summary": {"accuracy": mlp.score(X, y), "comparison": second}}

    monkeypatch.setattr("skmlp.write_report", compute_accuracies)
    return recorded


@pytest.fixture
def fit(stripes, tmp_path):
    """Return a function that fits a model to the stripes in Python, and returns the path of its file."""

    def fit_and_save(name, scale=1, n_classes=4, **parameters):
        X, y = load_mnist(stripes, return_X_y=True)
        model = MLPDigitClassifier((8,), solver="lbfgs", random_state=0, **parameters)
        model.fit(X[y < n_classes] * scale, y[y < n_classes])
        save_model(model, tmp_path / name)
        return tmp_path / name

    return fit_and_save


def parse_json(text):
    """Return a JSON object. NaN and infinity are not valid JSON."""

    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


def assert_equal_summaries(summary, results):
    """Compare the summary of a report with the results of `skmlp evaluate`."""
    assert summary["accuracy"] == results["accuracy"]
    assert summary["n_samples"] == results["images"]
    n_correct = sum(row[i] for i, row in enumerate(results["confusion_matrix"]))
    assert summary["n_errors"] == results["images"] - n_correct


def test_figures_equal_those_of_evaluate(figures, json_lines, stripes, stripes_model):
    written = figures(stripes_model, "--data", stripes)
    results = json_lines("evaluate", stripes_model, "--data", stripes)[0]
    assert_equal_summaries(written["summary"], results)
    assert written["calibration"]["log_loss"] == pytest.approx(results["log_loss"], rel=1e-5)
    assert [row["recall"] for row in written["classes"]] == results["recall"]
    training = json_lines("evaluate", stripes_model, "--data", stripes, "--subset", "train")[0]
    assert written["summary"]["training_accuracy"] == training["accuracy"]
    assert written["summary"]["n_training_samples"] == training["images"] == 120


def test_figures_equal_those_of_write_report(figures, stripes, stripes_model, tmp_path):
    written = figures(stripes_model, "--data", stripes)
    X, y = load_mnist(stripes, subset="test", return_X_y=True)
    X_train, y_train = load_mnist(stripes, return_X_y=True)
    expected = write_report(
        load_model(stripes_model), X, y, tmp_path / "other.html", X_train=X_train, y_train=y_train
    )
    assert list(written) == ["model", "compare_with", "data", *expected]
    assert written["model"] == str(stripes_model)
    assert written["compare_with"] is None
    assert written["data"] == str(stripes)
    for name in ("summary", "classes", "confusion", "calibration", "label_errors", "findings"):
        assert written[name] == json.loads(json.dumps(expected[name]))


def test_bundled_digits_are_split_with_the_seed_of_the_model(
    run_skmlp, figures, json_lines, tmp_path, calls
):
    run_skmlp("train", "--seed", "5", "--epochs", "3", "--no-report", "--out", tmp_path)
    model = tmp_path / "model.safetensors"
    for options in ((), ("--seed", "6")):
        results = json_lines("evaluate", model, *options)[0]
        assert figures(model, *options)["summary"]["accuracy"] == results["accuracy"]
        training = json_lines("evaluate", model, *options, "--subset", "train")[0]
        X_train, y_train = calls[-1]["X_train"], calls[-1]["y_train"]
        assert load_model(model).score(X_train, y_train) == training["accuracy"]
        assert calls[-1]["image_shape"] == (8, 8)


def test_summary_and_findings_are_printed(succeeds, figures, stripes, stripes_model):
    lines = succeeds("report", stripes_model, "--data", stripes).splitlines()
    written = figures(stripes_model, "--data", stripes)
    summary = written["summary"]
    low, high = (f"{100 * limit:.2f} %" for limit in summary["interval"])
    selected = [each for each in written["findings"] if each["status"] == "attention"]
    assert selected
    assert lines == [
        f"{stripes_model} on the test set of {stripes}, 40 images",
        "",
        f"accuracy  {100 * summary['accuracy']:.2f} %, 95 % interval {low} to {high}",
        f"errors    {summary['n_errors']} of 40",
        "",
        f"{len(selected)} of {len(written['findings'])} checks need attention",
        *(f"- {each['title']}: {each['text']}" for each in selected),
        f"Written to report.html ({os.path.getsize('report.html') / 1e6:.2f} MB)",
    ]


def test_file_is_self_contained(succeeds, stripes, stripes_model, tmp_path):
    succeeds("report", stripes_model, "--data", stripes, "--out", tmp_path / "a.html")
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "<script" not in page
    assert all(url.startswith(("data:", "#")) for url in re.findall(r'(?:src|href)="([^"]*)', page))
    assert [path.name for path in tmp_path.iterdir()] == ["a.html"]


@pytest.mark.parametrize("option", ["model", "second model"])
def test_model_files_are_not_overwritten(fails, fit, stripes, option):
    first, second = fit("first"), fit("second")
    out = first if option == "model" else second
    content = Path(out).read_bytes()
    options = ("--data", stripes, "--compare-with", second, "--out", out)
    assert "--out must differ from the input files" in fails(2, "report", first, *options)
    assert Path(out).read_bytes() == content


def test_existing_file_is_replaced(succeeds, stripes, stripes_model, tmp_path):
    (tmp_path / "report.html").write_text("earlier")
    succeeds("report", stripes_model, "--data", stripes)
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_pictures_have_the_shape_of_the_images(figures, tmp_path, idx_bytes, monkeypatch):
    labels = (np.arange(80) % 2).astype(np.uint8)
    images = np.random.default_rng(0).integers(0, 250, size=(80, 4, 9)).astype(np.uint8)
    for prefix in ("train", "t10k"):
        (tmp_path / f"{prefix}-images-idx3-ubyte").write_bytes(idx_bytes(images))
        (tmp_path / f"{prefix}-labels-idx1-ubyte").write_bytes(idx_bytes(labels))
    model = MLPDigitClassifier((4,), solver="lbfgs", input_scale=1 / 255, random_state=0)
    save_model(model.fit(images.reshape(80, 36), labels), tmp_path / "model")
    shapes = []

    def record(*args, image_shape, **options):
        shapes.append(image_shape)
        return write_report(*args, image_shape=image_shape, **options)

    monkeypatch.setattr("skmlp.write_report", record)
    # A square number of pixels would otherwise be taken for a square image.
    figures(tmp_path / "model", "--data", tmp_path)
    assert shapes == [(4, 9)]


@pytest.mark.usefixtures("calls")
class TestScale:
    def test_missing_scale_is_a_warning(self, run_skmlp, fit, stripes, stripes_model):
        model = fit("scaled", 1 / 255)
        status, _, err = run_skmlp("report", model, "--data", stripes, "--json")
        assert status == 0
        assert err.startswith("skmlp report: warning: the model stores no input_scale")
        assert err.count("\n") == 1
        options = ("--compare-with", model, "--data", stripes, "--json")
        _, _, err = run_skmlp("report", stripes_model, *options)
        assert err.startswith("skmlp report: warning: a model stores no input_scale")

    def test_scale_is_applied(self, figures, json_lines, fit, stripes, float_stripes):
        model = fit("scaled", 1 / 255)
        # Float pixels from 0 to 1 need no scale.
        for options in (("--data", stripes, "--scale", "1/255"), ("--data", float_stripes)):
            accuracy = figures(model, *options)["summary"]["accuracy"]
            assert accuracy == json_lines("evaluate", model, *options)[0]["accuracy"] > 0.9

    @pytest.mark.parametrize("order", [1, -1], ids=["second", "first"])
    def test_scale_applies_to_the_model_that_stores_none(
        self, figures, json_lines, fit, stripes, stripes_model, order
    ):
        scaled = fit("scaled", 1 / 255)
        options = ("--data", stripes)
        accuracies = [
            json_lines("evaluate", stripes_model, *options)[0]["accuracy"],
            json_lines("evaluate", scaled, *options, "--scale", "1/255")[0]["accuracy"],
        ]
        models = (stripes_model, "--compare-with", scaled)[::order]
        summary = figures(*models, *options, "--scale", "1/255")["summary"]
        both = [summary["accuracy"], summary["comparison"]["accuracy"]]
        assert both == accuracies[::order]

    def test_scale_without_an_effect_is_an_error(self, fails, fit, stripes, stripes_model):
        options = ("--data", stripes, "--scale", "1/255")
        err = fails(2, "report", stripes_model, *options)
        assert (
            "--scale has no effect: the model scales the pixels by 0.00392157. Leave it out." in err
        )
        other = fit("half", input_scale=0.5)
        err = fails(2, "report", stripes_model, "--compare-with", other, *options)
        assert "the models scale the pixels by 0.00392157 and 0.5. Leave it out." in err


class TestSecondModel:
    def test_comparison_has_the_figures_of_both_models(
        self, figures, json_lines, succeeds, fit, stripes, stripes_model
    ):
        other = fit("other", input_scale=1 / 255, alpha=100)
        options = (stripes_model, "--compare-with", other, "--data", stripes)
        written = figures(*options)
        results = [json_lines("evaluate", path, "--data", stripes)[0] for path in options[:3:2]]
        assert written["compare_with"] == str(other)
        summary, comparison = written["summary"], written["summary"]["comparison"]
        assert_equal_summaries(summary, results[0])
        assert comparison["accuracy"] == results[1]["accuracy"] < results[0]["accuracy"]
        n_first, n_second = comparison["n_only_this_correct"], comparison["n_only_second_correct"]
        smaller, n_different = min(n_first, n_second), n_first + n_second
        tail = sum(math.comb(n_different, k) for k in range(smaller + 1)) / 2**n_different
        assert comparison["p_value"] == pytest.approx(min(1, 2 * tail))

        out = succeeds("report", *options)
        lines = out.split(f"Compared with {other}:\n")[1].splitlines()
        low, high = (f"{100 * limit:.2f} %" for limit in comparison["interval"])
        assert lines[0] == (
            f"accuracy  {100 * comparison['accuracy']:.2f} %, 95 % interval {low} to {high}"
        )
        assert lines[1] == f"errors    {round(40 * (1 - comparison['accuracy']))} of 40"
        p_value = comparison["p_value"]
        shown = f"p = {p_value:.2g}" if p_value >= 0.0001 else "p < 0.0001"
        assert lines[2] == f"McNemar's test of the difference: {shown}"

    @pytest.mark.usefixtures("calls")
    def test_another_seed_is_a_warning(self, run_skmlp, digits_model, tmp_path):
        options = ("--seed", "1", "--epochs", "1", "--hidden", "8", "--no-report")
        run_skmlp("train", *options, "--out", tmp_path)
        other = tmp_path / "model.safetensors"
        status, _, err = run_skmlp("report", digits_model, "--compare-with", other, "--json")
        assert status == 0
        assert err == (
            "skmlp report: warning: the test set of the split with seed 0 may contain training images of "
            f"{other}, whose seed is 1. Train both models with the same --seed.\n"
        )

    def test_images_of_another_size_are_an_error(self, fails, stripes_model, digits_model):
        err = fails(4, "report", digits_model, "--compare-with", stripes_model)
        assert (
            f"{stripes_model}: the model must be for images of 64 pixels, as {digits_model} is, got "
            "25 pixels. Compare models of the same dataset." in err
        )

    def test_missing_classes_are_an_error(self, fails, fit, stripes, stripes_model):
        other = fit("three", n_classes=3, input_scale=1 / 255)
        err = fails(4, "report", stripes_model, "--compare-with", other, "--data", stripes)
        assert (
            f"{other}: the model must have the classes of {stripes_model} (0, 1, 2, 3), got 0, 1, 2."
            in err
        )

    def test_multilabel_model_is_an_error(self, fails, stripes_model, multilabel_model):
        err = fails(4, "report", stripes_model, "--compare-with", multilabel_model)
        assert f"{multilabel_model}: the model must predict one class per image" in err


class TestInvalidData:
    def test_images_of_another_size_are_an_error(self, fails, stripes_model):
        err = fails(3, "report", stripes_model)
        assert "bundled digits: the images must have 25 pixels for this model, got 64." in err

    def test_pixels_of_another_dtype_are_an_error(self, fails, stripes_model, float_stripes):
        err = fails(3, "report", stripes_model, "--data", float_stripes)
        assert "the pixels must be uint8 for this model, got float32." in err

    @pytest.mark.parametrize(("prefix", "subset"), [("train", "train"), ("t10k", "test")])
    def test_unknown_labels_are_an_error(
        self, fails, stripes_model, tmp_path, write_striped_dataset, prefix, subset
    ):
        write_striped_dataset(tmp_path)
        labels = tmp_path / f"{prefix}-labels-idx1-ubyte"
        labels.write_bytes(labels.read_bytes()[:-1] + b"\x07")
        err = fails(3, "report", stripes_model, "--data", tmp_path)
        assert f"the {subset} set of {tmp_path}: the labels must be among the classes" in err

    def test_missing_directory_is_an_error(self, fails, stripes_model, tmp_path):
        err = fails(3, "report", stripes_model, "--data", tmp_path / "nowhere")
        assert "nowhere: expected a directory, got a path that does not exist." in err

    def test_seed_with_data_is_an_error(self, fails, stripes, stripes_model):
        err = fails(2, "report", stripes_model, "--data", stripes, "--seed", "1")
        assert "--seed has no effect with --data" in err


class TestInvalidModel:
    def test_missing_file_is_an_error(self, fails, tmp_path):
        err = fails(4, "report", tmp_path / "model.safetensors")
        assert "model.safetensors: no such file or directory. Check the path." in err

    def test_multilabel_model_is_an_error(self, fails, multilabel_model):
        err = fails(4, "report", multilabel_model)
        assert "the model must predict one class per image, got a multilabel model." in err


class TestInvalidOutput:
    """Errors of --out, which are reported before the data are read."""

    @pytest.fixture(autouse=True)
    def _no_data(self, monkeypatch):
        monkeypatch.delattr("skmlp.cli.report.load_subset_for_models")

    def test_missing_directory_is_an_error(self, fails, stripes_model, tmp_path):
        out = tmp_path / "nowhere" / "report.html"
        err = fails(1, "report", stripes_model, "--out", out)
        assert err == f"skmlp report: error: {out}: no such file or directory. Check the path.\n"

    def test_directory_is_an_error(self, fails, stripes_model, tmp_path):
        err = fails(1, "report", stripes_model, "--out", tmp_path)
        assert f"{tmp_path}: --out must be a file, got a directory. Choose another path." in err

    def test_device_is_an_error(self, fails, stripes_model):
        err = fails(1, "report", stripes_model, "--out", os.devnull)
        assert f"{os.devnull}: --out must be a file, got a device." in err

    def test_path_inside_a_file_is_an_error(self, fails, stripes_model, tmp_path):
        (tmp_path / "file").touch()
        err = fails(1, "report", stripes_model, "--out", tmp_path / "file" / "report.html")
        assert "not a directory. Check the path" in err

    def test_unwritable_directory_is_an_error(self, fails, monkeypatch, stripes_model, tmp_path):
        def refuse(source, target):
            raise PermissionError(13, "Permission denied", str(target))

        monkeypatch.setattr("os.replace", refuse)
        err = fails(1, "report", stripes_model)
        assert "report.html: permission denied. Check the permissions" in err
        assert list(tmp_path.iterdir()) == []


def test_full_disk_keeps_the_earlier_file(fails, monkeypatch, stripes, stripes_model, tmp_path):
    def fill_up(mlp, X, y, path, **options):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("skmlp.write_report", fill_up)
    (tmp_path / "report.html").write_text("earlier")
    err = fails(1, "report", stripes_model, "--data", stripes)
    assert "report.html: no space left on device. Free some space or choose another disk." in err
    assert (tmp_path / "report.html").read_text() == "earlier"
