"""What figures need of a run folder: tables on one axis of ISPs, activations already added up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tandem_sim.markets.blocks import TSO

FloatArray = NDArray[np.float64]

LONG_DAYS = 31
"""Above so many days a quarter-hour is thinner than a pixel: figures show daily values instead."""

SOURCES = ("transmission", "balancing", "local")
"""Origin of activated energy: transmission units, distribution sold to a balancing or to a local market."""


LOCAL_LAYERS = ("dso_market", "corrective_market", "dso_balancing")
"""Layers in which a DSO buys for its own grid."""


@dataclass(frozen=True)
class RunData:
    """Tables of one run. `energy_mwh` has a row per ISP and columns (source, direction), never negative."""

    zone: str
    title: str
    system: pd.DataFrame
    grid: pd.DataFrame
    settlement: pd.DataFrame
    energy_mwh: pd.DataFrame
    hours: float
    validation: pd.DataFrame
    reserve: pd.DataFrame
    low_voltage: pd.DataFrame

    @cached_property
    def edges(self) -> FloatArray:
        """Boundaries of the ISPs (n + 1,), matplotlib days in UTC."""
        start = utc_days(self.system.time)
        return np.append(start, start[-1] + self.hours / 24.0)

    @cached_property
    def local(self) -> pd.DatetimeIndex:
        """Start of every ISP in the scenario's zone."""
        return pd.DatetimeIndex(self.system.time).tz_convert(self.zone)

    @cached_property
    def is_long(self) -> bool:
        """Whether figures show daily values."""
        return float(self.edges[-1] - self.edges[0]) > LONG_DAYS

    @cached_property
    def first_of_day(self) -> NDArray[np.int64]:
        """Position of the first ISP of every local day; days have 23, 24 or 25 hours."""
        date = self.local.normalize()
        return np.flatnonzero(np.append(True, date[1:] != date[:-1])).astype(np.int64)

    @cached_property
    def day_edges(self) -> FloatArray:
        """Boundaries of the local days (days + 1,), matplotlib days in UTC."""
        return np.append(self.edges[self.first_of_day], self.edges[-1])

    @cached_property
    def distribution(self) -> list[str]:
        """Distribution grids, in the order of the run."""
        return [str(name) for name in self.grid.system.unique() if name != TSO]

    def daily(self, values: FloatArray) -> pd.DataFrame:
        """Min, mean, max and sum per local day of a value per ISP; NaN is left out."""
        day = np.repeat(np.arange(len(self.first_of_day)), np.diff(np.append(self.first_of_day, len(values))))
        return pd.Series(values).groupby(day).agg(["min", "mean", "max", "sum"])

    def grid_of(self, name: str) -> pd.DataFrame:
        """Rows of one grid, one per ISP; NaN where the run recorded none or where its power flow diverged."""
        rows = self.grid[self.grid.system == name].set_index("isp").reindex(self.system.isp)
        physical = ["interface_mw", "losses_mw", "max_loading_pct", "vm_min_pu", "vm_max_pu"]
        rows.loc[~(rows.converged == True), physical] = np.nan  # noqa: E712 - a missing row is not True either
        return rows.reset_index()

    def amount_eur(self, rows: pd.Series) -> FloatArray:
        """Sum per ISP of the settlement rows that a mask selects."""
        sums = self.settlement[rows].groupby("isp").amount_eur.sum()
        return np.asarray(sums.reindex(self.system.isp, fill_value=0.0), dtype=np.float64)


def read_run(run: Path, zone: str, title: str) -> RunData:
    """Read a run folder. `zone` is the scenario's time zone, `title` names scenario and scheme."""
    system = pd.read_parquet(run / "system.parquet").sort_values("isp", ignore_index=True)
    step_s = np.diff(_utc_seconds(system.time))
    hours = float(np.median(step_s)) / 3600.0 if len(step_s) else 0.25
    grid = pd.read_parquet(run / "grid.parquet")
    settlement = pd.read_parquet(run / "settlement.parquet")
    others = [pd.read_parquet(run / f"{name}.parquet") for name in ("validation", "reserve", "low_voltage")]
    energy = _energy_mwh(run, system.isp, hours)
    return RunData(zone, title, system, grid, settlement, energy, hours, *others)


def _energy_mwh(run: Path, isp: pd.Series, hours: float) -> pd.DataFrame:
    keys, file = ["isp", "source", "direction"], pq.ParquetFile(run / "activations.parquet")
    parts = []
    for group in range(
        file.num_row_groups
    ):  # a year holds millions of rows: they are added up group by group
        rows = file.read_row_group(group, ["isp", "layer", "system", "direction", "quantity_mw"]).to_pandas()
        local = rows.layer.isin(LOCAL_LAYERS)
        rows["source"] = np.where(rows.system == TSO, "transmission", np.where(local, "local", "balancing"))
        parts.append(rows.groupby(keys).quantity_mw.sum())
    mwh = pd.concat(parts).groupby(level=keys).sum().unstack(["source", "direction"])
    wanted = pd.MultiIndex.from_product([SOURCES, (1, -1)])
    by_isp: pd.DataFrame = mwh.reindex(index=pd.Index(isp), columns=wanted)
    return by_isp.fillna(0.0).astype(np.float64) * hours


def utc_days(time: pd.Series | pd.DatetimeIndex) -> FloatArray:
    """Days since 1970, the unit of matplotlib's date axes."""
    return _utc_seconds(time) / 86400.0


def _utc_seconds(time: pd.Series | pd.DatetimeIndex) -> FloatArray:
    stamps = pd.DatetimeIndex(time).tz_convert("UTC").tz_localize(None)
    return stamps.to_numpy().astype("datetime64[s]").astype(np.float64)
