"""CSV that ENTSO-E's and SMARD's web pages export: each row has its start and its end in local time.

* **ENTSO-E Transparency Platform** (https://transparency.entsoe.eu). The interval is one cell:
  ``01.01.2019 00:00 - 01.01.2019 01:00`` under ``MTU (CET/CEST)`` or ``Time (UTC)`` in exports of the earlier
  platform, ``01/01/2025 00:00:00 - 01/01/2025 00:15:00`` in later ones. A mark behind a time, ``(CET)`` or
  ``(CEST)``, is its offset. Units stand in brackets: ``Day-ahead Price [EUR/MWh]`` or ``(EUR/MWh)``.
* **SMARD** (https://www.smard.de, Bundesnetzagentur). ``Datum von;Datum bis`` with ``05.10.2024 00:15`` and
  German numbers (``1.401,50``), or ``Start date;End date`` with ``Jan 1, 2024 12:00 AM`` and English ones.
  Units stand in brackets, then the kind of resolution: ``Photovoltaik [MWh] Originalauflösungen``.

Shapes are those of exported files in public repositories and of programs that read them; no code of them is
used. Local days have 23 and 25 hours: of two equal labels in autumn the first is before the clock change. A
row at a label that clocks skip in spring is left out if it holds no value, and refused if it does.
A column without any value is left out, and a warning names it: ``n/e`` or ``-`` stand where a country has no
such generation. Single gaps stay, and `regular` refuses them.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.csv_reader import (
    CsvTable,
    column_name,
    english_number,
    german_number,
    numbers,
    only_value,
    plain_number,
    read_csv_table,
)
from tandem_sim.grids.documents.text import shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.labels import checked_zone, in_utc
from tandem_sim.grids.series.series import FIRST_YEAR, LAST_YEAR, LabelledRows
from tandem_sim.grids.types import BoolArray, FloatArray

log = logging.getLogger(__name__)

UNITS = {"MW": "MW", "MWh": "MWh", "EUR/MWh": "EUR/MWh", "€/MWh": "EUR/MWh"}
"""Units of the pages and their names here."""
ZONES = {"UTC": "UTC", "CET/CEST": "Europe/Brussels", "CET": "Europe/Brussels"}
"""Time zones in headers of ENTSO-E; ``CET`` alone is what the earlier platform wrote for CET/CEST."""
OFFSETS = {"CET": timedelta(hours=1), "CEST": timedelta(hours=2)}
"""Marks behind single times, and the offset from UTC that they stand for."""
ENTSOE_COLUMNS = {
    "Day-ahead Price": "price",
    "Actual Total Load": "load",
    "Day-ahead Total Load Forecast": "load_forecast",
}
SMARD_COLUMNS = {
    "Deutschland/Luxemburg": "price",
    "Germany/Luxembourg": "price",
    "Gesamt (Netzlast)": "load",
    "Netzlast": "load",
    "grid load": "load",
    "Total (grid load)": "load",
    "Residuallast": "residual_load",
    "Residual load": "residual_load",
    "Biomasse": "biomass",
    "Wasserkraft": "hydropower",
    "Wind Offshore": "wind_offshore",
    "Wind Onshore": "wind_onshore",
    "Photovoltaik": "solar",
    "Photovoltaics": "solar",
    "Sonstige Erneuerbare": "other_renewable",
    "Kernenergie": "nuclear",
    "Braunkohle": "lignite",
    "Steinkohle": "hard_coal",
    "Erdgas": "fossil_gas",
    "Pumpspeicher": "hydro_pumped_storage",
    "Sonstige Konventionelle": "other_conventional",
}
"""Columns under another name than their own in small letters."""
_INTERVAL = re.compile(r"(?P<start>.+?)(?: \((?P<first>CES?T)\))? - (?P<end>.+?)(?: \((?P<second>CES?T)\))?")
_NUMERIC = re.compile(
    r"(?P<day>[0-9]{2})[./](?P<month>[0-9]{2})[./](?P<year>[0-9]{4}) "
    r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(?::00)?"
)
_NAMED = re.compile(
    r"(?P<month>[A-Z][a-z]{2}) (?P<day>[0-9]{1,2}), (?P<year>[0-9]{4}) "
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2}) (?P<half>AM|PM)"
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LABEL = re.compile(r"(?:MTU|Time)(?: \((?P<zone>[^()]+)\))?")
_HEADING = re.compile(r"(?P<what>.*?) *[\[(](?P<unit>[^\[\]()]+)[\])](?: - BZN\|.*| - CTY\|.*| - CTA\|.*)?")
_KIND = re.compile(
    r" (?:Originalauflösungen|Berechnete Auflösungen|Original resolutions|Calculated resolutions)$"
)

Labels = tuple[list[datetime], list[datetime], list[timedelta | None]]
"""Starts and ends (T,) as written, and the offset of starts that state one."""


def read_entsoe_csv(path: Path, zone: str = "") -> LabelledRows:
    """The columns of an export of the ENTSO-E Transparency Platform.

    Columns: ``price`` (EUR/MWh), ``load`` and ``load_forecast`` (MW), generation per type as ``solar``,
    ``wind_onshore`` and so on, and ``<type>_consumption`` (MW); other columns with a unit under their own
    name in small letters. `zone` is that of the labels where the header names none (``MTU``).

    Raises `InputError` that names file, line and column.
    """
    table = read_csv_table(path, ",;\t")
    label, written = _label_column(table)
    if not zone and not written:
        raise InputError(
            table.source,
            shown(label),
            "names no time zone",
            "Give zone: Europe/Brussels for CET/CEST, or UTC, as was chosen on the page",
        )
    if written and written not in ZONES and not zone:
        raise InputError(
            table.source, shown(label), f"names the zone {shown(written)}, which is not known", "Give zone"
        )
    columns: dict[str, tuple[str, str]] = {}
    for name in table.head:
        found = _HEADING.fullmatch(name)
        if name == label or name.startswith("Intraday Period"):
            continue
        if found is None:
            _check_constant(table, name)
        else:
            what = re.sub(r"\s+- Actual ", " - Actual ", found["what"])
            plain = what.removesuffix(" - Actual Aggregated")
            consumed = plain.removesuffix(" - Actual Consumption")
            suffix = "_consumption" if consumed != plain else ""
            own = ENTSOE_COLUMNS.get(consumed, column_name(consumed)) + suffix
            columns[name] = (own, _unit(table, name, found["unit"]))
    return _rows(
        table, _intervals(table, label), columns=columns, read=plain_number, zone=zone or ZONES[written]
    )


def read_smard(path: Path) -> LabelledRows:
    """The columns of an export of SMARD, in German or English; its labels are German local time.

    Columns: ``price`` (of Germany and Luxembourg, EUR/MWh), ``load``, ``residual_load``, ``solar``,
    ``wind_onshore``, ``wind_offshore`` and the other types of generation, in MWh a row; other columns, such
    as prices of neighbours, under their own name in small letters. ``hydro_pumped_storage`` is generation in
    an export of generation, and what pumps take in one of consumption.

    Raises `InputError` that names file, line and column.
    """
    table = read_csv_table(path, ";")
    pairs = {"Datum von": ("Datum bis", german_number), "Start date": ("End date", english_number)}
    first = table.head[0]
    if first not in pairs or table.head[1:2] != (pairs[first][0],):
        raise InputError(
            table.source,
            "header",
            f"is not the one of SMARD: it begins with {shown(list(table.head[:2]))}",
            "Give the CSV of SMARD's download centre: Datum von;Datum bis or Start date;End date",
        )
    second, read = pairs[first]
    columns: dict[str, tuple[str, str]] = {}
    for name in table.head[2:]:
        found = _HEADING.fullmatch(_KIND.sub("", name))
        if found is None:
            raise InputError(
                table.source, shown(name), "names no unit", "Give the file as it was published by SMARD"
            )
        own = SMARD_COLUMNS.get(found["what"], column_name(found["what"]))
        columns[name] = (own, _unit(table, name, found["unit"]))
    starts = [_time(table, k, first, cell) for k, cell in enumerate(table.column(first))]
    ends = [_time(table, k, second, cell) for k, cell in enumerate(table.column(second))]
    labels: Labels = (starts, ends, [None] * len(starts))
    return _rows(table, labels, columns=columns, read=read, zone="Europe/Berlin")


def _label_column(table: CsvTable) -> tuple[str, str]:
    """The column of intervals, and the zone in its heading."""
    for name in table.head:
        found = _LABEL.fullmatch(name)
        if found:
            return name, found["zone"] or ""
    raise InputError(
        table.source,
        "header",
        f"is not the one of an ENTSO-E export: {shown(list(table.head))} has no column MTU or Time",
        "Give the CSV that the Transparency Platform exports; for other tables use format: table",
    )


def _check_constant(table: CsvTable, name: str) -> None:
    """A column without unit says of what area or auction the rows are: it may have one value only."""
    value = only_value(table, name, "Keep the rows of one, in a file of its own")
    if name == "Currency" and value not in ("EUR", ""):
        raise InputError(table.source, name, f"is {shown(value)}", "Give prices in EUR")


def _unit(table: CsvTable, name: str, text: str) -> str:
    if text not in UNITS:
        raise InputError(
            table.source,
            shown(name),
            f"has the unit {shown(text)}, which is not read",
            f"Give {', '.join(UNITS)}",
        )
    return UNITS[text]


def _intervals(table: CsvTable, label: str) -> Labels:
    """The intervals of ENTSO-E."""
    starts, ends, offsets = [], [], []
    for k, cell in enumerate(table.column(label)):
        found = _INTERVAL.fullmatch(cell)
        if found is None:
            raise table.refuse(
                k, label, f"is {shown(cell)}, no interval", "Write 01.01.2019 00:00 - 01.01.2019 01:00"
            )
        starts.append(_time(table, k, label, found["start"]))
        ends.append(_time(table, k, label, found["end"]))
        offsets.append(OFFSETS.get(found["first"] or ""))
    return starts, ends, offsets


def _time(table: CsvTable, k: int, name: str, text: str) -> datetime:
    """A wall-clock time as the pages write it."""
    numeric, named = _NUMERIC.fullmatch(text), _NAMED.fullmatch(text)
    found = numeric or named
    try:
        if numeric:
            month, hour = int(numeric["month"]), int(numeric["hour"])
        elif named:
            month = _MONTHS.index(named["month"]) + 1
            if not 1 <= int(named["hour"]) <= 12:
                raise ValueError
            hour = int(named["hour"]) % 12 + (12 if named["half"] == "PM" else 0)
        if found and FIRST_YEAR <= int(found["year"]) <= LAST_YEAR:
            return datetime(int(found["year"]), month, int(found["day"]), hour, int(found["minute"]))
    except ValueError:
        pass  # a month, day or hour that does not exist: the same message as for other texts
    raise table.refuse(
        k, name, f"is {shown(text)}, no time", "Export hours or quarter-hours, whose rows have date and time"
    )


def _rows(
    table: CsvTable,
    labels: Labels,
    *,
    columns: Mapping[str, tuple[str, str]],
    read: Callable[[str], float | None],
    zone: str,
) -> LabelledRows:
    """Rows at UTC times. `columns` has the name here and the unit of each column of the file."""
    if not columns:
        raise InputError(table.source, "header", "has no column of values", "Export a table with values")
    checked_zone(zone, table.source)
    starts, ends, offsets = labels
    step = _step(table, starts, ends)
    values: dict[str, FloatArray] = {}
    units: dict[str, str] = {}
    for name, (own, unit) in columns.items():
        cells = numbers(table, name, read)
        if len(cells) and np.isnan(cells).all():
            log.warning("%s: column %s holds no value and is left out", table.source, shown(name))
        elif own in values:
            raise InputError(table.source, shown(name), f"is a second column {own}", "Keep one of the two")
        else:
            values[own], units[own] = cells, unit
    if columns and not values:
        raise InputError(table.source, "columns", "hold no value at all", "Export a period that has values")
    naive = pd.DatetimeIndex(starts)
    empty: BoolArray = np.all([np.isnan(cells) for cells in values.values()], axis=0)
    keep = ~(empty & _skipped(naive, zone, offsets))
    lines = np.array(table.lines, dtype=np.int64)[keep]
    times = _utc(table, naive[keep], [o for o, kept in zip(offsets, keep, strict=True) if kept], zone, keep)
    return LabelledRows(
        source=table.source,
        times=times,
        lines=lines,
        values={name: cells[keep] for name, cells in values.items()},
        units=units,
        step=step,
    )


def _skipped(naive: pd.DatetimeIndex, zone: str, offsets: list[timedelta | None]) -> BoolArray:
    """Which labels without an offset of their own clocks skip in spring."""
    local = naive.tz_localize(zone, ambiguous=np.ones(len(naive), dtype=bool), nonexistent="NaT")
    marked = np.array([offset is not None for offset in offsets], dtype=bool)
    skipped: BoolArray = np.asarray(local.isna()) & ~marked
    return skipped


def _utc(
    table: CsvTable, naive: pd.DatetimeIndex, offsets: list[timedelta | None], zone: str, keep: BoolArray
) -> pd.DatetimeIndex:
    """UTC times: of labels with an offset by that, of the others by the zone."""
    marked = np.array([offset is not None for offset in offsets], dtype=bool)
    lines = np.array(table.lines, dtype=np.int64)[keep]
    times = np.empty(len(naive), dtype="datetime64[ns]")
    plain = in_utc(naive[~marked], zone, lines[~marked], table.source, "start")
    times[~marked] = plain.tz_localize(None).to_numpy()
    times[marked] = [
        np.datetime64(time - offset)
        for time, offset in zip(naive.to_pydatetime(), offsets, strict=True)
        if offset
    ]
    return pd.DatetimeIndex(times).tz_localize("UTC")


def _step(table: CsvTable, starts: list[datetime], ends: list[datetime]) -> pd.Timedelta | None:
    """The length of a row; rows at a clock change may look an hour longer or shorter."""
    if not starts:
        return None
    lengths = [end - start for start, end in zip(starts, ends, strict=True)]
    usual = Counter(lengths).most_common(1)[0][0]
    hour = timedelta(hours=1)
    for k, length in enumerate(lengths):
        if length not in (usual, usual + hour, usual - hour) or usual <= timedelta(0):
            raise InputError(
                table.source,
                f"line {table.lines[k]}",
                f"lasts {length}, other rows {usual}",
                "Give rows of one length: hours or quarter-hours, in a file of its own each",
            )
    return pd.Timedelta(usual)
