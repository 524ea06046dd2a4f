"""The example of fifty households: what is printed of it, and what the page says of its columns."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from tandem_sim.experiments.commands.validate import check_file
from tandem_sim.experiments.runs.scenario import read_scenario
from tandem_sim.grids.io.profiles import PROFILES
from tandem_sim.sim.households.columns import ATTRIBUTES, Attribute
from tandem_sim.sim.run import run
from tandem_sim.sim.scenario.described import written

DOCS = Path(__file__).resolve().parents[3] / "docs"
EXAMPLE = DOCS / "examples" / "synthetic_households.yaml"


def test_what_is_printed_are_the_sums_of_the_table() -> None:
    table = pd.read_csv(EXAMPLE.with_suffix(".csv"))
    told = check_file(str(EXAMPLE))
    assert "50 households on 69 distribution buses" in told
    mwh = table.annual_kwh.sum() / 1000
    assert f"Households of D1: 50 at {table.bus.nunique()} buses, {mwh:.6g} MWh a year" in told
    for name, size, unit in (
        ("PV", "pv_kwp", "kWp"),
        ("batteries", "battery_kwh", "kWh"),
        ("EVs", "ev_kw", "kW"),
        ("heat pumps", "heat_pump_kw", "kW"),
    ):
        owners = table[table[size] > 0]
        assert re.search(rf"^  {name} +{len(owners)}  {owners[size].sum():.6g} {unit}", told, re.MULTILINE), (
            name
        )
    pumps = table[table.heat_pump_kw > 0]
    assert f"cop {pumps.cop.notna().sum()}\n" in told  # the last of the given ones
    assert f"cop {pumps.cop.isna().sum()}," in " ".join(told.split("drawn:")[1].split())


def test_it_runs(tmp_path: Path) -> None:
    changes = {"days": 1, "isp_minutes": 60, "power_flow_check.audit_share": 0.0}
    scenario, folder = read_scenario(str(EXAMPLE), changes)
    run(scenario, folder, tmp_path)
    assert pd.read_parquet(tmp_path / "grid.parquet").converged.all()


@pytest.mark.parametrize("about", ATTRIBUTES, ids=[about.name for about in ATTRIBUTES])
def test_the_page_says_what_every_column_may_be(about: Attribute) -> None:
    page = (DOCS / "formats.md").read_text(encoding="utf-8")
    section = page.split("\n## Households from a table\n")[1].split("\n## ")[0]
    (line,) = [line for line in section.splitlines() if line.startswith(f"| `{about.name}` |")]
    _, _, meaning, unit, may_be, _ = (cell.strip() for cell in line.split("|"))
    assert (meaning, unit) == (about.meaning, about.unit)
    if about.name.endswith("profile"):
        assert about.choices == PROFILES[may_be.split("`")[1]]
    elif about.kind == "choice":
        assert tuple(re.findall(r"`([^`]+)`", may_be)) == about.choices
    elif about.kind == "number":
        none = ", or 0 for none" if about.sizes else ""
        assert may_be == f"{written(about.limits[0])} to {written(about.limits[1])}{none}"
