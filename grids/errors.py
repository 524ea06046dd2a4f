"""All errors of Tandem; `TandemError` is the base of each, so that one clause catches them all.

What somebody gave (`InputError` and its kin, `StrategyError`, `SchemeError`), what has no answer
(`ClearingError`, `RoundsError`, `NoEquilibriumError`), and what must never happen (`FaultError`): a result
that cannot be trusted.
"""

from __future__ import annotations

LONGEST = {"source": 300, "field": 160, "problem": 1_500, "hint": 3_000}
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


class TandemError(Exception):
    """The base of all errors that Tandem raises itself."""


class FaultError(TandemError, RuntimeError):
    """Something that must never happen did: a fault of Tandem, and its results cannot be trusted."""


class InputError(TandemError, ValueError):
    """Something a person gave cannot be used.

    Parameters
    ----------
    source: the file, scenario or network the fault is in.
    field: the key, table or column at fault.
    problem: what is wrong with it.
    hint: what to do about it.
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


class StaleError(InputError):
    """A checkpoint that cannot serve: it is damaged, or of another run or other code."""


class BusyError(InputError):
    """Another process is at work on the run."""


class ProfileError(TandemError, ValueError):
    """The measured data cannot give what was asked; the message says which part, and what to do."""


class MatlabError(TandemError):
    """What a MATLAB text asks for is not done: why, and in which line if that is known."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why, self.line = why, line


class SchemeError(TandemError, ValueError):
    """A scheme that is badly composed: which block, and why."""


class StrategyError(TandemError, ValueError):
    """An offer that no aggregator may make: whose strategy, and what was wrong."""


class StrategyLimitError(StrategyError):
    """A strategy that took longer than it may. It ends a run whatever else is done about faults.

    How long code takes depends on the machine, and no result may.
    """


class WithheldError(TandemError, LookupError):
    """A strategy reads what it has not declared that it looks at."""


class OverdueError(TandemError):
    """Code of others has taken longer than it may."""


class ClearingError(TandemError, RuntimeError):
    """An auction whose optimisation problem has no optimal solution: who ran it, and what the solver said."""


class RoundsError(TandemError, RuntimeError):
    """Blocks of a scheme that are repeated until they agree, and did not within the rounds allowed."""


class NoEquilibriumError(TandemError, RuntimeError):
    """Best responses that neither settle nor come back within the rounds allowed."""


class ContractError(FaultError):
    """An activation that a contract does not allow: whose, when, and why."""


class DoubleSaleError(FaultError):
    """An award that would sell more of a bid than is left of it."""


class AuditError(FaultError):
    """Something that must always hold did not: what, and in which ISP."""


class PowerFlowMismatchError(FaultError):
    """The fast power flow and the reference power flow disagree."""
