"""Tables and key figures of a run folder that a stranger made: one message that names the file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tandem_sim.experiments.api import load
from tandem_sim.experiments.commands.explain import show
from tandem_sim.experiments.figures.figures import plot_comparison
from tandem_sim.experiments.market_power.measure import power_of
from tandem_sim.experiments.results.terminal_tables import kpi_tables
from tandem_sim.experiments.run_folder import tables as run_tables
from tandem_sim.experiments.run_folder.manifest import read_kpis
from tandem_sim.experiments.run_folder.tables import LONGEST_TEXT, read_table
from tandem_sim.experiments.runs.run import run_scenario
from tandem_sim.grids.errors import InputError
from tests.experiments.explain.test_explain import ISP, UP, called, written
from tests.experiments.figures.test_figures import ZONE
from tests.experiments.figures.test_figures import _folder as plotted
from tests.experiments.market_power.test_measure import STRATEGIC, STRATEGIC_AWARDS, _folder
from tests.sim.conftest import HOURLY, small_scenario

Edit = Callable[[Path], None]


def changed(change: Callable[[pa.Table], pa.Table]) -> Edit:
    def edit(file: Path) -> None:
        pq.write_table(change(pq.read_table(file)), file)

    return edit


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _other_bytes(file: Path) -> None:
    file.write_bytes(b"PAR1" + bytes(400) + b"PAR1")


def _flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    for place in range(4, len(content) - 8, 31):
        content[place] ^= 255
    file.write_bytes(content)


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def _endless(file: Path) -> None:
    file.unlink()
    file.symlink_to("/dev/zero")


def _loop(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.name)


def _of_other_files(file: Path) -> None:
    """A folder, which pandas reads as one table of all that is in it."""
    pq.write_table(pq.read_table(file), file.with_name("part"))
    file.unlink()
    file.mkdir()
    file.with_name("part").rename(file / "part.parquet")


def _as_text(table: pa.Table) -> pa.Table:
    return pa.table(
        {name: pa.array([str(v) for v in table[name].to_pylist()]) for name in table.column_names}
    )


def _as_lists(table: pa.Table) -> pa.Table:
    return pa.table({name: pa.array([[v] for v in table[name].to_pylist()]) for name in table.column_names})


def _one_less(table: pa.Table) -> pa.Table:
    """Without the first that is needed wherever there is one of them."""
    return table.drop_columns(next([n] for n in ("isp", "payer", "unit") if n in table.column_names))


def _one_twice(table: pa.Table) -> pa.Table:
    names = [*table.column_names, table.column_names[-1]]
    return pa.Table.from_arrays([*table.columns, table.columns[-1]], names=names)


def _hostile(text: str) -> Callable[[pa.Table], pa.Table]:
    def edit(table: pa.Table) -> pa.Table:
        for place, field in enumerate(table.schema):
            if pa.types.is_string(field.type):
                return table.set_column(place, field.name, pa.array([text] * len(table)))
        return table.append_column("note", pa.array([text] * len(table)))

    return edit


BROKEN: dict[str, Edit] = {
    "cut": _cut,
    "flipped": _flipped,
    "empty": _empty,
    "other bytes": _other_bytes,
    "pipe": _pipe,
    "endless": _endless,
    "loop": _loop,
    "folder": _of_other_files,
    "gone": Path.unlink,
    "another table": lambda file: pq.write_table(pa.table({"a": [1, 2]}), file),
    "text": changed(_as_text),
    "lists": changed(_as_lists),
    "a column less": changed(_one_less),
    "a column twice": changed(_one_twice),
    "escapes": changed(_hostile("A01\x1b[2J")),
    "turned": changed(_hostile("A\u202e01")),
    "two lines": changed(_hostile("A01\nCalled in full")),
    "long": changed(_hostile("x" * (LONGEST_TEXT + 1))),
}


def refused(read: Callable[[], Any], file: Path) -> None:
    with pytest.raises(InputError) as found:
        read()
    told = str(found.value)
    assert str(file.parent) in found.value.source
    assert file.name in told
    assert told.isprintable()
    assert len(told) < 1000


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder in which one bid was called."""
    return written(
        tmp_path / "run", {"bids": [UP], "activations": [{**called(UP, 2.0), "purpose": "x"}]}
    ).folder


@pytest.mark.parametrize("how", BROKEN)
@pytest.mark.parametrize("table", ["bids", "activations"])
def test_explain_and_load(table: str, how: str, run: Path) -> None:
    file = run / f"{table}.parquet"
    BROKEN[how](file)
    refused(lambda: show(str(run), str(ISP), UP["bid_id"]), file)
    if how == "gone":
        with pytest.raises(KeyError, match="no such table"):
            load(run)[table]
    else:
        refused(lambda: load(run)[table], file)


@pytest.mark.parametrize("how", [how for how in BROKEN if how != "turned"])
@pytest.mark.parametrize("table", ["sellers", "activations", "settlement", "schedules"])
def test_power(table: str, how: str, tmp_path: Path) -> None:
    truth = _folder(tmp_path / "truth", STRATEGIC, STRATEGIC_AWARDS)
    other = _folder(tmp_path / "run", STRATEGIC, STRATEGIC_AWARDS)
    file = other / f"{table}.parquet"
    BROKEN[how](file)
    refused(lambda: power_of(other, truth), file)
    refused(lambda: power_of(truth, other), file)
    refused(lambda: power_of(truth, truth, other), file)


BROKEN_FOR_FIGURES = [how for how in BROKEN if how not in ("turned", "two lines", "long")]
OF_ROWS = ("text", "lists", "escapes")
"""What is wrong with values, and nothing where a table has none, as validation and low_voltage here."""


@pytest.mark.parametrize(
    ("table", "how"),
    [
        *(
            (table, how)
            for table in ("system", "grid", "activations", "settlement")
            for how in BROKEN_FOR_FIGURES
        ),
        *(
            (table, how)
            for table in ("bid_checks", "low_voltage")
            for how in BROKEN_FOR_FIGURES
            if how not in OF_ROWS
        ),
    ],
)
def test_figures(table: str, how: str, tmp_path: Path) -> None:
    folder = plotted(tmp_path / "run", active=True, isp_minutes=60)
    file = folder / f"{table}.parquet"
    BROKEN[how](file)
    refused(lambda: plot_comparison({"a": folder}, ZONE, tmp_path / "out"), file)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("system", "isp", 7),
        ("system", "isp", 10**9),
        ("system", "isp", None),
        ("system", "time", None),
        ("system", "time", 10**12),
        ("system", "time", 3),
        ("grid", "isp", 0),
        ("activations", "direction", 2),
        ("activations", "isp", -1),
        ("activations", "node", None),
    ],
)
def test_values_that_no_run_writes(table: str, column: str, value: int | None, tmp_path: Path) -> None:
    folder = plotted(tmp_path / "run", active=True, isp_minutes=60)
    file = folder / f"{table}.parquet"
    found = pq.read_table(file)
    place = found.column_names.index(column)
    values = pa.array([value, *found[column].cast(pa.int64()).to_pylist()[1:]]).cast(found[column].type)
    if (table, column) == ("grid", "isp"):
        values = pa.array([0] * len(found))
    pq.write_table(found.set_column(place, column, values), file)
    if column == "node":  # which no figure shows
        refused(lambda: read_table(folder, table), file)
    else:
        refused(lambda: plot_comparison({"a": folder}, ZONE, tmp_path / "out"), file)


def test_a_small_file_of_very_many_rows(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, n = run / "rejections.parquet", 10**6
    text = pa.DictionaryArray.from_arrays(pa.array([0] * n, pa.int8()), pa.array(["x"])).cast(pa.string())
    many = pa.table({"isp": pa.array([ISP] * n), **dict.fromkeys(("system", "bid_id", "reason"), text)})
    many = many.add_column(0, "time", pa.array([0] * n).cast(pa.timestamp("s", tz="UTC")))
    pq.write_table(many, file, compression="zstd")
    assert file.stat().st_size < 10**5
    monkeypatch.setattr(run_tables, "MOST_VALUES", 5 * n - 1)
    refused(lambda: show(str(run), str(ISP), None), file)


@pytest.mark.parametrize("about", [b"{", b'{"index_columns": ["isp"], "columns": [], "column_indexes": []}'])
def test_what_a_file_says_of_itself_for_pandas_is_not_read(about: bytes, run: Path) -> None:
    before = load(run)["bids"]
    changed(lambda table: table.replace_schema_metadata({b"pandas": about}))(run / "bids.parquet")
    pd.testing.assert_frame_equal(load(run)["bids"], before)


def test_rows_of_an_isp_are_those_that_a_filter_finds(run: Path) -> None:
    orders = pq.read_table(run / "bids.parquet")
    isps = [0, 0, 1, 3, 3, 3]
    many = pa.concat_tables([orders] * len(isps)).set_column(1, "isp", pa.array(isps))
    pq.write_table(many, run / "bids.parquet", row_group_size=2)
    for isp in range(5):
        expected = pd.read_parquet(run / "bids.parquet", filters=[("isp", "==", isp)])
        assert len(expected) == isps.count(isp)
        pd.testing.assert_frame_equal(read_table(run, "bids", isp=isp), expected)


@pytest.mark.parametrize(
    "kpis",
    [
        {"procurement_cost_eur": "7"},
        {"isps": [1]},
        {"isps": True},
        {"error": 3},
        {"a\x1b[2J": 1},
        {"procurement_cost_by_operator_eur": {"TSO\n": 1.0}},
        {"by": {"T": {"deeper": 1}}},
        {"x" * 300: 1},
        {f"k{k}": k for k in range(30_000)},
    ],
    ids=lambda kpis: str(kpis)[:40],
)
def test_key_figures_that_no_run_writes(kpis: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "kpis.json").write_text(json.dumps(kpis), encoding="utf-8")
    refused(lambda: read_kpis(tmp_path), tmp_path / "kpis.json")


def test_key_figures_that_a_run_lacks_are_shown_as_none() -> None:
    (lacking,) = kpi_tables(small_scenario(), {"older": {}, "newer": {"procurement_cost_eur": 3.0}}, 130)
    assert lacking.row_count > 10


def test_a_file_that_was_changed_since_the_run_wrote_it(tmp_path: Path) -> None:
    scenario, out = small_scenario(**HOURLY), tmp_path / "run"

    def finished() -> dict[str, Any]:
        return run_scenario(scenario, None, out, plots=False, resume=True, checkpoint_s=0)

    kpis = finished()
    assert finished() == kpis == load(out).kpis
    told = load(out).manifest["files"]
    assert set(told) == {"kpis.json", *(f"{name}.parquet" for name in load(out).tables)}
    assert told["bids.parquet"] == hashlib.sha256((out / "bids.parquet").read_bytes()).hexdigest()

    orders = out / "bids.parquet"
    before = orders.read_bytes()
    table = pq.read_table(orders)
    dearer = pa.array([price + 1.0 for price in table["price_eur_per_mwh"].to_pylist()])
    place = table.column_names.index("price_eur_per_mwh")
    pq.write_table(table.set_column(place, "price_eur_per_mwh", dearer), orders)
    for read in (finished, lambda: load(out)["bids"], lambda: show(str(out), "0", None)):
        with pytest.raises(InputError, match=r"bids.parquet: content: is not what this run wrote"):
            read()
    assert len(load(out)["sellers"])  # which is as it was
    orders.unlink()
    with pytest.raises(InputError, match=r"bids.parquet: is missing in this run"):
        finished()
    orders.write_bytes(before)
    (out / "kpis.json").write_text((out / "kpis.json").read_text().replace('"isps": 24', '"isps": 25'))
    for read in (finished, lambda: load(out).kpis):
        with pytest.raises(InputError, match=r"kpis.json: content: is not what this run wrote"):
            read()
