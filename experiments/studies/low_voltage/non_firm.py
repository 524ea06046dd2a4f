"""Low-voltage flexibility left under non-firm connections, over a year.

``tandem sweep non-firm-year --out RUNS`` makes the runs, and then
``python -m tandem_sim.experiments.studies.low_voltage.non_firm RUNS FOLDER`` writes ``non_firm.csv``,
``non_firm_seasons.csv`` and ``non_firm.png``. Bands are 95 % intervals of a bootstrap over the weeks of the
year (seeded): they show the effect of single weeks, not of other populations.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import BLUE, DARK, GREEN, ORANGE, RED, house_style, new_figure, save
from tandem_sim.experiments.sweeps.sweep import SUMMARY
from tandem_sim.grids.types import FloatArray

DRAWS = 1000
SEASONS = {
    "winter": (12, 1, 2),
    "spring": (3, 4, 5),
    "summer": (6, 7, 8),
    "autumn": (9, 10, 11),
}
ZONE = "Europe/Brussels"
FEEDERS, USERS = 6, 55
"""Of the scenario `lv-feeder`: low-voltage feeders, and users of each."""
FIELDS = (
    "scheme",
    "non_firm.participation",
    "non_firm.who",
    "non_firm.limits",
    "non_firm.role",
    "non_firm.preset",
)
DEFAULTS = {
    "non_firm.who": "all",
    "non_firm.limits": "static",
    "non_firm.role": "correction",
    "non_firm.preset": "",
}
SUMS = (
    "offer_up_kw",
    "free_offer_up_kw",
    "offer_down_kw",
    "free_offer_down_kw",
    "feeder_isps",
    "unsafe",
    "unsafe_without",
    "unsafe_with",
    "unsafe_by_activation",
    "contract_isps",
    "withheld_kwh",
    "shed_kwh",
)
FIGURES: dict[str, Callable[[pd.Series], float]] = {
    "offers_left_up_pct": lambda s: 100.0 * s.offer_up_kw / s.free_offer_up_kw,
    "offers_left_down_pct": lambda s: 100.0 * s.offer_down_kw / s.free_offer_down_kw,
    "unsafe_without_pct": lambda s: 100.0 * s.unsafe_without / s.feeder_isps,
    "unsafe_with_pct": lambda s: 100.0 * s.unsafe_with / s.feeder_isps,
    "unsafe_pct": lambda s: 100.0 * s.unsafe / s.feeder_isps,
    "unsafe_by_activation_pct": lambda s: 100.0 * s.unsafe_by_activation / s.feeder_isps,
}
"""Ratios of sums: of offers with limits to those without, and of unsafe feeder-ISPs to all."""


def weekly(run: Path) -> pd.DataFrame:
    """Sums of `SUMS` by week and season of a run."""
    lv = pd.read_parquet(run / "low_voltage.parquet")
    local = lv.time.dt.tz_convert(ZONE)
    month = {m: season for season, months in SEASONS.items() for m in months}
    lv = lv.assign(
        week=(local.dt.dayofyear - 1) // 7,
        season=local.dt.month.map(month),
        feeder_isps=1,
        unsafe=~lv.safe,
        unsafe_without=~lv.unconstrained_safe,
        unsafe_with=~lv.base_safe,
        unsafe_by_activation=lv.base_safe & ~lv.safe,
        contract_isps=lv.active_contracts,
    )
    return lv.groupby(["week", "season"], as_index=False)[list(SUMS)].sum()


def interval(weeks: pd.DataFrame, figure: Callable[[pd.Series], float]) -> tuple[float, float]:
    """95 % interval of a figure when weeks are drawn with replacement."""
    by_week = weeks.groupby("week")[list(SUMS)].sum()
    values, n = by_week.to_numpy(dtype=np.float64), len(by_week)
    rng = np.random.default_rng(1)
    drawn = [
        figure(pd.Series(values[rng.integers(0, n, n)].sum(axis=0), index=by_week.columns))
        for _ in range(DRAWS)
    ]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return float(low), float(high)


def worked_out(runs: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per run with figures and intervals, and a row per run and season."""
    summary = pd.read_parquet(runs / SUMMARY)
    summary = summary[summary.error == ""]
    rows, seasons = [], []
    for _, point in summary.iterrows():
        weeks = weekly(runs / str(point.run_id))
        fields = {f: point[f] if f in point.index and pd.notna(point[f]) else DEFAULTS.get(f) for f in FIELDS}
        whole = weeks[list(SUMS)].sum()
        contracts = FEEDERS * round(USERS * float(point["non_firm.participation"]))
        hours = 366.0 * 24.0 / (point.isps)
        row: dict[str, object] = dict(fields)
        for name, figure in FIGURES.items():
            low, high = interval(weeks, figure)
            row |= {name: figure(whole), f"{name}_low": low, f"{name}_high": high}
        row |= {
            "hours_limited_per_contract": whole.contract_isps * hours / contracts,
            "withheld_kwh_per_contract": whole.withheld_kwh / contracts,
            "shed_kwh_per_contract": whole.shed_kwh / contracts,
            "unsolved": point.limits_unsolved,
            "activated": point.limits_activated,
            "most_activations": point.most_activations,
            "lost_mwh": point.lost_mwh,
            "procurement_cost_eur": point.procurement_cost_eur,
            "violated_isps": point.violated_isps,
        }
        rows.append(row)
        for season, part in weeks.groupby("season"):
            sums = part[list(SUMS)].sum()
            figures = {name: figure(sums) for name, figure in FIGURES.items()}
            seasons.append({**fields, "season": season, **figures})
    return pd.DataFrame(rows), pd.DataFrame(seasons)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Rows in which only participation and who is limited vary."""
    same = {
        "scheme": "multilevel-03",
        "non_firm.limits": "static",
        "non_firm.role": "correction",
        "non_firm.preset": "",
    }
    return table[(table[list(same)] == pd.Series(same)).all(axis=1)]


def _band(ax: Axes, rows: pd.DataFrame, name: str, colour: str, label: str) -> None:
    rows = rows.sort_values("non_firm.participation")
    share = 100.0 * rows["non_firm.participation"].to_numpy(dtype=np.float64)
    values: list[FloatArray] = [
        rows[column].to_numpy(dtype=np.float64) for column in (name, f"{name}_low", f"{name}_high")
    ]
    ax.fill_between(share, values[1], values[2], color=colour, alpha=0.2, linewidth=0)
    ax.plot(share, values[0], color=colour, marker="o", label=label)


def figure(table: pd.DataFrame, seasons: pd.DataFrame, folder: Path) -> Path:
    """Offers left and unsafe feeders against participation, and offers left by season."""
    plain = _plain(table)
    with house_style():
        drawn = new_figure(
            "A year of activated limits: offers left, and safety of feeders",
            "",
            13.0,
            4.4,
            "",
            "lv-feeder, 2016, multilevel-03; bands: 95 % over weeks; device ownership synthetic and high",
        )
        left, middle, right = drawn.subplots(1, 3)
        for who, down, up in (("all", BLUE, GREEN), ("fewest", ORANGE, RED)):
            rows = plain[plain["non_firm.who"] == who]
            _band(left, rows, "offers_left_down_pct", down, f"down, {who} limited")
            _band(left, rows, "offers_left_up_pct", up, f"up, {who} limited")
        rows = plain[plain["non_firm.who"] == "all"]
        _band(middle, rows, "unsafe_without_pct", DARK, "before activation, no contracts")
        _band(middle, rows, "unsafe_with_pct", GREEN, "before activation, with contracts")
        _band(middle, rows, "unsafe_pct", RED, "as delivered")
        left.set_title("Offers left under the limits")
        left.set_ylabel("% of offers without limits")
        middle.set_title("Feeders outside their limits")
        middle.set_ylabel("% of feeder-ISPs")
        middle.set_ylim(bottom=0.0)
        for ax in (left, middle):
            ax.set_xlabel("Users under contract (%)")
            ax.set_xlim(20.0, 104.0)
            ax.legend(loc="lower left")
        _seasons(right, seasons)
        return save(drawn, folder / "non_firm.png")


def _seasons(ax: Axes, seasons: pd.DataFrame) -> None:
    rows = _plain(seasons)
    rows = rows[(rows["non_firm.who"] == "all") & (rows["non_firm.participation"] == 1.0)].set_index("season")
    at, names = np.arange(len(SEASONS)), list(SEASONS)
    for k, (column, colour, label) in enumerate(
        (("offers_left_down_pct", BLUE, "down"), ("offers_left_up_pct", GREEN, "up"))
    ):
        lost = 100.0 - rows.loc[names, column].to_numpy(dtype=np.float64)
        ax.bar(at + (k - 0.5) * 0.38, lost, 0.36, color=colour, label=label)
    ax.set_xticks(at, names)
    ax.set_title("Offers lost, all users under contract")
    ax.set_ylabel("% of offers without limits")
    ax.legend(loc="best")


def main(runs: Path, folder: Path) -> None:
    """Reduce the runs of a sweep to tables and a figure."""
    folder.mkdir(parents=True, exist_ok=True)
    table, seasons = worked_out(runs)
    table.to_csv(folder / "non_firm.csv", index=False, float_format="%.4f")
    seasons.to_csv(folder / "non_firm_seasons.csv", index=False, float_format="%.4f")
    figure(table, seasons, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
