"""The one error a person sees for bad input: where it is, what is wrong, how to mend it."""

from __future__ import annotations

LONGEST = {"source": 300, "field": 160, "problem": 1_500, "mend": 3_000}
"""Most characters that a message prints of each part; `hint` may list all names that are known."""


def printable(text: object, longest: int = 80) -> str:
    r"""A text of others on one line: of bounded length, and what is no printable character as an escape.

    Line ends, control characters, terminal sequences and marks that change the direction of writing would
    change what a person reads on a terminal. What is too long is cut in the middle, so that the end of a path
    stays.

    >>> printable("one\ntwo"), printable("folder/" * 100 + "case.json", 30)
    ('one\\ntwo', 'folder/folder/folde... se.json')
    """
    given = cut(str(text), longest)
    if given.isprintable():
        return given
    return cut("".join(c if c.isprintable() else _escaped(c) for c in given), longest)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def cut(text: str, longest: int) -> str:
    """A text of at most `longest` characters, without its middle if it has more."""
    if len(text) <= longest:
        return text
    end = longest // 4
    return f"{text[: longest - end - 4]}... {text[len(text) - end :]}"


class InputError(ValueError):
    """Something a person gave cannot be used.

    Parameters
    ----------
    source: the file, scenario or network the fault is in.
    field: the key, table or column at fault.
    problem: what is wrong with it.
    mend: what to do about it.
    """

    def __init__(self, source: str, field: str, problem: str, hint: str) -> None:
        super().__init__(source, field, problem, hint)  # all four, so that copies can be made of it
        self.source = source
        self.field = field
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        """All in one line, of bounded length, whatever others wrote into it."""
        source, field, problem, hint = (printable(getattr(self, part), n) for part, n in LONGEST.items())
        return f"{source}: {field}: {problem}. {hint}."


class PowerFlowMismatchError(RuntimeError):
    """The fast power flow and the reference power flow disagree: results cannot be trusted."""
