"""Offers that DSOs held back from the TSO: sums over a run by DSO, and the bids of one ISP."""

from __future__ import annotations

import pandas as pd

from tandem_sim.experiments.explain.tables import IspTables, rows_of, way
from tandem_sim.experiments.report.parts.markup import NOTHING, Markup, number, table, tag
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.experiments.report.parts.series import DEVICES, held_back
from tandem_sim.experiments.results.kpis import NARROWING
from tandem_sim.grids.tolerances import EQUAL_MW
from tandem_sim.markets.coordination.block import TSO

MOST_HELD = 40
"""Most bids held back that are listed, those with most MW held back first."""
CHECKS = {"prequalify": "grid prequalification", "validate_mol": "MOL validation"}
"""Name of each check of bids before the TSO buys."""
REASONS = {
    "grid": "limit of a branch or voltage",
    "study": "zone of the flexibility study",
}
"""What stands in column `reason` of table `bid_limits`, in words."""


def needed_direction(clearings: pd.DataFrame) -> pd.Series:
    """Direction that the TSO's auction needed, by ISP: 1 up, -1 down, 0 no need."""
    rows = clearings[clearings.system == TSO]
    need = rows.groupby("isp").need_mw.first().astype(float)
    return (need > EQUAL_MW).astype(int) - (need < -EQUAL_MW).astype(int)


def held_by_dso(run: ReportRun) -> pd.DataFrame:
    """MWh held back over a run by area: columns ``up, down, needed``, the last in the needed direction."""
    rows = held_back(run.data.bid_checks)
    need = rows.isp.map(needed_direction(run.table("clearings")))
    needed = rows.up_mw.where(need > 0, rows.down_mw.where(need < 0, 0.0))
    mwh = pd.DataFrame({"up": rows.up_mw, "down": rows.down_mw, "needed": needed}) * run.data.hours
    return mwh.groupby(rows.system).sum()


def held_table(run: ReportRun) -> Markup:
    """The sums by DSO as a table, with a line for all."""
    sums = held_by_dso(run)
    lines = [*zip(sums.index, sums.to_numpy(), strict=True), ("all", sums.sum().to_numpy())]
    rows = [(name, *(number(max(float(v), 0.0)) for v in (*mwh, mwh[0] + mwh[1]))) for name, mwh in lines]
    ordered = [(name, up, down, both, needed) for name, up, down, needed, both in rows]
    head = ("MWh held back in", "up", "down", "up and down", "of these in the direction the TSO needed")
    return table(head, ordered, range(1, 5), class_="wrap")


def held_bids(at: IspTables) -> pd.DataFrame:
    """Bids of an ISP of which a check of a DSO allowed less, most MW held back first.

    Columns ``system, bid_id, provider, direction, offered_mw, allowed_mw, market, reason``: offered before
    the first check, allowed after the last; `market` and `reason` of all checks in which the MW fell.
    """
    rows = at["bid_limits"]
    rows = rows[rows.market.isin(NARROWING)]
    found = (
        rows.groupby(["system", "bid_id"], sort=True)
        .agg(
            provider=("provider", "first"),
            direction=("direction", "first"),
            offered_mw=("offered_mw", "first"),
            allowed_mw=("allowed_mw", "last"),
            market=("market", lambda names: ", ".join(CHECKS[name] for name in dict.fromkeys(names))),
            reason=("reason", lambda names: "; ".join(REASONS.get(n, str(n)) for n in dict.fromkeys(names))),
        )
        .reset_index()
    )
    held = found.offered_mw - found.allowed_mw
    return found.loc[(-held).sort_values(kind="stable").index].reset_index(drop=True)


def held_section(at: IspTables) -> Markup | str:
    """The bids held back in an ISP as a table; the last line sums those that are not listed."""
    bids = held_bids(at)
    if bids.empty:
        return ""
    shown, rest = bids[:MOST_HELD], bids[MOST_HELD:]
    need = int(needed_direction(at["clearings"]).get(at.isp, 0))
    lines: list[tuple[object, ...]] = [
        (
            row.bid_id,
            row.provider,
            row.system,
            way(row.direction),
            _device(str(row.bid_id)),
            number(row.offered_mw),
            number(row.allowed_mw),
            number(row.offered_mw - row.allowed_mw),
            row.market,
            row.reason,
        )
        for row in rows_of(shown)
    ]
    if len(rest):
        offered, allowed = float(rest.offered_mw.sum()), float(rest.allowed_mw.sum())
        sums = (number(offered), number(allowed), number(offered - allowed))
        lines.append((f"the other {len(rest)} bids together", *[""] * 4, *sums, "", ""))
    sides = [_side(bids, sign, need) for sign in (1, -1)]
    head = ("bid", "seller", "area", "direction", "device", "MW offered", "MW allowed", "MW held back")
    listed = table((*head, "check", "reason"), lines, (5, 6, 7), class_="stack")
    summary = f"Bids held back by DSOs: {len(shown)} of {len(bids)}, most MW held back first"
    says = (
        "MW offered are those before the check: offered at gate closure, less what local markets bought. "
        f"The DSO checks limits by its forecast. Held back: {'; '.join(side for side in sides if side)}."
    )
    return tag("details", tag("summary", summary), tag("p", says), listed)


def _side(bids: pd.DataFrame, direction: int, need: int) -> str:
    mine = bids[bids.direction == direction]
    if mine.empty:
        return ""
    mw = float((mine.offered_mw - mine.allowed_mw).sum())
    wanted = "" if not need else ", which the TSO needed" if need == direction else ", not needed by the TSO"
    return f"{number(mw)} MW {way(direction)} of {len(mine)} bids{wanted}"


def _device(bid_id: str) -> str:
    """Class of device that a bid names, as in ``A01.D1.0020.battery.down``; a dash if it names none."""
    return next((DEVICES[part] for part in bid_id.split(".") if part in DEVICES), NOTHING)
