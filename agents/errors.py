"""What goes wrong with what agents do."""

from __future__ import annotations


class StrategyError(ValueError):
    """An offer that no aggregator may make: whose strategy, and what was wrong."""
