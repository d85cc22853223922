"""Entry point for `python -m skmlp`, which runs the `skmlp` command."""

import sys

from skmlp.cli import main

if __name__ == "__main__":
    sys.exit(main())
