"""Atomic writes: files that are written completely or not at all."""

import contextlib
import os
import secrets
from pathlib import Path


@contextlib.contextmanager
def replacing(path):
    """Open a temporary file that replaces `path` once it is complete and on disk.

    If the body raises an exception, the file at `path` stays as it was, and no other file is left.

    Parameters
    ----------
    path : str or Path
        A symbolic link stays a link: the file that it points to is replaced.

    Yields
    ------
    file : binary file
    """
    path = Path(os.path.realpath(path))
    # Opened by name, unlike a file of tempfile, so that it gets the usual permissions.
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
    sync_directory(path.parent)


def sync_directory(path):
    """Write the names of files in a directory to disk, so that a rename survives a power failure."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot open directories
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
