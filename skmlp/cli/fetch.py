"""`skmlp fetch`: downloads MNIST, every byte checked."""

from skmlp.cli.arguments import add_command
from skmlp.cli.data import downloading
from skmlp.cli.failures import SUCCESS

DESCRIPTION = """\
Download MNIST, 70,000 handwritten digits, as four gzipped IDX files (11 MB).

Every file is checked by its SHA-256. What is already in DIR is checked and
kept, so a second run downloads nothing. Downloading needs pooch:
pip install "skmlp[fetch]"."""

EXAMPLES = """\
examples:
  skmlp fetch mnist-files
  skmlp train --data mnist-files"""


def add_parser(subparsers):
    """Add `skmlp fetch` to the command line."""
    parser = add_command(
        subparsers,
        "fetch",
        run,
        summary="download MNIST",
        description=DESCRIPTION,
        epilog=EXAMPLES,
    )
    parser.add_argument("directory", metavar="DIR", help="where the files go; made if missing")
    parser.add_argument("--quiet", action="store_true", help="print nothing, show no progress")


def run(arguments):
    """Carry out `skmlp fetch`."""
    from skmlp import download_mnist

    with downloading():
        paths = download_mnist(arguments.directory, progress=not arguments.quiet)
    if not arguments.quiet:
        for path in paths:
            print(f"{path}  {path.stat().st_size:,} bytes, intact")
    return SUCCESS
