from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.sim.clock.calendar import Calendar
from tandem_sim.sim.output import recorder as recorder_module
from tandem_sim.sim.output.recorder import MANY, Recorder
from tandem_sim.sim.output.tables import TABLES

CALENDAR = Calendar.of_days("2016-07-01", 1, 15, "Europe/Brussels")
ROWS = {"isp": [0, 1, 2], "system": ["D1"] * 3, "bid_id": ["a", "b", "c"], "reason": ["late"] * 3}


def test_every_table_exists_and_rows_come_back(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, CALENDAR)
    recorder("rejections", ROWS)
    recorder("rejections", {"isp": 95, "system": "D2", "bid_id": "d", "reason": "late"})
    recorder.close()
    assert {f.stem for f in tmp_path.iterdir()} == set(TABLES)
    table = pd.read_parquet(tmp_path / "rejections.parquet")
    assert table.bid_id.tolist() == ["a", "b", "c", "d"]
    assert table.time.iloc[0] == CALENDAR.start
    assert table.time.iloc[-1] == CALENDAR.end - pd.Timedelta(minutes=15)
    assert pd.read_parquet(tmp_path / "bids.parquet").empty


def test_tables_are_streamed_in_groups_without_changing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "ROWS_KEPT", 4)
    monkeypatch.setattr(recorder_module, "ROWS_PER_GROUP", 7)
    recorder = Recorder(tmp_path, CALENDAR)
    for _ in range(5):
        recorder("rejections", ROWS)
    assert recorder._waiting["rejections"].count < 4
    recorder.close()
    assert pd.read_parquet(tmp_path / "rejections.parquet").bid_id.tolist() == ["a", "b", "c"] * 5


def test_one_few_and_many_rows_stay_in_order_and_what_they_were(tmp_path: Path) -> None:
    recorder, one = Recorder(tmp_path, CALENDAR), {"system": "D1", "reason": "late"}
    ids, quarters = np.array([f"b{k}" for k in range(2 * MANY)]), np.arange(2 * MANY) % 96
    many = {"isp": quarters, "system": ["D2"] * len(ids), "bid_id": ids, "reason": ["late"] * len(ids)}
    recorder("rejections", {"isp": 5, "bid_id": "first", **one})
    recorder("rejections", ROWS)
    recorder("rejections", many)
    recorder("rejections", {"isp": 7, "bid_id": "last", **one})
    before, quarters[:], ids[:] = quarters.tolist(), 0, "x"
    recorder.close()
    table = pd.read_parquet(tmp_path / "rejections.parquet")
    assert table.bid_id.tolist() == ["first", "a", "b", "c", *(f"b{k}" for k in range(2 * MANY)), "last"]
    assert table.isp.tolist() == [5, 0, 1, 2, *before, 7]


@pytest.mark.parametrize(
    "row",
    [
        {"isp": 0, "system": "D1", "bid_id": "a"},
        {"isp": 0, "system": "D1", "bid_id": "a", "reason": "", "more": 1},
    ],
)
def test_a_row_with_missing_or_unknown_columns_is_an_error(tmp_path: Path, row: dict[str, object]) -> None:
    with pytest.raises(KeyError, match="rejections"):
        Recorder(tmp_path, CALENDAR)("rejections", row)
