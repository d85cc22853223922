"""The examples and the Python code in the README run and print the documented results."""

import os
import re
import runpy
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skmlp import load_model

CHECKOUT = Path(__file__).resolve().parents[1]
EXAMPLES = CHECKOUT / "examples"
README_BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.M | re.S
)
# In the README, a comment after each print statement shows its output.
EXPECTED = [re.findall(r"^print\(.*\)  # (.+)$", block, re.M) for block in README_BLOCKS]

# A number and its unit.
NUMBER = re.compile(r"(\d+(?:\.\d+)?)(%| epochs?\b)?")
# Tolerances of printed numbers, by unit. Matrix products are rounded differently on different
# processors, which may change the number of epochs and the predictions of a few samples. All other
# numbers, such as counts and predicted labels, must be equal.
TOLERANCES = {"%": 1.0, " epoch": 3, " epochs": 3, "": 0}


def find_differences(printed, expected):
    """Describe the differences between printed and expected lines that exceed the tolerances."""
    if len(printed) != len(expected):
        return [f"expected {len(expected)} lines, got {len(printed)}"]
    differences = []
    for line, expected_line in zip(printed, expected, strict=True):
        if NUMBER.sub(r"0\2", line) != NUMBER.sub(r"0\2", expected_line):
            differences.append(f"expected {expected_line!r}, got {line!r}")
            continue
        pairs = zip(NUMBER.findall(line), NUMBER.findall(expected_line), strict=True)
        differences += [
            f"expected {expected_value}{unit}, got {value}{unit} in {line!r}"
            for (value, unit), (expected_value, _) in pairs
            if abs(float(value) - float(expected_value)) > TOLERANCES[unit] + 1e-9
        ]
    return differences


def run(program, directory):
    """Run a program without MNIST and on one thread; return the printed lines."""
    no_mnist = directory / "no-mnist"
    no_mnist.mkdir()
    # The networks are small. A second BLAS thread hardly helps, and slows training if the machine is busy.
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    lines = run_with_mnist(program, directory, no_mnist, timeout=300, **one_thread)
    no_mnist.rmdir()
    return lines


def run_with_mnist(program, directory, mnist_dir, *, timeout, **environment):
    """Run a program with warnings as errors; return the printed lines."""
    result = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=directory,
        env={
            **os.environ,
            "MPLBACKEND": "Agg",
            "SKMLP_MNIST": str(mnist_dir),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.fixture(scope="module")
def run_example(request, tmp_path_factory):
    """Return a function that runs an example in a directory and returns the printed lines.

    The examples of all selected tests are started at once, two at a time, because each one uses one core.
    """
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    with ThreadPoolExecutor(2) as pool:
        runs = {}
        for item in request.session.items:
            name = item.name.removeprefix("test_")
            if name in names:
                directory = tmp_path_factory.mktemp(name)
                runs[f"{name}.py"] = directory, pool.submit(run, EXAMPLES / f"{name}.py", directory)

        def get_result(name, directory):
            source, result = runs[name]
            lines = result.result()
            for path in source.iterdir():
                shutil.move(path, directory)
            return lines

        yield get_result


def parse_number(line, pattern):
    """Return the number that matches the group of a pattern."""
    match = re.fullmatch(pattern, line)
    assert match, f"{line!r} does not match {pattern!r}"
    return float(match[1])


def list_files(directory):
    return sorted(path.name for path in directory.iterdir())


# The README


@pytest.mark.parametrize("number", range(len(README_BLOCKS)))
def test_readme_code_prints_the_documented_output(number, tmp_path):
    program = tmp_path / "readme.py"
    program.write_text(README_BLOCKS[number], encoding="utf-8")
    assert not find_differences(run(program, tmp_path), EXPECTED[number])
    saved_files = re.findall(r'save_model\(\w+, "(.+)"\)', README_BLOCKS[number])
    assert list_files(tmp_path) == sorted(["readme.py", *saved_files])


def test_readme_documents_output_with_numbers():
    assert README_BLOCKS
    assert all(EXPECTED)
    units = {unit for lines in EXPECTED for _, unit in NUMBER.findall("\n".join(lines))}
    assert units >= {"%", ""}


@pytest.mark.parametrize("block", range(len(README_BLOCKS)))
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(
    ("factor", "is_reported"), [(0.9, False), (1.1, True)], ids=["within", "beyond"]
)
def test_numbers_beyond_the_tolerance_are_reported(block, sign, factor, is_reported):
    expected = EXPECTED[block]
    for row, line in enumerate(expected):
        for match in NUMBER.finditer(line):
            value, unit = match.groups(default="")
            step = factor * TOLERANCES[unit] or (1 if is_reported else 0)
            changed = f"{abs(float(value) + sign * step):.12g}"
            printed = expected.copy()
            printed[row] = line[: match.start(1)] + changed + line[match.end(1) :]
            assert bool(find_differences(printed, expected)) == is_reported, printed[row]


def test_missing_and_changed_lines_are_reported():
    expected = ["30 epochs, at best 99.3%", "[2 0 4]"]
    assert not find_differences(["29 epochs, at best 98.9%", "[2 0 4]"], expected)
    for printed in (
        expected[:1],
        [*expected, ""],
        expected[::-1],
        ["30 epochs, at worst 99.3%", "[2 0 4]"],
        ["30 epochs, at best 99.3", "[2 0 4]"],
        ["30 epochs, at best nan%", "[2 0 4]"],
        ["30 epochs, at best 99.3%", "[2 0 4 9]"],
    ):
        assert find_differences(printed, expected), printed


# The examples, on scikit-learn's bundled digits. The bounds allow for the rounding errors of other
# processors and for other random streams; the chance level is 10 %.


def test_every_example_has_a_test():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert {f"{name.removeprefix('test_')}.py" for name in globals() if "_plot_" in name} == names


def test_plot_adam(tmp_path, run_example):
    counts, *epochs, last_epochs, test = run_example("plot_adam.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    pattern = r"epoch +{}: training accuracy (\d+\.\d+)%, test accuracy \d+\.\d+%"
    training = [
        parse_number(line, pattern.format(epoch))
        for line, epoch in zip(epochs, [1, 5, 20, 100], strict=True)
    ]
    assert training == sorted(training)
    assert training[-1] == 100
    lowest, highest = re.findall(r"\d+\.\d+", last_epochs)
    assert 95 < float(lowest) <= float(highest)
    assert parse_number(test, r"test accuracy: (\d+\.\d+)%, to beat on MNIST: 97\.05%") > 95
    assert list_files(tmp_path) == []


def test_plot_calibration(tmp_path, run_example):
    counts, accuracy, temperature, *errors = run_example("plot_calibration.py", tmp_path)
    assert counts == ("scikit-learn's digits: 673 training, 674 calibration and 450 test images")
    assert parse_number(accuracy, r"test accuracy: (\d+\.\d+)%") > 93
    assert 0.8 < parse_number(temperature, r"temperature: (\d\.\d+)") < 3
    for title, line in zip(["before", "after"], errors, strict=True):
        pattern = rf"{title}: expected calibration error (0\.\d+), log loss 0\.\d+"
        assert parse_number(line, pattern) < 0.05
    assert list_files(tmp_path) == []


def test_plot_class_weight(tmp_path, run_example):
    counts, classes, *recalls = run_example("plot_class_weight.py", tmp_path)
    assert counts == "scikit-learn's digits: 1089 training and 450 test images"
    assert classes.endswith("[133, 136, 133, 137, 136, 136, 136, 134, 4, 4]")
    titles = ["no weights", "square root", "balanced"]
    frequent, rare = (
        [
            parse_number(line, rf"{title}: {pattern}")
            for title, line in zip(titles, recalls, strict=True)
        ]
        for pattern in (
            r"mean recall of 0 to 7 (\d+\.\d+)%, of 8 and 9 \d+\.\d+%, \d+ false positives",
            r"mean recall of 0 to 7 \d+\.\d+%, of 8 and 9 (\d+\.\d+)%, \d+ false positives",
        )
    )
    assert min(frequent) > 90
    assert rare == sorted(rare)
    assert rare[2] > rare[0] + 20
    assert list_files(tmp_path) == []


def test_plot_dropout_network(tmp_path, run_example):
    counts, *table, validation, test = run_example("plot_dropout_network.py", tmp_path)
    assert counts == "scikit-learn's digits: 1122 training, 225 validation and 450 test images"
    assert table[-1] == "301,066 parameters, 1.15 MiB as float32"
    assert parse_number(validation, r"validation accuracy: (\d+\.\d+)%") > 94
    pattern = r"test accuracy: (\d+\.\d+)%, to beat on MNIST: 97\.26% and 98\.40%"
    assert parse_number(test, pattern) > 95
    assert list_files(tmp_path) == []


def test_plot_from_scratch(tmp_path, run_example):
    counts, target, error, *epochs, last, mlp = run_example("plot_from_scratch.py", tmp_path)
    assert counts == "scikit-learn's digits: 1400 training and 397 validation images"
    assert target == "label 0, target [1. 0. 0. 0. 0. 0. 0. 0. 0. 0.]"
    assert parse_number(error, r"relative error of the gradient: (\de-\d\d)") < 1e-6
    losses = [
        parse_number(
            line,
            rf"epoch {epoch:2}: training loss (\d\.\d+), "
            r"training accuracy [01]\.\d+, validation accuracy [01]\.\d+",
        )
        for epoch, line in enumerate(epochs, start=1)
    ]
    assert len(losses) == 10
    assert losses[-1] < losses[0] / 4
    pattern = r"validation accuracy after epoch 10: (0\.\d+), to beat on MNIST: 0\.934"
    assert parse_number(last, pattern) > 0.87
    assert parse_number(mlp, r"validation accuracy of MLPDigitClassifier: (0\.\d+)") > 0.87
    assert list_files(tmp_path) == []


def test_plot_grid_search(tmp_path, run_example):
    counts, best, accuracy = run_example("plot_grid_search.py", tmp_path)
    assert counts == "scikit-learn's digits: 1797 images of 8 x 8 pixels"
    units = parse_number(best, r"best parameters: hidden_layer_sizes=\((\d+)(?:, \1|,)\)")
    assert units in {64, 128, 256}  # larger networks are more accurate on this dataset
    assert 93 < parse_number(accuracy, r"mean accuracy over three folds: (\d+\.\d+)%") < 97
    assert list_files(tmp_path) == []


def test_plot_hidden_layers(tmp_path, run_example):
    lines = run_example("plot_hidden_layers.py", tmp_path)
    counts, without_size, without, with_size, with_hidden, header, *rest = lines
    candidates, finalists, test = rest[:16], rest[16:-1], rest[-1]
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    assert without_size == "no hidden layer: 650 parameters"
    assert with_size == "one hidden layer: 19,210 parameters"
    pattern = r"no hidden layer: test accuracy (\d+\.\d+)%, to beat on MNIST: 92\.88%"
    assert 92 < parse_number(without, pattern) < 97
    pattern = r"one hidden layer: test accuracy (\d+\.\d+)%, to beat on MNIST: 97\.82%"
    assert parse_number(with_hidden, pattern) > 95
    assert header.split()[:3] == ["rank", "layers", "units"]
    accuracies = [float(line.split()[5].removesuffix("%")) for line in candidates]
    assert accuracies == sorted(accuracies, reverse=True)
    assert accuracies[0] > 95
    for line in finalists:
        pattern = r"hidden_layer_sizes=.*, batch_size=\d+: validation accuracy (\d+\.\d+)%"
        assert parse_number(line, pattern) > 95
    assert len(finalists) == 3
    pattern = r"best candidate: test accuracy (\d+\.\d+)%, to beat on MNIST: 97\.82%"
    assert parse_number(test, pattern) > 95
    assert list_files(tmp_path) == []


def test_plot_mistakes(tmp_path, run_example):
    counts, accuracy, confusion = run_example("plot_mistakes.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    assert parse_number(accuracy, r"test accuracy: (\d+\.\d+)%") > 95
    pattern = r"most frequent confusion: \d predicted as \d \((\d+) images?\)"
    assert parse_number(confusion, pattern) < 10
    assert list_files(tmp_path) == []


def test_plot_mnist(tmp_path, run_example):
    counts, epochs, validation, test = run_example("plot_mnist.py", tmp_path)
    assert counts == "scikit-learn's digits: 1122 training, 225 validation and 450 test images"
    n_epochs = parse_number(epochs, r"epochs: (\d+) \(last epoch: \d+\.\d+ s\)")
    assert 10 < n_epochs < 100  # training stopped early
    assert parse_number(validation, r"validation accuracy: (\d+\.\d+)%") > 95
    assert parse_number(test, r"test accuracy: +(\d+\.\d+)%") > 95
    assert list_files(tmp_path) == ["mnist.safetensors"]
    # The saved network has the printed accuracy.
    X, y = load_digits(return_X_y=True)
    _, X_test, _, y_test = train_test_split(X, y, stratify=y, random_state=0)
    accuracy = load_model(tmp_path / "mnist.safetensors").score(X_test, y_test)
    assert test == f"test accuracy:       {accuracy:.2%}"


def test_plot_deslant(tmp_path, run_example):
    counts, *lines = run_example("plot_deslant.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    titles = ["original digits", "upright digits", "upright digits of the same size"]
    for layers, printed in {"no hidden layer": lines[:3], "32 hidden units": lines[3:]}.items():
        original, upright, scaled = (
            parse_number(line, rf"{layers}, {title}: test accuracy (\d+\.\d+)%")
            for line, title in zip(printed, titles, strict=True)
        )
        assert 95 < original < min(upright, scaled) + 1
    assert list_files(tmp_path) == []


def test_plot_gradient_features(tmp_path, run_example):
    counts, n_features, *distances_and_accuracies = run_example(
        "plot_gradient_features.py", tmp_path
    )
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    assert n_features == "648 features: 8 directions at 81 points"
    distances, accuracies = distances_and_accuracies[:2], distances_and_accuracies[2:]
    pixels, gradients = (
        parse_number(line, rf"{title}: relative distance (\d\.\d+) after a shift by one pixel")
        for title, line in zip(["pixels", "gradients"], distances, strict=True)
    )
    assert 0.1 < gradients < pixels - 0.1
    for layers, lines in {
        "no hidden layer": accuracies[:2],
        "32 hidden units": accuracies[2:],
    }.items():
        pixels, gradients = (
            parse_number(line, rf"{layers}, {title}: test accuracy (\d+\.\d)%")
            for title, line in zip(["pixels", "gradients"], lines, strict=True)
        )
        assert 94 < pixels < gradients
    assert list_files(tmp_path) == []


def test_plot_noise(tmp_path, run_example):
    counts, *lines = run_example("plot_noise.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    conditions = [line.partition(":")[0] for line in lines]
    assert conditions == [
        "clean",
        "Gaussian noise",
        "a fifth of the pixels random",
        "low contrast",
        "gray background",
        "partly covered",
    ]
    for condition, line in zip(conditions, lines, strict=True):
        pattern = rf"{condition}: accuracy (\d+\.\d)%, trained on changed images (\d+\.\d)%"
        before, after = map(float, re.fullmatch(pattern, line).groups())
        assert after > (97 if condition == "clean" else before)
    assert list_files(tmp_path) == []


def test_plot_own_digits(tmp_path, run_example):
    counts, *accuracies, _, _, original, augmented = run_example("plot_own_digits.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    for images, line in zip(["original", "augmented"], accuracies, strict=True):
        pattern = rf"trained on {images} images: test accuracy (\d+\.\d+)%"
        assert parse_number(line, pattern) > 96
    for images, line in [("original", original), ("augmented", augmented)]:
        pattern = rf"normalized photos, trained on {images} images: accuracy (\d+\.\d+)%"
        assert parse_number(line, pattern) > 50
    assert list_files(tmp_path) == []


def test_plot_page_of_digits(tmp_path, run_example):
    counts, *lines = run_example("plot_page_of_digits.py", tmp_path)
    pattern = r"scikit-learn's digits: 1347 training images, test accuracy (\d+\.\d+)%"
    assert parse_number(counts, pattern) > 96
    written = ["31415926", "2718281", "16180339", "14142135"]
    n_correct = 0
    for line, digits in zip(lines, written, strict=True):
        read = line.removeprefix(f"written: {digits:8}  read: ")
        assert len(read) == len(digits)
        n_correct += sum(map(str.__eq__, read, digits))
    assert n_correct >= 25  # of 31
    assert list_files(tmp_path) == []


def test_plot_regularization(tmp_path, run_example):
    counts, *lines = run_example("plot_regularization.py", tmp_path)
    assert counts == "scikit-learn's digits: 1077 training, 270 validation and 450 test images"
    titles = ["neither", "dropout", "batch norm", "both"]
    first_epochs = [
        parse_number(
            line,
            rf"{title}: validation accuracy (\d+\.\d+)% after the first epoch, "
            r"\d+\.\d+% after the last \(loss 0\.\d+\)",
        )
        for title, line in zip(titles, lines[:4], strict=True)
    ]
    assert first_epochs[2] == max(first_epochs)
    for title, line in zip(titles, lines[4:], strict=True):
        pattern = rf"{title}: test accuracy (\d+\.\d+)%, \d+% of the units are active"
        assert parse_number(line, pattern) > 95
    assert list_files(tmp_path) == []


def test_plot_resume(tmp_path, run_example):
    counts, interrupted, resumed, is_equal = run_example("plot_resume.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    pattern = r"interrupted after 4 epochs: test accuracy (\d+\.\d+)%"
    accuracy = parse_number(interrupted, pattern)
    assert parse_number(resumed, r"resumed: 10 epochs, test accuracy (\d+\.\d+)%") > accuracy
    assert is_equal == "equal to the weights of uninterrupted training: True"
    assert list_files(tmp_path) == []


def test_plot_saliency(tmp_path, run_example):
    counts, accuracy, marked, unmarked = run_example("plot_saliency.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    assert parse_number(accuracy, r"test accuracy: (\d+\.\d+)%") > 95
    assert parse_number(marked, r"test accuracy with marks: (\d+\.\d+)%") > 98
    assert parse_number(unmarked, r"test accuracy without marks: (\d+\.\d+)%") < 95
    assert list_files(tmp_path) == []


def test_plot_sgd(tmp_path, run_example):
    counts, lowest, last, test = run_example("plot_sgd.py", tmp_path)
    assert counts == "scikit-learn's digits: 1077 training, 270 validation and 450 test images"
    pattern = (
        r"{} \(epoch \d+\): loss \d\.\d+, validation loss (\d\.\d+), "
        r"validation accuracy \d+\.\d+%"
    )
    loss = parse_number(lowest, pattern.format("lowest validation loss"))
    assert loss <= parse_number(last, pattern.format("last epoch"))
    assert loss < 0.3
    assert parse_number(test, r"test accuracy: (\d+\.\d+)%, to beat on MNIST: 97\.05%") > 95
    assert list_files(tmp_path) == []


def test_plot_streaming(tmp_path, run_example):
    counts, array, *passes = run_example("plot_streaming.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    assert array == "memmap of shape (1347, 64) and dtype uint8, 86,224 bytes"
    accuracies = [
        parse_number(line, rf"{n * 1347:,} samples: test accuracy (\d+\.\d+)%")
        for n, line in enumerate(passes, start=1)
    ]
    assert len(accuracies) == 5
    assert accuracies[0] > 50
    assert accuracies[-1] > 85
    assert list_files(tmp_path) == []


# The figures to beat, on MNIST

CHECK_FIGURES = runpy.run_path(str(CHECKOUT / ".ci" / "check_figures.py"))
WITH_FIGURES = [
    path.name
    for path in sorted(EXAMPLES.glob("*.py"))
    if "to beat on MNIST" in path.read_text("utf-8")
]


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_FIGURES)
def test_figures_are_beaten_on_mnist(name, mnist_dir, tmp_path):
    lines = run_with_mnist(EXAMPLES / name, tmp_path, mnist_dir, timeout=1200)
    assert lines[0].startswith("MNIST: ")
    output = "\n".join(lines)
    assert CHECK_FIGURES["find_figures"](output)
    assert not CHECK_FIGURES["find_failures"](output)
    if name == "plot_dropout_network.py":
        assert "669,706 parameters, 2.55 MiB as float32" in lines


def test_five_examples_state_figures_to_beat():
    assert WITH_FIGURES == [
        "plot_adam.py",
        "plot_dropout_network.py",
        "plot_from_scratch.py",
        "plot_hidden_layers.py",
        "plot_sgd.py",
    ]


@pytest.mark.parametrize(
    ("line", "failures"),
    [
        ("epoch 1: training loss 0.3", []),
        ("accuracy: 0.9341, to beat on MNIST: 0.934", []),
        ("accuracy: 0.934, to beat on MNIST: 0.934", ["expected more than 0.934, got 0.934"]),
        ("accuracy: 93.5%, to beat on MNIST: 0.934", []),
        ("98.41%, to beat on MNIST: 97.26% and 98.40%", []),
        ("98.3%, to beat on MNIST: 97.26% and 98.40%", ["expected more than 98.40%, got 98.3%"]),
    ],
)
def test_check_figures(line, failures):
    assert CHECK_FIGURES["find_failures"](f"MNIST: 5 images\n{line}\n") == failures


@pytest.mark.parametrize(
    "line",
    ["accuracy 98 %, to beat: 97%", "nan%, to beat on MNIST: 97%", "98%, to beat on MNIST: 97 %"],
)
def test_check_figures_rejects_other_forms(line):
    with pytest.raises(ValueError, match="at its end"):
        CHECK_FIGURES["find_figures"](line)
