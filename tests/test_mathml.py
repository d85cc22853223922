"""The renderer of the formulas in the documentation."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("latex2mathml")
pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "_ext"))

from mathml import split_formula, to_mathml


@pytest.mark.parametrize(
    ("latex", "parts"),
    [
        ("a = b", [["a = b"]]),
        (r"a \qquad b", [["a "], [" b"]]),
        (r"a \allowbreak + b \qquad c", [["a ", " + b "], [" c"]]),
        (r"a \\ b \qquad c", [[r"a \\ b \qquad c"]]),
        (
            r"\begin{pmatrix} 1 \\ 2 \end{pmatrix} \allowbreak = x",
            [[r"\begin{pmatrix} 1 \\ 2 \end{pmatrix} ", " = x"]],
        ),
        (r"\begin{split}a \allowbreak b\end{split}", [["a ", " b"]]),
    ],
)
def test_where_formulas_are_wrapped(latex, parts):
    assert split_formula(latex) == parts


@pytest.mark.parametrize(
    ("latex", "expected"),
    [
        (r"\log x", '<mi>log</mi><mspace width="0.167em"/>'),
        (r"\log(x)", '<mi>log</mi><mo stretchy="false">'),
        ("a = -b", '<mo form="prefix">&#x02212;</mo>'),
        ("|x|", '<mo stretchy="false">&#x0007C;</mo>'),
        ("f'(z)", "<mrow><mi>f</mi><mi>&#x02032;</mi></mrow>"),
        (r"\hat x", '<mover accent="true">'),
    ],
)
def test_spaces_and_sizes_are_those_of_tex(latex, expected):
    assert expected in to_mathml(latex, "inline")


def test_minus_between_two_terms_has_spaces():
    assert "<mo>&#x02212;</mo>" in to_mathml("(a) - b", "inline")
