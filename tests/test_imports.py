"""Imports point one way, and what is heavy is loaded only where it is needed: read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skmlp

PACKAGE = Path(skmlp.__file__).parent

# Each file of the engine imports only files above it.
ENGINE = [
    "parameters",
    "products",
    "initialization",
    "normal_distribution",
    "activations",
    "kernels",
    "losses",
    "layers",
    "network",
    "batches",
    "objective",
    "schedules",
    "optimizers",
    "update",
    "stopping",
    "holdout",
    "training",
    "range_test",
    "lbfgs",
]
ENGINE_STANDS_ON = {"numpy", "scipy", "numba"}
# Rooms that could live in a package of their own. `skmlp.files.atomic`, how a file is replaced, imports
# nothing of skmlp and serves all who write files.
ROOMS = {
    "engine": ("skmlp.engine", "skmlp.exceptions"),
    "digits": ("skmlp.digits", "skmlp.files.atomic", "skmlp.exceptions"),
    "plots": ("skmlp.plots", "skmlp.exceptions"),
}
HEAVY = ["numba", "matplotlib", "rich", "safetensors", "pooch", "PIL", "pandas"]


def name_of(path):
    """Give the dotted name of a source file's module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(module, *, only_at_module_level=False):
    """Give the dotted names that a module imports; `from a import b` counts as a.b where that is a module."""
    nodes = [ast.parse(SOURCES[module].read_text(encoding="utf-8"))]
    names = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively; the house writes whole names"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                names.add(whole if whole in SOURCES else node.module)
        elif only_at_module_level and isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ):
            continue
        nodes.extend(ast.iter_child_nodes(node))
    return names


def of_skmlp(names):
    return {name for name in names if is_within(name, "skmlp")}


def is_within(name, package):
    return name == package or name.startswith(f"{package}.")


def test_the_sources_are_found():
    assert {"skmlp", "skmlp.classifier", "skmlp.engine.training", "skmlp.digits.idx"} <= set(
        SOURCES
    )
    assert "skmlp.engine.network" in imports("skmlp.prediction")
    assert "numpy" in imports("skmlp.engine.layers")


def test_the_engine_has_the_files_of_this_list():
    files = {name.split(".")[2] for name in SOURCES if name.startswith("skmlp.engine.")}
    assert files == set(ENGINE)


@pytest.mark.parametrize("name", ENGINE)
def test_a_file_of_the_engine_imports_only_files_above_it(name):
    above = [f"skmlp.engine.{other}" for other in ENGINE[: ENGINE.index(name)]]
    own = f"skmlp.engine.{name}"
    for module in (m for m in SOURCES if is_within(m, own)):
        for imported in of_skmlp(imports(module)) - {"skmlp.exceptions"}:
            assert any(is_within(imported, other) for other in (*above, own)), module


@pytest.mark.parametrize("module", [m for m in SOURCES if is_within(m, "skmlp.engine")])
def test_the_engine_stands_on_numpy_and_scipy(module):
    roots = {name.partition(".")[0] for name in imports(module)} - {"skmlp"}
    assert roots - set(sys.stdlib_module_names) <= ENGINE_STANDS_ON


@pytest.mark.parametrize(("room", "allowed"), ROOMS.items(), ids=list(ROOMS))
def test_a_room_imports_nothing_else_of_skmlp(room, allowed):
    modules = [name for name in SOURCES if is_within(name, f"skmlp.{room}")]
    assert modules
    for module in modules:
        strangers = {
            name
            for name in of_skmlp(imports(module))
            if not any(is_within(name, package) for package in allowed)
        }
        assert not strangers, module


def test_what_the_rooms_share_imports_nothing_of_skmlp():
    shared = {p for packages in ROOMS.values() for p in packages} - {f"skmlp.{r}" for r in ROOMS}
    for module in shared & set(SOURCES):
        assert not of_skmlp(imports(module)), module


@pytest.mark.parametrize(
    "module", [m for m in SOURCES if not is_within(m, "skmlp.cli") and m != "skmlp.__main__"]
)
def test_nothing_imports_the_command_line(module):
    assert not {name for name in imports(module) if is_within(name, "skmlp.cli")}


@pytest.mark.parametrize(
    "module",
    # The compiled kernels are themselves loaded only where they are needed.
    [m for m in SOURCES if not is_within(m, "skmlp.cli") and not m.endswith(".numba_kernels")],
)
def test_nothing_imports_what_is_heavy_until_it_is_needed(module):
    roots = {name.partition(".")[0] for name in imports(module, only_at_module_level=True)}
    assert not roots & set(HEAVY)


def test_imports_make_no_circle():
    graph = {module: of_skmlp(imports(module, only_at_module_level=True)) for module in SOURCES}
    done = set()
    while len(done) < len(graph):
        ready = {m for m, needed in graph.items() if m not in done and needed - {m} <= done}
        assert ready, f"a circle among {sorted(set(graph) - done)}"
        done |= ready


def test_importing_skmlp_loads_nothing_heavy():
    # scikit-learn itself loads rich (for its callbacks) and pandas where they are installed.
    program = (
        "import sys, sklearn.base, sklearn.callback\n"
        "before = set(sys.modules)\n"
        "import skmlp\n"
        f"print(sorted((set(sys.modules) - before) & set({HEAVY})))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    assert result.stdout.strip() == "[]"
