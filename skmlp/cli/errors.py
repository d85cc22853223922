"""Exit statuses, and errors that end a command with one line on stderr."""

import errno
from contextlib import contextmanager

SUCCESS = 0
CANNOT_WRITE = 1
USAGE = 2
BAD_DATA = 3
BAD_MODEL = 4
INTERRUPTED = 130
BROKEN_PIPE = 141  # the status that a shell reports for a program that SIGPIPE ended

FIXES = {
    errno.ENOENT: "check the path",
    errno.EISDIR: "give a file, not a directory",
    errno.ENOTDIR: "check the path: one of its parents is not a directory",
    errno.EACCES: "ask for permission or choose another path",
    errno.EPERM: "ask for permission or choose another path",
    errno.EROFS: "choose a path on a disk that is writable",
    errno.ENOSPC: "free some space or choose another disk",
    errno.EDQUOT: "free some space or choose another disk",
    errno.ENAMETOOLONG: "choose a shorter name",
}


class CommandError(Exception):
    """An error that ends a command with one line on stderr.

    Parameters
    ----------
    exit_status : int
        Exit status of the command.
    message : str
        What is wrong, and how to fix it.
    """

    def __init__(self, exit_status, message):
        super().__init__(message)
        self.exit_status = exit_status


@contextmanager
def command_errors(exit_status, errors=(OSError, EOFError, ValueError)):
    """Turn errors, by default those of files and their contents, into a :class:`CommandError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except errors as error:
        raise CommandError(exit_status, one_line(error)) from error


def one_line(error):
    """Return the message of an exception in one line; for errors of the system, with a fix."""
    if not isinstance(error, OSError) or error.strerror is None:
        return " ".join(str(error).split()) or type(error).__name__
    subject = "" if error.filename is None else f"{error.filename}: "
    fix = FIXES.get(error.errno)
    return f"{subject}{error.strerror.lower()}" + (f"; {fix}" if fix else "")
