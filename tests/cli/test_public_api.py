"""The command line uses the public API, and --help loads neither NumPy nor scikit-learn."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skmlp.cli

SOURCES = sorted(Path(skmlp.cli.__file__).parent.glob("*.py"))
PUBLIC = {
    "skmlp",
    "skmlp.augment",
    "skmlp.callbacks",
    "skmlp.exceptions",
    "skmlp.export",
    "skmlp.recipes",
    "skmlp.schedules",
}
# Numbers as text, the shape of images, the parts of models and the log loss, which the report and the exports use too.
SHARED = {"skmlp.formatting", "skmlp.image_shape", "skmlp.model_parts", "skmlp.scores"}
# The digest of a model, the steps and the predictions of exported models, atomic writes, the name of the previous
# checkpoint, and the reader of pictures.
EXCEPTIONS = {
    "info.py": {"skmlp.files.models"},
    "export.py": {
        f"skmlp.export.{name}"
        for name in ("c_source", "checks", "onnx_model", "page_data", "scikit_learn")
    },
    "formats.py": {"skmlp.export.c_steps", "skmlp.export.onnx_steps"},
    "pictures.py": {"skmlp.digits.picture"},
    "pages.py": {"skmlp.digits.picture", "skmlp.files.atomic"},
    "outputs.py": {"skmlp.files.atomic"},
    "run_directory.py": {"skmlp.files.atomic", "skmlp.files.checkpoints"},
}


def find_imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_command_imports_only_public_modules(path):
    modules = {name for name in find_imported_modules(path) if name.partition(".")[0] == "skmlp"}
    others = {name for name in modules if not name.startswith("skmlp.cli")}
    assert others <= PUBLIC | SHARED | EXCEPTIONS.get(path.name, set())


@pytest.mark.parametrize(
    "command",
    ["train", "evaluate", "report", "predict", "info", "fetch", "recipes", "compile"],
)
def test_help_loads_no_heavy_package(command):
    program = (
        "import sys\n"
        "from skmlp.cli import main\n"
        f"assert main([{command!r}, '--help']) == 0\n"
        "print(sorted({'numpy', 'scipy', 'sklearn', 'rich', 'PIL', 'jinja2', 'numba', 'llvmlite'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert result.stdout.splitlines()[-1] == "[]"
