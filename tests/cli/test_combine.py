"""`skmlp combine`: the written committee, the options and errors."""

import numpy as np
import pytest
from sklearn.ensemble import VotingClassifier
from sklearn.pipeline import make_pipeline

from skmlp import Deslant, MLPDigitClassifier, load_mnist, load_model, save_model
from skmlp.formatting import format_size


@pytest.fixture(autouse=True)
def _working_directory(tmp_path, monkeypatch):
    """Write committee.safetensors to a temporary directory."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def pipeline_path(stripes, tmp_path):
    """Return the path of a pipeline that was trained on the stripes."""
    X, y = load_mnist(stripes, return_X_y=True)
    mlp = MLPDigitClassifier((4,), input_scale=1 / 255, solver="lbfgs", random_state=0)
    save_model(make_pipeline(Deslant(), mlp).fit(X, y), tmp_path / "pipeline")
    return tmp_path / "pipeline"


@pytest.mark.parametrize(
    ("options", "weights"),
    [((), None), (("--weights", "2,1"), [2, 1]), (("--weights", "0,1"), [0, 1])],
)
def test_committee_averages_the_models(
    succeeds, stripes, stripes_model, pipeline_path, options, weights
):
    out = succeeds("combine", stripes_model, pipeline_path, *options)
    committee = load_model("committee.safetensors")
    assert type(committee) is VotingClassifier
    X = load_mnist(stripes, subset="test", return_X_y=True)[0]
    each = [load_model(path).predict_proba(X) for path in (stripes_model, pipeline_path)]
    expected = np.average(each, axis=0, weights=weights)
    np.testing.assert_array_equal(committee.predict_proba(X), expected)
    with open("committee.safetensors", "rb") as file:
        size = format_size(len(file.read()))
    assert out == f"Written to committee.safetensors ({size}), a committee of 2 models\n"


def test_output_file(succeeds, stripes_model, tmp_path):
    succeeds("combine", stripes_model, stripes_model, stripes_model, "--out", "three")
    assert len(load_model("three").estimators_) == 3
    assert list(tmp_path.iterdir()) == [tmp_path / "three"]


def test_model_must_not_be_replaced(fails, stripes_model, pipeline_path):
    err = fails(2, "combine", stripes_model, pipeline_path, "--out", pipeline_path)
    assert "--out must differ from the input files" in err
    load_model(pipeline_path)


@pytest.mark.parametrize("out", ["missing/committee", "."])
def test_output_that_cannot_be_written(fails, stripes_model, out):
    assert out in fails(1, "combine", stripes_model, stripes_model, "--out", out)


def test_two_models_are_required(fails, stripes_model):
    assert "expected at least two models" in fails(2, "combine", stripes_model)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ("1", "must be 2 numbers, one per model, which are not all 0, got 1 number"),
        ("1,2,3", "must be 2 numbers, one per model, which are not all 0, got 3 numbers"),
        ("0,0", "must be 2 numbers, one per model, which are not all 0"),
        ("1,-1", "must be a number of at least 0"),
        ("1,inf", "must be a number of at least 0"),
        ("one,two", "must be a number of at least 0"),
    ],
)
def test_invalid_weights(fails, stripes_model, weights, message):
    assert message in fails(2, "combine", stripes_model, stripes_model, f"--weights={weights}")


class TestModelsThatDoNotFit:
    @pytest.fixture(autouse=True)
    def _no_file(self, tmp_path):
        yield
        assert not (tmp_path / "committee.safetensors").exists()

    def test_images_of_another_size(self, fails, stripes_model, digits_model):
        err = fails(4, "combine", stripes_model, digits_model)
        assert (
            f"{digits_model}: the model must be for images of 25 pixels, as {stripes_model}" in err
        )
        assert "got 64 pixels" in err

    def test_other_classes(self, fails, stripes, stripes_model):
        X, y = load_mnist(stripes, return_X_y=True)
        save_model(MLPDigitClassifier((4,), solver="lbfgs").fit(X, y % 2), "binary")
        err = fails(4, "combine", stripes_model, "binary")
        assert f"the model must have the classes of {stripes_model} (0, 1, 2, 3), got 0, 1." in err

    def test_classes_that_are_strings_of_digits(self, fails, stripes, stripes_model):
        X, y = load_mnist(stripes, return_X_y=True)
        mlp = MLPDigitClassifier((4,), input_scale=1 / 255, solver="lbfgs", random_state=0)
        save_model(mlp.fit(X, y.astype(str)), "strings")
        err = fails(4, "combine", stripes_model, "strings")
        assert f"of {stripes_model} (0, 1, 2, 3), got '0', '1', '2', '3'." in err

    def test_multilabel_model(self, fails, stripes_model, multilabel_model):
        err = fails(4, "combine", multilabel_model, stripes_model)
        assert "must predict one class per image, got a multilabel model" in err

    def test_committee(self, run_skmlp, fails, stripes_model):
        assert run_skmlp("combine", stripes_model, stripes_model, "--out", "both")[0] == 0
        err = fails(4, "combine", stripes_model, "both")
        assert "both: the model must be a classifier or a pipeline, got a committee of 2" in err
        assert "models. Pass the files of its models" in err

    def test_missing_file(self, fails, stripes_model):
        assert "missing" in fails(4, "combine", stripes_model, "missing")
