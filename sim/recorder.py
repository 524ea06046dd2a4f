"""Tables of a run, streamed to Parquet: arrays in the loop, files at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.calendar import Calendar

I, F, S, B = pa.int64(), pa.float64(), pa.string(), pa.bool_()

TABLES: dict[str, dict[str, pa.DataType]] = {
    "system": {
        "isp": I, "day_ahead_price_eur_per_mwh": F, "imbalance_before_mw": F, "need_forecast_mw": F, "activated_up_mw": F,
        "activated_down_mw": F, "imbalance_after_mw": F, "imbalance_price_eur_per_mwh": F, "unserved_mw": F,
        "battery_soc": F, "ev_charged_mwh": F, "indoor_deviation_k": F, "curtailed_mwh": F, "ordered_mwh": F, "delivered_mwh": F,
    },
    "orders": {
        "isp": I, "system": S, "bid_id": S, "provider": S, "node": I, "direction": I, "quantity_mw": F, "price_eur_per_mwh": F,
    },
    "rejections": {"isp": I, "system": S, "bid_id": S, "reason": S},
    "clearings": {
        "isp": I, "system": S, "layer": S, "status": S, "need_mw": F, "cost_eur_per_h": F, "short_mw": F, "long_mw": F,
        "price_eur_per_mwh": F,
    },
    "activations": {
        "isp": I, "layer": S, "system": S, "bid_id": S, "provider": S, "node": I, "direction": I, "quantity_mw": F,
        "price_eur_per_mwh": F,
    },
    "grid": {
        "isp": I, "system": S, "converged": B, "interface_mw": F, "losses_mw": F, "max_loading_pct": F, "vm_min_pu": F, "vm_max_pu": F,
        "congested_lines": I, "max_overload_pct": F, "voltage_violations": I, "max_voltage_violation_pct": F,
        "base_congested_lines": I, "base_max_overload_pct": F, "base_voltage_violations": I,
        "linear_congested_lines": I, "linear_voltage_violations": I,
        "flow_error_mw": F, "voltage_error_pu": F,
    },
    "settlement": {"isp": I, "payer": S, "payee": S, "kind": S, "quantity_mwh": F, "amount_eur": F},
    "messages": {"isp": I, "kind": S, "sender": S, "receiver": S, "sent_s": I, "delivered_s": I, "lost": B},
}  # fmt: skip
"""Every table and its columns. A `time` column (UTC, start of the ISP) is added to each."""

ROWS_PER_GROUP = 100_000


class Recorder:
    """Collects rows and writes them out in groups. Column order and types are those of `TABLES`."""

    def __init__(self, folder: Path, calendar: Calendar) -> None:
        self._folder = folder
        self._start = np.datetime64(calendar.start.tz_localize(None), "s")
        self._isp_seconds = calendar.isp_seconds
        self._columns: dict[str, dict[str, list[Any]]] = {t: {c: [] for c in spec} for t, spec in TABLES.items()}
        self._writers: dict[str, pq.ParquetWriter] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def __call__(self, table: str, row: Mapping[str, Any]) -> None:
        """Add one row (scalars) or many (equally long sequences). Every column of the table must be given."""
        columns = self._columns[table]
        if row.keys() != columns.keys():
            raise KeyError(f"table {table}: columns {sorted(row.keys() ^ columns.keys())} are missing or unknown")
        if np.ndim(next(iter(row.values()))):
            for name, values in row.items():
                columns[name].extend(values.tolist() if isinstance(values, np.ndarray) else values)
        else:
            for name, value in row.items():
                columns[name].append(value)
        if len(columns["isp"]) >= ROWS_PER_GROUP:
            self._flush(table)

    def close(self) -> None:
        """Write what is left; every table exists afterwards, an empty one too."""
        for table in TABLES:
            self._flush(table)
            self._writers[table].close()

    def _flush(self, table: str) -> None:
        spec, columns = TABLES[table], self._columns[table]
        isp = np.array(columns["isp"], dtype=np.int64)
        time = self._start + (isp * self._isp_seconds).astype("timedelta64[s]")
        arrays = [pa.array(time, type=pa.timestamp("s")).cast(pa.timestamp("s", tz="UTC"))]
        arrays += [pa.array(columns[name], type=kind) for name, kind in spec.items()]
        schema = pa.schema([("time", pa.timestamp("s", tz="UTC")), *spec.items()])
        if table not in self._writers:
            self._writers[table] = pq.ParquetWriter(self._folder / f"{table}.parquet", schema, compression="zstd")
        self._writers[table].write_table(pa.Table.from_arrays(arrays, schema=schema))
        self._columns[table] = {name: [] for name in spec}
