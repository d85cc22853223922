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

IDX_MAGICS = (b"\0\0", b"\x1f\x8b")  # uncompressed, gzip

FIXES = {
    errno.ENOENT: "Check the path.",
    errno.EISDIR: "Pass a file, not a directory.",
    errno.ENOTDIR: "Check the path: one of its parents is not a directory.",
    errno.EACCES: "Check the permissions or choose another path.",
    errno.EPERM: "Check the permissions or choose another path.",
    errno.EROFS: "Choose a path on a writable file system.",
    errno.ENOSPC: "Free some space or choose another disk.",
    errno.EDQUOT: "Free some space or choose another disk.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


class CommandError(Exception):
    """Error that ends a command with one line on stderr.

    Parameters
    ----------
    exit_status : int
        Exit status of the command.
    message : str
        What is wrong and how to fix it, in complete sentences.
    """

    def __init__(self, exit_status, message):
        super().__init__(message)
        self.exit_status = exit_status


@contextmanager
def translate_errors(exit_status, errors=(OSError, EOFError, ValueError)):
    """Convert errors, by default those of reading files, into a :class:`CommandError`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except errors as error:
        raise CommandError(exit_status, format_error(error)) from error


@contextmanager
def suggest_formats(start, accepted):
    """Add the accepted formats to the error for a file that does not start like an IDX file."""
    try:
        yield
    except ValueError as error:
        if start.startswith(IDX_MAGICS):
            raise
        raise CommandError(BAD_DATA, f"{format_error(error)} Pass {accepted}.") from error


def format_error(error):
    """Return the message of an exception in one line that ends with a period.

    Operating system errors get the name of the file and a suggested fix.
    """
    if not isinstance(error, OSError) or error.strerror is None:
        message = " ".join(str(error).split()) or type(error).__name__
        return message if message.endswith((".", "!", "?")) else f"{message}."
    subject = "" if error.filename is None else f"{error.filename}: "
    fix = FIXES.get(error.errno)
    return f"{subject}{error.strerror.lower()}." + (f" {fix}" if fix else "")
