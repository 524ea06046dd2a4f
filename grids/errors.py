"""The one error a person sees for bad input: where it is, what is wrong, how to mend it."""

from __future__ import annotations


class InputError(ValueError):
    """Something a person gave cannot be used.

    Parameters
    ----------
    source: the file, scenario or network the fault is in.
    field: the key, table or column at fault.
    problem: what is wrong with it.
    mend: what to do about it.
    """

    def __init__(self, source: str, field: str, problem: str, mend: str) -> None:
        super().__init__(source, field, problem, mend)  # all four, so that copies can be made of it
        self.source = source
        self.field = field
        self.problem = problem
        self.mend = mend

    def __str__(self) -> str:
        """All in one line."""
        return f"{self.source}: {self.field}: {self.problem}. {self.mend}."


class PowerFlowMismatchError(RuntimeError):
    """The fast power flow and the reference power flow disagree: results cannot be trusted."""
