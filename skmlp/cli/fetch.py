"""`skmlp fetch`: downloads MNIST and verifies it."""

from dataclasses import dataclass

from skmlp.cli.datasets import downloading
from skmlp.cli.errors import SUCCESS
from skmlp.cli.options import Option, declare
from skmlp.cli.parser import Command
from skmlp.cli.values import FLAG, PATH

DESCRIPTION = """\
Download MNIST, 70,000 handwritten digits, as four gzipped IDX files (11 MB).

Every file is verified by its SHA-256. Files that are already in DIR are
verified and kept, so a second run downloads nothing. Downloading needs pooch:
pip install "skmlp[fetch]"."""

EXAMPLES = """\
examples:
  skmlp fetch mnist-files
  skmlp train --data mnist-files"""


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """The options of `skmlp fetch`."""

    directory: str = declare(
        Option(
            PATH,
            "where to write the files; created if it is missing",
            metavar="DIR",
            positional=True,
        )
    )
    quiet: bool = declare(Option(FLAG, "print nothing, show no progress"), False)


def run(options):
    """Run `skmlp fetch`."""
    from skmlp import download_mnist

    with downloading():
        paths = download_mnist(options.directory, progress=not options.quiet)
    if not options.quiet:
        for path in paths:
            print(f"{path}  {path.stat().st_size:,} bytes, intact")
    return SUCCESS


COMMAND = Command(
    "fetch",
    summary="download MNIST",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=FetchOptions,
    run=run,
)
