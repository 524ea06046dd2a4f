from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.elia import read_elia
from tandem_sim.grids.published.tennet import read_tennet
from tandem_sim.grids.series.series import regular
from tests.grids.published.published import ELIA, TENNET, TENNET_EXPORT


def _path(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(text, encoding="utf-8")
    return path


def _utc(text: str) -> pd.Timestamp:
    return pd.Timestamp(text, tz="UTC")


def test_elia_newest_first_over_the_clock_change(tmp_path: Path) -> None:
    """02:45 of summer time is followed by 02:00 of winter time, 01:00 UTC."""
    rows = read_elia(_path(tmp_path, ELIA))
    assert list(rows.lines) == [5, 4, 3, 2]
    one = regular(rows)
    assert one.start == _utc("2024-10-27 00:30")
    assert one.step == pd.Timedelta(minutes=15)
    assert list(one.column("imbalance_price")) == [99.5, -43.5, 44.0, 101.0]
    assert list(one.column("system_imbalance")) == [-11.0, 31.0, 30.0, -12.5]
    assert (one.units["imbalance_price"], one.units["system_imbalance"]) == ("EUR/MWh", "MW")
    assert not {"area_control_error", "alpha_prime"} & set(one.values)  # empty in the file


def test_elia_by_identifiers_and_with_two_prices(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = (
        "datetime;resolutioncode;qualitystatus;netregulationvolume;systemimbalance;alpha;"
        "marginalincrementalprice;marginaldecrementalprice;positiveimbalanceprice;negativeimbalanceprice;new\n"
        "2023-01-01T00:00:00+00:00;PT15M;Validated;5.5;-4;1;80;20;80;81;7\n"
        "2023-01-01T00:15:00+00:00;PT15M;Validated;0;0;0;81;21;50;50;8\n"
    )
    with caplog.at_level(logging.WARNING):
        one = regular(read_elia(_path(tmp_path, text)))
    assert list(one.column("imbalance_price_long")) == [80, 50]
    assert list(one.column("imbalance_price_short")) == [81, 50]
    assert list(one.column("net_regulation_volume")) == [5.5, 0]
    assert "column 'new' is not known and is left out" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"file: is empty"),
        ("Datetime;Total Load\n1;2\n", r"header: is not the one of Elia's imbalance prices"),
        (ELIA.replace("+01:00", "", 1), r"line 2, 'Datetime': is '2024-10-27T02:15:00', no time with offset"),
        (ELIA.replace("+01:00", "+14:01"), r"line 2, 'Datetime': .*no time with offset"),
        (ELIA.replace("2024-10-27", "1677-10-27"), r"line 2, 'Datetime': .*no time with offset"),
        (ELIA.replace("2024-10-27T02:15", "2024-10-32T02:15"), r"line 2, 'Datetime': .*no time"),
        (
            ELIA.replace("PT15M", "PT1M", 1),
            r"line 3, 'Resolution code': is 'PT15M', and 'PT1M' in other rows",
        ),
        (ELIA.replace("PT15M", "PT60M"), r"'Resolution code': is 'PT60M', which is not read"),
        (ELIA.replace("101.0\n", "dear\n", 1), r"line 2, 'Imbalance Price': is 'dear', no number"),
        (ELIA.replace("101.0\n", "101,0\n", 1), r"line 2, 'Imbalance Price': is '101,0', which has a comma"),
        (ELIA[:-10], r"line 5: is not CSV with separator ';'"),
        (ELIA.splitlines()[0], r"columns: hold no value at all"),
    ],
)
def test_what_is_wrong_in_elia(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_elia(_path(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'table.csv'}: ")


def test_gaps_and_rows_twice_in_elia_are_refused(tmp_path: Path) -> None:
    lines = ELIA.splitlines(keepends=True)
    with pytest.raises(InputError, match=r"has the same time as line 2"):
        regular(read_elia(_path(tmp_path, "".join([*lines, lines[1]]))))
    with pytest.raises(InputError, match=r"1 rows of 15 min are missing"):
        regular(read_elia(_path(tmp_path, "".join([*lines[:3], *lines[4:]]))))
    with pytest.raises(InputError, match=r"line 2, imbalance_price: is empty"):
        regular(read_elia(_path(tmp_path, ELIA.replace("101.0\n", "\n", 1))))


@pytest.mark.parametrize("separator", [",", ";"])
def test_tennet_of_the_web_service(tmp_path: Path, separator: str) -> None:
    one = regular(read_tennet(_path(tmp_path, TENNET.replace(",", separator))))
    assert one.start == _utc("2025-06-30 22:00")
    assert list(one.column("imbalance_price_short")) == [180, 62.1, -5.5]
    assert list(one.column("imbalance_price_long")) == [40, 62.1, -5.5]
    assert set(one.units.values()) == {"EUR/MWh"}


def test_tennet_of_the_export_before(tmp_path: Path) -> None:
    one = regular(read_tennet(_path(tmp_path, TENNET_EXPORT)))
    assert one.start == _utc("2021-01-16 23:00")
    assert list(one.column("imbalance_price_short")) == [-60.77, 44.78, 48.78]
    assert list(one.column("imbalance_price_long")) == [-60.77, 44.78, 38.52]


@pytest.mark.parametrize(("day", "n"), [("03/28/2021", 92), ("10/31/2021", 100), ("06/01/2021", 96)])
def test_days_of_tennet_have_92_96_or_100_isps(tmp_path: Path, day: str, n: int) -> None:
    head = TENNET_EXPORT.splitlines()[0].replace('"', "")
    rows = [f"{day},{k},,,,,,,0,{k},{-k},0" for k in range(1, n + 1)]
    one = regular(read_tennet(_path(tmp_path, "\n".join([head, *rows]))))
    local = one.start.tz_convert("Europe/Amsterdam")
    assert (local.hour, local.minute) == (0, 0)
    assert one.end.tz_convert("Europe/Amsterdam") == local + pd.DateOffset(days=1)
    np.testing.assert_array_equal(one.column("imbalance_price_short"), np.arange(1, n + 1))
    with pytest.raises(InputError, match=rf"'PTE': is '{n + 1}'; .* has the ISP 1 to {n}"):
        read_tennet(_path(tmp_path, "\n".join([head, f"{day},{n + 1},,,,,,,0,1,1,0"])))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"file: is empty"),
        ("a,b\n1,2\n", r"header: is not the one of TenneT's settlement prices"),
        (TENNET.replace("2025-07-01T00:15:00,", "2025-06-31T00:15:00,"), r"line 3, .*no date"),
        (
            TENNET.replace("2025-07-01T00:15:00,2025-07-01T00:30:00", "2025-07-01T00:30:00,x"),
            r"ISP 2 starts at 00:15",
        ),
        (TENNET.replace("2025-07", "9998-07"), r"line 2, 'Timeinterval Start Loc': is '9998-.*', no date"),
        (TENNET.replace(",2,EUR", ",0,EUR"), r"line 3, 'Isp': is '0'; 2025-07-01 has the ISP 1 to 96"),
        (TENNET.replace("EUR", "GBP"), r"Currency Unit Name: is 'GBP'"),
        (TENNET.replace("EUR", "GBP", 1), r"'Currency Unit Name': is 'EUR', and 'GBP' in other rows"),
        (TENNET.replace("180.00,40.00", "a lot,40.00"), r"line 2, 'Price Shortage': is 'a lot', no number"),
        (TENNET_EXPORT.replace("01/17/2021", "17/01/2021"), r"line 2, 'Date': is '17/01/2021', no date"),
        (TENNET_EXPORT.replace('"Feed"', '"Food"'), r"it has no column 'Feed'"),
        (TENNET_EXPORT[:-20], r"line 4: is not CSV"),
    ],
)
def test_what_is_wrong_in_tennet(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_tennet(_path(tmp_path, text))
    assert str(caught.value).startswith(f"{tmp_path / 'table.csv'}: ")


def test_gaps_and_rows_twice_in_tennet_are_refused(tmp_path: Path) -> None:
    lines = TENNET.splitlines(keepends=True)
    with pytest.raises(InputError, match=r"line 4: has the same time as line 3"):
        regular(read_tennet(_path(tmp_path, "".join([*lines[:3], lines[2]]))))
    with pytest.raises(InputError, match=r"line 3: 1 rows of 15 min are missing"):
        regular(read_tennet(_path(tmp_path, "".join([*lines[:2], lines[3]]))))
    with pytest.raises(InputError, match=r"line 2, imbalance_price_long: is empty"):
        regular(read_tennet(_path(tmp_path, TENNET.replace("180.00,40.00", "180.00,"))))
