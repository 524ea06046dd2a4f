"""The transmission system operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import mesa
import numpy as np

from tandem_sim.agents.base.area import Area
from tandem_sim.agents.base.forecast import ForecastErrorNow
from tandem_sim.agents.base.messages import BaselineMessage, DayAheadMessage, PlatformMessage, ScheduleMessage
from tandem_sim.agents.base.passive import PassiveInjections
from tandem_sim.agents.base.subscriptions import at, on
from tandem_sim.agents.households.fleet_agent import FleetAgent
from tandem_sim.agents.operators.operator import Operator, OperatorSetup
from tandem_sim.grids.power_flow.dc import DcModel, TransmissionGrid
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.coordination.block import TSO as T
from tandem_sim.markets.coordination.operator_state import AreaState, SystemState
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.markets.settlement.imbalance import Regulation
from tandem_sim.markets.settlement.payments import RESERVE
from tandem_sim.markets.settlement.regulation import regulation_of

NOT_ACCEPTED = "the DSO has not accepted the merit order list; the area is left out"


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
        platform: str | None = None,
    ) -> None:
        """`areas` are the distribution grids below transmission, in the order of their names.

        `platform` names the independent operator of an integrated market; None: the TSO clears its own.
        """
        super().__init__(model, setup, T)
        self.transmission = transmission
        self._areas = list(areas)
        self._fleet_agent = fleet_agent
        self._forecast_error_mw = forecast_error_mw
        self.day_ahead_price: dict[int, float] = {}
        self.schedules: dict[str, dict[int, float]] = {}
        self._platform = platform
        self._declared: dict[int, list[BaselineMessage]] = {}

    @on(ScheduleMessage)
    def on_schedule(self, message: ScheduleMessage) -> None:
        """Store the day-ahead schedule of a unit or of a BRP."""
        own = self.schedules.setdefault(message.sender, {})
        own.update(enumerate(message.p_mw.tolist(), start=message.isp))

    @on(DayAheadMessage)
    def on_day_ahead(self, message: DayAheadMessage) -> None:
        """Store day-ahead prices."""
        self.day_ahead_price.update(enumerate(message.price.tolist(), start=message.isp))

    @on(BaselineMessage)
    def on_baseline(self, message: BaselineMessage) -> None:
        """Store a declared baseline that comes before settlement."""
        if message.isp > self._settled:
            self._declared.setdefault(message.isp, []).append(message)

    @at("tso_close")
    def close_market(self, isp: int) -> None:
        """Gate closure of its market; with an independent operator it sends the forecast of its grid."""
        if self._platform is None:
            self.close_books(isp)
        else:
            self.share(isp, self._platform)

    @at("mol")
    def build_merit_order(self, isp: int) -> None:
        """Build a new merit order list, unless every DSO has accepted the last one."""
        if self.left_out(isp):
            self.act("mol", isp)

    @at("tso_clear")
    def clear_market(self, isp: int) -> None:
        """Its own auction; areas whose DSO has not accepted the merit order list are left out."""
        out = self.left_out(isp)
        reasons = {"system": out, "bid_id": [""] * len(out), "reason": [NOT_ACCEPTED] * len(out)}
        self.context.record("rejections", {"isp": [isp] * len(out), **reasons})
        self.act("tso_clear", isp)

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
