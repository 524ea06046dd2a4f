"""What goes wrong with markets."""

from __future__ import annotations


class ClearingError(RuntimeError):
    """An auction whose programme has no optimal solution: who ran it, and what the solver said."""
