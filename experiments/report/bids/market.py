"""One ISP of each run: bids in merit order with what became of them, and the messages about the ISP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tandem_sim.experiments.explain.explain import explain_bid
from tandem_sim.experiments.explain.tables import IspTables, rows_of, way
from tandem_sim.experiments.explain.words import name_of
from tandem_sim.experiments.report.bids.held import held_section, needed_direction
from tandem_sim.experiments.report.parts.markup import Markup, joined, number, table, tag
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.experiments.report.parts.series import held_back
from tandem_sim.grids.tolerances import EQUAL_MW, EQUAL_PRICE_EUR_PER_MWH
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.sim.settlement.accounts import buyer_of_market

MOST_CHARTS = 6
"""Most systems whose bids are drawn: transmission, and areas with most MW on offer."""
MOST_SOLD = 60
"""Most bids with sales that are listed, the largest first."""
MOST_EXPLAINED = 24
"""Most bids without sales that are listed with the reason: in each direction those nearest to the price."""
FEW = 40
"""Up to so many bids of a drawing are set apart by lines."""
WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 46, 8, 8, 36


@dataclass(frozen=True)
class Book:
    """Bids of one ISP of a run with MW sold to the TSO and to DSOs: `bids` has a row for each.

    `held_mw` is what a check of the DSO held back from the TSO and no market bought.
    """

    at: IspTables
    bids: pd.DataFrame  # system, bid_id, provider, direction, mw, price, tso_mw, dso_mw, held_mw


def chosen_isp(runs: Sequence[ReportRun]) -> int:
    """The ISP with the worst overload of an area in any run; without one, that with most activation."""
    worst = max((worst_overload(run) for run in runs), key=lambda found: found[0])
    if worst[0] > 0.0:
        return worst[1]
    system = runs[0].data.system
    total = system.activated_up_mw + system.activated_down_mw
    return int(system.isp.loc[total.idxmax()])


def worst_overload(run: ReportRun) -> tuple[float, int]:
    """Worst overload of an area in a run (% above the limit, 0 if there is none), and its first ISP."""
    rows = run.data.grid[run.data.grid.system != TSO]
    over = rows.groupby("isp").max_overload_pct.max()
    if over.empty or not over.max() > 0.0:
        return 0.0, int(run.isps[0])
    return float(over.max()), int(over.idxmax())


def book_of(run: ReportRun, isp: int) -> Book:
    """The bids of sellers in an ISP of a run and their sales."""
    at = IspTables(run.run, isp)
    bids = at["bids"]
    bids = bids[~bids.demand.astype(bool)]
    sold = at["activations"]
    buyer = buyer_of_market(at.scheme)
    local = sold.market.map(buyer) == "dso"
    keys = ["system", "bid_id"]
    sums = {
        "tso_mw": sold[~local].groupby(keys).quantity_mw.sum(),
        "dso_mw": sold[local].groupby(keys).quantity_mw.sum(),
    }
    found = bids.rename(columns={"quantity_mw": "mw", "price_eur_per_mwh": "price"})
    found = found[[*keys, "provider", "direction", "mw", "price"]].set_index(keys)
    for name, mw in sums.items():
        found[name] = mw.reindex(found.index, fill_value=0.0)
    held = at.held_back().reindex(found.index, fill_value=0.0)
    found["held_mw"] = np.minimum(held, (found.mw - found.tso_mw - found.dso_mw).clip(lower=0.0))
    return Book(at, found.reset_index())


def market_section(runs: Sequence[ReportRun], isp: int) -> Markup:
    """Charts, sentences and tables of the bids of an ISP, run by run."""
    return joined(_of_run(run, book_of(run, isp)) for run in runs)


def _of_run(run: ReportRun, book: Book) -> Markup:
    systems = _systems(book.bids)
    charts = [_chart(book, system, direction) for system in systems[:MOST_CHARTS] for direction in (1, -1)]
    more = len(systems) - MOST_CHARTS
    note = (
        f"Drawn are {MOST_CHARTS} of {len(systems)} systems, those with most MW on offer. "
        if more > 0
        else ""
    )
    return tag(
        "section",
        tag("h3", run.label),
        tag("ul", *(tag("li", line) for line in _sentences(run, book))),
        tag("div", *charts, class_="charts"),
        tag("p", note, class_="note") if note else "",
        held_section(book.at),
        _listed(book),
        class_="run",
    )


def _systems(bids: pd.DataFrame) -> list[str]:
    mw = bids.groupby("system").mw.sum()
    return sorted((str(name) for name in mw.index), key=lambda name: (name != TSO, -mw[name], name))


def _sentences(run: ReportRun, book: Book) -> list[str]:
    """What each market needed and called, and what each DSO held back."""
    at, found = book.at, []
    for row in rows_of(at["clearings"]):
        sold = at["activations"]
        mine = sold[sold.market == row.market]
        if row.system != TSO:
            mine = mine[mine.system == row.system]
        called = [
            f"{number(float(mine[mine.direction == sign].quantity_mw.sum()))} MW {way(sign)}"
            for sign in (1, -1)
        ]
        need = (
            f"needed {number(abs(row.need_mw))} MW {way(1 if row.need_mw > 0 else -1)}, "
            if row.need_mw
            else ""
        )
        left = row.short_mw + row.long_mw
        price = ""
        if math.isfinite(row.price_eur_per_mwh):
            price = f" Price of the market: {number(row.price_eur_per_mwh)} EUR/MWh"
            is_penalty = row.penalty_eur_per_h > EQUAL_PRICE_EUR_PER_MWH
            lacked = "its whole need" if left > EQUAL_MW else "every limit of the grid"
            price += f", a penalty price: the bids did not suffice for {lacked}." if is_penalty else "."
        unserved = f" {number(left)} MW of the need stayed unserved." if left > EQUAL_MW else ""
        name = name_of(str(row.market), str(row.system))
        found.append(
            f"{name[0].upper()}{name[1:]} {need}called {called[0]} and {called[1]}.{price}{unserved}"
        )
    checks = held_back(at["bid_checks"])
    for row in rows_of(checks):
        parts = [
            f"{number(max(held, 0.0))} of {number(offered)} MW {side}"
            for side, held, offered in (
                ("up", row.up_mw, row.offered_up_mw),
                ("down", row.down_mw, row.offered_down_mw),
            )
        ]
        found.append(f"The DSO of {row.system} held back from the TSO {parts[0]} and {parts[1]}.")
    if not (checks.empty or at.records_limits):
        found.append("The run has no table of single bids (bid_limits), so bids held back are not marked.")
    if checks.empty:
        found.append("No DSO checked bids before the TSO bought, so none was held back.")
    refused = at["rejections"]
    for reason, rows in refused[refused.bid_id != ""].groupby("reason"):
        found.append(f"Refused at gate closure: {len(rows)} bids. Reason: {reason}.")
    return found


def _chart(book: Book, system: str, direction: int) -> Markup:
    """Bids of a system in one direction, cheapest first: height is the price, width the MW."""
    rows = book.bids[(book.bids.system == system) & (book.bids.direction == direction)]
    title = f"{system}, {way(direction)}"
    if rows.empty:
        return tag("figure", tag("figcaption", tag("b", title), ": no bids"))
    rows = rows.loc[(direction * rows.price).sort_values(kind="stable").index]
    total = float(rows.mw.sum())
    low, high = min(float(rows.price.min()), 0.0), max(float(rows.price.max()), 0.0)
    scale = (HEIGHT - TOP - BOTTOM) / ((high - low) or 1.0)
    zero = TOP + scale * high
    sold = [f"{number(float(rows.tso_mw.sum()))} sold to the TSO"]
    if system != TSO:
        sold.append(f"{number(float(rows.dso_mw.sum()))} to the DSO")
    if rows.held_mw.any():
        sold.append(f"{number(float(rows.held_mw.sum()))} held back by the DSO")
    says = f"{number(total)} MW offered, {', '.join(sold)}"
    marks = [
        tag(
            "text",
            number(price, 3),
            x=LEFT - 5,
            y=f"{TOP + scale * (high - price) + 4:.1f}",
            text_anchor="end",
        )
        for price in dict.fromkeys((low, 0.0, high))
    ]
    drawing = tag(
        "svg",
        *_bars(rows, zero, scale, (WIDTH - LEFT - RIGHT) / (total or 1.0)),
        tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{zero:.1f}", y2=f"{zero:.1f}", class_="axis"),
        *marks,
        tag("text", "0", x=LEFT, y=HEIGHT - 20, text_anchor="middle"),
        tag("text", f"{number(total)} MW", x=WIDTH - RIGHT, y=HEIGHT - 20, text_anchor="end"),
        tag("text", "EUR/MWh over MW offered", x=LEFT, y=HEIGHT - 5),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="few" if len(rows) <= FEW else None,
        aria_label=f"Merit order of {title}: {says}",
    )
    return tag("figure", tag("figcaption", tag("b", title), f": {says}"), drawing)


def _bars(rows: pd.DataFrame, zero: float, scale: float, width: float) -> list[Markup]:
    """A bar for each part of a bid: sold to a DSO, sold to the TSO, not sold, held back by the DSO."""
    ways: dict[str, list[str]] = {"sold-dso": [], "sold-tso": [], "unsold": [], "held": []}
    x = float(LEFT)
    for row in rows_of(rows):
        left = max(row.mw - row.tso_mw - row.dso_mw - row.held_mw, 0.0)
        parts = (row.dso_mw, row.tso_mw, left, row.held_mw)
        for bars, mw in zip(ways.values(), parts, strict=True):
            if mw > 0.0:
                end = x + width * mw
                bars.append(f"M{x:.1f} {zero:.1f}V{zero - scale * row.price:.1f}H{end:.1f}V{zero:.1f}Z")
                x = end
    return [tag("path", d="".join(bars), class_=kind) for kind, bars in ways.items() if bars]


def _listed(book: Book) -> Markup:
    """Bids with sales, and those without that were nearest to the price, with the reason."""
    bids = book.bids
    sold = bids[bids.tso_mw + bids.dso_mw > EQUAL_MW]
    largest = sold.loc[(-(sold.tso_mw + sold.dso_mw)).sort_values(kind="stable").index][:MOST_SOLD]
    left = bids[bids.mw - bids.tso_mw - bids.dso_mw > EQUAL_MW]
    whole = left.held_mw >= left.mw - left.tso_mw - left.dso_mw - EQUAL_MW
    idle, says = _not_needed(book, left)
    says = joined((says, _held_whole(left[whole & (left.direction != idle)])))
    left = left[~whole & (left.direction != idle)]
    near = [
        part.loc[(direction * part.price).sort_values(kind="stable").index][:MOST_EXPLAINED]
        for direction in (1, -1)
        for part in (left[left.direction == direction],)
    ]
    explained = pd.concat(near)
    head = ("bid", "seller", "system", "direction", "MW offered", "EUR/MWh")
    held = bids.held_mw.any()
    return joined(
        (
            _details(
                f"Bids called: {len(largest)} of {len(sold)}, the largest first",
                table(
                    (*head, "MW to the TSO", "MW to the DSO"),
                    [(*_cells(row), number(row.tso_mw), number(row.dso_mw)) for row in rows_of(largest)],
                    (4, 5, 6, 7),
                    class_="stack",
                ),
            ),
            _details(
                f"Why not called: {len(explained)} of {len(left)} bids with MW left, best prices first",
                says,
                table(
                    (*head, *(["MW held back"] if held else []), "result"),
                    [
                        (
                            *_cells(row),
                            *([number(row.held_mw)] if held else []),
                            explain_bid(book.at, str(row.bid_id))[-1],
                        )
                        for row in rows_of(explained)
                    ],
                    (4, 5, 6) if held else (4, 5),
                    class_="stack",
                ),
            ),
        )
    )


def _not_needed(book: Book, left: pd.DataFrame) -> tuple[int, Markup]:
    """The direction of which the TSO needed and called nothing (0: none), and a line on its bids."""
    at = book.at
    idle = -int(needed_direction(at["clearings"]).get(at.isp, 0))
    mine, all_bids = left[left.direction == idle], book.bids
    if not idle or mine.empty or (all_bids.tso_mw[all_bids.direction == idle] > EQUAL_MW).any():
        return 0, Markup()
    says = (
        f"The {len(mine)} bids {way(idle)} with {number(float((mine.mw - mine.tso_mw - mine.dso_mw).sum()))} "
        f"MW left are not listed: the TSO needed power {way(-idle)} and called none {way(idle)}."
    )
    return idle, tag("p", says)


def _held_whole(bids: pd.DataFrame) -> Markup:
    """A line on bids of which a DSO held back all that was left."""
    if bids.empty:
        return Markup()
    says = (
        f"The {len(bids)} bids of which a DSO held back all MW left ({number(float(bids.held_mw.sum()))} MW)"
    )
    return tag("p", f"{says} are not listed here; see the bids held back.")


def _cells(row: object) -> tuple[str, ...]:
    names = ("bid_id", "provider", "system")
    bid, seller, system = (str(getattr(row, name)) for name in names)
    direction, mw, price = (float(getattr(row, name)) for name in ("direction", "mw", "price"))
    return (
        bid,
        seller,
        system,
        way(int(direction)),
        number(mw),
        f"{price + 0.0:.2f}".replace("-", "\N{MINUS SIGN}"),
    )


def _details(summary: str, *content: Markup) -> Markup:
    return tag("details", tag("summary", summary), *content)


def local_time(run: ReportRun, isp: int) -> str:
    """Start of an ISP in local time, with the zone."""
    position = int(np.flatnonzero(run.isps == isp)[0])
    return f"{run.data.local[position]:%A %d %B %Y %H:%M} ({run.data.zone})"
