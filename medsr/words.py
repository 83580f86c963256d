"""How names and durations are printed in text, tables and HTML.

File names hold any byte: control characters, which move a terminal's cursor, bytes that are no
UTF-8, and signs that a spreadsheet, Markdown or LaTeX take for orders.
"""

from __future__ import annotations

import re

__all__ = ["csv_cell", "duration_words", "latex_text", "markdown_text", "printable"]

#: Control characters, marks that turn the direction of writing, and halves of characters, which
#: stand for bytes that are no UTF-8.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)

#: What makes a spreadsheet take a cell for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}


def printable(text: str) -> str:
    r"""A text for people: what cannot be shown stands as an escape, so that different names stay
    different.

    >>> printable("M\udcfcller\n")
    'M\\xfcller\\n'
    """
    return _UNPRINTABLE.sub(lambda found: _escape(found[0]), text)


def _escape(sign: str) -> str:
    code = ord(sign)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return sign.encode("unicode_escape", "surrogatepass").decode("ascii")


def csv_cell(value: object) -> object:
    """A cell of a CSV table that no spreadsheet takes for a formula; numbers stay numbers.

    >>> csv_cell("=1+1"), csv_cell("head"), csv_cell(-1.5)
    ("'=1+1", 'head', -1.5)
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return "'" + text if text.startswith(_FORMULA) else text


def markdown_text(text: str) -> str:
    r"""A text that Markdown shows as it is, also in a table.

    >>> markdown_text("a|b_c")
    'a\\|b\\_c'
    """
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", printable(text))


def latex_text(text: str) -> str:
    r"""A text that LaTeX prints as it is.

    >>> latex_text("50 % of x_1")
    '50 \\% of x\\_1'
    """
    return "".join(_LATEX.get(sign, sign) for sign in printable(text))


def duration_words(seconds: float) -> str:
    """A duration for people.

    >>> duration_words(42), duration_words(600), duration_words(20000)
    ('42 s', '10 min', '5.6 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.2g} h"
