"""The ledger of an ISP: what each bid has sold in any market. No megawatt is sold twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from tandem_sim.grids.errors import DoubleSaleError
from tandem_sim.grids.tolerances import NEGLIGIBLE_MW
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.clearing.purposes import Purposes


@dataclass(kw_only=True)
class Ledger:
    """Bookings of one ISP: market -> system -> MW per bid, their pay, and their purposes."""

    offered: dict[str, FloatArray] = field(default_factory=dict)  # system -> (n,) MW
    markets: dict[str, dict[str, FloatArray]] = field(default_factory=dict)  # market -> system -> (n,) MW
    paid: dict[str, dict[str, FloatArray]] = field(default_factory=dict)  # the same in EUR/h
    make_whole: dict[str, dict[str, FloatArray]] = field(default_factory=dict)  # EUR/h, part of `paid`
    purposes: dict[str, dict[str, Purposes]] = field(default_factory=dict)
    clearings: dict[str, dict[str, AuctionNeed]] = field(
        default_factory=dict
    )  # market -> system -> the auction
    _sold: dict[str, FloatArray] = field(default_factory=dict)

    def open(self, system: str, offered_mw: FloatArray) -> None:
        """Enter the book of a system, once, before anything is sold from it."""
        if system in self.offered:
            raise ValueError(f"the book of {system} is open already")
        self.offered[system] = offered_mw
        self._sold[system] = np.zeros(len(offered_mw))
        self._sold[system].flags.writeable = False

    def book(self, system: str, market: str, sale: Sale) -> None:
        """Book what one market bought from a book. A `DoubleSaleError` leaves the ledger unchanged."""
        award_mw = sale.award_mw
        sold = self._sold[system] + award_mw
        if (award_mw < -NEGLIGIBLE_MW).any() or (sold > self.offered[system] + NEGLIGIBLE_MW).any():
            worst = int(np.argmax(sold - self.offered[system]))
            raise DoubleSaleError(
                f"market {market}, system {system}: bid {worst} would sell {sold[worst]} MW "
                f"of {self.offered[system][worst]} MW"
            )
        sold = np.clip(sold, 0.0, self.offered[system])
        sold.flags.writeable = False
        for table, values in (
            (self.markets, award_mw),
            (self.paid, sale.paid_eur_per_h),
            (self.make_whole, sale.make_whole_eur_per_h),
        ):
            per_system = table.setdefault(market, {})
            per_system[system] = per_system[system] + values if system in per_system else values
        why = self.purposes.setdefault(market, {})
        why[system] = why[system].plus(sale.purposes) if system in why else sale.purposes
        self._sold[system] = sold

    def cancel(self, system: str, market: str, refused_mw: FloatArray) -> None:
        """Cancel (n,) MW of the awards of a market, and their pay in proportion."""
        award = self.markets[market][system]
        if (refused_mw < -NEGLIGIBLE_MW).any() or (refused_mw > award + NEGLIGIBLE_MW).any():
            raise ValueError(f"market {market}, system {system}: more is cancelled than was awarded")
        left = np.clip(award - refused_mw, 0.0, None)
        share = np.divide(left, award, out=np.zeros(len(award)), where=award > 0)
        self.markets[market][system] = left
        self.paid[market][system] = self.paid[market][system] * share
        self.make_whole[market][system] = self.make_whole[market][system] * share
        kept = np.where(award > 0, share, 1.0)
        self.purposes[market][system] = self.purposes[market][system].scaled(kept)
        sold = np.clip(self._sold[system] - (award - left), 0.0, None)
        sold.flags.writeable = False
        self._sold[system] = sold

    def lower(self, system: str, offered_mw: FloatArray) -> None:
        """Lower the offers (n,) MW of a book, none below what is sold."""
        if (offered_mw > self.offered[system] + NEGLIGIBLE_MW).any():
            raise ValueError(f"system {system}: an offer cannot be raised after its book has closed")
        if (offered_mw < self._sold[system] - NEGLIGIBLE_MW).any():
            raise ValueError(f"system {system}: an offer cannot be lowered below what is sold of it")
        self.offered[system] = offered_mw

    def note(self, system: str, market: str, clearing: AuctionNeed) -> None:
        """Record the need of an auction in a system, and the part left unserved."""
        self.clearings.setdefault(market, {})[system] = clearing

    def unserved_mw(self) -> float:
        """Need that all auctions left unserved (MW >= 0), over systems and directions, without netting."""
        answers = [c.answer for systems in self.clearings.values() for c in systems.values()]
        return sum((a.short_mw + a.long_mw for a in answers), 0.0)

    def sold(self, system: str) -> FloatArray:
        """MW sold of each bid of a system over all markets (n,), read-only."""
        return self._sold[system]
