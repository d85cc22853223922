"""Imports point one way, and heavy packages are loaded only where they are needed: read from the sources."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import skmlp

PACKAGE = Path(skmlp.__file__).parent

# Each module of the engine imports only modules above it.
ENGINE = [
    "parameters",
    "products",
    "initialization",
    "schedules",
    "holdout",
    "batches",
    "optimizers",
    "stopping",
    "state",
    "config",
    "update",
    "backend",
    "reference",
    "backend_choice",
    "evaluation",
    "stochastic",
    "lbfgs",
    "training",
    "lr_finder",
]
ENGINE_DEPENDENCIES = {"numpy", "scipy", "numba"}
# What each package, or module of a package, may import of skmlp besides itself; `skmlp` alone is the version.
ALLOWED = {
    "exceptions": set(),
    "sklearn_compat": set(),
    "typing": set(),
    "engine": {"exceptions", "typing"},
    "digits": {"exceptions", "typing", "sklearn_compat", "files.atomic"},
    "plots": {"exceptions", "typing"},
    "schedules": {"engine.schedules"},
    "augment": {"digits.augment"},
    "files.atomic": set(),
    "files.encoding": {"", "exceptions", "files.atomic"},
    "files.records": {
        "",
        "exceptions",
        "files.encoding",
        "engine",
        "digits.augment",
        "estimator.targets",
    },
    "files.checkpoints": {"", "exceptions", "files", "engine"},
    "files.models": {"exceptions", "typing", "files", "estimator"},
    "estimator": {
        "exceptions",
        "typing",
        "sklearn_compat",
        "engine",
        "digits",
        "files.checkpoints",
    },
    "callbacks": {"typing", "files.checkpoints"},
    "recipes": {"", "typing", "estimator", "augment", "digits"},
    "cli": {
        "",
        "exceptions",
        "callbacks",
        "recipes",
        "schedules",
        "augment",
        "digits",
        "files",
        "plots",
    },
    "__main__": {"cli"},
}
# The private names of scikit-learn that skmlp uses, all by skmlp.sklearn_compat.
PRIVATE_SKLEARN_NAMES = {
    "sklearn.base._fit_context",
    "sklearn.callback._callback_support.callback_management_context",
    "sklearn.utils._param_validation.Interval",
    "sklearn.utils._param_validation.Options",
    "sklearn.utils._param_validation.StrOptions",
    "sklearn.utils.multiclass._check_partial_fit_first_call",
    "sklearn.utils.validation._check_sample_weight",
}
HEAVY = ["numba", "matplotlib", "rich", "safetensors", "pooch", "PIL", "pandas"]


def name_of(path):
    """Return the dotted name of a source file's module."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def import_statements(module, *, only_at_module_level=False):
    """Return the dotted names that a module imports, as (module, name or None)."""
    nodes = [ast.parse(SOURCES[module].read_text(encoding="utf-8"))]
    statements = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            statements |= {(alias.name, None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports relatively; write whole names"
            statements |= {(node.module, alias.name) for alias in node.names}
        elif only_at_module_level and isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ):
            continue
        nodes.extend(ast.iter_child_nodes(node))
    return statements


def imports(module, **options):
    """Return the modules that a module imports; `from a import b` counts as a.b where that is a module."""
    return {
        f"{source}.{name}" if f"{source}.{name}" in SOURCES else source
        for source, name in import_statements(module, **options)
    }


def of_skmlp(names):
    return {name for name in names if is_within(name, "skmlp")}


def is_within(name, package):
    return name == package or name.startswith(f"{package}.")


def within_skmlp(part):
    return f"skmlp.{part}" if part else "skmlp"


def test_the_sources_are_found():
    assert {"skmlp", "skmlp.estimator.classifier", "skmlp.engine.training"} <= set(SOURCES)
    assert "skmlp.engine.reference.network" in imports("skmlp.estimator.prediction")
    assert "numpy" in imports("skmlp.engine.reference.layers")


def test_every_module_belongs_to_a_part_with_a_rule():
    for module in set(SOURCES) - {"skmlp", "skmlp.files"}:
        assert any(is_within(module, f"skmlp.{part}") for part in ALLOWED), module


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_it_may(part):
    own = f"skmlp.{part}"
    modules = [name for name in SOURCES if is_within(name, own)]
    assert modules
    allowed = [within_skmlp(other) for other in ALLOWED[part] if other]
    for module in modules:
        for imported in of_skmlp(imports(module)):
            is_version = imported == "skmlp" and "" in ALLOWED[part]
            assert is_version or any(is_within(imported, other) for other in (own, *allowed)), (
                f"{module} imports {imported}"
            )


def test_the_engine_has_the_modules_of_this_list():
    modules = {name.split(".")[2] for name in SOURCES if name.startswith("skmlp.engine.")}
    assert modules == set(ENGINE)


@pytest.mark.parametrize("name", ENGINE)
def test_a_module_of_the_engine_imports_only_modules_above_it(name):
    above = [f"skmlp.engine.{other}" for other in ENGINE[: ENGINE.index(name)]]
    own = f"skmlp.engine.{name}"
    for module in (m for m in SOURCES if is_within(m, own)):
        for imported in of_skmlp(imports(module)) - {"skmlp.exceptions"}:
            assert any(is_within(imported, other) for other in (*above, own)), module


@pytest.mark.parametrize("module", [m for m in SOURCES if is_within(m, "skmlp.engine")])
def test_the_engine_depends_on_numpy_and_scipy_only(module):
    roots = {name.partition(".")[0] for name in imports(module)} - {"skmlp"}
    assert roots - set(sys.stdlib_module_names) <= ENGINE_DEPENDENCIES


def test_only_the_choice_of_the_backend_knows_a_backend_by_name():
    names = {"ReferenceBackend", "numpy_kernels", "numba_kernels"}
    users = {
        module
        for module in SOURCES
        if not is_within(module, "skmlp.engine.reference")
        and names & {name for _, name in import_statements(module)}
    }
    assert users == {"skmlp.engine.backend_choice"}


def test_private_names_of_scikit_learn_are_imported_in_one_module():
    found = {}
    for module in SOURCES:
        for source, name in import_statements(module):
            whole = f"{source}.{name}" if name else source
            is_private = any(part.startswith("_") for part in whole.split("."))
            if is_within(source, "sklearn") and is_private:
                found.setdefault(module, set()).add(whole)
    assert found == {"skmlp.sklearn_compat": PRIVATE_SKLEARN_NAMES}


def test_exceptions_are_defined_in_one_module():
    elsewhere = {
        f"{module}.{node.name}"
        for module, path in SOURCES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and module != "skmlp.exceptions"
        and any(
            ast.unparse(base).endswith(("Error", "Exception", "Warning")) for base in node.bases
        )
    }
    # None leaves its package: they end a command, the parsing of an option, and a thread.
    assert elsewhere == {
        "skmlp.cli.errors.CommandError",
        "skmlp.cli.values.OptionError",
        "skmlp.engine.lbfgs._StoppedError",
    }


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
def test_nothing_imports_heavy_packages_until_they_are_needed(module):
    roots = {name.partition(".")[0] for name in imports(module, only_at_module_level=True)}
    assert not roots & set(HEAVY)


def test_imports_are_acyclic():
    graph = {module: of_skmlp(imports(module, only_at_module_level=True)) for module in SOURCES}
    done = set()
    while len(done) < len(graph):
        ready = {m for m, needed in graph.items() if m not in done and needed - {m} <= done}
        assert ready, f"a cycle among {sorted(set(graph) - done)}"
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
