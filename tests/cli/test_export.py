"""`skmlp export` and `skmlp draw`: the written page, the options and errors."""

import json
import re

import numpy as np
import pytest
from helpers import decode_test_samples

from skmlp import MLPDigitClassifier, load_mnist, load_model, save_model
from skmlp.formatting import format_size


@pytest.fixture(autouse=True)
def _working_directory(tmp_path, monkeypatch):
    """Write draw.html to a temporary directory."""
    monkeypatch.chdir(tmp_path)


def read_description(path):
    """Return the data of a page."""
    html = path.read_text(encoding="utf-8")
    text = re.search(r'<script type="application/json" id="description">(.*)</script>', html)[1]
    return json.loads(text)


@pytest.fixture
def unscaled_model(stripes, tmp_path):
    """Return the path of a model that was trained on pixels from 0 to 255 without `input_scale`."""
    X, y = load_mnist(stripes, return_X_y=True)
    save_model(
        MLPDigitClassifier((4,), solver="lbfgs", random_state=0).fit(X, y), tmp_path / "unscaled"
    )
    return tmp_path / "unscaled"


class TestExport:
    def test_page_contains_the_model(self, succeeds, stripes_model, tmp_path):
        out = succeeds("export", stripes_model, "--html", "page.html")
        size = format_size((tmp_path / "page.html").stat().st_size)
        first, second = out.splitlines()
        assert first == f"Written to page.html ({size}). Open it in a browser"
        compared = "  weights in int8 compared with the model on 64 random samples: "
        assert re.fullmatch(compared + r"probabilities differ by at most \de-\d\d", second)
        page = read_description(tmp_path / "page.html")
        [member] = page["members"]
        model = load_model(stripes_model)
        assert page["classes"] == model.classes_.tolist()
        assert member["network"]["weights"] == "int8"
        sizes = [layer["fanOut"] for layer in member["network"]["layers"]]
        assert sizes == [16, len(model.classes_)]

    def test_weights(self, succeeds, stripes_model, tmp_path):
        succeeds("export", stripes_model, "--html", "page.html", "--weights", "float32")
        [member] = read_description(tmp_path / "page.html")["members"]
        assert member["network"]["weights"] == "float32"

    def test_scale_of_the_pixels(self, run_skmlp, unscaled_model, tmp_path):
        status, _, err = run_skmlp("export", unscaled_model, "--html", "page.html")
        assert status == 0
        assert "the pixels are used unscaled, from 0 to 255" in err
        assert read_description(tmp_path / "page.html")["input"]["largest"] == 255
        status, _, err = run_skmlp(
            "export", unscaled_model, "--html", "page.html", "--scale", "1/100"
        )
        assert (status, err) == (0, "")
        assert read_description(tmp_path / "page.html")["input"]["largest"] == pytest.approx(100)

    def test_samples_of_the_self_test_of_unscaled_pixels(self, run_skmlp, unscaled_model, tmp_path):
        run_skmlp("export", unscaled_model, "--html", "page.html")
        [member] = read_description(tmp_path / "page.html")["members"]
        samples = decode_test_samples(member)
        assert len(np.unique(samples, axis=0)) == 5
        assert (samples.min(), samples.max()) == (0, 255)

    def test_samples_of_the_comparison_of_unscaled_pixels(self, run_skmlp, unscaled_model):
        scaled = load_model(unscaled_model)
        scaled.input_scale = 1 / 255
        scaled.coefs_[0] *= 255
        save_model(scaled, "scaled")
        comparisons = [
            run_skmlp("export", path, "--html", "page.html")[1].splitlines()[1]
            for path in (unscaled_model, "scaled")
        ]
        assert comparisons[0] == comparisons[1]
        assert "differ by at most 0e+00" not in comparisons[0]

    @pytest.mark.parametrize("command", [("export", "--html"), ("draw", "--out")])
    def test_features_of_unknown_range(self, run_skmlp, multilabel_model, tmp_path, command):
        name, option = command
        status, _, err = run_skmlp(name, multilabel_model, option, "page.html")
        assert status == 4
        assert f"{multilabel_model}: the model must have an input_scale, or pixels of" in err
        assert "got 8 features of unknown range. Use skmlp.export.to_html(model, path, X=X)" in err
        assert "or pass --scale 1 if they range from 0 to 1." in err
        assert list(tmp_path.glob("page*")) == []
        assert run_skmlp(name, multilabel_model, option, "page.html", "--scale", "1")[0] == 0

    def test_multilabel_model(self, succeeds, multilabel_model, tmp_path):
        succeeds("export", multilabel_model, "--html", "page.html", "--scale", "1")
        assert len(read_description(tmp_path / "page.html")["input"]["features"]) == 8

    def test_format_is_required(self, run_skmlp, stripes_model):
        status, out, err = run_skmlp("export", stripes_model)
        assert (status, out) == (2, "")
        assert "expected at least one of --html, --onnx, --c, --sklearn with a file" in err

    def test_model_that_is_missing(self, run_skmlp, tmp_path):
        status, _, err = run_skmlp("export", "missing.safetensors", "--html", "page.html")
        assert status == 4
        assert "missing.safetensors" in err
        assert not (tmp_path / "page.html").exists()

    def test_model_that_cannot_be_exported(self, run_skmlp, tmp_path):
        X = np.eye(201)
        model = MLPDigitClassifier((2,), input_scale=1, max_iter=1, n_iter_no_change=None)
        save_model(model.fit(X, np.arange(201) % 2), "model.safetensors")
        status, _, err = run_skmlp("export", "model.safetensors", "--html", "page.html")
        assert status == 4
        assert "model.safetensors: model must have at most 200 features" in err
        assert "Traceback" not in err

    @pytest.mark.parametrize("out", ["missing/page.html", "."])
    def test_output_that_cannot_be_written(self, run_skmlp, stripes_model, out):
        status, _, err = run_skmlp("export", stripes_model, "--html", out)
        assert status == 1
        assert out in err

    def test_output_must_not_replace_the_model(self, run_skmlp, stripes_model):
        status, _, err = run_skmlp("export", stripes_model, "--html", stripes_model)
        assert status == 2
        assert "--html must differ from the input files" in err
        load_model(stripes_model)


class TestFormats:
    """Files for other programs, which tests/export checks."""

    def test_onnx(self, succeeds, stripes, stripes_model, tmp_path):
        onnxruntime = pytest.importorskip("onnxruntime")
        out = succeeds("export", stripes_model, "--onnx", "stripes.onnx", "--check", stripes)
        X, y = load_mnist(stripes, subset="test", return_X_y=True)
        model = load_model(stripes_model)
        session = onnxruntime.InferenceSession(tmp_path / "stripes.onnx")
        label, probabilities = session.run(None, {"X": X.astype(np.float32)})
        np.testing.assert_array_equal(label, model.predict(X))
        difference = abs(probabilities - model.predict_proba(X)).max()
        accuracy = f"{100 * model.score(X, y):.2f} %"
        assert out.splitlines()[1] == (
            f"  compared with the model on {len(X)} images of {stripes}: 0 labels differ, probabilities differ by at "
            f"most {difference:.0e}, accuracy {accuracy} (model: {accuracy})"
        )

    def test_c(self, succeeds, stripes_model, tmp_path):
        out = succeeds("export", stripes_model, "--c", "stripes.c")
        sizes = [weights.shape for weights in load_model(stripes_model).coefs_]
        flash = sum(fan_in * fan_out + 8 * fan_out for fan_in, fan_out in sizes)
        assert f"; {format_size(flash)} of flash, {format_size(4 * 16)} of RAM)" in out
        assert "int skmlp_predict(const uint8_t *pixels" in (tmp_path / "stripes.c").read_text()

    def test_sklearn(self, succeeds, stripes_model, tmp_path):
        skops_io = pytest.importorskip("skops.io")
        out = succeeds("export", stripes_model, "--sklearn", "stripes.skops")
        assert "Load it with skops.io.load" in out
        classifier = skops_io.load(tmp_path / "stripes.skops")
        assert classifier.coefs_[0].shape == load_model(stripes_model).coefs_[0].shape

    def test_several_formats(self, succeeds, stripes_model, tmp_path):
        succeeds("export", stripes_model, "--c", "stripes.c", "--html", "stripes.html")
        assert {path.name for path in tmp_path.glob("stripes.*")} == {"stripes.c", "stripes.html"}

    def test_network_that_a_format_cannot_express(self, run_skmlp, tmp_path):
        X, y = np.eye(64), np.arange(64) % 2
        model = MLPDigitClassifier((2,), "gelu", input_scale=1, max_iter=1, n_iter_no_change=None)
        save_model(model.fit(X, y), tmp_path / "model")
        status, out, err = run_skmlp("export", "model", "--sklearn", "model.skops")
        assert (status, out) == (4, "")
        assert "model: activation must be one of identity, logistic, tanh, relu" in err
        assert list(tmp_path.glob("*.skops")) == []

    @pytest.mark.parametrize("option", ["--c", "--sklearn"])
    def test_network_with_a_single_class(self, run_skmlp, tmp_path, option):
        model = MLPDigitClassifier((2,), input_scale=1, max_iter=1, n_iter_no_change=None)
        save_model(model.fit(np.eye(4), np.ones(4)), tmp_path / "model")
        status, _, err = run_skmlp("export", "model", option, "exported")
        assert status == 4
        assert re.search("error: model: (model|mlp) must have at least two classes", err)

    @pytest.mark.parametrize("option", ["--onnx", "--sklearn"])
    def test_missing_package(self, run_skmlp, stripes_model, tmp_path, monkeypatch, option):
        for module in ("export.onnx_model", "files.pipelines"):
            monkeypatch.setattr(f"skmlp.{module}.find_spec", lambda name: None)
        status, out, err = run_skmlp("export", stripes_model, option, "model.out")
        assert (status, out) == (1, "")
        assert "pip install" in err
        assert list(tmp_path.glob("model.out")) == []

    def test_dataset_of_other_images(self, run_skmlp, digits_model, stripes, tmp_path):
        status, out, err = run_skmlp("export", digits_model, "--c", "m.c", "--check", stripes)
        assert (status, out) == (3, "")
        assert "pixels for this model" in err
        assert list(tmp_path.glob("m.c")) == []

    def test_outputs_must_differ(self, run_skmlp, stripes_model, tmp_path):
        status, _, err = run_skmlp("export", stripes_model, "--c", "out", "--html", "./out")
        assert status == 2
        assert "the output files must differ from each other, got ./out, out" in err
        assert list(tmp_path.glob("out*")) == []

    def test_output_must_not_replace_the_dataset(self, run_skmlp, stripes, stripes_model):
        labels = next(stripes.glob("t10k-labels*"))
        before = labels.read_bytes()
        status, _, err = run_skmlp("export", stripes_model, "--c", labels, "--check", stripes)
        assert status == 2
        assert "--c must not be in the directory of --check" in err
        assert labels.read_bytes() == before

    def test_options_without_effect(self, run_skmlp, stripes_model):
        status, _, err = run_skmlp("export", stripes_model, "--c", "m.c", "--weights", "int8")
        assert status == 2
        assert "--weights has no effect without --html" in err


class TestDraw:
    def test_page_of_a_model(self, succeeds, stripes_model, tmp_path):
        out = succeeds("draw", stripes_model)
        assert out.startswith("Written to draw.html (")
        assert read_description(tmp_path / "draw.html")["input"]["kind"] == "drawing"

    def test_network_is_trained(self, succeeds, stripes, tmp_path):
        out = succeeds("draw", "--data", stripes, "--out", "page.html", "--seed", "3")
        assert f"Training on {stripes}" in out
        assert "epoch  1/60" in out
        assert re.search(r"^Test accuracy \d", out, re.MULTILINE)
        assert out.splitlines()[-1].startswith("Written to page.html")
        [member] = read_description(tmp_path / "page.html")["members"]
        assert [layer["fanOut"] for layer in member["network"]["layers"][:-1]] == [256]

    def test_range_of_float_pixels(self, succeeds, float_stripes, tmp_path):
        succeeds("draw", "--data", float_stripes)
        assert read_description(tmp_path / "draw.html")["input"]["largest"] <= 1

    def test_scale_of_a_model(self, run_skmlp, unscaled_model, tmp_path):
        assert run_skmlp("draw", unscaled_model, "--scale", "1/100")[0] == 0
        largest = read_description(tmp_path / "draw.html")["input"]["largest"]
        assert largest == pytest.approx(100)
        status, _, err = run_skmlp("draw", "--scale", "1/100")
        assert status == 2
        assert "--scale has no effect without MODEL" in err

    def test_local_mnist_is_preferred(self, succeeds, write_striped_dataset, tmp_path):
        (tmp_path / "mnist").mkdir()
        write_striped_dataset(tmp_path / "mnist")
        assert "Training on ./mnist:" in succeeds("draw")

    def test_bundled_digits_are_the_default(self, succeeds, tmp_path, monkeypatch):
        monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path / "data"))
        out = succeeds("draw")
        assert "Training on scikit-learn's bundled digits" in out
        accuracy = float(re.search(r"^Test accuracy ([\d.]+) %", out, re.MULTILINE)[1])
        assert accuracy > 97
        assert read_description(tmp_path / "draw.html")["input"]["shape"] == [8, 8]

    @pytest.mark.parametrize("option", ["--data", "--seed"])
    def test_options_of_the_training_with_a_model(self, run_skmlp, stripes_model, option):
        status, _, err = run_skmlp("draw", stripes_model, option, "1")
        assert status == 2
        assert f"{option} has no effect with MODEL" in err
