from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tandem_sim.grids.errors import InputError
from tandem_sim.grids.published.entsoe_xml import read_entsoe_xml
from tandem_sim.grids.series.series import LabelledRows, regular
from tests.grids.published.published import IN_MW, PRICED, document, period, point, prices, series


def _read(tmp_path: Path, text: str, resolution: str = "") -> LabelledRows:
    path = tmp_path / "document.xml"
    path.write_text(text, encoding="utf-8")
    return read_entsoe_xml(path, resolution)


def test_day_ahead_prices_start_at_local_midnight(tmp_path: Path) -> None:
    rows = _read(tmp_path, prices({k: 10.5 - k for k in range(1, 25)}))
    one = regular(rows)
    assert one.start == pd.Timestamp("2024-01-01 00:00", tz="Europe/Brussels")
    assert one.step == pd.Timedelta(hours=1)
    assert one.units == {"price": "EUR/MWh"}
    np.testing.assert_array_equal(one.column("price"), [10.5 - k for k in range(1, 25)])


def test_positions_missing_under_a03_repeat_the_value_before(tmp_path: Path) -> None:
    rows = _read(tmp_path, prices({1: 5, 3: -1.25, 24: 7}, curve="A03"))
    np.testing.assert_array_equal(regular(rows).column("price"), [5, 5, *[-1.25] * 21, 7])


def test_the_last_position_may_be_missing_under_a03(tmp_path: Path) -> None:
    rows = _read(tmp_path, prices({1: 5, 2: 6}, curve="A03", end="2024-01-01T03:00Z"))
    np.testing.assert_array_equal(regular(rows).column("price"), [5, 6, 6, 6])


def test_positions_missing_under_a01_are_a_gap(tmp_path: Path) -> None:
    rows = _read(tmp_path, prices({k: 1.0 for k in range(1, 25) if k not in (5, 6)}))
    with pytest.raises(InputError, match=r"document\.xml: line \d+: 2 rows of 60 min are missing between"):
        regular(rows)


def test_days_of_clock_changes_have_23_and_25_hours(tmp_path: Path) -> None:
    days = [
        ("2024-03-30T23:00Z", "2024-03-31T22:00Z", 23),  # 31 March 2024 in Brussels
        ("2024-10-26T22:00Z", "2024-10-27T23:00Z", 25),  # 27 October 2024
    ]
    for start, end, n in days:
        points = [point(k, "price.amount", k) for k in range(1, n + 1)]
        text = document(
            "Publication_MarketDocument", "A44", [series(PRICED, [period(start, end, "PT60M", points)])]
        )
        one = regular(_read(tmp_path, text))
        assert one.n == n
        assert one.end.tz_convert("Europe/Brussels").hour == 0


def test_time_series_in_any_order_are_put_in_the_order_of_time(tmp_path: Path) -> None:
    def day(number: int) -> str:
        points = [point(1, "price.amount", number), point(2, "price.amount", number + 0.5)]
        return series(
            PRICED, [period(f"2024-01-0{number}T00:00Z", f"2024-01-0{number}T02:00Z", "PT60M", points)]
        )

    rows = _read(tmp_path, document("Publication_MarketDocument", "A44", [day(2), day(1)]))
    assert list(rows.values["price"]) == [1, 1.5, 2, 2.5]
    assert rows.times.is_monotonic_increasing
    assert rows.lines[0] > rows.lines[2]  # lines are those of the file


def test_several_resolutions_need_a_choice(tmp_path: Path) -> None:
    hour = [point(1, "price.amount", 10)]
    quarters = [point(k, "price.amount", k) for k in (1, 2, 3, 4)]
    text = document(
        "Publication_MarketDocument",
        "A44",
        [
            series(PRICED, [period("2024-01-01T00:00Z", "2024-01-01T01:00Z", "PT60M", hour)]),
            series(PRICED, [period("2024-01-01T00:00Z", "2024-01-01T01:00Z", "PT15M", quarters)]),
        ],
    )
    with pytest.raises(InputError, match=r"resolution: the document has PT15M and PT60M\."):
        _read(tmp_path, text)
    assert list(_read(tmp_path, text, "PT15M").values["price"]) == [1, 2, 3, 4]
    assert list(_read(tmp_path, text, "PT60M").values["price"]) == [10]
    with pytest.raises(InputError, match=r"'PT30M' is not in it"):
        _read(tmp_path, text, "PT30M")


def test_two_values_for_one_time_are_refused_and_one_value_twice_is_kept(tmp_path: Path) -> None:
    def auction(value: float) -> str:
        return series(
            PRICED,
            [period("2024-01-01T00:00Z", "2024-01-01T01:00Z", "PT60M", [point(1, "price.amount", value)])],
        )

    same = _read(tmp_path, document("Publication_MarketDocument", "A44", [auction(3), auction(3)]))
    assert list(same.values["price"]) == [3]
    with pytest.raises(
        InputError, match=r"price of 2024-01-01 00:00:00 UTC is 4, and 3 on line \d+.*several auctions"
    ):
        _read(tmp_path, document("Publication_MarketDocument", "A44", [auction(3), auction(4)]))


def _types(tmp_path: Path, kind: str = "A75") -> LabelledRows:
    def one(zone: str, code: str, values: list[float]) -> str:
        inside = f"\n<psrType>{code}</psrType>\n"
        points = [point(k, "quantity", value) for k, value in enumerate(values, 1)]
        return series(
            {zone: "10YBE----------2", **IN_MW, "MktPSRType": inside},
            [period("2024-01-01T00:00Z", "2024-01-01T01:00Z", "PT30M", points)],
        )

    every = [
        one("inBiddingZone_Domain.mRID", "B16", [0, 1.5]),
        one("inBiddingZone_Domain.mRID", "B10", [300, 310]),
        one("outBiddingZone_Domain.mRID", "B10", [50, 60]),
        one("inBiddingZone_Domain.mRID", "B19", [7, 8]),
    ]
    return _read(tmp_path, document("GL_MarketDocument", kind, every))


def test_generation_has_a_column_per_type(tmp_path: Path) -> None:
    rows = regular(_types(tmp_path))
    assert {name: list(values) for name, values in rows.values.items()} == {
        "solar": [0, 1.5],
        "hydro_pumped_storage": [300, 310],
        "hydro_pumped_storage_consumption": [50, 60],
        "wind_onshore": [7, 8],
    }
    assert set(rows.units.values()) == {"MW"}
    assert rows.step == pd.Timedelta(minutes=30)


def test_forecasts_of_wind_and_solar_say_so(tmp_path: Path) -> None:
    assert "solar_forecast" in _types(tmp_path, "A69").values


def test_a_type_that_is_shorter_than_the_others_has_a_gap(tmp_path: Path) -> None:
    def one(code: str, n: int) -> str:
        points = [point(k, "quantity", k) for k in range(1, n + 1)]
        head = {"inBiddingZone_Domain.mRID": "x", **IN_MW, "MktPSRType": f"<psrType>{code}</psrType>"}
        return series(head, [period("2024-01-01T00:00Z", "2024-01-01T03:00Z", "PT60M", points)])

    rows = _read(tmp_path, document("GL_MarketDocument", "A75", [one("B16", 3), one("B19", 2)]))
    with pytest.raises(InputError, match=r"line \d+, wind_onshore: is empty or no number"):
        regular(rows)


@pytest.mark.parametrize(("process", "name"), [("A16", "load"), ("A01", "load_forecast")])
def test_load_is_realised_or_forecast(tmp_path: Path, process: str, name: str) -> None:
    points = [point(1, "quantity", 9000), point(2, "quantity", 9100)]
    one = series(IN_MW, [period("2024-01-01T00:00Z", "2024-01-01T02:00Z", "PT60M", points)])
    rows = _read(tmp_path, document("GL_MarketDocument", "A65", [one], process))
    assert list(rows.values) == [name]
    assert rows.units == {name: "MW"}


def _imbalance_prices() -> str:
    def of(category: str, values: dict[int, float]) -> str:
        points = [
            point(
                k,
                "imbalance_Price.amount",
                v,
                f"\n<imbalance_Price.category>{category}</imbalance_Price.category>\n",
            )
            for k, v in values.items()
        ]
        head = {"businessType": "A19", **PRICED}
        return series(head, [period("2024-01-01T00:00Z", "2024-01-01T01:00Z", "PT15M", points)], "A03")

    return document(
        "Balancing_MarketDocument", "A85", [of("A04", {1: 40, 3: -5}), of("A05", {1: 60, 4: 200.5})]
    )


def test_imbalance_prices_have_long_and_short(tmp_path: Path) -> None:
    rows = regular(_read(tmp_path, _imbalance_prices()))
    assert list(rows.column("imbalance_price_long")) == [40, 40, -5, -5]
    assert list(rows.column("imbalance_price_short")) == [60, 60, 60, 200.5]


def test_categories_may_share_a_period_and_may_be_left_out(tmp_path: Path) -> None:
    mark = "<imbalance_Price.category>A0{}</imbalance_Price.category>"
    points = [point(k, "imbalance_Price.amount", 10 * k + c, mark.format(c)) for k in (1, 2) for c in (4, 5)]
    one = series(PRICED, [period("2024-01-01T00:00Z", "2024-01-01T00:30Z", "PT15M", points)])
    rows = _read(tmp_path, document("Balancing_MarketDocument", "A85", [one]))
    assert list(rows.values["imbalance_price_long"]) == [14, 24]
    assert list(rows.values["imbalance_price_short"]) == [15, 25]
    plain = series(
        PRICED,
        [
            period(
                "2024-01-01T00:00Z", "2024-01-01T00:15Z", "PT15M", [point(1, "imbalance_Price.amount", 31.11)]
            )
        ],
    )
    rows = _read(tmp_path, document("Balancing_MarketDocument", "A85", [plain]))
    assert list(rows.values["imbalance_price"]) == [31.11]


def test_imbalance_volumes_take_their_sign_from_the_direction(tmp_path: Path) -> None:
    """Periods of one direction each that alternate, in two time series, as the platform publishes them."""

    def of(direction: str, *periods: str) -> str:
        head = {
            "businessType": "A19",
            "flowDirection.direction": direction,
            "quantity_Measure_Unit.name": "MWH",
        }
        return series(head, periods, "A03")

    up = of(
        "A01",
        period("2024-01-01T00:00Z", "2024-01-01T00:30Z", "PT15M", [point(1, "quantity", 12.5)]),
        period("2024-01-01T00:45Z", "2024-01-01T01:00Z", "PT15M", [point(1, "quantity", 3)]),
    )
    down = of("A02", period("2024-01-01T00:30Z", "2024-01-01T00:45Z", "PT15M", [point(1, "quantity", 8)]))
    rows = regular(_read(tmp_path, document("Balancing_MarketDocument", "A86", [up, down])))
    assert list(rows.column("imbalance_volume")) == [12.5, 12.5, -8, 3]
    assert rows.units == {"imbalance_volume": "MWh"}


def test_archives_as_the_platform_answers_with(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("001-IMBALANCE_PRICES_R3_202312312300-202401010000.xml", _imbalance_prices())
    path = tmp_path / "prices.zip"
    path.write_bytes(packed.getvalue())
    assert list(read_entsoe_xml(path).values["imbalance_price_long"]) == [40, 40, -5, -5]


ACKNOWLEDGED = (
    '<Acknowledgement_MarketDocument xmlns="urn:iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0">'
    "<mRID>1</mRID><Reason><code>999</code><text>No matching data found</text></Reason>"
    "</Acknowledgement_MarketDocument>"
)
GOOD = prices(dict.fromkeys(range(1, 25), 10))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"file: is empty"),
        ("no xml", r"line 1: is no XML in UTF-8"),
        (GOOD[: len(GOOD) // 2], r"line \d+: is no XML in UTF-8 .*may be cut off"),
        (GOOD.replace("<Period>", "<Period><!-- -->").replace("</Period>", "", 1), r"line \d+: is no XML"),
        (ACKNOWLEDGED, r"answer without data: 'No matching data found'"),
        (GOOD.replace("A44", "A09"), r"'Publication_MarketDocument' of type 'A09', which is not read"),
        ("<rdf>1</rdf>", r"is 'rdf' of type '', which is not read"),
        (GOOD.replace(">EUR<", ">GBP<"), r"currency_Unit\.name is 'GBP'\. Give EUR"),
        (GOOD.replace(">MWH<", ">MAW<"), r"price_Measure_Unit\.name is 'MAW'"),
        (GOOD.replace("A01<", "A02<"), r"curveType 'A02' is not read"),
        (GOOD.replace("PT60M", "P1D"), r"resolution 'P1D' is not read"),
        (GOOD.replace("01T23:00Z", "01T23:30Z"), r"is no positive multiple of PT60M"),
        (GOOD.replace("2024-01-01T23:00Z", "2023-12-30T23:00Z"), r"is no positive multiple of PT60M"),
        (GOOD.replace("2024-01-01T23:00Z", "2024-13-01T23:00Z"), r"is no time"),
        (GOOD.replace("2024-01-01T23:00Z", "2024-01-01T23:00"), r"'2024-01-01T23:00', no time"),
        (GOOD.replace("<position>24<", "<position>25<"), r"position is '25'; the period has 1 to 24"),
        (GOOD.replace("<position>24<", "<position>x<"), r"position is 'x'"),
        (GOOD.replace("<position>24<", "<position>23<"), r"line \d+: position 23 is given twice"),
        (GOOD.replace("<price.amount>10<", "<price.amount>ten<", 1), r"price\.amount is 'ten', no number"),
        (GOOD.replace("<price.amount>10<", "<price.amount>10,5<", 1), r"price\.amount is '10,5', no number"),
        (GOOD.replace("<price.amount>10<", "<price.amount>1e999<", 1), r"too large a number"),
        (GOOD.replace("<price.amount>10<", "<price.amount>1e13<", 1), r"1e13 is too large"),
        (GOOD.replace("<price.amount>10</price.amount>", "", 1), r"price\.amount is '', no number"),
        (document("Publication_MarketDocument", "A44", []), r"TimeSeries: there is none"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        _read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'document.xml'}: ")
    assert "\n" not in str(caught.value)


def test_directions_without_a_sign_are_refused(tmp_path: Path) -> None:
    head = {"flowDirection.direction": "A03", "quantity_Measure_Unit.name": "MWH"}
    one = series(head, [period("2024-01-01T00:00Z", "2024-01-01T00:15Z", "PT15M", [point(1, "quantity", 1)])])
    with pytest.raises(InputError, match=r"flowDirection\.direction 'A03' says no sign"):
        _read(tmp_path, document("Balancing_MarketDocument", "A86", [one]))
