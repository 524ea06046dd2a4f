"""What operators buy and others undo in a run, at four levels, by whom it serves and by need.

`tandem_sim.experiments.run_folder.conflicts` defines what is undone at a place: the smaller of what one
operator buys up and another buys down there in one ISP. A place is here a unit, a node, or a whole area. Each
level contains the one before it.

The fourth level is the system. There only what an operator buys on balance counts, up less down, over all
places: operators ``o`` with net purchases ``n_o`` buy ``(sum |n_o| - |sum n_o|) / 2`` against each other. A
local market that holds the flow at its interface buys nothing on balance.

A local market buys two things. What lies behind a branch with a rating is bought as **relief** of that
branch, in either direction; what lies anywhere else in the area holds the **exchange** with the transmission
grid while relief is bought. In an area with two rated branches one may help the other: then what holds the
exchange counts as relief. Own definitions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tandem_sim.experiments.api import Run
from tandem_sim.experiments.run_folder.conflicts import NODE, UNIT, trades_of, undone
from tandem_sim.experiments.studies.paired.points import share
from tandem_sim.grids.io.read import load_network
from tandem_sim.grids.power_flow.lindistflow import LinDistFlow
from tandem_sim.grids.types import BoolArray
from tandem_sim.sim.assembly.agents import TSO_NAME
from tandem_sim.sim.scenario.scenario import Scenario
from tandem_sim.sim.settlement.accounts import buyer_of_market

LEVELS: dict[str, tuple[str, ...]] = {"unit": UNIT, "node": NODE, "area": ("system",)}
"""Level to the columns that make one place."""
RELIEF, EXCHANGE = "relief", "exchange"
SHORTAGE, SURPLUS, BALANCED = "shortage", "surplus", "balanced"
ALL_HOURS, GIVEN = "all", 1.0
"""Of all needs together; the factor on ratings that leaves them as the scenario has them."""
NO_NEED_MW = 1e-6
UNDONE = [f"undone_{level}_{unit}" for level in LEVELS for unit in ("mwh", "eur")]
SUMS = ["bought_mwh", "bought_eur", *UNDONE]
"""Columns of sums: what DSOs buy (EUR: what they pay at the prices of bids), what others undo of it."""
KEYS = ["isp", "system", "direction", "purpose"]


def behind_ratings(scenario: Scenario) -> dict[str, BoolArray]:
    """By area whether each of its nodes (N,) lies behind a branch with a rating."""
    found = {}
    for k, area in enumerate(scenario.distribution):
        network = load_network(area.grid)
        network = network.with_ratings(area.ratings_mva, f"distribution.{k}.ratings_mva", "scenario")
        rated = np.isfinite(network.branches.s_max_mva)
        found[area.id] = (LinDistFlow.build(network).flow_matrix[rated] != 0.0).any(axis=0)
    return found


def trades_in(run: Run) -> pd.DataFrame:
    """Who bought what in a run: see `trades_of`."""
    return trades_of(run["activations"], buyer_of_market(run.scheme), run.scenario.isp_minutes / 60.0)


def contradictions(trades: pd.DataFrame, behind: Mapping[str, BoolArray]) -> pd.DataFrame:
    """What DSOs buy and others undo: columns `KEYS` and `SUMS`, a row where a DSO buys anything.

    `trades` as from `trades_of`, `behind` as from `behind_ratings`. What is undone in an area, but not at a
    node, is shared out to relief and exchange as the DSO's purchases of that direction are.
    """
    areas = trades.loc[trades.operator != TSO_NAME, ["isp", "system"]].drop_duplicates()
    around = trades.merge(areas, on=["isp", "system"])
    dso = _with_purpose(around[around.operator != TSO_NAME], behind)
    table = dso.groupby(KEYS)[["mwh", "eur"]].sum().add_prefix("bought_")
    for level, place in LEVELS.items():
        found = undone(around, place)
        found = found[found.operator != TSO_NAME]
        names = {f"undone_{unit}": f"undone_{level}_{unit}" for unit in ("mwh", "eur")}
        if "node" in place:
            sums = _with_purpose(found, behind).groupby(KEYS)[list(names)].sum()
        else:
            both = table.reset_index().merge(found, on=KEYS[:3])
            part = (both.bought_mwh / both.mwh).to_numpy()
            sums = both[list(names)].mul(part, axis=0).set_axis(pd.MultiIndex.from_frame(both[KEYS]))
        table = table.join(sums.rename(columns=names))
    return table.reset_index()[[*KEYS, *SUMS]]


def _with_purpose(rows: pd.DataFrame, behind: Mapping[str, BoolArray]) -> pd.DataFrame:
    relief = [behind[area][node] for area, node in zip(rows.system, rows.node, strict=True)]
    return rows.assign(purpose=np.where(np.array(relief, dtype=bool), RELIEF, EXCHANGE))


def against_each_other_mwh(trades: pd.DataFrame) -> pd.Series:
    """By ISP what operators buy against each other on balance (MWh): the formula at the top."""
    net = (trades.direction * trades.mwh).groupby([trades.isp, trades.operator]).sum()
    by_isp = net.groupby("isp")
    return (net.abs().groupby("isp").sum() - by_isp.sum().abs()) / 2.0


def by_chance_mwh(trades: pd.DataFrame, place: Sequence[str], isps: int) -> float:
    """MWh that would be undone at `place` if the TSO had bought at another time what it bought.

    Mean over all shifts of its purchases against those of DSOs by 1 to `isps` - 1 ISPs, the end of the run
    joined to its start. What is undone beyond that comes of operators needing opposite things at one time.
    """
    local = trades.operator != TSO_NAME
    pairs = [
        (
            _by_isp(trades[local & (trades.direction == way)], place, isps),
            _by_isp(trades[~local & (trades.direction == -way)], place, isps),
        )
        for way in (1, -1)
    ]
    total = 0.0
    for own, other in pairs:
        common = own.columns.intersection(other.columns)
        a, b = (table[common].to_numpy(dtype=np.float64) for table in (own, other))
        buys = np.flatnonzero(a.any(axis=1))
        total += sum(float(np.minimum(a[buys], b[(buys - shift) % isps]).sum()) for shift in range(1, isps))
    return total / (isps - 1)


def _by_isp(trades: pd.DataFrame, place: Sequence[str], isps: int) -> pd.DataFrame:
    """MWh by ISP (rows, all of them) and place (columns)."""
    names = pd.Series(list(zip(*(trades[name] for name in place), strict=True)), trades.index, dtype=object)
    sums = trades.mwh.groupby([trades.isp, names]).sum().unstack(fill_value=0)
    return sums.reindex(range(isps), fill_value=0.0)


def needs_of(system: pd.DataFrame) -> pd.Series:
    """By ISP whether the TSO's market was asked for more injection (shortage) or for less (surplus)."""
    need = system.set_index("isp").need_forecast_mw
    kinds = np.select([need > NO_NEED_MW, need < -NO_NEED_MW], [SHORTAGE, SURPLUS], BALANCED)
    return pd.Series(kinds, need.index, name="need")


def sums_of(run: Run, behind: Mapping[str, BoolArray]) -> tuple[pd.DataFrame, dict[str, float]]:
    """Sums of a run by hour, need, purpose and direction (`SUMS`, MWh and EUR a day), and figures of it.

    Figures: shares (%) that would be undone by chance at nodes and in areas, what operators buy against each
    other on balance (MWh a day), what the TSO buys in areas (MWh a day), and some key figures.
    """
    trades, system, days = trades_in(run), run["system"], run.scenario.days
    hour = pd.Series(system.time.dt.tz_convert(run.scenario.zone).dt.hour.to_numpy(), system.isp)
    table = contradictions(trades, behind)
    table = table.assign(hour=table.isp.map(hour), need=table.isp.map(needs_of(system)))
    sums = table.groupby(["hour", "need", "purpose", "direction"])[SUMS].sum() / days
    bought, in_areas = float(table.bought_mwh.sum()), trades[trades.system.isin(list(behind))]
    chance = {level: by_chance_mwh(in_areas, LEVELS[level], len(system)) for level in ("node", "area")}
    kpis = run.kpis
    figures = {
        **{f"chance_{level}_pct": share(mwh, bought) for level, mwh in chance.items()},
        "against_each_other_mwh": float(against_each_other_mwh(trades).sum()) / days,
        "bought_in_areas_by_tso_mwh": float(in_areas.mwh[in_areas.operator == TSO_NAME].sum()) / days,
        "procurement_cost_eur": kpis["procurement_cost_eur"] / days,
        "violated_isps_created": kpis["violated_isps_created"] / days,
        "isps_with_dso_pct": share(table.isp.nunique(), len(system)),
        "isps_shortage_pct": share(float((needs_of(system) == SHORTAGE).sum()), len(system)),
    }
    return sums.reset_index(), figures
