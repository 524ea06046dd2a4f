"""Numbers in documents: plain decimal notation, and other notations that look like numbers."""

from __future__ import annotations

import math
import re
import unicodedata

from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import printable

LONGEST_NUMBER = 100
"""Most characters of a number. The longest 64-bit number needs 24."""
LARGEST_WHOLE = 10**40
"""Whole numbers must be smaller: seeds of 128 bits are."""
_WHOLE = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_REAL = re.compile(r"[-+]?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?")
_ODD = (
    (re.compile(r"[-+]?0[0-9]+(\.[0-9]*)?(e[-+]?[0-9]+)?"), "has a leading zero"),
    (re.compile(r"[-+]?0x[0-9a-f_]+"), "is hexadecimal"),
    (re.compile(r"[-+]?0o[0-7_]+"), "is octal"),
    (re.compile(r"[-+]?0b[01_]+"), "is binary"),
    (re.compile(r"[-+]?\.?[0-9][0-9_]*(\.[0-9_]*)?(e[-+]?[0-9_]+)?"), "has underscores"),
    (re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?"), "may be a time or a number to base 60"),
    (re.compile(r"[-+]?[0-9]+(,[0-9]+)+(\.[0-9]*)?(e[-+]?[0-9]+)?"), "has a comma"),
    (re.compile(r"[-+]?[0-9]{1,3}( [0-9]{3})+([.,][0-9]*)?"), "has spaces"),
    (re.compile(r"[-+]?\.?(nan|inf|infinity)"), "is not finite"),
)
"""Other notations, in small letters and ASCII digits, and how messages describe them. YAML 1.1 has most of
them."""
_SIGNS = str.maketrans({"\u2212": "-", "\u2012": "-", "\u2013": "-", "\u066b": ".", "\u066c": "_"})


def decimal(text: str) -> int | float | None:
    """A number in plain decimal notation; None for a text that is no number.

    Whole numbers are ASCII digits after an optional sign, without leading zeros; others have a point, an
    exponent or both: ``-12``, ``0.5``, ``.5``, ``1e3``. Raises `ValueError` for a number that a computation
    cannot represent: too long, too large, or so small that it would become zero.
    """
    if len(text) > LONGEST_NUMBER:
        if _REAL.fullmatch(text):
            raise ValueError(f"is {printable(text, 40)}, a number of {len(text)} characters")
        return None
    if _WHOLE.fullmatch(text):
        whole = int(text)
        if not -LARGEST_WHOLE < whole < LARGEST_WHOLE:
            raise ValueError(f"is {shown(whole)}")
        return whole
    if not _REAL.fullmatch(text):
        return None
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"is {text}, which is too large a number")
    if number == 0.0 and re.search("[1-9]", re.split("[eE]", text)[0]):
        raise ValueError(f"is {text}, a number so small that it would be read as zero")
    return number


def odd_number(text: str) -> str | None:
    """How a text looks like a number in another notation; None for any other text.

    >>> odd_number("0x1F"), odd_number("1_000"), odd_number("line 4")
    ('is hexadecimal', 'has underscores', None)
    """
    if len(text) > LONGEST_NUMBER:
        return None
    plain = _in_ascii(text)
    if _REAL.fullmatch(plain):
        return None if plain == text else "is not written in the digits 0 to 9"
    return next((said for pattern, said in _ODD if pattern.fullmatch(plain.lower())), None)


def _in_ascii(text: str) -> str:
    """`text` with digits, signs, points and spaces of other scripts as ASCII, and without invisible marks."""
    if text.isascii():
        return text
    seen = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    digits = "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in seen)
    return digits.translate(_SIGNS)
