"""CSV and Parquet tables become the same text cells, or are refused in one line."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tandem_sim.grids.documents import table_reader
from tandem_sim.grids.documents.table_reader import read_cells
from tandem_sim.grids.errors import InputError

FRAME = pd.DataFrame(
    {
        "name": ["a", "b ", None],
        "number": [0.1, 1e-7, float("nan")],
        "whole": pd.array([1, 2, None], dtype="Int64"),
        "flag": pd.array([True, False, None], dtype="boolean"),
        "kind": pd.Categorical(["x", None, "y"]),
        "nothing": [None, None, None],
    }
)


def test_both_formats_give_the_same_cells(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    FRAME.to_parquet(tmp_path / "t.PARQUET")
    csv, parquet = read_cells(tmp_path / "t.csv"), read_cells(tmp_path / "t.PARQUET")
    assert (csv.place, parquet.place) == ("line", "row")
    assert csv.frame.index.tolist() == [2, 3, 4]
    assert parquet.frame.index.tolist() == [1, 2, 3]
    assert parquet.frame.columns.tolist() == FRAME.columns.tolist()
    for name in FRAME:
        assert [cell.lower() for cell in csv.frame[name]] == parquet.frame[name].tolist(), name
    assert parquet.frame["number"].tolist() == ["0.1", "1e-07", ""]
    assert parquet.frame["whole"].tolist() == ["1", "2", ""]


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (pa.array([[1]]), "list<"),
        (pa.array([b"x"]), "binary"),
        (pa.array([pd.Timestamp("2016-01-01")]), "timestamp"),
        (pa.array([{"a": 1}]), "struct<"),
    ],
)
def test_columns_of_other_kinds_are_refused(column: pa.Array, says: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"c": column}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=says) as found:
        read_cells(tmp_path / "t.parquet")
    assert found.value.field == "c"


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("t.csv", b"\xff\xfe", "is not UTF-8"),
        ("t.csv", b'a,b\n"1', "is not CSV"),
        ("t.csv", b"a,b\n1\n", "1 cells under 2 columns"),
        ("t.csv", b"a,a\n", "given twice"),
        ("t.xlsx", b"", "neither CSV nor Parquet"),
        ("t.parquet", b"", "is not Parquet"),
        ("t.parquet", b"PAR1PAR1", "is not Parquet"),
    ],
)
def test_files_that_are_no_table_are_refused(name: str, data: bytes, says: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=says):
        read_cells(tmp_path / name)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"t\.csv: file: does not exist"):
        read_cells(tmp_path / "t.csv")


def test_tables_that_are_too_large_are_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million equal rows are a Parquet file of some hundred bytes."""
    pq.write_table(pa.table({"c": pa.array(["x"] * 1_000_000).dictionary_encode()}), tmp_path / "t.parquet")
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 1000, encoding="utf-8")
    monkeypatch.setattr(table_reader, "MOST_CELLS", 999)
    for name in ("t.parquet", "t.csv"):
        with pytest.raises(InputError, match="more than 999 cells"):
            read_cells(tmp_path / name)


def test_a_cell_of_a_parquet_file_has_a_bounded_length(tmp_path: Path) -> None:
    pq.write_table(pa.table({"c": ["x", "y" * 2000]}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"c in row 2: has more than 1000 characters"):
        read_cells(tmp_path / "t.parquet")


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_texts_of_several_row_groups(kind: pa.DataType, tmp_path: Path) -> None:
    """Each row group has a dictionary of its own; the second is not written as a dictionary at all."""
    values = ["a", None, " b", "a", "c", "é" * 1000]
    for encoded in (True, False):
        table = pa.table({"c": pa.array(values, kind)})
        pq.write_table(table, tmp_path / "t.parquet", row_group_size=2, use_dictionary=encoded)
        assert read_cells(tmp_path / "t.parquet").frame["c"].tolist() == ["a", "", "b", "a", "c", "é" * 1000]


def test_long_texts_of_many_rows_are_not_unpacked(tmp_path: Path) -> None:
    """400 000 times 900 characters are 343 MiB, and the first text alone is a cell too long."""
    for text, says in (
        ("x" * 900, "268435456 bytes unpacked"),
        ("x" * 10**6, "c in row 1: has more than 1000"),
    ):
        column = pa.DictionaryArray.from_arrays(pa.array([0] * 400_000, pa.int32()), pa.array([text]))
        pq.write_table(pa.table({"c": column}), tmp_path / "t.parquet")
        usual = pa.default_memory_pool()
        counted = pa.proxy_memory_pool(usual)
        pa.set_memory_pool(counted)
        try:
            with pytest.raises(InputError, match=says):
                read_cells(tmp_path / "t.parquet")
        finally:
            pa.set_memory_pool(usual)
        assert 400_000 < counted.max_memory() < 20_000_000


def test_texts_that_repeat_the_beginning_of_others_are_refused(tmp_path: Path) -> None:
    table = pa.table({"c": ["x" * 900] * 1000})
    pq.write_table(
        table, tmp_path / "t.parquet", use_dictionary=False, column_encoding={"c": "DELTA_BYTE_ARRAY"}
    )
    with pytest.raises(InputError, match="c: has the encoding DELTA_BYTE_ARRAY"):
        read_cells(tmp_path / "t.parquet")


def test_another_separator_is_named_without_a_key(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("bus;pv_kwp\n1;2,5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"looks separated by ';', and not by ','\. Separate them by commas"):
        read_cells(tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("bus,pv_kwp\n1,2,5\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 2") as found:
        read_cells(tmp_path / "t.csv")
    assert found.value.hint == "Correct the line"


def test_spoiled_parquet_files_are_read_or_refused(tmp_path: Path) -> None:
    path, rng = tmp_path / "t.parquet", random.Random(1)
    FRAME.to_parquet(path)
    data, read = path.read_bytes(), 0
    told: list[str] = []
    for _ in range(300):
        spoiled: Any = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 5))):
            spoiled[rng.randrange(len(spoiled))] = rng.randrange(256)
        path.write_bytes(
            bytes(spoiled[: rng.choice((len(spoiled), len(spoiled), rng.randrange(len(spoiled))))])
        )
        try:
            read_cells(path)
        except InputError as error:
            told.append(str(error))
        else:
            read += 1
    assert all(text.isprintable() for text in told)
    assert min(read, len(told)) > 20
