"""Check that the figures of an example's output exceed the figures to beat, and print the result.

Usage: python .ci/check_figures.py FILE

FILE contains the output of an example on MNIST. In lines such as

    test accuracy: 98.62%, to beat on MNIST: 97.26% and 98.40%

the first figure must be greater than each of the others.
"""

import re
import sys
from pathlib import Path

FIGURE = r"\d+(?:\.\d+)?%?"
LINE = re.compile(rf"({FIGURE}), to beat on MNIST: ({FIGURE}(?: and {FIGURE})*)", re.M)


def parse_figure(text):
    """Return the value of a figure, a fraction or a percentage."""
    return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)


def find_figures(output):
    """Return pairs (figure reached, list of figures to beat), as texts, one for each line that states them.

    Raises
    ------
    ValueError
        If a line mentions a figure to beat in another form.
    """
    pairs = []
    for line in output.splitlines():
        if "to beat" in line:
            match = LINE.search(line)
            if match is None or match.end() != len(line):
                raise ValueError(
                    f"{line!r}: expected '<figure>, to beat on MNIST: <figure>' at its end."
                )
            pairs.append((match[1], match[2].split(" and ")))
    return pairs


def find_failures(output):
    """Return a description of each figure that does not exceed a figure to beat."""
    return [
        f"expected more than {to_beat}, got {reached}"
        for reached, others in find_figures(output)
        for to_beat in others
        if parse_figure(reached) <= parse_figure(to_beat)
    ]


if __name__ == "__main__":
    sys.exit("\n".join(find_failures(Path(sys.argv[1]).read_text(encoding="utf-8"))) or 0)
