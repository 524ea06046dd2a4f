"""The table of ``tandem power`` for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from tandem_sim.experiments.results.layout import side_by_side
from tandem_sim.grids.tolerances import NEGLIGIBLE_FIGURE

ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("as_bid", "total.profit_eur", "profit of sellers", "EUR"),
    ("difference", "total.profit_eur", "  above truthful", "EUR"),
    ("difference", "total.day_ahead_margin_eur", "day-ahead margins of units, extra", "EUR"),
    ("as_bid", "total.markup_sold_eur_per_mwh", "mean mark-up of energy sold", "EUR/MWh"),
    ("as_bid", "total.markup_offered_eur_per_mwh", "  of energy offered", "EUR/MWh"),
    ("as_bid", "total.lerner_up", "Lerner index of energy sold up", "0 to 1"),
    ("as_bid", "total.withheld_mwh", "energy withheld", "MWh"),
    ("difference", "consumer_cost.total_eur", "extra cost of consumers", "EUR"),
    ("difference", "day_ahead_bill_eur", "day-ahead bill, extra", "EUR"),
    ("inefficiency", "by_strategy_eur", "inefficiency by strategy", "EUR"),
    ("inefficiency", "by_scheme_eur", "inefficiency by scheme, truthful", "EUR"),
    ("as_bid", "safety.violated_isps", "ISPs with a broken limit", "ISPs"),
    ("truthful", "safety.violated_isps", "  truthful", "ISPs"),
    ("inefficiency", "reference_safety.violated_isps", "  truthful, reference scheme", "ISPs"),
    ("as_bid", "safety.unserved_mwh", "unserved need", "MWh"),
    ("truthful", "safety.unserved_mwh", "  truthful", "MWh"),
    ("inefficiency", "reference_safety.unserved_mwh", "  truthful, reference scheme", "MWh"),
)
MARKET_ROWS = (
    ("rsi_mean", "residual supply index", "MW/MW"),
    ("pivotal_isps", "ISPs with a pivotal seller", "ISPs"),
    ("hhi_able", "HHI of available MW", "points"),
    ("hhi_sold", "HHI of sold MW", "points"),
)


def power_tables(found: Mapping[str, Any], width: int) -> list[Table]:
    """Figures by scheme, means over seeds with their intervals; extra costs by payer, structure by market.

    `extra` is as bid less truthful. Several tables if the schemes do not fit in `width` characters.
    """
    schemes: Mapping[str, Any] = found["schemes"]
    seeds = len(next(iter(schemes.values()))["seeds"])
    title = (
        f"{found['scenario']}: strategic and truthful bids, mean of {seeds} seed{'' if seeds == 1 else 's'}"
    )
    note = found["interval"]["note"] or f"[ ] {100 * found['interval']['level']:g} % (Student t) over seeds"
    caption = f"extra: as bid less truthful; reference scheme: {found['reference']}; {note}"
    labels: list[tuple[str, str]] = []
    columns: dict[str, list[str]] = {name: [] for name in schemes}

    def add(part: str, path: str, label: str, unit: str) -> None:
        values = [entry[part].get(path) for entry in schemes.values()]
        if any(value is not None for value in values):
            labels.append((label, unit))
            for cells, value in zip(columns.values(), values, strict=True):
                cells.append(_cell(value))

    for part, path, label, unit in ROWS:
        add(part, path, label, unit)
        if path == "consumer_cost.total_eur":
            for payer in _names(schemes, "difference", "consumer_cost.by_party_eur."):
                add("difference", f"consumer_cost.by_party_eur.{payer}", f"  borne by {payer}", "EUR")
            for payer in _names(schemes, "difference", "procurement_eur."):
                add("difference", f"procurement_eur.{payer}", f"extra procurement, {payer}", "EUR")
    for seller in found["strategic"]:
        add("difference", f"sellers.{seller}.earned_eur", f"{seller}: extra earnings", "EUR")
    for market in _names(schemes, "as_bid", "markets."):
        for side in ("up", "down"):
            for key, label, unit in MARKET_ROWS:
                add("as_bid", f"markets.{market}.{side}.{key}", f"market {market}, {side}: {label}", unit)
    return side_by_side(title, labels, columns, width, caption)


def _names(schemes: Mapping[str, Any], part: str, prefix: str) -> list[str]:
    """Names that follow a prefix in the paths of any scheme."""
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
