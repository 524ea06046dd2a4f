"""Imbalance prices of Elia, as its open data portal exports them.

https://opendata.elia.be: "Imbalance prices per quarter-hour", data sets ods134 (since 22 May 2024), ods162
(the same, near real time) and ods047 (before), and ods133 per minute. CSV with semicolons, labels in ISO 8601
with offset (``2025-05-07T00:45:00+02:00``), often the newest first. The header has the labels of the columns
(``Imbalance Price``) or their identifiers (``imbalanceprice``). Shapes are those of programs in public
repositories that read the portal; no code of them is used.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from tandem_sim.grids.documents.csv_reader import CsvTable, numbers, only_value, read_csv_table
from tandem_sim.grids.documents.text import hint, shown
from tandem_sim.grids.errors import InputError
from tandem_sim.grids.series.series import FARTHEST, FIRST_YEAR, LAST_YEAR, LabelledRows
from tandem_sim.grids.types import FloatArray

log = logging.getLogger(__name__)

STEPS = {"PT1M": 1, "PT15M": 15}
"""Minutes of ``resolutioncode``."""
COLUMNS = {
    "imbalanceprice": ("imbalance_price", "EUR/MWh"),
    "positiveimbalanceprice": ("imbalance_price_long", "EUR/MWh"),
    "negativeimbalanceprice": ("imbalance_price_short", "EUR/MWh"),
    "marginalincrementalprice": ("marginal_incremental_price", "EUR/MWh"),
    "marginaldecrementalprice": ("marginal_decremental_price", "EUR/MWh"),
    "alpha": ("alpha", "EUR/MWh"),
    "alpha_prime": ("alpha_prime", "EUR/MWh"),
    "systemimbalance": ("system_imbalance", "MW"),
    "netregulationvolume": ("net_regulation_volume", "MW"),
    "ace": ("area_control_error", "MW"),
}
"""Identifiers of the portal, and the names and units here. Positive and negative are imbalances of a BRP."""
BESIDE = ("resolutioncode", "qualitystatus", "quarterhour")
"""Columns that are text."""
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:00(?:\.0+)?(?:Z|[+-][0-9]{2}:?[0-9]{2})")


def read_elia(path: Path) -> LabelledRows:
    """Imbalance prices and what they are made of, in the order of time.

    Columns: ``imbalance_price``, or in ods047 ``imbalance_price_long`` (for a positive imbalance) and
    ``imbalance_price_short``; ``marginal_incremental_price``, ``marginal_decremental_price``, ``alpha``,
    ``alpha_prime`` (all EUR/MWh); ``system_imbalance`` (positive: more injection than offtake),
    ``net_regulation_volume``, ``area_control_error`` (MW). Columns without any value are left out, and those
    that are not known, which a warning names.

    Raises `InputError` that names file, line and column: for another header, labels without offset, several
    resolutions, and text instead of a number.
    """
    table = read_csv_table(path, ";,")
    ids = {_identifier(name): name for name in table.head}
    if "datetime" not in ids or not set(ids) & set(COLUMNS):
        raise InputError(
            table.source,
            "header",
            f"is not the one of Elia's imbalance prices: {shown(list(table.head))}",
            "Give the CSV of ods134, ods162, ods047 or ods133 of opendata.elia.be",
        )
    for key, name in ids.items():
        if key not in (*COLUMNS, *BESIDE, "datetime"):
            log.warning("%s: column %s is not known and is left out", table.source, shown(name))
    times = np.array(
        [_utc(table, k, ids["datetime"], cell) for k, cell in enumerate(table.column(ids["datetime"]))],
        dtype="datetime64[ns]",
    )
    order = np.argsort(times, kind="stable")
    values: dict[str, FloatArray] = {}
    units: dict[str, str] = {}
    for key, (own, unit) in COLUMNS.items():
        cells = numbers(table, ids[key]) if key in ids else np.array([np.nan])
        if not np.isnan(cells).all():
            values[own], units[own] = cells[order], unit
    if not values:
        raise InputError(table.source, "columns", "hold no value at all", "Export a period that has values")
    return LabelledRows(
        source=table.source,
        times=pd.DatetimeIndex(times[order]).tz_localize("UTC"),
        lines=np.array(table.lines, dtype=np.int64)[order],
        values=values,
        units=units,
        step=_step(table, ids),
    )


def _identifier(name: str) -> str:
    """The identifier of a column, from itself or its label: ``Alpha'`` is ``alpha_prime``."""
    plain = name.casefold().replace(" ", "")
    return {"alpha'": "alpha_prime", "alphaprime": "alpha_prime"}.get(plain, plain)


def _utc(table: CsvTable, k: int, name: str, cell: str) -> np.datetime64:
    """The UTC time of a label."""
    try:
        if _ISO.fullmatch(cell):
            written = datetime.fromisoformat(cell)
            offset = written.utcoffset()
            if offset is None or abs(offset) > FARTHEST or not FIRST_YEAR <= written.year <= LAST_YEAR:
                raise ValueError
            time = pd.Timestamp(written).tz_convert("UTC")
            return np.datetime64(time.tz_localize(None).as_unit("ns").value, "ns")
    except (ValueError, OverflowError):
        pass  # a date that does not exist or is far off: the same message as for other texts
    raise table.refuse(
        k, name, f"is {shown(cell)}, no time with offset", "Write times as 2025-05-07T00:45:00+02:00"
    )


def _step(table: CsvTable, ids: dict[str, str]) -> pd.Timedelta | None:
    """The length of a row, if the file states it."""
    if "resolutioncode" not in ids or not table.rows:
        return None
    name = ids["resolutioncode"]
    code = only_value(table, name, "Keep the rows of one resolution")
    if code not in STEPS:
        raise table.refuse(0, name, f"is {shown(code)}, which is not read", hint(code, list(STEPS)))
    return pd.Timedelta(minutes=STEPS[code])
