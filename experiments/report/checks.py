"""Checks of the data of runs, made while the report is written, beside the audits of the simulation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tandem_sim.experiments.report.parts.markup import Markup, number, table, tag
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.experiments.run_folder.manifest import check_unchanged
from tandem_sim.grids.tolerances import EQUAL_MW, EQUAL_PRICE_EUR_PER_MWH
from tandem_sim.markets.settlement.payments import FOR_ENERGY

AUDITS = (
    "awards never exceed offers",
    "energy of devices and grids is conserved",
    "payments equal awards at their prices and sum to zero",
    "imbalance prices follow from the bids called",
    "imbalances of the parties add up to that of the system",
    "capacity, reactive power and registered MW are paid and sold as agreed",
)
"""What the simulation audits in every ISP: docs/model.md, section "Audited on every run"."""
EQUAL_SHARE = 1e-6
"""Sums that differ by less of their size are equal: they are added in another order."""
EQUAL_PCT = 1e-3
"""Loadings of two tables, of 32 and 64 bits, are equal within this."""
Found = tuple[bool | None, str]
"""Whether a check holds (None: it cannot be made), and what was seen."""


def checks_of(run: ReportRun) -> list[tuple[str, bool | None, str]]:
    """Every check of a run: what is checked, whether it holds, what was seen."""
    made: dict[str, Callable[[ReportRun], Found]] = {
        "Files are those that the run wrote (SHA-256)": _unchanged,
        "Auctions balance: awards and exchange equal need less what stayed unserved": _clearings,
        "Activated energy in the tables equals the key figure": _activated,
        "Payments for energy in the table equal the key figure": _paid,
        "The worst branch of each area and ISP is the same in both tables of loadings": _loadings,
        "Every power flow has a solution": _converged,
        "Every message arrived in time": _messages,
        "No bid was refused": _refused,
        "The need of the system for balancing was served": _unserved,
        "Bids sufficed for every limit and need of all auctions, local ones too": _penalised,
    }
    return [(name, *check(run)) for name, check in made.items()]


def check_section(runs: Sequence[ReportRun]) -> Markup:
    """The audits in a sentence, and a table of the checks."""
    found = [checks_of(run) for run in runs]
    rows = [
        (name, *(_cell(*checks[k][1:]) for checks in found))
        for k, name in enumerate(check[0] for check in found[0])
    ]
    audits = (
        "The simulation audits every ISP and stops at the first violation. These runs were finished, so "
        f"their audits passed: {'; '.join(AUDITS)}."
    )
    says = (
        "These checks were made from the tables when this report was written. ! marks what does not hold. "
        "Power flows without a solution, lost messages, refused bids, unserved need and auctions short of "
        "bids are results of the scenario; any other ! is a fault of the data."
    )
    return tag("div", tag("p", audits), tag("p", says), table(("check", *(run.label for run in runs)), rows))


def _cell(holds: bool | None, seen: str) -> Markup:
    sign, kind = {True: ("\N{CHECK MARK}", "good"), False: ("!", "bad"), None: ("\N{EN DASH}", "none")}[holds]
    return tag("span", tag("b", sign, class_=kind), f" {seen}")


def _unchanged(run: ReportRun) -> Found:
    check_unchanged(run.run.folder)  # an InputError names the file that is not
    listed = run.run.manifest.get("files")
    if not isinstance(listed, dict):
        return None, "the manifest has no digests"
    return True, f"{len(listed)} files"


def _clearings(run: ReportRun) -> Found:
    rows = run.table("clearings")
    if rows.empty:
        return None, "no auction"
    sold = run.table("activations")[["isp", "system", "market", "direction", "quantity_mw"]]
    net = (sold.direction * sold.quantity_mw).groupby([sold.isp, sold.system, sold.market]).sum()
    whole = net.groupby(level=[0, 2]).sum()
    refused = rows[rows.market == "post_qualify"]
    taken_back = (refused.long_mw - refused.short_mw).groupby(refused.isp).sum()
    rows = rows[~rows.market.isin(("post_qualify", "pooled_market"))]
    worst = 0.0
    for system in rows.system.unique():
        mine = rows[rows.system == system]
        if system == "T":
            awards = whole.reindex(list(zip(mine.isp, mine.market, strict=True)), fill_value=0.0).to_numpy()
            is_tso = (mine.market == "tso_market").to_numpy()
            awards = awards - np.where(is_tso, taken_back.reindex(mine.isp, fill_value=0.0).to_numpy(), 0.0)
        else:
            keys = [(isp, system, market) for isp, market in zip(mine.isp, mine.market, strict=True)]
            awards = net.reindex(keys, fill_value=0.0).to_numpy()
        gap = awards + mine.exchange_mw - (mine.need_mw - mine.short_mw + mine.long_mw)
        worst = max(worst, float(np.abs(gap).max()))
    return worst <= EQUAL_MW, f"{len(rows)} auctions, largest difference {worst:.1e} MW"


def _equal(found: float, told: object, unit: str) -> Found:
    if not isinstance(told, (int, float)):
        return None, "no such key figure"
    holds = abs(found - told) <= EQUAL_SHARE * max(abs(found), abs(told), 1.0)
    return (
        holds,
        f"{number(found, 6)} {unit}" if holds else f"{number(found, 8)} and {number(told, 8)} {unit}",
    )


def _activated(run: ReportRun) -> Found:
    return _equal(float(run.data.energy_mwh.to_numpy().sum()), run.run.kpis.get("activated_mwh"), "MWh")


def _paid(run: ReportRun) -> Found:
    rows = run.data.settlement
    paid = float(rows[rows.kind.isin(FOR_ENERGY)].amount_eur.sum())
    return _equal(paid, run.run.kpis.get("procurement_cost_eur"), "EUR")


def _loadings(run: ReportRun) -> Found:
    rows = run.table("branch_loading")
    if rows.empty:
        return None, "the run has no table of all branches"
    worst = rows.groupby(["isp", "system"]).loading_pct.max()
    grid = run.data.grid[run.data.grid.converged.astype(bool)].set_index(["isp", "system"]).max_loading_pct
    both = grid.to_frame("grid").join(worst.rename("branch"), how="inner").dropna()
    if both.empty:
        return None, "no ISP in both tables"
    gap = float((both.grid - both.branch).abs().max())
    return gap <= EQUAL_PCT, f"{len(both)} values, largest difference {gap:.1e} %"


def _converged(run: ReportRun) -> Found:
    rows = run.data.grid
    failed = int((~rows.converged.astype(bool)).sum())
    return failed == 0, f"{len(rows) - failed} of {len(rows)}"


def _messages(run: ReportRun) -> Found:
    rows = run.table("fallbacks")
    return rows.empty, "all" if rows.empty else f"{len(rows)} lost or late, with consequence"


def _refused(run: ReportRun) -> Found:
    rows = run.table("rejections")
    count = int((rows.bid_id != "").sum())
    return count == 0, "none refused" if not count else f"{count} refused"


def _unserved(run: ReportRun) -> Found:
    mwh = float(run.data.system.unserved_mw.sum() * run.data.hours)
    return mwh <= EQUAL_MW, f"{number(mwh)} MWh unserved"


def _penalised(run: ReportRun) -> Found:
    rows = run.table("clearings")
    short = rows[rows.penalty_eur_per_h > EQUAL_PRICE_EUR_PER_MWH]
    if short.empty:
        return True, f"all {len(rows)} auctions"
    by_system = short.groupby("system", sort=True).size()
    where = ", ".join(f"{count} of {system}" for system, count in by_system.items())
    return False, f"{len(short)} of {len(rows)} auctions were short of bids ({where})"
