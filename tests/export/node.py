"""Run scripts that import the modules of exported pages in node."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ENVIRONMENT_VARIABLE = "SKMLP_NODE"
MODULES = Path(__file__).resolve().parents[2] / "skmlp" / "export" / "page"


def run_node(script, *, input_files=None, timeout=60):
    """Run the source of an ES module in node, and return what it writes to standard output, as bytes.

    The working directory contains the modules of the page and `input_files`, a dict from names to contents as bytes.
    So the script can use ``import { normalize } from "./normalize.js";`` and ``readFileSync("pictures.bin")``.

    If node is missing, the test is skipped, or fails if SKMLP_NODE is set.
    """
    node = find_node()
    if node is None:
        pytest.skip(f"node not found. Install it, or set {ENVIRONMENT_VARIABLE} to its path.")
    with TemporaryDirectory() as directory:
        directory = Path(directory)
        # Without this file, node 18 expects CommonJS modules.
        (directory / "package.json").write_text('{"type": "module"}')
        for path in MODULES.glob("*.js"):
            shutil.copy(path, directory)
        for name, content in (input_files or {}).items():
            (directory / name).write_bytes(content)
        (directory / "script.js").write_text(script, encoding="utf-8")
        process = subprocess.run(
            [node, "script.js"], cwd=directory, capture_output=True, timeout=timeout, check=False
        )
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout


def find_node():
    """Return the path of node: $SKMLP_NODE, `node` on PATH, that of Playwright, or None."""
    path = os.environ.get(ENVIRONMENT_VARIABLE)
    if path is None:
        return shutil.which("node") or find_node_of_playwright()
    if shutil.which(path) is None:
        raise FileNotFoundError(
            f"{ENVIRONMENT_VARIABLE} must be the path of node, got {path!r}. Correct or unset it."
        )
    return shutil.which(path)


def find_node_of_playwright():
    """Return the path of the node that Playwright's package contains, or None."""
    specification = importlib.util.find_spec("playwright")
    if specification is None:
        return None
    return shutil.which(Path(specification.origin).parent / "driver" / "node")
