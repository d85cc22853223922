"""`skmlp fetch`, and the download of MNIST by `skmlp train`."""

import shutil

import pytest


def test_existing_files_are_verified_and_kept(succeeds, mnist_dir):
    out = succeeds("fetch", mnist_dir)
    lines = out.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert line.startswith(str(mnist_dir))
        assert line.endswith("bytes, intact")


def test_quiet_prints_nothing(run_skmlp, mnist_dir):
    assert run_skmlp("fetch", mnist_dir, "--quiet") == (0, "", "")


def test_file_with_other_content_is_not_changed(fails, mnist_dir, tmp_path):
    for path in mnist_dir.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    other_file = tmp_path / "t10k-labels-idx1-ubyte.gz"
    other_file.write_bytes(b"other labels")
    err = fails(3, "fetch", tmp_path)
    assert str(other_file) in err
    assert other_file.read_bytes() == b"other labels"


def test_errors_of_all_mirrors_are_reported_in_one_line(fails, monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise OSError(
            "file could not be downloaded from any mirror:\n  one: refused\n  two: refused\nTry again."
        )

    monkeypatch.setattr("skmlp.download_mnist", fail)
    err = fails(1, "fetch", tmp_path)
    assert (
        "file could not be downloaded from any mirror: one: refused two: refused Try again." in err
    )


def test_download_without_pooch_is_an_error(fails, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    assert 'pip install "skmlp[fetch]"' in fails(1, "fetch", tmp_path)


def test_fetch_into_a_file_is_an_error(fails, tmp_path):
    (tmp_path / "file").touch()
    err = fails(1, "fetch", tmp_path / "file")
    assert f"{tmp_path / 'file'}: DIR must be a directory, got a file." in err


def test_train_downloads_mnist(fails, monkeypatch, tmp_path):
    calls = []

    def fetch(*, subset):
        calls.append(subset)
        raise OSError("no network")

    monkeypatch.setattr("skmlp.fetch_mnist", fetch)
    assert "no network" in fails(1, "train", "--data", "mnist", "--out", tmp_path)
    assert calls == ["train"]


@pytest.mark.parametrize("command", ["train", "evaluate", "report"])
def test_help_mentions_the_download_of_mnist(succeeds, command):
    assert "'mnist' to download" in " ".join(succeeds(command, "--help").split())
