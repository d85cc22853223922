"""`skmlp compile`: compile the kernels for training ahead of time."""

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from time import perf_counter

from skmlp.cli.console import make_console, print_line
from skmlp.cli.errors import CANNOT_WRITE, SUCCESS, CommandError, format_error, translate_errors
from skmlp.cli.options import Option, declare
from skmlp.cli.parser import Command
from skmlp.cli.values import FLAG, make_choice_type
from skmlp.formatting import format_count

DESCRIPTION = """\
Compile the kernels for training ahead of time.

Training compiles the kernels that it needs and stores them on disk. This
command compiles all kernels that are not stored yet, which saves that time in
the first training, for example in a container. It requires numba:
pip install "skmlp[fast]".

The kernels are stored in the directory in the environment variable
SKMLP_CACHE_DIR; by default in the user's cache directory."""

EXAMPLES = """\
examples:
  skmlp compile
  skmlp compile --type float32"""

LINE_INTERVAL = 10  # kernels


@dataclass(frozen=True, kw_only=True)
class CompileOptions:
    """Options of `skmlp compile`."""

    type: str | None = declare(
        Option(
            make_choice_type(("float32", "float64")),
            "Compile only the kernels for weights of one type: float32, which 'skmlp train' uses, or "
            "float64. [default: both]",
            metavar="TYPE",
        ),
        None,
    )
    quiet: bool = declare(Option(FLAG, "Print nothing and show no progress bar."), False)


def run(options):
    """Run `skmlp compile`."""
    from skmlp import compile_kernels

    start = perf_counter()
    with make_progress(options.quiet) as progress, translate_compilation_errors():
        directory = compile_kernels(progress.show, dtype=options.type)
    seconds = perf_counter() - start
    if options.quiet:
        return SUCCESS
    if progress.n_kernels:
        print_line(f"Compiled {format_count(progress.n_kernels, 'kernel')} in {seconds:.1f} s")
        print_line(f"Written to {directory}")
    else:
        print_line(f"All kernels are up to date in {directory}")
    return SUCCESS


@contextmanager
def translate_compilation_errors():
    """Convert the errors for a missing package and for a directory that cannot be written."""
    try:
        with translate_errors(CANNOT_WRITE, ImportError):
            yield
    except BrokenPipeError:
        raise
    except OSError as error:
        message = format_error(error)
        if error.errno is not None:  # otherwise, the message contains a fix
            message += " Set SKMLP_CACHE_DIR to a writable directory."
        raise CommandError(CANNOT_WRITE, message) from error


def make_progress(quiet):
    """Return the display of the progress on stdout: nothing, a bar on a terminal (with rich), or lines."""
    if quiet:
        return KernelCount()
    if find_spec("rich") is not None:
        console = make_console()
        if console.is_terminal and not console.is_dumb_terminal:
            return KernelBar(console)
    return KernelLines()


class KernelCount:
    """Number of kernels to compile, without a display.

    Attributes
    ----------
    n_kernels : int
    """

    n_kernels = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        """Do nothing at the end."""

    def show(self, n_done, n_kernels, name):
        """Record the number of kernels."""
        self.n_kernels = n_kernels


class KernelLines(KernelCount):
    """Progress as a line for every few kernels."""

    def show(self, n_done, n_kernels, name):
        """Print a line if it is due."""
        super().show(n_done, n_kernels, name)
        if n_done % LINE_INTERVAL == 0 and name:
            print_line(f"kernel {n_done + 1:>{len(str(n_kernels))}}/{n_kernels}  {name}")


class KernelBar(KernelCount):
    """Progress as a bar."""

    def __init__(self, console):
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("kernel {task.completed}/{task.total}", markup=False),
            BarColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._task = None

    def __exit__(self, *exception):
        """Stop updating the bar, which remains on the terminal."""
        if self._task is not None:
            self._progress.stop()

    def show(self, n_done, n_kernels, name):
        """Show the bar, if there is a kernel to compile."""
        super().show(n_done, n_kernels, name)
        if not n_kernels:
            return
        if self._task is None:
            self._task = self._progress.add_task("", total=n_kernels)
            self._progress.start()
        self._progress.update(self._task, completed=n_done)


COMMAND = Command(
    "compile",
    summary="Compile the kernels for training.",
    description=DESCRIPTION,
    examples=EXAMPLES,
    options_class=CompileOptions,
    run=run,
)
