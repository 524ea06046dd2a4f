"""CSV and Parquet tables of series, good and bad. Each fault ends in one message that names its place."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.read import read_forecasts, read_series
from tandem_sim.grids.series.series import Series
from tandem_sim.grids.series.tables import TableFormat

UTC = TableFormat(zone="UTC")
BRUSSELS = TableFormat(zone="Europe/Brussels")
QUARTERS = "2019-05-01 00:00,1\n2019-05-01 00:15,2\n2019-05-01 00:30,3\n"


def _read(tmp_path: Path, text: str, form: TableFormat = UTC, wanted: tuple[str, ...] = ()) -> Series:
    path = tmp_path / "town.csv"
    path.write_text(text, encoding="utf-8")
    return read_series(path, form, wanted)


def test_quarters_of_an_hour(tmp_path: Path) -> None:
    found = _read(tmp_path, f"time,load_kw\n{QUARTERS}")
    assert (found.start, found.step) == (pd.Timestamp("2019-05-01", tz="UTC"), pd.Timedelta(minutes=15))
    assert found.values["load_kw"].tolist() == [1.0, 2.0, 3.0]
    assert found.end == pd.Timestamp("2019-05-01 00:45", tz="UTC")


def test_labels_of_ends(tmp_path: Path) -> None:
    form = TableFormat(zone="UTC", end_labels=True)
    assert _read(tmp_path, f"time,load_kw\n{QUARTERS}", form).start == pd.Timestamp("2019-04-30 23:45Z")


def test_semicolons_and_decimal_commas(tmp_path: Path) -> None:
    form = TableFormat(zone="UTC", separator=";", decimal_mark=",", time_format="%d.%m.%Y %H:%M")
    found = _read(tmp_path, "Datum;MW\n01.05.2019 00:00;1,5\n01.05.2019 01:00;-2\n", form)
    assert found.values["MW"].tolist() == [1.5, -2.0]
    assert found.step == pd.Timedelta(hours=1)


def test_offsets_in_labels(tmp_path: Path) -> None:
    """Over the clock change of 27 October 2019: 00:00, 01:00 and 02:00 UTC."""
    rows = "2019-10-27T02:00+02:00,1\n2019-10-27T02:00+01:00,2\n2019-10-27T03:00+01:00,3\n"
    for form in (TableFormat(), BRUSSELS):
        assert _read(tmp_path, f"time,mw\n{rows}", form).start == pd.Timestamp("2019-10-27T00:00Z")


def test_days_of_23_and_25_hours(tmp_path: Path) -> None:
    """A year of local hours as it is published: 8 760 rows, a day of 23 and a day of 25 hours."""
    local = pd.date_range("2019-01-01", "2020-01-01", freq="h", tz="Europe/Brussels", inclusive="left")
    text = "\n".join(f"{time:%Y-%m-%d %H:%M},{k}" for k, time in enumerate(local))
    found = _read(tmp_path, f"time,mw\n{text}\n", BRUSSELS)
    assert found.n == 8760
    assert found.end == pd.Timestamp("2020-01-01", tz="Europe/Brussels")


def test_parquet_is_the_same(tmp_path: Path) -> None:
    times = pd.date_range("2019-05-01", periods=3, freq="15min", tz="UTC")
    frame = pd.DataFrame({"time": times, "a": [1, 2, 3], "b": [0.5, 0.25, 0.125]})
    for name, column in (("aware", times), ("naive", times.tz_localize(None)), ("text", times.astype(str))):
        path = tmp_path / f"{name}.parquet"
        frame.assign(time=column).to_parquet(path)
        found = read_series(path, UTC)
        assert found.start == times[0]
        assert {k: v.tolist() for k, v in found.values.items()} == {"a": [1, 2, 3], "b": [0.5, 0.25, 0.125]}
    assert list(read_series(path, UTC, ["b"]).values) == ["b"]


D = "2019-05-01"
FAULTS = {
    "gap": (f"{D} 00:00,1\n{D} 00:15,2\n{D} 00:45,3\n", "line 4: 1 rows of 15 min are missing"),
    "duplicate": (f"{D} 00:00,1\n{D} 00:15,2\n{D} 00:15,3\n", "line 4: has the same time as line 3"),
    "order": (f"{D} 00:00,1\n{D} 00:15,2\n{D} 00:10,3\n{D} 00:25,3\n", "line 4: .*is earlier than"),
    "backwards": (f"{D} 00:30,1\n{D} 00:15,2\n", "none is later"),
    "text": (f"{D} 00:00,1\n{D} 00:15,high\n", "line 3, load: is 'high', no number"),
    "empty cell": (f"{D} 00:00,1\n{D} 00:15,\n", "line 3, load: is empty or no number"),
    "comma": (f'{D} 00:00,"1,5"\n{D} 00:15,2\n', "line 2, load: .*has a comma"),
    "leading zero": (f"{D} 00:00,01\n{D} 00:15,2\n", "line 2, load: .*has a leading zero"),
    "infinite": (f"{D} 00:00,1e999\n{D} 00:15,2\n", "line 2, load"),
    "huge": (f"{D} 00:00,1e15\n{D} 00:15,2\n", "line 2, load: .*1e[+]12 or more"),
    "no rows": ("", "rows: there are none"),
    "one row": (f"{D} 00:00,1\n", "one row does not tell"),
    "no time": (f"yesterday,1\n{D} 00:15,2\n", "line 2, time: 'yesterday' is no time"),
    "no such day": ("2019-02-29 00:00,1\n2019-02-29 00:15,2\n", "line 2, time: .* is no time"),
    "two zones": (f"{D}T00:00+02:00,1\n{D} 00:15,2\n", "line 3, time: .*two zones"),
    "wrong offset": (
        f"{D}T00:00+01:00,1\n{D}T00:15+01:00,2\n",
        "line 2, time: .*not the one of Europe/Brussels",
    ),
    "spring": (
        "2019-03-31 01:00,1\n2019-03-31 02:00,2\n2019-03-31 03:00,2\n",
        "line 3, time: .*clocks skip it",
    ),
    "autumn": ("2019-10-27 01:00,1\n2019-10-27 02:00,2\n2019-10-27 03:00,2\n", "line 3, time: .*occurs once"),
    "ragged": (f"{D} 00:00,1,2\n", "line 2: is not CSV"),
    "swapped": (
        f"{D} 00:00,1\n{D} 00:30,2\n{D} 00:15,3\n{D} 00:45,3\n{D} 01:00,3\n{D} 01:15,3\n{D} 01:30,3\n",
        "line 3: .*of line 4: .*out of order",
    ),
    "first swapped": (f"{D} 00:15,1\n{D} 00:00,2\n{D} 00:30,3\n{D} 00:45,3\n", "line 3: .*out of order"),
    "block twice": (f"{D} 00:00,1\n{D} 00:15,2\n" * 2, "line 4: has the same time as line 2: .*twice"),
    "mixed autumn": (
        "2019-10-27 02:00,1\n2019-10-27 02:00,2\n2019-10-27 02:15,3\n2019-10-27 02:15,4\n",
        "line 4, time: .*the two hours have to follow one another",
    ),
    "autumn block twice": (
        "2019-10-27 02:00,1\n2019-10-27 02:00,2\n" * 2,
        "line 2, time: .*occurs 4 times.*in the file twice",
    ),
    "early": ("1500-01-01 00:00,1\n1500-01-01 01:00,1\n", "line 2, time: .*years 1900 to 2199"),
    "late": ("2200-01-02 00:00,1\n2200-01-02 01:00,1\n", "line 2, time: .*years 1900 to 2199"),
    "far offset": (f"{D}T00:00+14:01,1\n{D}T00:15+14:01,1\n", "line 2, time: .*beyond 14:00"),
    "odd offset": (f"{D}T00:00+01:60,1\n{D}T00:15+01:60,1\n", "line 2, time: .*beyond 14:00"),
    "odd step": (f"{D} 00:00,1\n{D} 00:07,2\n{D} 00:14,2\n", "420 s apart"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_end_in_one_message(fault: str, tmp_path: Path) -> None:
    rows, says = FAULTS[fault]
    with pytest.raises(InputError, match=says) as found:
        _read(tmp_path, f"time,load\n{rows}", BRUSSELS)
    assert "town.csv" in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "file: is empty"),
        ("time\n2019-05-01\n", "none beside the labels"),
        ("time,a,a\n", "a.*the column is given twice"),
    ],
)
def test_headers_are_checked(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=says):
        _read(tmp_path, text)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("mixed", "time_format: is 'mixed', without a directive of the year"),
        ("ISO8601", "time_format: is 'ISO8601', without a directive of the year"),
        ("%d.%m. %H:%M", "without a directive of the year"),
        ("%%Y", "without a directive of the year"),
        ("%Y-%m-%d %H:%M%z", "offsets are read in ISO 8601 only"),
    ],
)
def test_time_formats_that_leave_something_open_are_refused(written: str, says: str, tmp_path: Path) -> None:
    """By guess, 03/04/2019 would be 4 March, and 13/04/2019 the 13th of April."""
    with pytest.raises(InputError, match=says):
        _read(tmp_path, "t,a\n03/04/2019,1\n13/04/2019,1\n", TableFormat(zone="UTC", time_format=written))


def test_days_whose_year_looks_like_an_offset(tmp_path: Path) -> None:
    """31-01-2019 and 01-02-2019 are days; -2019 is no offset of 20 hours and 19 minutes."""
    form = TableFormat(zone="UTC", time_format="%d-%m-%Y")
    found = _read(tmp_path, "t,a\n31-01-2019,1\n01-02-2019,2\n", form)
    assert (found.start, found.step) == (pd.Timestamp("2019-01-31T00:00Z"), pd.Timedelta(days=1))


def test_the_largest_offset(tmp_path: Path) -> None:
    """Kiritimati is 14 hours ahead: its 14:00 is 00:00 UTC."""
    found = _read(tmp_path, f"t,a\n{D}T14:00+14:00,1\n{D}T15:00+14:00,2\n", TableFormat())
    assert found.start == pd.Timestamp(f"{D}T00:00Z")


def test_another_separator_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"looks separated by ';'.* Give separator: \";\""):
        _read(tmp_path, f"time;load\n{D} 00:00;1,5\n")
    with pytest.raises(InputError, match="looks separated by ',', and not by ';'"):
        _read(tmp_path, f"time,load\n{QUARTERS}", TableFormat(zone="UTC", separator=";"))


@pytest.mark.parametrize("zone", ["Mars/Base", "Factory/X"])
def test_unknown_zones_of_parquet(zone: str, tmp_path: Path) -> None:
    table = pa.table({"time": pa.array([0, 3600], pa.timestamp("s", zone)), "a": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=f"time: has the time zone '{zone}', which is not known"):
        read_series(tmp_path / "a.parquet", TableFormat())


@pytest.mark.parametrize("seconds", [-(2**40), 2**40, -2_208_988_801, 7_258_118_400])
@pytest.mark.parametrize("zone", [None, "UTC"])
def test_timestamps_of_far_years(seconds: int, zone: str | None, tmp_path: Path) -> None:
    """1900-01-01 is 2 208 988 800 s before 1970 (NTP, RFC 5905); 2200-01-01 is 84 006 days after it."""
    table = pa.table({"time": pa.array([0, seconds], pa.timestamp("s", zone)), "a": [1, 2]})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"line 2, time: has a time outside of the years 1900 to 2199"):
        read_series(tmp_path / "a.parquet", UTC)


@pytest.mark.parametrize("column", [["x" * 900] * 400_000, ["2019-05-01" + " " * 900] * 400_000])
def test_long_texts_of_many_rows_are_not_unpacked(column: list[str], tmp_path: Path) -> None:
    """400 000 times 900 characters are 343 MiB, from a file of 41 kilobytes."""
    table = pa.table({"time": pa.array(column).dictionary_encode(), "a": np.zeros(len(column))})
    pq.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with pytest.raises(InputError, match="268435456 bytes unpacked"):
        read_series(tmp_path / "a.parquet", UTC)


def test_naive_labels_need_a_zone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no zone is given"):
        _read(tmp_path, f"time,load\n{QUARTERS}", TableFormat())


def test_unknown_columns_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Did you mean load"):
        _read(tmp_path, f"time,load\n{QUARTERS}", UTC, ("laod",))
    with pytest.raises(InputError, match="does not exist"):
        read_series(tmp_path / "none.csv", UTC)
    (tmp_path / "town.xlsx").write_text("x")
    with pytest.raises(InputError, match=r"ends in \.xlsx"):
        read_series(tmp_path / "town.xlsx", UTC)
    (tmp_path / "town.parquet").write_text("x")
    with pytest.raises(InputError, match="is not Parquet"):
        read_series(tmp_path / "town.parquet", UTC)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_mutants_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    """Bytes changed, cut out or doubled: finite, evenly spaced series, or one message."""
    times = pd.date_range("2019-10-26", periods=100, freq="h", tz="Europe/Brussels")
    frame = pd.DataFrame({"time": times.strftime("%Y-%m-%dT%H:%M%z"), "mw": np.linspace(-1.0, 1.0, 100)})
    good = tmp_path / f"good.{kind}"
    frame.to_csv(good, index=False) if kind == "csv" else frame.to_parquet(good)
    content, rng, read = good.read_bytes(), random.Random(5), 0
    messages: list[str] = []
    for number in range(200):
        data = bytearray(content)
        for _ in range(rng.choice((1, 1, 3))):
            place = rng.randrange(len(data))
            match rng.randrange(3):
                case 0:
                    data[place] = rng.randrange(256)
                case 1:
                    del data[place : place + rng.randrange(1, 40)]
                case _:
                    data[place:place] = data[place : place + rng.randrange(1, 40)]
        path = tmp_path / f"{number}.{kind}"
        path.write_bytes(data)
        try:
            found = read_series(path, TableFormat())
        except InputError as error:
            messages.append(str(error))
            continue
        read += 1
        assert all(np.isfinite(values).all() for values in found.values.values())
        assert {len(values) for values in found.values.values()} == {found.n}
    assert 0 < read < 200
    assert not any("\n" in message for message in messages)


def test_forecasts(tmp_path: Path) -> None:
    path = tmp_path / "forecast.csv"
    rows = "2019-05-01T06:00Z,2019-05-01T08:00Z,5\n2019-05-01T06:00Z,2019-05-01T09:00Z,6\n"
    head = "issued,valid,mw\n"
    path.write_text(head + rows)
    found = read_forecasts(path, issued="issued", valid="valid", value="mw", zone="")
    assert (found.step, found.values.tolist()) == (pd.Timedelta(hours=1), [5.0, 6.0])
    for more, says in (
        ("2019-05-01T10:00Z,2019-05-01T09:00Z,1\n", "line 4, issued: is later"),
        ("2019-05-01T06:00Z,2019-05-01T08:00Z,1\n", "line 4, valid: is forecast twice"),
        ("2019-05-01T06:00Z,2019-05-01T10:00Z,\n", "line 4, mw: is empty"),
    ):
        path.write_text(head + rows + more)
        with pytest.raises(InputError, match=says):
            read_forecasts(path, issued="issued", valid="valid", value="mw", zone="")
