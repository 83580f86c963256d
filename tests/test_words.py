"""Names in sentences, tables and pages: shown, told apart, and never taken for an order."""

import os

import pytest

from medsr.errors import InputError
from medsr.words import csv_cell, latex_text, markdown_text, printable


def test_bytes_of_another_time_stay_different_and_can_be_written():
    names = [os.fsdecode(name) for name in (b"M\xfcller", b"M\xf6ller", b"M?ller")]
    shown = [printable(name) for name in names]
    assert len(set(shown)) == 3
    assert all(word.encode("utf-8") for word in shown)
    assert printable("Müller 北京") == "Müller 北京"


@pytest.mark.parametrize(
    "sign", ["\n", "\r", "\x1b", "\x07", "\u202e", "\u2028", "\x9b", "\ud800"]
)
def test_control_characters_are_escaped_also_in_errors(sign):
    assert sign not in printable(f"a{sign}b")
    assert printable(f"a{sign}b").isprintable()
    if sign != "\n":
        assert sign not in str(InputError(f"a{sign}b: is damaged."))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_no_cell_is_a_formula(text):
    assert csv_cell(text)[0] in "'\\"
    assert csv_cell(-1.5) == -1.5


def test_markdown_and_latex():
    assert markdown_text("a|b <i>*x*</i>") == r"a\|b \<i\>\*x\*\</i\>"
    assert latex_text(r"$x^$ \input{a} & 5%") == (
        r"\$x\textasciicircum{}\$ \textbackslash{}input\{a\} \& 5\%"
    )
