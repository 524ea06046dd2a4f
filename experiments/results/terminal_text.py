"""Plain text for the terminal: its width, and paragraphs that fit."""

from __future__ import annotations

from shutil import get_terminal_size
from textwrap import wrap

WIDE = 130
"""Characters of a line if output goes to a file or a pipe and COLUMNS is not set."""


def terminal_width(otherwise: int = WIDE) -> int:
    """Characters of a line of the terminal (or COLUMNS); `otherwise` if output is no terminal."""
    return get_terminal_size((otherwise, 0)).columns


def decimals(value: float, digits: int) -> str:
    """A number with so many decimals; what rounds to zero is zero, without a sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def hanging(text: str, width: int, indent: int = 4) -> list[str]:
    """Lines of a paragraph, all but the first indented; no word is broken."""
    begin = text[: len(text) - len(text.lstrip())]
    return wrap(
        text.lstrip(),
        max(width, 2 * indent + 10),
        initial_indent=begin,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
