"""Meanings and units of all columns: in the files, on the page, and fit for their names."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tandem_sim.experiments.explain import tables as explained
from tandem_sim.experiments.market_power.measure import READ as OF_POWER
from tandem_sim.experiments.results.kpis import READ as OF_KPIS
from tandem_sim.experiments.run_folder.conflicts import write_conflicts
from tandem_sim.experiments.run_folder.described import DESCRIBED, PAGE, page
from tandem_sim.grids.errors import InputError
from tandem_sim.markets.schemes import build_schemes
from tandem_sim.sim.output.columns import unit_of
from tandem_sim.sim.output.tables import ABOUT, FIXED, TABLES, THINNED, UNNEEDED, Unneeded
from tandem_sim.sim.run import run
from tests.sim.conftest import HOURLY, small_scenario


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "tables have changed: python -m tandem_sim.experiments.run_folder.described"
    )


@pytest.mark.parametrize("table", DESCRIBED)
def test_every_number_has_a_unit_and_every_column_a_meaning(table: str) -> None:
    for column in DESCRIBED[table].columns:
        assert column.meaning
        assert column.meaning.isprintable()
        if pa.types.is_floating(column.kind):
            assert column.unit or column.name in ("x", "y"), column.name
        if unit_of(column.name):
            assert column.unit == unit_of(column.name)


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("price_eur_per_mwh", "EUR/MWh"),
        ("price_eur_per_mw_h", "EUR/(MW h)"),
        ("pay_eur_per_h", "EUR/h"),
        ("price_eur_per_mvarh", "EUR/Mvarh"),
        ("vm_pu", "p.u."),
        ("kw", "kW"),
        ("indoor_deviation_k", "K"),
        ("amount_eur", "EUR"),
        ("devices", ""),
        ("bus", ""),
    ],
)
def test_the_unit_is_at_the_end_of_the_name(name: str, unit: str) -> None:
    assert unit_of(name) == unit


def test_meanings_and_units_are_in_the_files(tmp_path: Path) -> None:
    folder, scenario = tmp_path, small_scenario(**HOURLY)
    run(scenario, None, folder)
    write_conflicts(folder, build_schemes(scenario.scheme_options)[scenario.scheme], 1.0)
    assert {path.stem for path in folder.glob("*.parquet")} == set(DESCRIBED)
    for name, about in DESCRIBED.items():
        schema = pq.read_schema(folder / f"{name}.parquet")
        assert schema.metadata[b"description"].decode() == about.meaning
        for column in about.schema:
            found = schema.field(column.name)
            assert found.type == column.type or column.name == "time"  # Parquet has no whole seconds
            assert found.metadata[b"description"] == column.metadata[b"description"]
            assert found.metadata[b"unit"] == column.metadata[b"unit"]
    assert pq.read_schema(folder / "grid.parquet").field("losses_mw").metadata[b"unit"] == b"MW"


def test_tables_that_may_be_left_out_are_those_that_nothing_reads() -> None:
    assert get_args(Unneeded) == UNNEEDED
    assert set(UNNEEDED) == {name for name, about in ABOUT.items() if not about.needed}
    assert set(TABLES) == set(ABOUT)
    assert set(THINNED) <= set(UNNEEDED)
    read = {*OF_KPIS, *OF_POWER, *explained.MAIN, "activations", "fallbacks", "bids"}
    assert not read & set(UNNEEDED)
    assert read <= {name for name, about in DESCRIBED.items() if about.needed}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("grid", "grid cannot be left out: needed by key figures, figures"),
        ("clearings", "clearings cannot be left out: needed by the audit, key figures, explain"),
        ("branches", "branches cannot be left out: it names the branches and buses"),
        ("device", "device is no table of a run. Did you mean devices?"),
    ],
)
def test_a_table_that_is_needed_cannot_be_left_out(table: str, message: str) -> None:
    assert table in FIXED or table in ABOUT or table == "device"
    with pytest.raises(InputError) as told:
        small_scenario(**{"output.leave_out": [table]})
    assert message in str(told.value)
    assert "output.leave_out.0" in str(told.value)
