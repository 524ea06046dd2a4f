"""Tables of a run, streamed to Parquet: arrays in the loop, files at the edge."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim.calendar import Calendar

SPOOLED = pa.ipc.IpcWriteOptions(compression="zstd")
INT, REAL, TEXT, BOOL = pa.int64(), pa.float64(), pa.string(), pa.bool_()


def _columns(**kinds: str) -> dict[str, pa.DataType]:
    """Columns of a table by type: names separated by blanks, ISP first."""
    types = {"integer": INT, "real": REAL, "text": TEXT, "boolean": BOOL}
    return {"isp": INT, **{name: types[kind] for kind, names in kinds.items() for name in names.split()}}


TABLES: dict[str, dict[str, pa.DataType]] = {
    "system": _columns(
        real="day_ahead_price_eur_per_mwh imbalance_price_long_eur_per_mwh "
        "imbalance_price_short_eur_per_mwh imbalance_before_mw need_forecast_mw "
        "activated_up_mw activated_down_mw imbalance_after_mw unserved_mw battery_soc ev_charged_mwh "
        "indoor_deviation_k curtailed_mwh limits_lost_mwh ordered_mwh delivered_mwh",
    ),
    "orders": _columns(
        text="system bid_id provider",
        integer="node direction",
        boolean="demand",
        real="quantity_mw price_eur_per_mwh",
    ),
    "rejections": _columns(text="system bid_id reason"),
    "clearings": _columns(
        text="system layer status",
        real="need_mw cost_eur_per_h short_mw long_mw price_eur_per_mwh penalty_eur_per_h",
    ),
    "activations": _columns(
        text="system layer bid_id provider", integer="node direction", real="quantity_mw price_eur_per_mwh"
    ),
    "sellers": _columns(
        text="system provider",
        integer="direction",
        real="able_mw offered_mw sold_mw price_eur_per_mwh cost_eur_per_mwh "
        "offered_cost_eur_per_mwh received_eur_per_h cost_eur_per_h",
    ),
    "schedules": _columns(text="unit", real="p_mw price_eur_per_mwh cost_eur_per_h markup_eur_per_mwh"),
    "grid": _columns(
        text="system",
        boolean="converged base_converged",
        integer="congested_lines voltage_violations base_congested_lines base_voltage_violations "
        "linear_congested_lines linear_voltage_violations",
        real="interface_mw losses_mw max_loading_pct vm_min_pu vm_max_pu max_overload_pct "
        "max_voltage_violation_pct base_max_overload_pct flow_error_mw voltage_error_pu",
    ),
    "validation": _columns(
        text="system layer",
        boolean="accepted",
        real="offered_up_mw offered_down_mw kept_up_mw kept_down_mw",
    ),
    "register": _columns(text="provider system unit service event reason", real="up_mw down_mw"),
    "capacity_bids": _columns(
        text="operator service provider system",
        integer="isps direction",
        boolean="forwarded",
        real="offered_mw awarded_mw price_eur_per_mw_h",
    ),
    "capacity": _columns(
        text="operator service provider",
        integer="direction",
        real="owed_mw offered_mw kept_mw pay_eur_per_h",
    ),
    "amendments": _columns(
        text="system provider bid_id reason",
        real="quantity_mw new_quantity_mw price_eur_per_mwh new_price_eur_per_mwh",
    ),
    "baselines": _columns(
        text="provider system method",
        boolean="used",
        integer="meters covered",
        real="true_mw error_mw absolute_error_mw",
    ),
    "fallbacks": _columns(text="party about consequence"),
    "reserve": _columns(
        integer="regulation_state terminated_bids",
        real="surplus_mw error_mw error_without_mw up_mw down_mw up_max_mw down_max_mw outside_band_mw",
    ),
    "reactive": _columns(
        text="system bid_id provider", integer="node direction", real="quantity_mvar price_eur_per_mvarh"
    ),
    "low_voltage": _columns(
        text="street",
        integer="active_contracts",
        boolean="safe base_safe wish_safe",
        real="loading_pct wish_loading_pct vm_min_pu vm_max_pu wish_vm_min_pu wish_vm_max_pu net_kw wish_kw "
        "withheld_kwh shed_kwh offer_up_kw offer_down_kw free_offer_up_kw free_offer_down_kw",
    ),
    "non_firm": _columns(
        text="dso street cause",
        integer="lead_s contracts most_used",
        boolean="solved",
        real="excess_pct import_kw export_kw",
    ),
    "remedies": _columns(
        text="provider",
        integer="direction",
        real="reserve_blocked_mw reserve_undelivered_mw energy_blocked_mw portfolio_mw aggregators_mw "
        "aggregators_eur_per_h tso_energy_mw tso_reserve_mw tso_called_mw",
    ),
    "curtailment_trades": _columns(text="street buyer seller", real="kw gained_kw price_eur_per_mwh"),
    "settlement": _columns(text="payer payee kind", real="quantity_mwh amount_eur"),
    "messages": _columns(text="kind sender receiver", integer="sent_s delivered_s numbers", boolean="lost"),
}
"""Every table and its columns. A `time` column (UTC, start of the ISP) is added to each."""

ROWS_PER_GROUP = 100_000
"""Rows of a group in the files, but for the last."""
ROWS_KEPT = 10_000
"""Rows of a table held in memory until they go to the spool."""


PART = 1 << 20
"""Bytes of the spool that are looked at in one go."""


class Mark(NamedTuple):
    """A moment of the spool: its length in bytes, and the SHA-256 of them."""

    length: int
    digest: str


START = Mark(0, hashlib.sha256().hexdigest())


class Recorder:
    """Collects rows and writes them out. Column order and types are those of `TABLES`.

    Rows go to a spool first, one file that only grows: what it holds up to a moment can be kept, and what
    came later cut off (`mark`, `rewind`). `close` turns it into the tables, in groups whose borders depend
    on nothing but the rows.
    """

    def __init__(self, folder: Path, calendar: Calendar, spool: Path | None = None) -> None:
        """`spool` stays where it is after `close`; without one it lies in `folder` and is removed then."""
        self._folder = folder
        self._start = np.datetime64(calendar.start.tz_localize(None), "s")
        self._isp_seconds = calendar.isp_seconds
        self._rows: dict[str, dict[str, list[Any]]] = {t: {c: [] for c in spec} for t, spec in TABLES.items()}
        self._path, self._kept = spool or folder / "tables.spool", spool is not None
        folder.mkdir(parents=True, exist_ok=True)
        self._digest = hashlib.sha256()
        with open(self._path, "ab" if self._kept else "wb"):
            pass  # it is there from now on, and can be written

    def __call__(self, table: str, row: Mapping[str, Any]) -> None:
        """Add one row (scalars) or many (equally long sequences). Every column of the table must be given."""
        columns = self._rows[table]
        if row.keys() != columns.keys():
            raise KeyError(
                f"table {table}: columns {sorted(row.keys() ^ columns.keys())} are missing or unknown"
            )
        if isinstance(row["isp"], int | np.integer):
            for name, value in row.items():
                columns[name].append(value)
        else:
            for name, values in row.items():
                columns[name].extend(values.tolist() if isinstance(values, np.ndarray) else values)
        if len(columns["isp"]) >= ROWS_KEPT:
            self._flush(table)

    def mark(self) -> Mark:
        """Bring all rows safely to the disk, and say what the spool is now."""
        for table in TABLES:
            self._flush(table)
        with open(self._path, "ab") as spool:
            os.fsync(spool.fileno())
            return Mark(spool.tell(), self._digest.hexdigest())

    def rewind(self, mark: Mark) -> None:
        """Forget all rows behind a mark. Raises OSError if what lies before it is not what it was."""
        self._digest = self._sound(mark)
        self._rows = {t: {c: [] for c in spec} for t, spec in TABLES.items()}
        os.truncate(self._path, mark.length)

    def close(self) -> None:
        """Write the tables, empty ones too. Raises OSError if the spool is damaged."""
        self._sound(self.mark())
        with ExitStack() as stack:
            files = {name: stack.enter_context(_TableFile(self._folder, name)) for name in TABLES}
            for name, rows in self._spooled():
                files[name].add(rows)
        if not self._kept:
            self._path.unlink()

    def _sound(self, mark: Mark) -> Any:
        """The SHA-256 of the spool up to a mark, if it is what it was then."""
        digest = hashlib.sha256()
        with open(self._path, "rb") as spool:
            for first in range(0, mark.length, PART):
                digest.update(spool.read(min(PART, mark.length - first)))
        if digest.hexdigest() != mark.digest:
            raise OSError(errno.EIO, "does not hold what was written", str(self._path))
        return digest

    def _spooled(self) -> Iterator[tuple[str, pa.Table]]:
        with open(self._path, "rb") as spool:
            end = spool.seek(0, os.SEEK_END)
            spool.seek(0)
            while spool.tell() < end:
                with pa.ipc.open_stream(spool) as stream:
                    name = stream.schema.metadata[b"table"].decode()
                    yield name, stream.read_all()

    def _flush(self, table: str) -> None:
        columns = self._rows[table]
        if not columns["isp"]:
            return
        isp = np.array(columns["isp"], dtype=np.int64)
        time = self._start + (isp * self._isp_seconds).astype("timedelta64[s]")
        arrays = [pa.array(time, type=pa.timestamp("s")).cast(pa.timestamp("s", tz="UTC"))]
        arrays += [pa.array(columns[name], type=kind) for name, kind in TABLES[table].items()]
        rows = pa.Table.from_arrays(arrays, schema=_schema(table).with_metadata({"table": table}))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema, options=SPOOLED) as stream:
            stream.write_table(rows)
        content = sink.getvalue().to_pybytes()
        with open(self._path, "ab") as spool:
            spool.write(content)
        self._digest.update(content)
        self._rows[table] = {name: [] for name in TABLES[table]}


class _TableFile:
    """One Parquet file, written in groups of `ROWS_PER_GROUP`."""

    def __init__(self, folder: Path, table: str) -> None:
        self._writer = pq.ParquetWriter(folder / f"{table}.parquet", _schema(table), compression="zstd")
        self._waiting = _schema(table).empty_table()

    def __enter__(self) -> _TableFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._writer.write_table(self._waiting.combine_chunks())
        self._writer.close()

    def add(self, rows: pa.Table) -> None:
        """Add rows at the end."""
        self._waiting = pa.concat_tables([self._waiting, rows.replace_schema_metadata(None)])
        while len(self._waiting) >= ROWS_PER_GROUP:
            self._writer.write_table(self._waiting.slice(0, ROWS_PER_GROUP).combine_chunks())
            self._waiting = self._waiting.slice(ROWS_PER_GROUP)


def _schema(table: str) -> pa.Schema:
    return pa.schema([("time", pa.timestamp("s", tz="UTC")), *TABLES[table].items()])
