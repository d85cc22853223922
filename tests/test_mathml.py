"""The renderer of the formulas in the documentation."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("latex2mathml")
pytest.importorskip("sphinx")
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs" / "_ext"))

from mathml import convert_parts, split_formula, to_mathml


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


@pytest.mark.parametrize(
    ("sign", "character"), [("+", "&#x0002B;"), ("-", "&#x02212;")], ids=["plus", "minus"]
)
def test_sign_at_the_start_of_a_line_has_the_spaces_of_an_operator(sign, character):
    """A part of a formula that begins with a sign continues the previous part."""
    first, second = convert_parts([f"{sign}a ", f" {sign} b (c {sign} d)"])
    assert f'<mo form="infix">{character}</mo><mi>b</mi>' in second
    assert second.count("infix") == 1
    assert second == to_mathml(f"{sign} b (c {sign} d)", "block").replace(
        f"<mo>{character}</mo>", f'<mo form="infix">{character}</mo>', 1
    )
    assert first == to_mathml(f"{sign}a", "block")  # here, it is the sign of the first term


def test_other_starts_of_a_line_are_not_changed():
    parts = ["a", "= b", r"\cdot c", "d"]
    assert convert_parts(parts) == [to_mathml(part, "block") for part in parts]
