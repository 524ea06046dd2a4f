"""Tables of a run, streamed to Parquet."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.output.columns import SINGLE, TEXT
from tandem_sim.sim.output.tables import TABLES, schema

SPOOLED = pa.ipc.IpcWriteOptions(compression="zstd")
ROWS_PER_GROUP = 100_000
"""Rows of every row group in the files except the last."""
ROWS_KEPT = 10_000
"""Rows of a table in memory, at most, before they are written to the spool."""
MANY = 100
"""From this number on, rows added at once are stored as columns: fewer are faster one by one."""


PART = 1 << 20
"""Bytes of the spool read at a time."""


class Mark(NamedTuple):
    """State of the spool: its length in bytes, and the SHA-256 of them."""

    length: int
    digest: str


START = Mark(0, hashlib.sha256().hexdigest())


def check_spool(path: Path, mark: Mark) -> Any:
    """The running SHA-256 of a spool up to a mark. Raises OSError if it has changed since."""
    digest = hashlib.sha256()
    with open(path, "rb") as spool:
        for first in range(0, mark.length, PART):
            digest.update(spool.read(min(PART, mark.length - first)))
    if digest.hexdigest() != mark.digest:
        raise OSError(errno.EIO, "does not hold what was written", str(path))
    return digest


def spooled(path: Path, end: int | None = None) -> Iterator[tuple[str, pa.Table, int]]:
    """Blocks of rows of a spool in their order up to byte `end`: table, rows, and bytes read so far."""
    with open(path, "rb") as spool:
        end = spool.seek(0, os.SEEK_END) if end is None else end
        spool.seek(0)
        while spool.tell() < end:
            with pa.ipc.open_stream(spool) as stream:
                name = stream.schema.metadata[b"table"].decode()
                rows = stream.read_all()
            yield name, rows, spool.tell()


class Recorder:
    """Collects rows and writes them out. Column order and types are those of `TABLES`.

    Rows go to a spool first, a file that only grows: it can be cut back to an earlier state (`mark`,
    `rewind`). `close` turns it into the tables, in row groups whose borders depend only on the rows.
    """

    def __init__(
        self, folder: Path, calendar: Calendar, spool: Path | None = None, left_out: Collection[str] = ()
    ) -> None:
        """A given `spool` is kept after `close`; by default it is in `folder` and is removed by `close`.

        Tables `left_out` are not written, and rows for them are dropped.
        """
        self._folder = folder
        self._tables = [table for table in TABLES if table not in left_out]
        self._fixed: dict[str, pa.Table] = {}
        self._start = np.datetime64(calendar.start.tz_localize(None), "s")
        self._isp_seconds = calendar.isp_seconds
        self._waiting = {table: _Waiting(table) for table in self._tables}
        self._path, self._kept = spool or folder / "tables.spool", spool is not None
        folder.mkdir(parents=True, exist_ok=True)
        self._digest = hashlib.sha256()
        with open(self._path, "ab" if self._kept else "wb"):
            pass  # the file exists from now on and is writable

    def writes(self, table: str) -> bool:
        """Whether rows of a table are written."""
        return table in self._waiting

    def fix(self, tables: Mapping[str, pa.Table]) -> None:
        """Give the rows of tables that are written once, by `close`; they are not part of the spool."""
        self._fixed = {name: rows.cast(schema(name)) for name, rows in tables.items()}

    def __call__(self, table: str, row: Mapping[str, Any]) -> None:
        """Add one row (scalars) or many (equally long sequences). Every column of the table must be given."""
        if table not in self._waiting and table in TABLES:
            return  # left out
        waiting = self._waiting[table]
        try:
            values = waiting.in_order(row)
        except KeyError:
            values = ()
        if len(values) != len(row):
            raise KeyError(
                f"table {table}: columns {sorted(row.keys() ^ waiting.spec.keys())} are missing or unknown"
            )
        waiting.add(values)
        if waiting.count >= ROWS_KEPT:
            self._flush(table)

    def add_arrays(self, table: str, columns: Sequence[pa.Array]) -> None:
        """Add rows as arrays of the types of all columns, in their order; nothing is copied or checked."""
        waiting = self._waiting[table]
        waiting.add_arrays(columns)
        if waiting.count >= ROWS_KEPT:
            self._flush(table)

    def mark(self) -> Mark:
        """Write all rows to the disk; the state of the spool."""
        for table in self._tables:
            self._flush(table)
        with open(self._path, "ab") as spool:
            os.fsync(spool.fileno())
            return Mark(spool.tell(), self._digest.hexdigest())

    def rewind(self, mark: Mark) -> None:
        """Drop all rows after a mark. Raises OSError if the rows before it have changed."""
        self._digest = check_spool(self._path, mark)
        self._waiting = {table: _Waiting(table) for table in self._tables}
        os.truncate(self._path, mark.length)

    def close(self, on_part: Callable[[int, int], None] = lambda done, total: None) -> None:
        """Write the tables, empty ones too. Raises OSError if the spool is damaged.

        `on_part` is called with the bytes of the spool that are written, and with all.
        """
        mark = self.mark()
        check_spool(self._path, mark)
        with ExitStack() as stack:
            files = {
                name: stack.enter_context(_TableFile(self._folder, name))
                for name in (*self._tables, *self._fixed)
            }
            for name, rows in self._fixed.items():
                files[name].add(rows)
            for name, rows, read in spooled(self._path):
                files[name].add(rows)
                on_part(read, mark.length)
        if not self._kept:
            self._path.unlink()

    def _flush(self, table: str) -> None:
        columns = self._waiting[table].taken()
        if not columns:
            return
        isp = columns[0].to_numpy()
        time = self._start + (isp * self._isp_seconds).astype("timedelta64[s]")
        arrays = [pa.array(time, type=pa.timestamp("s")).cast(pa.timestamp("s", tz="UTC")), *columns]
        rows = pa.Table.from_arrays(arrays, schema=_bare(table))
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, rows.schema, options=SPOOLED) as stream:
            stream.write_table(rows)
        content = sink.getvalue().to_pybytes()
        with open(self._path, "ab") as spool:
            spool.write(content)
        self._digest.update(content)


class _Waiting:
    """Rows of one table that are not in the spool yet, in their order.

    Many rows added at once are stored as columns, single rows as tuples until they are joined.
    """

    def __init__(self, table: str) -> None:
        self.spec = TABLES[table]
        self.in_order = itemgetter(*self.spec)
        self.count = 0
        self._single: list[tuple[Any, ...]] = []
        self._many: list[list[pa.Array]] = []

    def add(self, values: tuple[Any, ...]) -> None:
        """Add the values of all columns: scalars, or equally long sequences."""
        first = values[0]
        if isinstance(first, (int, np.integer)):
            self._single.append(values)
            self.count += 1
        elif len(first) < MANY:
            listed = (v.tolist() if isinstance(v, np.ndarray) else v for v in values)
            self._single += zip(*listed, strict=True)
            self.count += len(first)
        else:
            self._close_up()
            self._many.append([_column(v, kind) for v, kind in zip(values, self.spec.values(), strict=True)])
            self.count += len(first)

    def add_arrays(self, columns: Sequence[pa.Array]) -> None:
        """Add rows as arrays of all columns."""
        self._close_up()
        self._many.append(list(columns))
        self.count += len(columns[0])

    def taken(self) -> list[pa.Array]:
        """All columns, which are then no longer stored here; empty without rows."""
        self._close_up()
        blocks, self._many, self.count = self._many, [], 0
        return [pa.concat_arrays(parts) for parts in zip(*blocks, strict=True)]

    def _close_up(self) -> None:
        if self._single:
            columns = zip(*self._single, strict=True)
            self._many.append([pa.array(v, type=k) for v, k in zip(columns, self.spec.values(), strict=True)])
            self._single = []


def _column(values: Sequence[Any] | npt.NDArray[Any], kind: pa.DataType) -> pa.Array:
    """A column with a copy of the values."""
    if isinstance(values, np.ndarray):  # text is faster from a list
        return pa.array(values.tolist() if kind == TEXT else values.copy(), type=kind)
    return pa.array(values, type=kind)


@cache
def _bare(table: str) -> pa.Schema:
    """Columns of a table with its name, without descriptions."""
    columns = [pa.field(column.name, column.type) for column in schema(table)]
    return pa.schema(columns, metadata={"table": table})


class _TableFile:
    """One Parquet file, written in groups of `ROWS_PER_GROUP`.

    Numbers of 32 bits are stored byte by byte (BYTE_STREAM_SPLIT), which compresses better than a dictionary.
    """

    def __init__(self, folder: Path, table: str) -> None:
        columns = schema(table)
        split = [column.name for column in columns if column.type == SINGLE]
        rest = [column.name for column in columns if column.type != SINGLE]
        self._writer = pq.ParquetWriter(
            folder / f"{table}.parquet",
            columns,
            compression="zstd",
            use_dictionary=rest if split else True,
            use_byte_stream_split=split or False,
        )
        self._waiting = columns.empty_table()

    def __enter__(self) -> _TableFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._writer.write_table(self._waiting.combine_chunks())
        self._writer.close()

    def add(self, rows: pa.Table) -> None:
        """Add rows at the end."""
        self._waiting = pa.concat_tables([self._waiting, rows.cast(self._waiting.schema)])
        while len(self._waiting) >= ROWS_PER_GROUP:
            self._writer.write_table(self._waiting.slice(0, ROWS_PER_GROUP).combine_chunks())
            self._waiting = self._waiting.slice(ROWS_PER_GROUP)
