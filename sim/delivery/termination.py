"""Termination inside an ISP: DSOs monitor their grids and signal the TSO to bound aFRR that breaks limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tandem_sim.agents.base.agent import Carry, Record
from tandem_sim.agents.base.messages import TerminationMessage
from tandem_sim.agents.households.fleet import SitesAhead
from tandem_sim.agents.operators.dso import DSO
from tandem_sim.agents.services.afrr import Monitor
from tandem_sim.grids.power_flow.constraints import GridConstraints
from tandem_sim.grids.types import FloatArray
from tandem_sim.markets.orders.bids import Bids

TOO_LATE = "came after its ISP and had no effect"


@dataclass(frozen=True, kw_only=True)
class TerminationSignals:
    """Transmission of DSOs' signals to the TSO in one ISP from `start_s` to `end_s`."""

    carry: Carry
    record: Record
    tso: str
    isp: int
    start_s: int
    end_s: int

    def send(self, dso: DSO, bound_mw: FloatArray, second: int) -> int | None:
        """Send bounds of bids (MW) at a second of the ISP; the second of arrival, None if lost."""
        message = TerminationMessage(dso.name, self.tso, self.isp, system=dso.system, bounds_mw=bound_mw)
        arriving = self.carry(message, self.start_s + second)
        if arriving is None:
            return None
        if arriving.delivered_s > self.end_s:
            about = f"{message.kind} from {dso.name}"
            late = {"party": self.tso, "about": about, "consequence": TOO_LATE}
            self.record("fallbacks", {"isp": self.isp, **late})
        return arriving.delivered_s - self.start_s


def grid_monitor(
    dsos: Sequence[DSO],
    signals: TerminationSignals,
    ahead: SitesAhead,
    ordered_mw: Mapping[str, FloatArray],
    site_mvar: FloatArray,
    books: Mapping[str, tuple[Bids, FloatArray]],
) -> Monitor:
    """Monitor of DSOs: where aFRR breaks limits, bids of that direction get their last safe value as bound.

    Each DSO uses linear constraints around its metered grid with the orders of the markets: `ordered_mw` (N,)
    by area, reactive `site_mvar` over the sites of all areas. It signals whenever aFRR breaks a limit that
    would hold without it.
    """
    watch: list[tuple[DSO, slice, Bids, GridConstraints]] = []
    first = 0
    for system, (bids, _) in books.items():
        columns = slice(first, first + len(bids))
        first += len(bids)
        dso = next((d for d in dsos if d.system == system), None)
        if dso is None or not len(bids):
            continue
        p, q = dso.area.injections(signals.isp, ahead.site_base_kw, ahead.site_load_kw)
        rows = dso.constraints_now(p + ordered_mw[system], q + dso.area.at_nodes(site_mvar))
        watch.append((dso, columns, bids, rows.relaxed()))
    last_safe: dict[int, FloatArray] = {}

    def monitor(second: int, delivered: FloatArray) -> list[tuple[int, FloatArray]]:
        signalled = []
        for k, (dso, columns, bids, allowed) in enumerate(watch):
            now = delivered[columns]
            after = allowed.after(bids.injection_mw(now, allowed.flow_matrix.shape[1])).violations()
            if not (after.lines or after.buses):
                last_safe[k] = now.copy()
                continue
            before = last_safe.get(k, np.zeros(len(now)))
            net = float(bids.direction @ (now - before))
            bounded = bids.direction == (1 if net >= 0 else -1)
            arrives = signals.send(dso, before[bounded], second)
            if arrives is not None:
                bound = np.full(len(delivered), np.inf)
                bound[columns] = np.where(bounded, before, np.inf)
                signalled.append((arrives, bound))
        return signalled

    return monitor
