"""Data of a run folder for figures: tables on one axis of ISPs, activations summed by source."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tandem_sim.experiments.run_folder.manifest import REPEAT
from tandem_sim.experiments.run_folder.tables import read_table, table_groups
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.coordination.block import TSO
from tandem_sim.sim.output.tables import TABLES

FloatArray = NDArray[np.float64]

LONG_DAYS = 14
"""With more days figures show daily values, because an ISP would be narrower than a pixel."""

SOURCES = ("transmission", "balancing", "local")
"""Origin of activated energy: transmission units, distribution sold to a balancing or to a local market."""


LOCAL_MARKETS = ("dso_market", "corrective_market", "dso_balancing")
"""Markets in which a DSO buys for its own grid."""
PER_ISP = ("grid", "settlement", "bid_checks", "reserve", "low_voltage")
"""Tables that every figure may use, beside `system`; others are read when they are needed."""


@dataclass(frozen=True, kw_only=True)
class RunData:
    """Tables of one run. `energy_mwh` has a row per ISP and columns (source, direction), never negative.

    `given` are the prices that the scenario gives: of ``day_ahead`` and ``imbalance``.
    """

    zone: str
    title: str
    system: pd.DataFrame
    grid: pd.DataFrame
    settlement: pd.DataFrame
    energy_mwh: pd.DataFrame
    hours: float
    bid_checks: pd.DataFrame
    reserve: pd.DataFrame
    low_voltage: pd.DataFrame
    folder: Path
    given: frozenset[str] = frozenset()

    @property
    def two_prices(self) -> bool:
        """Whether short and long parties have different imbalance prices in any ISP."""
        short, long = (self.system[f"imbalance_price_{side}_eur_per_mwh"] for side in ("short", "long"))
        return not np.allclose(short, long, equal_nan=True)

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

    def between(self, first: int, end: int) -> RunData:
        """The ISPs from `first` to the one before `end`, by number."""
        kept = (self.system.isp >= first).to_numpy() & (self.system.isp < end).to_numpy()
        parts = {
            name: table[(table.isp >= first) & (table.isp < end)].reset_index(drop=True)
            for name in ("system", *PER_ISP)
            for table in (getattr(self, name),)
        }
        return replace(self, energy_mwh=self.energy_mwh[kept], **parts)

    def has(self, name: str) -> bool:
        """Whether the run wrote a table."""
        return (self.folder / f"{name}.parquet").is_file()

    def groups(self, name: str, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Columns of a further table, for these ISPs, part by part. Raises `InputError`."""
        first, last = int(self.system.isp.iloc[0]), int(self.system.isp.iloc[-1])
        for rows in table_groups(self.folder, name, columns):
            yield rows[(rows.isp >= first) & (rows.isp <= last)]

    def table(self, name: str, columns: Sequence[str]) -> pd.DataFrame:
        """Columns of a further table, for these ISPs. Raises `InputError`."""
        return pd.concat(list(self.groups(name, columns)), ignore_index=True)

    def amount_eur(self, rows: pd.Series) -> FloatArray:
        """Sum per ISP of the settlement rows that a mask selects."""
        sums = self.settlement[rows].groupby("isp").amount_eur.sum()
        return np.asarray(sums.reindex(self.system.isp, fill_value=0.0), dtype=np.float64)


def read_run(run: Path, zone: str, title: str, given: Collection[str] = ()) -> RunData:
    """Read a run folder. `zone` is the scenario's time zone, `title` names scenario, scheme and seed.

    `given` names the prices that the scenario gives.
    """
    system = read_table(run, "system", ["time", *TABLES["system"]]).sort_values("isp", ignore_index=True)
    hours = _hours(system, run)
    tables = {name: read_table(run, name, list(TABLES[name])) for name in PER_ISP}
    for name, keys in (("grid", ["isp", "system"]), ("reserve", ["isp"])):
        if tables[name].duplicated(keys).any():
            raise InputError(str(run / f"{name}.parquet"), keys[-1], "has two rows for an ISP", REPEAT)
    energy = _energy_mwh(run, system.isp, hours)
    return RunData(
        zone=zone,
        title=title,
        system=system,
        energy_mwh=energy,
        hours=hours,
        folder=run,
        given=frozenset(given),
        **tables,
    )


def _hours(system: pd.DataFrame, run: Path) -> float:
    """Length of an ISP. Raises `InputError` where rows are not one ISP after the other."""
    step_s, isps = np.unique(np.diff(_utc_seconds(system.time))), system.isp.to_numpy()
    if (
        not len(isps)
        or (np.diff(isps) != 1).any()
        or not set(step_s / 60.0) <= {5, 15, 30, 60}
        or len(step_s) > 1
    ):
        raise InputError(
            str(run / "system.parquet"), "time", "is not that of one ISP after the other", REPEAT
        )
    return float(step_s[0]) / 3600.0 if len(step_s) else 0.25


def _energy_mwh(run: Path, isp: pd.Series, hours: float) -> pd.DataFrame:
    keys, parts = ["isp", "source", "direction"], []
    for rows in table_groups(run, "activations", ["isp", "market", "system", "direction", "quantity_mw"]):
        local = rows.market.isin(LOCAL_MARKETS)
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
