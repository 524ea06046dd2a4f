"""What goes wrong with what agents do."""

from __future__ import annotations


class StrategyError(ValueError):
    """An offer that no aggregator may make: whose strategy, and what was wrong."""


class StrategyLimitError(StrategyError):
    """A strategy that took longer than it may. It ends a run whatever else is done about faults.

    How long code takes depends on the machine, and no result may.
    """
