"""HTML and SVG from Python values. Every text is escaped: names in a run may come from a stranger."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

MINUS, THIN = "\N{MINUS SIGN}", "\N{NARROW NO-BREAK SPACE}"
NOTHING = "\N{EN DASH}"
"""Shown where there is no number."""
_VOID = ("br", "hr", "img", "input", "meta", "line", "rect", "path", "circle", "polyline")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *content: object, **attributes: object) -> Markup:
    """An element. Content that is no `Markup` is text and is escaped; so are values of attributes.

    An attribute ends in ``_`` where Python has the word itself, ``_`` inside is a hyphen; None is left out.

    >>> tag("p", "a < b", class_="note")
    '<p class="note">a &lt; b</p>'
    """
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not content:
        return Markup(
            f"<{name}{given}/>" if name not in ("br", "hr", "meta", "input") else f"<{name}{given}>"
        )
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")


def joined(content: Iterable[object]) -> Markup:
    """Parts one behind the other, texts escaped."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(str(c)) for c in content))


def table(
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    numeric: Iterable[int] = (),
    **attributes: object,
) -> Markup:
    """A table that scrolls sideways where it is too wide; `numeric` are columns of numbers.

    With class ``stack`` each row is a block on narrow screens, with the name of a column before its value.
    """
    right = {*numeric}
    names: Sequence[object] = head if attributes.get("class_") == "stack" else [None] * len(head)
    first = tag("tr", *(tag("th", cell, scope="col", class_=_side(k, right)) for k, cell in enumerate(head)))
    lines = [
        tag("tr", *(tag("td", cell, class_=_side(k, right), data_of=names[k]) for k, cell in enumerate(row)))
        for row in rows
    ]
    found = tag("table", tag("thead", first), tag("tbody", *lines), **attributes)
    return tag("div", found, class_="scroll", tabindex="0", role="region", aria_label="table")


def _side(column: int, right: set[int]) -> str | None:
    return "n" if column in right else None


POWERS_FROM = 1e15
"""Numbers of this size are written as powers of ten."""


def number(value: float | None, digits: int = 4, signed: bool = False) -> str:
    r"""A number as text: so many significant digits, thousands apart, a real minus sign, never -0.

    From 1e15 on it is a power of ten.

    >>> number(-0.0), number(0.12344), number(1.5, signed=True), number(3e38)
    ('0', '0.1234', '+1.5', '3e38')
    """
    if value is None or not math.isfinite(value):
        return NOTHING
    if abs(value) < 1e-9:
        return "0"
    if abs(value) >= POWERS_FROM:
        text = f"{value:.{digits}g}".replace("e+", "e")
    elif isinstance(value, int) or abs(value) >= 10**digits:
        text = f"{value:,.0f}"
    else:
        text = f"{value:,.{max(digits - 1 - math.floor(math.log10(abs(value))), 0)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    if float(text.replace(",", "")) == 0.0:
        return "0"
    plus = "+" if signed and value > 0 else ""
    return plus + text.replace(",", THIN).replace("-", MINUS)


def json_text(data: Any) -> Markup:
    """JSON that may stand in a script element, whatever its texts hold; NaN raises ValueError."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Markup(text)
