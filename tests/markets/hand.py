"""A system small enough to clear by hand: two transmission nodes, and areas that hang on the second."""

from __future__ import annotations

from tandem_sim.experiments.studies.equal_schemes.small_cases import Row, book, feeder, over_line, system

__all__ = ["Row", "book", "feeder", "over_line", "system"]
