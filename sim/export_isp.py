"""Export of the market of one ISP as a case, to be cleared again on its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tandem_sim.agents.operators.operator import BLOCK_GATES, Operator
from tandem_sim.grids.io.write import save_network
from tandem_sim.grids.network.network import Network
from tandem_sim.markets.cases.case import GateForecasts
from tandem_sim.markets.cases.options import CaseOptions
from tandem_sim.markets.cases.write import System, write_case
from tandem_sim.markets.coordination.ledger import Ledger
from tandem_sim.markets.coordination.operator_state import TSO, AreaState, SystemState
from tandem_sim.markets.orders.bids import Bids
from tandem_sim.sim.delivery.physics import Injections
from tandem_sim.sim.model import FlexibilityModel

CLEARER_GATES = ("mol", "tso_clear")
"""Gates at which the operator of the last market acts; at the others DSOs do."""


@dataclass(kw_only=True)
class IspExport:
    """An observer that collects forecasts, bids and sales at the gates of one ISP, and writes the case."""

    isp: int
    folder: Path
    name: str
    options: CaseOptions
    ratings_mva: Mapping[str, Mapping[str, float]]  # by system
    interface_bus: Mapping[str, int]
    kept: ClassVar[tuple[str, ...]] = ("_forecasts", "_areas")
    """What a checkpoint keeps of it."""
    _forecasts: dict[str, GateForecasts] = field(default_factory=dict)
    _areas: dict[str, AreaState] = field(default_factory=dict)
    _scheduled: Mapping[str, float] = field(default_factory=dict)

    def __call__(self, model: FlexibilityModel, gate: str, what: Any) -> None:
        """Observe the operators that act at gates of its ISP; write the case when the ISP is settled."""
        if what != self.isp:
            return
        if gate in BLOCK_GATES:
            acting: Sequence[Operator] = [model.clearer] if gate in CLEARER_GATES else model.dsos
            for operator in acting:
                self.observe(gate, operator.known(self.isp).of(operator.system))
        if gate == "settle":
            networks = {TSO: model.transmission, **{area.name: area.network for area in model.areas}}
            grids = model.delivered(self.isp).grids
            delivered = {system: grid.injections for system, grid in grids.items()}
            self._scheduled = model.scheduled_mw(self.isp)
            self.write(networks, model.books(self.isp), model.ledgers[self.isp], delivered)

    def observe(self, gate: str, own: AreaState | SystemState) -> None:
        """Store the forecast of an operator after it acted at a gate: `own`, what it knows of its system."""
        before = self._forecasts.get(gate, GateForecasts({}))
        if isinstance(own, SystemState):
            self._forecasts[gate] = replace(before, tso=own) if own.knows("grid") else before
            return
        self._areas[own.system] = own
        areas = {**before.areas, own.system: own} if own.knows("forecast") else before.areas
        self._forecasts[gate] = replace(before, areas=areas)

    def write(
        self,
        networks: Mapping[str, Network],
        books: Mapping[str, Bids],
        ledger: Ledger,
        delivered: Mapping[str, Injections],
    ) -> None:
        """Write the case folder, with the sales and the delivered grids of the run.

        `delivered` are the injections of all nodes of every grid. Sales go to ``recorded.json``, grids as
        delivered to ``delivered/``.
        """
        static = self.options.options.grid_prequalification == "static"
        systems = {
            name: self._system(name, network, books[name], static) for name, network in networks.items()
        }
        write_case(self.folder, self.name, systems, self.options, self._forecasts)
        (self.folder / "delivered").mkdir(exist_ok=True)
        for system, (p_mw, q_mvar) in delivered.items():
            path = self.folder / "delivered" / f"{system}.json"
            save_network(systems[system].network, p_mw, q_mvar, path)
        cleared = [
            {"bid_id": str(books[s].bid_id[k]), "market": market, "quantity_mw": float(award[k])}
            for market, awards in ledger.markets.items()
            for s, award in awards.items()
            for k in np.flatnonzero(award > 0)
        ]
        record = {"scheme": self.options.scheme, "cleared": cleared, **self._reactive()}
        (self.folder / "recorded.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")

    def _reactive(self) -> dict[str, list[dict[str, str | float]]]:
        """Reactive power bought by DSOs, if there is a market for it."""
        if not self.options.options.local_reactive:
            return {}
        bought: list[dict[str, str | float]] = [
            {"bid_id": str(own.reactive_bids.bid_id[k]), "quantity_mvar": float(own.reactive_mvar[k])}
            for own in self._areas.values()
            if own.knows("reactive_mvar")
            for k in np.flatnonzero(own.reactive_mvar)
        ]
        return {"reactive": bought}

    def _system(self, name: str, network: Network, bids: Bids, static: bool) -> System:
        p_mw = q_mvar = np.zeros(network.n_nodes)
        for forecast in self._forecasts.values():
            if name == TSO and forecast.tso is not None:
                p_mw = forecast.tso.grid.p_mw
            elif name in forecast.areas:
                expected = forecast.areas[name].forecast
                p_mw, q_mvar = expected.p_mw, expected.q_mvar
        own = self._areas.get(name, AreaState())
        return System(
            network=network,
            p_mw=p_mw,
            q_mvar=q_mvar,
            bids=bids,
            ratings_mva=self.ratings_mva[name],
            interface_bus=self.interface_bus.get(name),
            scheduled_mw=self._scheduled.get(name),
            zones=own.zones if static and own.knows("zones") else None,
            reactive=own.reactive_bids if own.knows("reactive_bids") else Bids.empty(),
        )
