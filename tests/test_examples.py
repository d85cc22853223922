"""The examples and the README's Python run as they are and print what they should."""

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
# What a line of the README prints stands beside it as a comment.
PROMISED = [re.findall(r"^print\(.*\)  # (.+)$", block, re.M) for block in README_BLOCKS]

# A number and the unit behind it.
NUMBER = re.compile(r"(\d+(?:\.\d+)?)(%| epochs?\b)?")
# How far a printed number may be from the promised one, by unit. Products of matrices are rounded
# differently on different processors, which may move the end of training by a few epochs and the
# labels of a few samples. All other numbers, counts and predicted labels among them, are exact.
TOLERANCES = {"%": 1.0, " epoch": 3, " epochs": 3, "": 0}


def differences(printed, promised):
    """Describe where printed lines differ from the promised ones by more than the tolerances."""
    if len(printed) != len(promised):
        return [f"{len(printed)} lines instead of {len(promised)}"]
    found = []
    for ours, theirs in zip(printed, promised, strict=True):
        if NUMBER.sub(r"0\2", ours) != NUMBER.sub(r"0\2", theirs):
            found.append(f"{ours!r} instead of {theirs!r}")
            continue
        pairs = zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True)
        found += [
            f"{value}{unit} instead of {expected}{unit} in {ours!r}"
            for (value, unit), (expected, _) in pairs
            if abs(float(value) - float(expected)) > TOLERANCES[unit] + 1e-9
        ]
    return found


def run(program, directory):
    """Run a program with warnings as errors and without MNIST; return the lines that it prints."""
    no_mnist = directory / "no-mnist"
    no_mnist.mkdir()
    result = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=directory,
        env={
            **os.environ,
            "MPLBACKEND": "Agg",
            "SKMLP_MNIST": str(no_mnist),
            # These networks are small. A second thread of BLAS brings little, and costs much while
            # other programs run.
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


def number_in(line, pattern):
    """Return the number that the group of a pattern matches in a line."""
    match = re.fullmatch(pattern, line)
    assert match, f"{line!r} does not match {pattern!r}"
    return float(match[1])


def files_in(directory):
    return sorted(path.name for path in directory.iterdir())


# The README


@pytest.mark.parametrize("number", range(len(README_BLOCKS)))
def test_readme(number, tmp_path):
    program = tmp_path / "readme.py"
    program.write_text(README_BLOCKS[number], encoding="utf-8")
    assert not differences(run(program, tmp_path), PROMISED[number])
    written = re.findall(r'save_model\(\w+, "(.+)"\)', README_BLOCKS[number])
    assert files_in(tmp_path) == sorted(["readme.py", *written])


def test_the_readme_promises_numbers():
    assert README_BLOCKS
    assert all(PROMISED)
    units = {unit for lines in PROMISED for _, unit in NUMBER.findall("\n".join(lines))}
    assert units >= {"%", ""}


@pytest.mark.parametrize("block", range(len(README_BLOCKS)))
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize(("factor", "noticed"), [(0.9, False), (1.1, True)], ids=["near", "far"])
def test_each_promised_number_is_compared(block, sign, factor, noticed):
    promised = PROMISED[block]
    for row, line in enumerate(promised):
        for match in NUMBER.finditer(line):
            value, unit = match.groups(default="")
            step = factor * TOLERANCES[unit] or (1 if noticed else 0)
            changed = f"{abs(float(value) + sign * step):.12g}"
            printed = promised.copy()
            printed[row] = line[: match.start(1)] + changed + line[match.end(1) :]
            assert bool(differences(printed, promised)) == noticed, printed[row]


def test_lines_that_are_missing_or_have_other_words_are_noticed():
    promised = ["30 epochs, at best 99.3%", "[2 0 4]"]
    assert not differences(["29 epochs, at best 98.9%", "[2 0 4]"], promised)
    for printed in (
        promised[:1],
        [*promised, ""],
        promised[::-1],
        ["30 epochs, at worst 99.3%", "[2 0 4]"],
        ["30 epochs, at best 99.3", "[2 0 4]"],
        ["30 epochs, at best nan%", "[2 0 4]"],
        ["30 epochs, at best 99.3%", "[2 0 4 9]"],
    ):
        assert differences(printed, promised), printed


# The examples, on the digits that scikit-learn brings. Guessing is right for 10 % of them; what the
# bounds leave is for another processor and another random stream.


def test_every_example_has_a_test():
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert {f"{name.removeprefix('test_')}.py" for name in globals() if "_plot_" in name} == names


def test_plot_grid_search(tmp_path):
    counts, best, accuracy = run_example("plot_grid_search.py", tmp_path)
    assert counts == "scikit-learn's digits: 1797 images of 8 x 8"
    units = number_in(best, r"best: hidden_layer_sizes=\((\d+)(?:, \1|,)\)")
    assert units in {64, 128, 256}  # the more the better, on these data
    assert 93 < number_in(accuracy, r"accuracy (\d+\.\d+)%, mean of three folds") < 97
    assert files_in(tmp_path) == []


def test_plot_mnist(tmp_path):
    counts, epochs, validation, test = run_example("plot_mnist.py", tmp_path)
    assert counts == "scikit-learn's digits: 1122 to train, 225 to validate, 450 to test"
    assert 10 < number_in(epochs, r"(\d+) epochs of \d+\.\d+ s") < 100  # it stopped early
    assert number_in(validation, r"validation accuracy (\d+\.\d+)%") > 95
    assert number_in(test, r"test accuracy +(\d+\.\d+)%") > 95
    assert files_in(tmp_path) == ["mnist.safetensors"]
    # The file holds the network whose accuracy was printed.
    X, y = load_digits(return_X_y=True)
    _, X_test, _, y_test = train_test_split(X, y, stratify=y, random_state=0)
    accuracy = load_model(tmp_path / "mnist.safetensors").score(X_test, y_test)
    assert test == f"test accuracy       {accuracy:.2%}"


def test_plot_own_digits(tmp_path):
    counts, *printed = run_example("plot_own_digits.py", tmp_path)
    assert counts == "scikit-learn's digits: 1347 to train, 450 to test"
    of_both = [(how, line) for how, line in zip(["plain", "distorted"] * 2, printed, strict=True)]
    for how, line in of_both[:2]:
        assert number_in(line, rf"{how} +images: test accuracy (\d+\.\d+)%") > 96
    for how, line in of_both[2:]:
        # By guessing, six of twelve have a probability of 1 in 2,000.
        assert number_in(line, rf"{how} +images: (\d+) of 12 photos read correctly") >= 6
    assert files_in(tmp_path) == []
