"""Settlement prices of TenneT in the Netherlands, by imbalance settlement period (ISP).

Two shapes of CSV. That of TenneT's web service since 2024 (https://api.tennet.eu, ``settlement-prices``)::

    Timeinterval Start Loc,Timeinterval End Loc,Isp,...,Price Shortage,Price Surplus,Regulation State,...
    2025-07-01T00:15:00,2025-07-01T00:30:00,2,...

and that of the export of tennet.org before, with month before day::

    "Date","PTE","period_from","period_until",...,"Incentive component","Consume","Feed","Regulation state"
    "01/17/2021","1","00:00","00:15",...

The number of the ISP counts quarter-hours from local midnight: 1 to 96, and 92 or 100 where clocks change. It
gives the time; labels are checked against it on days without a change. Shapes are those of TenneT's files in
public repositories and of the readers tennet-py and tenneteu-py (MIT); no code of them is used.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.csv_reader import CsvTable, check_head, numbers, only_value, read_csv_table
from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.series import FIRST_YEAR, LAST_YEAR, LabelledRows

ZONE = "Europe/Amsterdam"
QUARTER = pd.Timedelta(minutes=15)
_DATED = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})(?:[T ](?P<clock>[0-9]{2}:[0-9]{2})(?::00)?)?"
)
_AMERICAN = re.compile(r"(?P<month>[0-9]{1,2})/(?P<day>[0-9]{1,2})/(?P<year>[0-9]{4})")


@dataclass(frozen=True, kw_only=True)
class _Shape:
    """Names of the columns of a file."""

    day: str
    isp: str
    clock: str
    short: str
    long: str

    @property
    def needed(self) -> Sequence[str]:
        return (self.day, self.isp, self.short, self.long)


SERVICE = _Shape(
    day="Timeinterval Start Loc",
    isp="Isp",
    clock="Timeinterval Start Loc",
    short="Price Shortage",
    long="Price Surplus",
)
EXPORT = _Shape(day="Date", isp="PTE", clock="period_from", short="Consume", long="Feed")


def read_tennet(path: Path) -> LabelledRows:
    """Settlement prices, in the order of the file.

    Columns, in EUR/MWh: ``imbalance_price_short`` (price shortage; consume, in Dutch *afnemen*) and
    ``imbalance_price_long`` (price surplus; feed, *invoeden*).

    Raises `InputError` that names file, line and column: for another header, a date that does not exist, an
    ISP that the day does not have, a label that is not the one of its ISP, another unit than EUR and MWh, and
    text instead of a number.
    """
    table = read_csv_table(path, ",;")
    shape = EXPORT if EXPORT.isp in table.head else SERVICE
    check_head(table, shape.needed, "TenneT's settlement prices", SERVICE.needed)
    units = {"Currency Unit Name": "EUR", "Price Measurement Unit Name": "MWh"}
    for name, unit in units.items():
        given = only_value(table, name, "Give one unit") if name in table.head and table.rows else unit
        if given.casefold() != unit.casefold():
            raise InputError(table.source, name, f"is {shown(given)}", f"Give prices in {unit}")
    times = [_utc(table, shape, k) for k in range(len(table.rows))]
    return LabelledRows(
        source=table.source,
        times=pd.DatetimeIndex(times, tz="UTC"),
        lines=np.array(table.lines, dtype=np.int64),
        values={
            "imbalance_price_short": numbers(table, shape.short),
            "imbalance_price_long": numbers(table, shape.long),
        },
        units={"imbalance_price_short": "EUR/MWh", "imbalance_price_long": "EUR/MWh"},
        step=QUARTER,
    )


def _utc(table: CsvTable, shape: _Shape, k: int) -> pd.Timestamp:
    """The start of the ISP of row k."""
    row = table.rows[k]
    text, number = row[table.head.index(shape.day)], row[table.head.index(shape.isp)]
    found = _AMERICAN.fullmatch(text) if shape is EXPORT else _DATED.fullmatch(text)
    try:
        day = date(*(int(found[part]) for part in ("year", "month", "day"))) if found else None
        if day is not None and not FIRST_YEAR <= day.year <= LAST_YEAR:
            raise ValueError
        midnight = pd.Timestamp(day, tz=ZONE) if day else None
        after = midnight + pd.DateOffset(days=1) if midnight else None
    except (ValueError, OverflowError):
        midnight = after = (
            None  # a date that does not exist or is far off: the same message as for other texts
        )
    if midnight is None or after is None:
        how = "01/17/2021 (month, day, year)" if shape is EXPORT else "2025-07-01T00:15:00"
        raise table.refuse(k, shape.day, f"is {shown(text)}, no date", f"Write it as {how}")
    n = (after - midnight) // QUARTER
    isp = int(number) if re.fullmatch("[0-9]{1,3}", number) else 0
    if not 1 <= isp <= n:
        raise table.refuse(
            k,
            shape.isp,
            f"is {shown(number)}; {midnight:%Y-%m-%d} has the ISP 1 to {n}",
            "Give the file as TenneT published it",
        )
    start = midnight + (isp - 1) * QUARTER
    clock = _clock(table, shape, k)
    if n == 96 and clock and clock != f"{start:%H:%M}":
        raise table.refuse(
            k,
            shape.clock,
            f"says {clock}, and ISP {isp} starts at {start:%H:%M}",
            "Give the file as TenneT published it",
        )
    return start.tz_convert("UTC")


def _clock(table: CsvTable, shape: _Shape, k: int) -> str:
    """The wall-clock time at which row k starts, or an empty text where the file has none."""
    if shape.clock not in table.head:
        return ""
    cell = table.rows[k][table.head.index(shape.clock)]
    if shape is EXPORT:
        return cell
    found = _DATED.fullmatch(cell)
    return (found["clock"] or "") if found else ""
