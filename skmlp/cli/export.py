"""`skmlp export`: write a model in a format that other programs read."""

from dataclasses import dataclass

from skmlp.cli.datasets import SCALE_HELP, apply_scale
from skmlp.cli.drawing_page import WEIGHTS, write_page
from skmlp.cli.errors import SUCCESS
from skmlp.cli.model_files import declare_model_argument, read_model
from skmlp.cli.options import Option, declare
from skmlp.cli.outputs import check_output_file
from skmlp.cli.parser import Command
from skmlp.cli.values import FACTOR, PATH, OptionError

NAME = "export"
PROGRAM = f"skmlp {NAME}"

DESCRIPTION = """\
Export a model to other programs.

--html writes a page on which one can draw a digit and see the network read it.
The page is one file, which works offline, from a local disk and on phones."""

EXAMPLES = """\
examples:
  skmlp export skmlp-run/model.safetensors --html draw.html
  skmlp export mnist-run/model.safetensors --html draw.html --weights float16"""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of `skmlp export`."""

    model: str = declare_model_argument()
    html: str | None = declare(
        Option(
            PATH,
            "HTML file to write. An existing file is replaced. [default: none]",
            "output",
            "FILE",
        ),
        None,
    )
    weights: str | None = declare(WEIGHTS, None)
    scale: float | None = declare(Option(FACTOR, SCALE_HELP, "pixel", "FACTOR"), None)

    def __post_init__(self):
        if self.html is None:
            raise OptionError("expected --html FILE, got no format to export to.")


def run(options):
    """Run `skmlp export`."""
    (model,) = apply_scale(options.scale, [read_model(options.model)])
    check_output_file(options.html, inputs=(options.model,), option="--html")
    write_page(model, options.html, options.weights, PROGRAM)
    return SUCCESS


COMMAND = Command(
    NAME,
    summary="Export a model to other programs.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=ExportOptions,
    run=run,
)
