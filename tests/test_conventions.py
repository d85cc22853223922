"""Conventions of the package's source code: private names and messages."""

import ast
import re

import pytest
from package_sources import SOURCES

# Attributes with a leading underscore that may be accessed on other objects, with the reason.
ALLOWED_PRIVATE_ATTRIBUTES = {
    "_getframe": "a documented function of sys",
    "_init_callback_context": "scikit-learn's callback protocol",
    "_replace": "a public method of named tuples",
    "_state": "the training state of an estimator; scikit-learn forbids a public name that `fit` sets",
    "_unsaved_parameters": "a class attribute that tells checkpoints what they cannot contain",
    "_validate_params": "scikit-learn's validation of parameters",
}
every_module = pytest.mark.parametrize("module", SOURCES)


def parse(module):
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


# Private names


def find_module_level_names(tree):
    """Return the names that a module defines or imports outside functions and classes."""
    nodes, names = list(tree.body), set()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, ast.Lambda):
            nodes.extend(ast.iter_child_nodes(node))
    return names


def find_class_attributes(tree):
    """Return the names of the attributes and methods of all classes of a module."""
    names = set()
    for class_definition in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        names |= find_module_level_names(class_definition)
        names |= {
            node.attr
            for node in ast.walk(class_definition)
            if isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and is_own_object(node.value)
        }
    return names


def find_foreign_private_attributes(tree):
    """Return the private attributes that a module accesses on objects of classes of other modules."""
    own = find_class_attributes(tree)
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and is_private(node.attr)
        and not is_own_object(node.value)
        and node.attr not in own
    }


def is_own_object(node):
    """Return whether an expression is `self`, `cls` or `super()`."""
    if isinstance(node, ast.Call):
        return ast.unparse(node) == "super()"
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def test_private_names_are_found():
    tree = ast.parse(
        "from a import b as _c\n"
        "_d: int = 1\n"
        "if _d:\n    def _e(x):\n        _local = x._f\n        return (x.y._g, x._h(), _local)\n"
        "class I:\n    _j = 0\n    def _k(self, other):\n        self._l = other._l\n        return self._m\n"
    )
    assert {name for name in find_module_level_names(tree) if is_private(name)} == {
        "_c",
        "_d",
        "_e",
    }
    assert find_class_attributes(tree) == {"_j", "_k", "_l"}
    assert find_foreign_private_attributes(tree) == {"_f", "_g", "_h"}


@every_module
def test_module_level_names_have_no_leading_underscore(module):
    assert not {name for name in find_module_level_names(parse(module)) if is_private(name)}


@every_module
def test_private_attributes_are_used_only_by_their_class(module):
    assert find_foreign_private_attributes(parse(module)) <= set(ALLOWED_PRIVATE_ATTRIBUTES)


def test_all_exceptions_for_private_attributes_are_needed():
    used = set().union(*(find_foreign_private_attributes(parse(module)) for module in SOURCES))
    assert set(ALLOWED_PRIVATE_ATTRIBUTES) <= used


# Messages


def find_strings(tree):
    """Return the texts of all string literals of a module except its docstrings."""
    docstrings = find_docstrings(tree)
    texts = (get_text(node) for node in ast.walk(tree) if node not in docstrings)
    return [text for text in texts if text is not None]


def find_docstrings(tree):
    owners = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    return {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, owners) and node.body and isinstance(node.body[0], ast.Expr)
    }


def find_messages(tree):
    """Return the literal messages of the exceptions and warnings that a module creates."""
    messages = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func).rpartition(".")[2]
        if name.endswith(("Error", "Warning", "Exception")) or name in ("warn", "warn_caller"):
            messages += [text for text in map(get_text, node.args) if text is not None]
    return messages


def get_text(node):
    """Return the text of a string expression, with `{}` for its other values; None if it has no literal part."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        operands = node.values
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        operands = [node.left, node.right]
    else:
        return None
    texts = [get_text(operand) for operand in operands]
    if not any(texts):
        return None
    return "".join("{}" if text is None else text for text in texts)


def has_wrong_form(text):
    """Return whether a text states an invalid value in another form than ", got x."."""
    return re.search(r"\bGot\b|; got\b", text) is not None


def is_complete(message):
    """Return whether a message ends with a period, a question mark or an interpolated value."""
    return message.endswith((".", "?", "{}"))


def test_messages_are_found():
    tree = ast.parse(
        '"""Got."""\n'
        "def f(x, y):\n"
        '    """Got."""\n'
        '    warnings.warn("a", UserWarning)\n'
        '    warn_caller(f"b {x}")\n'
        "    if x:\n"
        '        raise ValueError(f"c {x!r}" " d." + str(y))\n'
        "    text = f\"{g('e')}. Got {x}\"\n"
        '    raise errors.SomeError("f, " + text + ".")\n'
    )
    assert sorted(find_messages(tree)) == ["a", "b {}", "c {} d.{}", "f, {}."]
    strings = find_strings(tree)
    assert "{}. Got {}" in strings
    assert "e" in strings
    assert "Got." not in strings
    assert [has_wrong_form(text) for text in ("x. Got 1.", "x; got 1.", "x, got 1.")] == [1, 1, 0]
    assert [is_complete(text) for text in ("x.", "x?", "x {}", "x", "x:")] == [1, 1, 1, 0, 0]


@every_module
def test_invalid_values_are_stated_in_one_form(module):
    assert not [text for text in find_strings(parse(module)) if has_wrong_form(text)]


@every_module
def test_messages_are_complete_sentences(module):
    assert not [message for message in find_messages(parse(module)) if not is_complete(message)]
