"""Public names, annotations of public signatures, and scikit-learn's HTML view of the estimators."""

import ast
import html
import inspect
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from sklearn.utils import estimator_html_repr

import skmlp
from skmlp import Deslant, DigitAugmenter, IDXReader, ImageResizer, MLPDigitClassifier
from skmlp.dask import DaskMLPDigitClassifier

STUB = Path(skmlp.__file__).with_suffix(".pyi")
MODULES = ["augment", "callbacks", "dask", "export", "recipes", "schedules", "typing"]
ESTIMATORS = [
    MLPDigitClassifier,
    DaskMLPDigitClassifier,
    IDXReader,
    Deslant,
    DigitAugmenter,
    ImageResizer,
]


def find_imported_names(path):
    """Return the names that a stub imports, as {name: module}."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        alias.asname: node.module
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def find_public_objects():
    """Return every public class and function by its full name."""
    modules = {
        "skmlp": skmlp,
        **{f"skmlp.{name}": import_module(f"skmlp.{name}") for name in MODULES},
    }
    found = {
        f"{module_name}.{name}": getattr(module, name)
        for module_name, module in modules.items()
        for name in module.__all__
    }
    return {
        name: value
        for name, value in found.items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__.startswith("skmlp.")
    }


def find_public_signatures():
    """Return every public function, and every public method or property that skmlp defines, by its full name."""
    signatures = {}
    for name, value in find_public_objects().items():
        if not inspect.isclass(value):
            signatures[name] = value
            continue
        for member, function in vars(value).items():
            function = getattr(function, "fget", getattr(function, "__func__", function))
            function = getattr(function, "fn", function)  # available_if
            if inspect.isfunction(function) and (
                member == "__init__" or not member.startswith("_")
            ):
                signatures[f"{name}.{member}"] = function
    return signatures


# Names


def test_stub_lists_the_public_names():
    names = find_imported_names(STUB)
    assert {name for name, module in names.items() if module == "skmlp"} == set(MODULES)
    assert names.keys() - set(MODULES) == set(skmlp.__all__)
    assert set(dir(skmlp)) == {*names, "__version__"}


@pytest.mark.parametrize(("name", "module"), find_imported_names(STUB).items())
def test_public_names_are_attributes_of_the_package(name, module):
    if module == "skmlp":
        assert getattr(skmlp, name) is import_module(f"skmlp.{name}")
    else:
        assert getattr(skmlp, name) is getattr(import_module(module), name)


def test_unknown_name_raises():
    with pytest.raises(AttributeError, match="'skmlp' has no attribute 'MLPClassifier'"):
        _ = skmlp.MLPClassifier


@pytest.mark.parametrize("name", MODULES)
def test_public_modules_list_their_names(name):
    module = import_module(f"skmlp.{name}")
    # Constants, classes and functions, each in alphabetical order.
    assert module.__all__ == sorted(
        module.__all__, key=lambda name: (not name.isupper(), name.islower(), name)
    )
    assert all(hasattr(module, each) for each in module.__all__)


# Annotations


@pytest.mark.parametrize("name", find_public_signatures())
def test_public_signatures_are_annotated(name):
    signature = inspect.signature(find_public_signatures()[name])
    unannotated = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.name not in ("self", "cls") and parameter.annotation is parameter.empty
    ]
    assert not unannotated
    assert name.endswith(".__init__") or signature.return_annotation is not signature.empty


# scikit-learn's HTML view


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_html_view_describes_every_parameter(estimator):
    page = estimator_html_repr(estimator())
    for name in inspect.signature(estimator).parameters:
        assert f'href="{estimator()._get_doc_link()}#:~:text={name},-' in page, name
        assert f"{name}: " in html.unescape(page), name


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_html_view_links_to_the_documentation(estimator):
    link = estimator()._get_doc_link()
    assert link.startswith("https://")
    module = "skmlp.dask" if estimator is DaskMLPDigitClassifier else "skmlp"
    assert link.endswith(f"/reference/generated/{module}.{estimator.__name__}.html")


def test_documentation_link_can_be_overridden(monkeypatch):
    monkeypatch.setattr(
        MLPDigitClassifier, "_doc_link_template", "file:///docs/{estimator_name}.html"
    )
    assert MLPDigitClassifier()._get_doc_link() == "file:///docs/MLPDigitClassifier.html"


def test_environment_variable_selects_another_copy_of_the_documentation():
    program = "import skmlp; print(skmlp.IDXReader()._get_doc_link())"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"SKMLP_DOCS_URL": "file:///docs/"},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert result.stdout.strip() == "file:///docs/reference/generated/skmlp.IDXReader.html"
