"""The command ``tandem explain``: explain the result of a bid, or list the bids of an ISP."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tandem_sim.experiments.api import load
from tandem_sim.experiments.explain.explain import explain_bid
from tandem_sim.experiments.explain.tables import IspTables, isp_of, rows_of, way
from tandem_sim.experiments.explain.words import number
from tandem_sim.experiments.results.terminal_text import decimals, hanging, terminal_width
from tandem_sim.experiments.runs.logs import terminal

ROOMY = 100
"""Characters from which on columns have space between them."""


def show(folder: str, moment: str, bid_id: str | None) -> None:
    """Print the explanation of a bid, sentence by sentence; without a bid those of the ISP are listed."""
    run = load(folder)
    at = IspTables(run, isp_of(run, moment))
    if bid_id is None:
        terminal().print(offers_table(at))
        for row in rows_of(at.offers()):
            if row.refused:
                line = f"refused: {row.bid_id} ({row.system}): {row.refused}"
                print("\n".join(hanging(line, terminal_width(len(line)))))
        return
    for line in explain_bid(at, bid_id):
        print("\n".join(hanging(line, terminal_width(len(line)))))


def offers_table(at: IspTables) -> Table:
    """The bids of an ISP that were accepted at gate closure: MW, EUR/MWh and MW sold in all markets."""
    title = f"ISP {at.isp}, {at.start:%a %d %b %Y %H:%M}, {at.scheme.name}"
    table = Table(title=escape(title), box=SIMPLE_HEAD)
    if terminal_width() < ROOMY:
        table.padding = (0, 0, 0, 0)
    for column in ("system", "bid", "provider", "up/down"):
        table.add_column(column, no_wrap=column != "bid", overflow="fold")
    for column in ("MW", "EUR/MWh", "MW\nsold"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in rows_of(at.offers()):
        if row.refused:
            continue
        figures = number(row.mw), decimals(row.price, 2), number(row.sold_mw)
        table.add_row(
            escape(row.system), escape(row.bid_id), escape(row.provider), way(row.direction), *figures
        )
    return table
