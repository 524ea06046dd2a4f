"""The one ledger: what each bid has sold in any layer. No megawatt is sold twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from grids.arrays import FloatArray

BOOK_TOLERANCE_MW = 1e-9
"""Rounding a solver may leave on a bound; a larger excess is a double sale."""


class DoubleSaleError(RuntimeError):
    """An award that would sell more of a bid than is left of it."""


@dataclass
class Ledger:
    """Bookings of one ISP: system -> layer -> MW per bid."""

    offered: dict[str, FloatArray] = field(default_factory=dict)  # system -> (n,) MW
    layers: dict[str, dict[str, FloatArray]] = field(default_factory=dict)  # layer -> system -> (n,)
    _sold: dict[str, FloatArray] = field(default_factory=dict)

    def open(self, system: str, offered_mw: FloatArray) -> None:
        """Enter the book of a system, once, before anything is sold from it."""
        if system in self.offered:
            raise ValueError(f"the book of {system} is open already")
        self.offered[system] = offered_mw
        self._sold[system] = np.zeros(len(offered_mw))
        self._sold[system].flags.writeable = False

    def book(self, system: str, layer: str, award_mw: FloatArray) -> None:
        """Book an award (n,) MW of one layer. A `DoubleSaleError` leaves the ledger as it was."""
        sold = self._sold[system] + award_mw
        if (award_mw < -BOOK_TOLERANCE_MW).any() or (sold > self.offered[system] + BOOK_TOLERANCE_MW).any():
            worst = int(np.argmax(sold - self.offered[system]))
            raise DoubleSaleError(
                f"layer {layer}, system {system}: bid {worst} would sell {sold[worst]} MW "
                f"of {self.offered[system][worst]} MW"
            )
        sold = np.clip(sold, 0.0, self.offered[system])
        sold.flags.writeable = False
        per_system = self.layers.setdefault(layer, {})
        per_system[system] = per_system[system] + award_mw if system in per_system else award_mw
        self._sold[system] = sold

    def sold(self, system: str) -> FloatArray:
        """MW sold of each bid of a system over all layers (n,), read-only."""
        return self._sold[system]
