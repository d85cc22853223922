"""Dependencies between the modules of the package, and lazy imports of heavy packages."""

import ast
import subprocess
import sys

import pytest
from package_sources import SOURCES

# A module of the engine may import only modules that precede it in this list.
ENGINE = [
    "parameters",
    "products",
    "initialization",
    "schedules",
    "holdout",
    "sources",
    "batches",
    "optimizers",
    "stopping",
    "state",
    "config",
    "update",
    "backend",
    "reference",
    "compiled",
    "backend_choice",
    "compilation",
    "evaluation",
    "stochastic",
    "lbfgs",
    "training",
    "lr_finder",
]
COMPILED = "skmlp.engine.compiled"
# Dependencies of the modules of the engine, and further ones of the compiled backend.
ENGINE_DEPENDENCIES = {"numpy", "scipy"}
COMPILED_DEPENDENCIES = {"numba", "llvmlite", "threadpoolctl"}
# Modules of the compiled backend that run kernels from the cache, for which they do not import numba. The others define
# or compile kernels.
WITHOUT_NUMBA = {
    f"{COMPILED}.{name}"
    for name in (
        *("backend", "catalog", "inputs", "layers", "library", "network", "prediction", "program"),
        *("settings", "sparse_inputs", "step", "target", "threads", "updater"),
    )
}
# Modules of skmlp that each module or subpackage may import besides itself. "" is skmlp, which defines the version.
ALLOWED = {
    "exceptions": set(),
    "sklearn_compat": set(),
    "lazy_imports": set(),
    "typing": set(),
    "machine": set(),
    "image_shape": set(),
    "colors": set(),
    "formatting": set(),
    "skops_types": set(),
    "scores": set(),
    "versions": {"", "machine", "engine"},
    "engine": {"exceptions", "typing"},
    "digits": {"exceptions", "typing", "image_shape", "sklearn_compat", "files.atomic"},
    "plots": {"exceptions", "typing", "image_shape", "colors"},
    "model_parts": {"digits"},
    "schedules": {"engine.schedules"},
    "augment": {
        "digits.augment",
        "digits.displacements",
        "digits.intensities",
        "digits.patches",
        "digits.upright",
    },
    "files.atomic": set(),
    "files.encoding": {"", "exceptions", "files.atomic"},
    "files.records": {
        "",
        "exceptions",
        "image_shape",
        "files.encoding",
        "engine",
        "digits.augment",
        "digits.displacements",
        "digits.gradients",
        "digits.intensities",
        "digits.patches",
        "digits.upright",
        "estimator.config",
        "estimator.fitted",
        "estimator.targets",
    },
    "files.training_states": {"exceptions", "files.encoding", "files.records", "engine"},
    "files.checkpoints": {"", "exceptions", "files", "engine"},
    "files.transformers": {
        "exceptions",
        "image_shape",
        "model_parts",
        "digits",
        "files.encoding",
        "files.records",
    },
    "files.pipelines": {"exceptions", "skops_types", "model_parts", "files.transformers"},
    "files.classifiers": {"model_parts", "files.pipelines", "files.records", "estimator"},
    "files.committees": {"exceptions", "model_parts", "files", "estimator"},
    "files.models": {"exceptions", "typing", "model_parts", "files", "estimator"},
    "estimator": {
        "exceptions",
        "typing",
        "sklearn_compat",
        "image_shape",
        "model_parts",
        "colors",
        "engine",
        "digits",
        "files.checkpoints",
        "dask.prediction",  # for dask arrays
        "export.onnx_converter",  # which skl2onnx asks the estimator for
    },
    "report": {
        "",
        "exceptions",
        "typing",
        "colors",
        "formatting",
        "image_shape",
        "model_parts",
        "machine",
        "scores",
        "versions",
        "plots",
        "files",
        "engine",
        "estimator",
    },
    "export": {
        "",
        "exceptions",
        "typing",
        "image_shape",
        "model_parts",
        "digits",
        "files",
        "engine",
        "estimator",
    },
    "dask": {
        "exceptions",
        "typing",
        "sklearn_compat",
        "formatting",
        "digits.idx",
        "files.checkpoints",
        "engine",
        "estimator",
    },
    "progress_line": set(),
    "callbacks": {"typing", "files.checkpoints", "progress_line"},
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
        "export",
        "formatting",
        "image_shape",
        "model_parts",
        "scores",
    },
    "__main__": {"cli"},
}
# Private names of scikit-learn that skmlp.sklearn_compat may import.
PRIVATE_SKLEARN_NAMES = {
    "sklearn.base._fit_context",
    "sklearn.callback._callback_support.callback_management_context",
    "sklearn.utils._param_validation.Interval",
    "sklearn.utils.validation._check_feature_names_in",
    "sklearn.utils._param_validation.Options",
    "sklearn.utils._param_validation.StrOptions",
    "sklearn.utils.multiclass._check_partial_fit_first_call",
    "sklearn.utils.validation._check_sample_weight",
}
HEAVY = [
    "numba",
    "llvmlite",
    "matplotlib",
    "jinja2",
    "rich",
    "safetensors",
    "pooch",
    "PIL",
    "pandas",
]


def find_imported_names(module, *, only_at_module_level=False):
    """Return the imports of a module as pairs (module, name); the name is None for `import module`."""
    nodes = [ast.parse(SOURCES[module].read_text(encoding="utf-8"))]
    imported = set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            imported |= {(alias.name, None) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} contains a relative import"
            imported |= {(node.module, alias.name) for alias in node.names}
        elif only_at_module_level and isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ):
            continue
        elif (
            only_at_module_level
            and isinstance(node, ast.If)
            and ast.unparse(node.test) == "TYPE_CHECKING"
        ):
            nodes.extend(node.orelse)  # the body is for type checkers and never runs
            continue
        nodes.extend(ast.iter_child_nodes(node))
    return imported


def find_imported_modules(module, **options):
    """Return the modules that a module imports; `from a import b` counts as a.b if that is a module of skmlp."""
    return {
        f"{source}.{name}" if f"{source}.{name}" in SOURCES else source
        for source, name in find_imported_names(module, **options)
    }


def select_own_modules(names):
    return {name for name in names if is_within(name, "skmlp")}


def is_within(name, package):
    return name == package or name.startswith(f"{package}.")


def test_sources_and_imports_are_found():
    assert {"skmlp", "skmlp.estimator.classifier", "skmlp.engine.training"} <= set(SOURCES)
    assert "skmlp.engine.reference.network" in find_imported_modules("skmlp.estimator.prediction")
    assert "numpy" in find_imported_modules("skmlp.engine.reference.layers")


def test_every_module_has_a_rule():
    for module in set(SOURCES) - {"skmlp", "skmlp.files"}:
        assert any(is_within(module, f"skmlp.{package}") for package in ALLOWED), module


@pytest.mark.parametrize("package", ALLOWED)
def test_modules_import_only_allowed_modules(package):
    own = f"skmlp.{package}"
    modules = [name for name in SOURCES if is_within(name, own)]
    assert modules
    allowed = [f"skmlp.{other}" for other in ALLOWED[package] if other]
    for module in modules:
        for imported in select_own_modules(find_imported_modules(module)):
            is_version = imported == "skmlp" and "" in ALLOWED[package]
            assert is_version or any(is_within(imported, other) for other in (own, *allowed)), (
                f"{module} imports {imported}"
            )


def test_all_modules_of_the_engine_are_listed():
    modules = {name.split(".")[2] for name in SOURCES if name.startswith("skmlp.engine.")}
    assert modules == set(ENGINE)


@pytest.mark.parametrize("name", ENGINE)
def test_engine_modules_import_only_preceding_modules(name):
    preceding = [f"skmlp.engine.{other}" for other in ENGINE[: ENGINE.index(name)]]
    own = f"skmlp.engine.{name}"
    for module in (m for m in SOURCES if is_within(m, own)):
        for imported in select_own_modules(find_imported_modules(module)) - {"skmlp.exceptions"}:
            assert any(is_within(imported, other) for other in (*preceding, own)), module


@pytest.mark.parametrize("module", [m for m in SOURCES if is_within(m, "skmlp.engine")])
def test_engine_depends_only_on_listed_packages(module):
    allowed = ENGINE_DEPENDENCIES
    if is_within(module, COMPILED):
        allowed = allowed | COMPILED_DEPENDENCIES
        allowed -= {"numba"} if module in WITHOUT_NUMBA else set()
    roots = {name.partition(".")[0] for name in find_imported_modules(module)} - {"skmlp"}
    assert roots - set(sys.stdlib_module_names) <= allowed


def test_modules_that_run_kernels_import_no_others_of_the_compiled_backend():
    for module in WITHOUT_NUMBA:
        imported = find_imported_modules(module)
        assert {name for name in imported if is_within(name, COMPILED)} <= WITHOUT_NUMBA, module


def test_importing_the_compiled_backend_does_not_import_numba():
    pytest.importorskip("numba")
    program = f"import sys, {COMPILED}.backend\nprint('numba' in sys.modules)"
    assert run_python(program) == "False"


def test_the_loaded_kernels_are_known_without_importing_llvmlite():
    program = f"import sys, {COMPILED}.library\nprint({{'numba', 'llvmlite'}} & set(sys.modules))"
    assert run_python(program) == "set()"


def test_only_backend_choice_imports_backends_by_name():
    # It imports the compiled backend when it is selected.
    names = {"ReferenceBackend": {"skmlp.engine.backend_choice"}, "CompiledBackend": set()}
    for name, users in names.items():
        assert users == {
            module
            for module in SOURCES
            if name in {imported for _, imported in find_imported_names(module)}
        }


def test_private_names_of_scikit_learn_are_imported_in_one_module():
    found = {}
    for module in SOURCES:
        for source, name in find_imported_names(module):
            full_name = f"{source}.{name}" if name else source
            is_private = any(part.startswith("_") for part in full_name.split("."))
            if is_within(source, "sklearn") and is_private:
                found.setdefault(module, set()).add(full_name)
    assert found == {"skmlp.sklearn_compat": PRIVATE_SKLEARN_NAMES}


def test_exceptions_are_defined_in_one_module():
    others = {
        f"{module}.{node.name}"
        for module, path in SOURCES.items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and module != "skmlp.exceptions"
        and any(
            ast.unparse(base).endswith(("Error", "Exception", "Warning")) for base in node.bases
        )
    }
    # These never leave their module or subpackage: they end a command, the parsing of an option, and a thread.
    assert others == {
        "skmlp.cli.errors.CommandError",
        "skmlp.cli.values.OptionError",
        "skmlp.engine.lbfgs.MinimizationStoppedError",
    }


@pytest.mark.parametrize(
    "module", [m for m in SOURCES if not is_within(m, "skmlp.cli") and m != "skmlp.__main__"]
)
def test_no_other_module_imports_the_command_line(module):
    assert not {name for name in find_imported_modules(module) if is_within(name, "skmlp.cli")}


@pytest.mark.parametrize(
    "module",
    # The modules of the compiled backend are themselves imported lazily.
    [m for m in SOURCES if not is_within(m, "skmlp.cli") and not is_within(m, COMPILED)],
)
def test_heavy_packages_are_imported_lazily(module):
    roots = {
        name.partition(".")[0] for name in find_imported_modules(module, only_at_module_level=True)
    }
    assert not roots & set(HEAVY)


def test_imports_are_acyclic():
    graph = {
        module: select_own_modules(find_imported_modules(module, only_at_module_level=True))
        for module in SOURCES
    }
    done = set()
    while len(done) < len(graph):
        ready = {m for m, needed in graph.items() if m not in done and needed - {m} <= done}
        assert ready, f"import cycle among {sorted(set(graph) - done)}"
        done |= ready


def test_importing_skmlp_does_not_import_heavy_packages():
    # scikit-learn itself imports rich (for its callbacks) and pandas if they are installed.
    program = (
        "import sys, sklearn.base, sklearn.callback\n"
        "before = set(sys.modules)\n"
        "import skmlp\n"
        f"print(sorted((set(sys.modules) - before) & set({HEAVY})))"
    )
    assert run_python(program) == "[]"


def test_public_names_do_not_import_the_compiled_backend():
    program = (
        "import sys\n"
        "from skmlp import *\n"
        f"found = {{'numba', 'llvmlite', {COMPILED!r}}} & set(sys.modules)\n"
        "print(sorted(found), compile_kernels.__name__, show_versions.__name__)"
    )
    assert run_python(program) == "[] compile_kernels show_versions"


def run_python(program):
    """Return what a program prints in a new process, without spaces at the ends."""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120
    )
    return result.stdout.strip()
