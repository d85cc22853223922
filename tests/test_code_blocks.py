"""The blocks of Python code in the documentation that are not doctests run."""

import ast
import re
import textwrap
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline

from skmlp import Deslant, MLPDigitClassifier, load_model, save_model
from skmlp.export import to_c

DOCS = Path(__file__).resolve().parents[1] / "docs"
PYTHON_BLOCK = re.compile(r"^( *)\.\. code-block:: python\n\n((?:\1 +.*\n|\n)+)", re.MULTILINE)
# The pages, with the packages that their code requires.
PAGES = {
    "index.rst": (),
    "tutorial/first_network.rst": (),
    "howto/digits.rst": (),
    "howto/export.rst": ("onnxruntime", "skl2onnx"),
    "howto/saving.rst": ("skops",),
}
# The pages whose code requires a cluster, MNIST or another framework.
NOT_RUN = [
    "explanation/coming_from_keras.rst",
    "explanation/coming_from_pytorch.rst",
    "explanation/scaling.rst",
    "howto/cluster.rst",
    "reference/idx.rst",
]


def read_code(page):
    """Return the code of the Python blocks of a page, in their order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [textwrap.dedent(code) for _, code in PYTHON_BLOCK.findall(text)]


def find_imports(code):
    """Return the modules of skmlp that the code imports from, each with a name."""
    return [
        (node.module, alias.name)
        for node in ast.walk(ast.parse(code))
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "skmlp"
        for alias in node.names
    ]


def draw_digits(path, n_digits):
    """Draw dark sevens on light paper."""
    picture = Image.new("L", (200 * n_digits, 240), 225)
    draw = ImageDraw.Draw(picture)
    for left in range(50, 200 * n_digits, 200):
        draw.line([(left, 50), (left + 90, 50), (left + 30, 190)], fill=40, width=16)
    picture.save(path)


@pytest.fixture(scope="module")
def definitions():
    """Return the names that the pages define before the blocks, for images of 28 x 28 pixels."""
    X, y = load_digits(return_X_y=True)
    images = np.kron(X[:400].reshape(-1, 8, 8), np.ones((3, 3)))
    X = np.pad(images * 15, ((0, 0), (2, 2), (2, 2))).reshape(-1, 784).astype(np.uint8)
    X_train, X_test, y_train, y_test = X[:300], X[300:], y[:300], y[300:400]
    mlp = MLPDigitClassifier(
        (16,), input_scale=1 / 255, max_iter=10, n_iter_no_change=None, random_state=0
    ).fit(X_train, y_train)
    return {
        "X": X_train.astype(np.float32),
        "y": y_train,
        "X_train": X_train,
        "X_test": X_test,
        "y_train": y_train,
        "y_test": y_test,
        "mlp": mlp,
        "make_pipeline": make_pipeline,
        "pipeline": make_pipeline(Deslant(), mlp).fit(X_train, y_train),
        "save_model": save_model,
        "load_model": load_model,
        "to_c": to_c,
    }


@pytest.mark.parametrize("page", PAGES)
def test_code_of_the_page_runs(tmp_path, monkeypatch, definitions, page):
    for package in PAGES[page]:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    Path("mnist-run").mkdir()
    save_model(definitions["mlp"], "mnist-run/model.safetensors")
    draw_digits("photo.jpg", 1)
    draw_digits("page.jpg", 3)
    namespace = dict(definitions)
    blocks = read_code(page)
    assert blocks
    for code in blocks:
        exec(compile(code, page, "exec"), namespace)


def test_all_pages_with_code_are_listed():
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst")]
    assert sorted(page for page in pages if read_code(page)) == sorted([*PAGES, *NOT_RUN])


@pytest.mark.parametrize("page", NOT_RUN)
def test_imported_names_exist(page):
    for code in read_code(page):
        for module, name in find_imports(code):
            assert hasattr(import_module(module), name)
