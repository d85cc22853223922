import shutil

import pytest


def test_files_that_are_there_are_checked_and_kept(succeeds, mnist_dir):
    out = succeeds("fetch", mnist_dir)
    lines = out.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert line.startswith(str(mnist_dir))
        assert line.endswith("bytes, intact")


def test_quiet(skmlp, mnist_dir):
    assert skmlp("fetch", mnist_dir, "--quiet") == (0, "", "")


def test_file_with_other_contents_is_left_alone(fails, mnist_dir, tmp_path):
    for path in mnist_dir.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    foreign = tmp_path / "t10k-labels-idx1-ubyte.gz"
    foreign.write_bytes(b"my own labels")
    err = fails(3, "fetch", tmp_path)
    assert str(foreign) in err
    assert foreign.read_bytes() == b"my own labels"


def test_no_mirror_answers(fails, monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise OSError("no mirror gave it:\n  one: refused\n  other: refused\nTry again later")

    monkeypatch.setattr("skmlp.download_mnist", fail)
    err = fails(1, "fetch", tmp_path)
    assert "no mirror gave it: one: refused other: refused Try again later" in err


def test_without_pooch(fails, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    assert 'pip install "skmlp[fetch]"' in fails(1, "fetch", tmp_path)


def test_directory_that_is_a_file(fails, tmp_path):
    (tmp_path / "file").touch()
    fails(1, "fetch", tmp_path / "file")


def test_training_on_mnist_fetches_it(fails, monkeypatch, tmp_path):
    asked = []

    def fetch(*, subset, return_X_y):
        asked.append((subset, return_X_y))
        raise OSError("no network")

    monkeypatch.setattr("skmlp.fetch_mnist", fetch)
    assert "no network" in fails(1, "train", "--data", "mnist", "--out", tmp_path)
    assert asked == [("train", True)]


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_help_says_that_mnist_can_be_fetched(succeeds, command):
    assert "'mnist' downloads" in " ".join(succeeds(command, "--help").split())
