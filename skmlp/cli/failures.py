"""What can go wrong for a user: exit statuses, and errors told in one line with the mend."""

import errno
from contextlib import contextmanager

SUCCESS = 0
CANNOT_WRITE = 1
USAGE = 2
BAD_DATA = 3
BAD_MODEL = 4
INTERRUPTED = 130
BROKEN_PIPE = 141  # what a shell reports of a program that the closed pipe has ended

MENDS = {
    errno.ENOENT: "check the path",
    errno.EISDIR: "give a file, not a directory",
    errno.ENOTDIR: "check the path: a part of it is no directory",
    errno.EACCES: "ask for permission or choose another path",
    errno.EPERM: "ask for permission or choose another path",
    errno.EROFS: "choose a path on a disk that can be written",
    errno.ENOSPC: "free some space or choose another disk",
    errno.EDQUOT: "free some space or choose another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class CommandError(Exception):
    """An error that ends a command with one line on stderr.

    Parameters
    ----------
    exit_status : int
        What the command exits with.
    message : str
        What is wrong, and how to mend it.
    """

    def __init__(self, exit_status, message):
        super().__init__(message)
        self.exit_status = exit_status


@contextmanager
def failing_with(exit_status, errors=(OSError, EOFError, ValueError)):
    """Turn errors, by default those of files and what is in them, into a :class:`CommandError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except errors as error:
        raise CommandError(exit_status, explain(error)) from error


def explain(error):
    """Tell an exception in one line; for the operating system's errors, with the mend."""
    if not isinstance(error, OSError) or error.strerror is None:
        return " ".join(str(error).split()) or type(error).__name__
    subject = "" if error.filename is None else f"{error.filename}: "
    mend = MENDS.get(error.errno)
    return f"{subject}{error.strerror.lower()}" + (f"; {mend}" if mend else "")
