"""Files that are written whole or not at all."""

import contextlib
import os
import secrets
from pathlib import Path


@contextlib.contextmanager
def replacing(path):
    """Open a file beside `path` that takes its name once it is complete and on the disk.

    Parameters
    ----------
    path : str or Path

    Yields
    ------
    file : binary file
        Whatever ends the body before its end, what stood at `path` stays, and nothing else is left.
    """
    # A link stays a link: what it points to is replaced.
    path = Path(os.path.realpath(path))
    # Opened by hand, unlike tempfile's, so that it gets the usual permissions.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(partial, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(partial):
            error.filename = str(path)  # the name that the caller knows
        raise
