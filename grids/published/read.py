"""Files of time series by format: the one entry point for readers, and files of forecasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.text import check_known, is_there
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.elia import read_elia
from tandem_sim.grids.published.entsoe_xml import read_entsoe_xml
from tandem_sim.grids.published.tennet import read_tennet
from tandem_sim.grids.published.web_exports import read_entsoe_csv, read_smard
from tandem_sim.grids.series.series import LabelledRows, Series, regular
from tandem_sim.grids.series.tables import TableFormat, read_columns, read_table
from tandem_sim.grids.types import FloatArray

TABLE = "table"
BUNDLED = ("germany-2025",)
"""Series that come with Tandem: hourly day-ahead price, wind, solar and load, in ``grids/data``."""
READERS: Mapping[str, Callable[[Path, TableFormat, str], LabelledRows]] = {
    "entsoe-xml": lambda path, form, resolution: read_entsoe_xml(path, resolution),
    "entsoe-csv": lambda path, form, resolution: read_entsoe_csv(path, form.zone),
    "smard": lambda path, form, resolution: read_smard(path),
    "elia": lambda path, form, resolution: read_elia(path),
    "tennet": lambda path, form, resolution: read_tennet(path),
}
"""Readers of published formats; they state the units of their columns."""


def series_path(file: str, folder: Path | None) -> Path:
    """Path of a file of series: a bundled one by its name, or else relative to `folder`."""
    if file in BUNDLED:
        return Path(str(resources.files("tandem_sim.grids") / "data" / f"{file}.csv"))
    return (folder or Path()) / file


def read_series(
    path: Path,
    form: TableFormat,
    wanted: Sequence[str] = (),
    *,
    kind: str = TABLE,
    resolution: str = "",
) -> Series:
    """The columns `wanted` of a file, or all, as evenly spaced series in UTC.

    `kind` is ``table`` for a CSV or Parquet file written as `form` says, or one of `READERS`. Raises
    `InputError` for a file that is missing or cannot be read, for a column that it does not have, and as
    `regular` does.
    """
    _check_there(path)
    if kind == TABLE:
        return regular(read_table(path, form, wanted))
    rows = READERS[kind](path, form, resolution)
    check_known(f"{path}: columns", wanted, list(rows.values))
    values = {name: rows.values[name] for name in wanted or rows.values}
    return regular(replace(rows, values=values))


@dataclass(frozen=True)
class ForecastRows:
    """Forecasts (R,): time of issue and start of the time that is forecast, UTC; each holds for a `step`."""

    issued: pd.DatetimeIndex
    valid: pd.DatetimeIndex
    values: FloatArray
    step: pd.Timedelta


def read_forecasts(path: Path, *, issued: str, valid: str, value: str, zone: str) -> ForecastRows:
    """The forecasts of a file, by the names of its columns.

    Raises `InputError` for a file that cannot be read, a forecast that is made after its time, two of one
    issue for one time, and values that are no finite numbers. In the hour that clocks repeat in autumn, times
    need an offset from UTC.
    """
    _check_there(path)
    lines, (at, start), numbers = read_columns(path, [issued, valid], value, zone)
    step = np.diff(np.unique(start.as_unit("ns").astype("int64").to_numpy()))
    if not len(step):
        raise InputError(str(path), valid, "has fewer than two different times", "Give two rows or more")
    for wrong, column, problem in (
        (at > start, issued, "is later than the time that is forecast"),
        (pd.MultiIndex.from_arrays([at, start]).duplicated(), valid, "is forecast twice by one issue"),
        (~np.isfinite(numbers), value, "is empty or no finite number"),
    ):
        if np.any(wrong):
            line = lines[int(np.argmax(wrong))]
            raise InputError(str(path), f"line {line}, {column}", problem, "Correct the row")
    return ForecastRows(at, start, numbers, pd.Timedelta(int(step.min()), unit="ns"))


def _check_there(path: Path) -> None:
    if not is_there(path):
        raise InputError(
            str(path), "file", "does not exist", "Give a path relative to the scenario that names it"
        )
