"""All errors of Tandem. `TandemError` is the base class of each, so one clause catches them all.

Three kinds: wrong input (`InputError` and its subclasses, `StrategyError`, `SchemeError`, `BaselineError`);
problems without a solution (`ClearingError`, `RoundsError`, `NoEquilibriumError`); faults of Tandem itself
(`FaultError` and its subclasses), after which no result can be trusted.
"""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")

LONGEST = {"source": 300, "field": 160, "problem": 1_500, "hint": 3_000}
"""Largest number of characters that a message prints of each part; `hint` may list all known names."""


def printable(text: object, longest: int = 80) -> str:
    r"""A text from outside on one line: of bounded length, non-printable characters as escapes.

    Line ends, control characters, terminal sequences and marks of writing direction would change what a
    terminal shows. A text that is too long loses its middle, so that the end of a path stays.

    >>> printable("one\ntwo"), printable("folder/" * 100 + "case.json", 30)
    ('one\\ntwo', 'folder/folder/folde... se.json')
    """
    given = cut(str(text), longest)
    if given.isprintable():
        return given
    return cut("".join(c if c.isprintable() else escaped(c) for c in given), longest)


def escaped(character: str) -> str:
    """A character as an escape of Python."""
    return character.encode("unicode_escape").decode("ascii")


def cut(text: str, longest: int) -> str:
    """A text of at most `longest` characters; the middle of a longer one is left out."""
    if len(text) <= longest:
        return text
    end = longest // 4
    return f"{text[: longest - end - 4]}... {text[len(text) - end :]}"


class TandemError(Exception):
    """The base of all errors that Tandem raises itself.

    >>> from tandem_sim import clear
    >>> try:
    ...     clear("alexander-b", "comon")
    ... except TandemError as error:
    ...     print(type(error).__name__)
    InputError
    """


class FaultError(TandemError, RuntimeError):
    """A fault of Tandem: a result that must not occur. The results of the run cannot be trusted.

    Please report it. An audit that fails, a double sale and a wrong activation are faults:

    >>> issubclass(AuditError, FaultError), issubclass(InputError, FaultError)
    (True, False)
    """


def present(value: Value | None, what: str) -> Value:
    """The value. Raises `FaultError` naming `what` where there is none, although there must be one."""
    if value is None:
        raise FaultError(f"{what} is missing")
    return value


class InputError(TandemError, ValueError):
    """Input that cannot be used: a file, a scenario, a network or an argument.

    Parameters
    ----------
    source: the file, scenario or network with the fault.
    field: the key, table or column at fault.
    problem: what is wrong with it.
    hint: how to correct it.

    >>> from tandem_sim import read_scenario
    >>> try:
    ...     read_scenario("reference", {"dso.ofset": "linear"})
    ... except InputError as error:
    ...     print(error)
    bundled scenario reference: dso.ofset: is an unknown key (did you mean offset?). Known keys here: ...
    """

    def __init__(self, source: str, field: str, problem: str, hint: str) -> None:
        super().__init__(source, field, problem, hint)  # all four arguments, so that the error can be pickled
        self.source = source
        self.field = field
        self.problem = problem
        self.hint = hint

    def __str__(self) -> str:
        """The message on one line of bounded length, whatever the parts contain."""
        source, field, problem, hint = (printable(getattr(self, part), n) for part, n in LONGEST.items())
        return f"{source}: {field}: {problem}. {hint}."


class StaleError(InputError):
    """A checkpoint that cannot be used: it is damaged, or belongs to another run or other code."""


class BusyError(InputError):
    """Another process is working on the run."""


class ProfileError(TandemError, ValueError):
    """The measured data do not contain what was requested; the message says which part, and what to do."""


class MatlabError(TandemError):
    """A MATLAB text contains something that is not supported: the reason, and the line if known (else 0)."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.why, self.line = why, line


class SchemeError(TandemError, ValueError):
    """A scheme that is not composed correctly: which block, and why."""


class UnknownEntryError(TandemError, AttributeError):
    """An entry of an operator state that is not known, or that a block may not read: which one, and where."""


class StrategyError(TandemError, ValueError):
    """An offer that no aggregator may make: whose strategy, and what is wrong.

    >>> from tandem_sim import Offers
    >>> from tandem_sim.testing import check_strategy
    >>> class Greedy:
    ...     learns = False
    ...
    ...     def offers(self, view):
    ...         return Offers(view.cost, 2.0 * view.quantity_mw)
    >>> check_strategy(lambda seed: Greedy())
    Traceback (most recent call last):
    ...
    tandem_sim.grids.errors.StrategyError: strategy Greedy of A, ISP 0: offers ... MW that it owns
    """


class BaselineError(TandemError, ValueError):
    """An estimate that no baseline may give: whose method, in which ISP, and what is wrong."""


class StrategyLimitError(StrategyError):
    """A strategy exceeded its time limit. This ends a run, whatever the setting for faults of strategies.

    Computing time depends on the machine, and no result may depend on the machine.
    """


class WithheldError(TandemError, LookupError):
    """A strategy reads information that it has not declared."""


class OverdueError(TandemError):
    """Code from outside Tandem has exceeded its time limit."""


class ClearingError(TandemError, RuntimeError):
    """An optimisation problem of an auction has no optimum: which auction, and the solver message.

    `tandem_sim.clear` does not raise it: the message is in `Clearing.failed`, and other schemes are cleared.

    >>> from tandem_sim import clear
    >>> clear("alexander-b", "common").failed
    {}
    """


class RoundsError(TandemError, RuntimeError):
    """Repeated blocks of a scheme that did not agree within the rounds allowed."""


class NoEquilibriumError(TandemError, RuntimeError):
    """Best responses that neither settle nor repeat within the rounds allowed."""


class ContractError(FaultError):
    """An activation that a contract does not allow: which contract, when, and why."""


class DoubleSaleError(FaultError):
    """An award of more than what is left of a bid."""


class AuditError(FaultError):
    """A condition that must always hold was violated: which one, and in which ISP."""


class PowerFlowMismatchError(FaultError):
    """The fast and the reference power flow give different results."""
