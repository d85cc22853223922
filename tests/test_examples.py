"""The examples and the README's Python run as they are, in a directory of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((CHECKOUT / "examples").glob("*.py"))
README_BLOCKS = re.findall(
    r"^```python\n(.*?)^```$", (CHECKOUT / "README.md").read_text(encoding="utf-8"), re.M | re.S
)


def run(program, directory):
    """Run a program, with every warning an error and no MNIST to be found; give what it prints."""
    no_mnist = directory / "no-mnist"
    no_mnist.mkdir()
    result = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=directory,
        env={**os.environ, "MPLBACKEND": "Agg", "SKMLP_MNIST": str(no_mnist)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def without_numbers(line):
    return re.sub(r"\d+", "0", line)


def test_there_are_examples():
    assert {example.name for example in EXAMPLES} >= {"plot_mnist.py", "plot_grid_search.py"}
    assert README_BLOCKS


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_example(example, tmp_path):
    assert "scikit-learn's digits" in run(example, tmp_path)


@pytest.mark.parametrize("number", range(len(README_BLOCKS)))
def test_readme(number, tmp_path):
    program = tmp_path / "readme.py"
    program.write_text(README_BLOCKS[number], encoding="utf-8")
    # What a line prints stands beside it as a comment; the numbers may differ with the processor.
    promised = re.findall(r"^print\(.*\)  # (.+)$", README_BLOCKS[number], re.M)
    printed = run(program, tmp_path).splitlines()
    assert [without_numbers(line) for line in printed] == [
        without_numbers(line) for line in promised
    ]
