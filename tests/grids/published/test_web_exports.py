from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.web_exports import read_entsoe_csv, read_smard
from tandem_sim.grids.series.series import LabelledRows, regular
from tests.grids.published.published import ENTSOE_GENERATION, ENTSOE_PRICES, SMARD

HOUR = pd.Timedelta(hours=1)


def _path(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "export.csv"
    path.write_text(text, encoding="utf-8")
    return path


def _utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_prices_of_the_later_platform(tmp_path: Path) -> None:
    one = regular(read_entsoe_csv(_path(tmp_path, ENTSOE_PRICES)))
    assert one.start == _utc("2024-12-31 23:00")
    assert one.step == pd.Timedelta(minutes=15)
    assert list(one.values) == ["price"]  # intraday prices have no value
    assert list(one.column("price")) == [18.92, -3.5, 0]
    assert one.units == {"price": "EUR/MWh"}


@pytest.mark.parametrize(
    ("heading", "start"),
    [
        ("MTU (UTC)", "2019-01-01 00:00"),
        ("MTU (CET/CEST)", "2018-12-31 23:00"),
        ("Time (CET)", "2018-12-31 23:00"),
    ],
)
def test_the_zone_is_that_of_the_heading(tmp_path: Path, heading: str, start: str) -> None:
    text = f'"{heading}","Day-ahead Price [EUR/MWh]","Currency","BZN|BE"\n' + "".join(
        f'"01.01.2019 0{h}:00 - 01.01.2019 0{h + 1}:00","{h}.5","EUR",""\n' for h in range(3)
    )
    one = regular(read_entsoe_csv(_path(tmp_path, text)))
    assert one.start == _utc(start)
    assert list(one.column("price")) == [0.5, 1.5, 2.5]


def test_a_heading_without_zone_needs_one(tmp_path: Path) -> None:
    path = _path(tmp_path, ENTSOE_GENERATION.replace("MTU (CET)", "MTU"))
    with pytest.raises(InputError, match=r"'MTU': names no time zone\. Give zone"):
        read_entsoe_csv(path)
    assert regular(read_entsoe_csv(path, "UTC")).start == _utc("2019-01-01 00:00")


def test_generation_leaves_out_what_does_not_exist_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        rows = regular(read_entsoe_csv(_path(tmp_path, ENTSOE_GENERATION)))
    assert {name: list(values) for name, values in rows.values.items()} == {
        "biomass": [310, 308],
        "hydro_pumped_storage": [12, 0],
        "hydro_pumped_storage_consumption": [400, 380],
        "solar": [0, 0],
    }
    assert "column 'Nuclear  - Actual Aggregated [MW]' holds no value and is left out" in caplog.text


def test_load_and_its_forecast(tmp_path: Path) -> None:
    text = (
        '"Time (CET/CEST)","Day-ahead Total Load Forecast [MW] - BZN|BE","Actual Total Load [MW] - BZN|BE"\n'
        '"01.01.2019 00:00 - 01.01.2019 00:15","9000","9012"\n'
        '"01.01.2019 00:15 - 01.01.2019 00:30","8990","9002"\n'
    )
    rows = regular(read_entsoe_csv(_path(tmp_path, text)))
    assert list(rows.column("load")) == [9012, 9002]
    assert list(rows.column("load_forecast")) == [9000, 8990]


def _day(day: str, labels: list[str], values: list[str]) -> str:
    def later(label: str) -> str:
        return f"{int(label) + 1:02d}"

    return '"MTU (CET/CEST)","Day-ahead Price [EUR/MWh]"\n' + "".join(
        f'"{day} {label}:00 - {day} {later(label)}:00","{value}"\n'
        for label, value in zip(labels, values, strict=True)
    )


SPRING = [f"{h:02d}" for h in range(23) if h != 2]
AUTUMN = ["00", "01", "02", "02", *(f"{h:02d}" for h in range(3, 23))]


def test_the_hour_that_clocks_skip_is_not_there_or_empty(tmp_path: Path) -> None:
    without = regular(read_entsoe_csv(_path(tmp_path, _day("31.03.2024", SPRING, ["1"] * 22))))
    every = sorted([*SPRING, "02"])
    for gap in ("-", "", "n/e"):
        values = [gap if label == "02" else "1" for label in every]
        one = regular(read_entsoe_csv(_path(tmp_path, _day("31.03.2024", every, values))))
        assert one.n == without.n == 22
        assert one.end == _utc("2024-03-31 21:00")


def test_a_value_in_the_hour_that_clocks_skip_is_refused(tmp_path: Path) -> None:
    path = _path(tmp_path, _day("31.03.2024", sorted([*SPRING, "02"]), ["1"] * 23))
    with pytest.raises(
        InputError, match=r"line 4, start: 2024-03-31 02:00:00 does not exist in Europe/Brussels"
    ):
        read_entsoe_csv(path)


def test_of_the_hour_that_is_there_twice_the_first_is_summer_time(tmp_path: Path) -> None:
    values = [str(k) for k in range(24)]
    one = regular(read_entsoe_csv(_path(tmp_path, _day("27.10.2024", AUTUMN, values))))
    assert one.start == _utc("2024-10-26 22:00")
    assert one.end == _utc("2024-10-27 22:00")
    np.testing.assert_array_equal(one.column("price"), np.arange(24))


def test_the_hour_that_should_be_there_twice_is_there_once(tmp_path: Path) -> None:
    path = _path(tmp_path, _day("27.10.2024", AUTUMN[:2] + AUTUMN[3:], ["1"] * 23))
    with pytest.raises(InputError, match=r"2024-10-27 02:00:00 occurs once; .*it has to occur twice"):
        read_entsoe_csv(path)


def test_marks_behind_labels_are_their_offsets(tmp_path: Path) -> None:
    text = '"MTU (CET/CEST)","Area","Day-ahead Price (EUR/MWh)"\n' + "".join(
        f'"26/10/2025 {a} - 26/10/2025 {b}","BZN|BE","{k}"\n'
        for k, (a, b) in enumerate(
            [
                ("01:00:00", "02:00:00 (CEST)"),
                ("02:00:00 (CEST)", "02:00:00 (CET)"),
                ("02:00:00 (CET)", "03:00:00"),
                ("03:00:00", "04:00:00"),
            ]
        )
    )
    one = regular(read_entsoe_csv(_path(tmp_path, text)))
    assert one.start == _utc("2025-10-25 23:00")
    assert (one.n, one.step) == (4, HOUR)
    assert list(one.column("price")) == [0, 1, 2, 3]


def test_smard_in_german(tmp_path: Path) -> None:
    one = regular(read_smard(_path(tmp_path, "\ufeff" + SMARD)))
    assert one.start == _utc("2024-10-04 22:00")
    assert one.step == pd.Timedelta(minutes=15)
    assert list(one.column("wind_onshore")) == [1401.5, 1374.75, 928.75]
    assert list(one.column("solar")) == [0, 0, 2.25]
    assert "nuclear" not in one.values
    assert set(one.units.values()) == {"MWh"}


def test_smard_in_english(tmp_path: Path) -> None:
    text = (
        "Start date;End date;Germany/Luxembourg [€/MWh] Calculated resolutions;"
        "grid load [MWh] Calculated resolutions\n"
        "Dec 31, 2023 11:00 PM;Jan 1, 2024 12:00 AM;0.10;41,204.25\n"
        "Jan 1, 2024 12:00 AM;Jan 1, 2024 1:00 AM;-0.03;999.5\n"
        "Jan 1, 2024 1:00 AM;Jan 1, 2024 2:00 AM;1,000;40,000\n"
    )
    one = regular(read_smard(_path(tmp_path, text)))
    assert one.start == _utc("2023-12-31 22:00")
    assert list(one.column("price")) == [0.10, -0.03, 1000]
    assert list(one.column("load")) == [41204.25, 999.5, 40000]
    assert one.units == {"price": "EUR/MWh", "load": "MWh"}


def test_smard_over_both_clock_changes(tmp_path: Path) -> None:
    """Quarter-hours around 02:00 of 31 March and 26 October: the end of a row may look an hour off."""
    header = "Datum von;Datum bis;Photovoltaik [MWh] Originalauflösungen\n"
    spring = [("01:30", "01:45"), ("01:45", "03:00"), ("03:00", "03:15")]
    autumn = [
        *[("01:45", "02:00"), ("02:00", "02:15"), ("02:15", "02:30"), ("02:30", "02:45"), ("02:45", "02:00")],
        *[("02:00", "02:15"), ("02:15", "02:30"), ("02:30", "02:45"), ("02:45", "03:00"), ("03:00", "03:15")],
    ]
    for day, rows in (("30.03.2025", spring), ("26.10.2025", autumn)):
        text = header + "".join(f"{day} {a};{day} {b};{k},5\n" for k, (a, b) in enumerate(rows))
        one = regular(read_smard(_path(tmp_path, text)))
        assert one.n == len(rows)
        assert list(one.column("solar")) == [k + 0.5 for k in range(len(rows))]


def test_a_gap_in_a_column_is_refused(tmp_path: Path) -> None:
    rows = read_smard(_path(tmp_path, SMARD.replace("0,00;-", "-;-", 1)))
    with pytest.raises(InputError, match=r"line 2, solar: is empty or no number"):
        regular(rows)


def test_rows_missing_and_rows_twice_are_refused(tmp_path: Path) -> None:
    lines = SMARD.splitlines(keepends=True)
    with pytest.raises(InputError, match=r"line 4: has the same time as line 3"):
        regular(read_smard(_path(tmp_path, "".join([*lines[:3], lines[2]]))))
    with pytest.raises(InputError, match=r"line 3: 1 rows of 15 min are missing"):
        regular(read_smard(_path(tmp_path, "".join([*lines[:2], lines[3]]))))
    with pytest.raises(InputError, match=r"rows: there are none"):
        regular(read_smard(_path(tmp_path, lines[0])))


BAD_SMARD = [
    ("", r"file: is empty"),
    ("a;b\n1;2\n", r"header: is not the one of SMARD"),
    (SMARD.replace("Datum bis", "Datum"), r"header: is not the one of SMARD"),
    (SMARD.replace("1.401,50", "viel"), r"line 2, .*is 'viel', no number"),
    (SMARD.replace("1.401,50", "1401.50"), r"line 2, .*is '1401\.50'"),
    (SMARD.replace("1.401,50", "1.4011,50"), r"line 2, .*is '1\.4011,50'"),
    (
        SMARD.replace("05.10.2024 00:15;05", "31.02.2024 00:15;05"),
        r"line 3, 'Datum von': is '31\.02\.2024 00:15', no",
    ),
    (SMARD.replace("05.10.2024 00:15;05", "05.10.2024;05"), r"line 3, .*is '05\.10\.2024', no time"),
    (SMARD.replace("05.10.2024 00:30\n", "", 1).replace("00:45;928", "00:50;928"), r"line 4: lasts 0:20:00"),
    (SMARD.replace(";-\n", "\n", 1), r"line 2: is not CSV .*4 cells under 5 columns"),
    (SMARD.replace("Photovoltaik", "Wind Onshore"), r"the column is given twice"),
    (SMARD.replace("Photovoltaik [MWh]", "Photovoltaik [GWh]"), r"has the unit 'GWh'"),
    (SMARD.replace("Photovoltaik [MWh]", "Photovoltaik"), r"names no unit"),
]


@pytest.mark.parametrize(("text", "message"), BAD_SMARD)
def test_what_is_wrong_in_smard(tmp_path: Path, text: str, message: str) -> None:
    _refused(tmp_path, text, message, read_smard)


BAD_ENTSOE = [
    ("a,b\n1,2\n", r"header: is not the one of an ENTSO-E export"),
    (ENTSOE_PRICES.replace("18.92", "18,92"), r"line 2, .*is '18,92', which has a comma"),
    (
        ENTSOE_PRICES.replace("BZN|FR", "BZN|BE", 1),
        r"line 3, 'Area': is 'BZN\|FR', and 'BZN\|BE' in other rows",
    ),
    (ENTSOE_PRICES.replace("Without Sequence", "Sequence 2", 1), r"'Sequence': is 'Without Sequence'"),
    (ENTSOE_PRICES.replace("(EUR/MWh)", "(GBP/MWh)", 1), r"has the unit 'GBP/MWh'"),
    (ENTSOE_PRICES.replace("MTU (CET/CEST)", "MTU (EET)"), r"names the zone 'EET', which is not known"),
    (ENTSOE_PRICES.replace(" - 01/01/2025 00:15:00", "", 1), r"line 2, .*no interval"),
    (ENTSOE_PRICES.replace("00:15:00 - ", "00:15 Uhr - "), r"line 3, .*is '01/01/2025 00:15 Uhr', no time"),
    (ENTSOE_PRICES.replace('"Area"', '"Day-ahead Price [EUR/MWh]"'), r"line 2, .*is 'BZN\|FR', no number"),
]


@pytest.mark.parametrize(("text", "message"), BAD_ENTSOE)
def test_what_is_wrong_in_exports_of_entsoe(tmp_path: Path, text: str, message: str) -> None:
    _refused(tmp_path, text, message, read_entsoe_csv)


def _refused(tmp_path: Path, text: str, message: str, read: Callable[[Path], LabelledRows]) -> None:
    path = _path(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: ")
