"""The examples and the Python code in the README run and print the documented results."""

import os
import re
import subprocess
import sys
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
    """Run a program without MNIST and with warnings as errors; return the printed lines."""
    no_mnist = directory / "no-mnist"
    no_mnist.mkdir()
    result = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=directory,
        env={
            **os.environ,
            "MPLBACKEND": "Agg",
            "SKMLP_MNIST": str(no_mnist),
            # The networks are small. A second BLAS thread hardly helps, and slows training if the
            # machine is busy.
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    no_mnist.rmdir()
    return result.stdout.splitlines()


def run_example(name, directory):
    return run(EXAMPLES / name, directory)


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


def test_plot_grid_search(tmp_path):
    counts, best, accuracy = run_example("plot_grid_search.py", tmp_path)
    assert counts == "scikit-learn's digits: 1797 images of 8 x 8 pixels"
    units = parse_number(best, r"best parameters: hidden_layer_sizes=\((\d+)(?:, \1|,)\)")
    assert units in {64, 128, 256}  # larger networks are more accurate on this dataset
    assert 93 < parse_number(accuracy, r"mean accuracy over three folds: (\d+\.\d+)%") < 97
    assert list_files(tmp_path) == []


def test_plot_mnist(tmp_path):
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


def test_plot_own_digits(tmp_path):
    counts, *accuracies, photos, augmented_photos = run_example("plot_own_digits.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 training and 450 test images"
    for images, line in zip(["original", "augmented"], accuracies, strict=True):
        pattern = rf"trained on {images} images: test accuracy (\d+\.\d+)%"
        assert parse_number(line, pattern) > 96
    for images, line in [("original", photos), ("augmented", augmented_photos)]:
        pattern = rf"trained on {images} images: (\d+) of 12 photos classified correctly"
        assert parse_number(line, pattern) >= 6  # 1 in 2,000 by chance
    assert list_files(tmp_path) == []
