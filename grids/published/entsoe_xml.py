"""XML documents of the ENTSO-E Transparency Platform: prices, load, generation, imbalances.

The documents are answers of the platform's web service (https://transparency.entsoe.eu): plain XML, or a zip
archive of XML as for imbalances. A document has ``TimeSeries``, these have ``Period`` with start and end in
UTC and a resolution, and a period has ``Point`` with a position from 1 on. Of curve type A01 every position
is there; of A03 a position that is not there repeats the value before it (ENTSO-E, "Introduction of different
Timeseries possibilities (curvetypes) with ENTSO-E electronic document", v1.4). The names of elements are
those of the reader entsoe-py (https://github.com/EnergieID/entsoe-py, MIT); no code of it is used.

Columns, by the type of the document:

* A44, day-ahead prices: ``price`` in EUR/MWh.
* A65, load: ``load`` (process A16, realised) or ``load_forecast`` (A01, day ahead) in MW.
* A75 and A74, actual generation per type: ``solar``, ``wind_onshore``, ``wind_offshore`` and so on in MW;
  what a type consumes, as pumps do, is ``<type>_consumption``. A69, forecast of wind and solar:
  ``<type>_forecast``.
* A85, imbalance prices in EUR/MWh: ``imbalance_price_long`` (category A04), ``imbalance_price_short`` (A05),
  or ``imbalance_price`` where a point has no category.
* A86, total imbalance volumes: ``imbalance_volume`` in MWh a row, or MW where the document says so. Positive
  is direction A01, negative A02. The document does not state which of them is a deficit: compare with prices.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.csv_reader import LARGEST, column_name
from tandem_sim.grids.documents.decimals import decimal
from tandem_sim.grids.documents.text import hint, shown
from tandem_sim.grids.documents.xml_reader import XmlElement, read_xml
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.series import LabelledRows
from tandem_sim.grids.types import FloatArray

MINUTES = {"PT1M": 1, "PT15M": 15, "PT30M": 30, "PT60M": 60}
"""Resolutions of the platform."""
MOST_POINTS = 6_000_000
"""Most values of a file, those repeated by curve type A03 among them."""
GENERATION = {
    "B01": "Biomass",
    "B02": "Fossil Brown coal/Lignite",
    "B03": "Fossil Coal-derived gas",
    "B04": "Fossil Gas",
    "B05": "Fossil Hard coal",
    "B06": "Fossil Oil",
    "B07": "Fossil Oil shale",
    "B08": "Fossil Peat",
    "B09": "Geothermal",
    "B10": "Hydro Pumped Storage",
    "B11": "Hydro Run-of-river and poundage",
    "B12": "Hydro Water Reservoir",
    "B13": "Marine",
    "B14": "Nuclear",
    "B15": "Other renewable",
    "B16": "Solar",
    "B17": "Waste",
    "B18": "Wind Offshore",
    "B19": "Wind Onshore",
    "B20": "Other",
    "B25": "Energy storage",
}
"""Types of generation (psrType) and their names on the platform."""
PRICE = "EUR/MWh"
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(?::00)?Z")


@dataclass
class _Found:
    """Values by resolution, column and time in ns since 1970, each with its line."""

    values: dict[str, dict[str, dict[int, tuple[float, int]]]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    n: int = 0


@dataclass(frozen=True, kw_only=True)
class _Meaning:
    """What the points of a time series mean: where the value stands, its column, sign and unit."""

    tag: str
    column: Callable[[XmlElement], str]
    unit: str
    sign: float = 1.0


def read_entsoe_xml(path: Path, resolution: str = "") -> LabelledRows:
    """The series of a document, in the order of time.

    `resolution`: which one to take (``PT15M``, ``PT60M``) where a document has several, as day-ahead prices
    do for some zones.

    Raises `InputError` that names file and line: for a file that is no such document, answers that there are
    no data, resolutions that are several or not there, currencies other than EUR, positions outside of their
    period or given twice, two different values for one time, and values that are no numbers. Positions that
    are missing under curve type A01 are gaps, which `regular` refuses.
    """
    found = _Found()
    for source, root in read_xml(path):
        _add_document(source, root, found)
        del root  # one tree at a time in memory
    source = str(path)
    if not found.values:
        raise InputError(source, "TimeSeries", "there is none", "Give a document that holds values")
    chosen = resolution or next(iter(found.values))
    if chosen not in found.values:
        raise InputError(
            source, "resolution", f"{shown(chosen)} is not in it", hint(chosen, sorted(found.values))
        )
    if not resolution and len(found.values) > 1:
        listed = " and ".join(sorted(found.values))
        raise InputError(source, "resolution", f"the document has {listed}", "Say which: resolution: PT15M")
    return _rows(source, found, chosen)


def _rows(source: str, found: _Found, resolution: str) -> LabelledRows:
    columns = found.values[resolution]
    lines: dict[int, int] = {}
    for points in columns.values():
        for time, (_, line) in points.items():
            lines.setdefault(time, line)
    times = sorted(lines)
    row = {time: k for k, time in enumerate(times)}
    values: dict[str, FloatArray] = {}
    for name, points in columns.items():
        values[name] = np.full(len(times), np.nan)
        values[name][[row[time] for time in points]] = [value for value, _ in points.values()]
    return LabelledRows(
        source=source,
        times=pd.DatetimeIndex(pd.to_datetime(np.array(times, dtype=np.int64), unit="ns", utc=True)),
        lines=np.array([lines[time] for time in times], dtype=np.int64),
        values=values,
        units={name: found.units[name] for name in values},
        step=pd.Timedelta(minutes=MINUTES[resolution]),
    )


def _add_document(source: str, root: XmlElement, found: _Found) -> None:
    """Add all time series of a document."""
    if root.tag == "Acknowledgement_MarketDocument":
        reason = next((inner.said("text") for inner in root.every("Reason")), "")
        raise InputError(
            source,
            f"line {root.line}",
            f"is an answer without data: {shown(reason, 200)}",
            "Ask the platform for another period or area",
        )
    kind = (root.tag, root.said("type"))
    if kind not in KINDS:
        known = ", ".join(f"{tag} {code}" for tag, code in KINDS)
        raise InputError(
            source,
            f"line {root.line}",
            f"is {shown(root.tag)} of type {shown(kind[1])}, which is not read",
            f"Give one of: {known}",
        )
    for series in root.every("TimeSeries"):
        meaning = KINDS[kind](source, root, series)
        curve = series.said("curveType") or "A01"
        if curve not in ("A01", "A03"):
            raise _refused(source, series, f"curveType {shown(curve)} is not read", "Give A01 or A03")
        periods = series.every("Period")
        if not periods:
            raise _refused(source, series, "the time series has no Period", "Download the document anew")
        for period in periods:
            _add_period(source, period, meaning, curve == "A03", found)


def _refused(source: str, at: XmlElement, problem: str, hint: str) -> InputError:
    return InputError(source, f"line {at.line}", problem, hint)


def _add_period(source: str, period: XmlElement, meaning: _Meaning, repeats: bool, found: _Found) -> None:
    """Add the points of a period."""
    start, step, n = _extent(source, period)
    resolution = period.said("resolution")
    given: dict[str, dict[int, tuple[float, int]]] = {}
    for point in period.every("Point"):
        position = _whole(source, point, n)
        text = point.said(meaning.tag)
        try:
            number = decimal(text)
        except ValueError as error:
            raise _refused(source, point, f"{meaning.tag} {error}", "Correct it") from error
        if number is None or abs(number) >= LARGEST:
            problem = (
                f"{meaning.tag} is {shown(text)}, no number" if number is None else f"{text} is too large"
            )
            raise _refused(source, point, problem, "Download the document anew")
        points = given.setdefault(meaning.column(point), {})
        if position in points:
            raise _refused(source, point, f"position {position} is given twice", "Keep one of the two")
        points[position] = (meaning.sign * float(number), point.line)
    for name, points in given.items():
        filled = list(_filled(points, n) if repeats else sorted(points.items()))
        found.n += len(filled)
        if found.n > MOST_POINTS:
            raise _refused(source, period, f"has more than {MOST_POINTS} values", "Give a shorter period")
        into = found.values.setdefault(resolution, {}).setdefault(name, {})
        found.units.setdefault(name, meaning.unit)
        for position, (value, line) in filled:
            time = start + (position - 1) * step
            before = into.setdefault(time, (value, line))
            if before[0] != value:
                raise InputError(
                    source,
                    f"line {line}",
                    f"{name} of {pd.Timestamp(time)} UTC is {value:g}, and {before[0]:g} on line {before[1]}",
                    "Keep one of the two: a document may hold several auctions or areas",
                )


def _filled(points: dict[int, tuple[float, int]], n: int) -> Iterator[tuple[int, tuple[float, int]]]:
    """All positions to n: those that are missing repeat the value before them; none before the first."""
    last: tuple[float, int] | None = None
    for position in range(1, n + 1):
        last = points.get(position, last)
        if last is not None:
            yield position, last


def _extent(source: str, period: XmlElement) -> tuple[int, int, int]:
    """Start and step of a period in ns, and its number of steps."""
    interval = period.first("timeInterval")
    ends = [interval.said(tag) if interval is not None else "" for tag in ("start", "end")]
    for text in ends:
        if not _TIME.fullmatch(text):
            raise _refused(
                source, period, f"timeInterval has {shown(text)}, no time", "Write it as 2019-01-31T23:00Z"
            )
    try:
        start, end = (pd.Timestamp(text).as_unit("ns").value for text in ends)
    except (ValueError, OverflowError) as error:
        raise _refused(
            source, period, f"timeInterval {shown(ends)} is no time", "Download the document anew"
        ) from error
    resolution = period.said("resolution")
    if resolution not in MINUTES:
        raise _refused(
            source, period, f"resolution {shown(resolution)} is not read", hint(resolution, list(MINUTES))
        )
    step = MINUTES[resolution] * 60 * 10**9
    n, rest = divmod(end - start, step)
    if rest or not 0 < n <= MOST_POINTS:
        raise _refused(
            source,
            period,
            f"timeInterval {ends[0]} to {ends[1]} is no positive multiple of {resolution}",
            "Download the document anew",
        )
    return start, step, n


def _whole(source: str, point: XmlElement, n: int) -> int:
    """The position of a point, from 1 to n."""
    text = point.said("position")
    position = int(text) if re.fullmatch("[0-9]{1,7}", text) else 0
    if not 1 <= position <= n:
        raise _refused(
            source, point, f"position is {shown(text)}; the period has 1 to {n}", "Download the document anew"
        )
    return position


def _unit(source: str, series: XmlElement, tag: str, units: dict[str, str]) -> str:
    """The unit that an element of a time series states."""
    text = series.said(tag)
    if text not in units:
        raise _refused(
            source, series, f"{tag} is {shown(text)}", f"Give {' or '.join(units)}; other units are not read"
        )
    return units[text]


def _priced(source: str, series: XmlElement) -> str:
    _unit(source, series, "currency_Unit.name", {"EUR": PRICE})
    return _unit(source, series, "price_Measure_Unit.name", {"MWH": PRICE})


def _price(source: str, root: XmlElement, series: XmlElement) -> _Meaning:
    return _Meaning(tag="price.amount", column=lambda _: "price", unit=_priced(source, series))


def _load(source: str, root: XmlElement, series: XmlElement) -> _Meaning:
    process = root.said("process.processType")
    names = {"A16": "load", "A01": "load_forecast"}
    if process not in names:
        raise _refused(
            source, root, f"process {shown(process)} is not read", "Give A16 (realised) or A01 (day ahead)"
        )
    unit = _unit(source, series, "quantity_Measure_Unit.name", {"MAW": "MW"})
    return _Meaning(tag="quantity", column=lambda _: names[process], unit=unit)


def _generation(source: str, root: XmlElement, series: XmlElement) -> _Meaning:
    described = series.first("MktPSRType")
    code = described.said("psrType") if described is not None else ""
    if code not in GENERATION:
        raise _refused(source, series, f"psrType {shown(code)} is not known", hint(code, list(GENERATION)))
    consumes = series.first("outBiddingZone_Domain.mRID") is not None
    name = column_name(GENERATION[code]) + ("_consumption" if consumes else "")
    if root.said("type") == "A69":
        name = f"{name}_forecast"
    unit = _unit(source, series, "quantity_Measure_Unit.name", {"MAW": "MW"})
    return _Meaning(tag="quantity", column=lambda _: name, unit=unit)


def _imbalance_price(source: str, root: XmlElement, series: XmlElement) -> _Meaning:
    names = {"A04": "imbalance_price_long", "A05": "imbalance_price_short", "": "imbalance_price"}

    def column(point: XmlElement) -> str:
        category = point.said("imbalance_Price.category")
        if category not in names:
            raise _refused(source, point, f"category {shown(category)} is not known", "Give A04 or A05")
        return names[category]

    return _Meaning(tag="imbalance_Price.amount", column=column, unit=_priced(source, series))


def _imbalance_volume(source: str, root: XmlElement, series: XmlElement) -> _Meaning:
    business, direction = series.said("businessType"), series.said("flowDirection.direction")
    if business not in ("", "A19"):
        raise _refused(
            source,
            series,
            f"businessType {shown(business)} is not read",
            "Give total imbalance volumes (A19)",
        )
    signs = {"A01": 1.0, "A02": -1.0}
    if direction not in signs:
        raise _refused(
            source,
            series,
            f"flowDirection.direction {shown(direction)} says no sign",
            "Give A01 or A02; take time series of other directions out of the file",
        )
    unit = _unit(source, series, "quantity_Measure_Unit.name", {"MWH": "MWh", "MAW": "MW"})
    return _Meaning(tag="quantity", column=lambda _: "imbalance_volume", unit=unit, sign=signs[direction])


KINDS: dict[tuple[str, str], Callable[[str, XmlElement, XmlElement], _Meaning]] = {
    ("Publication_MarketDocument", "A44"): _price,
    ("GL_MarketDocument", "A65"): _load,
    ("GL_MarketDocument", "A75"): _generation,
    ("GL_MarketDocument", "A74"): _generation,
    ("GL_MarketDocument", "A69"): _generation,
    ("Balancing_MarketDocument", "A85"): _imbalance_price,
    ("Balancing_MarketDocument", "A86"): _imbalance_volume,
}
"""Documents that are read, by their root element and type."""
