"""The tables of a run for one ISP, and the bids in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from tandem_sim.experiments.api import Run
from tandem_sim.experiments.results.kpis import NARROWING
from tandem_sim.experiments.run_folder.tables import read_table
from tandem_sim.experiments.runs.moments import isp_at
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.tolerances import EQUAL_MW
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.markets.coordination.description import SchemeDescription
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.output.tables import TABLES
from tandem_sim.sim.scenario.scenario import Scenario

MAIN = ("bids", "activations", "clearings", "settlement", "rejections", "sellers", "bid_checks")
"""Tables of every run; runs of earlier versions lack some of the others."""


@dataclass(frozen=True, kw_only=True)
class Bid:
    """A bid of one ISP. `direction` is 1 up, -1 down; `mw` is what is offered, `price` asked, EUR/MWh."""

    system: str  # T, or an area
    bid_id: str
    provider: str
    node: int
    direction: int
    demand: bool  # a company's bid to buy; `direction` is its effect on the system
    mw: float
    price: float

    @property
    def way(self) -> str:
        """The direction in a word."""
        return way(self.direction)

    def gain(self, price: float) -> float:
        """EUR/MWh by which the bid is in the money at a price of the balance; below zero, out of it."""
        return self.direction * (price - self.price)


def way(direction: int) -> str:
    """A direction in a word: up is more injection or less consumption."""
    return "up" if direction > 0 else "down"


def rows_of(frame: pd.DataFrame) -> Iterable[Any]:
    """The rows of a table, columns by name."""
    return frame.itertuples()


def calendar_of(scenario: Scenario) -> Calendar:
    """The ISPs of a scenario."""
    return scenario.calendar


def isp_of(run: Run, moment: str) -> int:
    """The ISP of a run given by its number, or by a local time. Raises an `InputError`."""
    calendar = calendar_of(run.scenario)
    if moment.isdecimal() and len(moment) < len("20160418"):
        if int(moment) < calendar.n_isp:
            return int(moment)
        raise InputError(
            "--isp", moment, "names no ISP", f"ISPs of this run are 0 to {calendar.n_isp - 1}; or give a time"
        )
    return isp_at(moment, calendar, "--isp")


@dataclass(frozen=True)
class IspTables:
    """The rows of every table of a run for one ISP."""

    run: Run
    isp: int

    def __post_init__(self) -> None:
        """Raise an `InputError` for an ISP that the run does not have."""
        last = calendar_of(self.run.scenario).n_isp - 1
        if not 0 <= self.isp <= last:
            raise InputError(str(self.run.folder), f"ISP {self.isp}", "is not there", f"Use 0 to {last}")

    @cached_property
    def _read(self) -> dict[str, pd.DataFrame]:
        return {}

    def __getitem__(self, table: str) -> pd.DataFrame:
        """Rows of a table; none if a run of an earlier version lacks the table. Raises `InputError`."""
        if table not in self._read:
            found = pd.DataFrame(columns=list(TABLES[table]))
            if table in MAIN or table in self.run.tables:
                found = read_table(self.run.folder, table, isp=self.isp)
            self._read[table] = found
        return self._read[table]

    @cached_property
    def scenario(self) -> Scenario:
        """The scenario of the run."""
        return self.run.scenario

    @cached_property
    def scheme(self) -> SchemeDescription:
        """The coordination scheme of the run."""
        return self.run.scheme

    @property
    def hours(self) -> float:
        """Length of the ISP, h."""
        return self.scenario.isp_minutes / 60.0

    @cached_property
    def start(self) -> pd.Timestamp:
        """Start of the ISP, local."""
        calendar = calendar_of(self.scenario)
        return calendar.time(calendar.seconds(self.isp)).tz_convert(self.scenario.zone)

    def clock(self, gate: str) -> str:
        """Local time of a gate; for a gate after delivery, the end of the ISP."""
        lead = self.scenario.gates.minutes().get(gate)
        if gate == "deliver":
            lead = 0.0
        elif lead is None:
            lead = -float(self.scenario.isp_minutes)
        return f"{self.start - pd.Timedelta(minutes=lead):%H:%M}"

    def refusals(self, bid_id: str) -> list[str]:
        """Why a bid was refused; empty if it was not."""
        found = self["rejections"]
        return found.reason[found.bid_id == bid_id].tolist()

    def offered(self, bid_id: str) -> Bid | None:
        """A bid at gate closure; None if it was in no book."""
        found = self["bids"][self["bids"].bid_id == bid_id]
        return None if found.empty else bid_of(found.iloc[0])

    def _names_a_bid(self, name: str) -> bool:
        """Whether a refusal is that of an energy bid; that of a late message has the name of its sender."""
        sender = name in self.scenario.pools or name.startswith("DSO-")
        return bool(name) and not sender and ".capacity." not in name

    def amendments(self, bid_id: str) -> pd.DataFrame:
        """Amendments of a bid, accepted or refused."""
        return self["amendments"][self["amendments"].bid_id == bid_id]

    def amended(self, bid: Bid) -> Bid:
        """The bid with its accepted amendments."""
        for row in rows_of(self.amendments(bid.bid_id)):
            if row.reason == "":
                bid = replace(bid, mw=float(row.new_quantity_mw), price=float(row.new_price_eur_per_mwh))
        return bid

    def called(self, bid: Bid) -> dict[str, float]:
        """MW called of a bid by market; of a bid to buy, the MW bought."""
        if bid.demand:
            return self._bought(bid)
        found = self["activations"]
        found = found[(found.bid_id == bid.bid_id) & (found.system == bid.system)]
        return {
            str(market): float(mw)
            for market, mw in found.groupby("market", sort=False).quantity_mw.sum().items()
        }

    def _bought(self, bid: Bid) -> dict[str, float]:
        """MW that a company has bought with its only bid of the ISP, from its payments."""
        paid = self["settlement"]
        mine = paid[(paid.kind == "purchase") & (paid.payee == bid.provider)]
        mw = bid.direction * float(mine.quantity_mwh.sum()) / self.hours
        markets = [b.name for b in self.scheme.blocks if "tso.sold" in b.writes]
        return {markets[0]: mw} if mw > EQUAL_MW and markets else {}

    def last_called(self, market: str, direction: int, system: str | None = None) -> float | None:
        """Price of the last bid called in a market: the highest up, the lowest down; None without calls."""
        found = self["activations"]
        found = found[(found.market == market) & (found.direction == direction)]
        if system is not None:
            found = found[found.system == system]
        return None if found.empty else direction * float((direction * found.price_eur_per_mwh).max())

    def held_mw(self, bid: Bid) -> float:
        """MW of a bid held for the automatic reserve: the obligation of its pool, cheapest bids first."""
        capacity, bids = self["capacity"], self["bids"]
        own = (capacity.provider == bid.provider) & (capacity.direction == bid.direction)
        obligation_mw = float(capacity[own & (capacity.service == "aFRR")].obligation_mw.sum())
        side = bids[
            (bids.provider == bid.provider) & (bids.direction == bid.direction) & ~bids.demand.astype(bool)
        ]
        rank = bid.direction * side.price_eur_per_mwh
        best = side.loc[rank.sort_values(kind="stable").index]
        before = float(best.quantity_mw.cumsum().shift(fill_value=0.0)[best.bid_id == bid.bid_id].sum())
        return min(max(obligation_mw - before, 0.0), bid.mw)

    def held_back(self) -> pd.Series:
        """MW of each bid that checks of DSOs held back from the TSO, by ``(system, bid_id)``.

        Empty if nothing was held back, or if the run has no table of single bids (`records_limits`).
        """
        rows = self["bid_limits"]
        rows = rows[rows.market.isin(NARROWING)]
        return (rows.offered_mw - rows.allowed_mw).groupby([rows.system, rows.bid_id]).sum().astype(float)

    @property
    def records_limits(self) -> bool:
        """Whether the run recorded what DSOs allowed of single bids."""
        return "bid_limits" in self.run.tables

    def offers(self) -> pd.DataFrame:
        """Every bid of the ISP: `system, bid_id, provider, direction, mw, price, sold_mw, refused`.

        `mw` and `price` (EUR/MWh) are those at gate closure. `refused` is the reason of a refusal, empty for
        accepted bids. Quantity and price of refused bids are not recorded.
        """
        rows: list[dict[str, Any]] = []
        sold = self["activations"].groupby(["system", "bid_id"]).quantity_mw.sum().to_dict()
        for row in rows_of(self["bids"]):
            bid = bid_of(row)
            mw = sum(self.called(bid).values()) if bid.demand else sold.get((bid.system, bid.bid_id), 0.0)
            rows.append(
                {
                    "system": bid.system,
                    "bid_id": bid.bid_id,
                    "provider": bid.provider,
                    "direction": bid.direction,
                    "mw": bid.mw,
                    "price": bid.price,
                    "sold_mw": float(mw),
                    "refused": "",
                }
            )
        booked = {row["bid_id"] for row in rows}
        for row in rows_of(self["rejections"]):
            if row.bid_id not in booked and self._names_a_bid(row.bid_id):
                rows.append({"system": row.system, "bid_id": row.bid_id, "refused": row.reason})
        columns = ("system", "bid_id", "provider", "direction", "mw", "price", "sold_mw", "refused")
        return pd.DataFrame(rows, columns=columns)


def bid_of(row: Any) -> Bid:
    """A bid from its row in the table ``bids``."""
    return Bid(
        system=str(row.system),
        bid_id=str(row.bid_id),
        provider=str(row.provider),
        node=int(row.node),
        direction=int(row.direction),
        demand=bool(row.demand),
        mw=float(row.quantity_mw),
        price=float(row.price_eur_per_mwh),
    )


def is_local(bid: Bid) -> bool:
    """Whether a bid is in the book of an area."""
    return bid.system != TSO
