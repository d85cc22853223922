"""`skmlp info`: descriptions of IDX files, models and the installation."""

import numpy as np
import pytest

from skmlp import show_versions


def test_image_file_is_described(succeeds, stripes):
    path = stripes / "t10k-images-idx3-ubyte.gz"
    out = succeeds("info", path)
    lines = out.splitlines()
    assert lines[0] == f"{path}: an IDX file, {path.stat().st_size:,} bytes, gzip"
    assert lines[2:4] == ["type   uint8", "shape  40 x 5 x 5"]
    assert lines[4].startswith("range  0 to ")
    drawing = lines[lines.index("The first image:") + 1 :]
    assert len(drawing) == 5
    assert set(drawing[0]) & set("@%#")  # the first row is bright
    assert not set("".join(drawing[1:])) & set("@%#")


def test_label_file_is_described(succeeds, stripes):
    out = succeeds("info", stripes / "train-labels-idx1-ubyte")
    assert "gzip" not in out
    assert "shape  120\n" in out
    table = [line.split() for line in out.splitlines()[5:]]
    assert table == [["label", "count"], ["0", "30"], ["1", "30"], ["2", "30"], ["3", "30"]]


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((0, 5, 5), np.uint8), ["shape  0 x 5 x 5"]),
        (np.zeros((2, 5, 5), np.uint8), ["range  0 to 0, mean 0"]),
        (np.array([0.5, 1.5], np.float32), ["type   float32", "range  0.5 to 1.5, mean 1"]),
        (np.arange(200, dtype=np.uint8), ["range  0 to 199, 200 distinct values"]),
        (np.ones((2, 3, 4, 5), np.uint8), ["shape  2 x 3 x 4 x 5", "range  1 to 1"]),
        (np.ones((2, 60, 60), np.uint8), ["shape  2 x 60 x 60"]),
        (np.array([[[np.nan, 1]]], np.float32), ["range  nan to nan"]),
        (np.array([[[-np.inf, np.inf]]], np.float32), ["range  -inf to inf, mean nan"]),
    ],
)
def test_array_without_a_drawing_is_described(succeeds, idx_bytes, tmp_path, array, words):
    (tmp_path / "array").write_bytes(idx_bytes(array))
    out = succeeds("info", tmp_path / "array")
    for word in words:
        assert word in out
    assert "first image" not in out


def test_single_image_is_drawn(succeeds, idx_bytes, tmp_path):
    (tmp_path / "image").write_bytes(idx_bytes(np.eye(2, dtype=np.uint8)))
    assert succeeds("info", tmp_path / "image").endswith("\n@@\n  @@\n")


def test_model_is_described(succeeds, stripes_model):
    out = succeeds("info", stripes_model)
    lines = [line.split() for line in out.splitlines()]
    assert out.splitlines()[0].endswith("bytes, intact")
    assert lines[2:9] == [
        ["layer", "output", "shape", "parameters"],
        [lines[3][0]],
        ["input", "(n,", "25)", "0"],
        ["dense", "(n,", "16)", "416"],
        ["relu", "(n,", "16)", "0"],
        ["dense", "(n,", "4)", "68"],
        ["softmax", "(n,", "4)", "0"],
    ]
    assert "484 parameters, 0.00 MiB as float32" in out
    assert ["classes", "0,", "1,", "2,", "3"] in lines
    assert ["trained", "20", "epochs"] in lines
    settings = next(line for line in out.splitlines() if line.startswith("settings"))
    assert "hidden_layer_sizes=(16,)" in settings
    assert "activation" not in settings
    assert "best" in out
    assert "versions" in out


def test_layers_include_batch_norm_and_dropout(succeeds, stripes, tmp_path):
    options = ("--hidden", "8,4", "--activation", "gelu,tanh", "--batch-norm", "--epochs", "1")
    dropout = ("--dropout", "0.5,0.25", "--input-dropout", "0.1", "--out", tmp_path, "--quiet")
    succeeds("train", "--data", stripes, *options, *dropout, "--no-report")
    out = succeeds("info", tmp_path / "model.safetensors")
    lines = [line.split() for line in out.splitlines()]
    layers = [(line[:-3], line[-1]) for line in lines[4:-1] if "(n," in line]
    assert layers == [
        (["input"], "0"),
        (["dropout", "0.1"], "0"),
        (["dense"], "200"),
        (["batch", "norm"], "16"),
        (["gelu"], "0"),
        (["dropout", "0.5"], "0"),
        (["dense"], "32"),
        (["batch", "norm"], "8"),
        (["tanh"], "0"),
        (["dropout", "0.25"], "0"),
        (["dense"], "20"),
        (["softmax"], "0"),
    ]
    assert "276 parameters" in out


def test_multilabel_model_is_described(succeeds, multilabel_model):
    lines = [line.split() for line in succeeds("info", multilabel_model).splitlines()]
    assert ["dense", "(n,", "3)", "15"] in lines
    assert ["logistic", "(n,", "3)", "0"] in lines
    assert ["classes", "multilabel:", "0,", "1,", "2"] in lines
    assert any(line[:1] == ["last"] and "accuracy" in line for line in lines)


def test_versions_are_those_of_show_versions(succeeds, capsys):
    out = succeeds("info", "--versions")
    show_versions()
    assert capsys.readouterr().out == out
    assert "scikit-learn" in out


class TestInvalidFile:
    def test_missing_file_is_an_error(self, fails, tmp_path):
        assert "Check the path." in fails(3, "info", tmp_path / "nothing")

    def test_directory_is_an_error(self, fails, tmp_path):
        assert "Pass a file, not a directory." in fails(3, "info", tmp_path)

    @pytest.mark.parametrize("content", [b"", b"\0", b"plain text"])
    def test_file_that_is_neither_idx_nor_model_is_an_error(self, fails, tmp_path, content):
        (tmp_path / "text").write_bytes(content)
        err = fails(3, "info", tmp_path / "text")
        assert str(tmp_path / "text") in err
        assert "Pass an IDX file or a model file." in err

    def test_truncated_idx_file_is_an_error(self, fails, stripes, tmp_path):
        content = (stripes / "train-labels-idx1-ubyte").read_bytes()
        (tmp_path / "labels").write_bytes(content[:-1])
        assert "truncated" in fails(3, "info", tmp_path / "labels")

    @pytest.mark.parametrize("kept", [0, 4, 100, -1])
    def test_truncated_model_is_an_error(self, fails, stripes_model, tmp_path, kept):
        content = stripes_model.read_bytes()
        (tmp_path / "model.safetensors").write_bytes(content[:kept])
        fails(4, "info", tmp_path / "model.safetensors")

    def test_damaged_model_without_suffix_is_an_error(self, fails, stripes_model, tmp_path):
        content = stripes_model.read_bytes()
        (tmp_path / "model").write_bytes(content[:-1])
        fails(4, "info", tmp_path / "model")
