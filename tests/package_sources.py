"""Source files of the package, for tests that read them."""

from pathlib import Path

import skmlp

PACKAGE = Path(skmlp.__file__).parent


def get_module_name(path):
    """Return the dotted module name of a source file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: Path of the source file of each module, by dotted name.
SOURCES = {get_module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
