"""`skmlp fetch`: download MNIST and verify it."""

from dataclasses import dataclass
from pathlib import Path

from skmlp.cli.datasets import translate_download_errors
from skmlp.cli.errors import CANNOT_WRITE, SUCCESS, CommandError
from skmlp.cli.options import Option, declare
from skmlp.cli.parser import Command
from skmlp.cli.values import FLAG, PATH

DESCRIPTION = """\
Download MNIST, 70,000 images of handwritten digits, as four IDX files
compressed with gzip (11 MB).

The SHA-256 digest of every file is verified. Existing files are verified and
kept, so a second run downloads nothing. Downloading requires pooch:
pip install "skmlp[fetch]"."""

EXAMPLES = """\
examples:
  skmlp fetch mnist-files
  skmlp train --data mnist-files"""


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """Options of `skmlp fetch`."""

    directory: str = declare(
        Option(
            PATH,
            "Directory of the files. Created if it does not exist.",
            metavar="DIR",
            positional=True,
        )
    )
    quiet: bool = declare(Option(FLAG, "Print nothing and show no progress bar."), False)


def run(options):
    """Run `skmlp fetch`."""
    from skmlp import download_mnist

    directory = Path(options.directory)
    if directory.exists() and not directory.is_dir():
        raise CommandError(
            CANNOT_WRITE, f"{directory}: DIR must be a directory, got a file. Choose another path."
        )
    with translate_download_errors():
        paths = download_mnist(directory, progress=not options.quiet)
    if not options.quiet:
        for path in paths:
            print(f"{path}  {path.stat().st_size:,} bytes, intact")
    return SUCCESS


COMMAND = Command(
    "fetch",
    summary="Download MNIST.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=FetchOptions,
    run=run,
)
