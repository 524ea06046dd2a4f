"""Measured deliveries of pools: meter readings against a baseline, by the method of the scenario.

Every device group is metered on its own; the baseline of an activated one comes from its own readings.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from tandem_sim.agents.base.agent import Record
from tandem_sim.agents.base.area import Area
from tandem_sim.agents.households.fleet import FleetGroups, FleetStep
from tandem_sim.grids.tolerances import NEGLIGIBLE_KW
from tandem_sim.grids.types import BoolArray, FloatArray, IntArray
from tandem_sim.markets.orders.bids import DOWN, UP
from tandem_sim.markets.settlement.baselines import BaselineRules, MeterHistory
from tandem_sim.markets.settlement.day_matching import DayIndex
from tandem_sim.markets.settlement.payments import Place
from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.delivery.own_baseline import CheckedBaseline


@dataclass(frozen=True)
class Measured:
    """Deliveries of one ISP (MW, up positive).

    `pool_mw`: measured delivery of every pool. By area: `true_mw` is the true delivery of all pools,
    `unseen_mw` the true minus the measured one. `group_mw` (G,): measured delivery of each device group.
    """

    pool_mw: Mapping[str, float]
    unseen_mw: Mapping[str, float]
    true_mw: Mapping[str, float]
    group_mw: FloatArray


@dataclass(kw_only=True)
class Meters:
    """Meters of all device groups, and the measured delivery of every pool in every area."""

    method: str
    rules: BaselineRules
    pools: Sequence[str]
    areas: Sequence[Area]
    groups: FleetGroups
    days: DayIndex
    record: Record
    own: CheckedBaseline | None = None  # `method`, if it is a baseline of a user
    _history: MeterHistory = field(init=False)
    _cell: IntArray = field(init=False)  # (G,) pool and area of a group

    def __post_init__(self) -> None:
        area_of = np.zeros(len(self.groups), dtype=np.int64)
        for k, area in enumerate(self.areas):
            area_of[(self.groups.site >= area.sites.start) & (self.groups.site < area.sites.stop)] = k
        self._cell = self.groups.aggregator * len(self.areas) + area_of
        self._history = MeterHistory(len(self.groups), self.days, self.rules)

    def measure(self, isp: int, step: FleetStep, wanted_kw: FloatArray, declared_mw: FloatArray) -> Measured:
        """Read the meters of an ISP.

        `wanted_kw` (G,) are the net orders; `declared_mw` (G,) are declared baselines, nan where none came.
        """
        moved = (step.up_kw - step.down_kw) / 1000.0
        seen = moved
        if self.method != "counterfactual":
            active = np.abs(wanted_kw) > NEGLIGIBLE_KW
            base = step.group_base_kw / 1000.0
            seen = np.where(active, self._seen(isp, base, base + moved, active, declared_mw), 0.0)
            self._history.read(isp, base + moved, active)
            if self.own is not None:
                self.own.read(isp, base + moved, active)
        true, measured = self._cells(moved), self._cells(seen)
        return Measured(
            dict(zip(self.pools, measured.sum(axis=1).tolist(), strict=True)),
            {a.name: float((true - measured)[:, k].sum()) for k, a in enumerate(self.areas)},
            {a.name: float(true[:, k].sum()) for k, a in enumerate(self.areas)},
            seen,
        )

    def by_place(
        self, ordered_mw: FloatArray, measured_mw: FloatArray
    ) -> tuple[dict[Place, float], dict[Place, float]]:
        """Ordered and delivered MW of every pool in every area and direction, >= 0 in that direction.

        `ordered_mw` and `measured_mw` (G,) are net, up positive. A group counts in the direction of its
        net order: its orders up and down are one order, as its meter measures one delivery.
        """
        ordered: dict[Place, float] = {}
        delivered: dict[Place, float] = {}
        for direction in (UP, DOWN):
            mine = direction * ordered_mw > 0.0
            ordered_cells = self._cells(np.where(mine, direction * ordered_mw, 0.0))
            delivered_cells = self._cells(np.where(mine, direction * measured_mw, 0.0))
            for pool, area in np.argwhere(ordered_cells > 0.0).tolist():
                place = self.pools[pool], self.areas[area].name, direction
                ordered[place], delivered[place] = (
                    float(ordered_cells[pool, area]),
                    float(delivered_cells[pool, area]),
                )
        return ordered, delivered

    def _cells(self, group_mw: FloatArray) -> FloatArray:
        n = len(self.pools) * len(self.areas)
        sums = np.bincount(self._cell, weights=group_mw, minlength=n).astype(np.float64)
        return sums.reshape(len(self.pools), -1)

    def _seen(
        self, isp: int, base: FloatArray, metered: FloatArray, active: BoolArray, declared: FloatArray
    ) -> FloatArray:
        """Measured delivery of every group (G,) MW.

        Where the method gives no baseline, the last reading without activation is used, else the declared
        baseline, else the true one.
        """
        found = self._history.estimates(isp, declared)
        if self.own is not None:
            found[self.method] = self.own.estimate(isp, declared)
        used = base.copy()
        for method in ("schedule", "last_isp", self.method):
            estimate = found[method]
            used = np.where(np.isfinite(estimate), estimate, used)
        for method, estimate in found.items():
            self._record(isp, method, estimate, base, active)
        return np.asarray(metered - used)

    def _record(
        self, isp: int, method: str, estimate: FloatArray, base: FloatArray, active: BoolArray
    ) -> None:
        """Record the error of a baseline method, by pool and area with activated groups."""
        known = active & np.isfinite(estimate)
        error = np.where(known, estimate - base, 0.0)
        counts = self._cells(active.astype(np.float64))
        truth = np.where(known, base, 0.0)
        values = [self._cells(x) for x in (known.astype(np.float64), error, np.abs(error), truth)]
        pools, areas = np.nonzero(counts)
        covered, bias, absolute, true = (v[pools, areas] for v in values)
        self.record(
            "baselines",
            {
                "isp": np.full(len(pools), isp),
                "provider": [self.pools[int(p)] for p in pools],
                "system": [self.areas[int(a)].name for a in areas],
                "method": [method] * len(pools),
                "used": [method == self.method] * len(pools),
                "meters": counts[pools, areas].astype(np.int64),
                "covered": covered.astype(np.int64),
                "true_mw": true,
                "error_mw": bias,
                "absolute_error_mw": absolute,
            },
        )


def day_index(calendar: Calendar, holidays: Collection[date] = frozenset()) -> DayIndex:
    """Days of a horizon for baselines. Saturdays, Sundays and `holidays` are no working days.

    The clock time of an ISP is that of its start. If a clock time occurs twice in a day, the later reading
    replaces the earlier one.
    """
    day: dict[int, int] = {}
    clock: dict[int, int] = {}
    working: dict[int, bool] = {}
    local = calendar.times().tz_convert(calendar.zone)
    for number, (_, isps) in enumerate(calendar.days()):
        first = local[isps.start]
        working[number] = bool(first.dayofweek < 5 and first.date() not in holidays)
        for isp in isps:
            day[isp] = number
            clock[isp] = int(local[isp].hour * 60 + local[isp].minute)
    return DayIndex(day, clock, working, calendar.isp_minutes)
