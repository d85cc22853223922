"""Lazy imports of the public names that a stub file lists."""

import ast
from importlib import import_module
from pathlib import Path


def attach_stub(package, file):
    """Return the module attributes `__getattr__`, `__dir__` and `__all__` of a package with a stub file.

    A name is imported when it is first used. The stub file ``__init__.pyi`` states the module of each name, for this
    function as well as for editors and type checkers [1]_.

    Parameters
    ----------
    package : str
        Name of the package, ``__name__``.
    file : str
        Path of its source, ``__file__``.

    Returns
    -------
    attributes : tuple
        The functions for `__getattr__` and `__dir__`, and the list for `__all__`, which does not contain submodules.

    References
    ----------
    .. [1] Scientific Python Ecosystem Coordination, "SPEC 1 - Lazy loading of submodules and functions",
       https://scientific-python.org/specs/spec-0001/
    """
    module_of_name = read_stub(Path(file).with_suffix(".pyi"))

    submodules = {name for name, module in module_of_name.items() if module == package}

    def import_name(name):
        if name in submodules:
            return import_module(f"{package}.{name}")
        if name in module_of_name:
            return getattr(import_module(module_of_name[name]), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names():
        return sorted([*module_of_name, "__version__"])

    return import_name, list_names, sorted(module_of_name.keys() - submodules)


def read_stub(path):
    """Return the module from which a stub file imports each name, as a dict."""
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    return {
        alias.name: statement.module
        for statement in statements
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
