"""The table of ``tandem power`` for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE

ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("as_bid", "total.profit_eur", "profit of sellers", "EUR"),
    ("difference", "total.profit_eur", "  above truthful", "EUR"),
    ("difference", "total.day_ahead_margin_eur", "day-ahead margins of units above truthful", "EUR"),
    ("as_bid", "total.markup_sold_eur_per_mwh", "mean mark-up of what was sold", "EUR/MWh"),
    ("as_bid", "total.markup_offered_eur_per_mwh", "  of what was offered", "EUR/MWh"),
    ("as_bid", "total.lerner_up", "Lerner index of energy sold up", ""),
    ("as_bid", "total.withheld_mwh", "withheld", "MWh"),
    ("difference", "consumer_cost.total_eur", "extra cost of consumers", "EUR"),
    ("difference", "day_ahead_bill_eur", "day-ahead bill above truthful", "EUR"),
    ("inefficiency", "by_strategy_eur", "inefficiency by strategy (true cost)", "EUR"),
    ("inefficiency", "by_scheme_eur", "inefficiency by scheme, all truthful", "EUR"),
    ("as_bid", "safety.violated_isps", "ISPs with a limit broken", "ISPs"),
    ("truthful", "safety.violated_isps", "  all truthful", "ISPs"),
    ("inefficiency", "reference_safety.violated_isps", "  all truthful, scheme of reference", "ISPs"),
    ("as_bid", "safety.unserved_mwh", "unserved need", "MWh"),
    ("truthful", "safety.unserved_mwh", "  all truthful", "MWh"),
    ("inefficiency", "reference_safety.unserved_mwh", "  all truthful, scheme of reference", "MWh"),
)
MARKET_ROWS = (
    ("rsi_mean", "residual supply index"), ("pivotal_isps", "ISPs with a pivotal seller"),
    ("hhi_able", "HHI, able"), ("hhi_sold", "HHI, sold"),
)  # fmt: skip


def power_table(found: Mapping[str, Any]) -> Table:
    """Figures by scheme, means over seeds with their intervals; extra costs by payer, structure by market."""
    schemes: Mapping[str, Any] = found["schemes"]
    seeds = len(next(iter(schemes.values()))["seeds"])
    title = f"{found['scenario']}: strategic against truthful bidding, mean of {seeds} seed(s)"
    note = found["interval"]["note"] or f"[ ] {100 * found['interval']['level']:g} % (Student t) over seeds"
    caption = f"{note}; reference of the inefficiency by scheme: {found['reference']}"
    table = Table(title=escape(title), caption=escape(caption), box=SIMPLE_HEAD)
    table.add_column("")
    table.add_column("unit")
    for name in schemes:
        table.add_column(name, justify="right")

    def add(part: str, path: str, label: str, unit: str) -> None:
        cells = [entry[part].get(path) for entry in schemes.values()]
        if any(cell is not None for cell in cells):
            table.add_row(label, unit, *(escape(_cell(cell)) for cell in cells))

    for part, path, label, unit in ROWS:
        add(part, path, label, unit)
        if path == "consumer_cost.total_eur":
            for payer in _names(schemes, "difference", "consumer_cost.by_party_eur."):
                add("difference", f"consumer_cost.by_party_eur.{payer}", f"  borne by {payer}", "EUR")
            for payer in _names(schemes, "difference", "procurement_eur."):
                add("difference", f"procurement_eur.{payer}", f"extra procurement, {payer}", "EUR")
    for seller in found["strategic"]:
        add("difference", f"sellers.{seller}.earned_eur", f"{seller}: earned above truthful", "EUR")
    for market in _names(schemes, "as_bid", "markets."):
        for side in ("up", "down"):
            for key, label in MARKET_ROWS:
                add("as_bid", f"markets.{market}.{side}.{key}", f"market {market}, {side}: {label}", "")
    return table


def _names(schemes: Mapping[str, Any], part: str, prefix: str) -> list[str]:
    """Names right behind a prefix in the paths of any scheme."""
    found = {
        path.removeprefix(prefix).split(".")[0]: None
        for entry in schemes.values()
        for path in entry[part]
        if path.startswith(prefix)
    }
    return list(found)


def _cell(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return "-"
    if value["low"] is None:
        return _number(value["mean"])
    return f"{_number(value['mean'])} [{_number(value['low'])}, {_number(value['high'])}]"


def _number(value: float) -> str:
    if abs(value) < NEGLIGIBLE_FIGURE:
        return "0"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
