"""Guaranteed capacities compared with the published ones, and by participation.

``python -m tandem_sim.experiments.studies.low_voltage.envelopes FOLDER`` writes ``envelopes.csv``,
``envelope_participation.csv``, ``envelopes.png``, and what
`tandem_sim.experiments.studies.low_voltage.envelope_feeders` writes. What comes out, beside what ALEXANDER
D3.3, 5.1, published for a reduced IEEE European LV feeder, stands in ``docs/studies/envelopes.md``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from tandem_sim.experiments.figures.style import BLUE, DARK, GREEN, ORANGE, RED, house_style, new_figure, save
from tandem_sim.experiments.studies.low_voltage import envelope_feeders
from tandem_sim.grids.choices import POINTS, Points, Rule
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.io.read import load_net
from tandem_sim.grids.low_voltage.limits import Band, worst_excess_pu
from tandem_sim.grids.low_voltage.operating_envelope import guaranteed, random_points
from tandem_sim.grids.low_voltage.read_feeder import read_feeder
from tandem_sim.grids.low_voltage.three_phase import Feeder
from tandem_sim.grids.types import BoolArray

NET = "ieee_european_lv_asymmetric"
CONNECTION_KW = 9.2
FAR_END = "LOAD53"
SETTINGS = tuple((source, Band(low, 1.1)) for source in (1.0, 1.05) for low in (0.9, 0.85))
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)
SEEDS = 5
SAFE_PU = 1e-6


def compared() -> pd.DataFrame:
    """One row per voltage of the source, band, kind of points and rule."""
    rows = []
    for source, band in SETTINGS:
        feeder = _feeder(source)
        far = [user.name for user in feeder.users].index(FAR_END)
        for points in POINTS:
            for rule in ("optimal", "fair", "weighted"):
                rows.append(_compared(feeder, source, band, points, rule, far))
    return pd.DataFrame(rows)


def _feeder(source: float) -> Feeder:
    return read_feeder(load_net(NET), NET, source)


def _compared(
    feeder: Feeder, source: float, band: Band, points: Points, rule: Rule, far: int
) -> dict[str, float | str]:
    best = guaranteed(feeder, np.full(len(feeder.users), CONNECTION_KW), band, rule, points=points)
    inside = random_points(best, 3000, np.random.default_rng(1), points)
    worst = np.max(worst_excess_pu(feeder, band, np.vstack([inside, best.import_kw, -best.export_kw])))
    return {
        "source_pu": source,
        "low_pu": band.low_pu,
        "high_pu": band.high_pu,
        "points": points,
        "rule": rule,
        "import_kw": best.import_kw.sum(),
        "export_kw": best.export_kw.sum(),
        "far_import_kw": best.import_kw[far],
        "far_export_kw": best.export_kw[far],
        "least_import_kw": best.import_kw.min(),
        "least_export_kw": best.export_kw.min(),
        "whole_import": int((best.import_kw > CONNECTION_KW - 0.01).sum()),
        "whole_export": int((best.export_kw > CONNECTION_KW - 0.01).sum()),
        "safe": float(worst <= SAFE_PU),
    }


def participation() -> pd.DataFrame:
    """Share that the fair rule guarantees, by participation and by who takes part (seed)."""
    feeder, rows = _feeder(1.0), []
    users = len(feeder.users)
    for seed in range(1, SEEDS + 1):
        order = np.random.default_rng(seed).permutation(users)
        for share in SHARES:
            firm = np.ones(users, dtype=bool)
            firm[order[: round(share * users)]] = False
            for low in (0.9, 0.85):
                kept = _beside_firm(feeder, Band(low, 1.1), firm, int(order[0]))
                rows.append({"low_pu": low, "seed": seed, "share": share} | kept)
    return pd.DataFrame(rows).astype({"relaxed": "Int64"})


def _beside_firm(feeder: Feeder, band: Band, firm: BoolArray, mine: int) -> dict[str, float]:
    """What a user is guaranteed: nothing where firm users alone ask for more than any voltage can carry."""
    try:
        found = guaranteed(feeder, np.full(len(firm), CONNECTION_KW), band, "fair", firm, "one-way")
    except InputError as error:
        if error.field != "participation":
            raise
        return {"import_kw": 0.0, "export_kw": 0.0, "relaxed": np.nan}
    return {
        "import_kw": found.import_kw[mine],
        "export_kw": found.export_kw[mine],
        "relaxed": float(len(found.relaxed)),
    }


def _participation_panel(ax: Axes, table: pd.DataFrame, column: str, title: str) -> None:
    for low, colour, dash, size in ((0.9, BLUE, "-", 8.0), (0.85, RED, "--", 4.5)):
        part = table[table.low_pu == low].groupby("share")[column]
        mean, least, most = part.mean(), part.min(), part.max()
        share = 100.0 * mean.index.to_numpy(dtype=np.float64)
        ax.fill_between(share, least.to_numpy(), most.to_numpy(), color=colour, alpha=0.2, linewidth=0)
        look: Any = {"color": colour, "linestyle": dash, "markersize": size, "clip_on": False}
        ax.plot(share, mean.to_numpy(), marker="o", label=f"Band {low:g} to 1.1 p.u.", **look)
    ax.set_title(title)
    ax.set_xlabel("Users under contract (%)")
    ax.set_ylabel("Guaranteed to each of them (kW)")
    ax.set_ylim(0.0, CONNECTION_KW)
    ax.legend(loc="upper left")


def figure(table: pd.DataFrame, shares: pd.DataFrame, folder: Path) -> Path:
    """Sums by rule and band on the left, participation on the right."""
    with house_style():
        drawn = new_figure(
            "Guaranteed capacities",
            "IEEE European LV feeder",
            13.0,
            4.4,
            "",
            "55 users on single phases, 9.2 kW each. Lines: mean of five draws; areas: their range.",
        )
        left, middle, right = drawn.subplots(1, 3)
        part = table[(table.points == "one-way") & (table.source_pu == 1.0)]
        for k, (rule, colour) in enumerate((("optimal", BLUE), ("fair", GREEN), ("weighted", ORANGE))):
            rows = part[part.rule == rule]
            at = np.arange(2 * len(rows)) + (k - 1) * 0.27
            kw = np.concatenate([rows.import_kw, rows.export_kw])
            bars = left.bar(at, kw, 0.25, color=colour, label=f"{rule.capitalize()} rule")
            left.bar_label(bars, fmt="{:.0f}", padding=2, fontsize=7)
        names = [f"{side}\n{low:g} p.u." for side in ("import", "export") for low in (0.9, 0.85)]
        left.set_xticks(range(4), names)
        whole = 55 * CONNECTION_KW
        left.axhline(whole, color=DARK, linestyle="--", linewidth=1.0, label=f"Connections, {whole:.0f} kW")
        left.set_title("Sum over users")
        left.set_ylabel("Guaranteed to all users (kW)")
        left.set_ylim(0.0, 1.08 * whole)
        left.margins(x=0.04)
        left.legend(loc="upper left", bbox_to_anchor=(0.02, 0.9), ncols=2)
        _participation_panel(middle, shares, "import_kw", "Fair rule: import")
        _participation_panel(right, shares, "export_kw", "Fair rule: export")
        return save(drawn, folder / "envelopes.png")


def main(folder: Path) -> None:
    """Work everything out and write it."""
    folder.mkdir(parents=True, exist_ok=True)
    table, shares = compared(), participation()
    for name, frame in (("envelopes", table), ("envelope_participation", shares)):
        frame.to_csv(folder / f"{name}.csv", index=False, float_format="%.4f")
    figure(table, shares, folder)
    envelope_feeders.main(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
