from __future__ import annotations

from importlib import resources

import pandas as pd
import pytest


@pytest.fixture(scope="module")
def germany() -> pd.DataFrame:
    folder = resources.files("tandem_sim.grids") / "data"
    with resources.as_file(folder / "germany-2025.csv") as path:
        table = pd.read_csv(path)
    table.index = pd.DatetimeIndex(table.pop("time")).tz_convert("Europe/Berlin")
    return table


def test_two_weeks_of_hours_from_monday_on(germany: pd.DataFrame) -> None:
    assert list(germany.index) == list(pd.date_range("2025-04-28", periods=336, freq="h", tz="Europe/Berlin"))
    assert not germany.isna().to_numpy().any()


@pytest.mark.parametrize(
    ("time", "residual"),
    [
        ("2025-04-28 00:00", 35560.46),
        ("2025-04-28 12:00", 5840.56),
        ("2025-05-01 13:00", -3996.18),
        ("2025-05-02 20:00", 40818.81),
        ("2025-05-04 03:00", 7965.23),
        ("2025-05-06 23:00", 36086.11),
    ],
)
def test_residual_load_is_the_one_that_smard_publishes(
    germany: pd.DataFrame, time: str, residual: float
) -> None:
    """SMARD: residual load is grid load minus wind and photovoltaics; a column that is not bundled."""
    row = germany.loc[pd.Timestamp(time, tz="Europe/Berlin")]
    assert row["load_mw"] - row["wind_mw"] - row["solar_mw"] == pytest.approx(residual, abs=0.011)


def test_the_lowest_price_of_2025(germany: pd.DataFrame) -> None:
    assert germany["price_eur_per_mwh"].idxmin() == pd.Timestamp("2025-05-11 13:00", tz="Europe/Berlin")
    assert germany["price_eur_per_mwh"].min() == -250.32
    assert (germany["price_eur_per_mwh"] < 0).sum() == 56


def test_the_sun_sets(germany: pd.DataFrame) -> None:
    by_hour = germany["solar_mw"].to_numpy().reshape(14, 24)
    assert by_hour[:, :4].max() < 20
    assert by_hour.mean(axis=0).argmax() in (12, 13)
