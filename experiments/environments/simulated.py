"""Environments in which sellers bid for one ISP at a time: their interface, and a simulation as one of them.

Strategies are called for offers and receive outcomes as in every run. Actions of external agents are passed
on by the strategy `PlayedActions`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from tandem_sim.agents.parties.aggregator import Aggregator
from tandem_sim.agents.strategies.allowed_code import NO_CODE, AllowedCode
from tandem_sim.agents.strategies.strategy import Offers, OfferView, SellerResult, Strategy, marked_up
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.model import FlexibilityModel
from tandem_sim.sim.run import start
from tandem_sim.sim.scenario.named_code import check_code
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.timetable import Timetable


class PlayedActions:
    """The strategy of an external agent: a mark-up and a share of the available MW, for every ISP.

    Bids for an ISP without an action are truthful.
    """

    learns = True

    def __init__(self) -> None:
        self._played: dict[int, tuple[float, float]] = {}
        self._heard: list[SellerResult] = []

    def play(self, isp: int, eur_per_mwh: float, share: float) -> None:
        """Set the mark-up of an ISP (up dearer, down cheaper), and the share of the available MW, 0 to 1."""
        self._played[isp] = eur_per_mwh, share

    def offers(self, view: OfferView) -> Offers:
        """The offers of the ISP by its action."""
        markup, share = self._played.get(view.isp, (0.0, 1.0))
        return Offers(marked_up(view, markup), share * view.quantity_mw)

    def learn(self, outcome: SellerResult) -> None:
        """Keep the outcome for the agent."""
        self._played.pop(outcome.isp, None)
        self._heard.append(outcome)

    def heard(self) -> list[SellerResult]:
        """Outcomes since the last call, in the order of ISPs."""
        heard, self._heard = self._heard, []
        return heard


class SellerWorld(Protocol):
    """A market that stops before every ISP for the bids of its sellers."""

    sellers: tuple[str, ...]
    pools: tuple[str, ...]  # those that agents control by default
    n_isps: int  # of an episode
    isp_hours: float
    default_seed: int
    isp: int  # to be bid next

    def begin(self, seed: int, strategies: Mapping[str, Strategy]) -> None:
        """Start again, before the bids for the first ISP; `strategies` replace those of some sellers."""
        ...

    def hour(self) -> float:
        """Local time of day at which that ISP starts, 0 to 24."""
        ...

    def views(self, seller: str) -> list[OfferView]:
        """Information of a seller about that ISP, by system."""
        ...

    def advance(self) -> None:
        """Bid for the ISP and advance to the next one; after the last, until it is settled."""
        ...

    def close(self) -> None:
        """Release all resources."""
        ...


class SimulatedWorld:
    """A simulated scenario that stops before every gate for bids. Its tables go to a temporary folder."""

    def __init__(
        self, scenario: Scenario, folder: Path | None, isps: int | None, allowed: AllowedCode = NO_CODE
    ) -> None:
        """`folder` is where relative paths of the scenario start, `allowed` the code its strategies may be.

        `InputError` for more ISPs than it has, and for code that is not allowed.
        """
        check_code(scenario, allowed)
        calendar = scenario.calendar
        if isps is not None and not 1 <= isps <= calendar.n_isp:
            raise InputError("scenario", "isps", f"is {isps}", f"Give 1 to {calendar.n_isp}")
        t = scenario.transmission
        self.pools = tuple(scenario.pools)
        self.sellers = (*self.pools, *(u.name for u in t.units), *(x.name for x in t.large_loads))
        self.n_isps = calendar.n_isp if isps is None else isps
        self.isp_hours = calendar.isp_hours
        self.default_seed = scenario.seed
        self._scenario, self._folder, self._calendar = scenario, folder, calendar
        self._allowed = allowed
        local = calendar.times().tz_convert(scenario.zone)
        self._hours = (local.hour + local.minute / 60.0).tolist()
        self._moments = [second for second, _ in Timetable(scenario, calendar).closures("offer")]
        self.isp = 0
        self._by_name: dict[str, Aggregator] = {}
        self._running: FlexibilityModel | None = None
        self._tables: tempfile.TemporaryDirectory[str] | None = None

    @property
    def tables(self) -> Path:
        """Where the tables are, complete once the last ISP is settled. Raises RuntimeError if closed."""
        if self._tables is None:
            raise RuntimeError("there are no tables: the simulation has not begun, or is closed")
        return Path(self._tables.name)

    def hour(self) -> float:
        """Local time of day at which that ISP starts, 0 to 24."""
        return float(self._hours[self.isp])

    def begin(self, seed: int, strategies: Mapping[str, Strategy]) -> None:
        """Build the model for a seed and run it until right before the first bids."""
        self.close()
        self._tables = tempfile.TemporaryDirectory(prefix="tandem-")
        scenario = self._scenario.model_copy(update={"seed": seed})
        model = self._running = start(scenario, self._folder, self.tables, allowed=self._allowed)
        self._by_name = {seller.name: seller for seller in (*model.aggregators, *model.transmission_sellers)}
        for name, strategy in strategies.items():
            self._by_name[name].bidder.play(strategy)
        self.isp = 0
        model.run_to(self._moments[0], "offer")

    def views(self, seller: str) -> list[OfferView]:
        """Available MW and costs of a seller's resources in the ISP, as known when it bids."""
        model = self._alive()
        price = float(model.tso.day_ahead_price[self.isp])
        found = self._by_name[seller].portfolio.resources(self.isp, price)
        return [
            OfferView(
                isp=self.isp,
                day_ahead_price=price,
                direction=part.direction,
                quantity_mw=part.quantity_mw,
                cost=part.cost,
            )
            for part in found
        ]

    def advance(self) -> None:
        """Run until right before the next bids; after the last, until its ISP is settled."""
        model = self._alive()
        self.isp += 1
        if self.isp < self.n_isps:
            model.run_to(self._moments[self.isp], "offer")
        elif self.n_isps < self._calendar.n_isp:
            model.run_through(self._calendar.seconds(self.n_isps))
        else:
            model.run_through(None)
            self._running = None
            model.recorder.close()

    def close(self) -> None:
        """Close and remove the tables."""
        if self._running is not None:
            self._running.recorder.close()
        if self._tables is not None:
            self._tables.cleanup()
        self._running = self._tables = None

    def _alive(self) -> FlexibilityModel:
        if self._running is None:
            raise RuntimeError("the simulation is over or has not begun")
        return self._running
