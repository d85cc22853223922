"""Atomic writes: a file is either written completely or not changed."""

import contextlib
import os
import secrets
from pathlib import Path


@contextlib.contextmanager
def atomic_write(path):
    """Open a temporary file that replaces `path` once it is complete and synced to disk.

    If the body raises an exception, `path` is unchanged and the temporary file is removed.

    Parameters
    ----------
    path : str or Path
        If it is a symbolic link, its target is replaced and the link is kept.

    Yields
    ------
    file : binary file
    """
    path = Path(os.path.realpath(path))
    # open() respects the umask; the files of tempfile are readable by their owner only.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename == str(temporary):
            error.filename = str(path)  # report the caller's path, not the temporary one
        raise
    sync_directory(path.parent)


def sync_directory(path):
    """Sync a directory to disk, so that a rename in it survives a power failure."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot open directories
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
