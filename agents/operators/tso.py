"""The transmission system operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import mesa
import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.forecast import ForecastErrorNow
from tandem_sim.agents.base.messages import (
    AssetResultMessage,
    AssetsMessage,
    BaselineMessage,
    CapacityBidsMessage,
    DayAheadMessage,
    Message,
    NominationMessage,
    PlatformMessage,
    RevisionMessage,
    ScheduleMessage,
    ShortfallMessage,
)
from tandem_sim.agents.base.passive import PassiveInjections
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.operators.operator import Operator, OperatorSetup
from tandem_sim.agents.services.capacity import CapacityAuctioneer
from tandem_sim.agents.services.qualification import PrequalificationProcess
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.clearing.needs import AuctionNeed
from tandem_sim.markets.clearing.pricing import Sale
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.operator_state import AreaState, SystemState
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.orders.flexibility_register import FlexibilityRegister
from tandem_sim.markets.services.substitution import SUBSTITUTION, substitute_missing
from tandem_sim.markets.settlement.imbalance import Regulation
from tandem_sim.markets.settlement.payments import RESERVE
from tandem_sim.markets.settlement.regulation import regulation_of


@dataclass(frozen=True, kw_only=True)
class TransmissionData:
    """The transmission grid as the TSO knows it: N nodes, T ISPs."""

    dc: DcModel
    load_mw: FloatArray  # (T, N) injection of loads, <= 0
    passive: PassiveInjections
    unit_node: Mapping[str, int]  # node of every scheduled unit
    interface_node: Mapping[str, int]  # node of every area


class TSO(Operator):
    """Forecasts the system imbalance, runs the balancing market, sets the imbalance price."""

    party = "tso"

    def __init__(
        self,
        model: mesa.Model,
        *,
        setup: OperatorSetup,
        transmission: TransmissionData,
        areas: Sequence[Area],
        fleet_agent: FleetAgent,
        forecast_error_mw: ForecastErrorNow,
    ) -> None:
        """`areas` are the distribution grids below transmission, in the order of their names."""
        super().__init__(model, setup, T)
        self.transmission = transmission
        self._areas = list(areas)
        self._fleet_agent = fleet_agent
        self._forecast_error_mw = forecast_error_mw
        self.day_ahead_price: dict[int, float] = {}
        self.schedules: dict[str, dict[int, float]] = {}
        self.qualification: PrequalificationProcess | None = None
        self.capacity: CapacityAuctioneer | None = None
        self.nominated_mw: dict[tuple[int, str], tuple[float, float]] = {}  # ISP, BSP -> up, down
        self._nominated_to = 0  # first ISP whose gate for nominations is open
        self._declared: dict[int, list[BaselineMessage]] = {}
        self._missing: dict[int, list[ShortfallMessage]] = {}
        self.slow_mw: dict[int, FloatArray] = {}  # ISP -> (n,) mFRR bids on transmission opened to aFRR
        self.substituted: dict[int, dict[tuple[str, int], tuple[float, float]]] = {}

    def receive(self, message: Message) -> None:
        """Handle schedules, prices, nominations, baselines; pass others to the service concerned."""
        match message:
            case ScheduleMessage():
                self.schedules.setdefault(message.sender, {}).update(
                    enumerate(message.p_mw.tolist(), start=message.isp)
                )
            case DayAheadMessage():
                self.day_ahead_price.update(enumerate(message.price.tolist(), start=message.isp))
            case AssetsMessage() if self.qualification is not None:
                self.qualification.on_assets(message)
            case AssetResultMessage() if self.qualification is not None:
                self.qualification.on_asset_result(message)
            case RevisionMessage() if self.qualification is not None:
                self.qualification.on_revision(message)
            case CapacityBidsMessage() if self.capacity is not None:
                self.capacity.on_capacity_bids(message)
            case NominationMessage():
                self._on_nomination(message)
            case ShortfallMessage():
                self._missing.setdefault(message.isp, []).append(message)
            case BaselineMessage():
                if message.isp > self._settled:
                    self._declared.setdefault(message.isp, []).append(message)
            case _:
                super().receive(message)

    def _on_nomination(self, message: NominationMessage) -> None:
        """Store a nomination that arrived before its gate; record a late one."""
        if message.isp < self._nominated_to:
            about = f"{message.kind} from {message.sender}"
            late = {"party": self.name, "about": about, "consequence": message.if_lost}
            self.context.record("fallbacks", {"isp": message.isp, **late})
            return
        both = zip(message.up_mw.tolist(), message.down_mw.tolist(), strict=True)
        for k, pair in enumerate(both):
            self.nominated_mw[message.isp + k, message.sender] = pair

    def close_nominations(self, day: range) -> None:
        """Gate closure for nominations of a day's ISPs."""
        self._nominated_to = day.stop

    def close_books(self, isp: int) -> None:
        """Gate closure for bids on transmission, and for those of areas without a local market."""
        has_local = any(b.party == "dso" for b in self.scheme.blocks)
        areas = [] if has_local else [area.name for area in self._areas]
        self.close_book(isp, [T, *areas])

    def refresh(self, isp: int) -> None:
        """Update the forecast of the transmission grid: schedules, loads and interface flows."""
        self._state(isp).update(T, SystemState(grid=self.expect(isp)))

    def expect(self, isp: int) -> TransmissionGrid:
        """Forecast made now. Schedules of units are known; loads and areas have forecast errors."""
        load = self.transmission.load_mw[isp]
        p = load * (1.0 - self._forecast_error_mw(T, isp) / max(-float(load.sum()), 1e-9))
        p = p + self.units_mw(isp)
        self.transmission.passive.add_to(isp, p, np.zeros_like(p))
        ahead = self._fleet_agent.sites_ahead(isp)
        interface = {}
        for area in self._areas:
            net, _ = area.injections(isp, ahead.site_base_kw, ahead.site_load_kw)
            interface[area.name] = -float(net.sum()) - self._forecast_error_mw(area.name, isp)
        return TransmissionGrid(self.transmission.dc, p, dict(self.transmission.interface_node), interface)

    def units_mw(self, isp: int) -> FloatArray:
        """Day-ahead schedules of the units by node (N,) MW."""
        p = np.zeros(self.transmission.dc.network.n_nodes)
        for unit, node in self.transmission.unit_node.items():
            p[node] += self.schedules[unit][isp]
        return p

    def forget(self, isp: int) -> None:
        """Drop the data of a settled ISP, schedules and prices included."""
        super().forget(isp)
        self.day_ahead_price.pop(isp, None)
        self._declared.pop(isp, None)
        self._missing.pop(isp, None)
        self.slow_mw.pop(isp, None)
        self.substituted.pop(isp, None)
        for key in [key for key in self.nominated_mw if key[0] == isp]:
            del self.nominated_mw[key]
        for schedule in self.schedules.values():
            schedule.pop(isp, None)

    def declared_mw(self, isp: int, n_groups: int) -> FloatArray:
        """Baselines that aggregators declared for an ISP, (n_groups,) MW, nan where none came."""
        declared = np.full(n_groups, np.nan)
        for message in self._declared.get(isp, ()):
            declared[message.group] = message.declared_mw
        return declared

    def complete(self, isp: int) -> None:
        """Replace missing entries; an area without a committed boundary flow gets the forecast flow."""
        self._complete_areas(isp, self._areas)
        state = self._state(isp)
        for area in self._areas if self.scheme.reads("area.boundary") else ():
            state.complete(area.name, AreaState(boundary=state.tso.grid.interface_mw[area.name]))

    def share(self, isp: int, receiver: str) -> None:
        """Send the forecast of the grid to the platform of an independent operator."""
        self.refresh(isp)
        entries = self.known(isp).tso.part(["grid"])
        self.context.send(PlatformMessage(self.name, receiver, isp, system=T, entries=entries))

    def substitute(
        self, isp: int, register: FlexibilityRegister | None, held_mw: Mapping[tuple[str, int], float]
    ) -> None:
        """Substitute on transmission the energy and the reserve that pools report as blocked.

        Reserve is substituted up to the MW that the TSO can call of a pool: `held_mw` by pool and direction.
        """
        shortfalls = self._missing.pop(isp, [])
        if not shortfalls:
            return
        bids = self.known(isp).tso.bids
        left = np.where(bids.demand, 0.0, bids.quantity_mw - self._ledgers[isp].sold(T))
        fast = left if register is None else register.within_fast_mw(bids, left, self.context.now())
        energy = sum(m.direction * m.energy_mw for m in shortfalls)
        shortfalls = [
            replace(m, reserve_mw=min(m.reserve_mw, held_mw.get((m.sender, m.direction), 0.0)))
            for m in shortfalls
        ]
        reserve = {d: sum(m.reserve_mw for m in shortfalls if m.direction == d) for d in (1, -1)}
        found = substitute_missing(bids, left, fast, energy, reserve)
        award, clearing = found.answer.quantity_mw, AuctionNeed(found.answer, energy)
        self._ledgers[isp].note(T, SUBSTITUTION, clearing)
        self._record_clearing(isp, T, SUBSTITUTION, clearing)
        if award.any():
            self._ledgers[isp].book(T, SUBSTITUTION, Sale.of(award, bids.signed_price * award))
            self._announce(isp, SUBSTITUTION, T, award)
        self.slow_mw[isp] = found.slow_mw
        self.substituted[isp] = {(m.sender, m.direction): (m.energy_mw, m.reserve_mw) for m in shortfalls}

    def left_out(self, isp: int) -> list[str]:
        """Areas whose DSO has not accepted the merit order list when the market clears."""
        if not self.scheme.reads("area.accepted"):
            return []
        known = [self.known(isp).area(area.name) for area in self._areas]
        return [area.system for area in known if not (area.knows("accepted") and area.accepted)]

    def books_as_bought(self, isp: int, books: Mapping[str, Bids]) -> dict[str, Bids]:
        """The books at whose prices the TSO bought: those received, else (in `aggregation`) the areas' own.

        A DSO may lower prices of its own book afterwards, for its next market (`mitigate`).
        """
        received = self.known(isp).books()
        return {
            system: received[system] if system in received and len(received[system]) == len(bids) else bids
            for system, bids in books.items()
        }

    def regulation(
        self, isp: int, books: Mapping[str, Bids], delta_mw: FloatArray | None = None
    ) -> Regulation:
        """Balancing energy of an ISP out of all volumes bought for the TSO.

        `books` are those of `books_as_bought`; `delta_mw` is the net delivery of aFRR by minute (MW, up
        positive), None without aFRR.
        """
        bought = {
            RESERVE,
            SUBSTITUTION,
            *(block.name for block in self.scheme.blocks if block.buyer == "tso"),
        }
        return regulation_of(self._ledgers[isp], books, bought, delta_mw)
