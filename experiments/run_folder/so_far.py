"""What a run that is not finished has written so far: rows that its newest checkpoint keeps.

The run may go on meanwhile: nothing is locked and nothing is changed. Rows after the checkpoint are not read,
because a run that is resumed writes them again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from tandem_sim.experiments.run_folder.own_files import SUFFIX, working_fault
from tandem_sim.experiments.run_folder.unfinished import unfinished_of
from tandem_sim.grids.documents.text import hint, is_there, one_line
from tandem_sim.grids.errors import InputError
from tandem_sim.sim.checkpoint import SPOOL, Kept, kept_in
from tandem_sim.sim.output.recorder import check_spool, spooled
from tandem_sim.sim.output.tables import ABOUT, schema

TIME = pa.timestamp("ms", tz="UTC")
AGAIN = "Read it again; or go on with the run, --resume"


@dataclass(frozen=True)
class UnfinishedRun:
    """A run that is not finished: rows of the first `isps` of its `of_isps` ISPs, and what later ones have.

    ``unfinished["grid"]`` reads the table ``grid``. Tables that a run writes at its end are not there.

    >>> from tandem_sim import run
    >>> def interrupted(isp: int) -> None:
    ...     if isp == 30:  # on the second day
    ...         raise KeyboardInterrupt
    >>> small = {"households": 200, "isp_minutes": 60}
    >>> try:
    ...     run("reference", "cut", days=2, changes=small, on_isp=interrupted)
    ... except KeyboardInterrupt:
    ...     found = load_unfinished("cut")
    >>> found.isps <= 24, found.of_isps
    (True, 48)
    >>> "grid" in found.tables
    True
    """

    folder: Path  # its working folder
    kept: Kept

    @property
    def isps(self) -> int:
        """ISPs that are settled, and whose rows are complete."""
        return self.kept.isps

    @property
    def of_isps(self) -> int:
        """ISPs of the whole run."""
        return self.kept.of_isps

    @property
    def tables(self) -> list[str]:
        """Names of the tables that have rows."""
        return sorted({name for name, _ in self._blocks()})

    def __getitem__(self, table: str) -> pd.DataFrame:
        """A table as a frame. Raises KeyError for one without rows, `InputError` if they cannot be read."""
        found = self.rows(table)
        if not len(found):
            raise KeyError(f"{table}: no rows so far in {self.folder}. {hint(table, self.tables)}")
        frame: pd.DataFrame = found.to_pandas()
        return frame

    def rows(self, table: str) -> pa.Table:
        """The rows of a table, perhaps none. Raises `InputError` as above."""
        columns = _columns(table) if table in ABOUT else pa.schema([])
        blocks = (rows for name, rows in self._blocks() if name == table)
        return pa.concat_tables([columns.empty_table(), *blocks])

    def _blocks(self) -> Iterator[tuple[str, pa.Table]]:
        """All rows in their order. Raises `InputError` for a file that a run does not write."""
        path = self.folder / SPOOL
        try:
            check_spool(path, self.kept.mark)
            for name, rows, _ in spooled(path, self.kept.mark.length):
                yield name, rows.cast(_columns(name))
        except (OSError, pa.ArrowException, KeyError, ValueError, TypeError) as error:
            raise InputError(str(path), "tables", f"cannot be read ({one_line(error)})", AGAIN) from error


def _columns(table: str) -> pa.Schema:
    """Columns of a table as they are read from Parquet, which stores times in milliseconds."""
    kinds = [(c.name, TIME if pa.types.is_timestamp(c.type) else c.type) for c in schema(table)]
    return pa.schema(kinds)


def is_unfinished(folder: Path) -> bool:
    """Whether a folder is the working folder of a run, or the place of results that has one beside it."""
    folder = folder.absolute()  # "." has no name
    if not folder.name:
        return False
    return folder.name.endswith(SUFFIX) or is_there(unfinished_of(folder), Path.is_dir)


def load_unfinished(folder: str | Path) -> UnfinishedRun:
    """What a run that is not finished has written so far, by the folder of its results or ``.unfinished``.

    Raises `InputError` where there is none, and for one that has no checkpoint yet.

    >>> load_unfinished("nowhere")
    Traceback (most recent call last):
    ...
    tandem_sim.grids.errors.InputError: nowhere: folder: holds no unfinished run. Name the folder of a run.
    """
    path = Path(folder).absolute()  # "." has no name
    place = path if path.name.endswith(SUFFIX) or not path.name else unfinished_of(path)
    if not path.name or not is_there(place, Path.is_dir):
        raise InputError(str(folder), "folder", "holds no unfinished run", "Name the folder of a run")
    try:
        fault, kept = working_fault(place), kept_in(place)
    except OSError as error:  # the run goes on meanwhile, and may be finished now
        raise InputError(str(place), "folder", f"cannot be read ({one_line(error)})", AGAIN) from error
    if fault:
        problem = f"is not the working folder of a run: {fault}"
        raise InputError(str(place), "folder", problem, "Name the folder of a run")
    if kept is None:
        problem = "has no checkpoint yet, and no row of it is safe"
        raise InputError(str(place), "folder", problem, "Wait for the first, at the end of a simulated day")
    return UnfinishedRun(place, kept)
