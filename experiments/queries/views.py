"""Tables of run folders as views of a DuckDB database that reads and writes nothing else.

Run folders and queries may come from somebody else. So the database lives in memory, has no access to files,
networks or Python's variables, loads no extension, and its settings are locked. Tables are checked as
everywhere (`run_folder.tables`) and reach it as Arrow datasets; only known tables are bound.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet as pq

from tandem_sim.experiments.api import Run, load
from tandem_sim.experiments.run_folder.described import DESCRIBED
from tandem_sim.experiments.run_folder.manifest import MANIFEST, REPEAT
from tandem_sim.experiments.run_folder.so_far import UnfinishedRun, is_unfinished, load_unfinished
from tandem_sim.experiments.run_folder.tables import check_table
from tandem_sim.grids.documents.text import is_there, one_line
from tandem_sim.grids.errors import InputError

CLOSED = {
    "temp_directory": "",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "python_enable_replacements": "false",
    "enable_external_access": "false",
}
"""Settings with which a database reads and writes no file."""
RUN = "run"
"""Column that names the run where there are several."""
MOST_RUNS = 1000


def answer(
    sql: str, folders: Sequence[str], on_unfinished: Callable[[UnfinishedRun], None] = lambda run: None
) -> pa.Table:
    """The rows that a query finds in the tables of one run, or of several.

    With several runs every table has a further first column `RUN`: the folder as given. Of a run that is not
    finished these are the rows that its newest checkpoint keeps; `on_unfinished` is called with it. Raises
    `InputError` for a folder that is no run, a table that cannot be read, and a query that is wrong.
    """
    runs = _runs(folders)
    for run in runs.values():
        if isinstance(run, UnfinishedRun):
            on_unfinished(run)
    with _database() as database:
        _check_query(database, sql, list(runs))
        _bind(database, sql, runs)
        database.execute("SET lock_configuration = true")
        try:
            return database.sql(sql).to_arrow_table()
        except (duckdb.Error, pa.ArrowException, OSError, ValueError, RuntimeError) as error:
            raise _wrong(error, runs) from error


def _runs(folders: Sequence[str]) -> dict[str, Run | UnfinishedRun]:
    """Runs by their folders as given. Raises `InputError`."""
    if len(folders) > MOST_RUNS:
        problem = f"are {len(folders)}, and at most {MOST_RUNS} are read"
        raise InputError("RUN", "runs", problem, "Give fewer")
    twice = [folder for k, folder in enumerate(folders) if folder in folders[:k]]
    if twice:
        raise InputError("RUN", twice[0], "is given twice", "Give every run once")
    return {folder: _run(folder) for folder in folders}


def _run(folder: str) -> Run | UnfinishedRun:
    """A finished run, or else what an unfinished one has written so far."""
    path = Path(folder)
    return load_unfinished(path) if not is_there(path / MANIFEST) and is_unfinished(path) else load(path)


@contextmanager
def _database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory without access to anything else; times are shown in UTC."""
    with duckdb.connect(":memory:") as database:
        for name, value in {"TimeZone": "UTC", **CLOSED}.items():
            database.execute(f"SET {name} = '{value}'")
        yield database


def _check_query(database: duckdb.DuckDBPyConnection, sql: str, runs: Sequence[str]) -> None:
    """Raise an `InputError` for anything but one query that only reads."""
    try:
        statements = database.extract_statements(sql)
    except (duckdb.Error, ValueError) as error:
        raise _wrong(error, runs) from error
    reads = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
    if len(statements) != 1 or statements[0].type not in reads:
        problem = "is not one statement that reads"
        raise InputError("query", "SQL", problem, "Give one SELECT, DESCRIBE, SUMMARIZE or SHOW TABLES")


def _bind(database: duckdb.DuckDBPyConnection, sql: str, runs: Mapping[str, Run | UnfinishedRun]) -> None:
    """Bind the tables that a query names; all, if it names none. Checking a table reads the whole file."""
    late = {folder: run for folder, run in runs.items() if isinstance(run, UnfinishedRun)}
    words = {word.lower() for word in re.findall(r"\w+", sql)}
    for table in [table for table in DESCRIBED if table in words] or list(DESCRIBED):
        paths = {f: run.folder / f"{table}.parquet" for f, run in runs.items() if f not in late}
        there = {folder: path for folder, path in paths.items() if path.exists() or path.is_symlink()}
        for folder in there:  # a run may have left it out
            check_table(runs[folder].folder, table)
        parts = [_rows_of(there, named=len(runs) > 1)] if there else []
        parts += _rows_so_far(late, table, named=len(runs) > 1)
        if parts:
            rows = _joined(parts)
            database.from_arrow(rows).project(_without_nan(rows.schema)).create_view(table)


def _without_nan(columns: pa.Schema) -> str:
    """All columns for SELECT, with NULL for NaN: SQL takes NaN for larger than any number."""
    numbers = [quoted(column.name) for column in columns if pa.types.is_floating(column.type)]
    cases = ", ".join(f"CASE WHEN isnan({n}) THEN NULL ELSE {n} END AS {n}" for n in numbers)
    return f"* REPLACE ({cases})" if cases else "*"


def quoted(name: str) -> str:
    """A name as an identifier of SQL, whatever it holds."""
    return '"' + name.replace('"', '""') + '"'


def _rows_of(paths: Mapping[str, Path], named: bool) -> pyarrow.dataset.Dataset:
    """The rows of one table of all runs; `named`: with the column `RUN` first."""
    columns: dict[str, pa.Field] = {}
    for path in paths.values():
        for column in pq.read_schema(path):
            columns.setdefault(column.name, pa.field(column.name, column.type))
            if named and column.name == RUN:
                raise InputError(str(path), RUN, "is a column that no run writes", REPEAT)
    name = pyarrow.compute.field(RUN)
    return pyarrow.dataset.FileSystemDataset.from_paths(
        [str(path.resolve()) for path in paths.values()],
        schema=pa.schema([*([pa.field(RUN, pa.string())] if named else []), *columns.values()]),
        format=pyarrow.dataset.ParquetFileFormat(),
        filesystem=pyarrow.fs.LocalFileSystem(),
        partitions=[name == folder for folder in paths] if named else None,
    )


def _rows_so_far(runs: Mapping[str, UnfinishedRun], table: str, named: bool) -> list[pyarrow.dataset.Dataset]:
    """The rows of one table of each unfinished run that has some; `named`: with the column `RUN` first."""
    found = []
    for folder, run in runs.items():
        rows = run.rows(table)
        if len(rows):
            name = pa.array([folder] * len(rows), pa.string())
            found.append(pyarrow.dataset.dataset(rows.add_column(0, RUN, name) if named else rows))
    return found


def _joined(parts: Sequence[pyarrow.dataset.Dataset]) -> pyarrow.dataset.Dataset:
    """All rows of some datasets of one table."""
    if len(parts) == 1:
        return parts[0]
    columns = pa.unify_schemas([part.schema for part in parts], promote_options="permissive")
    return pyarrow.dataset.dataset([part.replace_schema(columns) for part in parts])


def _wrong(error: Exception, runs: Mapping[str, object] | Sequence[str]) -> InputError:
    """What a database says of a query, as one message."""
    hint = "docs/formats.md lists tables and columns; SHOW TABLES lists those of these runs"
    if isinstance(error, (pa.ArrowException, OSError)) and not isinstance(error, duckdb.Error):
        return InputError(", ".join(runs), "tables", f"cannot be read ({one_line(error)})", REPEAT)
    return InputError("query", "SQL", one_line(error, 1_000), hint)
