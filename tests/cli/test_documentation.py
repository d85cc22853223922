"""The console blocks and the table of options in the documentation match the commands."""

import contextlib
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from skmlp.cli import COMMANDS, main
from skmlp.cli.options import get_options, to_flag
from skmlp.cli.progress import EpochLines
from skmlp.cli.train_options import TrainOptions
from skmlp.versions import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    "docs/reference/cli.rst",
    "docs/installation.rst",
    "docs/tutorial/own_digits.rst",
    "docs/howto/ensembles.rst",
    "docs/howto/recipes.rst",
    "docs/howto/resuming.rst",
    "README.md",
)
# Commands that install packages or train for minutes.
NOT_RUN = re.compile(r"python3 |\. |pip |skmlp \w+ .*accurate-run")
# Commands whose numbers depend on the machine. Their percentages are compared with a tolerance, in percentage points.
TRAINED = re.compile(
    r"skmlp (train|evaluate|report|combine|draw|export|info .*\.safetensors)|head .*history\.csv"
)
TOLERANCE = 5

NUMBER = re.compile(r"\d(?:[\w.,]*\w)?")
DECIMAL_NUMBER = re.compile(r"\d+\.\d+")
DURATION = re.compile(r"\d+\.\d+(?= s\b)")
PERCENTAGE = re.compile(r"\d+\.\d+(?= %)")
KERNEL_COUNT = re.compile(r"(?<=/)\d+(?=  )|(?<=Compiled )\d+")
FINGERPRINT = re.compile(r"\b[0-9a-f]{16}\b")


@dataclass(frozen=True)
class Example:
    """Command in a console block, with the lines that it prints."""

    command: str
    output: tuple[str, ...]
    place: str


def read_examples(document):
    """Return the examples in the console blocks of a document."""
    lines = (ROOT / document).read_text(encoding="utf-8").splitlines()
    examples = []
    for start, line in enumerate(lines):
        if line == ".. code-block:: console":
            examples += parse_block(lines, start + 2, f"{document}:", lambda line: line[:1] > " ")
        elif line == "```console":
            examples += parse_block(lines, start + 1, f"{document}:", lambda line: line == "```")
    return examples


def parse_block(lines, start, place, is_end):
    """Yield the examples of the block that begins at a line."""
    end = next((i for i in range(start, len(lines)) if is_end(lines[i])), len(lines))
    block = [line.removeprefix("   ") for line in lines[start:end]]
    prompts = [i for i, line in enumerate(block) if line.startswith("$ ")]
    for begin, stop in zip(prompts, [*prompts[1:], len(block)], strict=True):
        command, first = block[begin].removeprefix("$ "), begin + 1
        while command.endswith("\\"):
            command = command.removesuffix("\\") + block[first].removeprefix(">")
            first += 1
        output = "\n".join(block[first:stop]).strip("\n").splitlines()
        yield Example(" ".join(command.split()), tuple(output), f"{place}{start + begin + 1}")


def run_example(example, monkeypatch):
    """Run a command or pipeline in the working directory, and return the printed lines."""
    first, *filters = (shlex.split(part) for part in example.command.split("|"))
    if first[0] == "skmlp":
        with monkeypatch.context() as patch:
            if "^C" in example.output:
                interrupt_after_the_last_documented_epoch(example, patch)
            if example.command.startswith("skmlp train"):
                replace_report(patch)
            if example.command == "skmlp compile":
                replace_compiler(patch)
            if example.command == "skmlp info --versions":
                remove_variables(patch)
            stdout, stderr = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                main(first[1:])
        lines = (stdout.getvalue() + stderr.getvalue()).splitlines()
    else:
        program, count, path = first
        lines = filter_lines(program, count, Path(path).read_text().splitlines())
    for program, count in filters:
        lines = filter_lines(program, count, lines)
    return lines


def filter_lines(program, count, lines):
    """Return the lines that `head -3` or `tail -3` prints."""
    return {"head": lines[: -int(count)], "tail": lines[int(count) :]}[program]


def interrupt_after_the_last_documented_epoch(example, patch):
    """Simulate Ctrl-C where the output of the example shows ^C."""
    before = " ".join(example.output[: example.output.index("^C")])
    last_epoch = int(re.findall(r"epoch +(\d+)/", before)[-1])
    show = EpochLines.show

    def show_and_interrupt(self, epoch, n_epochs, last):
        show(self, epoch, n_epochs, last)
        if epoch == last_epoch:
            raise KeyboardInterrupt

    patch.setattr(EpochLines, "show", show_and_interrupt)


def replace_report(patch):
    """Replace the report of a run by an empty file. test_train.py tests the real one."""
    patch.setattr("skmlp.write_report", lambda mlp, X, y, path, **options: Path(path).touch())


def replace_compiler(patch):
    """Replace the compiler of kernels by an instant one, and use another cache. test_compile.py tests the real one."""
    patch.setenv("SKMLP_CACHE_DIR", str(Path.cwd() / ".cache" / "skmlp"))
    patch.setattr("skmlp.engine.compiled.library.compile_by_name", lambda *kernel: b"code")


def remove_variables(patch):
    """Remove the environment variables that are printed, and use another cache."""
    for name in VARIABLES:
        patch.delenv(name, raising=False)
    patch.setattr("skmlp.engine.compiled.library.get_cache_root", lambda: Path("cache"))


def normalize(line, command):
    """Replace the numbers of a line that depend on the machine, and runs of spaces and dashes."""
    if TRAINED.match(command):
        line = NUMBER.sub("#", line)
    elif command.startswith("skmlp predict"):
        line = DECIMAL_NUMBER.sub("#", line)
    elif command == "skmlp info --versions":
        line = line.strip().partition("  ")[0]  # the name of a fact
    elif command == "skmlp compile":
        line = FINGERPRINT.sub("#", KERNEL_COUNT.sub("#", line))
    return re.sub(r"-{3,}", "---", " ".join(DURATION.sub("#", line).split()))


def is_match(expected, line, command):
    """Return whether a printed line is the documented one; "..." stands for any text."""
    parts = normalize(expected, command).split("...")
    return re.fullmatch(".*".join(map(re.escape, parts)), normalize(line, command)) and all(
        abs(float(documented) - float(printed)) <= TOLERANCE
        for documented, printed in zip(
            PERCENTAGE.findall(expected), PERCENTAGE.findall(line), strict=True
        )
    )


def assert_same_output(example, lines):
    """Compare the printed lines with the documented ones; a line "[...]" stands for any lines."""
    expected = [line for line in example.output if line != "^C"]
    printed = lines
    if "[...]" in expected:
        n_first = expected.index("[...]")
        n_last = len(expected) - n_first - 1
        expected.remove("[...]")
        printed = lines[:n_first] + lines[len(lines) - n_last :]
    differ = len(expected) != len(printed) or not all(
        is_match(*pair, example.command) for pair in zip(expected, printed, strict=True)
    )
    if differ:
        heading = f"{example.place}: $ {example.command}"
        report = [heading, "documented:", *expected, "printed:", *printed]
        pytest.fail("\n".join(report), pytrace=False)


def draw_photo(path):
    """Draw a dark 7 on light paper."""
    photo = Image.new("L", (640, 480), 225)
    ImageDraw.Draw(photo).line([(250, 130), (390, 130), (300, 360)], fill=40, width=22)
    photo.save(path)


def draw_page(path):
    """Draw a dark 7 and a dark 1 on light paper."""
    page = Image.new("L", (240, 170), 225)
    draw = ImageDraw.Draw(page)
    draw.line([(44, 36), (94, 36), (62, 130)], fill=40, width=9)
    draw.line([(160, 32), (156, 130)], fill=40, width=9)
    page.save(path)


@pytest.fixture
def example_directory(tmp_path, monkeypatch):
    """Change to a directory with the input files of the examples."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    draw_photo(tmp_path / "photo.jpg")
    draw_page(tmp_path / "page.png")
    return tmp_path


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("dataset", ["bundled digits", "mnist"])
def test_examples_print_the_documented_lines(
    example_directory, monkeypatch, request, document, dataset
):
    on_mnist = dataset == "mnist"
    examples = [
        each
        for each in read_examples(document)
        if ("mnist" in each.command) == on_mnist and not NOT_RUN.match(each.command)
    ]
    if on_mnist and examples:
        (example_directory / "mnist-files").symlink_to(request.getfixturevalue("mnist_dir"))
    for example in examples:
        lines = run_example(example, monkeypatch)
        home = str(Path.cwd())
        assert_same_output(example, [line.replace(home, "/home/ada") for line in lines])


def test_every_command_has_an_example():
    commands = [example.command for example in read_examples("docs/reference/cli.rst")]
    assert {command.split()[1] for command in commands if command.startswith("skmlp")} == set(
        COMMANDS
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command):
    text = (ROOT / "docs" / "reference" / "cli.rst").read_text(encoding="utf-8")
    for name, option in get_options(COMMANDS[command].options_class).items():
        assert option.positional or re.search(rf"``{to_flag(name)}\b", text), name


def test_table_of_options_names_the_parameters():
    text = (ROOT / "docs" / "reference" / "cli.rst").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^   \* - ``(--[\w-]+).*\n     - ``(\w+)``$", text, re.MULTILINE))
    assert rows == {
        to_flag(name): option.parameter
        for name, option in get_options(TrainOptions).items()
        if option.parameter is not None
    }
