"""Time series of a report: what is drawn in which plot, from tables, one value per ISP.

Power is in MW; injection, and what raises it, is positive. Interface flows are positive into an area.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from tandem_sim.agents.devices.classes.registry import CLASSES
from tandem_sim.experiments.plots.runs import grouped
from tandem_sim.experiments.report.parts.arrays import How, packed, thinned
from tandem_sim.experiments.report.parts.read import ReportRun
from tandem_sim.experiments.results.intervals import mean_and_range
from tandem_sim.experiments.results.kpis import NARROWING
from tandem_sim.grids.types import FloatArray

MOST_POINTS = 4_032
"""Most points of a series: six weeks of quarters of an hour. Longer runs are thinned."""
Look = Literal["line", "before", "class"]
DAY_AHEAD = "day-ahead"
GROUPED = ("Series", "Areas", "Households")
"""Groups of plots in their order."""
DEVICES = {"load": "inflexible load", **{known.name: known.title for known in CLASSES}}
"""Title of every class of device, as in table `devices`."""


@dataclass(frozen=True)
class Line:
    """A line of a plot. `run` decides on its colour (None: that of `shade`), `look` on its dashes.

    `band` are the lowest and highest value over seeds, where the line is a mean over seeds.
    """

    label: str
    values: FloatArray
    run: int | None = None
    look: Look = "line"
    shade: int = 0
    how: How = "mean"
    band: tuple[FloatArray, FloatArray] | None = None


@dataclass(frozen=True)
class Plot:
    """Lines on one axis. `limits` are drawn as dashed lines with their names."""

    name: str
    title: str
    unit: str
    says: str
    lines: Sequence[Line]
    digits: int = 2
    group: str = "Series"
    limits: Sequence[tuple[float, str]] = field(default_factory=tuple)


def plots_of(runs: Sequence[ReportRun]) -> list[Plot]:
    """All plots in order; those without a number are left out.

    Runs that differ in the seed alone are one line, their mean, with a band from lowest to highest.
    """
    groups = grouped(runs)
    found = _all(runs) if len(groups) == len(runs) else _over_seeds(groups)
    return [plot for plot in found if any(np.isfinite(line.values).any() for line in plot.lines)]


def _all(runs: Sequence[ReportRun]) -> list[Plot]:
    return [*_system(runs), *_held_back(runs), *_areas(runs), *_households(runs)]


def _over_seeds(groups: Mapping[str, Sequence[ReportRun]]) -> list[Plot]:
    """The plots of groups: each line is the mean over the seeds of a group."""
    found: dict[str, Plot] = {}
    for k, (label, group) in enumerate(groups.items()):
        seeds = ", ".join(str(run.scenario.seed) for run in group)
        name = f"{label}, {'mean of seeds' if len(group) > 1 else 'seed'} {seeds}"
        members = [_all([replace(run, label=name)]) for run in group]
        for plot in members[0]:
            lines = [each.lines for plots in members for each in plots if each.name == plot.name]
            merged = [_mean_line(line, lines, k) for line in plot.lines if k == 0 or line.label != DAY_AHEAD]
            key = plot.name.replace("households 0", f"households {k}")
            says = plot.says if len(group) == 1 else f"{plot.says} Mean over seeds; band: lowest and highest."
            if key in found:
                found[key] = replace(found[key], lines=[*found[key].lines, *merged])
            else:
                found[key] = replace(plot, name=key, lines=merged, says=says)
    return sorted(found.values(), key=lambda plot: list(GROUPED).index(plot.group))


def _mean_line(line: Line, lines: Sequence[Sequence[Line]], k: int) -> Line:
    """A line of a group `k` as the mean over its runs, with the band where there are several."""
    rows = [other.values for each in lines for other in each if other.label == line.label]
    mean, low, high = mean_and_range(rows)
    run = None if line.run is None else k
    return replace(line, values=mean, run=run, band=(low, high) if len(rows) > 1 else None)


def every_of(runs: Sequence[ReportRun]) -> int:
    """How many ISPs one point of a series stands for."""
    return -(-len(runs[0].isps) // MOST_POINTS)


def as_json(plot: Plot, every: int) -> dict[str, Any]:
    """A plot for the page; each point stands for `every` ISPs."""
    lines = [
        {
            "label": line.label,
            "run": line.run,
            "look": line.look,
            "shade": line.shade,
            "values": packed(thinned(line.values, every, line.how)),
            **(
                {}
                if line.band is None
                else {
                    "low": packed(thinned(line.band[0], every, "min")),
                    "high": packed(thinned(line.band[1], every, "max")),
                }
            ),
        }
        for line in plot.lines
    ]
    return {
        "name": plot.name,
        "title": plot.title,
        "unit": plot.unit,
        "digits": plot.digits,
        "limits": [{"at": at, "label": label} for at, label in plot.limits],
        "lines": lines,
    }


def _column(run: ReportRun, name: str) -> FloatArray:
    return run.data.system[name].to_numpy(dtype=np.float64)


def _system(runs: Sequence[ReportRun]) -> Iterator[Plot]:
    first = runs[0]
    prices = [Line(DAY_AHEAD, _column(first, "day_ahead_price_eur_per_mwh"), look="before")]
    for k, run in enumerate(runs):
        short = _column(run, "imbalance_price_short_eur_per_mwh")
        long = _column(run, "imbalance_price_long_eur_per_mwh")
        if np.allclose(short, long, equal_nan=True):
            prices.append(Line(f"imbalance, {run.label}", short, k))
        else:
            prices.append(Line(f"short pays, {run.label}", short, k))
            prices.append(Line(f"long receives, {run.label}", long, k, "before"))
    yield Plot(
        "prices",
        "Prices",
        "EUR/MWh",
        "Day-ahead price, and the imbalance price at which deviations from schedules are settled.",
        prices,
    )
    yield Plot(
        "imbalance",
        "System imbalance before and after activation",
        "MW",
        "Positive: surplus of the system. Before: without activation. After: as delivered. Both without "
        "losses.",
        [
            *(
                Line(f"before, {run.label}", _column(run, "imbalance_before_mw"), k, "before")
                for k, run in enumerate(runs)
            ),
            *(
                Line(f"after, {run.label}", _column(run, "imbalance_after_mw"), k)
                for k, run in enumerate(runs)
            ),
        ],
    )
    yield Plot(
        "activation",
        "Activated flexibility",
        "MW",
        "All markets together. Up (positive) is more injection or less consumption, down (negative) the "
        "reverse.",
        [
            line
            for k, run in enumerate(runs)
            for line in (
                Line(f"up, {run.label}", _column(run, "activated_up_mw"), k),
                Line(f"down, {run.label}", -_column(run, "activated_down_mw"), k),
            )
        ],
    )


def _held_back(runs: Sequence[ReportRun]) -> Iterator[Plot]:
    lines = []
    for k, run in enumerate(runs):
        rows = held_back(run.data.bid_checks)
        if rows.empty:
            continue
        for way, sign in (("up", 1.0), ("down", -1.0)):
            sums = rows.groupby("isp")[f"{way}_mw"].sum().reindex(pd.Index(run.isps), fill_value=0.0)
            lines.append(Line(f"{way}, {run.label}", sign * sums.to_numpy(dtype=np.float64), k))
    if lines:
        yield Plot(
            "held_back",
            "Offers that DSOs held back from the TSO",
            "MW",
            "Offered to the TSO by sellers in areas, less what their DSO allowed. Down is drawn negative. "
            "Schemes in which no DSO checks bids have no line.",
            lines,
            digits=3,
        )


def held_back(checks: pd.DataFrame) -> pd.DataFrame:
    """MW held back by ISP and area: offered before the first check of a DSO, less allowed after the last.

    Columns ``isp, system, up_mw, down_mw, offered_up_mw, offered_down_mw``; as the KPI `held_back_mwh`.
    """
    rows = checks[checks.market.isin(NARROWING)]
    by_place = rows.groupby(["isp", "system"], sort=True)
    first, last = by_place.first(), by_place.last()
    return pd.DataFrame(
        {
            **{f"{way}_mw": first[f"offered_{way}_mw"] - last[f"allowed_{way}_mw"] for way in ("up", "down")},
            **{f"offered_{way}_mw": first[f"offered_{way}_mw"] for way in ("up", "down")},
        }
    ).reset_index()


def _areas(runs: Sequence[ReportRun]) -> Iterator[Plot]:
    areas = runs[0].data.distribution
    grids = {(k, area): run.data.grid_of(area) for k, run in enumerate(runs) for area in areas}

    def lines(area: str, column: str, how: How, label: str = "{}") -> list[Line]:
        return [
            Line(
                label.format(run.label),
                grids[k, area][column].to_numpy(dtype=np.float64),
                k,
                "before" if column == "vm_max_pu" else "line",
                how=how,
            )
            for k, run in enumerate(runs)
        ]

    for area in areas:
        says = "Positive: from transmission into the area."
        yield Plot(
            f"interface {area}",
            f"Interface flow of {area}",
            "MW",
            says,
            lines(area, "interface_mw", "mean"),
            group="Areas",
        )
    before = [_base_loading(run) for run in runs]
    for area in areas:
        without = [
            Line(f"without activation, {run.label}", before[k][area], k, "before", how="max")
            for k, run in enumerate(runs)
            if area in before[k]
        ]
        yield Plot(
            f"loading {area}",
            f"Loading of the worst branch in {area}",
            "% of rating",
            "By AC power flow after delivery; above 100 % the branch is overloaded. "
            "Dotted: the same ISP without activation in it.",
            [*without, *lines(area, "max_loading_pct", "max")],
            digits=1,
            group="Areas",
            limits=((100.0, "rating"),),
        )
    for area in areas:
        yield Plot(
            f"voltage {area}",
            f"Lowest and highest voltage in {area}",
            "p.u.",
            "By AC power flow after delivery. Solid: lowest bus. Dotted: highest bus.",
            [*lines(area, "vm_min_pu", "min", "lowest, {}"), *lines(area, "vm_max_pu", "max", "highest, {}")],
            digits=4,
            group="Areas",
        )


def _base_loading(run: ReportRun) -> dict[str, FloatArray]:
    """Loading (%) of the worst branch of each area without activation, one for each ISP."""
    rows = run.table("branch_loading")
    rows = rows[rows.base_loading_pct.notna()]
    worst = rows.groupby(["system", "isp"]).base_loading_pct.max()
    return {
        str(area): worst[area].reindex(pd.Index(run.isps)).to_numpy(dtype=np.float64)
        for area in worst.index.unique("system")
    }


def _households(runs: Sequence[ReportRun]) -> Iterator[Plot]:
    for k, run in enumerate(runs):
        rows = run.table("devices")
        lines = []
        for shade, (device, name) in enumerate(DEVICES.items()):
            mine = rows[rows.device == device]
            if mine.empty or not mine.p_mw.any():
                continue
            lines.append(Line(name, run.by_isp(mine, "p_mw"), shade=shade, look="class"))
            if device != "load" and not np.allclose(mine.p_mw, mine.base_mw):
                base = run.by_isp(mine, "base_mw")
                lines.append(Line(f"{name}, without activation", base, shade=shade, look="before"))
        says = "All areas together; injection is positive, consumption negative. Solid: as delivered. "
        yield Plot(
            f"households {k}",
            f"Households by class of device, {run.label}",
            "MW",
            f"{says}Dotted: without activation in the ISP.",
            lines,
            digits=3,
            group="Households",
        )
