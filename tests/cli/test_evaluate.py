"""`skmlp evaluate`: metrics, tables and errors."""

import gzip

import numpy as np
import pytest
from sklearn.metrics import classification_report, confusion_matrix, log_loss

from skmlp import MLPDigitClassifier, load_mnist, load_model, save_model
from skmlp.cli import datasets


@pytest.fixture
def scaled_model(tmp_path, stripes):
    """Return the path of a model that was trained in Python on pixels from 0 to 1 and stores no scale."""
    X, y = load_mnist(stripes, return_X_y=True)
    model = MLPDigitClassifier((8,), solver="lbfgs", random_state=0).fit(X / 255, y)
    save_model(model, tmp_path / "scaled.safetensors")
    return tmp_path / "scaled.safetensors"


def test_metrics_equal_those_of_scikit_learn(json_lines, stripes, stripes_model):
    results = json_lines("evaluate", stripes_model, "--data", stripes)[0]
    X, y = load_mnist(stripes, subset="test", return_X_y=True)
    model = load_model(stripes_model)
    predicted = model.predict(X)
    report = classification_report(y, predicted, output_dict=True)
    assert results["model"] == str(stripes_model)
    assert results["data"] == str(stripes)
    assert results["subset"] == "test"
    assert results["images"] == 40
    assert results["classes"] == [0, 1, 2, 3]
    assert results["accuracy"] == model.score(X, y) > 0.9
    assert results["log_loss"] == pytest.approx(log_loss(y, model.predict_proba(X)), rel=1e-5)
    assert results["confusion_matrix"] == confusion_matrix(y, predicted).tolist()
    for label in range(4):
        row = report[str(label)]
        assert results["precision"][label] == pytest.approx(row["precision"])
        assert results["recall"][label] == pytest.approx(row["recall"])
        assert results["f1"][label] == pytest.approx(row["f1-score"])
        assert results["support"][label] == row["support"]


@pytest.mark.parametrize("compressed", [True, False])
def test_images_are_mapped_unless_they_are_compressed(
    json_lines, stripes, stripes_model, tmp_path, monkeypatch, compressed
):
    expected = json_lines("evaluate", stripes_model, "--data", stripes)[0]
    for path in stripes.iterdir():
        content = path.read_bytes()
        if path.suffix == ".gz" and not compressed:
            (tmp_path / path.stem).write_bytes(gzip.decompress(content))
        else:
            (tmp_path / path.name).write_bytes(content)
    kinds = set()
    predict = MLPDigitClassifier.predict_log_proba
    monkeypatch.setattr(
        MLPDigitClassifier,
        "predict_log_proba",
        lambda self, X: (kinds.add(type(X)), predict(self, X))[1],
    )
    monkeypatch.setattr(datasets, "IMAGES_PER_SLICE", 7)
    results = json_lines("evaluate", stripes_model, "--data", tmp_path)[0]
    assert kinds == {np.ndarray if compressed else np.memmap}
    assert results["log_loss"] == pytest.approx(expected["log_loss"], rel=1e-6)
    for name in ("accuracy", "confusion_matrix", "precision", "images"):
        assert results[name] == expected[name]


def test_bundled_digits_are_split_as_in_training(run_skmlp, json_lines, tmp_path):
    run_skmlp("train", "--seed", "5", "--epochs", "3", "--no-report", "--out", tmp_path)
    model = tmp_path / "model.safetensors"
    results = json_lines("evaluate", model)[0]
    assert results["images"] == 360
    assert results["accuracy"] == load_model(model).history_["val_accuracy"][-1]
    assert json_lines("evaluate", model, "--seed", "6")[0]["accuracy"] != results["accuracy"]


def test_subset_train_evaluates_the_training_set(json_lines, digits_model):
    results = json_lines("evaluate", digits_model, "--subset", "train")[0]
    assert results["images"] == 1437
    assert results["accuracy"] > 0.98


def test_tables_show_the_metrics(json_lines, succeeds, digits_model):
    out = succeeds("evaluate", digits_model)
    lines = out.splitlines()
    assert lines[0].endswith("on the test set of scikit-learn's bundled digits, 360 images")
    results = json_lines("evaluate", digits_model)[0]
    assert f"accuracy  {100 * results['accuracy']:.2f} %" in lines
    assert f"log loss  {results['log_loss']:.4f}" in lines
    start = lines.index("Confusion matrix (rows: true class, columns: predicted)")
    assert lines[start + 1].split() == ["true", *map(str, range(10))]
    rows = [[int(cell) for cell in line.split()] for line in lines[start + 2 : start + 12]]
    assert [row[0] for row in rows] == list(range(10))
    assert [row[1:] for row in rows] == results["confusion_matrix"]


def test_table_wider_than_the_terminal_is_not_truncated(succeeds, digits_model, monkeypatch):
    wide = succeeds("evaluate", digits_model)
    monkeypatch.setenv("COLUMNS", "20")
    assert succeeds("evaluate", digits_model) == wide


def test_colors_follow_the_environment_variables(succeeds, digits_model, monkeypatch):
    assert "\x1b[" not in succeeds("evaluate", digits_model)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;32m" in succeeds("evaluate", digits_model)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;32m" not in succeeds("evaluate", digits_model)


def test_class_without_images_has_zero_recall(
    json_lines, stripes_model, tmp_path, write_striped_dataset
):
    write_striped_dataset(tmp_path, n_test=3)
    results = json_lines("evaluate", stripes_model, "--data", tmp_path)[0]
    assert results["support"] == [1, 1, 1, 0]
    assert results["recall"][3] == 0
    assert len(results["confusion_matrix"]) == 4


def test_dataset_with_one_class_is_evaluated(
    run_skmlp, json_lines, tmp_path, write_striped_dataset
):
    write_striped_dataset(tmp_path, n_train=4, n_test=1)
    for name in ("train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:8] + bytes(len(content) - 8))
    run_skmlp("train", "--data", tmp_path, "--epochs", "1", "--no-report", "--out", tmp_path)
    results = json_lines("evaluate", tmp_path / "model.safetensors", "--data", tmp_path)[0]
    assert results["confusion_matrix"] == [[1]]
    assert (results["accuracy"], results["log_loss"]) == (1, pytest.approx(0, abs=1e-6))


def test_missing_scale_is_a_warning(run_skmlp, json_lines, scaled_model, stripes):
    status, _, err = run_skmlp("evaluate", scaled_model, "--data", stripes)
    assert status == 0
    assert err.startswith("skmlp evaluate: warning: the model stores no input_scale")
    assert "pass --scale 1/255" in err
    scaled = json_lines("evaluate", scaled_model, "--data", stripes, "--scale", "1/255")[0]
    assert scaled["accuracy"] > 0.9


def test_float_pixels_are_evaluated(json_lines, scaled_model, float_stripes):
    assert json_lines("evaluate", scaled_model, "--data", float_stripes)[0]["accuracy"] > 0.9


def test_seed_with_data_is_an_error(fails, stripes, stripes_model):
    err = fails(2, "evaluate", stripes_model, "--data", stripes, "--seed", "1")
    assert "--seed has no effect with --data" in err


@pytest.mark.parametrize("scale", ["0", "-1", "1/0", "bright"])
def test_invalid_scale_is_an_error(fails, stripes_model, scale):
    err = fails(2, "evaluate", stripes_model, f"--scale={scale}")
    assert "--scale: must be a positive number or a fraction such as 1/255" in err


def test_scale_with_a_model_that_has_input_scale_is_an_error(fails, stripes, stripes_model):
    err = fails(2, "evaluate", stripes_model, "--data", stripes, "--scale", "1/255")
    assert "--scale has no effect: the model scales the pixels by 0.00392157. Leave it out." in err


class TestInvalidData:
    def test_images_of_another_size_are_an_error(self, fails, stripes_model):
        err = fails(3, "evaluate", stripes_model)
        assert "bundled digits: the images must have 25 pixels for this model, got 64." in err

    def test_pixels_of_another_dtype_are_an_error(self, fails, stripes_model, float_stripes):
        err = fails(3, "evaluate", stripes_model, "--data", float_stripes)
        assert "the pixels must be uint8 for this model, got float32." in err

    def test_unknown_labels_are_an_error(
        self, fails, stripes_model, tmp_path, write_striped_dataset
    ):
        write_striped_dataset(tmp_path)
        labels = tmp_path / "t10k-labels-idx1-ubyte"
        labels.write_bytes(labels.read_bytes()[:-1] + b"\x07")
        err = fails(3, "evaluate", stripes_model, "--data", tmp_path)
        assert "labels must be among the classes of the model (0, 1, 2, 3), got 7." in err


class TestInvalidModel:
    def test_missing_file_is_an_error(self, fails, tmp_path):
        err = fails(4, "evaluate", tmp_path / "model.safetensors")
        assert "model.safetensors: no such file or directory. Check the path." in err

    def test_directory_is_an_error(self, fails, tmp_path):
        assert str(tmp_path) in fails(4, "evaluate", tmp_path)

    def test_file_that_is_not_a_model_is_an_error(self, fails, tmp_path):
        (tmp_path / "model").write_text("plain text")
        assert str(tmp_path / "model") in fails(4, "evaluate", tmp_path / "model")

    def test_flipped_bit_is_an_error(self, fails, stripes_model, tmp_path):
        content = bytearray(stripes_model.read_bytes())
        content[-1] ^= 1
        (tmp_path / "model").write_bytes(content)
        fails(4, "evaluate", tmp_path / "model")

    def test_multilabel_model_is_an_error(self, fails, multilabel_model):
        err = fails(4, "evaluate", multilabel_model)
        assert "the model must predict one class per image, got a multilabel model." in err
