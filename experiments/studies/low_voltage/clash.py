"""Reserve from customers with non-firm connections: energy that activated limits block, and its substitution.

Run by ``python -m tandem_sim.experiments.studies.low_voltage.clash FOLDER``.

Runs `nfca-clash` without substitution, with each kind of it alone, with all, with limits set before bids are
sent, and with trading of curtailment: once with an aggregator whose whole portfolio is the feeder, once with
the customers of the feeder distributed over the other aggregators. Writes ``clash.csv`` and ``clash.png``.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import BLUE, GREEN, ORANGE, RED, house_style, new_figure, save
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.markets.orders.bids import DOWN
from tandem_sim.markets.services.substitution import SUBSTITUTION
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.scenario import Scenario

SCENARIO = "nfca-clash"
CASES: dict[str, dict[str, Any]] = {
    "no remedy": {},
    "portfolio": {"non_firm.substitution": ["portfolio"]},
    "aggregators": {"non_firm.substitution": ["aggregators"]},
    "TSO": {"non_firm.substitution": ["tso"]},
    "all three": {"non_firm.substitution": ["portfolio", "aggregators", "tso"]},
    "prequalification": {"non_firm.role": "prequalification"},
    "trading": {"non_firm.trading": True, "non_firm.participation": 0.6},
    "no trading, 60 %": {"non_firm.participation": 0.6},
}
FEEDER = "H"
FIRST, LAST = "17:30", "18:30"
"""Local time of the begin and end of the incident, in which the whole reserve is called."""


def scenario_of(changes: dict[str, Any], own: bool) -> Scenario:
    """The scenario with changes; `own`: an aggregator of its own serves the feeder."""
    scenario, _ = read_scenario(SCENARIO, changes)
    first, *others = scenario.low_voltage
    lv_feeders = [first.model_copy(update={"own_aggregator": own}), *others]
    return scenario.model_copy(update={"low_voltage": lv_feeders})


def measured(folder: Path, scenario: Scenario) -> dict[str, float]:
    """Energy missing in the hour of the incident, its substitution, and the cost."""
    tables = {}
    for name in ("substitution", "reserve", "settlement", "low_voltage", "activations", "curtailment_trades"):
        table = pd.read_parquet(folder / f"{name}.parquet")
        clock = table.time.dt.tz_convert(scenario.zone).dt.strftime("%H:%M")
        tables[name] = table[(clock >= FIRST) & (clock < LAST)]
    hours = scenario.isp_minutes / 60.0
    substitution, paid = tables["substitution"], tables["settlement"].groupby("kind").amount_eur.sum()
    down, reserve = substitution[substitution.direction == DOWN], tables["reserve"]
    feeder = tables["low_voltage"][tables["low_voltage"].lv_feeder == FEEDER]
    bought = tables["activations"]
    by_tso = bought[bought.market == SUBSTITUTION]
    by_others = float(down.aggregators_mw.sum() * hours)
    activation = tables["settlement"].query("kind == 'activation' and payer == 'TSO'")
    return {
        "reserve_blocked_mw": float(down.reserve_blocked_mw.sum() / reserve.isp.nunique()),
        "undelivered_mwh": float(down.reserve_undelivered_mw.sum() * hours),
        "portfolio_mwh": float(down.portfolio_mw.sum() * hours),
        "aggregators_mwh": by_others,
        "help_eur_per_mwh": -float(down.aggregators_eur_per_h.sum() * hours) / by_others
        if by_others
        else np.nan,
        "opened_by_tso_mw": float(down.tso_reserve_mw.sum() / reserve.isp.nunique()),
        "opened_and_called_mwh": float(down.tso_called_mw.sum() * hours),
        "replaced_mwh": float(by_tso.quantity_mw.sum() * hours),
        "reserve_down_mwh": float(reserve.down_mw.sum() * hours),
        "control_error_mw": float(reserve.error_mw.mean()),
        "paid_by_tso_eur": float(activation.amount_eur.sum()),
        "shortfall_eur": float(paid.get("shortfall", 0.0)),
        "household_cost_eur": float(paid.get("household cost", 0.0)),
        "feeder_safe_pct": 100.0 * float(feeder.safe.mean()),
        "withheld_kwh": float(feeder.withheld_kwh.sum()),
        "traded_kwh": float(tables["curtailment_trades"].kw.sum() * hours),
    }


def executed() -> pd.DataFrame:
    """One row per case and kind of aggregator."""
    rows = []
    for own in (True, False):
        for name, changes in CASES.items():
            scenario = scenario_of(changes, own)
            with tempfile.TemporaryDirectory() as folder:
                run(scenario, None, Path(folder) / "run")
                figures = measured(Path(folder) / "run", scenario)
            portfolio = "the feeder alone" if own else "spread"
            rows.append({"portfolio": portfolio, "case": name, **figures})
    return pd.DataFrame(rows)


def _bars(ax: Axes, table: pd.DataFrame, title: str) -> None:
    """Energy that substituted blocked reserve, by party, in one hour of full call (kWh)."""
    rows = table[table.case.isin(["no remedy", "portfolio", "aggregators", "TSO", "all three"])]
    at, below = np.arange(len(rows)), np.zeros(len(rows))
    opened = rows.opened_and_called_mwh.to_numpy(dtype=np.float64)
    missing = np.maximum(rows.undelivered_mwh.to_numpy(dtype=np.float64) - opened, 0.0)
    parts = (
        ("own portfolio", rows.portfolio_mwh.to_numpy(dtype=np.float64), GREEN),
        ("other aggregators", rows.aggregators_mwh.to_numpy(dtype=np.float64), BLUE),
        ("TSO, slow bids", opened, ORANGE),
        ("missing", missing, RED),
    )
    for label, values, colour in parts:
        kwh = 1000.0 * values
        bars = ax.bar(at, kwh, 0.6, bottom=below, color=colour, label=label)
        ax.bar_label(bars, [f"{v:.1f}" if v > 1.0 else "" for v in kwh], label_type="center", fontsize=8)
        below = below + kwh
    names = {"no remedy": "nobody", "portfolio": "own portfolio", "aggregators": "other\naggregators"}
    ax.set_xticks(at, [names.get(case, case) for case in rows.case])
    ax.set_xlabel("Substitution allowed by (party)")
    ax.set_ylabel("Blocked reserve in the hour (kWh)")
    ax.set_title(title)
    ax.margins(x=0.04)


def figure(table: pd.DataFrame, folder: Path) -> Path:
    """Reserve blocked by limits and its substitution, for both kinds of portfolio."""
    with house_style():
        drawn = new_figure(
            "Substitution of reserve blocked by connection limits",
            "nfca-clash, 17:30 to 18:30 local time",
            11.0,
            4.6,
            "",
            "The TSO calls its whole reserve in the hour. Amounts and cars are synthetic.",
        )
        axes = drawn.subplots(1, 2, sharey=True)
        for ax, (kind, part) in zip(axes, table.groupby("portfolio", sort=False), strict=True):
            where = "on this feeder alone" if kind == "the feeder alone" else "on many feeders"
            _bars(ax, part, f"The aggregator has customers {where}")
        axes[0].legend(loc="upper left", bbox_to_anchor=(0.0, -0.24), ncols=4)
        return save(drawn, folder / "clash.png")


def main(folder: Path) -> None:
    """Run everything and write it."""
    folder.mkdir(parents=True, exist_ok=True)
    table = executed()
    table.to_csv(folder / "clash.csv", index=False, float_format="%.5f")
    figure(table, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
