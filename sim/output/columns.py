"""How a table of a run is described: its columns with type, meaning and unit, and the same as metadata.

The unit of a number is at the end of its column's name, or is given. Descriptions and units are metadata of
Parquet files: ``description`` and ``unit`` of every column, ``description`` of the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa

INT, REAL, TEXT, BOOL = pa.int64(), pa.float64(), pa.string(), pa.bool_()
SINGLE = pa.float32()
"""Numbers of 32 bits: seven digits, for the tables with a row per branch or bus."""
UNITS = {
    "eur_per_mw_h": "EUR/(MW h)",
    "eur_per_mvarh": "EUR/Mvarh",
    "eur_per_mwh": "EUR/MWh",
    "eur_per_h": "EUR/h",
    "mvar": "Mvar",
    "eur": "EUR",
    "mwh": "MWh",
    "kwh": "kWh",
    "kva": "kVA",
    "mva": "MVA",
    "pct": "%",
    "mw": "MW",
    "kw": "kW",
    "kv": "kV",
    "pu": "p.u.",
    "s": "s",
    "k": "K",
}
"""Units by the ends of names, longer ends first."""
COMMON = {
    "system": "`T` (transmission) or the id of an area",
    "market": "the auction in which something was sold: the name of its block, `afrr` or `substitution`",
    "provider": "the seller: aggregator, unit or large load",
    "direction": "1 up, -1 down",
    "node": "electrical node of the system's grid; `buses` lists the buses at it",
    "bid_id": "name of the bid",
}
"""Columns that mean the same in every table."""


class TableColumn(NamedTuple):
    """A column of a table. `unit` is empty for names, true and false, and numbers that only identify."""

    name: str
    kind: pa.DataType
    meaning: str
    unit: str = ""

    @property
    def field(self) -> pa.Field:
        """The column in a schema, with its description and unit."""
        told = {"description": self.meaning, "unit": self.unit}
        return pa.field(self.name, self.kind, metadata=told)


TIME = TableColumn("time", pa.timestamp("s", tz="UTC"), "start of the ISP", "UTC")
ISP = TableColumn("isp", INT, "number of the ISP, from 0")


@dataclass(frozen=True)
class TableAbout:
    """A table: what it holds, its columns without `TIME` and `ISP`, and what needs it.

    `needed` names what reads the table: key figures, figures, the audit of a finished run, commands. A table
    without it may be left out of a run. A table that is not `timed` is written once, without time and ISP.
    """

    meaning: str
    columns: tuple[TableColumn, ...]
    needed: str = ""
    timed: bool = True

    @property
    def kinds(self) -> dict[str, pa.DataType]:
        """Types of the columns that rows are given with."""
        return {c.name: c.kind for c in ((ISP, *self.columns) if self.timed else self.columns)}

    @cached_property
    def schema(self) -> pa.Schema:
        """All columns as they are written, with descriptions and units as metadata."""
        columns = (TIME, ISP, *self.columns) if self.timed else self.columns
        return pa.schema([c.field for c in columns], metadata={"description": self.meaning})


def unit_of(name: str) -> str:
    """The unit at the end of a column's name; empty without one.

    >>> unit_of("price_eur_per_mwh"), unit_of("kw"), unit_of("devices")
    ('EUR/MWh', 'kW', '')
    """
    return next((unit for end, unit in UNITS.items() if name == end or name.endswith(f"_{end}")), "")


def about(meaning: str, *columns: TableColumn, needed: str = "", timed: bool = True) -> TableAbout:
    """A table with its columns in order."""
    return TableAbout(meaning, columns, needed, timed)


def common(name: str) -> TableColumn:
    """A column of `COMMON`."""
    return TableColumn(name, INT if name in ("direction", "node") else TEXT, COMMON[name])


def real(name: str, meaning: str, unit: str | None = None) -> TableColumn:
    """A number of 64 bits."""
    return TableColumn(name, REAL, meaning, unit_of(name) if unit is None else unit)


def single(name: str, meaning: str) -> TableColumn:
    """A number of 32 bits."""
    return TableColumn(name, SINGLE, meaning, unit_of(name))


def integer(name: str, meaning: str) -> TableColumn:
    """A whole number that identifies something, or seconds."""
    return TableColumn(name, INT, meaning, unit_of(name))


def count(name: str, meaning: str) -> TableColumn:
    """A number of things."""
    return TableColumn(name, INT, meaning, "count")


def text(name: str, meaning: str) -> TableColumn:
    """Text."""
    return TableColumn(name, TEXT, meaning)


def boolean(name: str, meaning: str) -> TableColumn:
    """True or false."""
    return TableColumn(name, BOOL, meaning)
