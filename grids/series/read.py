"""Files of time series by format: the one entry point for readers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.text import is_there
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.series import Series, regular
from tandem_sim.grids.series.tables import TableFormat, read_columns, read_table
from tandem_sim.grids.types import FloatArray


def read_series(path: Path, form: TableFormat, wanted: Sequence[str] = ()) -> Series:
    """The columns `wanted` of a file, or all, as evenly spaced series in UTC.

    Raises `InputError` for a file that is missing or cannot be read, and as `regular` does.
    """
    _check_there(path)
    return regular(read_table(path, form, wanted))


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
