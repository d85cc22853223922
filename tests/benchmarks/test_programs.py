"""accuracy.py, corruptions.py and bundled_digits.py on a small dataset."""

import importlib
import json
import re
import sys
from contextlib import suppress

import numpy as np
import pytest
from benchmark_modules import benchmarks_on_path
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from skmlp import (
    Deslant,
    ImageResizer,
    MLPDigitClassifier,
    NoDigitError,
    load_model,
    normalize_digit,
    save_model,
    write_idx,
)
from skmlp.model_parts import split_model

N_TRAIN, N_TEST = 600, 300
RECIPES = ("softmax", "fast", "tiny")  # fast is a pipeline
# Networks whose training images have noise
NAMES_WITH_NOISE = {
    "small-sample",
    "tiny",
    "accurate",
    "accurate with the former augmentation",
    "accurate from pixels",
    "accurate from pixels of the same width",
}
FEW_EPOCHS = ["--set", "max_iter=3", "--recipes", ",".join(RECIPES)]


@pytest.fixture(scope="module")
def images():
    """Return scikit-learn's digits as images of 28 x 28 pixels, with their labels."""
    X, y = load_digits(return_X_y=True)
    enlarged = np.kron(X.reshape(-1, 8, 8), np.ones((3, 3)))
    pixels = np.pad(enlarged * 255 / 16, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    return pixels[: N_TRAIN + N_TEST], y[: N_TRAIN + N_TEST].astype(np.uint8)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, images):
    """Return a directory with files like those of MNIST."""
    directory = tmp_path_factory.mktemp("digits")
    pixels, labels = images
    for prefix, part in (("train", slice(N_TRAIN)), ("t10k", slice(N_TRAIN, None))):
        write_idx(directory / f"{prefix}-images-idx3-ubyte", pixels[part])
        write_idx(directory / f"{prefix}-labels-idx1-ubyte", labels[part])
    return directory


@pytest.fixture
def run(dataset, monkeypatch, capsys):
    """Return a function that runs a program with arguments and returns its output."""

    def run_program(name, *arguments):
        monkeypatch.setenv("SKMLP_MNIST", str(dataset))
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        with benchmarks_on_path():
            importlib.import_module(name).main()
        return capsys.readouterr().out

    return run_program


def test_variants_differ_from_recipes_as_their_names_say():
    with benchmarks_on_path():
        networks = importlib.import_module("networks")
    for name in networks.NAMES:
        parts = split_model(networks.make_model(name, 0, {}))
        augmentation, features = parts.classifier.augmentation, parts.classifier.image_features
        recipe = networks.RECIPES.get(name.partition(" ")[0])
        expected = None if "from pixels" in name else recipe.parameters.get("image_features")
        assert features == ("gradients" if name == "softmax with gradients" else expected), name
        has_few_samples = name.startswith("small-sample")
        assert networks.N_SAMPLES.get(name) == (1000 if has_few_samples else None), name
        steps = str(augmentation)
        assert ("Patches" in steps) == (name in {"small-sample", "accurate"}), name
        assert ("Noise" in steps) == (name in NAMES_WITH_NOISE), name


def read_tables(output):
    """Return the tables of an output: for each, a dict by the first cell of dicts by column."""
    tables = []
    for block in re.findall(r"(?:^\|.*\n)+", output, flags=re.MULTILINE):
        lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in block.splitlines()]
        header, _, *rows = lines
        tables.append({row[0]: dict(zip(header, row, strict=True)) for row in rows})
    return tables


def format_accuracy(model, X, y):
    return f"{np.mean(model.predict(X) == y):.2%}"


def test_accuracy_prints_scores_of_networks_and_ensembles(run, tmp_path, images):
    output = run("accuracy", *FEW_EPOCHS, "--seeds", 2, "--keep", tmp_path)
    assert f"{N_TRAIN} training images, {N_TEST} test images" in output
    networks, ensembles, distorted = read_tables(output)
    pixels, labels = images
    X, y = pixels[N_TRAIN:].reshape(N_TEST, 784), labels[N_TRAIN:]
    for recipe in RECIPES:
        models = [load_model(tmp_path / f"{recipe}-{seed}.safetensors") for seed in (0, 1)]
        accuracy = np.mean([model.score(X, y) for model in models])
        row = networks[recipe]
        assert row["accuracy"] == f"{accuracy:.2%}"
        assert row["standard error"] == f"{100 * np.sqrt(accuracy * (1 - accuracy) / N_TEST):.2f}"
        probabilities = [model.predict_proba(X) for model in models]
        losses = [-np.log(each[np.arange(N_TEST), y]).mean() for each in probabilities]
        assert float(row["log loss"]) == pytest.approx(np.mean(losses), abs=1e-4)
        assert 0 < float(row["ECE"]) < 1
        average = np.mean(probabilities, axis=0)
        row = ensembles[recipe]
        assert row["accuracy"] == f"{np.mean(average.argmax(axis=1) == y):.2%}"
        loss = -np.log(average[np.arange(N_TEST), y]).mean()
        assert float(row["log loss"]) == pytest.approx(loss, abs=1e-4)
        assert distorted[recipe]["original"] == networks[recipe]["accuracy"]
        assert "noise, std 64" in distorted[recipe]


def test_accuracy_prints_the_temperature_with_validate(run, tmp_path, images):
    output = run("accuracy", *FEW_EPOCHS, "--seeds", 1, "--validate", "--keep", tmp_path)
    assert "500 training images, 100 validation images" in output
    networks, temperatures, _, shifted = read_tables(output)
    pixels, labels = images
    X, y = pixels[500:600].reshape(100, 784), labels[500:600]
    for recipe in RECIPES:
        model = load_model(tmp_path / f"{recipe}-0.safetensors")
        assert networks[recipe]["accuracy"] == format_accuracy(model, X, y)
        assert shifted.keys() == networks.keys()
        temperature = float(temperatures[recipe]["temperature"])
        logits = np.log(model.predict_proba(X).astype(float))

        def compute_loss(temperature, rows, logits=logits):
            scaled = logits[rows] / temperature
            scaled -= np.log(np.exp(scaled).sum(axis=1, keepdims=True))
            return -scaled[np.arange(len(rows)), y[rows]].mean()

        first, second = np.arange(50), np.arange(50, 100)
        for other in (0.9 * temperature, 1.1 * temperature):
            assert compute_loss(temperature, first) < compute_loss(other, first)
        for column, value in (("log loss", 1), ("log loss, calibrated", temperature)):
            assert float(temperatures[recipe][column]) == pytest.approx(
                compute_loss(value, second), abs=1e-3
            )


def test_random_splits(run, tmp_path, dataset):
    # After one epoch, no network predicts all 50 labels for its calibration correctly.
    one_epoch = ["--set", "max_iter=1", "--recipes", ",".join(RECIPES)]
    output = run("accuracy", *one_epoch, "--splits", 3, "--keep", tmp_path)
    networks, accuracies, *_ = read_tables(output)
    assert networks["fast"]["seeds"] == "3"
    each = [float(accuracies["fast"][str(split)].rstrip("%")) for split in range(3)]
    assert f"{np.mean(each):.2f}%" == networks["fast"]["accuracy"]
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("fast-*.json"))]
    assert [record["trained_on"] for record in records] == [
        f"500 training images, random split {split}" for split in range(3)
    ]
    with benchmarks_on_path():
        splits = importlib.import_module("networks").make_random_splits(3)
    assert len({tuple(split.held_out) for split in splits}) == 3
    for split in splits:
        assert len(split.train) == 500
        assert sorted([*split.train, *split.held_out]) == list(range(N_TRAIN))
        expected = np.bincount(split.y) / 6
        assert np.abs(np.bincount(split.held_out_set[1]) - expected).max() < 1


def test_saved_networks_are_loaded_for_the_same_images_and_parameters_only(run, tmp_path):
    arguments = ["--recipes", "fast", "--seeds", 1, "--keep", tmp_path]
    first = run("accuracy", *arguments, "--set", "max_iter=3")
    assert run("accuracy", *arguments, "--set", "max_iter=3") == first  # also the training time
    with pytest.raises(SystemExit, match=r"expected a model with max_iter=2, got 3\. Use another"):
        run("accuracy", *arguments, "--set", "max_iter=2")
    with pytest.raises(SystemExit, match=r"expected a model trained on the first 500 .*, got all"):
        run("accuracy", *arguments, "--set", "max_iter=3", "--validate")


@pytest.mark.parametrize(
    ("saved", "expected", "message"),
    [
        ([], [Deslant()], r"with Deslant\(\) before the classifier, got no transformers\. Use an"),
        ([Deslant()], [], r"with no transformers before the classifier, got Deslant\(\)\. Use an"),
        ([Deslant(0.5)], [Deslant()], r"with Deslant\(\) .*, got Deslant\(max_shear=0\.5\)"),
        (
            [Deslant(), ImageResizer((14, 14))],
            [ImageResizer((14, 14)), Deslant()],
            r"with ImageResizer\(.*\), Deslant\(\) .*, got Deslant\(\), ImageResizer\(.*\)\.",
        ),
    ],
)
def test_saved_networks_are_loaded_for_the_same_transformers_only(
    images, tmp_path, saved, expected, message
):
    with benchmarks_on_path():
        networks = importlib.import_module("networks")
    X, y = images[0].reshape(-1, 784), images[1]
    split = networks.Split("all training images", X, y, slice(N_TRAIN), slice(N_TRAIN, None))
    mlp = MLPDigitClassifier((), max_iter=1, n_iter_no_change=None, random_state=0)
    path = tmp_path / "model.safetensors"
    model = make_pipeline(*saved, clone(mlp)).fit(*split.training_set)
    save_model(model, path)
    path.with_suffix(".json").write_text('{"seconds": 2, "trained_on": "all training images"}')
    loaded = networks.load_network(path, make_pipeline(*saved, mlp), split)
    np.testing.assert_array_equal(loaded.model.predict(X), model.predict(X))
    with pytest.raises(SystemExit, match=message):
        networks.load_network(path, make_pipeline(*expected, mlp), split)


@pytest.mark.parametrize("option", [["--seeds", "2"], ["--validate"]])
def test_splits_exclude_seeds_and_validate(run, option, capsys):
    with pytest.raises(SystemExit):
        run("accuracy", "--splits", 2, *option)
    assert "--splits: not allowed with --seeds and --validate" in capsys.readouterr().err


def test_corruptions_prints_the_accuracy_on_each(run, tmp_path, images):
    run("accuracy", *FEW_EPOCHS, "--seeds", 1, "--keep", tmp_path)
    softmax = tmp_path / "softmax-0.safetensors"
    output = run(
        *("corruptions", "--recipes", "fast", "--set", "max_iter=3", "--keep", tmp_path),
        *("--models", softmax),
    )
    accuracies, calibration = read_tables(output)
    with benchmarks_on_path():
        mnist_c = importlib.import_module("mnist_c")
    names = list(mnist_c.CORRUPTIONS)
    assert list(accuracies) == ["original", *names, "mean of the 15", "Gaussian noise, std 64"]
    pixels, labels = images
    X, y = pixels[N_TRAIN:].reshape(N_TEST, 784), labels[N_TRAIN:]
    for column, path in (("fast", tmp_path / "fast-0.safetensors"), (str(softmax), softmax)):
        model = load_model(path)
        assert accuracies["original"][column] == format_accuracy(model, X, y)
        scores = [model.score(mnist_c.corrupt(name, X), y) for name in names]
        assert [accuracies[name][column] for name in names] == [f"{each:.2%}" for each in scores]
        assert accuracies["mean of the 15"][column] == f"{np.mean(scores):.2%}"
        assert calibration[column]["accuracy"] == accuracies["original"][column]


def test_corruptions_uses_validation_images(run, images, tmp_path):
    arguments = ["--recipes", "softmax", "--set", "max_iter=3", "--keep", tmp_path]
    output = run("corruptions", *arguments, "--validate")
    assert "100 validation images" in output
    model = load_model(tmp_path / "softmax-0.safetensors")
    pixels, labels = images
    expected = format_accuracy(model, pixels[500:600].reshape(100, 784), labels[500:600])
    assert read_tables(output)[0]["original"]["softmax"] == expected


def test_picture_shows_each_digit_with_each_corruption(run, tmp_path):
    from PIL import Image

    path = tmp_path / "corruptions.png"
    assert run("corruptions", "--picture", path) == ""
    with Image.open(path) as picture:
        width, height = picture.size
        gray = np.asarray(picture.convert("L")).astype(int)
    assert 1.4 < width / height < 2  # 17 columns and 10 rows
    assert gray.std() > 50


def test_bundled_digits_prints_the_accuracy_of_each_model_and_of_their_committee(
    run, tmp_path, images
):
    X, y = images[0].reshape(-1, 784), images[1]
    models = {}
    for seed in (0, 1):
        mlp = MLPDigitClassifier((20,), max_iter=5, n_iter_no_change=None, random_state=seed)
        path = tmp_path / f"run-{seed}" / "model.safetensors"
        path.parent.mkdir()
        models[str(path)] = mlp.fit(X, y)
        save_model(mlp, path)
    n = 20
    output = run("bundled_digits", *models, "--digits", n)
    (table,) = read_tables(output)
    assert len(table) == 8
    digits = load_digits()
    ink = np.rint(255 * digits.images[:n] / 16).astype(np.uint8)
    shown = {
        "8 x 8 pixels": ink,
        "enlarged, with a margin": [enlarge(np.pad(digit, 3)) for digit in ink],
        "enlarged, cropped at the ink": [enlarge(crop_to_ink(digit)) for digit in ink],
    }
    for description, pictures in shown.items():
        pixels, labels = [], []
        for picture, label in zip(pictures, digits.target[:n], strict=True):
            with suppress(NoDigitError):
                pixels.append(normalize_digit(255 - picture).ravel())
                labels.append(label)
        probabilities = {name: model.predict_proba(pixels) for name, model in models.items()}
        probabilities["committee"] = sum(probabilities.values())
        expected = {
            name: f"{np.sum(each.argmax(axis=1) == labels) / n:.2%}"
            for name, each in probabilities.items()
        }
        assert table[description] == expected | {
            f"{n} digits": description,
            "refused": str(n - len(pixels)),
        }
    assert table["enlarged, cropped at the ink"]["refused"] != "0"


def enlarge(image):
    return image.repeat(16, axis=0).repeat(16, axis=1)


def crop_to_ink(image):
    rows, columns = (np.flatnonzero(image.max(axis=axis) >= 56) for axis in (1, 0))
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
