"""The documentation lists all constructor parameters, public names and extras."""

import ast
import inspect
import pkgutil
import re
from contextlib import nullcontext
from importlib.metadata import metadata
from pathlib import Path

import pytest
from sklearn.neural_network import MLPClassifier

import skmlp
import skmlp.augment
import skmlp.callbacks
import skmlp.recipes
import skmlp.schedules
import skmlp.typing
from skmlp import MLPDigitClassifier

DOCS = Path(__file__).resolve().parents[1] / "docs"
MODULES_WITH_ALL = (skmlp, skmlp.augment, skmlp.schedules, skmlp.typing)
MODULES_WITHOUT_ALL = (skmlp.callbacks, skmlp.recipes)
# A value of each additional parameter that is not its default.
ADDITIONAL_PARAMETERS = {
    "dropout": 0.5,
    "input_dropout": 0.5,
    "batch_norm": True,
    "label_smoothing": 0.1,
    "weight_decay": 0.1,
    "max_norm": 1.0,
    "clip_norm": 1.0,
    "class_weight": "balanced",
    "weight_init": "he_normal",
    "warmup_epochs": 1,
    "ema_decay": 0.9,
    "monitor": "loss",
    "input_scale": 0.5,
    "augmentation": "digits",
    "image_shape": (2, 2),
    "adversarial_norm": 1.0,
    "virtual_adversarial_norm": 1.0,
    "image_features": "gradients",
}


def read_lines(name):
    return (DOCS / name).read_text(encoding="utf-8").splitlines()


def read_section(name, title):
    """Return the lines of a section, up to the next title with the same underline."""
    lines = read_lines(name)
    start = lines.index(title) + 1
    underline = lines[start][0]
    ends = [
        i - 1
        for i, line in enumerate(lines)
        if i > start and re.fullmatch(rf"{re.escape(underline)}{{3,}}", line)
    ]
    return lines[start + 1 : min(ends, default=len(lines))]


def get_first_cells(lines):
    """Return the first cell of each row of the list-tables, without the headers."""
    cells = []
    for line in lines:
        if line.startswith(".. list-table::"):
            is_header = True
        elif line.startswith("   * - "):
            if not is_header:
                cells.append(line.removeprefix("   * - "))
            is_header = False
    return cells


def find_literals(cells):
    """Return the inline literals of all cells."""
    return [literal for cell in cells for literal in re.findall(r"``(.+?)``", cell)]


def get_defaults(cls):
    return {name: p.default for name, p in inspect.signature(cls).parameters.items()}


def read_api_names():
    """Return the full names that docs/reference/api.rst lists, in autosummaries and as data."""
    names, current, indent = [], None, None
    for line in read_lines("reference/api.rst"):
        directive = re.fullmatch(r"\.\. (\w+):: *(.*)", line)
        if directive:
            kind, argument = directive.groups()
            if kind in ("module", "currentmodule"):
                current = argument
            elif kind == "data":
                names.append(f"{current}.{argument}")
            indent = "   " if kind == "autosummary" else None
        elif line and not line.startswith(" "):
            indent = None
        elif indent and (entry := line.strip()) and not entry.startswith(":"):
            names.append(f"{current}.{entry}")
    return names


def find_public_names():
    """Return the full name of each public object."""
    listed = {f"{module.__name__}.{name}" for module in MODULES_WITH_ALL for name in module.__all__}
    defined = {
        f"{module.__name__}.{name}"
        for module in MODULES_WITHOUT_ALL
        for name, value in vars(module).items()
        if getattr(value, "__module__", None) == module.__name__
    }
    return listed | defined | {"skmlp.recipes.RECIPES"}


def test_scikit_learn_parameters_are_documented():
    rows = find_literals(
        get_first_cells(
            read_section("explanation/from_scikit_learn.rst", "scikit-learn's parameters")
        )
    )
    assert rows == list(get_defaults(MLPClassifier))
    assert rows == list(get_defaults(MLPDigitClassifier))[: len(rows)]


def test_additional_parameters_are_documented_with_their_defaults():
    rows = find_literals(
        get_first_cells(read_section("explanation/from_scikit_learn.rst", "Additional parameters"))
    )
    documented = {
        name: ast.literal_eval(default) for name, default in (row.split("=") for row in rows)
    }
    defaults = get_defaults(MLPDigitClassifier)
    additional = {name: defaults[name] for name in defaults.keys() - get_defaults(MLPClassifier)}
    assert documented == additional
    assert list(documented) == [name for name in defaults if name in additional]
    assert documented.keys() == ADDITIONAL_PARAMETERS.keys()


@pytest.mark.parametrize("name", ADDITIONAL_PARAMETERS)
def test_parameters_are_marked_if_lbfgs_does_not_support_them(name):
    cells = get_first_cells(
        read_section("explanation/from_scikit_learn.rst", "Additional parameters")
    )
    marked = {cell.split("=")[0].strip("`") for cell in cells if cell.endswith("*")}
    error = pytest.raises(ValueError, match=f"^{name} ") if name in marked else nullcontext()
    parameters = {"random_state": 0, name: ADDITIONAL_PARAMETERS[name]}
    mlp = MLPDigitClassifier((2,), solver="lbfgs", **parameters)
    with error:
        mlp.fit([[0, 1, 2, 3], [3, 2, 1, 0]], [0, 1])


def test_every_public_name_is_in_the_api_reference():
    names = read_api_names()
    assert len(set(names)) == len(names)
    assert find_public_names() <= set(names)


@pytest.mark.parametrize("name", read_api_names())
def test_names_in_the_api_reference_exist(name):
    pkgutil.resolve_name(name)


def test_all_extras_are_documented():
    extras = find_literals(get_first_cells(read_section("installation.rst", "Extras")))
    assert sorted(extras) == sorted(metadata("skmlp").get_all("Provides-Extra"))


def list_included_code():
    """Return the file, the object and the first marker of each excerpt of the sources in the documentation."""
    excerpts = []
    for page in sorted(DOCS.rglob("*.rst")):
        for path, options in re.findall(
            r"\.\. literalinclude:: (\S+\.py)\n((?: +:[^\n]*\n)+)", page.read_text(encoding="utf-8")
        ):
            settings = dict(re.findall(r":([\w-]+): (.+)", options))
            if "start-at" in settings and "pyobject" in settings:
                excerpts.append(
                    ((page.parent / path).resolve(), settings["pyobject"], settings["start-at"])
                )
    return excerpts


@pytest.mark.parametrize(("path", "name", "marker"), list_included_code())
def test_included_code_begins_at_the_only_line_with_its_marker(path, name, marker):
    """An excerpt begins at the first line that contains the marker, which new code before it may contain, too."""
    source = path.read_text(encoding="utf-8")
    node = ast.parse(source)
    for part in name.split("."):
        (node,) = (child for child in node.body if getattr(child, "name", None) == part)
    lines = ast.get_source_segment(source, node).splitlines()
    assert sum(marker in line for line in lines) == 1


def test_private_names_in_the_explanations_exist():
    code = "".join(path.read_text(encoding="utf-8") for path in DOCS.parent.glob("skmlp/**/*.py"))
    text = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("explanation/*.rst"))
    names = set(re.findall(r"``(_\w+)``", text))
    assert names
    assert names <= set(re.findall(r"\w+", code))


EPOCH_WITH_DURATION = re.compile(r"^ +epoch +\d+/\d+ .* s$", re.MULTILINE)
DURATION = re.compile(r"\b(?:\d+|half a|two|three|five|ten|twenty) (?:s|seconds?|minutes)\b")


def test_pages_with_durations_of_epochs_say_that_they_depend_on_the_machine():
    pages = {path: path.read_text(encoding="utf-8") for path in DOCS.rglob("*.rst")}
    with_epochs = {path: text for path, text in pages.items() if EPOCH_WITH_DURATION.search(text)}
    assert {path.name for path in with_epochs} >= {"own_digits.rst", "installation.rst", "cli.rst"}
    for path, text in with_epochs.items():
        assert "durations depend on the machine" in " ".join(text.split()), path


@pytest.mark.parametrize("directory", ["tutorial", "howto", "reference"])
def test_durations_in_instructions_name_the_processor(directory):
    """A duration that was measured on one machine is wrong on another one."""
    for path in [*(DOCS / directory).glob("*.rst"), DOCS / "installation.rst"]:
        for paragraph in path.read_text(encoding="utf-8").split("\n\n"):
            is_output = paragraph.startswith((" ", ">>>"))
            if not is_output and DURATION.search(" ".join(paragraph.split())):
                assert re.search("AMD|Intel", paragraph), f"{path}: {paragraph}"
