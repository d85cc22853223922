"""Pipelines and committees in `skmlp predict`, `evaluate`, `info`, `export`, `report` and `draw`."""

import math
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmlp import (
    Deslant,
    IDXReader,
    ImageResizer,
    MLPDigitClassifier,
    load_mnist,
    load_model,
    make_committee,
    save_model,
)
from skmlp.export import to_c, to_html
from skmlp.files.models import compute_model_digest
from skmlp.formatting import format_size


def make_network(seed=0, **parameters):
    defaults = {"input_scale": 1 / 255, "max_iter": 20, "n_iter_no_change": None}
    return MLPDigitClassifier(
        (8,), learning_rate_init=0.01, batch_size=8, random_state=seed, **defaults | parameters
    )


def make_models(X, y):
    """Return pipelines and committees for 8-bit images of 5 x 5 pixels, by the kind."""
    network = make_network(2).fit(X, y)
    deslant = make_pipeline(Deslant(), make_network(0)).fit(X, y)
    reader = make_pipeline(IDXReader(), ImageResizer((4, 5)), make_network(1, input_scale=None))
    reader.fit(X.reshape(-1, 5, 5), y)
    members = [
        ("deslant", make_pipeline(Deslant(0.5), make_network(3))),
        ("other", make_network(4)),
    ]
    labels = np.array(list("abcd"))[y]
    return {
        "deslant": deslant,
        "reader": reader,
        "reader that is not fitted": make_pipeline(IDXReader(scale=False), "passthrough", network),
        "committee": make_committee([deslant, reader, network], weights=[2, 1, 1.5]),
        "fitted committee": VotingClassifier(members, voting="soft").fit(X, y),
        "committee of letters": VotingClassifier(members, voting="soft").fit(X, labels),
    }


KINDS = ["deslant", "reader", "reader that is not fitted", "committee", "fitted committee"]
every_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def paths(stripes, tmp_path_factory):
    """Return the paths of the models by kind."""
    directory = tmp_path_factory.mktemp("models")
    X, y = load_mnist(stripes, return_X_y=True)
    paths = {}
    for kind, model in make_models(X, y).items():
        paths[kind] = directory / f"{kind.replace(' ', '-')}.safetensors"
        save_model(model, paths[kind])
    return paths


@pytest.fixture
def test_set(stripes):
    return load_mnist(stripes, subset="test", return_X_y=True)


@pytest.fixture(autouse=True)
def _working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class TestPredict:
    @every_kind
    def test_idx_file(self, json_lines, paths, stripes, test_set, kind):
        records = json_lines("predict", paths[kind], stripes / "t10k-images-idx3-ubyte.gz")
        expected = load_model(paths[kind]).predict_proba(test_set[0])
        for record, row in zip(records, expected.tolist(), strict=True):
            assert list(record["probabilities"].values()) == row
            assert record["digit"] == row.index(max(row))

    def test_labels_are_those_of_the_committee(self, json_lines, paths, stripes):
        path = paths["committee of letters"]
        records = json_lines("predict", path, stripes / "t10k-images-idx3-ubyte.gz")
        assert {record["digit"] for record in records} <= set("abcd")
        assert set(records[0]["probabilities"]) == set("abcd")

    @pytest.mark.parametrize("kind", ["deslant", "reader", "committee"])
    def test_images_of_another_size_are_resized(
        self, json_lines, paths, striped_images, idx_bytes, kind
    ):
        large = np.kron(striped_images([0, 1, 2, 3]), np.ones((1, 3, 3), np.uint8))
        with open("large", "wb") as file:
            file.write(idx_bytes(large))
        records = json_lines("predict", paths[kind], "large")
        small = striped_images([0, 1, 2, 3]).reshape(4, 25)
        expected = load_model(paths[kind]).predict_proba(small).tolist()
        assert [list(record["probabilities"].values()) for record in records] == expected

    def test_all_with_members_that_store_different_shapes(self, fails, stripes):
        X, y = load_mnist(stripes, return_X_y=True)
        networks = [make_network(image_shape=shape).fit(X, y) for shape in [(5, 5), (1, 25)]]
        save_model(make_committee(networks), "model")
        Image.new("L", (100, 80), 200).save("page.png")
        err = fails(3, "predict", "model", "page.png", "--all")
        assert (
            "page.png: --all requires a model that stores the shape of its images, got a comm"
            in err
        )
        assert "store the image shapes (1, 25), (5, 5). Combine models that were trained on" in err

    @every_kind
    def test_pictures_and_their_inversion(self, json_lines, paths, striped_images, kind):
        pixels = striped_images([2])[0]
        Image.fromarray(pixels).save("light.png")
        Image.fromarray(255 - pixels).save("dark.png")
        light = json_lines("predict", paths[kind], "light.png")[0]
        dark = json_lines("predict", paths[kind], "dark.png", "--invert")[0]
        assert light["probabilities"] == dark["probabilities"]
        assert light["digit"] == 2

    @every_kind
    def test_images_of_an_unknown_shape_must_have_the_size(self, fails, paths, idx_bytes, kind):
        with open("rows", "wb") as file:
            file.write(idx_bytes(np.zeros((3, 30), np.uint8)))
        assert "must be 5 x 5 pixels for this model, got 30" in fails(
            3, "predict", paths[kind], "rows"
        )

    @pytest.mark.parametrize("kind", ["deslant", "reader", "committee"])
    def test_float_pixels_are_refused(self, fails, paths, float_stripes, kind):
        images = float_stripes / "t10k-images-idx3-ubyte.gz"
        assert "must be uint8 for this model" in fails(3, "predict", paths[kind], images)


class TestScale:
    """Models that were trained in Python on pixels from 0 to 1."""

    @pytest.fixture
    def make_unscaled(self, stripes):
        """Return a function that saves a model without `input_scale` and returns it."""
        X, y = load_mnist(stripes, return_X_y=True)
        scaled = X.astype(np.float32) * np.float32(1 / 255)

        def make(kind):
            network = make_network(0, input_scale=None).fit(scaled, y)
            deslant = make_pipeline(Deslant(), make_network(1, input_scale=None)).fit(scaled, y)
            scaler = make_pipeline(StandardScaler(), make_network(2, input_scale=None))
            model = {
                "deslant": deslant,
                "scaler": scaler.fit(scaled, y),
                "committee": make_committee([network, deslant]),
            }[kind]
            save_model(model, "unscaled")
            return model

        return make

    @pytest.mark.parametrize("kind", ["deslant", "scaler", "committee"])
    def test_pixels_are_multiplied(self, json_lines, make_unscaled, stripes, test_set, kind):
        if kind == "scaler":
            pytest.importorskip("skops")
        model = make_unscaled(kind)
        images = stripes / "t10k-images-idx3-ubyte.gz"
        records = json_lines("predict", "unscaled", images, "--scale", "1/255")
        scaled = test_set[0].astype(np.float32) * np.float32(1 / 255)
        found = [list(record["probabilities"].values()) for record in records]
        np.testing.assert_allclose(found, model.predict_proba(scaled), rtol=1e-5)

    @pytest.mark.parametrize("kind", ["deslant", "committee"])
    def test_warning_without_it(self, run_skmlp, make_unscaled, stripes, kind):
        make_unscaled(kind)
        images = stripes / "t10k-images-idx3-ubyte.gz"
        status, _, err = run_skmlp("predict", "unscaled", images)
        assert status == 0
        assert "the model stores no input_scale" in err

    def test_members_that_store_their_scale_keep_it(self, json_lines, stripes, test_set):
        X, y = load_mnist(stripes, return_X_y=True)
        stored = make_network(0, input_scale=1 / 128).fit(X, y)
        unscaled = make_network(1, input_scale=None).fit(X / np.float32(255), y)
        save_model(make_committee([stored, unscaled]), "mixed")
        images = stripes / "t10k-images-idx3-ubyte.gz"
        records = json_lines("predict", "mixed", images, "--scale", "1/255")
        X_test = test_set[0]
        expected = [stored.predict_proba(X_test), unscaled.predict_proba(X_test / np.float32(255))]
        found = [list(record["probabilities"].values()) for record in records]
        np.testing.assert_allclose(found, np.mean(expected, axis=0), rtol=1e-5)

    def test_no_warning_for_members_that_scale_the_pixels(self, run_skmlp, stripes):
        pytest.importorskip("skops")
        X, y = load_mnist(stripes, return_X_y=True)
        scaler = make_pipeline(StandardScaler(), make_network(0, input_scale=None)).fit(X, y)
        save_model(make_committee([scaler, make_network(1).fit(X, y)]), "scaled")
        images = stripes / "t10k-images-idx3-ubyte.gz"
        status, _, err = run_skmlp("predict", "scaled", images)
        assert (status, err) == (0, "")

    @every_kind
    def test_scale_that_has_no_effect(self, fails, paths, stripes, kind):
        images = stripes / "t10k-images-idx3-ubyte.gz"
        err = fails(2, "predict", paths[kind], images, "--scale", "1/255")
        assert "--scale has no effect: the model scales the pixels by 0.00392157" in err


class TestEvaluate:
    @every_kind
    def test_metrics(self, json_lines, paths, stripes, test_set, kind):
        (results,) = json_lines("evaluate", paths[kind], "--data", stripes)
        X, y = test_set
        model = load_model(paths[kind])
        assert results["accuracy"] == accuracy_score(y, model.predict(X))
        probabilities = model.predict_proba(X).astype(float)
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        assert results["log_loss"] == pytest.approx(log_loss(y, probabilities), rel=1e-4)
        assert results["classes"] == [0, 1, 2, 3]

    def test_log_loss_of_probabilities_that_are_0(self, json_lines, stripes):
        """The logarithm of an average is computed from those of its terms."""
        X, y = load_mnist(stripes, return_X_y=True)
        wrong = make_network(0).fit(X, (y + 1) % 4)
        wrong.coefs_[-1] *= 1000
        save_model(make_committee([wrong, wrong], weights=[1, 3]), "wrong")
        save_model(wrong, "single")
        (results,) = json_lines("evaluate", "wrong", "--data", stripes)
        (expected,) = json_lines("evaluate", "single", "--data", stripes)
        (report,) = json_lines("report", "wrong", "--data", stripes)
        losses = [member["log_loss"] for member in report["members"]["members"]]
        losses += [report["calibration"]["log_loss"], results["log_loss"]]
        assert losses == pytest.approx([expected["log_loss"]] * 4, rel=1e-6)
        assert 50 < results["log_loss"] < np.inf

    def test_other_classes(self, fails, paths, stripes):
        err = fails(3, "evaluate", paths["committee of letters"], "--data", stripes)
        assert (
            "labels must be among the classes of the model ('a', 'b', 'c', 'd'), got 0, 1, 2, 3."
            in err
        )

    def test_labels_that_are_strings_of_digits(self, fails, stripes):
        X, y = load_mnist(stripes, return_X_y=True)
        save_model(make_network().fit(X, y.astype(str)), "strings")
        err = fails(3, "evaluate", "strings", "--data", stripes)
        assert "of the model ('0', '1', '2', '3'), got 0, 1, 2, 3." in err

    @pytest.mark.parametrize("kind", ["deslant", "reader", "committee"])
    def test_images_of_another_size_are_resized(
        self, json_lines, paths, write_striped_dataset, tmp_path, kind
    ):
        data = write_striped_dataset(tmp_path, side=10)
        (results,) = json_lines("evaluate", paths[kind], "--data", data)
        assert results["images"] == 40

    def test_seeds_of_the_members(self, run_skmlp, tmp_path):
        digits = load_digits()
        pixels = np.rint(digits.data * (255 / 16)).astype(np.uint8)
        networks = [make_network(seed, max_iter=1).fit(pixels, digits.target) for seed in (5, 6)]
        save_model(make_committee(networks), "different")
        status, _, err = run_skmlp("evaluate", "different")
        assert status == 0
        assert (
            "the test set of the split with seed 0 may contain training images of members with the seeds 5, 6"
            in err
        )
        err = run_skmlp("evaluate", "different", "--seed", "6")[2]
        assert "split with seed 6 may contain training images of members with the seed 5." in err
        save_model(make_committee([networks[0], networks[0]]), "same")
        assert run_skmlp("evaluate", "same")[2] == ""


class TestInfo:
    def test_committee(self, succeeds, paths):
        path = paths["committee"]
        lines = succeeds("info", path).splitlines()
        assert lines[0] == f"{path}: a model, {path.stat().st_size:,} bytes, intact"
        assert lines[2] == "committee 3 models, with the weights 2, 1, 1.5"
        assert lines[3] == "classes   0, 1, 2, 3"
        assert lines[4] == f"digest    {compute_model_digest(load_model(path))}"
        numbers = [line for line in lines if line.startswith("Model")]
        assert numbers == ["Model 1 of 3", "Model 2 of 3", "Model 3 of 3"]
        pipelines = [line for line in lines if line.startswith("pipeline")]
        assert pipelines == [
            "pipeline  Deslant, MLPDigitClassifier",
            "pipeline  IDXReader, ImageResizer, MLPDigitClassifier",
        ]
        assert sum(line.startswith("settings") for line in lines) == 3
        assert sum(line.startswith("trained   20 epochs") for line in lines) == 3
        assert sum(line.startswith("versions") for line in lines) == 1

    def test_labels_of_the_committee(self, succeeds, paths):
        out = succeeds("info", paths["committee of letters"])
        assert [line for line in out.splitlines() if line.startswith("classes")] == [
            "classes   a, b, c, d"
        ]
        assert "committee 2 models\n" in out

    def test_pipeline(self, succeeds, paths):
        lines = succeeds("info", paths["reader that is not fitted"]).splitlines()
        assert lines[2] == "pipeline  IDXReader, passthrough, MLPDigitClassifier"
        assert "classes   0, 1, 2, 3" in lines
        assert lines[-1].startswith("versions")


class TestExport:
    @every_kind
    @pytest.mark.parametrize("check", [False, True])
    def test_onnx(self, succeeds, paths, stripes, test_set, kind, check):
        onnxruntime = pytest.importorskip("onnxruntime")
        options = ("--check", stripes) if check else ()
        out = succeeds("export", paths[kind], "--onnx", "stripes.onnx", *options)
        model = load_model(paths[kind])
        session = onnxruntime.InferenceSession("stripes.onnx")
        (given,) = session.get_inputs()
        X = test_set[0].astype(np.uint8 if given.type == "tensor(uint8)" else np.float32)
        X = X.reshape(-1, *given.shape[1:])
        label, probabilities = session.run(None, {"X": X})
        np.testing.assert_allclose(probabilities, model.predict_proba(X), atol=1e-5)
        np.testing.assert_array_equal(label, model.predict(X))
        difference = float(re.search(r"probabilities differ by at most ([\de-]+)", out)[1])
        assert difference < 1e-5
        if check:
            accuracy = f"{100 * model.score(X, test_set[1]):.2f} %"
            assert f"0 labels differ, probabilities differ by at most {difference:.0e}" in out
            assert out.endswith(f"accuracy {accuracy} (model: {accuracy})\n")

    @pytest.mark.parametrize(
        ("option", "kind", "expected"),
        [
            ("--sklearn", "deslant", "a classifier"),
            ("--sklearn", "committee", "a classifier"),
            (
                "--c",
                "reader",
                "a classifier or a pipeline of Deslant or ImageResizer and a classifier",
            ),
            (
                "--c",
                "committee",
                "a classifier or a pipeline of Deslant or ImageResizer and a classifier",
            ),
            (
                "--html",
                "reader",
                "a classifier or a pipeline of Deslant and a classifier, or a committee of these,",
            ),
        ],
    )
    def test_other_formats(self, fails, paths, tmp_path, option, kind, expected):
        found = {
            "deslant": "a pipeline of Deslant, MLPDigitClassifier",
            "reader": "a pipeline of IDXReader, ImageResizer, MLPDigitClassifier",
            "committee": "a committee of 3 models",
        }[kind]
        err = fails(4, "export", paths[kind], "--onnx", "digits.onnx", option, "digits")
        assert f"{paths[kind]}: the model must be {expected} for {option}, got {found}. " in err
        assert "Use --onnx, which also exports pipelines and committees." in err
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("check", [False, True])
    def test_c(self, succeeds, paths, stripes, test_set, tmp_path, check):
        options = ("--check", stripes) if check else ()
        out = succeeds("export", paths["deslant"], "--c", "stripes.c", *options)
        model = load_model(paths["deslant"])
        memory = to_c(model, tmp_path / "expected.c")
        assert (tmp_path / "stripes.c").read_bytes() == (tmp_path / "expected.c").read_bytes()
        assert (
            f"{format_size(memory.constants)} of flash, {format_size(memory.stack)} of RAM" in out
        )
        assert "weights in int8 compared with the model on " in out
        difference = float(re.search(r"probabilities differ by at most ([\de-]+)", out)[1])
        assert 0 < difference < 0.1
        if check:
            accuracy = f"{100 * model.score(*test_set):.2f} %"
            assert out.endswith(f"accuracy {accuracy} (model: {accuracy})\n")

    @pytest.mark.parametrize("option", ["--html", "--onnx", "--c", "--sklearn"])
    @pytest.mark.parametrize("kind", ["pipeline", "committee"])
    def test_steps_that_no_format_can_express(self, fails, stripes, tmp_path, kind, option):
        pytest.importorskip("skops")
        X, y = load_mnist(stripes, return_X_y=True)
        pipeline = make_pipeline(PCA(4), make_network(input_scale=None)).fit(X, y)
        network = make_network().fit(X, y)
        path = tmp_path / "model"
        save_model(pipeline if kind == "pipeline" else make_committee([network, pipeline]), path)
        err = fails(4, "export", path, option, "exported")
        found = "a pipeline of PCA, MLPDigitClassifier"
        if kind == "committee":
            takes_committees = option in ("--html", "--onnx")
            member = f"a committee whose member 'member_1' is {found}"
            found = member if takes_committees else "a committee of 2 models"
        assert f"{path}: the model must be a classifier" in err
        assert (
            f" for {option}, got {found}. No other format can express it. Export a model with other steps, or convert "
            "this one in Python by skl2onnx.to_onnx." in err
        )
        assert list(tmp_path.iterdir()) == [path]

    def test_c_of_pixels_that_are_not_integers(self, fails, stripes, tmp_path):
        X, y = load_mnist(stripes, return_X_y=True)
        path = tmp_path / "unscaled"
        save_model(make_pipeline(Deslant(), make_network(input_scale=None)).fit(X, y), path)
        err = fails(4, "export", path, "--onnx", "stripes.onnx", "--c", "stripes.c")
        assert f"{path}: the input_scale of the classifier must be the reciprocal of an " in err
        assert ", got None. Use --onnx, or train the pipeline on 8-bit pixels." in err
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize("command", [("export", "--html", "draw.html"), ("draw",)])
    def test_page(self, succeeds, paths, stripes, tmp_path, command):
        out = succeeds(command[0], paths["deslant"], *command[1:], "--weights", "float32")
        assert "Written to draw.html" in out
        expected = tmp_path / "expected.html"
        to_html(load_model(paths["deslant"]), expected, weights="float32")
        assert (tmp_path / "draw.html").read_bytes() == expected.read_bytes()

    @pytest.mark.parametrize("weights", ["float32", "int8"])
    def test_check_of_a_page(self, succeeds, paths, stripes, test_set, weights):
        options = ("--html", "draw.html", "--weights", weights, "--check", stripes)
        out = succeeds("export", paths["deslant"], *options)
        accuracy = f"{100 * load_model(paths['deslant']).score(*test_set):.2f} %"
        assert f"weights in {weights} compared with the model on 40 images" in out
        assert f"(model: {accuracy})" in out
        difference = float(re.search(r"probabilities differ by at most ([\de-]+)", out)[1])
        assert difference < (1e-5 if weights == "float32" else 0.1)

    def test_default_weights_of_a_page(self, succeeds, paths):
        assert "weights in int8" in succeeds("export", paths["deslant"], "--html", "draw.html")

    def test_page_of_other_pipelines(self, fails, paths, tmp_path):
        err = fails(4, "draw", paths["reader"])
        assert (
            f"{paths['reader']}: the model must be a classifier or a pipeline of Deslant and a classifier, or a "
            "committee of these, for a page, got a pipeline of IDXReader, ImageResizer, MLPDigitClassifier. Use "
            "'skmlp export --onnx', which also exports pipelines and committees." in err
        )
        assert list(tmp_path.iterdir()) == []

    def test_scale(self, fails, paths, stripes, tmp_path):
        X, y = load_mnist(stripes, return_X_y=True)
        pipeline = make_pipeline(Deslant(), make_network(input_scale=None)).fit(X / 255, y)
        save_model(pipeline, "unscaled")
        err = fails(2, "export", "unscaled", "--onnx", "m.onnx", "--scale", "1/255")
        assert "--scale requires a classifier, got a pipeline of Deslant" in err
        assert "--scale requires a classifier" in fails(2, "draw", "unscaled", "--scale", "1/255")
        err = fails(2, "export", paths["deslant"], "--onnx", "m.onnx", "--scale", "1/255")
        assert "--scale has no effect" in err


class TestReport:
    """The report describes the classifier of a pipeline on the transformed images."""

    @pytest.fixture
    def call(self, monkeypatch):
        """Replace write_report by a function that records its arguments."""
        recorded = {}

        def record(mlp, X, y, path, **options):
            recorded.update(options, mlp=mlp, X=X, y=y)
            return {"summary": {"accuracy": mlp.score(X, y)}}

        monkeypatch.setattr("skmlp.write_report", record)
        return recorded

    @pytest.mark.parametrize(
        ("kind", "shape"),
        [("deslant", (5, 5)), ("reader", (4, 5)), ("reader that is not fitted", (5, 5))],
    )
    def test_images_are_transformed(self, json_lines, call, paths, stripes, test_set, kind, shape):
        (figures,) = json_lines("report", paths[kind], "--data", stripes)
        model = load_model(paths[kind])
        assert figures["summary"]["accuracy"] == model.score(*test_set)
        assert call["image_shape"] == shape
        assert call["X_train"].shape == (120, math.prod(shape))
        np.testing.assert_array_equal(
            call["mlp"].predict_proba(call["X"]), model.predict_proba(test_set[0])
        )

    def test_file(self, succeeds, paths, stripes, tmp_path):
        out = succeeds("report", paths["deslant"], "--data", stripes)
        assert f"{paths['deslant']} on the test set of {stripes}, 40 images" in out
        assert "<html" in (tmp_path / "report.html").read_text(encoding="utf-8")

    def test_second_model(self, json_lines, fails, call, paths, stripes, stripes_model):
        options = ("--data", stripes, "--compare-with")
        X, y = load_mnist(stripes, return_X_y=True)
        second = make_pipeline(Deslant(), make_network(7)).fit(X, y)
        save_model(second, "second")
        json_lines("report", paths["deslant"], *options, "second")
        np.testing.assert_array_equal(
            call["compare_with"].predict_proba(call["X_train"]), second.predict_proba(X)
        )
        err = fails(4, "report", paths["deslant"], *options, stripes_model)
        assert f"the model must have the transformers of {paths['deslant']} (Deslant()), got" in err
        err = fails(4, "report", stripes_model, *options, "second")
        assert f"the transformers of {stripes_model} (none), got Deslant()" in err

    @pytest.mark.parametrize("kind", ["committee", "fitted committee"])
    def test_committee(self, json_lines, paths, stripes, test_set, kind):
        (figures,) = json_lines("report", paths[kind], "--data", stripes)
        committee = load_model(paths[kind])
        assert figures["summary"]["accuracy"] == committee.score(*test_set)
        expected = [
            np.mean(committee.classes_[member.predict(test_set[0])] == test_set[1])
            for member in committee.estimators_
        ]
        members = figures["members"]["members"]
        assert [member["accuracy"] for member in members] == expected

    def test_committee_and_second_model(
        self, json_lines, fails, call, paths, stripes, stripes_model, test_set
    ):
        options = ("--data", stripes, "--compare-with")
        for second in (stripes_model, paths["reader"], paths["fitted committee"]):
            json_lines("report", paths["committee"], *options, second)
            expected = load_model(second).predict_proba(test_set[0])
            found = call["compare_with"].predict_proba(call["X"])
            np.testing.assert_array_equal(found, expected)
        json_lines("report", stripes_model, *options, paths["committee"])
        expected = load_model(paths["committee"]).predict_proba(test_set[0])
        found = call["compare_with"].predict_proba(call["X"])
        np.testing.assert_array_equal(found, expected)
        err = fails(4, "report", paths["deslant"], *options, paths["committee"])
        assert "(Deslant()), got a committee of 3 models. Exchange the models." in err

    def test_scale_of_a_committee(self, run_skmlp, fails, call, paths, stripes):
        options = ("--data", stripes, "--scale", "1/255")
        err = fails(2, "report", paths["committee"], *options)
        assert "--scale has no effect: the model scales the pixels by 0.00392157" in err
        X, y = load_mnist(stripes, return_X_y=True)
        save_model(make_committee([make_network(input_scale=None).fit(X / 255, y)]), "unscaled")
        err = fails(2, "report", "unscaled", *options)
        assert "--scale requires a classifier or a pipeline, got a committee of 1 model." in err
        err = run_skmlp("report", "unscaled", "--data", stripes, "--json")[2]
        assert "pixels from 0 to 1, set its input_scale in Python and save it again." in err

    def test_seeds_of_the_members(self, run_skmlp, call):
        digits = load_digits()
        pixels = np.rint(digits.data * (255 / 16)).astype(np.uint8)
        networks = [make_network(seed, max_iter=1).fit(pixels, digits.target) for seed in (5, 6)]
        save_model(make_committee(networks), "different")
        err = run_skmlp("report", "different", "--json")[2]
        assert "may contain training images of members with the seeds 5, 6." in err

    def test_other_transformers(self, fails, stripes):
        pytest.importorskip("skops")
        X, y = load_mnist(stripes, return_X_y=True)
        save_model(make_pipeline(StandardScaler(), make_network()).fit(X, y), "scaler")
        err = fails(4, "report", "scaler")
        assert (
            "transformers of skmlp that ends with one, or a committee, got a pipeline of St" in err
        )


class TestPageOfACommittee:
    @pytest.mark.parametrize("command", [("export", "--html", "draw.html"), ("draw",)])
    @pytest.mark.parametrize("kind", ["fitted committee", "committee of letters"])
    def test_page(self, succeeds, paths, tmp_path, command, kind):
        out = succeeds(command[0], paths[kind], *command[1:])
        assert "Written to draw.html" in out
        to_html(load_model(paths[kind]), tmp_path / "expected.html")
        assert (tmp_path / "draw.html").read_bytes() == (tmp_path / "expected.html").read_bytes()

    @pytest.mark.parametrize("weights", ["float32", "int8"])
    def test_check(self, succeeds, paths, stripes, test_set, weights):
        path = paths["fitted committee"]
        options = ("--html", "draw.html", "--weights", weights, "--check", stripes)
        out = succeeds("export", path, *options)
        accuracy = f"{100 * load_model(path).score(*test_set):.2f} %"
        assert f"weights in {weights} compared with the model on 40 images" in out
        assert f"accuracy {accuracy} (model: {accuracy})" in out
        difference = float(re.search(r"probabilities differ by at most ([\de-]+)", out)[1])
        assert difference < (1e-5 if weights == "float32" else 0.1)
        if weights == "int8":
            assert difference > 1e-5

    def test_check_of_weighted_members(self, succeeds, stripes, test_set):
        X, y = load_mnist(stripes, return_X_y=True)
        members = [("good", make_network(0)), ("bad", make_network(1, max_iter=1))]
        committee = VotingClassifier(members, voting="soft", weights=[1, 20]).fit(X, y)
        save_model(committee, "weighted")
        options = ("--html", "draw.html", "--weights", "float32", "--check", stripes)
        out = succeeds("export", "weighted", *options)
        difference = float(re.search(r"probabilities differ by at most ([\de-]+)", out)[1])
        assert difference < 1e-5

    def test_other_transformers(self, fails, paths, tmp_path):
        err = fails(4, "draw", paths["committee"])
        found = "a committee whose member 'member_1' is a pipeline of IDXReader, ImageResizer, MLP"
        assert f"{paths['committee']}: the model must be a classifier or a pip" in err
        assert f"for a page, got {found}" in err
        assert found in fails(4, "export", paths["committee"], "--html", "draw.html")
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.parametrize("command", [("export", "--html", "draw.html"), ("draw",)])
    @pytest.mark.parametrize("is_member", [False, True])
    def test_two_steps_of_deslant(self, fails, stripes, tmp_path, command, is_member):
        X, y = load_mnist(stripes, return_X_y=True)
        model = make_pipeline(Deslant(), Deslant(), make_network()).fit(X, y)
        save_model(make_committee([model]) if is_member else model, "model")
        err = fails(4, command[0], "model", *command[1:])
        member = "a committee whose member 'member_0' is " if is_member else ""
        assert f", got {member}a pipeline of Deslant, Deslant, MLPDigitClassifier. Use " in err
        assert "model: the model must be a classifier or a pipeline of Deslant and a cl" in err
        assert "--onnx" in err
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    @pytest.mark.parametrize("command", [("export", "--html", "draw.html"), ("draw",)])
    def test_deslant_steps_of_different_shapes(self, fails, stripes, command):
        X, y = load_mnist(stripes, return_X_y=True)
        models = [
            make_pipeline(Deslant(image_shape=shape), make_network()) for shape in [(5, 5), (25, 1)]
        ]
        save_model(make_committee([model.fit(X, y) for model in models]), "model")
        err = fails(4, command[0], "model", *command[1:])
        assert "whose Deslant steps take images of the shapes (5, 5), (25, 1). Use " in err

    @pytest.mark.parametrize("command", [("export", "--html", "draw.html"), ("draw",)])
    def test_members_that_store_different_shapes(self, fails, stripes, tmp_path, command):
        X, y = load_mnist(stripes, return_X_y=True)
        networks = [make_network(image_shape=shape).fit(X, y) for shape in [(5, 5), (1, 25)]]
        save_model(make_committee(networks), "model")
        err = fails(4, command[0], "model", *command[1:])
        assert "model: the models of the committee must store one image shape for" in err
        assert "got (1, 25), (5, 5). Combine models that were trained on images of one shape" in err
        onnx = "use --onnx," if command[0] == "export" else "use 'skmlp export --onnx',"
        assert onnx in err
        assert [path.name for path in tmp_path.iterdir()] == ["model"]

    @pytest.mark.parametrize("command", [("export", "--html", "draw.html"), ("draw",)])
    def test_range_does_not_depend_on_members_without_weight(
        self, run_skmlp, stripes, tmp_path, command
    ):
        X, y = load_mnist(stripes, return_X_y=True)
        networks = [make_network(input_scale=scale).fit(X, y) for scale in (1 / 1000, None)]
        save_model(make_committee(networks, weights=[0, 1]), "model")
        status, _, err = run_skmlp(command[0], "model", *command[1:])
        assert status == 0
        assert (
            "the model stores no input_scale, so the pixels are used unscaled, from 0 to 2" in err
        )
        assert '"smallest":0.0,"largest":255.0' in (tmp_path / "draw.html").read_text("utf-8")

    def test_errors_of_draw_name_the_model(self, fails):
        model = MLPDigitClassifier((2,), input_scale=1, max_iter=1, n_iter_no_change=None)
        save_model(model.fit(np.eye(201), np.arange(201) % 2), "model")
        assert "model: model must have at most 200 features" in fails(4, "draw", "model")

    def test_scale(self, run_skmlp, fails, stripes):
        X, y = load_mnist(stripes, return_X_y=True)
        networks = [make_network(seed, input_scale=None).fit(X / 255, y) for seed in (0, 1)]
        save_model(make_committee(networks), "unscaled")
        err = run_skmlp("draw", "unscaled")[2]
        assert "from 0 to 1, set the input_scale of its networks in Python and save it again" in err
        err = fails(2, "draw", "unscaled", "--scale", "1/255")
        assert "--scale requires a classifier, got a committee of 2 models" in err

    @pytest.mark.parametrize("scales", [(None, 1 / 100), (1 / 50, 1 / 100), (1 / 100, None, 1)])
    def test_largest_pixel_is_determined_by_the_scales(self, succeeds, stripes, tmp_path, scales):
        X, y = load_mnist(stripes, return_X_y=True)
        save_model(make_committee([make_network(input_scale=s).fit(X, y) for s in scales]), "m")
        succeeds("draw", "m")
        to_html(load_model("m"), tmp_path / "expected.html")
        html = (tmp_path / "draw.html").read_text(encoding="utf-8")
        assert html == (tmp_path / "expected.html").read_text(encoding="utf-8")
        assert '"smallest":0.0,"largest":100.0' in html

    def test_scale_that_the_members_store(self, fails, json_lines, stripes):
        X, y = load_mnist(stripes, return_X_y=True)
        for name, scales in {"all": (1 / 100, 1 / 255), "some": (None, 1 / 255)}.items():
            networks = [make_network(input_scale=scale).fit(X, y) for scale in scales]
            save_model(make_committee(networks), name)
        options = ("--data", stripes, "--scale", "1/50")
        err = fails(2, "evaluate", "all", *options)
        assert "--scale has no effect: the model scales the pixels by 0.00392157." in err
        (record,) = json_lines("evaluate", "some", *options)
        networks[0].input_scale = 1 / 50
        X_test, y_test = load_mnist(stripes, subset="test", return_X_y=True)
        expected = make_committee(networks).predict_proba(X_test)[np.arange(len(y_test)), y_test]
        assert record["log_loss"] == pytest.approx(-np.log(expected).mean(), rel=1e-5)


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_multilabel_pipeline(fails, command):
    model = MLPDigitClassifier((4,), solver="lbfgs", random_state=0)
    X, Y = np.eye(16), np.eye(16, 3, dtype=int)
    save_model(make_pipeline(Deslant(), model).fit(X, Y), "multilabel")
    err = fails(4, command, "multilabel", *(["x.png"] if command == "predict" else []))
    assert "must predict one class per image, got a multilabel model" in err


def test_missing_skops(fails, monkeypatch, stripes):
    pytest.importorskip("skops")
    X, y = load_mnist(stripes, return_X_y=True)
    save_model(make_pipeline(StandardScaler(), make_network()).fit(X, y), "scaler")
    monkeypatch.setattr("skmlp.files.pipelines.find_spec", lambda name: None)
    assert "pip install skops" in fails(4, "evaluate", "scaler", "--data", stripes)
