"""The distribution system operator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import mesa

from agents.area import Area
from agents.forecast import ForecastErrors
from agents.household import FleetDesk
from agents.messages import HouseMessage
from agents.operator import Operator, Register
from agents.participant import Desk
from grids.arrays import FloatArray
from grids.rows import GridRows, distribution_rows, distribution_rows_ac
from markets.bids import Product
from markets.blocks import TSO, Scheme

Offset = Literal["ac", "linear"]


@dataclass(frozen=True)
class Margins:
    """What a DSO keeps free because its forecast and its linear model err."""

    flow: float = 0.05  # share of a branch's rating
    voltage_pu: float = 0.002


class DSO(Operator):
    """Forecasts its grid by power flow, runs the local market, prequalifies, forwards."""

    party = "dso"

    def __init__(
        self,
        model: mesa.Model,
        name: str,
        desk: Desk,
        area: Area,
        scheme: Scheme,
        product: Product,
        register: Register,
        fleet_desk: FleetDesk,
        errors: ForecastErrors,
        lead_h: Callable[[int], float],
        offset: Offset,
        margins: Margins,
        operators: Mapping[str, str],
    ) -> None:
        """`lead_h` tells how far ahead an ISP is (hours); `operators` names the operator of every house."""
        super().__init__(model, name, desk, area.name, scheme, product, register, operators)
        self.area = area
        self._fleet_desk = fleet_desk
        self._errors = errors
        self._lead_h = lead_h
        self._offset = offset
        self._margins = margins
        tso_blocks = [b for b in scheme.blocks if b.party != "dso"]
        self._told = {
            n.removeprefix("area.") for b in tso_blocks for n in b.foreign_reads() if n.startswith("area.")
        }

    def refresh(self, isp: int) -> None:
        """Rows of the grid as forecast now, limits narrowed by the margins."""
        rows = self.rows_at(*self.forecast(isp))
        m = self._margins
        self._houses(isp).setdefault(self.house, {})["grid"] = rows.tightened(m.flow, 2.0 * m.voltage_pu)

    def complete(self, isp: int) -> None:
        """A TSO that sent no order has bought nothing."""
        self._houses(isp).setdefault(self.house, {}).setdefault("target", 0.0)

    def forecast(self, isp: int) -> tuple[FloatArray, FloatArray]:
        """Injections of all nodes as expected now: (N,) MW and (N,) Mvar."""
        preview = self._fleet_desk.preview(isp, 0.0)
        p, q = self.area.injections(isp, preview.site_base_kw, preview.site_load_kw)
        return p + self.area.share * self._errors.error_mw(self.area.name, isp, self._lead_h(isp)), q

    def rows_at(self, p_mw: FloatArray, q_mvar: FloatArray) -> GridRows:
        """Rows around a state, by AC power flow or by LinDistFlow itself; by the latter when AC diverges."""
        if self._offset == "ac":
            state = self.area.power_flow.solve(p_mw, q_mvar)
            if state.converged:
                return distribution_rows_ac(self.area.lin, state)
        return distribution_rows(self.area.lin, p_mw, q_mvar)

    def tell(self, isp: int) -> None:
        """Send the TSO those entries of this house that its blocks read."""
        if not self._told:
            return
        if "grid" in self._told:
            self.refresh(isp)
        house = self._houses(isp).get(self.house, {})
        entries = {name: house[name] for name in sorted(self._told) if name in house}
        if entries:
            self.desk.send(
                HouseMessage(self.name, self._operators[TSO], isp, house=self.house, entries=entries)
            )
