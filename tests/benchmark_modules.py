"""Import of the modules in benchmarks/, which import each other by their short names."""

import sys
from contextlib import contextmanager
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@contextmanager
def benchmarks_on_path():
    """Make the modules importable, and remove them from `sys.modules` at the end."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield
    finally:
        sys.path.remove(str(BENCHMARKS))
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and Path(file).is_relative_to(BENCHMARKS):
                del sys.modules[name]
